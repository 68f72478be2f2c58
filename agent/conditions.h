/* conditions: the admin's condition scripts, and what they say of this Mac (munki-semantics 5.4). */
#ifndef AGENT_CONDITIONS_H
#define AGENT_CONDITIONS_H
#include "agent/target.h"
#include "core/loop.h"

struct conditions_place {
    struct loop *loop;
    const struct target *target; /* after target_dirs */
    const char *munki_dir;       /* ManagedInstalls' ManagedInstallDir on the target, or NULL */
    uint64_t timeout_ms;         /* for each script */
};

/* Run what stands in /usr/local/daybreak/conditions, when absent /usr/local/munki/conditions: regular files,
 * executable, changeable by root alone, in the order of their names, without arguments. Exit codes do not
 * matter; what fails is logged. *said: a dictionary of all that they wrote to ConditionalItems.plist, in
 * Munki's directory or (wins) in ours, where it is removed. Fails with ERR_SYS when an old file of ours
 * cannot be removed. */
CHECKED bool conditions_run(struct arena *a, const struct conditions_place *p, const struct value **said,
                            struct err *e);
#endif
