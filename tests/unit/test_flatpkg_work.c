/* flatpkg_work: the process that installs believes none of its three workers, but for who signed the package
 * the one that has read nothing else of it. Here all lie, and whatever they say and leave in the staging
 * folder, the item fails and the target is as it was. */
#include "authority.h"
#include "flat.h"
#include "installer/flatpkg.h"
#include "installer/judge.h"
#include "installer/receipt.h"
#include "installer/record.h"
#include "liar.h"

#define ID "com.example.liar"

static struct flatpkg_options options = {.name = "liar.pkg", .arch = "arm64", .os_version = "15.1"};

/* --- what they say ---------------------------------------------------------------------------------------
 */

static void signature(enum signature_status status, const char *team)
{
    liar_say(RECORD_SIGNATURE, "ittt", (unsigned long long)status, "because", team, "Somebody");
}

static void claims(void)
{
    liar_say(RECORD_CLAIM, "t", "a claim");
}

static void archive(unsigned long long components)
{
    liar_say(RECORD_ARCHIVE, "iiiii", 0ull, 0ull, 0ull, 0ull, components);
}

static void component(const char *id, const char *location, const char *folder)
{
    liar_say(RECORD_COMPONENT, "ttttiiii", id, "1", location, folder, 1ull, 0ull, 0ull, 0ull);
}

static void count(void)
{
    liar_say(RECORD_COUNT, "iiiii", 1ull, 1ull, 0ull, 0ull, 0ull);
}

static void script(const char *kind, const char *file, unsigned long long timeout)
{
    liar_say(RECORD_SCRIPT, "ttti", kind, file, "", timeout);
}

static void bundle(const char *path, unsigned long long flag)
{
    liar_say(RECORD_BUNDLE, "ttttiiii", path, "id", "1", "1", flag, 0ull, 0ull, 0ull);
}

static void said(size_t n)
{
    archive(n);
    for (size_t i = 0; i < n; i++)
        component(i == 0 ? ID : ID "2", "/", "");
}

static void one_good(void)
{
    said(1);
}

/* the one that reads */
static void says_nothing(void)
{
}

static void judges_itself(void)
{
    signature(SIGNATURE_SIGNED, "ABCDE12345");
    archive(0);
}

static void claims_and_goes_on(void)
{
    claims();
    archive(0);
}

static void claims_late(void)
{
    archive(0);
    claims();
}

static void claims_without_end(void)
{
    static char much[60001];
    memset(much, 'x', sizeof much - 1);
    for (int i = 0; i < 100; i++)
        liar_say(RECORD_CLAIM, "t", much);
}

static void begins_twice(void)
{
    said(0);
    archive(1);
}

static void a_million(void)
{
    archive(1000000);
}

static void no_beginning(void)
{
    component(ID, "/", "");
}

static void one_too_many(void)
{
    said(1);
    component(ID "2", "/", "");
}

static void one_too_few(void)
{
    archive(2);
    component(ID, "/", "");
}

static void unknown(void)
{
    said(0);
    liar_say(RECORD_SIGNATURE + 1, "");
}

static void more_fields(void)
{
    liar_say(RECORD_ARCHIVE, "iiiiii", 0ull, 0ull, 0ull, 0ull, 0ull, 0ull);
}

static void evil_identifier(void)
{
    archive(1);
    component("../evil", "/", "");
}

static void evil_location(void)
{
    archive(1);
    component(ID, "/opt/../../evil", "");
}

static void control_bytes(void)
{
    archive(1);
    component(ID, "/", "a\nb");
}

static void early_script(void)
{
    said(0);
    script("preinstall", "x", 0);
}

static void evil_script(void)
{
    one_good();
    script("preinstall", "../x", 0);
}

static void other_script(void)
{
    one_good();
    script("midinstall", "x", 0);
}

static void long_script(void)
{
    one_good();
    script("preinstall", "x", 1ull << 40);
}

static void early_bundle(void)
{
    said(0);
    bundle("A.app", 1);
}

static void evil_bundle(void)
{
    one_good();
    bundle("/A.app", 1);
}

static void odd_flag(void)
{
    one_good();
    bundle("A.app", 2);
}

static void evil_entry(void)
{
    one_good();
    liar_say(RECORD_ENTRY, "iiiiiiittt", (unsigned long long)'c', 0ull, 0ull, 0ull, 0ull, 0ull, 0ull, "x", "",
             "");
}

static void short_count(void)
{
    one_good();
    liar_say(RECORD_COUNT, "i", 1ull);
}

static void odd_progress(void)
{
    one_good();
    liar_say(RECORD_PROGRESS, "ii", 2ull, 1ull);
}

