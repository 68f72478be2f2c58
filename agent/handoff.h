/* handoff: what takes the Mac over once the plan is done: Munki, Munki at the login window, a command, or
 * nobody. The manifest's daybreak.handoff, over which the preference HandOff wins where it is set. */
#ifndef AGENT_HANDOFF_H
#define AGENT_HANDOFF_H
#include "agent/hook.h"

enum handoff_kind { HANDOFF_NONE, HANDOFF_MUNKI, HANDOFF_BOOTSTRAP, HANDOFF_COMMAND };

struct handoff {
    enum handoff_kind kind;
    const char *const *argv; /* argv[0] absolute, a path on the target; NULL at the end */
    int64_t timeout_s;       /* 0: not given */
};

/* v: "munki", "munki-bootstrap", "none", or {command: array of strings, timeout: seconds}; NULL is none.
 * Fails with ERR_FORMAT naming what is wrong. */
CHECKED bool handoff_decode(struct arena *a, const struct value *v, struct handoff *h, struct err *e);

const char *handoff_name(const struct handoff *h); /* "munki", or the command's path */

/* Do it. env's timeout stands where h has none. *skipped: scripts are not executed, said in the log. Fails
 * when it cannot be started, does not end in time, or ends with another status than 0 (ERR_CHILD, code). */
CHECKED bool handoff_do(const struct handoff *h, const struct hook_env *env, bool *skipped, struct err *e);
#endif
