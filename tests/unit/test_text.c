/* text: exact at the edges: UTF-8, escapes, numbers, dates, URLs, Unicode forms. */
#include "core/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *a;

static int open_arena(void **state)
{
    (void)state;
    a = arena_open();
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "é",
                                       "€",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xc2\x80",
                                       "\xe0\xa0\x80",
                                       "\xf0\x90\x80\x80"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xff",
                                      "a\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(text_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_utf8_valid(bad[i], strlen(bad[i])));
    assert_true(text_utf8_valid("a\0b", 3));
}

static void printable(void **state)
{
    (void)state;
    assert_string_equal(text_printable(a, "tab\tnl\ncr\r", 10), "tab\\tnl\\ncr\\x0d");
    assert_string_equal(text_printable(a, "a\0b\x7f", 4), "a\\x00b\\x7f");
    assert_string_equal(text_printable(a, "é\xff\xe2\x82", 5), "é\\xff\\xe2\\x82");
    assert_string_equal(text_printable(a, "x\xe2\x80\xaey", 5),
                        "x\\xe2\\x80\\xaey"); /* right-to-left override */
    assert_string_equal(text_printable(a, "back\\slash", 10), "back\\slash");
    char out[6];
    text_printable_into(out, sizeof out, "abcé", 5);
    assert_string_equal(out, "abcé");
    text_printable_into(out, sizeof out, "abcd€", 7);
    assert_string_equal(out, "abcd");
    text_printable_into(out, sizeof out, "abc\x01", 4);
    assert_string_equal(out, "abc");
    text_printable_into(out, 1, "abc", 3);
    assert_string_equal(out, "");
    text_printable_into(out, 0, "abc", 3);
}

