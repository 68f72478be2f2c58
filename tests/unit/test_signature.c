/* signature: every status and every reason for it, with keys and certificates made here; Apple's roots; the
 * ticket; what signing makes. */
#include "authority.h"
#include "installer/signature_internal.h"

static EVP_PKEY *key_root, *key_ca, *key_leaf, *key_tsa, *key_weak, *key_ec_root, *key_ec_ca, *key_ec_leaf;
static X509 *root, *other_root, *ca, *leaf, *tsa_ca, *tsa, *ec_root, *ec_ca, *ec_leaf;
static struct buf roots;
static struct arena *memory;
static struct err e;

#define TSA BASE_LEAF ";extendedKeyUsage=critical,timeStamping"

static X509 *cert(const char *subject, const char *extensions, EVP_PKEY *key, X509 *issuer,
                  EVP_PKEY *issuer_key)
{
    const struct authority_wish w = {
        .subject = subject, .extensions = extensions, .key = key, .issuer = issuer, .issuer_key = issuer_key};
    return authority_cert(&w);
}

static X509 *lasting(const char *extensions, const char *from, const char *until, EVP_PKEY *key, X509 *issuer,
                     EVP_PKEY *issuer_key)
{
    const struct authority_wish w = {.subject = issuer == root ? "CN=Old CA" : WHO,
                                     .extensions = extensions,
                                     .from = from,
                                     .until = until,
                                     .key = key,
                                     .issuer = issuer,
                                     .issuer_key = issuer_key};
    return authority_cert(&w);
}

static X509 *signer(const char *subject, const char *extensions)
{
    return cert(subject, extensions, key_leaf, ca, key_ca);
}

static int up(void **state)
{
    (void)state;
    memory = arena_open();
    key_root = authority_rsa(2048);
    key_ca = authority_rsa(2048);
    key_leaf = authority_rsa(2048);
    key_tsa = authority_rsa(2048);
    key_weak = authority_rsa(1024);
    key_ec_root = authority_ec();
    key_ec_ca = authority_ec();
    key_ec_leaf = authority_ec();
    root = cert("CN=Test Root", BASE_CA, key_root, NULL, NULL);
    other_root = cert("CN=Other Root", BASE_CA, key_tsa, NULL, NULL);
    ca = cert("CN=Test CA", CA_MARKED, key_ca, root, key_root);
    leaf = signer(WHO, INSTALLER);
    tsa_ca = cert("CN=Test TSA CA", BASE_CA ";" APPLE "6.2.9", key_ca, root, key_root);
    tsa = cert("CN=Test TSA", TSA, key_tsa, tsa_ca, key_ca);
    ec_root = cert("CN=EC Root", BASE_CA, key_ec_root, NULL, NULL);
    ec_ca = cert("CN=EC CA", BASE_CA ";" APPLE "6.2.17", key_ec_ca, ec_root, key_ec_root);
    ec_leaf = cert("CN=Software Ticket Signing", BASE_LEAF ";" APPLE "6.1.30", key_ec_leaf, ec_ca, key_ec_ca);
    buf_init(&roots, LIMIT_MB);
    authority_pem(&roots, root);
    authority_pem(&roots, ec_root);
    return 0;
}

static int down(void **state)
{
    EVP_PKEY *keys[] = {key_root, key_ca, key_leaf, key_tsa, key_weak, key_ec_root, key_ec_ca, key_ec_leaf};
    X509 *certs[] = {root, other_root, ca, leaf, tsa_ca, tsa, ec_root, ec_ca, ec_leaf};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        EVP_PKEY_free(keys[i]);
    for (size_t i = 0; i < sizeof certs / sizeof *certs; i++)
        X509_free(certs[i]);
    buf_release(&roots);
    arena_free(memory);
    return 0;
}

