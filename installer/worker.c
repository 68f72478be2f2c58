/* A record on the wire: type and length of the fields, 32 bits each, then the fields: numbers as 64 bits,
 * text and bytes as a length of 64 bits and the bytes. Both ends are one program on one machine, so numbers
 * are in its own byte order.
 *
 * The worker's half keeps its state in file scope: a process is one worker. Records gather in a buffer, so
 * that a long listing costs few writes; worker_alive sends what there is. */
#include "installer/worker.h"
#include "core/arena.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/task.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define HEADER 8

/* records of the conversation itself; others begin at WORKER_TYPES */
enum { SAID_DONE = 1, SAID_FAILED = 2, SAID_LACKS = 3 };

/* --- fields ------------------------------------------------------------------------------------------- */

bool worker_put_int(struct buf *b, uint64_t v, struct err *e)
{
    return buf_append(b, &v, sizeof v, e);
}

bool worker_put_bytes(struct buf *b, const void *p, size_t n, struct err *e)
{
    return worker_put_int(b, n, e) && (n == 0 || buf_append(b, p, n, e));
}

bool worker_put_text(struct buf *b, const char *s, struct err *e)
{
    return worker_put_bytes(b, s != NULL ? s : "", (s != NULL ? strlen(s) : 0) + 1, e);
}

uint64_t worker_int(struct worker_fields *f)
{
    uint64_t v = 0;
    if (f->bad || (size_t)(f->end - f->p) < sizeof v) {
        f->bad = true;
        return 0;
    }
    memcpy(&v, f->p, sizeof v);
    f->p += sizeof v;
    return v;
}

bool worker_flag(struct worker_fields *f)
{
    uint64_t v = worker_int(f);
    f->bad = f->bad || v > 1;
    return v == 1;
}

const void *worker_bytes(struct worker_fields *f, size_t *n)
{
    uint64_t len = worker_int(f);
    const void *p = f->p;
    *n = 0;
    if (f->bad || len > (uint64_t)(f->end - f->p)) {
        f->bad = true;
        return "";
    }
    *n = (size_t)len;
    f->p += len;
    return p;
}

const char *worker_text(struct worker_fields *f, size_t max)
{
    size_t n;
    const char *s = worker_bytes(f, &n);
    if (f->bad)
        return "";
    bool ok = n > 0 && n - 1 <= max && s[n - 1] == '\0' && text_utf8_valid(s, n - 1);
    for (size_t i = 0; ok && i + 1 < n; i++)
        ok = (unsigned char)s[i] >= 0x20 && s[i] != 0x7f;
    f->bad = !ok;
    return ok ? s : "";
}

bool worker_end(struct worker_fields *f)
{
    return !f->bad && f->p == f->end;
}

/* --- the worker's side -------------------------------------------------------------------------------- */

static struct buf gathered = {.max = WORKER_RECORD_MAX + HEADER};

static void flush(void)
{
    struct err e;
    if (gathered.len > 0 && !files_write(WORKER_CONTROL, gathered.data, gathered.len, &e))
        _exit(EXIT_SIGTERM); /* nobody listens */
    buf_clear(&gathered);
}

void worker_send(unsigned type, const struct buf *fields)
{
    uint32_t head[2] = {type, (uint32_t)fields->len};
    struct err e;
    if (gathered.len + HEADER + fields->len > gathered.max)
        flush();
    if (!buf_append(&gathered, head, sizeof head, &e) ||
        (fields->len > 0 && !buf_append(&gathered, fields->data, fields->len, &e)))
        _exit(EXIT_PREFLIGHT); /* a record over the maximum: a fault of ours */
}

