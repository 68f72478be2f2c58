/* sink: nothing bears its name before it is proved; parts are kept, taken again, or refused. */
#include "core/sink.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

static char path[] = "/tmp/daybreak-sink-XXXXXX";
static int dir = -1;
static struct err e;

static int enter(void **state)
{
    (void)state;
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    if (mkdtemp(path) == NULL)
        return 1;
    dir = open(path, O_RDONLY | O_DIRECTORY);
    e = (struct err){0};
    return dir < 0;
}

static int leave(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a.download", "b", "c", "sub/a", "sub/a.download"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(dir, names[i], 0);
    unlinkat(dir, "sub", AT_REMOVEDIR);
    unlinkat(dir, "a.download", AT_REMOVEDIR);
    unlinkat(dir, "a", AT_REMOVEDIR);
    close(dir);
    return rmdir(path);
}

static bool there(const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_holds(const char *name, const char *text)
{
    char got[256];
    int fd = openat(dir, name, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, got, sizeof got - 1);
    assert_true(n >= 0);
    got[n] = '\0';
    close(fd);
    assert_string_equal(got, text);
}

static struct sink_want want(const char *text, bool keep)
{
    struct sink_want w = {.size_max = 100, .size = -1, .keep_part = keep};
    if (text != NULL) {
        w.size = (int64_t)strlen(text);
        w.digest = DIGEST_SHA256;
        digest_of(DIGEST_SHA256, text, strlen(text), w.sum);
    }
    return w;
}

static struct sink *open_sink(const char *name, const struct sink_want *w)
{
    struct sink *s = sink_file(dir, name, w, &e);
    assert_non_null(s);
    return s;
}

static void assert_sum(const unsigned char *sum, const char *text)
{
    unsigned char right[DIGEST_MAX];
    digest_of(DIGEST_SHA256, text, strlen(text), right);
    assert_memory_equal(sum, right, 32);
}

static void memory(void **state)
{
    (void)state;
    struct buf b;
    unsigned char sum[DIGEST_MAX];
    buf_init(&b, 10);
    assert_true(buf_append(&b, "x", 1, &e));
    struct sink *s = sink_memory(&b);
    assert_int_equal(sink_have(s), 0);
    assert_true(sink_write(s, "wrong", 5, &e));
    assert_true(sink_restart(s, &e));
    assert_int_equal(sink_have(s), 0);
    assert_true(sink_write(s, "hel", 3, &e));
    assert_true(sink_write(s, "lo", 2, &e));
    assert_int_equal(sink_have(s), 5);
    assert_false(sink_write(s, "12345", 5, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_true(sink_commit(s, sum, &e));
    assert_string_equal(buf_str(&b), "xhello");
    assert_sum(sum, "hello");

    s = sink_memory(&b);
    assert_true(sink_write(s, "gone", 4, &e));
    sink_abort(s);
    assert_string_equal(buf_str(&b), "xhello");
    buf_release(&b);

    buf_init(&b, 10);
    s = sink_memory(&b);
    assert_true(sink_restart(s, &e));
    assert_true(sink_commit(s, sum, &e));
    assert_sum(sum, "");
    buf_release(&b);
}

static void file_is_proved_then_named(void **state)
{
    (void)state;
    struct sink_want w = want("hello world", false);
    unsigned char sum[DIGEST_MAX];
    struct stat st;
    put("a", "old", 0600);
    put("a.download", "left over", 0644);
    struct sink *s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    assert_true(sink_write(s, "hello ", 6, &e));
    assert_holds("a", "old");
    assert_true(sink_write(s, "world", 5, &e));
    assert_true(sink_commit(s, sum, &e));
    assert_holds("a", "hello world");
    assert_sum(sum, "hello world");
    assert_false(there("a.download"));
    assert_int_equal(fstatat(dir, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void unknown_size_and_digest(void **state)
{
    (void)state;
    struct sink_want w = want(NULL, false);
    unsigned char sum[DIGEST_MAX];
    struct sink *s = open_sink("sub/a", &w); /* parents are made */
    assert_true(sink_commit(s, sum, &e));
    assert_holds("sub/a", "");
    assert_sum(sum, "");
}

static void other_digest(void **state)
{
    (void)state;
    struct sink_want w = want(NULL, false);
    unsigned char sum[DIGEST_MAX], right[DIGEST_MAX];
    w.digest = DIGEST_SHA1;
    digest_of(DIGEST_SHA1, "abc", 3, w.sum);
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "abc", 3, &e));
    assert_true(sink_commit(s, sum, &e));
    digest_of(DIGEST_SHA1, "abc", 3, right);
    assert_memory_equal(sum, right, 20);
}

static void wrong_hash(void **state)
{
    (void)state;
    struct sink_want w = want("hello", true);
    put("a", "old", 0644);
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "hallo", 5, &e));
    assert_false(sink_commit(s, NULL, &e));
    assert_int_equal(e.kind, ERR_TRUST);
    assert_int_equal(e.cause, CAUSE_HASH);
    assert_non_null(strstr(e.text, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));
    assert_holds("a", "old");
    assert_false(there("a.download"));
}

static void wrong_size(void **state)
{
    (void)state;
    struct sink_want w = want("hello", true);
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "hell", 4, &e));
    assert_false(sink_commit(s, NULL, &e));
    assert_int_equal(e.kind, ERR_TRUST);
    assert_int_equal(e.cause, CAUSE_SIZE);
    assert_false(there("a") || there("a.download"));

    s = open_sink("a", &w);
    assert_false(sink_write(s, "hello!", 6, &e));
    assert_int_equal(e.cause, CAUSE_SIZE);
    sink_abort(s); /* refuted: not kept */
    assert_false(there("a.download"));

    w.size = -1;
    s = open_sink("a", &w);
    for (int i = 0; i < 10; i++)
        assert_true(sink_write(s, "0123456789", 10, &e));
    assert_false(sink_write(s, "x", 1, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_true(sink_restart(s, &e)); /* the next mirror may have the right one */
    assert_true(sink_write(s, "hello", 5, &e));
    assert_true(sink_commit(s, NULL, &e));
    assert_holds("a", "hello");
}

static void part_is_kept_and_taken_again(void **state)
{
    (void)state;
    struct sink_want w = want("hello world", true);
    unsigned char sum[DIGEST_MAX];
    struct sink *s = open_sink("a", &w);
    sink_abort(s); /* nothing in it: nothing to keep */
    assert_false(there("a.download"));
    s = open_sink("a", &w);
    assert_true(sink_write(s, "hello ", 6, &e));
    sink_abort(s);
    assert_holds("a.download", "hello ");
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 6);
    assert_true(sink_write(s, "wor", 3, &e));
    sink_abort(s);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 9);
    assert_true(sink_write(s, "ld", 2, &e));
    assert_true(sink_commit(s, sum, &e));
    assert_holds("a", "hello world");
    assert_sum(sum, "hello world");

    /* and one that was another file's */
    put("a.download", "wrong ", 0644);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 6);
    assert_true(sink_restart(s, &e));
    assert_int_equal(sink_have(s), 0);
    assert_true(sink_write(s, "hello world", 11, &e));
    assert_true(sink_commit(s, NULL, &e));
    assert_holds("a", "hello world");
}

