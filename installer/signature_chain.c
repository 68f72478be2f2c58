/* From a certificate to a root, and what a package's signer must be.
 *
 * Surprising: the mark of a Developer ID Installer certificate (6.1.14) is a *critical* extension that
 * OpenSSL does not know, so verification fails for every good package; it is let pass in the leaf alone, and
 * only when each of its critical extensions is one that is looked at here. Ignoring all critical extensions
 * would be too much. An expired certificate is noted and the walk goes on, so that "expired" means nothing
 * worse is wrong. SHA-1 signatures of certificates pass: Apple's older chains have them; MD5 does not. */
#include "core/limits.h"
#include "core/text.h"
#include "installer/signature_internal.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define APPLE         "1.2.840.113635.100."
#define SECURITY_BITS 112 /* RSA of 2048 bits */
#define PACKAGE_CHAIN 3   /* leaf, intermediate, root */

#define OID_KEY_USAGE   "2.5.29.15"
#define OID_CONSTRAINTS "2.5.29.19"
#define OID_EKU         "2.5.29.37"

/* What Apple's certificates for packages, and those taken for them, are marked with. */
static const struct purpose {
    const char *name;
    const char *leaf;  /* extension of the leaf, or NULL */
    const char *usage; /* extended key usage of the leaf: this, or below it */
    const char *ca;    /* extension of the intermediate */
    const char *wrong; /* why it does not do for a package that is installed here; NULL: it does */
    bool team;         /* has a Team ID */
} purposes[] = {
    {"Developer ID Installer", APPLE "6.1.14", APPLE "4.13", APPLE "6.2.6", NULL, true},
    {"Apple software", NULL, APPLE "4.1", APPLE "6.2.19", NULL, false},
    {"Developer ID Application", APPLE "6.1.13", NULL, NULL, "signs applications, not packages", true},
    {"Mac Installer Distribution", APPLE "6.1.8", APPLE "4.9", NULL, "is for submission to the App Store",
     true},
    {"Mac App Store Installer", APPLE "6.1.10", NULL, NULL, "is for what the App Store itself installs",
     false},
};

/* --- certificates --------------------------------------------------------------------------------------- */

int64_t signature_seconds(const ASN1_TIME *t)
{
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    return ok ? (int64_t)days * 86400 + seconds : 0;
}

X509 *signature_x509(const unsigned char *der, size_t len)
{
    const unsigned char *p = der;
    X509 *x = len <= LIMIT_CERTIFICATE ? d2i_X509(NULL, &p, (long)len) : NULL;
    if (x != NULL && p != der + len) {
        X509_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

static void entry_text(const X509_NAME *name, int at, char *out, size_t size)
{
    unsigned char *utf8 = NULL;
    int len = -1;
    if (at >= 0)
        len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    text_printable_into(out, size, len > 0 ? (const char *)utf8 : "", len > 0 ? (size_t)len : 0);
    OPENSSL_free(utf8);
}

void signature_describe(const X509 *x, struct signature_cert *c)
{
    const X509_NAME *name = X509_get_subject_name(x);
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    entry_text(name, X509_NAME_get_index_by_NID(name, NID_commonName, -1), c->name, sizeof c->name);
    if (X509_digest(x, EVP_sha256(), sum, &n) != 1)
        n = 0;
    text_hex(c->sha256, sum, n);
    c->not_before = signature_seconds(X509_get0_notBefore(x));
    c->not_after = signature_seconds(X509_get0_notAfter(x));
}

void signature_team(const X509 *leaf, char team[16])
{
    const X509_NAME *name = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, -1);
    team[0] = '\0';
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, at) >= 0)
        return; /* none, or more than one to choose from */
    entry_text(name, at, team, 16);
    if (strlen(team) != 10 || strspn(team, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != 10)
        team[0] = '\0';
}

static bool is_named(const ASN1_OBJECT *o, const char *oid, bool or_below)
{
    char text[128];
    size_t n = strlen(oid);
    return OBJ_obj2txt(text, sizeof text, o, 1) > 0 && strncmp(text, oid, n) == 0 &&
           (text[n] == '\0' || (or_below && text[n] == '.'));
}

bool signature_has_mark(const X509 *x, const char *oid)
{
    for (int i = 0; i < X509_get_ext_count(x); i++)
        if (is_named(X509_EXTENSION_get_object(X509_get_ext(x, i)), oid, false))
            return true;
    return false;
}