/* the one that judges */
static void judges_twice(void)
{
    signature(SIGNATURE_UNSIGNED, "");
    signature(SIGNATURE_SIGNED, "ABCDE12345");
}

static void judges_oddly(void)
{
    signature((enum signature_status)(SIGNATURE_INVALID + 1), "");
}

static void judges_nothing(void)
{
}

static void says_more(void)
{
    signature(SIGNATURE_SIGNED, "ABCDE12345");
    archive(0);
}

static void invalid_and_on(void)
{
    signature(SIGNATURE_INVALID, "");
}

static void unsigned_and_on(void)
{
    signature(SIGNATURE_UNSIGNED, "");
}

static void of_another_team(void)
{
    signature(SIGNATURE_SIGNED, "ZZZZZ99999");
}

/* the one that unpacks */
static int staging(const char *path)
{
    (void)!mkdirat(WORKER_FIRST + 1, "0", 0700);
    (void)!mkdirat(WORKER_FIRST + 1, "0/root", 0755);
    return openat(WORKER_FIRST + 1, path, O_RDONLY | O_DIRECTORY);
}

static void counts_nothing(void)
{
    (void)staging("0");
}

static void counts_twice(void)
{
    (void)staging("0");
    count();
    count();
}

static void judges_as_well(void)
{
    signature(SIGNATURE_SIGNED, "ABCDE12345");
    count();
}

static void no_folder(void)
{
    count();
}

static void folder_is_a_link(void)
{
    count();
    (void)!symlinkat("../../../../evil", WORKER_FIRST + 1, "0");
}

static void root_is_a_link(void)
{
    count();
    int dir = staging("0");
    (void)!unlinkat(dir, "root", AT_REMOVEDIR);
    (void)!symlinkat("../../../../../evil", dir, "root");
}

static void a_device_is_staged(void)
{
    count();
    (void)!mkfifoat(staging("0/root"), "pipe", 0600);
}

static void a_good_file(void)
{
    count();
    int fd = openat(staging("0/root"), "laid", O_WRONLY | O_CREAT, 0644);
    (void)!write(fd, "x", 1);
}

static const struct row {
    void (*reads)(void), (*unpacks)(void);
    enum err_kind kind;
    const char *why;
    bool need; /* signed, by team ABCDE12345 */
    void (*judges)(void);
} rows[] = {
    {says_nothing, NULL, ERR_INTERNAL, "fewer components than it said", false, NULL},
    {says_nothing, NULL, ERR_TRUST, "a signed package is asked for, and this one is unsigned", true, NULL},
    {one_good, NULL, ERR_TRUST, "a signed package is asked for, and this one is unsigned", true, NULL},
    {judges_itself, NULL, ERR_INTERNAL, "said something unknown", false, NULL},
    {judges_itself, NULL, ERR_TRUST, "a signed package is asked for, and this one is unsigned", true, NULL},
    {claims_and_goes_on, NULL, ERR_INTERNAL, "read on before its package was judged", false, NULL},
    {claims_late, NULL, ERR_INTERNAL, "spoke of signatures too late", false, NULL},
    {claims_without_end, NULL, ERR_LIMIT, "", false, NULL},
    {claims, NULL, ERR_INTERNAL, "did not judge the signature", false, judges_nothing},
    {claims, NULL, ERR_INTERNAL, "the worker that judges said too much", false, judges_twice},
    {claims, NULL, ERR_INTERNAL, "the worker that judges said too much", true, says_more},
    {claims, NULL, ERR_INTERNAL, "a signature that makes no sense", false, judges_oddly},
    {claims, NULL, ERR_TRUST, "invalid signature: because", false, invalid_and_on},
    {claims, NULL, ERR_TRUST, "a signed package is asked for, and this one is unsigned", true,
     unsigned_and_on},
    {claims, NULL, ERR_TRUST, "signed by team ZZZZZ99999 (Somebody), not by ABCDE12345", true,
     of_another_team},
    {begins_twice, NULL, ERR_INTERNAL, "began twice", false, NULL},
    {a_million, NULL, ERR_INTERNAL, "a summary that makes no sense", false, NULL},
    {no_beginning, NULL, ERR_INTERNAL, "more components than it said", false, NULL},
    {one_too_many, NULL, ERR_INTERNAL, "more components than it said", false, NULL},
    {one_too_few, NULL, ERR_INTERNAL, "fewer components than it said", false, NULL},
    {unknown, NULL, ERR_INTERNAL, "said something unknown", false, NULL},
    {more_fields, NULL, ERR_INTERNAL, "a summary that makes no sense", false, NULL},
    {evil_identifier, NULL, ERR_INTERNAL, "a component that makes no sense", false, NULL},
    {evil_location, NULL, ERR_INTERNAL, "a component that makes no sense", false, NULL},
    {control_bytes, NULL, ERR_INTERNAL, "a component that makes no sense", false, NULL},
    {early_script, NULL, ERR_INTERNAL, "a script of no component", false, NULL},
    {evil_script, NULL, ERR_INTERNAL, "a script that makes no sense", false, NULL},
    {other_script, NULL, ERR_INTERNAL, "a script that makes no sense", false, NULL},
    {long_script, NULL, ERR_INTERNAL, "a script that makes no sense", false, NULL},
    {early_bundle, NULL, ERR_INTERNAL, "a bundle of no component", false, NULL},
    {evil_bundle, NULL, ERR_INTERNAL, "a bundle that makes no sense", false, NULL},
    {odd_flag, NULL, ERR_INTERNAL, "a bundle that makes no sense", false, NULL},
    {evil_entry, NULL, ERR_INTERNAL, "a listing that makes no sense", false, NULL},
    {short_count, NULL, ERR_INTERNAL, "a count that makes no sense", false, NULL},
    {odd_progress, NULL, ERR_INTERNAL, "progress that makes no sense", false, NULL},
    {one_good, counts_nothing, ERR_INTERNAL, "unpacked less than it was told to", false, NULL},
    {one_good, counts_twice, ERR_INTERNAL, "unpacked less than it was told to", false, NULL},
    {one_good, judges_as_well, ERR_INTERNAL, "the worker that unpacks said too much", false, NULL},
    {one_good, no_folder, ERR_NOT_FOUND, "directory 0", false, NULL},
    {one_good, folder_is_a_link, ERR_SYS, "directory 0", false, NULL},
    {one_good, root_is_a_link, ERR_REFUSED, "/ is staged as something else than a directory", false, NULL},
    {one_good, a_device_is_staged, ERR_TRUST, "holds a special file or a set-id bit for /pipe", false, NULL},
};

