/* crypto: digests and CMS by OpenSSL's EVP and CMS interfaces.
 *
 * A digest never fails once it is open: EVP_DigestUpdate on memory has no error that a caller could act upon,
 * so each one ends the process. CMS_verify without a store proves that the bytes are the signer's; whether
 * the signer is anybody we know is a second, separate question, because profiles signed by an expired or
 * private certificate are common and are judged by their hash.
 * CMS_verify accepts a SignedData that has no signer at all: that is refused here. */
#include "core/crypto.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <strings.h>
#include <unistd.h>

#define SLICE       (1 * LIMIT_MB) /* of digest_fd: about a millisecond */
#define SIGNERS_MAX 16

struct digest {
    EVP_MD_CTX *ctx;
    enum digest_kind kind;
};

static NORETURN void die(const char *what)
{
    log_error("OpenSSL: %s failed: %s", what, ERR_reason_error_string(ERR_peek_last_error()));
    exit(EXIT_MEMORY);
}

const EVP_MD *digest_method(enum digest_kind kind)
{
    switch (kind) {
    case DIGEST_MD5:
        return EVP_md5();
    case DIGEST_SHA1:
        return EVP_sha1();
    case DIGEST_SHA256:
        return EVP_sha256();
    case DIGEST_SHA512:
        return EVP_sha512();
    case DIGEST_NONE:
        break;
    }
    return NULL;
}

size_t digest_size(enum digest_kind kind)
{
    switch (kind) {
    case DIGEST_MD5:
        return 16;
    case DIGEST_SHA1:
        return 20;
    case DIGEST_SHA256:
        return 32;
    case DIGEST_SHA512:
        return 64;
    case DIGEST_NONE:
        break;
    }
    return 0;
}

enum digest_kind digest_named(const char *name)
{
    static const struct {
        const char *name;
        enum digest_kind kind;
    } names[] = {{"md5", DIGEST_MD5},       {"sha1", DIGEST_SHA1},      {"sha-1", DIGEST_SHA1},
                 {"sha256", DIGEST_SHA256}, {"sha-256", DIGEST_SHA256}, {"sha512", DIGEST_SHA512},
                 {"sha-512", DIGEST_SHA512}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i].name) == 0)
            return names[i].kind;
    return DIGEST_NONE;
}

struct digest *digest_open(enum digest_kind kind)
{
    struct digest *d = arena_heap(NULL, sizeof *d);
    d->kind = kind;
    d->ctx = EVP_MD_CTX_new();
    if (d->ctx == NULL || digest_method(kind) == NULL ||
        EVP_DigestInit_ex(d->ctx, digest_method(kind), NULL) != 1)
        die("digest");
    return d;
}

void digest_write(struct digest *d, const void *p, size_t n)
{
    if (EVP_DigestUpdate(d->ctx, p, n) != 1)
        die("digest");
}

size_t digest_end(struct digest *d, unsigned char out[DIGEST_MAX])
{
    unsigned size = 0;
    if (EVP_DigestFinal_ex(d->ctx, out, &size) != 1)
        die("digest");
    digest_free(d);
    return size;
}

