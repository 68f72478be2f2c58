/* authority: keys and certificates made for a test, and packages signed with them. */
#ifndef TESTS_UNIT_AUTHORITY_H
#define TESTS_UNIT_AUTHORITY_H
#include "core/text.h"
#include "installer/signature.h"
#include "package.h"
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#define APPLE "1.2.840.113635.100."

/* what Apple marks the certificates of a developer's packages with, and one such developer */
#define BASE_CA   "basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign"
#define BASE_LEAF "basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature"
#define EKU       ";extendedKeyUsage=critical," APPLE "4.13"
#define INSTALLER BASE_LEAF EKU ";!" APPLE "6.1.14"
#define CA_MARKED BASE_CA ";" APPLE "6.2.6"
#define WHO       "UID=ABCDE12345/CN=Developer ID Installer: Example (ABCDE12345)/OU=ABCDE12345"

static inline EVP_PKEY *authority_rsa(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    assert_non_null(key);
    return key;
}

static inline EVP_PKEY *authority_ec(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static inline time_t authority_day(const char *day)
{
    char text[32];
    time_t t;
    snprintf(text, sizeof text, "%sT00:00:00Z", day);
    assert_true(text_parse_utc(text, &t));
    return t;
}

/* subject: "CN=x/OU=y"; extensions: "name=value;name=value", a name being an OID for a NULL extension (with
 * '!' before it: critical). issuer NULL: self-signed. */
struct authority_wish {
    const char *subject, *extensions, *from, *until;
    EVP_PKEY *key;
    X509 *issuer;
    EVP_PKEY *issuer_key;
    const EVP_MD *md;
};

static inline void authority_extend(X509 *x, const char *list)
{
    char copy[512], *rest = copy;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *one; (one = strtok_r(rest, ";", &rest)) != NULL;) {
        char *value = strchr(one, '=');
        X509_EXTENSION *ext;
        if (value != NULL) {
            *value++ = '\0';
            ext = X509V3_EXT_conf(NULL, NULL, one, value);
        } else {
            static unsigned char null[] = {5, 0};
            ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
            ASN1_OCTET_STRING_set(bytes, null, sizeof null);
            ASN1_OBJECT *oid = OBJ_txt2obj(*one == '!' ? one + 1 : one, 1);
            ext = X509_EXTENSION_create_by_OBJ(NULL, oid, *one == '!', bytes);
            ASN1_OBJECT_free(oid);
            ASN1_OCTET_STRING_free(bytes);
        }
        assert_non_null(ext);
        assert_int_equal(X509_add_ext(x, ext, -1), 1);
        X509_EXTENSION_free(ext);
    }
}

static inline X509 *authority_cert(const struct authority_wish *w)
{
    static long serial = 1;
    char copy[256], *rest = copy;
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    snprintf(copy, sizeof copy, "%s", w->subject);
    for (char *one; (one = strtok_r(rest, "/", &rest)) != NULL;) {
        char *value = strchr(one, '=');
        *value++ = '\0';
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), one, MBSTRING_UTF8, (unsigned char *)value, -1,
                                   -1, 0);
    }
    X509_set_issuer_name(x, X509_get_subject_name(w->issuer ? w->issuer : x));
    X509_time_adj_ex(X509_getm_notBefore(x), 0, 0,
                     &(time_t){authority_day(w->from ? w->from : "2024-01-01")});
    X509_time_adj_ex(X509_getm_notAfter(x), 0, 0,
                     &(time_t){authority_day(w->until ? w->until : "2044-01-01")});
    X509_set_pubkey(x, w->key);
    authority_extend(x, w->extensions);
    assert_true(X509_sign(x, w->issuer ? w->issuer_key : w->key, w->md ? w->md : EVP_sha256()) > 0);
    return x;
}

static inline void authority_pem(struct buf *b, X509 *x)
{
    struct err e;
    char *bytes;
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, x);
    long n = BIO_get_mem_data(out, &bytes);
    assert_true(buf_append(b, bytes, (size_t)n, &e));
    BIO_free(out);
}

/* How a package is signed. */
struct authority_recipe {
    const char *what;
    X509 *named[4];    /* beside the signatures; the first is the signer as a rule */
    EVP_PKEY *key;     /* of the RSA signature */
    X509 *cms_leaf;    /* NULL: named[0] */
    EVP_PKEY *cms_key; /* NULL: key */
    bool no_rsa, no_cms, twice, sha256;
    bool other_content, embedded, junk, two_signers, attributes;
    const char *stamp; /* day of a timestamp */
    X509 *tsa, *tsa_ca;
    EVP_PKEY *tsa_key;
    bool stamp_other;
    /* what is expected of it */
    enum signature_status status;
    const char *team, *time, *why; /* why: a part of the sentence; NULL: any */
    const char *at;                /* NULL: 2026-06-01 */
};

