/* child: invariants.
 *
 * A child is done when it was reaped and its output has ended. What it started in the background may hold the
 * pipes open for ever: after the child's own end they get a short grace, then nobody listens any more.
 * Every descriptor that the child shall have is first duplicated above all the numbers it will have there, so
 * that no assignment overwrites a source and none is the no-op that would keep close-on-exec.
 * The working directory is changed in the parent around the spawn and changed back: the program has one
 * thread, and no spawn attribute for it exists on every system that we run on.
 * A process group can be signalled as long as its leader is not reaped, or any member lives. */
#include "core/child.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

enum { TERM_GRACE_MS = 5000, PIPE_GRACE_MS = 500, FIRST_PASSED = 3, NOT_STARTED = -1000 };

/* One of the child's two output streams. */
struct stream {
    struct child *owner;
    int fd; /* -1: ended */
    bool is_stderr;
    bool cut; /* the rest of this line is dropped */
    size_t len;
    char line[LIMIT_CHILD_LINE + 4]; /* a character more than is shown: the cut is made on a boundary */
};

struct child {
    struct loop *loop;
    struct child_spec spec; /* argv, env, input are not used after the start, but for the copy of input */
    pid_t pid;              /* 0: reaped */
    struct child_end end;
    struct stream streams[2];
    int input_fd; /* -1: none, or all written */
    char *input;
    size_t input_len, input_at;
    size_t output, dropped;                 /* bytes of output kept and not kept */
    uint64_t timer, pipe_timer, over_timer; /* 0: none */
    bool killed, told;
};

/* --- ends ----------------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void over(void *ctx)
{
    struct child *c = ctx;
    c->over_timer = 0;
    c->spec.ended(c->spec.ctx);
}

/* Has it just become done? Then its owner is told, from the loop. */
static void look_whether_over(struct child *c)
{
    if (child_done(c) && c->spec.ended && !c->told) {
        c->told = true;
        c->over_timer = loop_after(c->loop, 0, over, c);
    }
}

static void stream_close(struct stream *s)
{
    if (s->fd >= 0)
        loop_watch(s->owner->loop, s->fd, 0, NULL, NULL);
    close_fd(&s->fd);
    look_whether_over(s->owner);
}

static void input_close(struct child *c)
{
    if (c->input_fd >= 0)
        loop_watch(c->loop, c->input_fd, 0, NULL, NULL);
    close_fd(&c->input_fd);
}

static void signal_group(const struct child *c, int signo)
{
    if (c->pid > 0)
        kill(c->spec.in_group ? c->pid : -c->pid, signo);
}

bool child_done(const struct child *c)
{
    return c->pid == 0 && c->streams[0].fd < 0 && c->streams[1].fd < 0;
}

/* --- output --------------------------------------------------------------------------------------------- */

static void say(struct stream *s, const char *line, size_t n)
{
    char text[LIMIT_CHILD_LINE + 1];
    if (!s->owner->spec.line)
        return;
    text_printable_into(text, sizeof text, line, n);
    s->owner->spec.line(s->owner->spec.ctx, s->is_stderr, text);
}

static void line_end(struct stream *s)
{
    size_t n = s->len;
    if (n > 0 && s->line[n - 1] == '\r' && !s->cut)
        n--;
    s->len = 0;
    s->cut = false;
    say(s, s->line, n);
}

static void take(struct stream *s, const char *p, size_t n)
{
    struct child *c = s->owner;
    struct buf *out = s->is_stderr ? NULL : c->spec.out;
    if (out) {
        size_t room = out->max - out->len;
        bool ok = buf_append(out, p, n < room ? n : room, NULL);
        (void)ok; /* what does not fit is dropped by contract */
    }
    size_t kept = LIMIT_CHILD_OUTPUT - c->output;
    kept = n < kept ? n : kept;
    c->output += kept;
    c->dropped += n - kept;
    for (size_t i = 0; i < kept; i++) {
        if (p[i] == '\n')
            line_end(s);
        else if (s->len < sizeof s->line)
            s->line[s->len++] = p[i];
        else
            s->cut = true;
    }
}

