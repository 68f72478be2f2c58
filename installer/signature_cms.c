/* The CMS of a package and the timestamp inside it.
 *
 * Real ones are written in BER with indefinite lengths, padded with zeros to their slot, over SHA-1, with or
 * without signed attributes; the content is the checksum of the table of contents itself and is not embedded.
 * The timestamp is an unsigned attribute of the only signer: whoever strips it loses its time, whoever alters
 * it breaks it, and a broken one makes the whole signature invalid. Its certificates live for weeks: they are
 * judged at the time it names. OpenSSL's own check of tokens would judge them now, so the token is taken
 * apart here: it is a CMS too. */
#include "core/limits.h"
#include "core/text.h"
#include "installer/signature_internal.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/ts.h>

#define OID_TOKEN "1.2.840.113549.1.9.16.2.14"
#define MARK_TSA  "1.2.840.113635.100.6.2.9" /* Apple Timestamp Certification Authority */

static bool wrong(char *why, size_t size, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(why, size, "%s%s%s%s", what, reason != NULL ? " (" : "", reason != NULL ? reason : "",
             reason != NULL ? ")" : "");
    ERR_clear_error();
    return false;
}

/* The only signer of a SignedData over something of type, or NULL. */
static CMS_SignerInfo *only_signer(CMS_ContentInfo *cms, int type, char *why, size_t size)
{
    if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed ||
        OBJ_obj2nid(CMS_get0_eContentType(cms)) != type) {
        wrong(why, size, "is no signature of the kind it should be");
        return NULL;
    }
    STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
    if (sk_CMS_SignerInfo_num(signers) != 1) {
        wrong(why, size, "does not have exactly one signer");
        return NULL;
    }
    CMS_SignerInfo *si = sk_CMS_SignerInfo_value(signers, 0);
    X509_ALGOR *digest = NULL;
    CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, NULL);
    int nid = OBJ_obj2nid(digest->algorithm);
    if (nid == NID_sha1 || nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512)
        return si;
    wrong(why, size, "is made over a digest that proves nothing");
    return NULL;
}

/* Its certificate and the others; both to be freed. */
static bool certificates(CMS_ContentInfo *cms, X509 **signer, STACK_OF(X509) * *others, char *why,
                         size_t size)
{
    STACK_OF(X509) *signers = CMS_get0_signers(cms);
    *others = CMS_get1_certs(cms);
    if (sk_X509_num(signers) == 1)
        *signer = sk_X509_value(signers, 0);
    if (*signer != NULL && X509_up_ref(*signer) != 1)
        *signer = NULL;
    sk_X509_free(signers);
    if (*signer == NULL)
        return wrong(why, size, "names a certificate that is not there");
    return sk_X509_num(*others) <= LIMIT_CERTIFICATES || wrong(why, size, "carries too many certificates");
}

/* --- the timestamp -------------------------------------------------------------------------------------- */

/* Does info speak of these bytes? */
static bool imprint_matches(TS_TST_INFO *info, const ASN1_OCTET_STRING *bytes)
{
    TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);
    int nid = OBJ_obj2nid(TS_MSG_IMPRINT_get_algo(imprint)->algorithm);
    enum digest_kind kind = nid == NID_sha1     ? DIGEST_SHA1
                            : nid == NID_sha256 ? DIGEST_SHA256
                            : nid == NID_sha512 ? DIGEST_SHA512
                                                : DIGEST_NONE;
    const ASN1_OCTET_STRING *said = TS_MSG_IMPRINT_get_msg(imprint);
    unsigned char sum[DIGEST_MAX];
    if (kind == DIGEST_NONE || (size_t)ASN1_STRING_length(said) != digest_size(kind))
        return false;
    digest_of(kind, ASN1_STRING_get0_data(bytes), (size_t)ASN1_STRING_length(bytes), sum);
    return crypto_equal(sum, ASN1_STRING_get0_data(said), digest_size(kind));
}