static bool has_usage(const X509 *x, const char *oid)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++)
        found = found || is_named(sk_ASN1_OBJECT_value(usages, i), oid, true);
    EXTENDED_KEY_USAGE_free(usages);
    return found;
}

/* Is each critical extension one that OpenSSL or we look at? */
static bool knows_criticals(const X509 *x, const char *also)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *ext = X509_get_ext(x, i);
        const ASN1_OBJECT *o = X509_EXTENSION_get_object(ext);
        if (X509_EXTENSION_get_critical(ext) && !is_named(o, OID_KEY_USAGE, false) &&
            !is_named(o, OID_CONSTRAINTS, false) && !is_named(o, OID_EKU, false) && !is_named(o, also, false))
            return false;
    }
    return true;
}

/* --- the walk ------------------------------------------------------------------------------------------- */

X509_STORE *signature_store(const struct signature_policy *p, const char *pem, struct err *e)
{
    const void *from = p->roots != NULL ? p->roots : pem;
    size_t len = p->roots != NULL ? p->roots_len : strlen(pem);
    BIO *in = BIO_new_mem_buf(from, len < INT_MAX ? (int)len : INT_MAX);
    X509_STORE *store = X509_STORE_new();
    int count = 0;
    X509 *x;
    while (in != NULL && store != NULL && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, x);
        X509_free(x);
    }
    BIO_free(in);
    ERR_clear_error();
    if (count > 0)
        return store;
    X509_STORE_free(store);
    err_set(e, ERR_USAGE, CAUSE_SIGNATURE, "it holds no certificate in PEM");
    return NULL;
}

struct pass {
    const char *critical;
    bool expired;
};

static int problem(int ok, X509_STORE_CTX *ctx)
{
    struct pass *pass = X509_STORE_CTX_get_app_data(ctx);
    int error = X509_STORE_CTX_get_error(ctx);
    if (ok)
        return 1;
    if (error == X509_V_ERR_CERT_HAS_EXPIRED)
        pass->expired = true;
    else if (error != X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION || pass->critical == NULL ||
             X509_STORE_CTX_get_error_depth(ctx) != 0 ||
             !knows_criticals(X509_STORE_CTX_get_current_cert(ctx), pass->critical))
        return 0;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* Keys and digests that are still worth something; a root's signature of itself says nothing anyway. */
static bool strong(STACK_OF(X509) * chain, char *why, size_t why_size)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        const X509 *x = sk_X509_value(chain, i);
        EVP_PKEY *key = X509_get0_pubkey(x);
        int digest = NID_undef, bits;
        X509_get_signature_info(sk_X509_value(chain, i), &digest, NULL, NULL, NULL);
        bits = key != NULL ? EVP_PKEY_security_bits(key) : 0;
        bool weak =
            i + 1 < sk_X509_num(chain) && (digest == NID_md5 || digest == NID_md4 || digest == NID_md2);
        if (bits >= SECURITY_BITS && !weak)
            continue;
        struct signature_cert c;
        signature_describe(x, &c);
        snprintf(why, why_size, "the certificate \"%s\" %s", c.name,
                 weak ? "is signed over MD5" : "has a key that is too short");
        return false;
    }
    return true;
}

