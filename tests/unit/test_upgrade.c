/* upgrade: one version over another: what goes, what stays, what is refused; and whatever fails before the
 * last file is in its place leaves the old version whole. */
#include "core/child.h"
#include "flat.h"
#include "installer/flatpkg.h"
#include "installer/receipt.h"
#include <signal.h>
#include <sys/wait.h>

static struct install_outcome out;
static struct flatpkg_options options;

#define DIRECTORY(path)                                                                                      \
    {                                                                                                        \
        .name = "./" path, .mode = 040755                                                                    \
    }
#define REGULAR(path, text)                                                                                  \
    {                                                                                                        \
        .name = "./" path, .mode = 0100644, .data = text                                                     \
    }
#define END                                                                                                  \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }

static bool install(int fd)
{
    e.kind = ERR_NONE;
    bool ok = flatpkg_install(&env, fd, &options, &out, &e);
    close(fd);
    return ok;
}

static void must(int fd)
{
    if (!install(fd))
        fail_msg("%s", e.text);
}

static void clean(void)
{
    static const char *const all[] = {"Applications", "opt", "private", "log", "usr", "var", "etc", "tmp"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_true(files_remove(volume, all[i], &e));
    for (size_t i = 5; i < 8; i++)
        (void)unlinkat(volume, all[i], 0);
    options = (struct flatpkg_options){.name = "made.pkg", .arch = "arm64", .os_version = "15.1"};
    env.run_scripts = true;
    env.progress = NULL;
}

/* --- what the version before owned ---------------------------------------------------------------------- */

static const struct archive_member one[] = {DIRECTORY("opt"),
                                            DIRECTORY("opt/t"),
                                            REGULAR("opt/t/same", "1"),
                                            REGULAR("opt/t/old", "1"),
                                            REGULAR("opt/t/shared", "1"),
                                            DIRECTORY("opt/t/hollow"),
                                            REGULAR("opt/t/hollow/x", "1"),
                                            DIRECTORY("opt/t/lived-in"),
                                            REGULAR("opt/t/lived-in/x", "1"),
                                            {.name = "./opt/t/link", .mode = 0120777, .data = "old"},
                                            END};
static const struct archive_member two[] = {DIRECTORY("opt"), DIRECTORY("opt/t"), REGULAR("opt/t/same", "2"),
                                            REGULAR("opt/t/new", "2"), END};
static const struct part tool_1 = {
    .folder = "", .identifier = "com.example.tool", .version = "1.0", .payload = one, .bom = true};
static const struct part tool_2 = {
    .folder = "", .identifier = "com.example.tool", .version = "2.0", .payload = two, .bom = true};

static void what_nobody_owns_any_more_goes(void **state)
{
    (void)state;
    const struct archive_member other[] = {DIRECTORY("opt"), DIRECTORY("opt/t"), REGULAR("opt/t/shared", "1"),
                                           END};
    const struct part neighbour = {
        .folder = "", .identifier = "com.example.neighbour", .payload = other, .bom = true};
    struct receipt r;
    clean();
    must(make_package(&tool_1, 1, NULL));
    must(make_package(&neighbour, 1, NULL));
    put("opt/t/lived-in/mine", "mine");
    put("opt/t/beside", "mine");
    must(make_package(&tool_2, 1, NULL));
    assert_string_equal(text_of("opt/t/same"), "2");
    assert_string_equal(text_of("opt/t/new"), "2");
    assert_false(there("opt/t/old") || there("opt/t/hollow") || there("opt/t/lived-in/x") ||
                 there("opt/t/link"));
    assert_true(there("opt/t/shared") && there("opt/t/lived-in/mine") && there("opt/t/beside"));
    assert_non_null(strstr(out.reason, "1 files or folders of the version before stay"));
    assert_true(receipt_read(memory, volume, "com.example.tool", &r, &e));
    assert_string_equal(r.version, "2.0");
    /* and back again: an older version without bundles is a choice, not a mistake */
    must(make_package(&tool_1, 1, NULL));
    assert_true(there("opt/t/old") && !there("opt/t/new"));
    assert_true(staging_is_empty());
}

/* A path that moves from one component of a product to another stays. */
static void a_path_changes_hands(void **state)
{
    (void)state;
    static const char product[] =
        "<installer-gui-script minSpecVersion=\"1\"><choices-outline><line choice=\"c\"/></choices-outline>"
        "<choice id=\"c\"><pkg-ref id=\"com.example.a\"/><pkg-ref id=\"com.example.b\"/></choice>"
        "<pkg-ref id=\"com.example.a\">#a.pkg</pkg-ref><pkg-ref id=\"com.example.b\">#b.pkg</pkg-ref>"
        "</installer-gui-script>";
    const struct archive_member x[] = {DIRECTORY("opt"), REGULAR("opt/x", "x"), END},
                                y[] = {DIRECTORY("opt"), REGULAR("opt/y", "y"), END};
    const struct part before[] = {
        {.folder = "a.pkg", .identifier = "com.example.a", .payload = x, .bom = true},
        {.folder = "b.pkg", .identifier = "com.example.b", .payload = y, .bom = true}};
    const struct part after[] = {
        {.folder = "a.pkg", .identifier = "com.example.a", .payload = y, .bom = true},
        {.folder = "b.pkg", .identifier = "com.example.b", .payload = x, .bom = true}};
    clean();
    must(make_package(before, 2, product));
    must(make_package(after, 2, product));
    assert_true(there("opt/x") && there("opt/y"));
}

/* --- bundles -------------------------------------------------------------------------------------------- */

static const char *info(const char *id, const char *version)
{
    return plist(arena_printf(memory,
                              "<key>CFBundleIdentifier</key><string>%s</string>"
                              "<key>CFBundleShortVersionString</key><string>%s</string>",
                              id, version));
}

/* An application X.app of that identifier and version, with a file named after its version, and rules. */
static int application(const char *id, const char *version, const char *rules, bool more)
{
    const struct archive_member m[] = {
        DIRECTORY("X.app"),
        DIRECTORY("X.app/Contents"),
        REGULAR("X.app/Contents/Info.plist", info(id, version)),
        {.name = arena_printf(memory, "./X.app/Contents/%s", version), .mode = 0100644, .data = "x"},
        {.name = more ? "./notes" : NULL, .mode = 0100644, .data = version},
        END};
    const struct part p = {
        .folder = "",
        .identifier = "com.example.app",
        .version = version,
        .payload = m,
        .bom = true,
        .attributes = "install-location=\"/Applications\"",
        .bundles =
            arena_printf(memory, "<bundle path=\"./X.app\" id=\"%s\" CFBundleShortVersionString=\"%s\"/>%s",
                         id, version, rules)};
    return make_package(&p, 1, NULL);
}

#define RULE(name) "<" name "><bundle id=\"com.example.x\"/></" name ">"

static void a_newer_bundle_stays(void **state)
{
    (void)state;
    struct receipt r;
    clean();
    must(application("com.example.x", "2.0", RULE("bundle-version"), true));
    must(application("com.example.x", "1.10", RULE("bundle-version"), true));
    assert_true(there("Applications/X.app/Contents/2.0") && !there("Applications/X.app/Contents/1.10"));
    assert_string_equal(text_of("Applications/notes"), "1.10");
    assert_string_equal(out.reason, "/Applications/X.app stays, as version 2.0 is newer");
    /* nothing besides: refused, and the receipt stays that of the newer one */
    clean();
    must(application("com.example.x", "2.0", RULE("bundle-version"), false));
    assert_false(install(application("com.example.x", "1.10", RULE("bundle-version"), false)));
    assert_int_equal(e.kind, ERR_REFUSED);
    assert_non_null(
        strstr(e.text, "a newer version is installed: /Applications/X.app stays, as version 2.0"));
    assert_true(there("Applications/X.app/Contents/2.0"));
    assert_true(receipt_read(memory, volume, "com.example.app", &r, &e));
    assert_string_equal(r.version, "2.0");
    assert_true(staging_is_empty());
    /* the same version is no downgrade, and without the rule the package has its way */
    must(application("com.example.x", "2.0", RULE("bundle-version"), false));
    must(application("com.example.x", "1.10", "", false));
    assert_true(there("Applications/X.app/Contents/1.10") && !there("Applications/X.app/Contents/2.0"));
}

static void bundles_are_replaced_or_merged(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        bool stays;
    } rows[] = {{RULE("upgrade-bundle"), false},
                {RULE("atomic-update-bundle"), false},
                {RULE("update-bundle"), true},
                {"", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clean();
        must(application("com.example.x", "1.0", rows[i].rule, false));
        put("Applications/X.app/Contents/plug-in", "mine");
        put("Applications/mine", "mine");
        must(application("com.example.x", "2.0", rows[i].rule, false));
        assert_true(there("Applications/X.app/Contents/2.0") && there("Applications/mine"));
        assert_false(there("Applications/X.app/Contents/1.0")); /* the old Bom's, in either case */
        assert_int_equal(there("Applications/X.app/Contents/plug-in"), rows[i].stays);
    }
}

static void another_bundle_in_its_place(void **state)
{
    (void)state;
    clean();
    must(application("com.example.x", "1.0", "", false));
    assert_false(install(
        application("com.example.other", "9.0",
                    "<strict-identifier><bundle id=\"com.example.other\"/></strict-identifier>", false)));
    assert_int_equal(e.kind, ERR_REFUSED);
    assert_non_null(strstr(e.text, "com.example.x"));
    assert_true(there("Applications/X.app/Contents/1.0") && !there("Applications/X.app/Contents/9.0"));
    /* not strict: whose it is does not matter; and a version says nothing about another program */
    must(application("com.example.other", "0.1",
                     "<bundle-version><bundle id=\"com.example.other\"/></bundle-version>", false));
    assert_true(there("Applications/X.app/Contents/0.1"));
}

static void nothing_is_relocated(void **state)
{
    (void)state;
    clean();
    put("Applications/Elsewhere/X.app/Contents/Info.plist", info("com.example.x", "1.0"));
    must(application("com.example.x", "2.0", RULE("relocate"), false));
    assert_true(there("Applications/X.app/Contents/2.0"));
    assert_string_equal(text_of("Applications/Elsewhere/X.app/Contents/Info.plist"),
                        info("com.example.x", "1.0"));
    assert_string_equal(
        out.reason, "installed at /Applications/X.app, although a copy is at /Applications/Elsewhere/X.app");
}

/* --- what fails leaves the old version whole -------------------------------------------------------------
 */

/* Everything below the volume but our own state and log, as text. */
static void describe(struct buf *b, const char *path);

struct describing {
    struct buf *b;
    const char *path;
};

static bool describe_one(void *ctx, const char *name, const struct stat *st)
{
    const struct describing *d = ctx;
    if (!*d->path && (strcmp(name, "Library") == 0 || strcmp(name, "log") == 0))
        return true;
    const char *path = *d->path ? arena_printf(memory, "%s/%s", d->path, name) : name;
    assert_true(buf_printf(d->b, "%s %o %u:%u %s\n", path, st->st_mode, st->st_uid, st->st_gid,
                           S_ISREG(st->st_mode) ? text_of(path) : ""));
    if (S_ISDIR(st->st_mode))
        describe(d->b, path);
    return true;
}

static void describe(struct buf *b, const char *path)
{
    struct describing d = {b, path};
    assert_true(files_list(volume, path, describe_one, &d, &e));
}

static const char *world(void)
{
    struct buf b;
    buf_init(&b, LIMIT_MB);
    describe(&b, "");
    const char *text = arena_strdup(memory, buf_str(&b));
    buf_release(&b);
    return text;
}

static const char two_parts[] =
    "<installer-gui-script minSpecVersion=\"1\"><choices-outline><line choice=\"c\"/></choices-outline>"
    "<choice id=\"c\"><pkg-ref id=\"com.example.app\"/><pkg-ref id=\"com.example.z\"/></choice>"
    "<pkg-ref id=\"com.example.app\">#a.pkg</pkg-ref><pkg-ref id=\"com.example.z\">#z.pkg</pkg-ref>"
    "</installer-gui-script>";

/* Version 2 of two components: the first replaces, adds, changes a mode and swaps a bundle. */
static int upgrade_of_two(void)
{
    const struct archive_member m[] = {
        {.name = "./opt", .mode = 040750},
        REGULAR("opt/file", "2"),
        {.name = "./opt/link", .mode = 0120777, .data = "two"},
        REGULAR("opt/fresh", "2"),
        DIRECTORY("opt/new"),
        REGULAR("opt/new/x", "2"),
        DIRECTORY("Applications"),
        DIRECTORY("Applications/X.app"),
        DIRECTORY("Applications/X.app/Contents"),
        REGULAR("Applications/X.app/Contents/Info.plist", info("com.example.x", "2")),
        {.name = "./opt/hidden.d", .mode = 040755},
        END};
    const struct archive_member z[] = {REGULAR("z", "2"), END};
    const struct part parts[] = {
        {.folder = "a.pkg",
         .identifier = "com.example.app",
         .payload = m,
         .attributes = "overwrite-permissions=\"true\"",
         .bundles = "<bundle path=\"./Applications/X.app\" id=\"com.example.x\"/>" RULE("upgrade-bundle")},
        {.folder = "z.pkg",
         .identifier = "com.example.z",
         .payload = z,
         .attributes = "install-location=\"/usr/deep/down/z\""}};
    return make_package(parts, 2, two_parts);
}

static const char *old_world(void)
{
    clean();
    put("opt/file", "1");
    put("Applications/X.app/Contents/Info.plist", info("com.example.x", "1"));
    put("Applications/X.app/Contents/plug-in", "mine");
    link_to("one", "opt/link");
    put("private/var/db/other", "x");
    return world();
}

/* The second component's place is taken by a file between the look and the move. */
static void obstacle(void *ctx, int percent, const char *phase)
{
    (void)percent;
    (void)ctx;
    if (strcmp(phase, "Writing files: com.example.z") == 0)
        put("usr", "in the way");
}

static void a_move_that_fails_is_taken_back(void **state)
{
    (void)state;
    const char *before = old_world();
    env.progress = obstacle;
    assert_false(install(upgrade_of_two()));
    assert_non_null(strstr(e.text, "usr"));
    assert_string_equal(text_of("usr"), "in the way");
    assert_true(files_remove(volume, "usr", &e));
    assert_string_equal(world(), before);
    assert_true(staging_is_empty());
    env.progress = NULL;
    must(upgrade_of_two());
    assert_string_equal(text_of("opt/file"), "2");
    assert_int_equal(mode_of("opt"), 0750);
    assert_false(there("Applications/X.app/Contents/plug-in"));
    assert_string_equal(text_of("usr/deep/down/z/z"), "2");
}

static void die(void *ctx, int percent, const char *phase)
{
    (void)percent;
    if (strcmp(phase, ctx) == 0)
        raise(SIGKILL);
}

static void a_killed_move_is_taken_back(void **state)
{
    (void)state;
    static const struct {
        const char *phase; /* where it dies */
        bool old;          /* the old version is whole afterwards; else the new one is */
    } rows[] = {{"Running package scripts", true},
                {"Writing files", true},
                {"Writing files: com.example.app", true},
                {"Writing files: com.example.z", true},
                {"Writing receipts", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *before = old_world();
        int fd = upgrade_of_two();
        pid_t pid = fork();
        if (pid == 0) {
            static char phase[64];
            snprintf(phase, sizeof phase, "%s", rows[i].phase);
            env.progress = die;
            env.ctx = phase;
            (void)!flatpkg_install(&env, fd, &options, &out, &e);
            _exit(1);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        flatpkg_recover(&env);
        assert_true(staging_is_empty());
        if (rows[i].old)
            assert_string_equal(world(), before);
        else
            assert_string_equal(text_of("opt/file"), "2");
        must(upgrade_of_two()); /* the next run ends it */
        assert_string_equal(text_of("opt/file"), "2");
        assert_string_equal(text_of("usr/deep/down/z/z"), "2");
        flatpkg_recover(&env);
        assert_string_equal(text_of("opt/file"), "2");
        close(fd);
    }
}

/* Any byte of the last member: nothing was touched. */
static void a_damaged_last_member(void **state)
{
    (void)state;
    const char *before = old_world();
    int fd = upgrade_of_two();
    struct stat st;
    char byte;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pread(fd, &byte, 1, st.st_size - 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, st.st_size - 1), 1);
    assert_false(install(fd));
    assert_int_equal(e.cause, CAUSE_HASH);
    assert_string_equal(world(), before);
    assert_true(staging_is_empty());
}

static bool tool(const char *const *argv)
{
    struct child_end end;
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = 60000};
    return child_run(volume_loop, &spec, &end, &e) && end.exit_code == 0;
}

/* On a volume of one megabyte a package of two does not fit, and the old version stays. */
static void a_full_disk(void **state)
{
    (void)state;
    const struct install_env whole = env;
    const char *path = arena_printf(memory, "%s/small", volume_path);
    const char *mount[] = {"/bin/mount", "-t", "tmpfs", "-o", "size=1m", "none", path, NULL};
    const char *umount[] = {"/bin/umount", path, NULL};
    clean();
    close(files_dir(volume, "small", true, 0755, &e));
    if (geteuid() != 0 || access("/bin/mount", X_OK) != 0 || !tool(mount)) {
        printf("skipped: a small volume cannot be mounted here\n");
        skip();
    }
    env.root = files_root(path, false, &e);
    env.root_path = path;
    env.state = files_dir(env.root, INSTALL_STATE, true, 0755, &e);
    char *big = malloc(2000001);
    uint64_t seed = 5;
    for (size_t i = 0; i < 2000000; i++)
        big[i] = (char)('a' + package_chance(&seed) % 26);
    big[2000000] = '\0';
    const struct archive_member m[] = {DIRECTORY("opt"), REGULAR("opt/t", "2"), REGULAR("opt/big", big), END};
    const struct part p = {.folder = "", .identifier = "com.example.big", .payload = m, .bom = true};
    must(make_package(&tool_1, 1, NULL));
    bool ok = install(make_package(&p, 1, NULL));
    struct err why = e;
    bool clean_up = staging_is_empty();
    struct stat st;
    bool old = files_stat(env.root, "opt/t/old", &st, &e) && !files_stat(env.root, "opt/big", &st, &e);
    close(env.state);
    close(env.root);
    env = whole;
    free(big);
    assert_true(tool(umount));
    assert_false(ok);
    if (why.kind != ERR_SPACE || why.cause != CAUSE_DISK)
        fail_msg("%s", why.text);
    assert_true(old && clean_up);
}

/* --- scripts by their old names ---------------------------------------------------------------------------
 */

#define SAY(what) "#!/bin/sh\necho " what " >>\"$3/log\"\n"

static void old_scripts_run_when_they_should(void **state)
{
    (void)state;
    const struct archive_member s[] = {
        {.name = "preflight", .mode = 0100755, .data = SAY("preflight $SCRIPT_NAME")},
        {.name = "preinstall", .mode = 0100755, .data = SAY("preinstall")},
        {.name = "preupgrade", .mode = 0100755, .data = SAY("preupgrade")},
        {.name = "postinstall", .mode = 0100755, .data = SAY("postinstall $(cat \"$2/x\")")},
        {.name = "postflight", .mode = 0100755, .data = SAY("postflight")},
        {.name = "bundle", .mode = 0100755, .data = SAY("bundle")},
        END};
    const struct archive_member m[] = {REGULAR("x", "payload"), END};
    const struct part p = {.folder = "",
                           .identifier = "com.example.old",
                           .payload = m,
                           .bom = true,
                           .attributes = "install-location=\"/opt\"",
                           .scripts = s,
                           .more = "<postflight/><preinstall/><preupgrade/><preflight/><postinstall/>"
                                   "<postinstall file=\"./bundle\" component-id=\"com.example.x\"/>"};
    clean();
    must(make_package(&p, 1, NULL));
    assert_string_equal(text_of("log"),
                        "preflight preflight\npreinstall\npostinstall payload\nbundle\npostflight\n");
    assert_true(files_remove(volume, "log", &e));
    must(make_package(&p, 1,
                      NULL)); /* a receipt is there: preupgrade instead; no postupgrade, so postinstall */
    assert_string_equal(text_of("log"),
                        "preflight preflight\npreupgrade\npostinstall payload\nbundle\npostflight\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_owns_any_more_goes),
        cmocka_unit_test(a_path_changes_hands),
        cmocka_unit_test(a_newer_bundle_stays),
        cmocka_unit_test(bundles_are_replaced_or_merged),
        cmocka_unit_test(another_bundle_in_its_place),
        cmocka_unit_test(nothing_is_relocated),
        cmocka_unit_test(a_move_that_fails_is_taken_back),
        cmocka_unit_test(a_killed_move_is_taken_back),
        cmocka_unit_test(a_damaged_last_member),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(old_scripts_run_when_they_should),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
