/* A profile read in a worker: both sides. The CMS around a signed one and the property list within are parsed
 * there; here arrive texts, numbers and flags. The first record is the profile, the others its payloads. */
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/profile.h"
#include "installer/worker.h"

#define TIMEOUT_MS   60000
#define PAYLOADS_MAX 10000
#define TEXT_MAX     (8 * LIMIT_KB) /* of one text; the longest are descriptions */

enum { PROFILE = WORKER_TYPES, PAYLOAD };

/* --- the worker's side -------------------------------------------------------------------------------- */

/* NULL becomes nothing; what is too long is cut. */
static bool put_text(struct buf *b, const char *s, struct err *e)
{
    size_t n = s ? strlen(s) : 0;
    if (n > TEXT_MAX)
        for (n = TEXT_MAX; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
            n--;
    return worker_put_int(b, s != NULL, e) && worker_put_bytes(b, s, n, e);
}

static bool send_profile(const struct profile *p, struct err *e)
{
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = put_text(&b, p->identifier, e) && put_text(&b, p->uuid, e) &&
              put_text(&b, p->display_name, e) && put_text(&b, p->organization, e) &&
              put_text(&b, p->description, e) && put_text(&b, p->signer, e) &&
              worker_put_int(&b, p->removal_disallowed, e) && worker_put_int(&b, (uint64_t)p->version, e) &&
              worker_put_int(&b, p->encrypted, e) && worker_put_int(&b, p->is_signed, e) &&
              worker_put_int(&b, p->trusted, e) && worker_put_int(&b, p->payload_count, e);
    if (ok)
        worker_send(PROFILE, &b);
    for (size_t i = 0; ok && i < p->payload_count; i++) {
        const struct profile_payload *q = &p->payloads[i];
        buf_clear(&b);
        ok = put_text(&b, q->type, e) && put_text(&b, q->identifier, e) && put_text(&b, q->uuid, e) &&
             put_text(&b, q->display_name, e) && worker_put_int(&b, (uint64_t)q->version, e);
        if (ok)
            worker_send(PAYLOAD, &b);
    }
    buf_release(&b);
    return ok;
}

bool profile_work(const struct buf *request, struct err *e)
{
    struct arena *a = arena_open();
    struct buf b;
    (void)request;
    buf_init(&b, LIMIT_PROFILE);
    bool ok = files_read_fd(WORKER_FIRST, &b, e);
    const struct profile *p = ok ? profile_decode(a, b.data, b.len, e) : NULL;
    ok = p != NULL &&
         (p->payload_count <= PAYLOADS_MAX ||
          err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d payloads", PAYLOADS_MAX)) &&
         send_profile(p, e);
    buf_release(&b);
    arena_free(a);
    return ok;
}

/* --- the parent's side -------------------------------------------------------------------------------- */

struct reading {
    struct arena *a;
    struct profile *profile; /* NULL: has not come */
    struct profile_payload *payloads;
    size_t seen;
};

/* Any UTF-8 without NUL: descriptions have lines. */
static const char *get_text(struct arena *a, struct worker_fields *f)
{
    bool there = worker_flag(f);
    size_t n;
    const char *s = worker_bytes(f, &n);
    f->bad = f->bad || n > TEXT_MAX || (!there && n > 0) || memchr(s, 0, n) || !text_utf8_valid(s, n);
    return there && !f->bad ? arena_strndup(a, s, n) : NULL;
}

static bool nonsense(struct err *e)
{
    return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker sent a profile that makes no sense");
}

static bool take_profile(struct reading *r, struct worker_fields *f, struct err *e)
{
    struct profile *p = arena_alloc(r->a, sizeof *p);
    p->identifier = get_text(r->a, f);
    p->uuid = get_text(r->a, f);
    p->display_name = get_text(r->a, f);
    p->organization = get_text(r->a, f);
    p->description = get_text(r->a, f);
    p->signer = get_text(r->a, f);
    p->removal_disallowed = worker_flag(f);
    p->version = (int64_t)worker_int(f);
    p->encrypted = worker_flag(f);
    p->is_signed = worker_flag(f);
    p->trusted = worker_flag(f);
    uint64_t count = worker_int(f);
    if (!worker_end(f) || r->profile || !p->identifier || !*p->identifier || !p->uuid || !*p->uuid ||
        !p->signer || count > PAYLOADS_MAX)
        return nonsense(e);
    p->payload_count = (size_t)count;
    p->payloads = r->payloads = arena_array(r->a, (size_t)count + 1, sizeof *r->payloads);
    r->profile = p;
    return true;
}

static bool take(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    struct reading *r = ctx;
    if (type == PROFILE)
        return take_profile(r, f, e);
    if (type != PAYLOAD || !r->profile || r->seen == r->profile->payload_count)
        return nonsense(e);
    struct profile_payload *p = &r->payloads[r->seen++];
    p->type = get_text(r->a, f);
    p->identifier = get_text(r->a, f);
    p->uuid = get_text(r->a, f);
    p->display_name = get_text(r->a, f);
    p->version = (int64_t)worker_int(f);
    return (worker_end(f) && p->type) || nonsense(e);
}

struct profile *profile_read(struct loop *l, struct arena *a, int file, struct err *e)
{
    struct reading r = {.a = a};
    struct buf none;
    buf_init(&none, 0);
    const struct worker_job job = {.task = "profile",
                                   .request = &none,
                                   .fds = &file,
                                   .fd_count = 1,
                                   .timeout_ms = TIMEOUT_MS,
                                   .record = take,
                                   .ctx = &r};
    if (lseek(file, 0, SEEK_SET) < 0) {
        err_sys(e, "seek");
        return NULL;
    }
    if (!worker_run(l, &job, e))
        return NULL;
    if (!r.profile || r.seen != r.profile->payload_count) {
        nonsense(e);
        return NULL;
    }
    return r.profile;
}
