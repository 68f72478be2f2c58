/* Runs in a parse cage. Invariants: header, sum and size come from the file; offsets that are claimed are
 * held against its size; what a certificate says is signature.h's to judge, whoever sent it. */
#include "installer/judge.h"
#include "core/text.h"
#include "installer/record.h"

/* --- the claims ----------------------------------------------------------------------------------------- */

static bool put_signature(struct buf *b, const struct xar_signature *s, struct err *e)
{
    char style[64];
    text_printable_into(style, sizeof style, s->style, strlen(s->style));
    bool ok = worker_put_text(b, style, e) && worker_put_int(b, s->offset, e) &&
              worker_put_int(b, s->size, e) && worker_put_int(b, s->cert_count, e);
    for (size_t i = 0; ok && i < s->cert_count; i++)
        ok = worker_put_bytes(b, s->certs[i].der, s->certs[i].len, e);
    return ok;
}

bool judge_put_claims(struct buf *b, const struct xar *x, struct err *e)
{
    char unproven[256] = ""; /* it may name a member, as long as a path may be */
    if (x->unproven != NULL)
        text_printable_into(unproven, sizeof unproven, x->unproven, strlen(x->unproven));
    bool ok = worker_put_text(b, unproven, e) && worker_put_int(b, x->trailing, e) &&
              worker_put_int(b, x->signature_count, e);
    for (size_t i = 0; ok && i < x->signature_count; i++)
        ok = put_signature(b, &x->signatures[i], e);
    return ok || err_wrap(e, "its signatures");
}

/* How many things of at least two bytes each; 0 when so many cannot be there. */
static size_t number(struct worker_fields *f)
{
    uint64_t n = worker_int(f);
    f->bad = f->bad || n > (uint64_t)(f->end - f->p) / 2;
    return f->bad ? 0 : (size_t)n;
}

static struct xar_signature get_signature(struct arena *a, struct worker_fields *f, const struct xar *x)
{
    struct xar_signature s = {.style = worker_text(f, LIMIT_NAME)};
    s.offset = worker_int(f);
    s.size = worker_int(f);
    s.cert_count = number(f);
    f->bad = f->bad || s.offset > x->file_size || s.size > x->file_size - s.offset;
    struct xar_cert *certs = arena_array(a, s.cert_count + 1, sizeof *certs);
    for (size_t i = 0; i < s.cert_count; i++)
        certs[i].der = worker_bytes(f, &certs[i].len);
    s.certs = certs;
    return s;
}

static void get_claims(struct arena *a, struct worker_fields *f, struct xar *x)
{
    const char *unproven = worker_text(f, ERR_TEXT_MAX);
    if (x->unproven == NULL && *unproven != '\0')
        x->unproven = unproven;
    x->trailing = worker_int(f);
    f->bad = f->bad || x->trailing > x->file_size - x->heap;
    x->signature_count = number(f);
    struct xar_signature *signatures = arena_array(a, x->signature_count + 1, sizeof *signatures);
    for (size_t i = 0; i < x->signature_count; i++)
        signatures[i] = get_signature(a, f, x);
    x->signatures = signatures;
}

/* --- the answer ----------------------------------------------------------------------------------------- */

bool judge_put_request(struct buf *b, const void *roots, size_t roots_len, const struct buf *claims,
                       struct err *e)
{
    return worker_put_bytes(b, roots, roots_len, e) && worker_put_bytes(b, claims->data, claims->len, e);
}

static bool judge(struct arena *a, const struct buf *request, struct signature *s, struct err *e)
{
    const unsigned char *p = (const unsigned char *)buf_str(request);
    struct worker_fields f = {.p = p, .end = p + request->len}, claims = {.bad = false};
    struct signature_policy policy = {.at = -1};
    struct xar x;
    size_t n;
    const void *roots = worker_bytes(&f, &policy.roots_len);
    policy.roots = policy.roots_len > 0 ? roots : NULL;
    claims.p = worker_bytes(&f, &n);
    claims.end = claims.p + n;
    claims.bad = !worker_end(&f);
    if (!xar_weigh(&x, WORKER_FIRST, e))
        return false;
    get_claims(a, &claims, &x);
    if (!worker_end(&claims))
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL,
                       "what was found of its signatures cannot be: its table of contents is hostile");
    return signature_judge(&x, &policy, s, e);
}

bool judge_work(const struct buf *request, struct err *e)
{
    struct arena *a = arena_open();
    struct signature *s = arena_alloc(a, sizeof *s);
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = judge(a, request, s, e) && record_put_signature(&b, s, e);
    if (ok)
        worker_send(RECORD_SIGNATURE, &b);
    buf_release(&b);
    arena_free(a);
    return ok;
}

/* The library reads its configuration, and finds its algorithms, at the first use of each. */
void judge_prepare(void)
{
    unsigned char sum[DIGEST_MAX];
    digest_of(DIGEST_SHA1, "", 0, sum);
}
