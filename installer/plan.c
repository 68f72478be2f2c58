/* Both directions of a record stand side by side and name the same fields in the same order. */
#include "installer/plan.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/record.h"
#include <errno.h>
#include <unistd.h>

#define HEADER 8
#define PIECE  (64 * LIMIT_KB)

/* --- writing ------------------------------------------------------------------------------------------ */

void plan_begin(struct plan_writer *w, int fd)
{
    w->fd = fd;
    buf_init(&w->out, PIECE + HEADER + WORKER_RECORD_MAX);
    buf_init(&w->record, WORKER_RECORD_MAX);
}

void plan_writer_release(struct plan_writer *w)
{
    buf_release(&w->out);
    buf_release(&w->record);
}

static bool flush(struct plan_writer *w, struct err *e)
{
    bool ok = w->out.len == 0 || files_write(w->fd, w->out.data, w->out.len, e);
    buf_clear(&w->out);
    return ok;
}

static bool put(struct plan_writer *w, enum plan_type type, struct err *e)
{
    const uint32_t head[2] = {type, (uint32_t)w->record.len};
    bool ok = buf_append(&w->out, head, sizeof head, e) &&
              (w->record.len == 0 || buf_append(&w->out, w->record.data, w->record.len, e));
    buf_clear(&w->record);
    return ok && (w->out.len < PIECE || flush(w, e));
}

static bool put_sum(struct buf *b, const struct xar_sum *s, struct err *e)
{
    return worker_put_int(b, s->kind, e) && worker_put_bytes(b, s->sum, digest_size(s->kind), e);
}

static bool put_member(struct buf *b, const struct xar_member *m, struct err *e)
{
    return worker_put_text(b, m->path, e) && worker_put_int(b, m->directory, e) &&
           worker_put_int(b, m->offset, e) && worker_put_int(b, m->length, e) &&
           worker_put_int(b, m->size, e) && worker_put_int(b, m->encoding, e) &&
           worker_put_text(b, m->encoding_name, e) && put_sum(b, &m->archived, e) &&
           put_sum(b, &m->extracted, e);
}

bool plan_put_total(struct plan_writer *w, uint64_t stored, struct err *e)
{
    return worker_put_int(&w->record, stored, e) && put(w, PLAN_TOTAL, e);
}

bool plan_put_component(struct plan_writer *w, const struct plan_component *c, struct err *e)
{
    struct buf *b = &w->record;
    return worker_put_text(b, c->location, e) && worker_put_int(b, c->kbytes, e) &&
           worker_put_int(b, c->has_payload, e) && (!c->has_payload || put_member(b, &c->payload, e)) &&
           worker_put_int(b, c->has_scripts, e) && (!c->has_scripts || put_member(b, &c->scripts, e)) &&
           worker_put_int(b, c->has_bom, e) && (!c->has_bom || put_member(b, &c->bom, e)) &&
           put(w, PLAN_COMPONENT, e);
}

bool plan_put_sum(struct plan_writer *w, const struct plan_sum *s, struct err *e)
{
    return worker_put_bytes(&w->record, s->path, strlen(s->path) + 1, e) &&
           worker_put_int(&w->record, s->size, e) && worker_put_int(&w->record, s->sum, e) &&
           put(w, PLAN_SUM, e);
}

bool plan_put_member(struct plan_writer *w, const struct xar_member *m, struct err *e)
{
    return put_member(&w->record, m, e) && put(w, PLAN_MEMBER, e);
}

bool plan_end(struct plan_writer *w, struct err *e)
{
    return put(w, PLAN_END, e) && flush(w, e);
}

/* --- reading ------------------------------------------------------------------------------------------ */

void plan_open(struct plan_reader *r, int fd)
{
    r->fd = fd;
    r->offset = 0;
    r->at = 0;
    buf_init(&r->in, PIECE + HEADER + WORKER_RECORD_MAX);
}

void plan_reader_release(struct plan_reader *r)
{
    buf_release(&r->in);
}

static bool nonsense(struct err *e)
{
    return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the plan for unpacking makes no sense");
}