static void small_ones(void **state)
{
    (void)state;
    assert_string_equal(text_trim(a, " \t\r\n x y \v\f"), "x y");
    assert_string_equal(text_trim(a, "   "), "");
    assert_true(text_starts("manifest", "mani"));
    assert_false(text_starts("man", "mani"));
    assert_true(text_ends("a.pkg", ".pkg"));
    assert_false(text_ends("kg", ".pkg"));
    assert_string_equal(text_basename("/a/b.pkg"), "b.pkg");
    assert_string_equal(text_basename("b.pkg"), "b.pkg");
    assert_string_equal(text_basename("/a/"), "");
    char hex[9];
    unsigned char bytes[4];
    text_hex(hex, "\x00\x0f\xa5\xff", 4);
    assert_string_equal(hex, "000fa5ff");
    assert_true(text_unhex(bytes, 4, "000fA5fF"));
    assert_memory_equal(bytes, "\x00\x0f\xa5\xff", 4);
    assert_false(text_unhex(bytes, 4, "000fa5f"));
    assert_false(text_unhex(bytes, 4, "000fa5ff0"));
    assert_false(text_unhex(bytes, 4, "000fa5fg"));
    assert_false(text_unhex(bytes, 4, ""));
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {{"0", true, 0},
                {"-0", true, 0},
                {"007", true, 7},
                {"-42", true, -42},
                {"9223372036854775807", true, INT64_MAX},
                {"-9223372036854775808", true, INT64_MIN},
                {"9223372036854775808", false, 0},
                {"-9223372036854775809", false, 0},
                {"99999999999999999999999", false, 0},
                {"", false, 0},
                {"-", false, 0},
                {"+1", false, 0},
                {" 1", false, 0},
                {"1 ", false, 0},
                {"1x", false, 0},
                {"0x10", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v = 77;
        assert_int_equal(text_int(rows[i].text, INT64_MIN, INT64_MAX, &v), rows[i].ok);
        assert_true(v == (rows[i].ok ? rows[i].value : 77));
    }
    int64_t v = 77;
    assert_false(text_int("5", 6, 10, &v));
    assert_false(text_int("11", 6, 10, &v));
    assert_true(text_int("10", 6, 10, &v));
}

static void times(void **state)
{
    (void)state;
    char out[32];
    time_t t;
    text_utc(out, 1795491849, -1);
    assert_string_equal(out, "2026-11-24T03:44:09Z");
    text_utc(out, 1795491849, 7);
    assert_string_equal(out, "2026-11-24T03:44:09.007Z");
    text_utc(out, 0, 999);
    assert_string_equal(out, "1970-01-01T00:00:00.999Z");
    text_utc(out, -1, -1);
    assert_string_equal(out, "1969-12-31T23:59:59Z");
    text_utc(out, (time_t)INT64_MAX, 0);
    assert_true(text_starts(out, "9999-12-31T"));
    text_utc(out, (time_t)INT64_MIN, 0);
    assert_true(text_starts(out, "0000-01-01T"));
    for (int64_t s = -62167219200; s < 253402300800; s += 86400 * 97 + 3601) { /* both ways, over all years */
        text_utc(out, (time_t)s, -1);
        if (s <= 253402214400) {
            assert_true(text_parse_utc(out, &t));
            assert_true((int64_t)t == s);
        }
    }
    static const char *const bad[] = {"",
                                      "2026-11-24",
                                      "2026-11-24T03:44:09",
                                      "2026-11-24T03:44:09z",
                                      "2026-11-24T03:44:09Z ",
                                      "2026-11-24 03:44:09Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:60Z",
                                      "-026-01-01T00:00:00Z",
                                      "2026-01-01T00:00:00.1Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_parse_utc(bad[i], &t));
    assert_true(text_parse_utc("2024-02-29T23:59:59Z", &t));
    assert_true(text_parse_utc("2000-02-29T00:00:00Z", &t));
}

static void local_times(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *want;
    } rows[] = {{"UTC0", "2026-11-24T03:44:09.123+00:00"},
                {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-11-24T04:44:09.123+01:00"},
                {"NST3:30", "2026-11-24T00:14:09.123-03:30"},
                {"XXX-14", "2026-11-24T17:44:09.123+14:00"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[32];
        setenv("TZ", rows[i].zone, 1);
        text_local(out, 1795491849, 123);
        assert_string_equal(out, rows[i].want);
    }
    unsetenv("TZ");
}

static void urls(void **state)
{
    (void)state;
    assert_string_equal(text_percent(a, "pkgs/a b+c.pkg", NULL), "pkgs/a%20b%2Bc.pkg");
    assert_string_equal(text_percent(a, "é~-._x%", ""), "%C3%A9~-._x%25");
    assert_string_equal(text_percent(a, "a?b=c", "?="), "a?b=c");
    assert_string_equal(text_unpercent(a, "a%20b%2bc%C3%a9"), "a b+cé");
    assert_string_equal(text_unpercent(a, ""), "");
    assert_null(text_unpercent(a, "a%"));
    assert_null(text_unpercent(a, "a%2"));
    assert_null(text_unpercent(a, "a%zz"));
    assert_null(text_unpercent(a, "a%00b"));
}

static void unicode(void **state)
{
    (void)state;
    assert_string_equal(text_nfc(a, "plain"), "plain");
    assert_string_equal(text_nfc(a, "e\xcc\x81t"), "ét");
    assert_string_equal(text_nfc(a, "ét"), "ét");
    assert_null(text_nfc(a, "\xff"));
    assert_string_equal(text_fold(a, "FireFox"), "firefox");
    assert_string_equal(text_fold(a, "É"), text_fold(a, "e\xcc\x81"));
    assert_string_equal(text_fold(a, "Straße"), "strasse");
    assert_string_equal(text_fold(a, "\xe2\x84\xaa"), "k"); /* the Kelvin sign */
    /* alpha with iota below and acute above, marks in either order */
    assert_string_equal(text_fold(a, "\xce\xb1\xcd\x85\xcc\x81"), text_fold(a, "\xce\xb1\xcc\x81\xcd\x85"));
    assert_string_not_equal(text_fold(a, "a"), text_fold(a, "á"));
    assert_null(text_fold(a, "a\xed\xa0\x80"));
    assert_string_equal(text_map(a, "ABC", true, true), "abc");
    assert_string_equal(text_map(a, "ABC", false, true), "ABC");
    assert_string_equal(text_map(a, "ÉTÉ", true, false), "été");
    assert_string_equal(text_map(a, "Été", false, true), "Ete");
    assert_string_equal(text_map(a, "ÉTÉ", true, true), "ete");
    assert_string_equal(text_map(a, "Straße", true, false), "straße"); /* simple, not full */
    assert_string_equal(text_map(a, "\xc8\xba\xc8\xba\xc8\xba", true, false),
                        "\xe2\xb1\xa5\xe2\xb1\xa5\xe2\xb1\xa5");
    assert_string_equal(text_map(a, "é", false, false), "é");
    assert_null(text_map(a, "\xc3", true, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),     cmocka_unit_test(printable), cmocka_unit_test(small_ones),
        cmocka_unit_test(integers), cmocka_unit_test(times),     cmocka_unit_test(local_times),
        cmocka_unit_test(urls),     cmocka_unit_test(unicode),
    };
    return cmocka_run_group_tests_name("text", tests, open_arena, free_arena);
}