static inline void authority_stamp(const struct authority_recipe *r, CMS_SignerInfo *si)
{
    unsigned char sum[DIGEST_MAX], *der = NULL;
    const ASN1_OCTET_STRING *sig = CMS_SignerInfo_get0_signature(si);
    TS_TST_INFO *info = TS_TST_INFO_new();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algor = X509_ALGOR_new();
    ASN1_GENERALIZEDTIME *time = ASN1_GENERALIZEDTIME_set(NULL, authority_day(r->stamp));
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_OBJECT *policy = OBJ_txt2obj("1.2.3.4.5.6", 1);
    digest_of(DIGEST_SHA1, ASN1_STRING_get0_data(sig), (size_t)ASN1_STRING_length(sig) - r->stamp_other, sum);
    X509_ALGOR_set0(algor, OBJ_nid2obj(NID_sha1), V_ASN1_NULL, NULL);
    TS_MSG_IMPRINT_set_algo(imprint, algor);
    TS_MSG_IMPRINT_set_msg(imprint, sum, 20);
    ASN1_INTEGER_set(serial, 7);
    TS_TST_INFO_set_version(info, 1);
    TS_TST_INFO_set_policy_id(info, policy);
    TS_TST_INFO_set_msg_imprint(info, imprint);
    TS_TST_INFO_set_serial(info, serial);
    TS_TST_INFO_set_time(info, time);
    int n = i2d_TS_TST_INFO(info, &der);
    BIO *in = BIO_new_mem_buf(der, n);
    STACK_OF(X509) *certs = sk_X509_new_null();
    sk_X509_push(certs, r->tsa_ca);
    CMS_ContentInfo *token =
        CMS_sign(r->tsa, r->tsa_key, certs, NULL, CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP);
    assert_non_null(token);
    CMS_set1_eContentType(token, OBJ_nid2obj(NID_id_smime_ct_TSTInfo));
    assert_int_equal(CMS_final(token, in, NULL, CMS_BINARY), 1);
    unsigned char *bytes = NULL;
    int len = i2d_CMS_ContentInfo(token, &bytes);
    assert_int_equal(
        CMS_unsigned_add1_attr_by_txt(si, "1.2.840.113549.1.9.16.2.14", V_ASN1_SEQUENCE, bytes, len), 1);
    OPENSSL_free(bytes);
    OPENSSL_free(der);
    CMS_ContentInfo_free(token);
    sk_X509_free(certs);
    BIO_free(in);
    TS_TST_INFO_free(info);
    TS_MSG_IMPRINT_free(imprint);
    X509_ALGOR_free(algor);
    ASN1_GENERALIZEDTIME_free(time);
    ASN1_INTEGER_free(serial);
    ASN1_OBJECT_free(policy);
}

static inline size_t authority_cms(const struct authority_recipe *r, const unsigned char *sum, size_t n,
                                   unsigned char *slot)
{
    unsigned flags =
        CMS_BINARY | CMS_NOSMIMECAP | (r->embedded ? 0 : CMS_DETACHED) | (r->attributes ? 0 : CMS_NOATTR);
    BIO *in = BIO_new_mem_buf(
        r->other_content ? (const unsigned char *)"something else entirely 12345678" : sum, (int)n);
    const EVP_MD *md = r->sha256 ? EVP_sha256() : EVP_sha1();
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
    CMS_SignerInfo *si = CMS_add1_signer(cms, r->cms_leaf ? r->cms_leaf : r->named[0],
                                         r->cms_key ? r->cms_key : r->key, md, flags);
    assert_non_null(si);
    if (r->two_signers)
        assert_non_null(CMS_add1_signer(cms, r->tsa, r->tsa_key, md, flags));
    assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
    if (r->stamp)
        authority_stamp(r, si);
    unsigned char *der = NULL;
    int len = i2d_CMS_ContentInfo(cms, &der);
    assert_true(len > 0 && len < 9000);
    memcpy(slot, der, (size_t)len);
    if (r->junk)
        slot[len + 5] = 1;
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return (size_t)len;
}