/* The token's TSTInfo, its signature verified. */
static TS_TST_INFO *token_info(CMS_ContentInfo *token, char *why, size_t size)
{
    TS_TST_INFO *info = NULL;
    unsigned char *bytes = NULL;
    BIO *out = BIO_new(BIO_s_mem());
    if (out != NULL &&
        CMS_verify(token, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1) {
        long n = BIO_get_mem_data(out, (char **)&bytes);
        const unsigned char *p = bytes;
        info = d2i_TS_TST_INFO(NULL, &p, n);
        if (info != NULL && (p != bytes + n || TS_TST_INFO_get_version(info) != 1)) {
            TS_TST_INFO_free(info);
            info = NULL;
        }
    }
    if (info == NULL)
        wrong(why, size, "its timestamp does not match");
    BIO_free(out);
    return info;
}

/* Does anybody vouch for whoever made it, at the time it was made? */
static bool trusted_stamp(X509 *signer, STACK_OF(X509) * others, X509_STORE *roots, bool ours, int64_t at)
{
    char why[8];
    STACK_OF(X509) *chain = NULL;
    const struct signature_walk walk = {
        .leaf = signer, .others = others, .roots = roots, .at = at, .timestamp = true};
    bool ok = signature_chain_walk(&walk, &chain, why, sizeof why) == CHAIN_GOOD &&
              (!ours || (sk_X509_num(chain) > 2 && signature_has_mark(sk_X509_value(chain, 1), MARK_TSA)));
    signature_chain_free(chain);
    return ok;
}

/* False: there is one and it is broken. */
static bool timestamp_of(CMS_SignerInfo *si, X509_STORE *roots, bool ours, int64_t *when, char *why,
                         size_t size)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(OID_TOKEN, 1);
    int at = CMS_unsigned_get_attr_by_OBJ(si, oid, -1);
    X509_ATTRIBUTE *attribute = at >= 0 ? CMS_unsigned_get_attr(si, at) : NULL;
    bool ok = false, more = at >= 0 && CMS_unsigned_get_attr_by_OBJ(si, oid, at) >= 0;
    CMS_ContentInfo *token = NULL;
    TS_TST_INFO *info = NULL;
    X509 *signer = NULL;
    STACK_OF(X509) *others = NULL;
    ASN1_OBJECT_free(oid);
    if (attribute == NULL)
        return true;
    ASN1_TYPE *value = X509_ATTRIBUTE_count(attribute) == 1 ? X509_ATTRIBUTE_get0_type(attribute, 0) : NULL;
    if (more || value == NULL || value->type != V_ASN1_SEQUENCE)
        return wrong(why, size, "its timestamp makes no sense");
    const unsigned char *p = value->value.sequence->data, *start = p;
    token = d2i_CMS_ContentInfo(NULL, &p, value->value.sequence->length);
    if (token == NULL || p != start + value->value.sequence->length) {
        wrong(why, size, "its timestamp makes no sense");
        goto out;
    }
    if (only_signer(token, NID_id_smime_ct_TSTInfo, why, size) == NULL)
        goto out;
    info = token_info(token, why, size);
    if (info == NULL || !certificates(token, &signer, &others, why, size))
        goto out;
    if (!imprint_matches(info, CMS_SignerInfo_get0_signature(si))) {
        wrong(why, size, "its timestamp is that of something else");
        goto out;
    }
    int64_t time = signature_seconds(TS_TST_INFO_get_time(info));
    if (time > 0 && trusted_stamp(signer, others, roots, ours, time))
        *when = time;
    ok = true;
out:
    TS_TST_INFO_free(info);
    CMS_ContentInfo_free(token);
    X509_free(signer);
    signature_chain_free(others);
    return ok;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static bool zeros(const unsigned char *p, const unsigned char *end)
{
    while (p < end && *p == 0)
        p++;
    return p == end;
}

/* A source of these bytes. CMS_verify copies one that is plain memory and loses the copy when it fails early
 * (a leak of OpenSSL 3.0), so there is a filter before it. */
static BIO *source(const unsigned char *p, size_t n)
{
    BIO *filter = BIO_new(BIO_f_null()), *in = BIO_new_mem_buf(p, (int)n);
    if (filter != NULL && in != NULL)
        return BIO_push(filter, in);
    BIO_free(filter);
    BIO_free(in);
    return NULL;
}

bool signature_cms(const unsigned char *slot, size_t n, const unsigned char *content, size_t content_len,
                   X509_STORE *roots, bool ours, X509 **signer, STACK_OF(X509) * *others, int64_t *timestamp,
                   char *why, size_t why_size)
{
    const unsigned char *p = slot;
    bool ok = false;
    BIO *in = NULL;
    ASN1_OCTET_STRING **inner;
    CMS_SignerInfo *si;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)n);
    *signer = NULL;
    *others = NULL;
    *timestamp = 0;
    if (cms == NULL || !zeros(p, slot + n)) {
        wrong(why, why_size, cms == NULL ? "cannot be read" : "has bytes at its end that belong to nothing");
        goto out;
    }
    si = only_signer(cms, NID_pkcs7_data, why, why_size);
    if (si == NULL)
        goto out;
    inner = CMS_get0_content(cms);
    if (inner == NULL || *inner != NULL) {
        wrong(why, why_size, "holds a content of its own");
        goto out;
    }
    in = source(content, content_len);
    if (in == NULL ||
        CMS_verify(cms, NULL, NULL, in, NULL, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY | CMS_DETACHED) != 1) {
        wrong(why, why_size, "does not match");
        goto out;
    }
    ok = certificates(cms, signer, others, why, why_size) &&
         timestamp_of(si, roots, ours, timestamp, why, why_size);
out:
    BIO_free_all(in);
    CMS_ContentInfo_free(cms);
    if (!ok) {
        X509_free(*signer);
        signature_chain_free(*others);
        *signer = NULL;
        *others = NULL;
        *timestamp = 0;
    }
    ERR_clear_error();
    return ok;
}