enum signature_chain signature_chain_walk(const struct signature_walk *w, STACK_OF(X509) * *chain, char *why,
                                          size_t why_size)
{
    struct pass pass = {.critical = w->critical};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok = ctx != NULL && X509_STORE_CTX_init(ctx, w->roots, w->leaf, w->others) == 1;
    *chain = NULL;
    if (ok) {
        X509_STORE_CTX_set_app_data(ctx, &pass);
        X509_STORE_CTX_set_verify_cb(ctx, problem);
        X509_STORE_CTX_set_time(ctx, 0, (time_t)w->at);
        ok = X509_STORE_CTX_set_purpose(ctx, w->timestamp ? X509_PURPOSE_TIMESTAMP_SIGN : X509_PURPOSE_ANY) ==
                 1 &&
             X509_verify_cert(ctx) == 1;
        if (!ok) {
            struct signature_cert c = {.name = ""};
            const X509 *at = X509_STORE_CTX_get_current_cert(ctx);
            if (at != NULL)
                signature_describe(at, &c);
            snprintf(why, why_size, "\"%s\": %s", c.name,
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
        }
    }
    if (ok) {
        *chain = X509_STORE_CTX_get1_chain(ctx);
        ok = *chain != NULL && strong(*chain, why, why_size);
    }
    if (!ok) {
        signature_chain_free(*chain);
        *chain = NULL;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return !ok ? CHAIN_BROKEN : pass.expired ? CHAIN_EXPIRED : CHAIN_GOOD;
}

void signature_chain_free(STACK_OF(X509) * chain)
{
    sk_X509_pop_free(chain, X509_free);
}

/* --- a package's signer --------------------------------------------------------------------------------- */

static bool is_for(const struct purpose *p, const X509 *leaf)
{
    return (p->leaf == NULL || signature_has_mark(leaf, p->leaf)) &&
           (p->usage == NULL || has_usage(leaf, p->usage));
}

static const struct purpose *purpose_of(const X509 *leaf, const X509 *ca)
{
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        const struct purpose *p = &purposes[i];
        if (is_for(p, leaf) && (p->ca == NULL || (ca != NULL && signature_has_mark(ca, p->ca))))
            return p;
    }
    return NULL;
}

/* The chain holds; is it one that Apple makes for packages? */
static bool fits(STACK_OF(X509) * chain, struct signature *out)
{
    X509 *leaf = sk_X509_value(chain, 0);
    if (sk_X509_num(chain) != PACKAGE_CHAIN) {
        snprintf(out->why, sizeof out->why, "the chain has %d certificates instead of %d", sk_X509_num(chain),
                 PACKAGE_CHAIN);
        return false;
    }
    const struct purpose *p = purpose_of(leaf, sk_X509_value(chain, 1));
    uint32_t flags = X509_get_extension_flags(leaf);
    if (p == NULL)
        snprintf(out->why, sizeof out->why, "\"%s\" is not marked as a certificate for packages",
                 out->chain[0].name);
    else if (p->wrong != NULL)
        snprintf(out->why, sizeof out->why, "\"%s\" (%s) %s", out->chain[0].name, p->name, p->wrong);
    else if ((flags & (EXFLAG_CA | EXFLAG_INVALID)) != 0 || (flags & EXFLAG_KUSAGE) == 0 ||
             (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
        snprintf(out->why, sizeof out->why, "\"%s\" is not made for signing", out->chain[0].name);
    else if (p->team && out->team_id[0] == '\0')
        snprintf(out->why, sizeof out->why, "\"%s\" has no Team ID", out->chain[0].name);
    else
        return true;
    return false;
}

static void describe_all(STACK_OF(X509) * chain, struct signature *out)
{
    out->chain_count = 0;
    for (int i = 0; i < sk_X509_num(chain) && i < SIGNATURE_CHAIN_MAX; i++)
        signature_describe(sk_X509_value(chain, i), &out->chain[out->chain_count++]);
}

void signature_judge_signer(X509 *leaf, STACK_OF(X509) * others, X509_STORE *roots, int64_t at,
                            struct signature *out)
{
    STACK_OF(X509) *chain = NULL;
    char why[256] = "", when[32];
    const struct signature_walk walk = {
        .leaf = leaf, .others = others, .roots = roots, .at = at, .critical = purposes[0].leaf};
    enum signature_chain answer = signature_chain_walk(&walk, &chain, why, sizeof why);
    const struct purpose *p = purpose_of(leaf, NULL);
    struct signature_cert named;
    signature_describe(leaf, &named);
    out->status = SIGNATURE_UNTRUSTED;
    if (chain != NULL)
        describe_all(chain, out);
    if (answer == CHAIN_BROKEN && p != NULL && p->wrong != NULL) {
        snprintf(out->why, sizeof out->why, "\"%s\" (%s) %s", named.name, p->name, p->wrong);
    } else if (answer == CHAIN_BROKEN) {
        snprintf(out->why, sizeof out->why, "no trusted chain: %s", why);
    } else if (fits(chain, out)) {
        text_utc(when, (time_t)at, -1);
        out->status = answer == CHAIN_EXPIRED ? SIGNATURE_EXPIRED : SIGNATURE_SIGNED;
        if (answer == CHAIN_EXPIRED)
            snprintf(
                out->why, sizeof out->why,
                "a certificate in the chain of \"%s\" had expired on %s and no trusted timestamp is older",
                named.name, when);
        else
            snprintf(out->why, sizeof out->why, "signed by \"%s\"", named.name);
    }
    signature_chain_free(chain);
}