/* Read what is there, at most some of it, so that a chatty child does not keep the loop. */
static void stream_ready(void *ctx, int fd, short revents)
{
    struct stream *s = ctx;
    char some[16384];
    (void)revents;
    for (int turns = 0; turns < 16; turns++) {
        ssize_t n = read(fd, some, sizeof some);
        if (n > 0) {
            take(s, some, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (s->len > 0)
            line_end(s);
        stream_close(s);
        return;
    }
}

static void input_ready(void *ctx, int fd, short revents)
{
    struct child *c = ctx;
    (void)revents;
    while (c->input_at < c->input_len) {
        ssize_t n = write(fd, c->input + c->input_at, c->input_len - c->input_at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0)
            break; /* it does not want to read: its own affair */
        c->input_at += (size_t)n;
    }
    input_close(c);
}

static void pipes_over(void *ctx)
{
    struct child *c = ctx;
    c->pipe_timer = 0;
    for (size_t i = 0; i < 2; i++) {
        if (c->streams[i].fd >= 0)
            stream_ready(&c->streams[i], c->streams[i].fd, 0);
        if (c->streams[i].fd >= 0 && c->streams[i].len > 0)
            line_end(&c->streams[i]);
        stream_close(&c->streams[i]);
    }
}

/* --- time and death ------------------------------------------------------------------------------------- */

static void kill_now(void *ctx)
{
    struct child *c = ctx;
    c->timer = 0;
    c->killed = true;
    signal_group(c, SIGKILL);
}

static void timed_out(void *ctx)
{
    struct child *c = ctx;
    c->end.timed_out = true;
    signal_group(c, SIGTERM);
    c->timer = loop_after(c->loop, TERM_GRACE_MS, kill_now, c);
}

static void reaped(struct child *c, int status)
{
    /* What it left in its group dies with a child that we end; the group's number cannot be anybody else's
     * while one of them lives, and in this instant hardly when none does. */
    if (c->end.timed_out || c->killed)
        signal_group(c, SIGKILL);
    c->pid = 0;
    c->end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    c->end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    loop_on_child(c->loop, NULL, c);
    loop_cancel(c->loop, c->timer);
    c->timer = 0;
    input_close(c);
    if (!child_done(c))
        c->pipe_timer = loop_after(c->loop, PIPE_GRACE_MS, pipes_over, c);
    look_whether_over(c);
}

static void child_ended(void *ctx)
{
    struct child *c = ctx;
    int status;
    if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
        reaped(c, status);
}

void child_kill(struct child *c)
{
    c->killed = true;
    signal_group(c, SIGKILL);
}

void child_free(struct child *c, struct child_end *end)
{
    if (!c)
        return;
    if (c->pid > 0) {
        int status = 0;
        child_kill(c);
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
            continue;
        reaped(c, status);
    }
    loop_cancel(c->loop, c->pipe_timer);
    c->told = true;
    pipes_over(c);
    loop_cancel(c->loop, c->over_timer);
    if (c->dropped > 0) {
        char text[96];
        int n = snprintf(text, sizeof text, "… %zu more bytes of output were dropped", c->dropped);
        say(&c->streams[1], text, (size_t)n);
    }
    if (end)
        *end = c->end;
    free(c->input);
    free(c);
}

/* --- start ---------------------------------------------------------------------------------------------- */

static const char *const *fixed_environment(void)
{
    static char home[LIMIT_PATH + 8], user[LIMIT_NAME + 8];
    static const char *env[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=en_US.UTF-8", home, user, NULL};
    if (!home[0]) {
        const struct passwd *pw = getpwuid(geteuid());
        snprintf(home, sizeof home, "HOME=%s", pw ? pw->pw_dir : "/");
        snprintf(user, sizeof user, "USER=%s", pw ? pw->pw_name : "root");
    }
    return env;
}

/* Say why path could not be executed. no is exec's errno, which for a script is often its interpreter's. */
static void explain(const char *path, int no, struct err *e)
{
    char first[512];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd >= 0 ? read(fd, first, sizeof first - 1) : -1;
    close_fd(&fd);
    first[n > 0 ? n : 0] = '\0';
    if (text_starts(first, "#!")) {
        char *interpreter = first + 2 + strspn(first + 2, " \t");
        interpreter[strcspn(interpreter, " \t\r\n")] = '\0';
        if (no == ENOENT || no == ENOTDIR)
            err_set(e, ERR_CHILD, CAUSE_SCRIPT, "script %s: its interpreter %s does not exist", path,
                    interpreter);
        else if (access(path, X_OK) != 0)
            err_set(e, ERR_CHILD, CAUSE_SCRIPT, "script %s: it is not executable", path);
        else
            err_set(e, ERR_CHILD, CAUSE_SCRIPT, "script %s: its interpreter %s cannot be run: %s", path,
                    interpreter, strerror(no));
    } else if (no == ENOEXEC) {
        err_set(e, ERR_CHILD, CAUSE_SCRIPT,
                "%s: no program for this machine, and no #! line names an interpreter", path);
    } else {
        err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s: cannot be run: %s", path, strerror(no));
    }
}

/* Everything that only the start needs: the descriptors meant for the child, at numbers above their targets.
 */
struct launch {
    int given[FIRST_PASSED], passed[LIMIT_CHILD_FDS];
    int input, outputs[2]; /* our ends */
};

/* A duplicate of fd above every number that the child will have. -1 with errno. */
static int above(const struct child_spec *spec, int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_PASSED + (int)spec->fd_count);
}

/* A pipe: one end for us, not blocking, the other for the child. */
static bool make_pipe(const struct child_spec *spec, bool we_read, int *ours, int *theirs, struct err *e)
{
    int ends[2];
    if (!os_pipe(ends, e))
        return false;
    *ours = ends[we_read ? 0 : 1];
    *theirs = above(spec, ends[we_read ? 1 : 0]);
    int no = errno;
    close(ends[we_read ? 1 : 0]);
    errno = no;
    return (*theirs >= 0 && fcntl(*ours, F_SETFL, O_NONBLOCK) == 0) || err_sys(e, "cannot make a pipe");
}

static bool prepare(const struct child_spec *spec, struct launch *w, struct err *e)
{
    if (spec->input) {
        if (!make_pipe(spec, false, &w->input, &w->given[0], e))
            return false;
    } else {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        w->given[0] = null < 0 ? -1 : above(spec, null);
        close_fd(&null);
        if (w->given[0] < 0)
            return err_sys(e, "/dev/null");
    }
    for (size_t i = 0; i < 2; i++)
        if (!make_pipe(spec, true, &w->outputs[i], &w->given[i + 1], e))
            return false;
    for (size_t i = 0; i < spec->fd_count; i++)
        if ((w->passed[i] = above(spec, spec->fds[i])) < 0)
            return err_sys(e, "cannot pass a descriptor to %s", spec->argv[0]);
    return true;
}

static int spawn(const struct child_spec *spec, const struct launch *w, pid_t *pid)
{
    static const int defaults[] = {SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGHUP, SIGQUIT, SIGXFSZ};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t set;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return r;
    if ((r = posix_spawnattr_init(&attr)) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return r;
    }
    for (int i = 0; r == 0 && i < FIRST_PASSED; i++)
        r = posix_spawn_file_actions_adddup2(&actions, w->given[i], i);
    for (size_t i = 0; r == 0 && i < spec->fd_count; i++)
        r = posix_spawn_file_actions_adddup2(&actions, w->passed[i], FIRST_PASSED + (int)i);
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (spec->in_group ? 0 : POSIX_SPAWN_SETPGROUP);
    flags |= os_spawn_close_from(&actions, FIRST_PASSED + (int)spec->fd_count);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attr, &set);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        sigaddset(&set, defaults[i]);
    posix_spawnattr_setsigdefault(&attr, &set);
    posix_spawnattr_setpgroup(&attr, 0);
    if (r == 0)
        r = posix_spawnattr_setflags(&attr, (short)flags);
    /* POSIX declares both arrays without const for the sake of old callers; nothing is written to them. */
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = spec->argv}, env = {.in = spec->env ? spec->env : fixed_environment()};
    int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && (spec->dir >= 0 ? fchdir(spec->dir) : chdir("/")) != 0)
        r = errno;
    if (r == 0)
        r = posix_spawn(pid, spec->argv[0], &actions, &attr, argv.out, env.out);
    if (back >= 0)
        (void)!fchdir(back); /* where we stand matters only to relative paths of the command line */
    close_fd(&back);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static bool launch(const struct child_spec *spec, struct launch *w, pid_t *pid, struct err *e)
{
    if (spec->argv[0][0] != '/' || spec->timeout_ms == 0 || spec->fd_count > LIMIT_CHILD_FDS)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "%s: refused: absolute path, timeout, descriptors",
                       spec->argv[0]);
    bool ok = prepare(spec, w, e);
    if (ok) {
        int no = spawn(spec, w, pid);
        ok = no == 0;
        if (!ok)
            explain(spec->argv[0], no, e);
    }
    for (size_t i = 0; i < FIRST_PASSED; i++)
        close_fd(&w->given[i]);
    for (size_t i = 0; i < spec->fd_count && i < LIMIT_CHILD_FDS; i++)
        close_fd(&w->passed[i]);
    if (!ok && e)
        e->code = e->kind == ERR_INTERNAL ? e->code : NOT_STARTED;
    return ok;
}