/* At least n bytes from r->at on. */
static bool fill(struct plan_reader *r, size_t n, struct err *e)
{
    char piece[16 * 1024];
    while (r->in.len - r->at < n) {
        if (r->at >= PIECE) {
            memmove(r->in.data, r->in.data + r->at, r->in.len - r->at);
            r->in.len -= r->at;
            r->at = 0;
        }
        ssize_t got = pread(r->fd, piece, sizeof piece, (off_t)r->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(e, "cannot read the plan for unpacking");
        if (got == 0)
            return nonsense(e);
        r->offset += (uint64_t)got;
        if (!buf_append(&r->in, piece, (size_t)got, e))
            return false;
    }
    return true;
}

static void get_sum(struct worker_fields *f, struct xar_sum *s)
{
    uint64_t kind = worker_int(f);
    size_t n;
    const void *bytes = worker_bytes(f, &n);
    s->kind = DIGEST_NONE;
    f->bad = f->bad || kind > DIGEST_SHA512 || n != digest_size((enum digest_kind)kind);
    if (f->bad)
        return;
    s->kind = (enum digest_kind)kind;
    memcpy(s->sum, bytes, n);
}

static void get_member(struct worker_fields *f, struct xar_member *m)
{
    memset(m, 0, sizeof *m);
    m->path = worker_text(f, LIMIT_PATH);
    m->name = text_basename(m->path);
    m->directory = worker_flag(f);
    m->offset = worker_int(f);
    m->length = worker_int(f);
    m->size = worker_int(f);
    uint64_t encoding = worker_int(f);
    m->encoding_name = worker_text(f, LIMIT_NAME);
    get_sum(f, &m->archived);
    get_sum(f, &m->extracted);
    f->bad = f->bad || !record_path_ok(m->path, false) || encoding > XAR_OTHER || m->offset > INT64_MAX ||
             m->length > INT64_MAX - m->offset;
    m->encoding = f->bad ? XAR_OTHER : (enum xar_encoding)encoding;
}

static void get_component(struct worker_fields *f, struct plan_component *c)
{
    c->location = worker_text(f, LIMIT_PATH);
    c->kbytes = worker_int(f);
    c->has_payload = worker_flag(f);
    if (c->has_payload)
        get_member(f, &c->payload);
    c->has_scripts = worker_flag(f);
    if (c->has_scripts)
        get_member(f, &c->scripts);
    c->has_bom = worker_flag(f);
    if (c->has_bom)
        get_member(f, &c->bom);
    f->bad = f->bad || !record_path_ok(c->location, true);
}

/* A name in a Bom may hold bytes that worker_text refuses. */
static void get_file_sum(struct worker_fields *f, struct plan_sum *s)
{
    size_t n;
    s->path = worker_bytes(f, &n);
    uint64_t size = worker_int(f), sum = worker_int(f);
    f->bad = f->bad || n == 0 || n > LIMIT_PATH + 1 || s->path[n - 1] != '\0' || size > UINT32_MAX ||
             sum > UINT32_MAX;
    s->size = (uint32_t)size;
    s->sum = (uint32_t)sum;
}

bool plan_next(struct plan_reader *r, struct plan_record *out, struct err *e)
{
    uint32_t head[2];
    if (!fill(r, HEADER, e))
        return false;
    memcpy(head, r->in.data + r->at, HEADER);
    if (head[1] > WORKER_RECORD_MAX)
        return nonsense(e);
    if (!fill(r, HEADER + head[1], e))
        return false;
    const unsigned char *p = (const unsigned char *)r->in.data + r->at + HEADER;
    struct worker_fields f = {.p = p, .end = p + head[1]};
    r->at += HEADER + head[1];
    out->type = (enum plan_type)head[0];
    switch (head[0]) {
    case PLAN_TOTAL:
        out->total = worker_int(&f);
        break;
    case PLAN_COMPONENT:
        get_component(&f, &out->component);
        break;
    case PLAN_SUM:
        get_file_sum(&f, &out->sum);
        break;
    case PLAN_MEMBER:
        get_member(&f, &out->member);
        break;
    case PLAN_END:
        break;
    default:
        return nonsense(e);
    }
    return worker_end(&f) || nonsense(e);
}
