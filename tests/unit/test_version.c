#include "core/arena.h"
#include "manifests/version.h"
#include "tests/unit/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *left, const char *right, int expected)
{
    int order = version_compare(left, right), back = version_compare(right, left);
    if (order != expected || back != -expected)
        fail_msg("\"%s\" against \"%s\": %d, back %d, expected %d", left, right, order, back, expected);
    assert_int_equal(version_compare(left, left), 0);
    assert_int_equal(version_compare(right, right), 0);
}

static void orders(void **state)
{
    static const struct {
        const char *left, *right;
        int order;
    } rows[] = {
        {"10.6", "10.6.0", 0},
        {"10.6", "10.6.0.0.0", 0},
        {"1", "1.0.0", 0},
        {"10.0.0", "10", 0},
        {"0", "0.0", 0},
        {"", "0", 0},
        {"", "1", -1},
        {"1.2", "1.10", -1},
        {"1.10", "1.9", 1},
        {"2", "10", -1},
        {"1.01", "1.1", 0},
        {"1.001", "1.1", 0},
        {"1.10", "1.100", -1},
        {"1.0", "1.00", 0},
        {"1..2", "1.2", 0},
        {".5", "5", 0},
        {"1.", "1", 0},
        {"1.0.0.0.1", "1.0.1", -1},
        {"136.0.7103.49", "136.0.7103.9", 1},
        {"10.15.7", "11.0", -1},
        {"15.4.1", "15.4", 1},
        {"20240101", "3.5", 1},
        {"2024.01.15", "2024.1.15", 0},
        {"1.0b2", "1.0", 1},
        {"1.0b2", "1.0.1", 1},
        {"1.0b2", "1.0b10", -1},
        {"1.0a1", "1.0b1", -1},
        {"1.0b1", "1.0rc1", -1},
        {"1.0rc1", "1.0", 1},
        {"1.0B1", "1.0b1", -1},
        {"16.3", "16.3b", -1},
        {"1.0.b", "1.0.0", 1},
        {"1.0", "1.x", -1},
        {"v1.0", "1.0", 1},
        {"a", "1", 1},
        {"1.0_1", "1.0", 1},
        {"1.0~beta", "1.0", 1},
        {"1.0d", "1.0.0.0d", 1},
        {"1.2.3-1", "1.2.3-2", -1},
        {"1.2.3-10", "1.2.3-9", 1},
        {"1.2.3-1", "1.2.3", -1},
        {"1.0", "1.0-1", 1},
        {"3.0.9-rc", "3.0.9", -1},
        {"1.0+1", "1.0", -1},
        {"1,0", "1.0", -1},
        {"6.4.6 (53970)", "6.4.6", -1},
        {"6.4.6 (53970)", "6.4.7", -1},
        {"8.0 (build 6300)", "8.0.1 (build 6301)", -1},
        {"...", "", 0},
        {"99999999999999999999999", "99999999999999999999998.9", 1},
        {"e\xcc\x81", "\xc3\xa9", 0}, /* e and a combining acute; é */
        {"1.\xff", "1.\xff.0", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(rows[i].left, rows[i].right, rows[i].order);
    assert_int_equal(version_compare(NULL, "0"), 0);
    assert_int_equal(version_compare(NULL, NULL), 0);
}

/* Every pair and triple of a small set: an order is antisymmetric and transitive. */
static void is_total(void **state)
{
    static const char *const all[] = {"",      "0",    "1",   "1.0",   "1.0.1", "1.0-1",   "1.0+1",
                                      "1.0b2", "1.00", "1.x", "1..2",  "v1",    "1.0 (3)", "10",
                                      "2",     "1_0",  "-",   "1.0.b", ".",     "1.0.0",   "01.",
                                      "1-.0",  "1.-",  "a.b", "~",     "0-",    "0a"};
    const size_t n = sizeof all / sizeof *all;
    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            int ij = version_compare(all[i], all[j]);
            assert_int_equal(ij, -version_compare(all[j], all[i]));
            for (size_t k = 0; k < n; k++)
                if (ij <= 0 && version_compare(all[j], all[k]) <= 0)
                    assert_true(version_compare(all[i], all[k]) <= 0);
        }
}

static void trims(void **state)
{
    static const char *const rows[][2] = {{"12.0.0.0", "12.0"},
                                          {"12.0", "12.0"},
                                          {"1", "1"},
                                          {"", ""},
                                          {"12.0.0.1", "12.0.0.1"},
                                          {"7.0.0-rc2.0", "7.0.0-rc2"},
                                          {"1.2.00", "1.2.00"},
                                          {"..0", "."},
                                          {".0", ".0"},
                                          {"1.2.", "1.2."}};
    struct arena *a = arena_open();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(version_trim(a, rows[i][0]), rows[i][1]);
    arena_free(a);
}

static void recorded_orders(void **state)
{
    struct table t;
    size_t rows = 0;
    (void)state;
    if (!table_open(&t, "versions.tsv"))
        skip();
    for (; table_next(&t); rows++)
        check(table_field(&t, 0), table_field(&t, 1), (int)strtol(table_field(&t, 2), NULL, 10));
    table_close(&t);
    assert_true(rows > 100);
}

static void recorded_trims(void **state)
{
    struct table t;
    size_t rows = 0;
    struct arena *a = arena_open();
    (void)state;
    if (!table_open(&t, "trims.tsv")) {
        arena_free(a);
        skip();
    }
    for (; table_next(&t); rows++)
        assert_string_equal(version_trim(a, table_field(&t, 0)), table_field(&t, 1));
    table_close(&t);
    arena_free(a);
    assert_true(rows > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(orders), cmocka_unit_test(is_total),
                                       cmocka_unit_test(trims), cmocka_unit_test(recorded_orders),
                                       cmocka_unit_test(recorded_trims)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
