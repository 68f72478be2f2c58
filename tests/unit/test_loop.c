/* loop: order, removal while dispatching, signals, and that it waits no longer than it should. */
#include "core/loop.h"
#include "core/os.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *l;
static int pipes[4][2];

static int set_up(void **state)
{
    (void)state;
    l = loop_open();
    for (int i = 0; i < 4; i++)
        if (!os_pipe(pipes[i], NULL))
            return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    loop_free(l);
    loop_free(NULL);
    return 0;
}

static char order[64];

static void note(void *ctx)
{
    size_t n = strlen(order);
    snprintf(order + n, sizeof order - n, "%s", (const char *)ctx);
}

static char names[] = "a\0b\0c\0d";

static void timers_fire_in_order(void **state)
{
    (void)state;
    order[0] = '\0';
    uint64_t start = loop_now(l);
    loop_after(l, 20, note, &names[4]);
    loop_after(l, 10, note, &names[0]);
    uint64_t gone = loop_after(l, 15, note, &names[6]);
    loop_after(l, 10, note, &names[2]);
    assert_true(gone != 0);
    loop_cancel(l, gone);
    loop_cancel(l, gone);
    loop_cancel(l, 12345678);
    while (strlen(order) < 3)
        loop_turn(l, 60000);
    assert_string_equal(order, "abc");
    assert_true(loop_now(l) - start >= 20);
    assert_true(loop_now(l) - start < 20000);
    loop_turn(l, 5); /* nothing left: the time is up */
    assert_string_equal(order, "abc");
}

static int again;

static void begin_again(void *ctx)
{
    if (again++ < 1000)
        loop_after(l, 0, begin_again, ctx);
}

static void timers_of_timers_wait_for_the_next_turn(void **state)
{
    (void)state;
    again = 0;
    loop_after(l, 0, begin_again, NULL);
    loop_turn(l, 1000);
    assert_int_equal(again, 1);
    loop_turn(l, 1000);
    assert_int_equal(again, 2);
    while (again <= 1000)
        loop_turn(l, 1000);
}

struct seen {
    int calls, fd;
    short revents;
    int remove; /* this one is unwatched by the callback; -1: none */
    int reopen; /* this one is unwatched and watched anew by the callback; -1: none */
};

static struct seen fresh;

static void ready(void *ctx, int fd, short revents)
{
    struct seen *s = ctx;
    s->calls++;
    s->fd = fd;
    s->revents = revents;
    if (s->remove >= 0)
        loop_watch(l, s->remove, 0, NULL, NULL);
    if (s->reopen >= 0) {
        loop_watch(l, s->reopen, 0, NULL, NULL);
        loop_watch(l, s->reopen, POLLIN, ready, &fresh);
    }
}

static void watches_see_their_events(void **state)
{
    (void)state;
    struct seen in = {.remove = -1, .reopen = -1}, out = in;
    loop_watch(l, pipes[0][0], POLLIN, ready, &in);
    loop_turn(l, 0);
    assert_int_equal(in.calls, 0);
    assert_int_equal(write(pipes[0][1], "x", 1), 1);
    loop_turn(l, 60000);
    assert_int_equal(in.calls, 1);
    assert_int_equal(in.fd, pipes[0][0]);
    assert_true(in.revents & POLLIN);
    loop_watch(l, pipes[0][0], POLLIN, ready, &out); /* replaces */
    loop_turn(l, 60000);
    assert_int_equal(in.calls, 1);
    assert_int_equal(out.calls, 1);
    loop_watch(l, pipes[0][0], 0, NULL, NULL);
    loop_watch(l, pipes[0][0], 0, NULL, NULL);
    loop_turn(l, 0);
    assert_int_equal(out.calls, 1);
    loop_watch(l, pipes[1][1], POLLOUT, ready, &out);
    loop_turn(l, 60000);
    assert_int_equal(out.fd, pipes[1][1]);
    loop_watch(l, pipes[1][1], 0, NULL, NULL);
    close(pipes[2][1]);
    loop_watch(l, pipes[2][0], POLLIN, ready, &in);
    loop_turn(l, 60000);
    assert_true(in.revents & POLLHUP);
    loop_watch(l, pipes[2][0], 0, NULL, NULL);
}

static void a_callback_may_remove_any_watch(void **state)
{
    (void)state;
    struct seen first = {.remove = pipes[1][1], .reopen = -1}, second = {.remove = pipes[0][1], .reopen = -1};
    loop_watch(l, pipes[0][1], POLLOUT, ready, &first);
    loop_watch(l, pipes[1][1], POLLOUT, ready, &second);
    loop_turn(l, 60000);
    assert_int_equal(first.calls + second.calls, 1); /* whoever came first removed the other */
    first.remove = pipes[0][1];
    loop_turn(l, 60000);
    assert_int_equal(first.calls, 2);
    loop_turn(l, 0);
    assert_int_equal(first.calls, 2);
}

