/* The stapled ticket: ECDSA over SHA-256 by "Software Ticket Signing" (6.1.30), below "Apple System
 * Integration CA" (6.2.17), below Apple's G3 root, which it does not carry. The signing certificate is short-
 * lived: it is judged at the time of the ticket. A ticket says that the package was notarized then; whether
 * Apple has taken that back since cannot be seen offline. */
#include "core/limits.h"
#include "installer/signature_internal.h"
#include "installer/ticket.h"
#include <openssl/err.h>

#define MARK_LEAF    "1.2.840.113635.100.6.1.30"
#define MARK_CA      "1.2.840.113635.100.6.2.17"
#define TICKET_CERTS 4

/* The certificates of t: the first is the leaf. NULL when one makes no sense. */
static STACK_OF(X509) * certs_of(const struct ticket *t)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    const unsigned char *p = t->certs, *end = p + t->certs_len;
    long len = 0;
    int tag, class;
    bool ok = certs != NULL && (ASN1_get_object(&p, &len, &tag, &class, end - p) & 0x80) == 0;
    while (ok && p < end && sk_X509_num(certs) < TICKET_CERTS) {
        X509 *x = d2i_X509(NULL, &p, end - p);
        ok = x != NULL && sk_X509_push(certs, x) > 0;
        if (!ok)
            X509_free(x);
    }
    if (!ok || p != end || sk_X509_num(certs) == 0) {
        signature_chain_free(certs);
        certs = NULL;
    }
    ERR_clear_error();
    return certs;
}

static bool signed_by(const struct ticket *t, const X509 *leaf)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    bool ok = ctx != NULL && key != NULL && EVP_PKEY_base_id(key) == EVP_PKEY_EC &&
              EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, t->signature, t->signature_len, t->signed_part, t->signed_len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static bool trusted(STACK_OF(X509) * certs, X509_STORE *roots, int64_t at, char *why, size_t size)
{
    STACK_OF(X509) *chain = NULL;
    char reason[96] = "";
    const struct signature_walk walk = {
        .leaf = sk_X509_value(certs, 0), .others = certs, .roots = roots, .at = at, .critical = MARK_LEAF};
    enum signature_chain answer = signature_chain_walk(&walk, &chain, reason, sizeof reason);
    bool ok = answer == CHAIN_GOOD && sk_X509_num(chain) == 3 &&
              signature_has_mark(sk_X509_value(chain, 0), MARK_LEAF) &&
              signature_has_mark(sk_X509_value(chain, 1), MARK_CA);
    if (!ok)
        snprintf(why, size, "the ticket's signer is not trusted%s%s",
                 answer == CHAIN_BROKEN    ? ": "
                 : answer == CHAIN_EXPIRED ? ": expired"
                                           : "",
                 reason);
    signature_chain_free(chain);
    return ok;
}

bool signature_ticket(const struct xar *x, const struct signature_policy *p, struct signature *out,
                      struct err *e)
{
    struct buf b;
    struct ticket t;
    struct err why = {.kind = ERR_NONE};
    bool found = false, ok = true;
    STACK_OF(X509) *certs = NULL;
    X509_STORE *roots = NULL;
    buf_init(&b, LIMIT_TICKET);
    if (!ticket_load(x->fd, x->file_size - x->trailing, x->file_size, &b, &found, &why) ||
        (found && !ticket_decode(buf_str(&b), b.len, &t, &why))) {
        snprintf(out->ticket, sizeof out->ticket, "%.150s", why.text);
        goto out;
    }
    if (!found)
        goto out;
    roots = signature_store(p, signature_root_g3, e);
    ok = roots != NULL;
    certs = ok ? certs_of(&t) : NULL;
    if (!ok)
        goto out;
    if (certs == NULL)
        snprintf(out->ticket, sizeof out->ticket, "the ticket's certificates cannot be read");
    else if (!signed_by(&t, sk_X509_value(certs, 0)))
        snprintf(out->ticket, sizeof out->ticket, "the ticket's signature does not match");
    else if (!ticket_lists(&t, x->toc.kind, x->toc.sum))
        snprintf(out->ticket, sizeof out->ticket, "the ticket is that of another package");
    else if (trusted(certs, roots, t.time, out->ticket, sizeof out->ticket)) {
        out->notarized = true;
        out->notarized_at = t.time;
    }
out:
    signature_chain_free(certs);
    X509_STORE_free(roots);
    buf_release(&b);
    return ok;
}
