/* signature_internal: what the rooms of signature share. Nobody else includes it. */
#ifndef INSTALLER_SIGNATURE_INTERNAL_H
#define INSTALLER_SIGNATURE_INTERNAL_H
#include "installer/signature.h"
#include <openssl/x509.h>

/* Apple's roots, PEM (signature_roots.c). */
extern const char signature_root_rsa[]; /* Apple Root CA: packages and timestamps */
extern const char signature_root_g3[];  /* Apple Root CA - G3: tickets */

/* A store of the policy's roots, or of Apple's in pem. NULL: *e is set. */
X509_STORE *signature_store(const struct signature_policy *p, const char *pem, struct err *e);

/* A certificate that is der to the last byte, or NULL. */
X509 *signature_x509(const unsigned char *der, size_t len);

enum signature_chain { CHAIN_GOOD, CHAIN_EXPIRED, CHAIN_BROKEN };

struct signature_walk {
    X509 *leaf;
    STACK_OF(X509) * others; /* untrusted; may be NULL */
    X509_STORE *roots;
    int64_t at;
    bool timestamp;       /* the leaf must be for timestamps alone (RFC 3161) */
    const char *critical; /* OID of an extension that may be critical in the leaf; NULL: none */
};
/* From leaf to one of roots: names, signatures, times, constraints, strength of keys. *chain is set, leaf
 * first, unless it is CHAIN_BROKEN (then why says what is wrong); free with signature_chain_free. Expired
 * means that nothing else is wrong. */
enum signature_chain signature_chain_walk(const struct signature_walk *w, STACK_OF(X509) * *chain, char *why,
                                          size_t why_size);
void signature_chain_free(STACK_OF(X509) * chain); /* NULL is fine */

bool signature_has_mark(const X509 *x, const char *oid); /* an extension of that name */
/* Judge leaf as the signer of a package: status, why, team, chain of out. */
void signature_judge_signer(X509 *leaf, STACK_OF(X509) * others, X509_STORE *roots, int64_t at,
                            struct signature *out);
void signature_describe(const X509 *x, struct signature_cert *c);
void signature_team(const X509 *leaf, char team[16]);

/* The CMS in slot against content. False: why says what does not match. *signer: its certificate (counted up)
 * and *others what it carries (both to be freed); *timestamp: when a timestamp that roots vouch for says it
 * was made, or 0. given: a certificate to look among, or NULL. ours: roots are Apple's. */
bool signature_cms(const unsigned char *slot, size_t n, const unsigned char *content, size_t content_len,
                   X509_STORE *roots, bool ours, X509 **signer, STACK_OF(X509) * *others, int64_t *timestamp,
                   char *why, size_t why_size);

/* The ticket behind x: sets notarized, notarized_at, ticket. */
bool signature_ticket(const struct xar *x, const struct signature_policy *p, struct signature *out,
                      struct err *e);

int64_t signature_seconds(const ASN1_TIME *t); /* since 1970; 0 when it is no time */
#endif
