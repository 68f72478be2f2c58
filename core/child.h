/* child: the only place that starts processes. No shell, ever.
 *
 * argv[0] is an absolute path. Environment is exactly env (NULL: the fixed one: PATH, LANG, HOME, USER).
 * stdin is /dev/null or given bytes, own process group, all other descriptors closed but those passed.
 * Output is read as it comes, line by line, capped (LIMIT_CHILD_OUTPUT kept). A timeout always: then
 * SIGTERM to the group, 5 s later SIGKILL. */
#ifndef CORE_CHILD_H
#define CORE_CHILD_H
#include "core/buf.h"
#include "core/loop.h"
#include <stdint.h>
#include <sys/types.h>

struct child_spec {
    const char *const *argv;
    const char *const *env; /* NAME=value, NULL at the end */
    int dir;                /* working directory, or -1 for "/" */
    const void *input;      /* stdin; NULL: /dev/null */
    size_t input_len;
    const int *fds; /* passed as 3, 4, …, in this order */
    size_t fd_count;
    uint64_t timeout_ms; /* 0 is refused */
    bool in_group;       /* false (default): own process group. true only for helpers that die with us */
    /* each line of stdout and stderr without its newline, printable, at most LIMIT_CHILD_LINE; may be NULL */
    void (*line)(void *ctx, bool is_stderr, const char *line);
    /* called with the pid before the child's first instruction runs is not possible everywhere: called
     * right after the spawn; may be NULL */
    void (*started)(void *ctx, pid_t pid);
    /* called from the loop when the child is done; may free it; or NULL */
    void (*ended)(void *ctx);
    void *ctx;
    struct buf *out; /* stdout as it came, up to out's maximum (the rest is dropped, not an error); or NULL */
};

struct child_end {
    bool started; /* false: no interpreter, not executable, not there */
    bool timed_out;
    int exit_code; /* 0..255, or -1 when it died by signal or was not started */
    int signal;    /* 0 or what killed it */
};

/* Run to its end, turning loop meanwhile. Fails only when the child could not be started (ERR_CHILD, code
 * -1000), was timed out (ERR_TIMEOUT), or a stop was forced (ERR_STOPPED: the child is left alone, or was
 * not started if it was forced before). A non-zero exit is an answer, in end. */
CHECKED bool child_run(struct loop *l, const struct child_spec *spec, struct child_end *end, struct err *e);

/* The same, not waiting: *done is set when end holds. Cancel kills the group and reaps. */
struct child;
struct child *child_start(struct loop *l, const struct child_spec *spec, struct err *e);
bool child_done(const struct child *c);
void child_kill(struct child *c);
/* Free a child that is done (its end is copied out), or kill, reap and free it. */
void child_free(struct child *c, struct child_end *end);

/* Let go of a child that is to outlive us, or that we may not wait for: it is not killed, and what it says
 * from now on is lost; its next word after our end kills it (SIGPIPE), if it does not guard against that. */
void child_leave(struct child *c);

/* One sentence: "exited with 3", "killed by signal 9", "timed out". */
const char *child_end_text(const struct child_end *end, char *out, size_t size);
#endif