void worker_alive(void)
{
    struct pollfd p = {.fd = WORKER_CONTROL};
    flush();
    if (poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        _exit(EXIT_SIGTERM);
}

static void send_failure(const struct err *why)
{
    struct buf b;
    struct err e;
    char text[ERR_TEXT_MAX];
    text_printable_into(text, sizeof text, why->text, strlen(why->text));
    buf_init(&b, WORKER_RECORD_MAX);
    if (worker_put_int(&b, why->kind, &e) && worker_put_int(&b, why->cause, &e) &&
        worker_put_int(&b, (uint64_t)(int64_t)why->code, &e) && worker_put_text(&b, text, &e))
        worker_send(SAID_FAILED, &b);
    buf_release(&b);
}

static void send_lacks(const char *what)
{
    struct buf b;
    struct err e;
    buf_init(&b, WORKER_RECORD_MAX);
    if (*what != '\0' && worker_put_text(&b, what, &e))
        worker_send(SAID_LACKS, &b);
    buf_release(&b);
}

/* Ends by _exit: what libraries would do at the end is not allowed in a cage, and needs nobody. */
void worker_serve(const struct worker_task *task)
{
    const struct os_cage cage = {.unpacks = task->unpacks,
                                 .directory = WORKER_FIRST + 1,
                                 .memory = task->memory,
                                 .cpu_s = task->cpu_s,
                                 .file_size = task->file_size};
    char missing[OS_CAGE_MISSING];
    struct err e = {.kind = ERR_NONE};
    struct buf request, none;
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ,
           SIG_IGN); /* a file that grows beyond the cage's limit is an error with a sentence, not a death */
    buf_init(&request, WORKER_REQUEST_MAX);
    buf_init(&none, 0);
    if (task->prepare != NULL)
        task->prepare();
    bool ok = os_cage_enter(&cage, missing, &e);
    if (ok)
        send_lacks(missing);
    worker_alive();
    ok = ok && files_read_fd(STDIN_FILENO, &request, &e) && task->work(&request, &e);
    if (ok)
        worker_send(SAID_DONE, &none);
    else
        send_failure(&e);
    flush();
    _exit(ok ? EXIT_DONE : EXIT_PREFLIGHT);
}

int worker_main(const char *name)
{
    const struct worker_task *task = task_find(name);
    if (task != NULL)
        worker_serve(task);
    return EXIT_USAGE;
}

/* --- the parent's side -------------------------------------------------------------------------------- */

struct talk {
    const struct worker_job *job;
    struct buf in;
    size_t at; /* of in: taken so far */
    bool eof, done;
    bool failed; /* e is set: by the worker's word or by what it sent */
    struct err *e;
};

static bool nonsense(struct err *e)
{
    return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker said something that makes no sense");
}

static bool take_failure(struct worker_fields *f, struct err *e)
{
    uint64_t kind = worker_int(f), cause = worker_int(f);
    int64_t code = (int64_t)worker_int(f);
    const char *text = worker_text(f, ERR_TEXT_MAX);
    if (!worker_end(f) || kind == ERR_NONE || kind > ERR_INTERNAL || cause >= CAUSE_COUNT || code < -1000 ||
        code > 100000)
        return nonsense(e);
    err_set(e, (enum err_kind)kind, (enum cause)cause, "%s", text);
    e->code = (int)code;
    return false;
}

/* What every worker of this process says, the log says once. */
static bool take_lacks(struct worker_fields *f, struct err *e)
{
    static bool told;
    const char *what = worker_text(f, OS_CAGE_MISSING);
    if (!worker_end(f))
        return nonsense(e);
    if (!told)
        log_warn("this system lacks %s: what reads and unpacks foreign files is confined less", what);
    told = true;
    return true;
}

static bool take_record(struct talk *t, unsigned type, struct worker_fields *f)
{
    if (t->done)
        return nonsense(t->e);
    if (type == SAID_FAILED)
        return take_failure(f, t->e);
    if (type == SAID_DONE) {
        t->done = true;
        return worker_end(f) || nonsense(t->e);
    }
    if (type == SAID_LACKS)
        return take_lacks(f, t->e);
    if (type < WORKER_TYPES)
        return nonsense(t->e);
    if (!t->job->record(t->job->ctx, type, f, t->e))
        return false;
    return worker_end(f) || nonsense(t->e);
}

static bool take_records(struct talk *t)
{
    uint32_t head[2];
    while (t->in.len - t->at >= HEADER) {
        memcpy(head, t->in.data + t->at, HEADER);
        if (head[1] > WORKER_RECORD_MAX)
            return nonsense(t->e);
        if (t->in.len - t->at - HEADER < head[1])
            break;
        const unsigned char *p = (const unsigned char *)t->in.data + t->at + HEADER;
        struct worker_fields f = {.p = p, .end = p + head[1]};
        t->at += HEADER + head[1];
        if (!take_record(t, head[0], &f))
            return false;
    }
    return true;
}

