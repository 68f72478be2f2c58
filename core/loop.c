/* loop: invariants.
 *
 * A signal handler only writes the signal's number to a pipe; what it means is decided when the pipe is
 * drained, in ordinary context. The pipe never blocks, and a full one loses nothing that matters: it holds
 * tens of thousands of reasons to wake up already.
 * A callback may remove or replace any watch or timer, its own included. So every watch bears the serial
 * number of its last change, and an event that poll saw is delivered only to the watch that it was seen for:
 * a descriptor closed and opened anew in between gets nothing of its predecessor.
 * Timers begun by a callback wait for the next turn, so that a turn ends. */
#include "core/loop.h"
#include "core/arena.h"
#include "core/loop_clock.h"
#include "core/os.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>

/* A second signal within this time means that the user does not want to wait. */
enum { IMPATIENT_MS = 5000 };

struct watch {
    int fd;
    short events; /* 0: free */
    uint64_t serial;
    loop_ready_fn *fn;
    void *ctx;
};

struct timer {
    uint64_t id, due;
    loop_timer_fn *fn;
    void *ctx;
};

struct child_hook {
    loop_timer_fn *fn; /* NULL: free */
    void *ctx;
};

struct loop {
    struct watch *watches;
    size_t watch_count, watch_room;
    struct timer *timers;
    size_t timer_count, timer_room;
    struct child_hook *hooks;
    size_t hook_count, hook_room;
    struct pollfd *polled; /* scratch for one turn: polled[0] is the pipe, the rest as seen */
    uint64_t *seen;
    size_t polled_room;
    uint64_t serial;          /* the last one given to a watch or timer */
    struct loop_clock *clock; /* a test's, or NULL */
};

static const int signals[] = {SIGCHLD, SIGINT, SIGTERM, SIGPIPE};
enum { SIGNAL_COUNT = sizeof signals / sizeof signals[0] };

/* Signals belong to the process, and so does this. */
static struct {
    bool open;
    int read_end, write_end;
    bool child_ended;
    int stops, first;
    uint64_t last_stop;
    struct sigaction old[SIGNAL_COUNT];
} sig = {.read_end = -1, .write_end = -1};

static void on_signal(int signo)
{
    int saved = errno;
    unsigned char c = (unsigned char)signo;
    ssize_t n = write(sig.write_end, &c, 1);
    (void)n;
    errno = saved;
}

static bool drain(void)
{
    unsigned char seen[256];
    bool any = false;
    for (;;) {
        ssize_t n = read(sig.read_end, seen, sizeof seen);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return any;
        for (ssize_t i = 0; i < n; i++) {
            any = true;
            if (seen[i] == SIGCHLD) {
                sig.child_ended = true;
                continue;
            }
            uint64_t now = os_monotonic_ms();
            if (sig.stops == 0) {
                sig.stops = 1;
                sig.first = seen[i];
            } else if (now - sig.last_stop <= IMPATIENT_MS && sig.stops < INT_MAX) {
                sig.stops++;
            }
            sig.last_stop = now;
        }
    }
}

struct loop *loop_open(void)
{
    int ends[2];
    assert(!sig.open);
    bool made = os_pipe(ends, NULL);
    assert(made);
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    sig.open = true;
    sig.read_end = ends[0];
    sig.write_end = ends[1];
    sig.child_ended = false;
    sig.stops = sig.first = 0;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction act = {0};
        act.sa_handler = signals[i] == SIGPIPE ? SIG_IGN : on_signal;
        act.sa_flags = SA_RESTART | (signals[i] == SIGCHLD ? SA_NOCLDSTOP : 0);
        sigemptyset(&act.sa_mask);
        sigaction(signals[i], &act, &sig.old[i]);
    }
    struct loop *l = arena_heap(NULL, sizeof *l);
    *l = (struct loop){0};
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], &sig.old[i], NULL);
    close(sig.read_end);
    close(sig.write_end);
    sig.read_end = sig.write_end = -1;
    sig.open = false;
    loop_clock_free(l->clock);
    free(l->watches);
    free(l->timers);
    free(l->hooks);
    free(l->polled);
    free(l->seen);
    free(l);
}

/* Room for one more than count elements of size. */
static void *room(void *p, size_t count, size_t *have, size_t size)
{
    if (count < *have)
        return p;
    *have = *have ? *have * 2 : 8;
    return arena_heap(p, *have * size);
}

void loop_watch(struct loop *l, int fd, short events, loop_ready_fn *fn, void *ctx)
{
    struct watch *w = NULL;
    for (size_t i = 0; i < l->watch_count && !w; i++)
        if (l->watches[i].events && l->watches[i].fd == fd)
            w = &l->watches[i];
    if (!w && !events)
        return;
    for (size_t i = 0; i < l->watch_count && !w; i++)
        if (!l->watches[i].events)
            w = &l->watches[i];
    if (!w) {
        l->watches = room(l->watches, l->watch_count, &l->watch_room, sizeof *l->watches);
        w = &l->watches[l->watch_count++];
    }
    *w = (struct watch){.fd = fd, .events = events, .serial = ++l->serial, .fn = fn, .ctx = ctx};
}

