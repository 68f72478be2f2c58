/* flatpkg_work: the process that installs believes neither of its two workers. Here both lie, and whatever
 * they say and leave in the staging folder, the item fails and the target is as it was. */
#include "flat.h"
#include "installer/flatpkg.h"
#include "installer/receipt.h"
#include "installer/record.h"
#include "liar.h"

#define ID       "com.example.liar"
#define UNSIGNED SIGNATURE_UNSIGNED

static struct flatpkg_options options = {.name = "liar.pkg", .arch = "arm64", .os_version = "15.1"};

/* --- what they say ---------------------------------------------------------------------------------------
 */

static void signature(enum signature_status status, const char *team)
{
    liar_say(RECORD_SIGNATURE, "ittt", (unsigned long long)status, "because", team, "Somebody");
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
    signature(UNSIGNED, "");
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

static void judges_twice(void)
{
    signature(UNSIGNED, "");
    signature(SIGNATURE_SIGNED, "ABCDE12345");
}

static void judges_late(void)
{
    archive(0);
    signature(UNSIGNED, "");
}

static void judges_oddly(void)
{
    signature((enum signature_status)(SIGNATURE_INVALID + 1), "");
}

static void no_judgement(void)
{
    archive(0);
}

static void invalid_and_on(void)
{
    signature(SIGNATURE_INVALID, "");
    archive(0);
}

static void unsigned_and_on(void)
{
    one_good();
}

static void of_another_team(void)
{
    signature(SIGNATURE_SIGNED, "ZZZZZ99999");
    archive(0);
}

static void begins_twice(void)
{
    said(0);
    archive(1);
}

static void a_million(void)
{
    signature(UNSIGNED, "");
    archive(1000000);
}

static void no_beginning(void)
{
    signature(UNSIGNED, "");
    component(ID, "/", "");
}

static void one_too_many(void)
{
    said(1);
    component(ID "2", "/", "");
}

static void one_too_few(void)
{
    signature(UNSIGNED, "");
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
    signature(UNSIGNED, "");
    liar_say(RECORD_ARCHIVE, "iiiiii", 0ull, 0ull, 0ull, 0ull, 0ull, 0ull);
}

static void evil_identifier(void)
{
    signature(UNSIGNED, "");
    archive(1);
    component("../evil", "/", "");
}

static void evil_location(void)
{
    signature(UNSIGNED, "");
    archive(1);
    component(ID, "/opt/../../evil", "");
}

static void control_bytes(void)
{
    signature(UNSIGNED, "");
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
} rows[] = {
    {says_nothing, NULL, ERR_INTERNAL, "did not judge the signature", false},
    {judges_twice, NULL, ERR_INTERNAL, "judged twice", false},
    {judges_late, NULL, ERR_INTERNAL, "judged twice", false},
    {judges_oddly, NULL, ERR_INTERNAL, "a signature that makes no sense", false},
    {no_judgement, NULL, ERR_INTERNAL, "did not judge the signature", false},
    {invalid_and_on, NULL, ERR_TRUST, "invalid signature: because", false},
    {unsigned_and_on, NULL, ERR_TRUST, "a signed package is asked for, and this one is unsigned", true},
    {of_another_team, NULL, ERR_TRUST, "signed by team ZZZZZ99999 (Somebody), not by ABCDE12345", true},
    {begins_twice, NULL, ERR_INTERNAL, "began twice", false},
    {a_million, NULL, ERR_INTERNAL, "a summary that makes no sense", false},
    {no_beginning, NULL, ERR_INTERNAL, "more components than it said", false},
    {one_too_many, NULL, ERR_INTERNAL, "more components than it said", false},
    {one_too_few, NULL, ERR_INTERNAL, "fewer components than it said", false},
    {unknown, NULL, ERR_INTERNAL, "said something unknown", false},
    {more_fields, NULL, ERR_INTERNAL, "a summary that makes no sense", false},
    {evil_identifier, NULL, ERR_INTERNAL, "a component that makes no sense", false},
    {evil_location, NULL, ERR_INTERNAL, "a component that makes no sense", false},
    {control_bytes, NULL, ERR_INTERNAL, "a component that makes no sense", false},
    {early_script, NULL, ERR_INTERNAL, "a script of no component", false},
    {evil_script, NULL, ERR_INTERNAL, "a script that makes no sense", false},
    {other_script, NULL, ERR_INTERNAL, "a script that makes no sense", false},
    {long_script, NULL, ERR_INTERNAL, "a script that makes no sense", false},
    {early_bundle, NULL, ERR_INTERNAL, "a bundle of no component", false},
    {evil_bundle, NULL, ERR_INTERNAL, "a bundle that makes no sense", false},
    {odd_flag, NULL, ERR_INTERNAL, "a bundle that makes no sense", false},
    {evil_entry, NULL, ERR_INTERNAL, "a listing that makes no sense", false},
    {short_count, NULL, ERR_INTERNAL, "a count that makes no sense", false},
    {odd_progress, NULL, ERR_INTERNAL, "progress that makes no sense", false},
    {one_good, counts_nothing, ERR_INTERNAL, "unpacked less than it was told to", false},
    {one_good, counts_twice, ERR_INTERNAL, "unpacked less than it was told to", false},
    {one_good, judges_as_well, ERR_INTERNAL, "the worker that unpacks said too much", false},
    {one_good, no_folder, ERR_NOT_FOUND, "directory 0", false},
    {one_good, folder_is_a_link, ERR_SYS, "directory 0", false},
    {one_good, root_is_a_link, ERR_REFUSED, "/ is staged as something else than a directory", false},
    {one_good, a_device_is_staged, ERR_TRUST, "holds a special file or a set-id bit for /pipe", false},
};

#define ROWS (sizeof rows / sizeof *rows)

/* --- what comes of it ------------------------------------------------------------------------------------
 */

static const struct row good = {one_good, a_good_file, ERR_NONE, NULL, false};

static int be_worker(const char *task)
{
    size_t n = liar_row();
    const struct row *r = n < ROWS ? &rows[n] : &good;
    if (strcmp(task, "inspect") == 0)
        r->reads();
    else if (r->unpacks != NULL)
        r->unpacks();
    else
        return 9; /* nobody may have come so far */
    return liar_done();
}

static bool any(void *ctx, const char *name, const struct stat *st)
{
    (void)name;
    (void)st;
    *(bool *)ctx = true;
    return false;
}

static bool staging_is_empty(void)
{
    bool found = false;
    struct err ignored;
    return !files_list(env.state, FLATPKG_STAGING, any, &found, &ignored) || !found;
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
        assert_string_equal(s.why, "because"); /* it got so far */
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_lie_is_believed),
        cmocka_unit_test(a_judgement_is_held_against_what_is_asked),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return be_worker(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
