#include "core/text.h"
#include "manifests/names.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void finds_what_was_put(void **state)
{
    struct arena *a = arena_open();
    struct names *n = names_open(a);
    static int one, two;

    (void)state;
    assert_null(names_get(n, ""));
    assert_null(names_get(n, "a"));
    names_put(n, "a", &one);
    names_put(n, "ab", &two);
    names_put(n, "", &one);
    assert_ptr_equal(names_get(n, "a"), &one);
    assert_ptr_equal(names_get(n, "ab"), &two);
    assert_ptr_equal(names_get(n, ""), &one);
    assert_null(names_get(n, "abc"));
    assert_null(names_get(n, "b"));
    names_put(n, "a", &two);
    assert_ptr_equal(names_get(n, "a"), &two);
    assert_true(names_add(n, "é"));
    assert_false(names_add(n, "é"));
    assert_true(names_has(n, "é"));
    assert_false(names_has(n, "e"));
    assert_ptr_equal(names_find(n, "abc", 2), &two);
    assert_ptr_equal(names_find(n, "abc", 0), &one);
    assert_null(names_find(n, "abc", 3));
    arena_free(a);
}

/* Every name of a few thousand, in an order that a plain tree would not like, is found and no other. */
static void holds_thousands(void **state)
{
    struct arena *a = arena_open();
    struct names *n = names_open(a);
    static int places[5000];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        assert_null(names_get(n, arena_printf(a, "item-%04d", i)));
        names_put(n, arena_printf(a, "item-%04d", i), &places[i]);
    }
    for (int i = 0; i < 5000; i++) {
        assert_ptr_equal(names_get(n, arena_printf(a, "item-%04d", i)), &places[i]);
        assert_null(names_get(n, arena_printf(a, "item-%04d ", i)));
    }
    arena_free(a);
}

static void composes(void **state)
{
    struct arena *a = arena_open();
    const char *ascii = "Plain";

    (void)state;
    assert_ptr_equal(names_nfc(a, ascii), ascii);
    assert_string_equal(names_nfc(a, "E\xcc\x81"), "\xc3\x89");
    assert_string_equal(names_nfc(a, "\xff"), "\xff");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_what_was_put),
                                       cmocka_unit_test(holds_thousands), cmocka_unit_test(composes)};
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
