/* log: form of a line, levels, rotation, control bytes, and that no secret gets through. */
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static char root[] = "/tmp/test_log.XXXXXX";
static int dir;
static struct buf shown; /* what reached the terminal */

static void on_terminal(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    assert_true(buf_printf(&shown, "%d|%s\n", (int)level, line));
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    dir = files_root(root, false, NULL);
    buf_init(&shown, LIMIT_MB);
    log_terminal(on_terminal, NULL);
    return dir < 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_close();
    struct err e;
    int top = files_root("/tmp", false, &e);
    if (!files_remove(top, text_basename(root), &e))
        fail_msg("%s", e.text);
    close(top);
    close(dir);
    buf_release(&shown);
    return 0;
}

static void fresh(struct buf *b)
{
    struct err e;
    log_close();
    assert_true(files_remove(dir, "a.log", &e));
    assert_true(log_open(dir, "a.log", &e));
    log_levels(LOG_LEVEL_INFO, LOG_LEVEL_WARN);
    log_item(NULL);
    buf_clear(&shown);
    buf_init(b, 16 * LIMIT_MB);
}

static const char *contents(struct buf *b)
{
    struct err e;
    buf_clear(b);
    if (!files_read(dir, "a.log", b, &e))
        fail_msg("%s", e.text);
    return buf_str(b);
}

static void a_line_has_time_level_item_and_sentence(void **state)
{
    (void)state;
    struct buf b;
    fresh(&b);
    log_info("first");
    log_item("firefox");
    log_warn("second %d", 2);
    log_item(NULL);
    log_error("third");
    log_debug("not shown");
    const char *s = contents(&b);
    static const char stamp[] = "0000-00-00T00:00:00.000+00:00 ";
    for (size_t i = 0; i < sizeof stamp - 1; i++)
        assert_true(stamp[i] == '0'   ? s[i] >= '0' && s[i] <= '9'
                    : stamp[i] == '+' ? s[i] == '+' || s[i] == '-'
                                      : s[i] == stamp[i]);
    assert_true(text_starts(s + sizeof stamp - 1, "INFO  first\n"));
    assert_non_null(strstr(s, " WARN  [firefox] second 2\n"));
    assert_non_null(strstr(s, " ERROR third\n"));
    assert_null(strstr(s, "not shown"));
    assert_string_equal(buf_str(&shown), "1|WARN  [firefox] second 2\n0|ERROR third\n");
    struct stat st;
    assert_true(files_stat(dir, "a.log", &st, NULL));
    assert_int_equal(st.st_mode & 07777, 0644);
    buf_release(&b);
}

static void levels_choose_where(void **state)
{
    (void)state;
    struct buf b;
    fresh(&b);
    log_levels(LOG_LEVEL_TRACE, LOG_LEVEL_ERROR);
    log_write(LOG_LEVEL_TRACE, "tiny");
    log_warn("quiet");
    assert_non_null(strstr(contents(&b), "TRACE tiny\n"));
    assert_string_equal(buf_str(&shown), "");
    log_levels(LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG);
    log_debug("loud");
    assert_null(strstr(contents(&b), "loud"));
    assert_string_equal(buf_str(&shown), "3|DEBUG loud\n");
    buf_release(&b);
}

static void without_a_file_the_terminal_gets_it(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    fresh(&b);
    log_close();
    log_warn("alone");
    log_info("nowhere");
    assert_string_equal(buf_str(&shown), "1|WARN  alone\n");
    assert_int_equal(symlinkat("/etc/passwd", dir, "link.log"), 0);
    assert_false(log_open(dir, "link.log", &e));
    assert_false(log_open(dir, ".", &e));
    assert_int_equal(mkfifoat(dir, "fifo.log", 0600), 0);
    assert_false(log_open(dir, "fifo.log", &e));
    buf_release(&b);
}

static struct buf copied; /* what the system's log would get */

static void on_copy(enum log_level level, const char *line)
{
    assert_true(buf_printf(&copied, "%d|%s\n", (int)level, line));
}

static void the_system_log_gets_what_the_file_gets(void **state)
{
    (void)state;
    struct buf b;
    fresh(&b);
    buf_init(&copied, LIMIT_MB);
    log_copy(on_copy);
    log_secret("hunter-two");
    log_info("with a password: hunter-two %%s");
    log_item("fire\nfox");
    log_warn("broken");
    log_debug("too fine");
    log_levels(LOG_LEVEL_DEBUG, LOG_LEVEL_ERROR);
    log_debug("fine");
    log_close();
    log_error("before there is a file, too");
    log_copy(NULL);
    log_error("no more");
    assert_string_equal(buf_str(&copied), "2|INFO  with a password: ••• %s\n1|WARN  [fire\\nfox] broken\n"
                                          "3|DEBUG [fire\\nfox] fine\n"
                                          "0|ERROR [fire\\nfox] before there is a file, too\n");
    log_syslog(LOG_LEVEL_DEBUG, "daybreak's unit test, 100%");
    buf_release(&copied);
    buf_release(&b);
}

