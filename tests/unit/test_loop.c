/* loop: order, removal while dispatching, signals, and that it waits no longer than it should. */
#include "core/loop.h"
#include "core/os.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

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
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