#define ROWS (sizeof rows / sizeof *rows)

/* --- what comes of it ------------------------------------------------------------------------------------
 */

static const struct row good = {one_good, a_good_file, ERR_NONE, NULL, false, NULL};

/* A package with claims about it behind all else, and how many bytes these are in the last eight: inspect
 * claims them, whatever the package is, and then, if it is asked again, that it holds one good component. */
static void claims_what_is_behind(void)
{
    static char piece[32 * LIMIT_KB];
    struct record_request r;
    struct arena *a = arena_open();
    struct buf b;
    struct err why;
    struct stat st;
    uint64_t n;
    buf_init(&b, WORKER_REQUEST_MAX);
    if (!files_read_fd(STDIN_FILENO, &b, &why) || !record_get_request(a, &b, &r, &why) ||
        fstat(WORKER_FIRST, &st) != 0 || pread(WORKER_FIRST, &n, sizeof n, st.st_size - 8) != 8)
        _exit(9);
    if (r.judged) { /* the one before has left nothing, and what decoders may see is bounded */
        if (!r.sealed || fstat(WORKER_FIRST + 1, &st) != 0 || st.st_size != 0)
            _exit(9);
        one_good();
    } else if (write(WORKER_FIRST + 1, "a plan", 6) != 6) {
        _exit(9);
    } else if (n <= sizeof piece && pread(WORKER_FIRST, piece, n, st.st_size - 8 - (off_t)n) == (ssize_t)n) {
        buf_clear(&b);
        if (!worker_put_bytes(&b, piece, n, &why))
            _exit(9);
        worker_send(RECORD_CLAIM, &b);
    }
    buf_release(&b);
    arena_free(a);
}

static int be_worker(const char *task)
{
    char magic[4] = "";
    size_t n = liar_row();
    const struct row *r = n < ROWS ? &rows[n] : &good;
    if (pread(WORKER_FIRST, magic, 4, 0) == 4 && memcmp(magic, "xar!", 4) == 0) {
        if (strcmp(task, "judge") == 0)
            return worker_main(task);
        if (strcmp(task, "inspect") == 0)
            claims_what_is_behind();
        else
            a_good_file();
    } else if (strcmp(task, "judge") == 0 && r->judges != NULL)
        r->judges();
    else if (strcmp(task, "judge") == 0)
        return 9; /* nobody may have come so far */
    else if (strcmp(task, "inspect") == 0)
        r->reads();
    else if (r->unpacks != NULL)
        r->unpacks();
    else
        return 9; /* nobody may have come so far */
    return liar_done();
}

