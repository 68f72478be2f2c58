/* lock: one run at a time. The lock is the kernel's (fcntl on state/lock), so a dead holder holds nothing;
 * the file's text only helps to say who it is. */
#ifndef AGENT_LOCK_H
#define AGENT_LOCK_H
#include "core/arena.h"
#include <sys/types.h>

struct lock_holder {
    pid_t pid;    /* 0: nobody holds it */
    time_t since; /* when it took the lock; 0 unknown */
};

/* Take the lock below state. Returns its descriptor (closing it lets go), or -1: ERR_BUSY-like ERR_REFUSED
 * with *holder filled when somebody has it, ERR_SYS otherwise. No other code may open state/lock in this
 * process: closing any descriptor of it would let go. */
int lock_take(int state, struct lock_holder *holder, struct err *e);

/* Who holds it now, asked of the kernel. */
CHECKED bool lock_who(int state, struct lock_holder *holder, struct err *e);
#endif