struct child *child_start(struct loop *l, const struct child_spec *spec, struct err *e)
{
    struct launch w = {.input = -1, .given = {-1, -1, -1}, .outputs = {-1, -1}};
    pid_t pid = 0;
    for (size_t i = 0; i < LIMIT_CHILD_FDS; i++)
        w.passed[i] = -1;
    if (!launch(spec, &w, &pid, e)) {
        close_fd(&w.input);
        for (size_t i = 0; i < 2; i++)
            close_fd(&w.outputs[i]);
        return NULL;
    }
    struct child *c = arena_heap(NULL, sizeof *c);
    *c = (struct child){
        .loop = l, .spec = *spec, .pid = pid, .end = {.started = true, .exit_code = -1}, .input_fd = w.input};
    for (size_t i = 0; i < 2; i++) {
        c->streams[i] = (struct stream){.owner = c, .fd = w.outputs[i], .is_stderr = i == 1};
        loop_watch(l, w.outputs[i], POLLIN, stream_ready, &c->streams[i]);
    }
    if (spec->input) {
        c->input_len = spec->input_len;
        c->input = arena_heap(NULL, spec->input_len);
        memcpy(c->input, spec->input, spec->input_len);
        loop_watch(l, c->input_fd, POLLOUT, input_ready, c);
    }
    c->timer = loop_after(l, spec->timeout_ms, timed_out, c);
    loop_on_child(l, child_ended, c);
    if (spec->started)
        spec->started(spec->ctx, pid);
    return c;
}