/* Judge these bytes. False: no xar. */
static bool judge(const struct buf *b, const char *at, struct signature *out)
{
    const struct signature_policy policy = {
        .roots = roots.data, .roots_len = roots.len, .at = authority_day(at ? at : "2026-06-01")};
    struct arena *a = arena_open();
    int fd = package_file(b->data, b->len);
    const struct xar *x = xar_open(a, fd, &e);
    if (x && !signature_judge(x, &policy, out, &e))
        fail_msg("%s", e.text);
    close(fd);
    arena_free(a);
    return x != NULL;
}

static void check(const struct authority_recipe *r)
{
    struct buf b;
    struct signature s;
    authority_package(r, &b);
    assert_true(judge(&b, r->at, &s));
    int64_t time = r->time ? authority_day(r->time) : 0;
    if (s.status != r->status || !*s.why || (r->why && !strstr(s.why, r->why)) || s.timestamp != time ||
        (r->team && strcmp(r->team, s.team_id) != 0))
        fail_msg("%s: %s (%s), team %s, time %lld", r->what, signature_status_name(s.status), s.why,
                 s.team_id, (long long)s.timestamp);
    buf_release(&b);
}

#define GOOD    .named = {leaf, ca, root}, .key = key_leaf
#define STAMPED .tsa = tsa, .tsa_ca = tsa_ca, .tsa_key = key_tsa
#define SIGNED  .status = SIGNATURE_SIGNED, .team = "ABCDE12345"
#define INVALID .status = SIGNATURE_INVALID
#define NOBODY  .status = SIGNATURE_UNTRUSTED

