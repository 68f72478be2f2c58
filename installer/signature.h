/* signature: who signed a flat package, and is that somebody? Judged offline, from its bytes alone.
 *
 * A package carries two signatures over the checksum of its table of contents: a bare RSA one and a CMS
 * SignedData with, as a rule, an RFC 3161 timestamp. Both must match, both must be of the same certificate,
 * and that must lead over exactly one intermediate to Apple's root with the marks (OIDs) that Apple gives to
 * certificates for packages. A trusted timestamp decides at which time the certificates had to be valid.
 * A notarization ticket stapled behind the archive is verified with Apple's G3 root.
 *
 * Revocation is not looked up: nothing here opens a socket. Formats: xar(1) of Apple, RFC 5652, RFC 3161; the
 * marks are those that Apple's certification practice statements name. */
#ifndef INSTALLER_SIGNATURE_H
#define INSTALLER_SIGNATURE_H
#include "installer/xar.h"

enum signature_status {
    SIGNATURE_UNSIGNED,
    SIGNATURE_SIGNED,    /* matches; a certificate for packages, valid when it counted */
    SIGNATURE_UNTRUSTED, /* matches, but nobody we know vouches for the signer */
    SIGNATURE_EXPIRED,   /* as signed, but for a certificate that was not valid any more */
    SIGNATURE_INVALID    /* does not match the bytes: altered or damaged */
};

#define SIGNATURE_CHAIN_MAX 4

struct signature_cert {
    char name[128]; /* subject common name, printable */
    char sha256[65];
    int64_t not_before, not_after; /* seconds since 1970 */
};

struct signature {
    enum signature_status status;
    char why[384];    /* a sentence, never empty: what the status rests on */
    char team_id[16]; /* what the signer's certificate claims; only SIGNED proves it. "" none */
    struct signature_cert chain[SIGNATURE_CHAIN_MAX]; /* leaf first; as the package has it when untrusted */
    size_t chain_count;
    int64_t timestamp; /* of a trusted timestamp; 0: none */
    bool notarized;    /* a good ticket that lists this package is stapled to it */
    int64_t notarized_at;
    char ticket[160]; /* why a ticket that is there does not count; "" */
};

struct signature_policy {
    const void *roots; /* certificates in PEM: these and no others, for package, timestamp and ticket alike;
                        * NULL: Apple's */
    size_t roots_len;
    int64_t at; /* when a signature without timestamp is judged, seconds since 1970; < 0: now */
};

/* "signed" "untrusted" … */
const char *signature_status_name(enum signature_status s);

/* Judge the signatures of x by its descriptor. Members are not read: xar_check says whether they are what the
 * table of contents, which the signatures are over, wants them to be. Fails only for roots that cannot be
 * read (ERR_USAGE) or when the file cannot (ERR_SYS); whatever the package holds is an answer in out. */
CHECKED bool signature_judge(const struct xar *x, const struct signature_policy *p, struct signature *out,
                             struct err *e);

/* What a caller asks of a package before it is read any further. */
struct signature_need {
    bool is_signed;      /* only SIGNED will do */
    const char *team_id; /* and of this team; NULL: any. Implies is_signed */
};
/* Does s meet n? An INVALID one never does. ERR_TRUST, cause signature or team_id. */
CHECKED bool signature_meets(const struct signature *s, const struct signature_need *n, struct err *e);

/* --- signing ------------------------------------------------------------------------------------------- */

struct signature_signer; /* a private key with its certificates */

/* Both in PEM; chain: the key's certificate first, then what leads to the root (optional itself). ERR_USAGE:
 * one cannot be read, the key is no RSA key of at least 2048 bits or is not that of the first certificate,
 * or is encrypted (no pass phrase is ever asked for). */
struct signature_signer *signature_signer_open(const void *key, size_t key_len, const void *chain,
                                               size_t chain_len, struct err *e);
void signature_signer_free(struct signature_signer *s); /* NULL is fine */

size_t signature_signer_certs(const struct signature_signer *s, const struct xar_cert **certs);
size_t signature_signer_rsa_size(const struct signature_signer *s); /* bytes */
size_t signature_signer_cms_size(const struct signature_signer *s); /* of the slot, zeros at its end */

/* Sign the n bytes of a table of contents' checksum; rsa and cms have the sizes above. The same key and
 * digest give the same bytes. */
CHECKED bool signature_signer_sign(const struct signature_signer *s, enum digest_kind kind,
                                   const unsigned char *sum, unsigned char *rsa, unsigned char *cms,
                                   struct err *e);
#endif