static void control_bytes_are_escaped(void **state)
{
    (void)state;
    struct buf b;
    fresh(&b);
    log_item("ev\nil");
    log_warn("a\nb\x1b]0;x\x07 \xff %s", "é");
    assert_non_null(strstr(contents(&b), " [ev\\nil] a\\nb\\x1b]0;x\\x07 \\xff é\n"));
    buf_release(&b);
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    struct buf b;
    char many[20001];
    fresh(&b);
    memset(many, 'm', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    log_info("%s", many);
    log_info("next");
    const char *s = contents(&b), *end = strchr(s, '\n');
    assert_in_range(end - s, LIMIT_LOG_LINE - 8, LIMIT_LOG_LINE);
    assert_non_null(strstr(end, "next"));
    buf_release(&b);
}

static void secrets_do_not_get_through(void **state)
{
    (void)state;
    struct buf b;
    fresh(&b);
    log_secret("abc"); /* too short to be one */
    log_secret("hunter2");
    log_secret("hunter2-longer");
    log_secret("user:pa");
    log_secret("Basic dXNlcjpwYXNz");
    log_secret("hunter2");
    log_warn("abc hunter2, xhunter2-longerx; Authorization: Basic dXNlcjpwYXNz");
    log_warn("https://user:pass@host/x http://only@h https://host/a@b ftp://a:b@c:d@e/");
    const char *s = contents(&b);
    assert_non_null(strstr(s, "abc •••, x•••x; Authorization: •••\n"));
    assert_non_null(strstr(s, "https://•••@host/x http://•••@h https://host/a@b ftp://•••@e/\n"));
    assert_null(strstr(buf_str(&shown), "hunter2"));
    /* one that a cut would have halved */
    char many[LIMIT_LOG_LINE + 100];
    for (size_t pad = LIMIT_LOG_LINE - 70; pad < LIMIT_LOG_LINE; pad++) {
        memset(many, 'm', pad);
        snprintf(many + pad, sizeof many - pad, "hunter2-longer");
        log_warn("%s", many);
    }
    assert_null(strstr(contents(&b), "hunt"));
    buf_release(&b);
}

static void redaction_in_place_never_grows(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {{"", ""},
                {"nothing", "nothing"},
                {"hunter2", "••"},
                {"hunter2hunter2", "••••"},
                {"x hunter2-longer y", "x ••• y"},
                {"https://a:b@h", "https://•@h"},
                {"https://u@h", "https://*@h"},
                {"https://hunter2:x@h/hunter2", "https://•••@h/••"},
                {"://@", "://@"},
                {"://", "://"},
                {"https://h?x=@", "https://h?x=@"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = strlen(rows[i].in) + 1;
        char *s = malloc(n); /* exactly, so that the sanitizer sees growth */
        assert_non_null(s);
        memcpy(s, rows[i].in, n);
        log_redact(s);
        assert_string_equal(s, rows[i].out);
        free(s);
    }
}

static void large_files_are_rotated(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    struct stat st;
    fresh(&b);
    for (int i = 0; i < 7; i++) {
        char text[16];
        int fd = openat(dir, "a.log", O_WRONLY | O_TRUNC);
        assert_true(fd >= 0);
        snprintf(text, sizeof text, "%d", i);
        assert_true(files_write(fd, text, 1, &e));
        assert_int_equal(ftruncate(fd, (off_t)LIMIT_LOG_FILE + 1), 0);
        close(fd);
        assert_true(log_open(dir, "a.log", &e));
        assert_true(files_stat(dir, "a.log", &st, &e));
        assert_int_equal(st.st_size, 0);
    }
    for (int g = 0; g < 5; g++) { /* the newest is .0 */
        char name[32], first;
        snprintf(name, sizeof name, "a.log.%d", g);
        int fd = files_open(dir, name, &e);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, &first, 1), 1);
        assert_int_equal(first, '6' - g);
        close(fd);
    }
    assert_false(files_stat(dir, "a.log.5", &st, &e));
    log_info("after");
    assert_true(log_open(dir, "a.log", &e)); /* small: kept and appended to */
    log_info("more");
    assert_non_null(strstr(contents(&b), "after\n"));
    assert_non_null(strstr(contents(&b), "more\n"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_item_and_sentence),
        cmocka_unit_test(levels_choose_where),
        cmocka_unit_test(without_a_file_the_terminal_gets_it),
        cmocka_unit_test(the_system_log_gets_what_the_file_gets),
        cmocka_unit_test(control_bytes_are_escaped),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(secrets_do_not_get_through),
        cmocka_unit_test(redaction_in_place_never_grows),
        cmocka_unit_test(large_files_are_rotated),
    };
    return cmocka_run_group_tests_name("log", tests, set_up, tear_down);
}