static bool install(size_t n)
{
    struct install_outcome out;
    char text[8];
    int fd = package_file(text, (size_t)snprintf(text, sizeof text, "%zu", n));
    options.need = (struct signature_need){.is_signed = n < ROWS && rows[n].need,
                                           .team_id = n < ROWS && rows[n].need ? "ABCDE12345" : NULL};
    e = (struct err){.kind = ERR_NONE};
    bool ok = flatpkg_install(&env, fd, &options, &out, &e);
    close(fd);
    return ok;
}

static void no_lie_is_believed(void **state)
{
    (void)state;
    put("evil/secret", "s");
    for (size_t i = 0; i < ROWS; i++) {
        if (install(i))
            fail_msg("row %zu was believed", i);
        if (strstr(e.text, rows[i].why) == NULL || e.kind != rows[i].kind)
            fail_msg("row %zu: kind %d, and not \"%s\": %s", i, e.kind, rows[i].why, e.text);
        assert_false(there("laid") || there("pipe") || there("secret"));
        assert_string_equal(text_of("evil/secret"), "s");
        assert_false(there(RECEIPT_FOLDER "/" ID ".plist"));
        if (!staging_is_empty())
            fail_msg("row %zu left something", i);
    }
    /* the same two, when they lie about nothing that can be seen */
    if (!install(ROWS))
        fail_msg("%s", e.text);
    assert_string_equal(text_of("laid"), "x");
    assert_true(there(RECEIPT_FOLDER "/" ID ".plist") && staging_is_empty());
}

/* What vouches for whom is the package's own bytes, before the one worker that has read nothing else of it.
 */
static void a_claim_does_not_sign(void **state)
{
    (void)state;
    struct buf theirs, roots, ours, claim;
    struct arena *a = arena_open();
    struct install_outcome out;
    authority_developer(&theirs, &roots);
    int fd = package_file(theirs.data, theirs.len);
    const struct xar *x = xar_open(a, fd, &e);
    buf_init(&claim, JUDGE_CLAIMS_MAX);
    assert_true(x != NULL && judge_put_claims(&claim, x, &e));
    close(fd);
    options.need = (struct signature_need){.is_signed = true, .team_id = "ABCDE12345"};
    options.roots = roots.data;
    options.roots_len = roots.len;
    /* a good signature, of whom is asked for, where it lies: only that the table of contents is another */
    uint64_t n = claim.len;
    buf_init(&ours, LIMIT_MB);
    assert_true(buf_append(&ours, theirs.data, theirs.len, &e));
    ours.data[40] ^= 1;
    assert_true(buf_append(&ours, claim.data, n, &e) && buf_append(&ours, &n, 8, &e));
    fd = package_file(ours.data, ours.len);
    assert_false(flatpkg_install(&env, fd, &options, &out, &e));
    close(fd);
    assert_int_equal(e.kind, ERR_TRUST);
    if (strstr(e.text, "invalid signature: the CMS signature") == NULL)
        fail_msg("%s", e.text);
    assert_string_equal(out.signature.status, "invalid");
    assert_false(there("laid") || there(RECEIPT_FOLDER "/" ID ".plist") || !staging_is_empty());
    /* the very same claims about the package that they are true of */
    assert_true(buf_append(&theirs, claim.data, n, &e) && buf_append(&theirs, &n, 8, &e));
    fd = package_file(theirs.data, theirs.len);
    if (!flatpkg_install(&env, fd, &options, &out, &e))
        fail_msg("%s", e.text);
    close(fd);
    assert_true(out.signature.is_signed && there("laid"));
    assert_string_equal(out.signature.team_id, "ABCDE12345");
    options.roots = NULL;
    assert_true(files_remove(volume, "laid", &e) && files_remove(volume, RECEIPT_FOLDER, &e));
    arena_free(a);
    buf_release(&theirs);
    buf_release(&ours);
    buf_release(&roots);
    buf_release(&claim);
}

static void a_judgement_is_held_against_what_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct install_signature s;
        char text[8];
        if (rows[i].kind != ERR_TRUST || rows[i].unpacks != NULL)
            continue;
        int fd = package_file(text, (size_t)snprintf(text, sizeof text, "%zu", i));
        options.need =
            (struct signature_need){.is_signed = rows[i].need, .team_id = rows[i].need ? "ABCDE12345" : NULL};
        assert_false(flatpkg_judge(volume_loop, fd, &options, &s, &e));
        assert_int_equal(e.kind, ERR_TRUST);
        assert_string_equal(s.why, rows[i].judges != NULL ? "because" : "unsigned"); /* it got so far */
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_does_not_sign),
        cmocka_unit_test(no_lie_is_believed),
        cmocka_unit_test(a_judgement_is_held_against_what_is_asked),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return be_worker(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
