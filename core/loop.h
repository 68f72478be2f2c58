/* loop: one thread, everything that is waited for. Transfers and children advance together in loop_turn.
 *
 * A caller that must wait for something calls loop_turn until its own condition holds; meanwhile the
 * callbacks of everybody else run. Callbacks must not block for longer than 50 ms, may add and remove
 * watches and timers (also their own), and must not call loop_turn.
 * SIGINT and SIGTERM are counted, never acted upon here. SIGCHLD wakes the loop. SIGPIPE is ignored. */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H
#include "core/err.h"
#include <stdint.h>

struct loop;

struct loop *loop_open(void); /* one at a time: it owns the signal handlers */
void loop_free(struct loop *l);

/* Call fn when fd is ready for events (POLLIN, POLLOUT; errors and hang-ups always). One watch per fd:
 * watching again replaces. events 0 removes. fd is borrowed. */
typedef void loop_ready_fn(void *ctx, int fd, short revents);
void loop_watch(struct loop *l, int fd, short events, loop_ready_fn *fn, void *ctx);

/* Call fn once, delay ms from now at the earliest. Returns a handle for loop_cancel, never 0. */
typedef void loop_timer_fn(void *ctx);
uint64_t loop_after(struct loop *l, uint64_t delay_ms, loop_timer_fn *fn, void *ctx);
void loop_cancel(struct loop *l, uint64_t timer); /* a fired or unknown one is fine */

/* Call fn on every turn after a SIGCHLD. Kept until removed with fn NULL. One per ctx. */
void loop_on_child(struct loop *l, loop_timer_fn *fn, void *ctx);

/* Wait at most max_ms for anything, dispatch what is ready. Returns when at least one callback ran, a
 * signal came, or the time is up. */
void loop_turn(struct loop *l, uint64_t max_ms);

uint64_t loop_now(const struct loop *l); /* monotonic milliseconds */

/* For tests: from now on time passes only when the other end of the Unix socket at path says so, both this
 * loop's and the time of day. Text, a line each. It begins with "start UNIX_MS". We write
 * "wait N MS WATCHED" when nothing is ready: the N-th wait, for at most MS, WATCHED descriptors may end it
 * before. It answers "N MS": so much time has passed; answers to other waits than the last are dropped. When
 * it closes, the machine's own clocks go on from there. Fails with ERR_SYS, ERR_TIMEOUT, ERR_FORMAT. */
CHECKED bool loop_clock(struct loop *l, const char *path, struct err *e);

/* SIGINT/SIGTERM so far: 0, 1 (stop after the step in hand), 2 or more (give up waiting); which: the first.
 */
int loop_stops(const struct loop *l, int *which);
void loop_stop(struct loop *l); /* as if SIGTERM had come: `daybreak stop`, deadlines */
#endif