void digest_free(struct digest *d)
{
    if (d == NULL)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

void digest_of(enum digest_kind kind, const void *p, size_t n, unsigned char out[DIGEST_MAX])
{
    struct digest *d = digest_open(kind);
    digest_write(d, p, n);
    digest_end(d, out);
}

bool digest_fd(enum digest_kind kind, int fd, uint64_t offset, uint64_t len, unsigned char out[DIGEST_MAX],
               void (*tick)(void *), void *ctx, struct err *e)
{
    struct digest *d = digest_open(kind);
    unsigned char *slice = arena_heap(NULL, SLICE);
    bool ok = false;
    while (len > 0) {
        ssize_t n = pread(fd, slice, len < SLICE ? (size_t)len : SLICE, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_sys(e, "read at %llu", (unsigned long long)offset);
            goto out;
        }
        if (n == 0) {
            err_set(e, ERR_FORMAT, CAUSE_SIZE, "ends at %llu, %llu bytes early", (unsigned long long)offset,
                    (unsigned long long)len);
            goto out;
        }
        digest_write(d, slice, (size_t)n);
        offset += (uint64_t)n;
        len -= (uint64_t)n;
        if (tick != NULL && len > 0)
            tick(ctx);
    }
    digest_end(d, out);
    d = NULL;
    ok = true;
out:
    digest_free(d);
    free(slice);
    return ok;
}

struct digest_beside {
    enum digest_kind kind;
    int fd;
    uint64_t len;
    pthread_t thread;
    bool started, ok;
    unsigned char sum[DIGEST_MAX];
    struct err why;
};

static void *beside(void *ctx)
{
    struct digest_beside *b = ctx;
    b->ok = digest_fd(b->kind, b->fd, 0, b->len, b->sum, NULL, NULL, &b->why);
    return NULL;
}

struct digest_beside *digest_beside_start(enum digest_kind kind, int fd, uint64_t len)
{
    struct digest_beside *b = arena_heap(NULL, sizeof *b);
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->fd = fd;
    b->len = len;
    b->started = pthread_create(&b->thread, NULL, beside, b) == 0;
    return b;
}

bool digest_beside_end(struct digest_beside *b, unsigned char out[DIGEST_MAX], struct err *e)
{
    if (b->started)
        pthread_join(b->thread, NULL);
    else
        beside(b);
    bool ok = b->ok;
    if (ok)
        memcpy(out, b->sum, DIGEST_MAX);
    else if (e)
        *e = b->why;
    free(b);
    return ok;
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

/* --- CMS ------------------------------------------------------------------------------------------------ */

static bool cms_fail(struct err *e, enum err_kind kind, enum cause cause, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    err_set(e, kind, cause, "%s%s%s", what, why != NULL ? ": " : "", why != NULL ? why : "");
    ERR_clear_error();
    return false;
}

/* Subject common name, printable; "" when there is none. */
static void common_name(X509 *cert, char *out, size_t size)
{
    unsigned char *utf8 = NULL;
    const X509_NAME *name = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    int len = -1;
    if (at >= 0)
        len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    text_printable_into(out, size, len > 0 ? (const char *)utf8 : "", len > 0 ? (size_t)len : 0);
    OPENSSL_free(utf8);
}

static X509_STORE *kept; /* by crypto_load_roots */

/* The system's roots. Beside OpenSSL's own places the bundles of macOS and Debian: whole files, so that
 * nothing is looked up later. */
static X509_STORE *load_roots(void)
{
    static const char *const bundles[] = {"/etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"};
    X509_STORE *store = X509_STORE_new();
    if (store == NULL)
        die("store");
    X509_STORE_set_default_paths(store);
    for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++)
        if (access(bundles[i], R_OK) == 0)
            X509_STORE_load_file(store, bundles[i]);
    ERR_clear_error();
    return store;
}

void crypto_load_roots(void)
{
    unsigned char sum[DIGEST_MAX];
    digest_of(DIGEST_SHA256, "", 0, sum); /* reads the library's configuration */
    if (kept == NULL)
        kept = load_roots();
}

/* Do the system's roots vouch for every signer, now? Any purpose will do: profiles are signed with code
 * signing, mail and web server certificates alike. */
static bool all_trusted(STACK_OF(X509) * signers, STACK_OF(X509) * others)
{
    bool ok = false;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE *store = kept != NULL ? kept : load_roots();
    if (ctx == NULL)
        die("store");
    for (int i = 0; i < sk_X509_num(signers); i++) {
        ok = X509_STORE_CTX_init(ctx, store, sk_X509_value(signers, i), others) == 1 &&
             X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_ANY) == 1 && X509_verify_cert(ctx) == 1;
        X509_STORE_CTX_cleanup(ctx);
        if (!ok)
            break;
    }
    X509_STORE_CTX_free(ctx);
    if (store != kept)
        X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

bool crypto_cms_open(const void *der, size_t n, unsigned char **content, size_t *len, char *signer,
                     size_t signer_size, bool *trusted, struct err *e)
{
    bool ok = false;
    CMS_ContentInfo *cms = NULL;
    BIO *out = NULL;
    STACK_OF(X509) *signers = NULL, *others = NULL;
    ASN1_OCTET_STRING **inner = NULL;
    const unsigned char *p = der;
    char *bytes = NULL;
    long got = 0;
    int count = 0;

    if (n > LIMIT_PROFILE)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "signed message of %zu bytes is longer than %zu", n,
                       LIMIT_PROFILE);
    ERR_clear_error();
    cms = d2i_CMS_ContentInfo(NULL, &p, (long)n);
    if (cms == NULL || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
        cms_fail(e, ERR_FORMAT, CAUSE_FORMAT, "not a CMS SignedData");
        goto out;
    }
    inner = CMS_get0_content(cms);
    if (inner == NULL || *inner == NULL) {
        cms_fail(e, ERR_FORMAT, CAUSE_FORMAT, "signed message holds no content");
        goto out;
    }
    count = sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms));
    if (count < 1 || count > SIGNERS_MAX) {
        err_set(e, ERR_TRUST, CAUSE_SIGNATURE, "signed message has %d signers", count < 0 ? 0 : count);
        goto out;
    }
    out = BIO_new(BIO_s_mem());
    if (out == NULL)
        die("memory");
    if (CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1) {
        cms_fail(e, ERR_TRUST, CAUSE_SIGNATURE, "signature does not match");
        goto out;
    }
    signers = CMS_get0_signers(cms);
    if (sk_X509_num(signers) < 1) {
        cms_fail(e, ERR_TRUST, CAUSE_SIGNATURE, "signed message names no certificate");
        goto out;
    }
    others = CMS_get1_certs(cms);
    common_name(sk_X509_value(signers, 0), signer, signer_size);
    *trusted = all_trusted(signers, others);

    got = BIO_get_mem_data(out, &bytes);
    *len = got > 0 ? (size_t)got : 0;
    *content = arena_heap(NULL, *len + 1);
    if (*len > 0)
        memcpy(*content, bytes, *len);
    (*content)[*len] = 0;
    ok = true;