/* One read's worth. False when there is nothing for now. */
static bool pump(struct talk *t, int fd)
{
    char piece[16 * 1024];
    ssize_t n = read(fd, piece, sizeof piece);
    if (n < 0)
        return errno == EINTR;
    if (n == 0) {
        t->eof = true;
        return false;
    }
    if (t->failed)
        return true; /* the first word counts */
    if (t->at > 0) { /* keep only the record that is not whole yet */
        memmove(t->in.data, t->in.data + t->at, t->in.len - t->at);
        t->in.len -= t->at;
        t->at = 0;
    }
    t->failed = !buf_append(&t->in, piece, (size_t)n, t->e) || !take_records(t);
    return true;
}

static void ready(void *ctx, int fd, short revents)
{
    (void)revents;
    pump(ctx, fd);
}

static void heard(void *ctx, bool is_stderr, const char *line)
{
    (void)ctx;
    (void)is_stderr;
    log_debug("worker: %s", line);
}

static bool make_pipe(int ends[2], struct err *e)
{
    if (pipe(ends) != 0)
        return err_sys(e, "cannot make a pipe");
    if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 &&
        fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        return true;
    err_sys(e, "cannot prepare a pipe");
    close(ends[0]);
    close(ends[1]);
    return false;
}

bool worker_run(struct loop *l, const struct worker_job *job, struct err *e)
{
    struct talk t = {.job = job, .e = e};
    struct child_end end = {.started = false};
    struct child *child = NULL;
    struct arena *a = arena_open();
    const struct worker_task *task = task_find(job->task);
    const char *doing = task != NULL && task->unpacks ? "unpacking" : "reading";
    int ends[2] = {-1, -1};
    bool ok = false, stopped = false;
    buf_init(&t.in, 2 * (WORKER_RECORD_MAX + HEADER));
    if (!make_pipe(ends, e)) {
        ends[0] = ends[1] = -1;
        goto out;
    }
    const char *argv[] = {os_self(a), "--worker", job->task, NULL};
    int fds[1 + WORKER_FDS_MAX] = {ends[1]};
    if (job->fd_count > WORKER_FDS_MAX) {
        err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "too many descriptors for a worker");
        goto out;
    }
    for (size_t i = 0; i < job->fd_count; i++)
        fds[1 + i] = job->fds[i];
    struct child_spec spec = {.argv = argv,
                              .dir = -1,
                              .input = job->request->data,
                              .input_len = job->request->len,
                              .fds = fds,
                              .fd_count = 1 + job->fd_count,
                              .timeout_ms = job->timeout_ms,
                              .line = heard,
                              .started = job->started,
                              .ctx = job->ctx};
    child = child_start(l, &spec, e);
    close(ends[1]);
    ends[1] = -1;
    if (child == NULL)
        goto out;
    loop_watch(l, ends[0], POLLIN, ready, &t);
    while (!child_done(child)) {
        if (t.failed || loop_stops(l, NULL) > 1) {
            stopped = !t.failed;
            break;
        }
        if (t.eof)
            loop_watch(l, ends[0], 0, NULL, NULL); /* said all: what is left is to end */
        loop_turn(l, 1000);
    }
    loop_watch(l, ends[0], 0, NULL, NULL);
    while (!t.eof && !stopped && pump(&t, ends[0]))
        ;
    child_free(child, &end);
    if (t.failed)
        goto out;
    if (stopped)
        err_set(e, ERR_STOPPED, CAUSE_STOPPED, "%s was stopped", doing);
    else if (end.timed_out)
        err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "%s took longer than %llu s", doing,
                (unsigned long long)(job->timeout_ms / 1000));
    else if (!t.done || end.exit_code != 0) {
        char how[64];
        err_set(e, ERR_CHILD, CAUSE_INTERNAL, "the process for %s %s", doing,
                child_end_text(&end, how, sizeof how));
        e->code = end.signal != 0 ? -end.signal : end.started ? end.exit_code : -1000;
    } else {
        ok = true;
    }
out:
    if (ends[0] >= 0)
        close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    buf_release(&t.in);
    arena_free(a);
    return ok;
}
