/* judge: who signed a package is answered from its own bytes, whatever the worker that read its table of
 * contents claims of it. */
#include "authority.h"
#include "installer/judge.h"
#include "looked.h"

static struct buf package, roots, claims; /* of a developer; what vouches for him; what inspect claims */
static struct signature answer;

/* What inspect claims of this package. */
static void claim(const struct buf *b)
{
    const struct record_request r = uncaged_request(RECORD_CLAIMS);
    struct worker_fields f;
    int fd = package_file(b->data, b->len);
    assert_true(uncaged_inspect(fd, fd, &r));
    close(fd);
    buf_clear(&claims);
    for (unsigned type; (type = uncaged_next(&f)) != 0;) {
        size_t n;
        const void *p = worker_bytes(&f, &n);
        assert_true(type == RECORD_CLAIM && worker_end(&f) && buf_append(&claims, p, n, &e));
    }
}

/* As if inspect had found this. */
static void claim_of(const struct xar *x)
{
    buf_clear(&claims);
    assert_true(judge_put_claims(&claims, x, &e));
}

static bool judges(const struct buf *b, const struct buf *by)
{
    struct buf request;
    struct worker_fields f;
    int fd = package_file(b->data, b->len);
    buf_init(&request, WORKER_REQUEST_MAX);
    assert_true(judge_put_request(&request, by->data, by->len, &claims, &e));
    bool ok = uncaged_work(judge_work, &request, &fd, 1);
    if (ok) {
        assert_int_equal(uncaged_next(&f), RECORD_SIGNATURE);
        assert_true(record_get_signature(&f, &answer, &e));
    }
    assert_int_equal(uncaged_next(&f), 0);
    buf_release(&request);
    close(fd);
    return ok;
}

static void becomes(const struct buf *b, enum signature_status status, const char *why)
{
    if (!judges(b, &roots))
        fail_msg("%s", e.text);
    if (answer.status != status || strstr(answer.why, why) == NULL)
        fail_msg("%s, and not \"%s\": %s", signature_status_name(answer.status), why, answer.why);
}

static void refused(enum err_kind kind, const char *why)
{
    assert_false(judges(&package, &roots));
    if (e.kind != kind || strstr(e.text, why) == NULL)
        fail_msg("kind %d, and not \"%s\": %s", e.kind, why, e.text);
}

static void a_signature_is_believed_for_its_own_package_alone(void **state)
{
    (void)state;
    claim(&package);
    assert_true(claims.len > 0);
    becomes(&package, SIGNATURE_SIGNED, "");
    assert_string_equal(answer.team_id, "ABCDE12345");
    /* the same claims, before another table of contents: one byte of it, or its length */
    struct buf other, vouch;
    buf_init(&other, LIMIT_MB);
    assert_true(buf_append(&other, package.data, package.len, &e));
    other.data[40] ^= 1;
    becomes(&other, SIGNATURE_INVALID, "does not match");
    other.data[40] ^= 1;
    other.data[15]--; /* of the stored bytes, in the header */
    becomes(&other, SIGNATURE_INVALID, "does not match");
    buf_release(&other);
    authority_developer(&other, &vouch);
    /* a developer for whom nobody vouches */
    claim(&other);
    becomes(&other, SIGNATURE_UNTRUSTED, "");
    buf_release(&other);
    buf_release(&vouch);
}

/* Signed by what the file holds, wherever inspect says that it lies. */
static void what_is_claimed_can_only_make_it_worse(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    int fd = package_file(package.data, package.len);
    struct xar *x = xar_open(a, fd, &e);
    assert_non_null(x);
    assert_int_equal(x->signature_count, 2);
    struct xar_signature all[4] = {x->signatures[0], x->signatures[1]};
    struct xar liar = *x;
    liar.signatures = all;
    claim_of(&liar);
    becomes(&package, SIGNATURE_SIGNED, "");
    liar.signature_count = 1;
    claim_of(&liar);
    becomes(&package, SIGNATURE_UNTRUSTED, "only a");
    liar.signature_count = 0;
    claim_of(&liar);
    becomes(&package, SIGNATURE_UNSIGNED, "");
    liar.signature_count = 2;
    all[0].cert_count = all[1].cert_count = 0;
    claim_of(&liar);
    becomes(&package, SIGNATURE_UNTRUSTED, "no trusted chain");
    all[0] = x->signatures[0];
    all[1] = x->signatures[1];
    all[0].offset++;
    claim_of(&liar);
    becomes(&package, SIGNATURE_INVALID, "");
    all[0].style = "odd\nstyle";
    claim_of(&liar);
    becomes(&package, SIGNATURE_INVALID, "unknown kind");
    all[0] = x->signatures[0];
    liar.unproven = "a member has no checksum";
    claim_of(&liar);
    becomes(&package, SIGNATURE_UNTRUSTED, "a member has no checksum");
    char name[2 * LIMIT_PATH]; /* which may be named at length, and in any language */
    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xa9", 3);
    liar.unproven = name;
    claim_of(&liar);
    becomes(&package, SIGNATURE_UNTRUSTED, "\xc3\xa9\xc3\xa9");
    arena_free(a);
    close(fd);
}

