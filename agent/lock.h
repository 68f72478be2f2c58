/* lock: one run at a time. The lock is the kernel's (fcntl on state/lock), so a dead holder holds nothing.
 *
 * state/lock is 0600: who may open it could hold it too. state/holder (0644) says who has it, for those who
 * cannot ask the kernel: process, since when, and when that process started, so that a number that was given
 * to another process since is not taken for it. */
#ifndef AGENT_LOCK_H
#define AGENT_LOCK_H
#include "core/arena.h"
#include <sys/types.h>

struct lock_holder {
    pid_t pid;    /* 0: nobody holds it */
    time_t since; /* when it took the lock; 0 unknown */
};

/* Take the lock below state. Returns its descriptor (closing it lets go), or -1: ERR_REFUSED with *holder
 * filled when somebody has it, else ERR_SYS. No other code may open state/lock in this process: closing any
 * descriptor of it would let go. */
int lock_take(int state, struct lock_holder *holder, struct err *e);

/* Write state/holder: a run begins. What holds the lock for a moment only leaves it as it is. */
CHECKED bool lock_tell(int state, struct err *e);

/* Who holds it now: asked of the kernel, or without the right to, read from state/holder. */
CHECKED bool lock_who(int state, struct lock_holder *holder, struct err *e);
#endif
