/* Invariants: what does not match is INVALID whatever else is true of it; only then is it asked who signed.
 *
 * Surprising: tools of 2020 and 2021 hashed the checksum once more before the RSA signature; both forms bind
 * the same bytes and both are taken. The certificates beside the RSA signature are only claims: the first is
 * the signer's when its key fits. Everything signed is the checksum; a container whose checksum proves
 * nothing (MD5, a member without one, a header that Apple reads otherwise) cannot be more than untrusted. */
#include "installer/signature.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/signature_internal.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define HEADER_SIZE 28

struct judging {
    const struct xar *x;
    const struct signature_policy *policy;
    struct signature *out;
    X509_STORE *roots;
    X509 *leaf;              /* of the first signature that matched */
    STACK_OF(X509) * others; /* every certificate the package carries, its own order first */
    bool rsa, cms;           /* one that matches was seen */
    bool displaced;          /* the certificate named first beside one is not its signer's */
};

const char *signature_status_name(enum signature_status s)
{
    static const char *const names[] = {[SIGNATURE_UNSIGNED] = "unsigned",
                                        [SIGNATURE_SIGNED] = "signed",
                                        [SIGNATURE_UNTRUSTED] = "untrusted",
                                        [SIGNATURE_EXPIRED] = "expired",
                                        [SIGNATURE_INVALID] = "invalid"};
    return (size_t)s < sizeof names / sizeof *names ? names[s] : "invalid";
}

static bool invalid(struct judging *j, const char *style, const char *why)
{
    j->out->status = SIGNATURE_INVALID;
    snprintf(j->out->why, sizeof j->out->why, "the %s signature %s", style, why);
    return false;
}

/* --- the RSA signature ---------------------------------------------------------------------------------- */

