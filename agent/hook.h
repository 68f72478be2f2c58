/* hook: programs that the administrator gives us, executed as what they are: root's.
 *
 * A program is executed only when it is a regular file with its owner's execute bit, when it and its folder
 * belong to root (or to us, where we are not root) and nobody else can write either. It gets a fixed
 * environment, with DAYBREAK_ROOT where the target is not this Mac's own /, and its output goes to the log.
 */
#ifndef AGENT_HOOK_H
#define AGENT_HOOK_H
#include "agent/target.h"
#include "core/child.h"

struct hook_env {
    struct loop *loop;
    const struct target *target;
    bool run_scripts; /* false: --scripts skip */
    uint64_t timeout_ms;
    void (*started)(void *ctx, pid_t pid, const char *what); /* for the journal; may be NULL */
    void *ctx;
};

/* May name in the folder dir be executed? ERR_NOT_FOUND: it is not there. ERR_REFUSED: why not. */
CHECKED bool hook_allowed(int dir, const char *name, struct err *e);

/* The folder of preflight and postflight, as a path on the target: beside the program on this Mac's own /,
 * else usr/local/daybreak. */
const char *hook_folder(struct arena *a, const struct target *t);

enum hook_end {
    HOOK_ABSENT,  /* there is none */
    HOOK_SKIPPED, /* scripts are not executed; said in the log */
    HOOK_REFUSED, /* hook_allowed says no; said in the log */
    HOOK_RAN      /* *code is its exit status */
};

/* Run "preflight" or "postflight" with the type of the run as its first argument. False: it was started, or
 * should have been, and gives no exit status: ERR_CHILD, ERR_TIMEOUT, ERR_STOPPED. */
CHECKED bool hook_run(const struct hook_env *env, const char *name, const char *run_type, enum hook_end *end,
                      int *code, struct err *e);

/* Execute argv, argv[0] a path on the target ("/usr/local/munki/managedsoftwareupdate"), said in the log as
 * what. Fails with ERR_NOT_FOUND and ERR_REFUSED as above, else as hook_run. */
CHECKED bool hook_exec(const struct hook_env *env, const char *const *argv, const char *what, int *code,
                       struct err *e);
#endif