static inline void authority_rsa_sign(const struct authority_recipe *r, enum digest_kind kind,
                                      const unsigned char *sum, unsigned char *out, size_t n)
{
    unsigned char twice[DIGEST_MAX];
    digest_of(kind, sum, digest_size(kind), twice);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(r->key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
    EVP_PKEY_CTX_set_signature_md(ctx, r->sha256 ? EVP_sha256() : EVP_sha1());
    assert_int_equal(EVP_PKEY_sign(ctx, out, &n, r->twice ? twice : sum, digest_size(kind)), 1);
    EVP_PKEY_CTX_free(ctx);
}

/* Where the signatures of what authority_package made lie. */
struct authority_places {
    size_t sum, rsa, cms, cms_len, end;
};

static inline void authority_element(struct arena *a, struct buf *toc, const struct authority_recipe *r,
                                     const char *element, const char *style, size_t at, size_t n)
{
    assert_true(buf_printf(toc, "<%s style=\"%s\"><offset>%zu</offset><size>%zu</size><KeyInfo><X509Data>",
                           element, style, at, n));
    for (size_t i = 0; i < 4 && r->named[i]; i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(r->named[i], &der);
        assert_true(
            buf_printf(toc, "<X509Certificate>%s</X509Certificate>", text_base64(a, der, (size_t)len)));
        OPENSSL_free(der);
    }
    assert_true(buf_printf(toc, "</X509Data></KeyInfo></%s>", element));
}

/* A package with nothing in it, signed as r wants; tail: what is behind it. Bytes to b. */
static inline struct authority_places authority_package(const struct authority_recipe *r, struct buf *b)
{
    struct arena *a = arena_open();
    struct err e;
    struct buf toc;
    enum digest_kind kind = r->sha256 ? DIGEST_SHA256 : DIGEST_SHA1;
    size_t sum_n = digest_size(kind), rsa_n = r->no_rsa ? 0 : (size_t)EVP_PKEY_size(r->key);
    size_t cms_n = r->no_cms ? 0 : 9216;
    unsigned char head[28] = "xar!", sum[DIGEST_MAX], rsa[1024], cms[9216] = {0};
    buf_init(&toc, LIMIT_MB);
    buf_init(b, LIMIT_MB);
    assert_true(buf_printf(&toc,
                           "<xar><toc><checksum style=\"%s\"><offset>0</offset><size>%zu</size></checksum>",
                           r->sha256 ? "sha256" : "sha1", sum_n));
    if (rsa_n)
        authority_element(a, &toc, r, "signature", "RSA", sum_n, rsa_n);
    if (cms_n)
        authority_element(a, &toc, r, "x-signature", "CMS", sum_n + rsa_n, cms_n);
    assert_true(buf_printf(&toc, "</toc></xar>"));
    uLongf stored = compressBound((uLong)toc.len);
    unsigned char *packed = malloc(stored);
    assert_int_equal(compress2(packed, &stored, (const Bytef *)toc.data, (uLong)toc.len, 9), Z_OK);
    package_be(head + 4, 2, 28);
    package_be(head + 6, 2, 1);
    package_be(head + 8, 8, stored);
    package_be(head + 16, 8, toc.len);
    package_be(head + 24, 4, r->sha256 ? 3 : 1);
    digest_of(kind, packed, stored, sum);
    struct authority_places at = {.sum = 28 + stored, .rsa = 28 + stored + sum_n};
    at.cms = at.rsa + rsa_n;
    at.end = at.cms + cms_n;
    if (rsa_n)
        authority_rsa_sign(r, kind, sum, rsa, rsa_n);
    if (cms_n)
        at.cms_len = authority_cms(r, sum, sum_n, cms);
    assert_true(buf_append(b, head, 28, &e) && buf_append(b, packed, stored, &e) &&
                buf_append(b, sum, sum_n, &e) && (!rsa_n || buf_append(b, rsa, rsa_n, &e)) &&
                (!cms_n || buf_append(b, cms, cms_n, &e)));
    free(packed);
    buf_release(&toc);
    arena_free(a);
    return at;
}

/* A developer with a package of his: its bytes to b, and to roots the one authority that vouches for him. */
static inline void authority_developer(struct buf *b, struct buf *roots)
{
    EVP_PKEY *keys[] = {authority_rsa(2048), authority_rsa(2048), authority_rsa(2048)};
    struct authority_wish wish = {.subject = "CN=Test Root", .extensions = BASE_CA, .key = keys[0]};
    X509 *root = authority_cert(&wish);
    wish = (struct authority_wish){.subject = "CN=Test CA",
                                   .extensions = CA_MARKED,
                                   .key = keys[1],
                                   .issuer = root,
                                   .issuer_key = keys[0]};
    X509 *ca = authority_cert(&wish);
    wish = (struct authority_wish){
        .subject = WHO, .extensions = INSTALLER, .key = keys[2], .issuer = ca, .issuer_key = keys[1]};
    X509 *leaf = authority_cert(&wish);
    const struct authority_recipe recipe = {.named = {leaf, ca, root}, .key = keys[2]};
    authority_package(&recipe, b);
    buf_init(roots, LIMIT_MB);
    authority_pem(roots, root);
    X509_free(leaf);
    X509_free(ca);
    X509_free(root);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        EVP_PKEY_free(keys[i]);
}
#endif
