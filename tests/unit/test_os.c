/* os: what the rest of the program relies on, on whichever system this runs. */
#include "core/child.h"
#include "core/files.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

static char base[] = "/tmp/test_os.XXXXXX";
static const char *self;
static struct err e;

static void clocks_and_chance(void **state)
{
    (void)state;
    uint64_t before = os_monotonic_ms();
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    assert_true(now > 1700000000);
    assert_in_range(ms, 0, 999);
    assert_true(os_monotonic_ms() >= before);
    unsigned char a[600] = {0}, b[600] = {0};
    os_random(a, sizeof a);
    os_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    os_random(a, 0);
}

static void processes_have_a_start(void **state)
{
    (void)state;
    uint64_t start = os_process_start(getpid());
    assert_true(start > 0);
    assert_true(os_process_start(getpid()) == start);
    assert_true(os_process_start(getppid()) > 0);
    assert_int_equal(os_process_start(0), 0);
    assert_int_equal(os_process_start(-1), 0);
    assert_int_equal(os_process_start(0x3ffffffe), 0);
    struct arena *a = arena_open();
    char *real = realpath(self, NULL);
    assert_string_equal(os_self(a), real);
    free(real);
    arena_free(a);
}

static void pipes_close_on_exec(void **state)
{
    (void)state;
    int ends[2];
    char c = 0;
    assert_true(os_pipe(ends, &e));
    for (int i = 0; i < 2; i++)
        assert_true(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(read(ends[0], &c, 1), 1);
    close(ends[0]);
    close(ends[1]);
}

static void files_are_flushed_and_bear_attributes(void **state)
{
    (void)state;
    int dir = files_root(base, false, &e), fd = files_create(dir, "file", 0644, &e);
    assert_true(fd >= 0);
    assert_true(os_sync(fd, OS_SYNC_ORDER, &e));
    assert_true(os_sync(fd, OS_SYNC_MEDIUM, &e));
    assert_true(os_sync(dir, OS_SYNC_MEDIUM, &e));
    assert_true(os_sync_volume(fd, &e));
    assert_false(os_sync(-1, OS_SYNC_MEDIUM, &e));
    assert_int_equal(e.code, EBADF);
    os_clear_flags(dir, "file");
    os_clear_flags(dir, "missing");
    char text[32];
    size_t n = sizeof text;
    assert_false(os_xattr_get(fd, "io.daybreak.test", text, &n, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    if (os_xattr_set(fd, "io.daybreak.test", "value", 5, &e)) { /* not every volume has them */
        assert_true(os_xattr_get(fd, "io.daybreak.test", text, &n, &e));
        assert_int_equal(n, 5);
        assert_memory_equal(text, "value", 5);
        n = 2;
        assert_false(os_xattr_get(fd, "io.daybreak.test", text, &n, &e));
    } else {
        assert_int_equal(e.kind, ERR_SYS);
    }
    close(fd);
    close(dir);
}

static void pages_are_zero_and_come_in_any_number(void **state)
{
    static const size_t sizes[] = {1,
                                   4096,
                                   OS_LARGE_PAGE - 1,
                                   OS_LARGE_PAGE,
                                   OS_LARGE_PAGE + 1,
                                   OS_LARGE_PAGE + OS_LARGE_PAGE / 2,
                                   3 * OS_LARGE_PAGE};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        const size_t n = sizes[i / 2];
        char *p = os_pages(n);
        assert_non_null(p);
        for (size_t k = 0; k < n; k++)
            if (p[k] != 0)
                fail_msg("byte %zu of %zu", k, n);
        memset(p, 'x', n);
        os_pages_free(p, n);
    }
    assert_null(os_pages(SIZE_MAX - 4096));
}

static void the_machine_has_a_name(void **state)
{
    (void)state;
    struct os_uname u;
    os_uname_get(&u);
    assert_true(u.node[0] && u.machine[0] && u.release[0] && u.version[0]);
}

int main(int argc, char **argv)
{
    (void)argc;
    self = realpath(argv[0], NULL);
    if (!self || !mkdtemp(base))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_and_chance),      cmocka_unit_test(processes_have_a_start),
        cmocka_unit_test(pipes_close_on_exec),    cmocka_unit_test(files_are_flushed_and_bear_attributes),
        cmocka_unit_test(the_machine_has_a_name), cmocka_unit_test(pages_are_zero_and_come_in_any_number),
    };
    int failed = cmocka_run_group_tests_name("os", tests, NULL, NULL), top = files_root("/tmp", false, &e);
    if (!files_remove(top, text_basename(base), &e))
        print_error("%s\n", e.text);
    return failed;
}
