/* err: the sentence, its escaping and its limits; the tables are complete. */
#include "core/err.h"
#include "core/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void sets_and_returns_false(void **state)
{
    (void)state;
    struct err e;
    assert_false(err_set(&e, ERR_TRUST, CAUSE_HASH, "%s: hash differs", "a.pkg"));
    assert_int_equal(e.kind, ERR_TRUST);
    assert_int_equal(e.cause, CAUSE_HASH);
    assert_int_equal(e.code, 0);
    assert_string_equal(e.text, "a.pkg: hash differs");
    assert_false(err_set(NULL, ERR_TRUST, CAUSE_HASH, "nobody asks"));
    assert_false(err_sys(NULL, "nobody asks"));
    assert_false(err_wrap(NULL, "nobody asks"));
}

static void text_is_one_printable_line(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "file %s", "a\nb\x1b[31m\xff\xc2\x9b.\n");
    assert_string_equal(e.text, "file a\\nb\\x1b[31m\\xff\\xc2\\x9b");
    err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "Ends with a full stop.");
    assert_string_equal(e.text, "Ends with a full stop");
}

static void wrapping_keeps_the_rest(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_NET, CAUSE_TLS, "TLS: 100%% \n expired");
    e.code = 35;
    assert_false(err_wrap(&e, "manifest %s", "site"));
    assert_string_equal(e.text, "manifest site: TLS: 100% \\n expired");
    assert_int_equal(e.kind, ERR_NET);
    assert_int_equal(e.cause, CAUSE_TLS);
    assert_int_equal(e.code, 35);
}

static void system_errors_have_kinds(void **state)
{
    (void)state;
    static const struct {
        int no;
        enum err_kind kind;
        enum cause cause;
    } rows[] = {{ENOENT, ERR_NOT_FOUND, CAUSE_INTERNAL}, {ENOTDIR, ERR_NOT_FOUND, CAUSE_INTERNAL},
                {ENOSPC, ERR_SPACE, CAUSE_DISK},         {EFBIG, ERR_LIMIT, CAUSE_LIMIT},
                {EDQUOT, ERR_SPACE, CAUSE_DISK},         {EIO, ERR_SYS, CAUSE_DISK},
                {EACCES, ERR_SYS, CAUSE_INTERNAL},       {ELOOP, ERR_SYS, CAUSE_INTERNAL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e;
        char want[256];
        errno = rows[i].no;
        assert_false(err_sys(&e, "open %s", "x"));
        assert_int_equal(e.kind, rows[i].kind);
        assert_int_equal(e.cause, rows[i].cause);
        assert_int_equal(e.code, rows[i].no);
        snprintf(want, sizeof want, "open x: %s", strerror(rows[i].no));
        assert_string_equal(e.text, want);
    }
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char many[3 * ERR_TEXT_MAX + 1] = "";
    for (size_t i = 0; i + 3 < sizeof many; i += 3)
        memcpy(many + i, "€", 3);
    struct err e;
    err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "a%s", many);
    assert_in_range(strlen(e.text), ERR_TEXT_MAX - 4, ERR_TEXT_MAX - 1);
    assert_true(text_utf8_valid(e.text, strlen(e.text)));
    assert_null(strstr(e.text, "\\x"));
    for (int i = 0; i < 400; i++)
        err_wrap(&e, "level %d", i);
    assert_true(strlen(e.text) < ERR_TEXT_MAX);
    assert_true(text_starts(e.text, "level 399: level 398: "));
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = '\x01';
    many[sizeof many - 1] = '\0';
    err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "%s", many);
    assert_int_equal(strlen(e.text) % 4, 0); /* never half an escape */
}

static void tables_are_complete(void **state)
{
    (void)state;
    for (int c = 0; c < CAUSE_COUNT; c++) {
        const char *name = err_cause_name((enum cause)c);
        assert_true(name && name[0]);
        assert_non_null(err_suggestion((enum cause)c));
        assert_true(c == CAUSE_NONE || strlen(err_suggestion((enum cause)c)) > 10);
        for (int d = 0; d < c; d++)
            assert_string_not_equal(name, err_cause_name((enum cause)d));
    }
    assert_string_equal(err_suggestion(CAUSE_NONE), "");
    assert_string_equal(err_cause_name(CAUSE_TLS_UNTRUSTED), "tls_untrusted");
    assert_string_equal(err_cause_name(CAUSE_HTTP_4XX), "http_4xx");
    assert_string_equal(err_cause_name((enum cause)999), "internal");
    static const int codes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 71, 101, 130, 143, 150, 200, 201};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_string_not_equal(err_exit_meaning(codes[i]), "unknown");
    assert_string_equal(err_exit_meaning(2), "some items failed, were refused or blocked");
    assert_string_equal(err_exit_meaning(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_returns_false),
        cmocka_unit_test(text_is_one_printable_line),
        cmocka_unit_test(wrapping_keeps_the_rest),
        cmocka_unit_test(system_errors_have_kinds),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(tables_are_complete),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
