/* worker: the program started again, with few rights, to handle foreign bytes.
 *
 * Started as "SELF --worker KIND" with three descriptors: 3 the package (read only), 4 a directory it may
 * write beneath (or a read-only one), 5 the control pipe. The request comes on standard input. Answers are
 * records on the control pipe: type, length, fields. The parent takes nothing on trust: unknown types, fields
 * of the wrong size, text with control bytes and records over WORKER_RECORD_MAX end the conversation.
 * A worker whose parent is gone ends at its next sign of life, within a few megabytes of work.
 *
 * A test program takes part by handing "--worker KIND" in its main to worker_main: os_self() is the test. */
#ifndef INSTALLER_WORKER_H
#define INSTALLER_WORKER_H
#include "core/buf.h"
#include "core/loop.h"
#include <sys/types.h>

#define WORKER_RECORD_MAX  (64 * (size_t)1024)
#define WORKER_REQUEST_MAX (4 * (size_t)1024 * 1024)
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

#define WORKER_PACKAGE   3
#define WORKER_DIRECTORY 4
#define WORKER_CONTROL   5

/* Be the worker. Returns the exit status for main. kind: "unpack". */
int worker_main(const char *kind);

/* Send one record. Does not return when the parent is gone. */
void worker_send(unsigned type, const struct buf *fields);
/* Ends the process when the parent is gone; cheap, call it every few hundred kilobytes. */
void worker_alive(void);

/* --- the parent's side -------------------------------------------------------------------------------- */

/* One record has come. False with *e set ends the conversation: the worker is killed. */
typedef bool worker_record_fn(void *ctx, unsigned type, struct worker_fields *f, struct err *e);

struct worker_job {
    const char *kind;
    const struct buf *request;
    int package, directory;
    uint64_t timeout_ms;
    worker_record_fn *record;
    void (*started)(void *ctx, pid_t pid); /* may be NULL */
    void *ctx;
};

/* Run the job to its end, turning loop. Succeeds when the worker said it was done. Fails with what the worker
 * reported, with what record refused, ERR_TIMEOUT, ERR_STOPPED, or ERR_CHILD when it died. */
CHECKED bool worker_run(struct loop *l, const struct worker_job *job, struct err *e);
#endif