static void events_of_a_predecessor_are_not_delivered(void **state)
{
    (void)state;
    struct seen first = {.remove = -1, .reopen = pipes[1][1]}, old = {.remove = -1, .reopen = -1};
    fresh = old;
    loop_watch(l, pipes[0][1], POLLOUT, ready, &first);
    loop_watch(l, pipes[1][1], POLLOUT, ready, &old);
    loop_turn(l, 60000);
    assert_int_equal(first.calls, 1);
    assert_int_equal(old.calls, 0);
    assert_int_equal(fresh.calls, 0); /* watched POLLIN, was never ready for that */
}

static void on_child(void *ctx)
{
    ++*(int *)ctx;
}

static void a_signal_wakes_and_is_counted(void **state)
{
    (void)state;
    int which = 0, children = 0, others = 0;
    assert_int_equal(loop_stops(l, &which), 0);
    loop_on_child(l, on_child, &children);
    loop_on_child(l, on_child, &children);
    loop_on_child(l, on_child, &others);
    loop_on_child(l, NULL, &others);
    raise(SIGCHLD);
    loop_turn(l, 60000);
    assert_int_equal(children, 1);
    assert_int_equal(others, 0);
    raise(SIGCHLD);
    assert_int_equal(loop_stops(l, NULL), 0); /* which looks at signals, and must not lose this one */
    loop_turn(l, 60000);
    assert_int_equal(children, 2);
    loop_on_child(l, NULL, &children);
    raise(SIGINT);
    loop_turn(l, 60000);
    assert_int_equal(loop_stops(l, &which), 1);
    assert_int_equal(which, SIGINT);
    raise(SIGTERM);
    assert_int_equal(loop_stops(l, &which), 2);
    assert_int_equal(which, SIGINT);
    raise(SIGPIPE); /* ignored */
    loop_turn(l, 0);
}

static void stop_is_as_a_sigterm(void **state)
{
    (void)state;
    int which = 0;
    loop_stop(l);
    loop_turn(l, 60000);
    assert_int_equal(loop_stops(l, &which), 1);
    assert_int_equal(which, SIGTERM);
}

/* The test at the other end of a clock: greets, then answers the first wait with an old number and then with
 * its own, lets the second wait to a watch, and closes. */
static void be_the_clock(int listener)
{
    static const char greeting[] = "start 1000000\n";
    char line[80];
    int fd = accept(listener, NULL, NULL);
    if (write(fd, greeting, sizeof greeting - 1) < 0 || read(fd, line, sizeof line) < 0)
        _exit(1);
    if (strncmp(line, "wait 1 3600001 0\n", 17) != 0)
        _exit(2);
    if (write(fd, "7 5\n1 3600001\n", 14) < 0 || read(fd, line, sizeof line) < 0)
        _exit(3);
    if (strncmp(line, "wait 2 50000 1\n", 15) != 0)
        _exit(4);
    _exit(0);
}

static void a_test_can_hand_in_the_time(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct err e;
    char dir[] = "/tmp/daybreak-clock-XXXXXX";
    time_t wall;
    int ms, status;
    assert_non_null(mkdtemp(dir));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/clock", dir);
    assert_false(loop_clock(l, at.sun_path, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    pid_t pid = fork();
    if (pid == 0)
        be_the_clock(listener);
    close(listener);
    if (!loop_clock(l, at.sun_path, &e))
        fail_msg("%s", e.text);
    uint64_t start = loop_now(l);
    os_realtime(&wall, &ms);
    assert_int_equal(wall, 1000);
    order[0] = '\0';
    loop_after(l, 3600 * 1000, note, &names[0]);
    loop_turn(l, UINT64_MAX); /* an hour, at once */
    assert_string_equal(order, "a");
    assert_int_equal(loop_now(l) - start, 3600001);
    os_realtime(&wall, &ms);
    assert_int_equal(wall, 4600);
    struct seen first = {.remove = -1, .reopen = -1};
    loop_watch(l, pipes[0][0], POLLIN, ready, &first);
    loop_turn(l, 50000); /* ends when the clock closes */
    assert_int_equal(first.calls, 0);
    assert_true(loop_now(l) - start >= 3600001);
    os_realtime(&wall, &ms);
    assert_true(wall > 1000000);
    while (waitpid(pid, &status, 0) < 0)
        continue;
    assert_int_equal(WEXITSTATUS(status), 0);
    unlink(at.sun_path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_of_timers_wait_for_the_next_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watches_see_their_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_callback_may_remove_any_watch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_of_a_predecessor_are_not_delivered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_wakes_and_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_is_as_a_sigterm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_test_can_hand_in_the_time, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
