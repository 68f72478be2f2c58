/* loop_clock: where a loop's time comes from: the machine, or a test at the other end of a socket. The
 * protocol stands in loop.h. Part of loop. */
#ifndef CORE_LOOP_CLOCK_H
#define CORE_LOOP_CLOCK_H
#include "core/err.h"
#include <poll.h>
#include <stdint.h>

struct loop_clock;

struct loop_clock *loop_clock_open(const char *path, struct err *e);
void loop_clock_free(struct loop_clock *c); /* NULL is fine; the time of day is the machine's again */

uint64_t loop_clock_now(const struct loop_clock *c); /* c NULL: the machine's */

/* poll(2) on fds[0..count-1] for at most ms, by the clock c (NULL: the machine's). fds must have room for one
 * more. fds[0] is not counted as something that may end the wait. */
int loop_clock_poll(struct loop_clock *c, struct pollfd *fds, size_t count, uint64_t ms);
#endif
