/* buf: grows, never past its maximum, unchanged when it refuses. */
#include "core/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void grows_and_stays_a_string(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    buf_init(&b, 100000);
    assert_string_equal(buf_str(&b), "");
    assert_null(b.data);
    for (int i = 0; i < 10000; i++) {
        assert_true(buf_append(&b, "0123456789", 10, &e));
        assert_int_equal(b.data[b.len], 0);
    }
    assert_int_equal(b.len, 100000);
    assert_true(b.cap <= 100001);
    assert_memory_equal(b.data + 99990, "0123456789", 10);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_str(&b), "");
    buf_release(&b);
    assert_null(b.data);
    buf_release(&b);
}

static void refuses_what_is_too_much(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    buf_init(&b, 10);
    assert_true(buf_append(&b, "12345678", 8, &e));
    assert_false(buf_append(&b, "abc", 3, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_int_equal(e.cause, CAUSE_LIMIT);
    assert_string_equal(buf_str(&b), "12345678");
    assert_false(buf_append(&b, "abc", SIZE_MAX, NULL));
    assert_false(buf_printf(&b, "%d", 100));
    assert_string_equal(buf_str(&b), "12345678");
    assert_true(buf_printf(&b, "%d", 90));
    assert_string_equal(buf_str(&b), "1234567890");
    assert_true(buf_append(&b, "", 0, &e));
    assert_false(buf_append(&b, "x", 1, &e));
    buf_release(&b);
    buf_init(&b, 0);
    assert_true(buf_append(&b, NULL, 0, &e));
    assert_false(buf_append(&b, "x", 1, &e));
    buf_release(&b);
}

static void keeps_any_byte(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    assert_true(buf_append(&b, "a\0b", 3, NULL));
    assert_true(buf_printf(&b, "%s", "c"));
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "a\0bc", 5);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_a_string),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(keeps_any_byte),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
