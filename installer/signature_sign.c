/* Making both signatures of a package.
 *
 * The CMS has no signed attributes, as Apple's had until 2021: with them a signing time would stand in it,
 * and the same input would not give the same bytes. For the same reason there is no timestamp: asking for one
 * needs the network, and a package that is to outlive its certificate is signed on a Mac. Slots are reserved
 * before a digest is known, so their sizes are those of a trial. */
#include "core/arena.h"
#include "core/limits.h"
#include "installer/signature_internal.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define SECURITY_BITS 112
#define CMS_SLOT      9216 /* what Apple's tools reserve; more where the certificates need it */
#define CMS_FLAGS     (CMS_BINARY | CMS_DETACHED | CMS_NOATTR | CMS_NOSMIMECAP)

struct signature_signer {
    struct arena *arena;
    EVP_PKEY *key;
    X509 *leaf;
    STACK_OF(X509) * above; /* the others, in order */
    struct xar_cert certs[LIMIT_CERTIFICATES];
    size_t cert_count, cms_size;
};

static bool trouble(struct err *e, enum err_kind kind, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    err_set(e, kind, CAUSE_SIGNATURE, "%s%s%s%s", what, reason != NULL ? " (" : "",
            reason != NULL ? reason : "", reason != NULL ? ")" : "");
    ERR_clear_error();
    return false;
}

/* Nobody is asked: a key that wants a pass phrase cannot be read. */
static int no_phrase(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return 0;
}

static bool read_key(struct signature_signer *s, const void *key, size_t n, struct err *e)
{
    BIO *in = BIO_new_mem_buf(key, n < INT_MAX ? (int)n : INT_MAX);
    s->key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_phrase, NULL) : NULL;
    BIO_free(in);
    if (s->key == NULL)
        return trouble(e, ERR_USAGE, "the key is no private key in PEM, or is encrypted");
    if (EVP_PKEY_base_id(s->key) != EVP_PKEY_RSA || EVP_PKEY_security_bits(s->key) < SECURITY_BITS)
        return err_set(e, ERR_USAGE, CAUSE_SIGNATURE, "the key is no RSA key of 2048 bits or more");
    return true;
}

static bool keep(struct signature_signer *s, X509 *x)
{
    int len = i2d_X509(x, NULL);
    if (len <= 0 || (size_t)len > LIMIT_CERTIFICATE || s->cert_count == LIMIT_CERTIFICATES)
        return false;
    unsigned char *der = arena_alloc(s->arena, (size_t)len), *p = der;
    if (i2d_X509(x, &p) != len)
        return false;
    s->certs[s->cert_count++] = (struct xar_cert){.der = der, .len = (size_t)len};
    return true;
}

static bool read_chain(struct signature_signer *s, const void *chain, size_t n, struct err *e)
{
    BIO *in = BIO_new_mem_buf(chain, n < INT_MAX ? (int)n : INT_MAX);
    bool ok = in != NULL;
    X509 *x;
    while (ok && (x = PEM_read_bio_X509(in, NULL, no_phrase, NULL)) != NULL) {
        ok = keep(s, x);
        if (s->leaf == NULL)
            s->leaf = x;
        else if (sk_X509_push(s->above, x) <= 0)
            X509_free(x);
    }
    BIO_free(in);
    ERR_clear_error();
    if (!ok)
        return err_set(e, ERR_USAGE, CAUSE_SIGNATURE, "the chain has too many certificates, or one too long");
    if (s->leaf == NULL)
        return err_set(e, ERR_USAGE, CAUSE_SIGNATURE, "the chain holds no certificate in PEM");
    if (X509_check_private_key(s->leaf, s->key) != 1)
        return trouble(e, ERR_USAGE, "the key is not that of the chain's first certificate");
    return true;
}

/* DER in *der, to be freed; its length, or -1. */
static int make_cms(const struct signature_signer *s, enum digest_kind kind, const unsigned char *sum,
                    unsigned char **der)
{
    int len = -1;
    BIO *in = BIO_new_mem_buf(sum, (int)digest_size(kind));
    CMS_ContentInfo *cms = in != NULL ? CMS_sign(NULL, NULL, s->above, NULL, CMS_FLAGS | CMS_PARTIAL) : NULL;
    *der = NULL;
    if (cms != NULL && CMS_add1_signer(cms, s->leaf, s->key, digest_method(kind), CMS_FLAGS) != NULL &&
        CMS_final(cms, in, NULL, CMS_FLAGS) == 1)
        len = i2d_CMS_ContentInfo(cms, der);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return len;
}

struct signature_signer *signature_signer_open(const void *key, size_t key_len, const void *chain,
                                               size_t chain_len, struct err *e)
{
    static const unsigned char nothing[DIGEST_MAX];
    struct signature_signer *s = arena_heap(NULL, sizeof *s);
    unsigned char *der = NULL;
    memset(s, 0, sizeof *s);
    s->arena = arena_open();
    s->above = sk_X509_new_null();
    bool ok = s->above != NULL && read_key(s, key, key_len, e) && read_chain(s, chain, chain_len, e);
    if (ok) {
        int trial = make_cms(s, DIGEST_SHA256, nothing, &der);
        OPENSSL_free(der);
        s->cms_size = trial > CMS_SLOT - 64 ? (size_t)trial + 64 : CMS_SLOT;
        if (trial <= 0 || s->cms_size > LIMIT_SIGNATURE)
            ok = trouble(e, ERR_USAGE, "these certificates make no signature");
    }
    if (ok)
        return s;
    signature_signer_free(s);
    return NULL;
}

void signature_signer_free(struct signature_signer *s)
{
    if (s == NULL)
        return;
    EVP_PKEY_free(s->key);
    X509_free(s->leaf);
    signature_chain_free(s->above);
    arena_free(s->arena);
    free(s);
}

size_t signature_signer_certs(const struct signature_signer *s, const struct xar_cert **certs)
{
    *certs = s->certs;
    return s->cert_count;
}

size_t signature_signer_rsa_size(const struct signature_signer *s)
{
    return (size_t)EVP_PKEY_size(s->key);
}

size_t signature_signer_cms_size(const struct signature_signer *s)
{
    return s->cms_size;
}

static bool make_rsa(const struct signature_signer *s, enum digest_kind kind, const unsigned char *sum,
                     unsigned char *rsa)
{
    size_t n = signature_signer_rsa_size(s), made = n;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(s->key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_CTX_set_signature_md(ctx, digest_method(kind)) == 1 &&
              EVP_PKEY_sign(ctx, rsa, &made, sum, digest_size(kind)) == 1 && made == n;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

bool signature_signer_sign(const struct signature_signer *s, enum digest_kind kind, const unsigned char *sum,
                           unsigned char *rsa, unsigned char *cms, struct err *e)
{
    unsigned char *der = NULL;
    int len = -1;
    if (kind != DIGEST_SHA1 && kind != DIGEST_SHA256)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "no signature is made over this digest");
    bool ok = make_rsa(s, kind, sum, rsa);
    if (ok)
        len = make_cms(s, kind, sum, &der);
    ok = ok && len > 0 && (size_t)len <= s->cms_size;
    if (ok) {
        memset(cms, 0, s->cms_size);
        memcpy(cms, der, (size_t)len);
    }
    OPENSSL_free(der);
    return ok || trouble(e, ERR_INTERNAL, "the package cannot be signed");
}
