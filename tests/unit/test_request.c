/* Requests: who may have a run how often, over a real socket. */
#include "agent/request.h"
#include "core/files.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

static char base[64];
static int root = -1, listener = -1;

static int setup(void **state)
{
    (void)state;
    struct err e;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(base, sizeof base, "/tmp/daybreak-test-XXXXXX");
    assert_non_null(mkdtemp(base));
    root = files_root(base, false, &e);
    close(files_dir(root, "private/var/run", true, 0755, &e));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/" REQUEST_SOCKET, base);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct err e;
    close(root);
    int tmp = files_root("/tmp", false, &e);
    assert_true(files_remove(tmp, base + 5, &e));
    close(tmp);
    return 0;
}

/* Another process asks; we answer at the given time. Returns whether the answer began with word. */
static bool ask(time_t now, bool busy, const char *word, int *granted)
{
    int status, up[2];
    char byte;
    assert_int_equal(pipe(up), 0);
    pid_t child = fork();
    if (child == 0) {
        char answer[256];
        struct err e;
        bool ok = request_ask(base, answer, &e);
        _exit(ok && strncmp(answer, word, strlen(word)) == 0 ? 0 : 1);
    }
    close(up[1]);
    *granted = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        *granted += request_answer(root, listener, now, busy);
    }
    assert_int_equal(read(up[0], &byte, 1), 0);
    close(up[0]);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void one_in_ten_minutes_six_a_day(void **state)
{
    (void)state;
    int granted;
    time_t now = 1700000000;
    assert_true(ask(now, false, "granted", &granted));
    assert_int_equal(granted, 1);
    assert_true(ask(now + 599, false, "refused: ask again in 1 s", &granted));
    assert_int_equal(granted, 0);
    for (int i = 1; i < 6; i++) {
        assert_true(ask(now + 600 * i, false, "granted", &granted));
    }
    assert_true(ask(now + 3600, false, "refused: 6 runs", &granted));
    assert_true(ask(now + 86400, false, "granted", &granted)); /* the first is a day old */
}

static void busy_is_no_request(void **state)
{
    (void)state;
    int granted;
    assert_true(ask(1800000000, true, "a run is under way", &granted));
    assert_int_equal(granted, 0);
    assert_true(ask(1800000000, false, "granted", &granted));
}

static void damaged_count_is_begun_anew(void **state)
{
    (void)state;
    struct err e;
    int granted;
    assert_true(
        files_replace(root, "requests", "x\n0 y\n99999999999999999999 1\n", 27, 0600, FILES_LAZY, &e));
    assert_true(ask(1900000000, false, "granted", &granted));
}

static void nobody_listens(void **state)
{
    (void)state;
    char answer[256];
    struct err e;
    close(listener);
    assert_false(request_ask(base, answer, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_false(request_ask("/nowhere", answer, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_in_ten_minutes_six_a_day),
        cmocka_unit_test(busy_is_no_request),
        cmocka_unit_test(damaged_count_is_begun_anew),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
