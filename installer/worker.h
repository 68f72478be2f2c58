/* worker: the program started again, with few rights, to handle foreign bytes.
 *
 * Started as "SELF --worker TASK". What TASK is, and the cage it runs in (core/os.h), is fixed by the table
 * in task.c; nothing that is sent can change it. Descriptors: 3 the control pipe, then those of the job from
 * 4 on. The request comes on standard input. Answers are records on the control pipe: type, length, fields.
 * The parent takes nothing on trust: unknown types, fields of the wrong size, text with control bytes and
 * records over WORKER_RECORD_MAX end the conversation. A worker whose parent is gone ends at its next sign of
 * life, within a few megabytes of work.
 *
 * A new kind of foreign bytes takes three things: a function that reads the request and the descriptors and
 * speaks with worker_send (the task, a row in task.c), a worker_record_fn that takes its records and believes
 * none of them, and a call of worker_run between. installer/parse.c has small examples.
 *
 * A test program takes part by handing "--worker TASK" in its main to worker_main: os_self() is the test. */
#ifndef INSTALLER_WORKER_H
#define INSTALLER_WORKER_H
#include "core/buf.h"
#include "core/loop.h"
#include <sys/types.h>

#define WORKER_RECORD_MAX  (64 * (size_t)1024)
#define WORKER_REQUEST_MAX (5 * (size_t)1024 * 1024)
#define WORKER_TYPES       16 /* the first type of record a job may define */

/* --- records, written and read by both sides --------------------------------------------------------- */

/* Fields are appended to b in order. Numbers are 64 bits; text is at most LIMIT_PATH bytes unless written
 * with worker_put_bytes. */
CHECKED bool worker_put_int(struct buf *b, uint64_t v, struct err *e);
CHECKED bool worker_put_text(struct buf *b, const char *s, struct err *e); /* NULL is written as "" */
CHECKED bool worker_put_bytes(struct buf *b, const void *p, size_t n, struct err *e);

struct worker_fields { /* a cursor over the fields of one record or request */
    const unsigned char *p, *end;
    bool bad; /* something did not fit: everything after reads as 0 and "" */
};
uint64_t worker_int(struct worker_fields *f);
bool worker_flag(struct worker_fields *f); /* 0 or 1, else bad */
const char *worker_text(struct worker_fields *f,
                        size_t max); /* NUL-terminated inside; UTF-8, no control bytes */
const void *worker_bytes(struct worker_fields *f, size_t *n);
bool worker_end(struct worker_fields *f); /* all read and nothing bad */

/* --- the worker's side -------------------------------------------------------------------------------- */

#define WORKER_CONTROL 3
#define WORKER_FIRST   4 /* the first descriptor of the job */

struct worker_task {
    const char *name;
    bool unpacks;                      /* which cage; descriptor WORKER_FIRST + 1 is then its directory */
    uint64_t memory, cpu_s, file_size; /* limits, see os_cage */
    void (*prepare)(void);             /* with all rights, before a foreign byte is read; may be NULL */
    bool (*work)(const struct buf *request, struct err *e);
};

/* Be the worker for the task of that name in task.c. Does not return but for an unknown name. */
int worker_main(const char *name);
/* Be the worker for this task. */
void worker_serve(const struct worker_task *task);

/* Send one record. Does not return when the parent is gone. */
void worker_send(unsigned type, const struct buf *fields);
/* Ends the process when the parent is gone; cheap, call it every few hundred kilobytes. */
void worker_alive(void);

/* --- the parent's side -------------------------------------------------------------------------------- */

/* One record has come. False with *e set ends the conversation: the worker is killed. */
typedef bool worker_record_fn(void *ctx, unsigned type, struct worker_fields *f, struct err *e);

struct worker_job {
    const char *task;
    const struct buf *request;
    const int *fds; /* borrowed; WORKER_FIRST and following there, in this order */
    size_t fd_count;
    uint64_t timeout_ms;
    worker_record_fn *record;
    void (*started)(void *ctx, pid_t pid); /* may be NULL */
    void *ctx;
};
#define WORKER_FDS_MAX 4

/* Run the job to its end, turning loop. Succeeds when the worker said it was done. Fails with what the worker
 * reported, with what record refused, ERR_TIMEOUT, ERR_STOPPED, or ERR_CHILD when it died. What the platform
 * lacks of a cage is logged, once in the life of this process. */
CHECKED bool worker_run(struct loop *l, const struct worker_job *job, struct err *e);
#endif