static bool rsa_verifies(EVP_PKEY *key, enum digest_kind kind, const unsigned char *sum,
                         const unsigned char *sig, size_t n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_CTX_set_signature_md(ctx, digest_method(kind)) == 1 &&
              EVP_PKEY_verify(ctx, sig, n, sum, digest_size(kind)) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

/* The certificates beside the signatures: claims, in the order of the package. */
static bool load_named(struct judging *j)
{
    for (size_t i = 0; i < j->x->signature_count; i++)
        for (size_t k = 0; k < j->x->signatures[i].cert_count; k++) {
            const struct xar_cert *c = &j->x->signatures[i].certs[k];
            X509 *x = signature_x509(c->der, c->len);
            if (x == NULL || sk_X509_push(j->others, x) <= 0) {
                X509_free(x);
                return invalid(j, j->x->signatures[i].style, "comes with a certificate that cannot be read");
            }
        }
    if (sk_X509_num(j->others) > 0)
        signature_team(sk_X509_value(j->others, 0), j->out->team_id);
    return true;
}

/* The signer must be the same each time. */
static bool same_signer(struct judging *j, X509 *signer, const char *style)
{
    if (j->leaf != NULL && X509_cmp(j->leaf, signer) != 0)
        return invalid(j, style, "is by another certificate than the signature before it");
    if (j->leaf == NULL) {
        X509_up_ref(signer);
        j->leaf = signer;
    }
    return true;
}

/* Does this certificate's key fit the signature? */
static bool fits(const struct judging *j, X509 *x, const unsigned char *slot, size_t n)
{
    const struct xar_sum *toc = &j->x->toc;
    unsigned char twice[DIGEST_MAX];
    EVP_PKEY *key = X509_get0_pubkey(x);
    if (key == NULL || EVP_PKEY_base_id(key) != EVP_PKEY_RSA || n != (size_t)EVP_PKEY_size(key))
        return false;
    digest_of(toc->kind, toc->sum, digest_size(toc->kind), twice);
    return rsa_verifies(key, toc->kind, toc->sum, slot, n) || rsa_verifies(key, toc->kind, twice, slot, n);
}

static bool judge_rsa(struct judging *j, const struct xar_signature *s, const unsigned char *slot)
{
    size_t n = (size_t)s->size;
    X509 *named = s->cert_count > 0 ? signature_x509(s->certs[0].der, s->certs[0].len) : NULL;
    X509 *signer = named != NULL && fits(j, named, slot, n) ? named : NULL;
    if (signer == NULL && j->leaf != NULL && fits(j, j->leaf, slot, n))
        signer = j->leaf;
    for (int i = 0; signer == NULL && i < sk_X509_num(j->others); i++)
        if (fits(j, sk_X509_value(j->others, i), slot, n))
            signer = sk_X509_value(j->others, i);
    bool ok = signer != NULL ? same_signer(j, signer, "RSA")
                             : invalid(j, "RSA", "does not match: altered or damaged");
    j->displaced = j->displaced || signer != named;
    j->rsa = true;
    X509_free(named);
    return ok;
}

static bool judge_cms(struct judging *j, const struct xar_signature *s, const unsigned char *slot)
{
    X509 *signer;
    STACK_OF(X509) * others;
    int64_t timestamp;
    char why[256];
    if (!signature_cms(slot, (size_t)s->size, j->x->toc.sum, digest_size(j->x->toc.kind), j->roots,
                       j->policy->roots == NULL, &signer, &others, &timestamp, why, sizeof why))
        return invalid(j, "CMS", why);
    X509 *x;
    while ((x = sk_X509_shift(others)) != NULL)
        if (sk_X509_push(j->others, x) <= 0)
            X509_free(x);
    sk_X509_free(others);
    bool ok = same_signer(j, signer, "CMS");
    X509 *named = s->cert_count > 0 ? signature_x509(s->certs[0].der, s->certs[0].len) : NULL;
    j->displaced = j->displaced || named == NULL || X509_cmp(named, signer) != 0;
    X509_free(named);
    X509_free(signer);
    if (ok && j->out->timestamp == 0)
        j->out->timestamp = timestamp;
    j->cms = true;
    return ok;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

/* Each signature against the bytes. *ok false: the file could not be read. */
static bool all_match(struct judging *j, bool *ok, struct err *e)
{
    const struct xar *x = j->x;
    if (x->toc.kind == DIGEST_NONE)
        return invalid(j, x->signatures[0].style, "has no checksum to be over");
    unsigned char *slot = arena_heap(NULL, LIMIT_SIGNATURE);
    bool match = true;
    for (size_t i = 0; match && i < 2 * x->signature_count; i++) { /* CMS first: it knows its signer */
        const struct xar_signature *s = &x->signatures[i % x->signature_count];
        bool rsa = strcmp(s->style, "RSA") == 0;
        if (!rsa && strcmp(s->style, "CMS") != 0) {
            match = invalid(j, "only", "is of an unknown kind");
        } else if (rsa != (i >= x->signature_count)) {
            continue;
        } else if (s->size > LIMIT_SIGNATURE) {
            match = invalid(j, s->style, "is too long");
        } else if (!files_read_at(x->fd, (off_t)s->offset, slot, (size_t)s->size, e)) {
            *ok = match = false;
        } else {
            match = rsa ? judge_rsa(j, s, slot) : judge_cms(j, s, slot);
        }
    }
    free(slot);
    return match;
}

/* What the package itself says of its chain, until a better one is built. */
static void claimed_chain(struct judging *j)
{
    struct signature *out = j->out;
    for (int i = 0; i < sk_X509_num(j->others) && out->chain_count < SIGNATURE_CHAIN_MAX; i++) {
        struct signature_cert c;
        bool again = false;
        signature_describe(sk_X509_value(j->others, i), &c);
        for (size_t k = 0; k < out->chain_count; k++)
            again = again || strcmp(out->chain[k].sha256, c.sha256) == 0;
        if (!again)
            out->chain[out->chain_count++] = c;
    }
}

static void untrusted(struct signature *out, const char *why)
{
    if (out->status != SIGNATURE_UNTRUSTED) {
        out->status = SIGNATURE_UNTRUSTED;
        text_printable_into(out->why, sizeof out->why, why, strlen(why));
    }
}

static void judge_signer(struct judging *j)
{
    struct signature *out = j->out;
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    int64_t at = out->timestamp > 0 ? out->timestamp : j->policy->at >= 0 ? j->policy->at : (int64_t)now;
    signature_team(j->leaf, out->team_id);
    signature_judge_signer(j->leaf, j->others, j->roots, at, out);
    if (j->displaced)
        untrusted(out, "the certificate named first is not the signer's");
    if (!j->rsa || !j->cms)
        untrusted(out, j->rsa ? "only an RSA signature: the CMS is missing that Developer ID has"
                              : "only a CMS signature: the RSA is missing that Developer ID has");
    if (j->x->header_size != HEADER_SIZE)
        untrusted(out, "the header is not the one that Apple's tools read, so the signature proves nothing");
    if (j->x->unproven != NULL)
        untrusted(out, j->x->unproven);
}

bool signature_judge(const struct xar *x, const struct signature_policy *p, struct signature *out,
                     struct err *e)
{
    struct judging j = {.x = x, .policy = p, .out = out};
    bool ok = true;
    memset(out, 0, sizeof *out);
    j.roots = signature_store(p, signature_root_rsa, e);
    j.others = sk_X509_new_null();
    if (j.roots == NULL) {
        ok = false;
    } else if (x->signature_count == 0) {
        out->status = SIGNATURE_UNSIGNED;
        snprintf(out->why, sizeof out->why, "unsigned");
    } else {
        out->status = SIGNATURE_INVALID;
        bool match = load_named(&j);
        claimed_chain(&j);
        match = match && all_match(&j, &ok, e);
        if (match)
            judge_signer(&j);
        else
            out->timestamp = 0;
    }
    ok = ok && signature_ticket(x, p, out, e);
    X509_free(j.leaf);
    signature_chain_free(j.others);
    X509_STORE_free(j.roots);
    return ok;
}

bool signature_meets(const struct signature *s, const struct signature_need *n, struct err *e)
{
    if (s->status == SIGNATURE_INVALID)
        return err_set(e, ERR_TRUST, CAUSE_SIGNATURE, "invalid signature: %s", s->why);
    if ((n->is_signed || n->team_id != NULL) && s->status != SIGNATURE_SIGNED)
        return err_set(e, ERR_TRUST, CAUSE_SIGNATURE, "a signed package is asked for, and this one is %s%s%s",
                       signature_status_name(s->status), s->status == SIGNATURE_UNSIGNED ? "" : ": ",
                       s->status == SIGNATURE_UNSIGNED ? "" : s->why);
    if (n->team_id != NULL && strcmp(n->team_id, s->team_id) != 0)
        return err_set(e, ERR_TRUST, CAUSE_TEAM_ID, "it is signed by team %s (%s), not by %s",
                       s->team_id[0] != '\0' ? s->team_id : "(none)", s->chain[0].name, n->team_id);
    return true;
}