/* Let go of a child that goes on without us. Its pipes stay open until we exit: closing them now would kill
 * an installer by SIGPIPE at its next word. */
void child_leave(struct child *c)
{
    loop_on_child(c->loop, NULL, c);
    loop_cancel(c->loop, c->timer);
    loop_cancel(c->loop, c->pipe_timer);
    for (size_t i = 0; i < 2; i++)
        if (c->streams[i].fd >= 0)
            loop_watch(c->loop, c->streams[i].fd, 0, NULL, NULL);
    if (c->input_fd >= 0)
        loop_watch(c->loop, c->input_fd, 0, NULL, NULL);
    free(c->input);
    free(c);
}

bool child_run(struct loop *l, const struct child_spec *spec, struct child_end *end, struct err *e)
{
    *end = (struct child_end){.exit_code = -1};
    if (loop_stops(l, NULL) >= 2)
        return err_set(e, ERR_STOPPED, CAUSE_STOPPED, "%s was not started", spec->argv[0]);
    struct child *c = child_start(l, spec, e);
    if (!c)
        return false;
    while (!child_done(c)) {
        if (loop_stops(l, NULL) >= 2 && c->pid > 0) {
            *end = c->end;
            err_set(e, ERR_STOPPED, CAUSE_STOPPED, "%s (process %ld) was left running", spec->argv[0],
                    (long)c->pid);
            child_leave(c);
            return false;
        }
        loop_turn(l, 1000);
    }
    child_free(c, end);
    return !end->timed_out || err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "%s: no end after %llu ms",
                                      spec->argv[0], (unsigned long long)spec->timeout_ms);
}

const char *child_end_text(const struct child_end *end, char *out, size_t size)
{
    if (!end->started)
        snprintf(out, size, "could not be started");
    else if (end->timed_out)
        snprintf(out, size, "timed out");
    else if (end->signal)
        snprintf(out, size, "killed by signal %d", end->signal);
    else
        snprintf(out, size, "exited with %d", end->exit_code);
    return out;
}