static void part_is_not_kept(void **state)
{
    (void)state;
    struct sink_want w = want("hello", false);
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "hel", 3, &e));
    sink_abort(s);
    assert_false(there("a.download"));
    put("a.download", "hel", 0644); /* and one that is there is not taken */
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    sink_abort(s);
    sink_abort(NULL);
}

static void part_of_somebody_else(void **state)
{
    (void)state;
    struct sink_want w = want("hello world", true);
    struct sink *s;
    /* a link to a file outside */
    put("b", "hello ", 0644);
    assert_int_equal(symlinkat("b", dir, "a.download"), 0);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    assert_true(sink_write(s, "mine", 4, &e));
    sink_abort(s);
    assert_holds("b", "hello ");
    assert_holds("a.download", "mine");
    unlinkat(dir, "a.download", 0);
    /* a second name of a file */
    assert_int_equal(linkat(dir, "b", dir, "a.download", 0), 0);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    assert_true(sink_write(s, "mine", 4, &e));
    sink_abort(s);
    assert_holds("b", "hello ");
    unlinkat(dir, "a.download", 0);
    /* writable by others */
    put("a.download", "hello ", 0666);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    sink_abort(s);
    /* a fifo, a directory */
    assert_int_equal(mkfifoat(dir, "a.download", 0600), 0);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    sink_abort(s);
    assert_int_equal(mkdirat(dir, "a.download", 0700), 0);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    sink_abort(s);
    /* longer than the file can be */
    put("a.download", "hello world and more", 0644);
    s = open_sink("a", &w);
    assert_int_equal(sink_have(s), 0);
    sink_abort(s);
}

static void part_replaced_meanwhile(void **state)
{
    (void)state;
    struct sink_want w = want("hello", true);
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "hello", 5, &e));
    assert_int_equal(unlinkat(dir, "a.download", 0), 0);
    put("a.download", "other", 0644);
    assert_false(sink_commit(s, NULL, &e));
    assert_int_equal(e.kind, ERR_TRUST);
    assert_false(there("a"));
    assert_holds("a.download", "other"); /* not ours to remove */
}

static void name_is_taken(void **state)
{
    (void)state;
    struct sink_want w = want("hello", false);
    assert_int_equal(mkdirat(dir, "a", 0700), 0);
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "hello", 5, &e));
    assert_false(sink_commit(s, NULL, &e));
    assert_int_equal(e.kind, ERR_SYS);
    assert_false(there("a.download"));
}

static void name_too_long(void **state)
{
    (void)state;
    struct sink_want w = want(NULL, false);
    char name[256];
    memset(name, 'n', 250);
    name[250] = '\0';
    assert_null(sink_file(dir, name, &w, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_null(sink_file(dir, "../a", &w, &e));
}

static void volume_is_full(void **state)
{
    (void)state;
    struct sink_want w = want(NULL, true);
    struct rlimit old, low;
    w.size_max = 1 << 20;
    struct sink *s = open_sink("a", &w);
    assert_true(sink_write(s, "0123456789", 10, &e));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 15;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    bool ok = sink_write(s, "abcdefghij", 10, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(ok);
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_int_equal(sink_have(s), 10);
    assert_false(sink_write(s, "a", 1, &e));
    sink_abort(s);
    assert_holds("a.download", "0123456789"); /* without the torn end */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, enter, leave)
    const struct CMUnitTest tests[] = {
        T(memory),
        T(file_is_proved_then_named),
        T(unknown_size_and_digest),
        T(other_digest),
        T(wrong_hash),
        T(wrong_size),
        T(part_is_kept_and_taken_again),
        T(part_is_not_kept),
        T(part_of_somebody_else),
        T(part_replaced_meanwhile),
        T(name_is_taken),
        T(name_too_long),
        T(volume_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