out:
    sk_X509_free(signers);
    sk_X509_pop_free(others, X509_free);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    return ok;
}

/* --- certificates --------------------------------------------------------------------------------------- */

static BIO *over(const void *p, size_t n)
{
    BIO *in = BIO_new_mem_buf(p, n < INT_MAX ? (int)n : INT_MAX);
    if (in == NULL)
        die("memory");
    return in;
}

/* RFC 2253, but names in UTF-8 stay readable. */
static void subject_of(X509 *cert, char *out, size_t size)
{
    char *text = NULL;
    BIO *name = BIO_new(BIO_s_mem());
    if (name == NULL)
        die("memory");
    X509_NAME_print_ex(name, X509_get_subject_name(cert), 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long len = BIO_get_mem_data(name, &text);
    text_printable_into(out, size, len > 0 ? text : "", len > 0 ? (size_t)len : 0);
    BIO_free(name);
}

static bool in_date(const X509 *cert)
{
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    return X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(cert), &now) > 0;
}

bool crypto_common_name(const void *pem, size_t n, char *out, size_t size, struct err *e)
{
    ERR_clear_error();
    BIO *in = over(pem, n);
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    if (cert == NULL)
        return cms_fail(e, ERR_FORMAT, CAUSE_FORMAT, "no certificate in PEM");
    common_name(cert, out, size);
    X509_free(cert);
    return out[0] != '\0' || err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the certificate has no common name");
}

static bool show(X509 *cert, bool (*fn)(void *ctx, const struct crypto_certificate *c), void *ctx)
{
    unsigned char sum[DIGEST_MAX];
    char hex[2 * DIGEST_MAX + 1], subject[512], *pem = NULL;
    unsigned size = 0;
    BIO *out = BIO_new(BIO_s_mem());
    if (out == NULL)
        die("memory");
    if (X509_digest(cert, EVP_sha256(), sum, &size) != 1 || PEM_write_bio_X509(out, cert) != 1)
        die("certificate");
    long len = BIO_get_mem_data(out, &pem);
    subject_of(cert, subject, sizeof subject);
    text_hex(hex, sum, size);
    const struct crypto_certificate c = {.subject = subject,
                                         .sha256 = hex,
                                         .authority = X509_check_ca(cert) == 1,
                                         .in_date = in_date(cert),
                                         .pem = pem,
                                         .pem_len = (size_t)len};
    bool go_on = fn(ctx, &c);
    BIO_free(out);
    return go_on;
}

void crypto_certificates(const void *pem, size_t n, bool (*fn)(void *ctx, const struct crypto_certificate *c),
                         void *ctx)
{
    bool go_on = true;
    ERR_clear_error();
    BIO *in = over(pem, n);
    while (go_on && BIO_pending(in) > 0) { /* each reading takes at least a line */
        X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
        go_on = cert == NULL || show(cert, fn, ctx);
        X509_free(cert);
        ERR_clear_error();
    }
    BIO_free(in);
}

/* Instead of OpenSSL's own, which asks whoever sits at the terminal. */
static int no_passphrase(char *out, int size, int writing, void *encrypted)
{
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)encrypted = true;
    return -1;
}

bool crypto_identity(const void *cert, size_t cert_len, const void *key, size_t key_len,
                     struct crypto_identity *out, struct err *e)
{
    bool encrypted = false, ok = false;
    time_t now;
    int ms, days = 0, seconds = 0;
    BIO *cert_in = over(cert, cert_len), *key_in = over(key, key_len);
    X509 *x = PEM_read_bio_X509(cert_in, NULL, NULL, NULL);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(key_in, NULL, no_passphrase, &encrypted);
    os_realtime(&now, &ms);
    ASN1_TIME *t = ASN1_TIME_set(NULL, now);
    if (x == NULL) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "no certificate in PEM is in there");
    } else if (encrypted) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the private key is encrypted, and nobody can be asked");
    } else if (k == NULL) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "no private key in PEM is in there");
    } else if (X509_check_private_key(x, k) != 1) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the private key is not the certificate's");
    } else {
        ok = true;
        subject_of(x, out->subject, sizeof out->subject);
        out->in_date = in_date(x);
        out->until = now;
        if (t != NULL && ASN1_TIME_diff(&days, &seconds, t, X509_get0_notAfter(x)) == 1)
            out->until += (time_t)days * 86400 + seconds;
    }
    ASN1_TIME_free(t);
    EVP_PKEY_free(k);
    X509_free(x);
    BIO_free(key_in);
    BIO_free(cert_in);
    ERR_clear_error();
    return ok;
}
