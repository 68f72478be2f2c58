/* crypto: the one door to OpenSSL (with installer/signature for chains). */
#ifndef CORE_CRYPTO_H
#define CORE_CRYPTO_H
#include "core/err.h"
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum digest_kind { DIGEST_NONE, DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };
#define DIGEST_MAX 64 /* bytes of the longest */

struct digest; /* a running sum */

size_t digest_size(enum digest_kind kind);         /* bytes */
enum digest_kind digest_named(const char *name);   /* "sha256", "SHA-256", … ; NONE when unknown */
struct digest *digest_open(enum digest_kind kind); /* ends the process when OpenSSL cannot */
void digest_write(struct digest *d, const void *p, size_t n);
size_t digest_end(struct digest *d, unsigned char out[DIGEST_MAX]); /* result and free; returns size */
void digest_free(struct digest *d);

void digest_of(enum digest_kind kind, const void *p, size_t n, unsigned char out[DIGEST_MAX]);
/* Of len bytes of fd from offset, by pread, in slices; between slices tick(ctx) is called (may be NULL). */
CHECKED bool digest_fd(enum digest_kind kind, int fd, uint64_t offset, uint64_t len,
                       unsigned char out[DIGEST_MAX], void (*tick)(void *), void *ctx, struct err *e);
/* For those who call OpenSSL themselves (installer/signature): its EVP_MD of kind; NULL of DIGEST_NONE. */
const struct evp_md_st *digest_method(enum digest_kind kind);

/* The same in a thread of its own, while the caller reads the file for other reasons. start never fails; end
 * waits for it, gives the sum or says why there is none, and frees. Not for the process that runs the loop.
 */
struct digest_beside;
struct digest_beside *digest_beside_start(enum digest_kind kind, int fd, uint64_t len);
CHECKED bool digest_beside_end(struct digest_beside *b, unsigned char out[DIGEST_MAX], struct err *e);

bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */

/* The CMS SignedData der around a profile: content out (malloc'd by arena_heap; free it), signer's subject
 * common name into signer, trusted by the system's roots or not. Fails with ERR_TRUST when the signature
 * does not match the bytes, ERR_FORMAT when it is no CMS. */
CHECKED bool crypto_cms_open(const void *der, size_t n, unsigned char **content, size_t *len, char *signer,
                             size_t signer_size, bool *trusted, struct err *e);

/* Read the system's roots now, and keep them: for a process that will soon be able to open no file. */
void crypto_load_roots(void);

struct crypto_certificate { /* borrowed for the call */
    const char *subject;    /* RFC 2253, printable, cut where it is too long */
    const char *sha256;     /* of the DER, 64 lower-case digits */
    bool authority;  /* by basicConstraints, and its key usage does not deny it; old ones without are none */
    bool in_date;    /* now */
    const char *pem; /* it alone, written anew; no string */
    size_t pem_len;
};

/* Call fn for each certificate of PEM text, in order, until it returns false. What is no certificate, or none
 * that can be read, is passed over. */
void crypto_certificates(const void *pem, size_t n, bool (*fn)(void *ctx, const struct crypto_certificate *c),
                         void *ctx);

struct crypto_identity {
    char subject[256]; /* printable */
    time_t until;      /* end of its validity */
    bool in_date;      /* now */
};

/* The first certificate of cert with the first private key of key (both PEM, perhaps the same text). Never
 * asks for a passphrase. ERR_FORMAT: one of them is not there, the key is encrypted, or it is not the
 * certificate's; a sentence says which. */
CHECKED bool crypto_identity(const void *cert, size_t cert_len, const void *key, size_t key_len,
                             struct crypto_identity *out, struct err *e);

/* Subject common name of the first certificate in PEM text, printable. ERR_FORMAT: no certificate, or one
 * without such a name. */
CHECKED bool crypto_common_name(const void *pem, size_t n, char *out, size_t size, struct err *e);
#endif