static void good_and_broken(void **state)
{
    const struct authority_recipe rows[] = {
        {.what = "good", GOOD, SIGNED},
        {.what = "sha256", GOOD, .sha256 = true, SIGNED},
        {.what = "hashed twice", GOOD, .twice = true, SIGNED},
        {.what = "signed attributes", GOOD, .attributes = true, SIGNED},
        {.what = "rsa only", GOOD, .no_cms = true, NOBODY, .team = "ABCDE12345", .why = "only an RSA"},
        {.what = "cms only", GOOD, .no_rsa = true, NOBODY, .team = "ABCDE12345", .why = "only a CMS"},
        {.what = "other content", GOOD, .other_content = true, INVALID, .why = "CMS"},
        {.what = "other content, attributes", GOOD, .other_content = true, .attributes = true, INVALID},
        {.what = "content inside", GOOD, .embedded = true, INVALID, .why = "content of its own"},
        {.what = "bytes behind", GOOD, .junk = true, INVALID, .why = "belong to nothing"},
        {.what = "two signers", GOOD, STAMPED, .two_signers = true, INVALID, .why = "exactly one"},
        {.what = "rsa by another key",
         .named = {leaf, ca, root},
         .key = key_tsa,
         .cms_key = key_leaf,
         INVALID,
         .why = "RSA"},
        {.what = "two that disagree",
         .named = {tsa, ca, root},
         .key = key_tsa,
         .cms_leaf = leaf,
         .cms_key = key_leaf,
         INVALID,
         .why = "another certificate"},
        {.what = "wrong order",
         .named = {root, ca, leaf},
         .key = key_leaf,
         .cms_leaf = leaf,
         NOBODY,
         .why = "named first"},
        {.what = "no certificate beside it", .named = {NULL}, .key = key_leaf, .cms_leaf = leaf, NOBODY},
        {.what = "no intermediate", .named = {leaf}, .key = key_leaf, NOBODY, .why = "no trusted chain"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

static void times(void **state)
{
    X509 *brief = lasting(INSTALLER, "2024-01-01", "2025-01-01", key_leaf, ca, key_ca);
    X509 *old_ca = lasting(CA_MARKED, "2024-01-01", "2025-01-01", key_ca, root, key_root);
    X509 *under_old = lasting(INSTALLER, "2024-01-01", "2044-01-01", key_leaf, old_ca, key_ca);
    X509 *brief_tsa = lasting(TSA, "2024-06-01", "2024-08-01", key_tsa, tsa_ca, key_ca);
    X509 *no_tsa = lasting(BASE_LEAF, "2024-01-01", "2044-01-01", key_tsa, tsa_ca, key_ca);
    X509 *strange_tsa = lasting(TSA, "2024-01-01", "2044-01-01", key_tsa, other_root, key_tsa);
#define BRIEF .named = {brief, ca, root}, .key = key_leaf
#define OLD   .status = SIGNATURE_EXPIRED, .team = "ABCDE12345"
    const struct authority_recipe rows[] = {
        {.what = "expired", BRIEF, OLD},
        {.what = "not expired then", BRIEF, SIGNED, .at = "2024-12-31"},
        {.what = "not valid yet", BRIEF, NOBODY, .at = "2023-12-31", .why = "not yet valid"},
        {.what = "intermediate expired", .named = {under_old, old_ca, root}, .key = key_leaf, OLD},
        {.what = "timestamp", BRIEF, STAMPED, .stamp = "2024-07-01", SIGNED, .time = "2024-07-01"},
        {.what = "timestamp, attributes",
         BRIEF,
         STAMPED,
         .attributes = true,
         .stamp = "2024-07-01",
         SIGNED,
         .time = "2024-07-01"},
        {.what = "intermediate expired, timestamp",
         .named = {under_old, old_ca, root},
         .key = key_leaf,
         STAMPED,
         .stamp = "2024-07-01",
         SIGNED,
         .time = "2024-07-01"},
        {.what = "timestamp too late", BRIEF, STAMPED, .stamp = "2025-07-01", OLD, .time = "2025-07-01"},
        {.what = "timestamp of something else",
         BRIEF,
         STAMPED,
         .stamp = "2024-07-01",
         .stamp_other = true,
         INVALID,
         .why = "something else"},
        {.what = "timestamper expired since",
         BRIEF,
         .tsa = brief_tsa,
         .tsa_ca = tsa_ca,
         .tsa_key = key_tsa,
         .stamp = "2024-07-01",
         SIGNED,
         .time = "2024-07-01"},
        {.what = "timestamper expired then",
         BRIEF,
         .tsa = brief_tsa,
         .tsa_ca = tsa_ca,
         .tsa_key = key_tsa,
         .stamp = "2024-09-01",
         OLD},
        {.what = "timestamper is none",
         BRIEF,
         .tsa = no_tsa,
         .tsa_ca = tsa_ca,
         .tsa_key = key_tsa,
         .stamp = "2024-07-01",
         OLD},
        {.what = "timestamper unknown",
         BRIEF,
         .tsa = strange_tsa,
         .tsa_ca = other_root,
         .tsa_key = key_tsa,
         .stamp = "2024-07-01",
         OLD},
        {.what = "timestamper unknown, valid now",
         GOOD,
         .tsa = strange_tsa,
         .tsa_ca = other_root,
         .tsa_key = key_tsa,
         .stamp = "2024-07-01",
         SIGNED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
    X509 *made[] = {brief, old_ca, under_old, brief_tsa, no_tsa, strange_tsa};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        X509_free(made[i]);
}

static void signers(void **state)
{
    X509 *made[32];
    size_t n = 0;
    const char *names = "CN=Developer ID Installer: Example";
    X509 *no_usage = made[n++] = signer(WHO, BASE_LEAF ";!" APPLE "6.1.14");
    X509 *no_mark = made[n++] = signer(WHO, BASE_LEAF EKU);
    X509 *unknown = made[n++] = signer(WHO, INSTALLER ";!1.2.3.4.5");
    X509 *app = made[n++] = signer(WHO, BASE_LEAF ";extendedKeyUsage=critical,codeSigning;!" APPLE "6.1.13");
    X509 *store = made[n++] = signer(WHO, BASE_LEAF ";extendedKeyUsage=critical," APPLE "4.9;" APPLE "6.1.8");
    X509 *no_team = made[n++] = signer(names, INSTALLER);
    X509 *two_teams = made[n++] = signer(WHO "/OU=ZZZZZ99999", INSTALLER);
    X509 *odd_team = made[n++] = signer("CN=x/OU=abcde12345", INSTALLER);
    X509 *is_ca = made[n++] = signer(WHO, BASE_CA EKU ";!" APPLE "6.1.14");
    X509 *no_key_usage = made[n++] =
        signer(WHO, "basicConstraints=critical,CA:FALSE" EKU ";!" APPLE "6.1.14");
    X509 *self = made[n++] = cert(WHO, INSTALLER, key_leaf, NULL, NULL);
    X509 *weak = made[n++] = cert(WHO, INSTALLER, key_weak, ca, key_ca);
    X509 *plain_ca = made[n++] = cert("CN=Plain CA", BASE_CA, key_ca, root, key_root);
    X509 *under_plain = made[n++] = cert(WHO, INSTALLER, key_leaf, plain_ca, key_ca);
    X509 *strange_ca = made[n++] = cert("CN=Strange CA", CA_MARKED, key_ca, other_root, key_tsa);
    X509 *strange = made[n++] = cert(WHO, INSTALLER, key_leaf, strange_ca, key_ca);
    X509 *deep_ca = made[n++] = cert("CN=Deep CA", CA_MARKED, key_tsa, ca, key_ca);
    X509 *deep = made[n++] = cert(WHO, INSTALLER, key_leaf, deep_ca, key_tsa);
    X509 *direct = made[n++] = cert(WHO, INSTALLER, key_leaf, root, key_root);
    X509 *not_ca = made[n++] = cert("CN=No CA", BASE_LEAF ";" APPLE "6.2.6", key_ca, root, key_root);
    X509 *under_not_ca = made[n++] = cert(WHO, INSTALLER, key_leaf, not_ca, key_ca);
    X509 *swu_ca = made[n++] =
        cert("CN=Software Update CA", BASE_CA ";" APPLE "6.2.19", key_ca, root, key_root);
    X509 *swu = made[n++] = cert("CN=Software Update", BASE_LEAF ";extendedKeyUsage=critical," APPLE "4.1.2",
                                 key_leaf, swu_ca, key_ca);
    const struct authority_wish md5_wish = {.subject = WHO,
                                            .extensions = INSTALLER,
                                            .key = key_leaf,
                                            .issuer = ca,
                                            .issuer_key = key_ca,
                                            .md = EVP_md5()};
    X509 *md5 = made[n++] = authority_cert(&md5_wish);
#define BY(x) .named = {x, ca, root}, .key = key_leaf, NOBODY
    const struct authority_recipe rows[] = {
        {.what = "no usage", BY(no_usage), .why = "not marked"},
        {.what = "no mark", BY(no_mark), .why = "not marked"},
        {.what = "unknown critical extension", BY(unknown), .why = "critical extension"},
        {.what = "application", BY(app), .team = "ABCDE12345", .why = "signs applications"},
        {.what = "app store", BY(store), .why = "App Store"},
        {.what = "no team", BY(no_team), .team = "", .why = "no Team ID"},
        {.what = "two teams", BY(two_teams), .team = "", .why = "no Team ID"},
        {.what = "odd team", BY(odd_team), .team = "", .why = "no Team ID"},
        {.what = "a CA", BY(is_ca), .why = "not made for signing"},
        {.what = "no key usage", BY(no_key_usage), .why = "not made for signing"},
        {.what = "self-signed", .named = {self}, .key = key_leaf, NOBODY, .why = "self-signed"},
        {.what = "short key", .named = {weak, ca, root}, .key = key_weak, NOBODY, .why = "too short"},
        {.what = "MD5", BY(md5), .why = "MD5"},
        {.what = "unmarked CA",
         .named = {under_plain, plain_ca, root},
         .key = key_leaf,
         NOBODY,
         .why = "not marked"},
        {.what = "other root",
         .named = {strange, strange_ca, other_root},
         .key = key_leaf,
         NOBODY,
         .why = "no trusted chain"},
        {.what = "four certificates",
         .named = {deep, deep_ca, ca, root},
         .key = key_leaf,
         NOBODY,
         .why = "4 certificates"},
        {.what = "two certificates",
         .named = {direct, root},
         .key = key_leaf,
         NOBODY,
         .why = "2 certificates"},
        {.what = "issuer is no CA",
         .named = {under_not_ca, not_ca, root},
         .key = key_leaf,
         NOBODY,
         .why = "no trusted chain"},
        {.what = "Apple software",
         .named = {swu, swu_ca, root},
         .key = key_leaf,
         .status = SIGNATURE_SIGNED,
         .team = ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
    while (n > 0)
        X509_free(made[--n]);
}

/* A byte altered anywhere: no other time, no other team, and hardly ever still a signature. */
static void altered(void **state)
{
    X509 *brief = lasting(INSTALLER, "2024-01-01", "2025-01-01", key_leaf, ca, key_ca);
    const struct authority_recipe r = {
        .what = "stamped", BRIEF, STAMPED, .attributes = true, .stamp = "2024-07-01"};
    struct buf b;
    struct signature s;
    unsigned still = 0, tried = 0;
    (void)state;
    struct authority_places at = authority_package(&r, &b);
    for (size_t i = at.sum; i < at.end; i += i < at.cms + at.cms_len ? 5 : 97) {
        b.data[i] ^= 0x11;
        if (judge(&b, NULL, &s)) {
            bool rsa = i >= at.rsa && i < at.cms, pad = i >= at.cms + at.cms_len;
            tried++;
            still += s.status == SIGNATURE_SIGNED;
            if ((rsa || pad) && s.status != SIGNATURE_INVALID)
                fail_msg("byte %zu: %s", i - at.rsa, s.why);
            assert_true(s.timestamp == 0 || s.timestamp == authority_day("2024-07-01"));
            assert_string_equal(s.team_id, "ABCDE12345");
            if (s.status != SIGNATURE_SIGNED && !*s.why)
                fail_msg("byte %zu: no sentence", i);
        } else {
            assert_true(i < at.rsa);
        }
        b.data[i] ^= 0x11;
    }
    assert_true(tried > 600 && still * 50 < tried); /* versions and lists of algorithms nobody reads */
    buf_release(&b);
    X509_free(brief);
}

static void put_le(unsigned char *to, unsigned n, uint64_t v)
{
    for (unsigned i = 0; i < n; i++, v >>= 8)
        to[i] = (unsigned char)v;
}

/* A ticket for this digest, with both its records. */
static void make_ticket(struct buf *out, const unsigned char *sum, const char *day, X509 *signer_cert)
{
    unsigned char head[16] = "s8ch", payload[24 + 42] = "g8tk", record[16] = "t8lr";
    unsigned char *one = NULL, *two = NULL, certs[4096], sig[128];
    int n1 = i2d_X509(signer_cert, &one), n2 = i2d_X509(ec_ca, &two);
    size_t certs_len = (size_t)(n1 + n2) + 4, sig_len = sizeof sig;
    struct buf t;
    certs[0] = 0x30;
    certs[1] = 0x82;
    package_be(certs + 2, 2, (uint64_t)(n1 + n2));
    memcpy(certs + 4, one, (size_t)n1);
    memcpy(certs + 4 + n1, two, (size_t)n2);
    put_le(head + 4, 4, 1);
    put_le(head + 8, 4, certs_len);
    put_le(head + 12, 4, sizeof payload);
    put_le(payload + 4, 2, 2);
    put_le(payload + 6, 2, 20);
    put_le(payload + 8, 4, 2);
    put_le(payload + 12, 4, 0);
    put_le(payload + 16, 8, (uint64_t)authority_day(day));
    payload[24] = 2;
    memset(payload + 25, 7, 20);
    payload[45] = 1;
    memcpy(payload + 46, sum, 20);
    buf_init(&t, LIMIT_MB);
    assert_true(buf_append(&t, head, 16, &e) && buf_append(&t, certs, certs_len, &e) &&
                buf_append(&t, payload, sizeof payload, &e));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key_ec_leaf), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &sig_len, (unsigned char *)t.data, t.len), 1);
    EVP_MD_CTX_free(ctx);
    assert_true(buf_append(&t, sig, sig_len, &e) && buf_append(&t, "\0", 1, &e));
    put_le(record + 4, 2, 1);
    put_le(record + 6, 2, 1);
    put_le(record + 8, 8, 0);
    assert_true(buf_append(out, record, 16, &e) && buf_append(out, t.data, t.len, &e));
    put_le(record + 6, 2, 2);
    put_le(record + 8, 4, t.len);
    assert_true(buf_append(out, record, 16, &e));
    buf_release(&t);
    OPENSSL_free(one);
    OPENSSL_free(two);
}

static void tickets(void **state)
{
    const struct authority_recipe r = {.what = "stapled", GOOD, SIGNED};
    struct buf b;
    struct signature s;
    (void)state;
    struct authority_places at = authority_package(&r, &b);
    assert_true(judge(&b, NULL, &s) && !s.notarized && !*s.ticket);
    size_t without = b.len;
    assert_true(buf_append(&b, "left over", 9, &e)); /* real ones have such too */
    make_ticket(&b, (unsigned char *)b.data + at.sum, "2024-03-01", ec_leaf);
    assert_true(judge(&b, NULL, &s));
    if (!s.notarized || s.notarized_at != authority_day("2024-03-01") || s.status != SIGNATURE_SIGNED)
        fail_msg("%s %s", s.ticket, s.why);
    for (size_t i = without + 9, n = 0; i < b.len; i += 3, n++) { /* a byte altered anywhere */
        if (!package_chosen((unsigned)n))
            continue;
        b.data[i] ^= 0x21;
        assert_true(judge(&b, NULL, &s));
        if (s.notarized || s.status != SIGNATURE_SIGNED)
            fail_msg("byte %zu of the ticket: %d %s", i - without, s.notarized, s.why);
        b.data[i] ^= 0x21;
    }
    size_t whole = b.len;
    for (size_t cut = without; cut < whole; cut += 7) { /* and cut anywhere */
        b.len = cut;
        assert_true(judge(&b, NULL, &s) && !s.notarized);
    }
    b.len = without;
    make_ticket(&b, (const unsigned char *)"another package's sum", "2024-03-01", ec_leaf);
    assert_true(judge(&b, NULL, &s) && !s.notarized);
    assert_string_equal(s.ticket, "the ticket is that of another package");
    b.len = without;
    make_ticket(&b, (unsigned char *)b.data + at.sum, "2023-03-01", ec_leaf); /* before it was valid */
    assert_true(judge(&b, NULL, &s) && !s.notarized && strstr(s.ticket, "not trusted"));
    b.len = without;
    X509 *unmarked = cert("CN=No Ticket Signing", BASE_LEAF, key_ec_leaf, ec_ca, key_ec_ca);
    make_ticket(&b, (unsigned char *)b.data + at.sum, "2024-03-01", unmarked);
    assert_true(judge(&b, NULL, &s) && !s.notarized && strstr(s.ticket, "not trusted"));
    X509_free(unmarked);
    buf_release(&b);
}

static void needs(void **state)
{
    static const struct {
        enum signature_status status;
        struct signature_need need;
        enum cause cause; /* NONE: it meets it */
    } rows[] = {
        {SIGNATURE_UNSIGNED, {false, NULL}, CAUSE_NONE},
        {SIGNATURE_UNTRUSTED, {false, NULL}, CAUSE_NONE},
        {SIGNATURE_EXPIRED, {false, NULL}, CAUSE_NONE},
        {SIGNATURE_INVALID, {false, NULL}, CAUSE_SIGNATURE},
        {SIGNATURE_UNSIGNED, {true, NULL}, CAUSE_SIGNATURE},
        {SIGNATURE_UNTRUSTED, {true, NULL}, CAUSE_SIGNATURE},
        {SIGNATURE_EXPIRED, {true, NULL}, CAUSE_SIGNATURE},
        {SIGNATURE_SIGNED, {true, NULL}, CAUSE_NONE},
        {SIGNATURE_SIGNED, {false, "ABCDE12345"}, CAUSE_NONE},
        {SIGNATURE_SIGNED, {false, "ZZZZZ99999"}, CAUSE_TEAM_ID},
        {SIGNATURE_SIGNED, {false, ""}, CAUSE_TEAM_ID},
        {SIGNATURE_UNTRUSTED, {false, "ABCDE12345"}, CAUSE_SIGNATURE},
        {SIGNATURE_INVALID, {true, "ABCDE12345"}, CAUSE_SIGNATURE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct signature s = {.status = rows[i].status, .why = "why", .team_id = "ABCDE12345"};
        e.cause = CAUSE_NONE;
        assert_int_equal(signature_meets(&s, &rows[i].need, &e), rows[i].cause == CAUSE_NONE);
        assert_int_equal(e.cause, rows[i].cause);
    }
}

static void apple_roots(void **state)
{
    static const char *const sums[] = {"b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024",
                                       "63343abfb89a6a03ebb57e9b3f5fa7be7c4f5c756f3017b3a8c488c3653e9179"};
    const char *pems[] = {signature_root_rsa, signature_root_g3};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct signature_cert c;
        BIO *in = BIO_new_mem_buf(pems[i], -1);
        X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
        signature_describe(x, &c);
        assert_string_equal(c.sha256, sums[i]);
        X509_free(x);
        BIO_free(in);
    }
    const struct signature_policy nothing = {.roots = "no pem", .roots_len = 6};
    assert_null(signature_store(&nothing, signature_root_rsa, &e));
    assert_int_equal(e.kind, ERR_USAGE);
}

static char *pem_of_key(EVP_PKEY *key, bool encrypted)
{
    char *bytes, *copy;
    unsigned char phrase[] = "x";
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, encrypted ? EVP_aes_128_cbc() : NULL, encrypted ? phrase : NULL,
                             encrypted ? 1 : 0, NULL, NULL);
    long n = BIO_get_mem_data(out, &bytes);
    copy = arena_strndup(memory, bytes, (size_t)n);
    BIO_free(out);
    return copy;
}

static void signs(void **state)
{
    struct buf chain, none;
    unsigned char sum[DIGEST_MAX] = {1, 2, 3}, rsa[2][512], cms[2][9216];
    const struct xar_cert *certs;
    (void)state;
    buf_init(&chain, LIMIT_MB);
    buf_init(&none, LIMIT_MB);
    authority_pem(&chain, leaf);
    authority_pem(&chain, ca);
    authority_pem(&chain, root);
    const char *key = pem_of_key(key_leaf, false);
    const char *bad[] = {pem_of_key(key_tsa, false), pem_of_key(key_leaf, true),
                         pem_of_key(key_ec_leaf, false), pem_of_key(key_weak, false), "no key"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(signature_signer_open(bad[i], strlen(bad[i]), chain.data, chain.len, &e));
        assert_int_equal(e.kind, ERR_USAGE);
    }
    assert_null(signature_signer_open(key, strlen(key), "no chain", 8, &e));
    struct signature_signer *s = signature_signer_open(key, strlen(key), chain.data, chain.len, &e);
    assert_non_null(s);
    assert_int_equal(signature_signer_certs(s, &certs), 3);
    assert_int_equal(signature_signer_rsa_size(s), 256);
    assert_int_equal(signature_signer_cms_size(s), 9216);
    for (size_t i = 0; i < 2; i++) /* the same twice */
        assert_true(signature_signer_sign(s, DIGEST_SHA1, sum, rsa[i], cms[i], &e));
    assert_memory_equal(rsa[0], rsa[1], 256);
    assert_memory_equal(cms[0], cms[1], 9216);
    signature_signer_free(s);
    signature_signer_free(NULL);
    buf_release(&chain);
    buf_release(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_and_broken), cmocka_unit_test(times),   cmocka_unit_test(signers),
        cmocka_unit_test(altered),         cmocka_unit_test(tickets), cmocka_unit_test(needs),
        cmocka_unit_test(apple_roots),     cmocka_unit_test(signs),
    };
    return cmocka_run_group_tests(tests, up, down);
}