uint64_t loop_after(struct loop *l, uint64_t delay_ms, loop_timer_fn *fn, void *ctx)
{
    uint64_t now = loop_now(l);
    /* The clock shows whole milliseconds: one more, or a timer could fire early by part of one. */
    uint64_t due = delay_ms == 0 ? now : delay_ms < UINT64_MAX - now ? now + delay_ms + 1 : UINT64_MAX;
    l->timers = room(l->timers, l->timer_count, &l->timer_room, sizeof *l->timers);
    l->timers[l->timer_count++] = (struct timer){.id = ++l->serial, .due = due, .fn = fn, .ctx = ctx};
    return l->serial;
}

void loop_cancel(struct loop *l, uint64_t timer)
{
    for (size_t i = 0; i < l->timer_count; i++) {
        if (l->timers[i].id == timer) {
            l->timers[i] = l->timers[--l->timer_count];
            return;
        }
    }
}

void loop_on_child(struct loop *l, loop_timer_fn *fn, void *ctx)
{
    struct child_hook *h = NULL;
    for (size_t i = 0; i < l->hook_count && !h; i++)
        if (l->hooks[i].fn && l->hooks[i].ctx == ctx)
            h = &l->hooks[i];
    if (!h && !fn)
        return;
    for (size_t i = 0; i < l->hook_count && !h; i++)
        if (!l->hooks[i].fn)
            h = &l->hooks[i];
    if (!h) {
        l->hooks = room(l->hooks, l->hook_count, &l->hook_room, sizeof *l->hooks);
        h = &l->hooks[l->hook_count++];
    }
    *h = (struct child_hook){.fn = fn, .ctx = ctx};
}

/* The timer that is due first of those begun before serial; NULL when there is none. */
static struct timer *first_timer(struct loop *l, uint64_t serial)
{
    struct timer *first = NULL;
    for (size_t i = 0; i < l->timer_count; i++) {
        struct timer *t = &l->timers[i];
        if (t->id <= serial && (!first || t->due < first->due || (t->due == first->due && t->id < first->id)))
            first = t;
    }
    return first;
}

static void run_child_hooks(struct loop *l)
{
    if (!sig.child_ended)
        return;
    sig.child_ended = false;
    for (size_t i = 0; i < l->hook_count; i++)
        if (l->hooks[i].fn)
            l->hooks[i].fn(l->hooks[i].ctx);
}

static void run_timers(struct loop *l, uint64_t serial)
{
    uint64_t now = loop_now(l);
    for (struct timer *t; (t = first_timer(l, serial)) && t->due <= now;) {
        struct timer due = *t;
        loop_cancel(l, due.id);
        due.fn(due.ctx);
    }
}

static void run_watches(struct loop *l, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (!l->polled[i].revents)
            continue;
        for (size_t k = 0; k < l->watch_count; k++) {
            struct watch w = l->watches[k];
            if (w.events && w.serial == l->seen[i]) {
                w.fn(w.ctx, w.fd, l->polled[i].revents);
                break;
            }
        }
    }
}

void loop_turn(struct loop *l, uint64_t max_ms)
{
    size_t count = 1;
    if (l->polled_room < l->watch_count + 1) {
        l->polled_room = l->watch_count + 8;
        l->polled = arena_heap(l->polled, l->polled_room * sizeof *l->polled);
        l->seen = arena_heap(l->seen, l->polled_room * sizeof *l->seen);
    }
    l->polled[0] = (struct pollfd){.fd = sig.read_end, .events = POLLIN};
    for (size_t i = 0; i < l->watch_count; i++) {
        if (!l->watches[i].events)
            continue;
        l->polled[count] = (struct pollfd){.fd = l->watches[i].fd, .events = l->watches[i].events};
        l->seen[count++] = l->watches[i].serial;
    }
    uint64_t serial = l->serial, wait = sig.child_ended ? 0 : max_ms;
    const struct timer *t = first_timer(l, serial);
    if (t) {
        uint64_t now = loop_now(l), left = t->due > now ? t->due - now : 0;
        wait = left < wait ? left : wait;
    }
    int ready = loop_clock_poll(l->clock, l->polled, count, wait);
    drain();
    run_child_hooks(l);
    if (ready > 0)
        run_watches(l, count);
    run_timers(l, serial);
}

uint64_t loop_now(const struct loop *l)
{
    return loop_clock_now(l->clock);
}

bool loop_clock(struct loop *l, const char *path, struct err *e)
{
    assert(!l->clock && l->timer_count == 0);
    l->clock = loop_clock_open(path, e);
    return l->clock != NULL;
}

int loop_stops(const struct loop *l, int *which)
{
    (void)l;
    drain();
    if (which)
        *which = sig.first;
    return sig.stops;
}

void loop_stop(struct loop *l)
{
    (void)l;
    on_signal(SIGTERM);
}