/* A header that Apple's tools do not read as we do, or an MD5, need nobody to say so. */
static void the_header_is_read_here(void **state)
{
    (void)state;
    struct buf other;
    claim(&package);
    buf_init(&other, LIMIT_MB);
    assert_true(buf_append(&other, package.data, package.len, &e));
    other.data[27] = 2; /* the sum is an MD5: not what was signed */
    becomes(&other, SIGNATURE_INVALID, "does not match");
    buf_clear(&other);
    assert_true(buf_append(&other, package.data, 28, &e) && buf_append(&other, "sha1\0\0\0\0", 8, &e) &&
                buf_append(&other, package.data + 28, package.len - 28, &e));
    other.data[5] = 36;
    other.data[27] = 3;
    struct arena *a = arena_open();
    int fd = package_file(package.data, package.len);
    struct xar *x = xar_open(a, fd, &e);
    assert_non_null(x);
    struct xar_signature all[] = {x->signatures[0], x->signatures[1]};
    struct xar liar = *x;
    liar.signatures = all;
    all[0].offset += 8;
    all[1].offset += 8;
    claim_of(&liar);
    becomes(&other, SIGNATURE_UNTRUSTED, "header");
    arena_free(a);
    close(fd);
    buf_release(&other);
}

static void claims_without_sense(void **state)
{
    (void)state;
    static const char nonsense[] = "its table of contents is hostile";
    struct xar_signature s = {.style = "RSA", .offset = package.len, .size = 1};
    struct xar x = {.signatures = &s, .signature_count = 1};
    claim_of(&x);
    refused(ERR_INTERNAL, nonsense); /* beyond the end */
    s.offset = UINT64_MAX;
    s.size = 2;
    claim_of(&x);
    refused(ERR_INTERNAL, nonsense);
    s.offset = s.size = 0;
    x.trailing = package.len;
    claim_of(&x);
    refused(ERR_INTERNAL, nonsense);
    x.trailing = 0;
    claim_of(&x);
    assert_true(buf_append(&claims, "", 1, &e));
    refused(ERR_INTERNAL, nonsense); /* something left over */
    claim(&package);
    while (claims.len > 100) {
        claims.len = claims.len * 2 / 3; /* cut short, anywhere */
        refused(ERR_INTERNAL, nonsense);
    }
    static const uint64_t many[] = {1, 0, 0, UINT64_MAX / 2, 0, 0, 0, 0};
    buf_clear(&claims);
    assert_true(buf_append(&claims, "\1\0\0\0\0\0\0\0", 9, &e) && /* "" */
                buf_append(&claims, many + 1, sizeof many - 8, &e));
    refused(ERR_INTERNAL, nonsense);
    /* more of them than there is room for is inspect's to refuse */
    static const unsigned char der[LIMIT_MB];
    struct xar_cert certs[5];
    for (size_t i = 0; i < 5; i++)
        certs[i] = (struct xar_cert){der, sizeof der};
    s.certs = certs;
    s.cert_count = 5;
    struct buf small;
    buf_init(&small, JUDGE_CLAIMS_MAX);
    assert_false(judge_put_claims(&small, &x, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_non_null(strstr(e.text, "its signatures"));
    buf_release(&small);
}

static void what_cannot_be_judged(void **state)
{
    (void)state;
    struct buf other, odd;
    claim(&package);
    buf_init(&other, LIMIT_MB);
    buf_init(&odd, LIMIT_MB);
    assert_true(buf_append(&other, "no package", 10, &e) && buf_append(&odd, "no certificate", 14, &e));
    assert_false(judges(&other, &roots));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_false(judges(&package, &odd)); /* authorities that cannot be read are the asker's fault */
    assert_int_equal(e.kind, ERR_USAGE);
    buf_release(&other);
    buf_release(&odd);
}

static int up(void **state)
{
    authority_developer(&package, &roots);
    buf_init(&claims, JUDGE_CLAIMS_MAX);
    return volume_up(state);
}

static int down(void **state)
{
    buf_release(&package);
    buf_release(&roots);
    buf_release(&claims);
    return volume_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_believed_for_its_own_package_alone),
        cmocka_unit_test(what_is_claimed_can_only_make_it_worse),
        cmocka_unit_test(the_header_is_read_here),
        cmocka_unit_test(claims_without_sense),
        cmocka_unit_test(what_cannot_be_judged),
    };
    uncaged_reserve();
    return cmocka_run_group_tests(tests, up, down);
}
