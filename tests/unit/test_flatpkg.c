/* flatpkg: packages install, list and extract; scripts in their order and by their contract; whatever fails
 * or is killed leaves what it should; samples from the field come out as other readers see them. */
#include "core/child.h"
#include "flat.h"
#include "installer/flatpkg.h"
#include "installer/receipt.h"
#include "installer/record.h"
#include <dirent.h>
#include <signal.h>

static struct install_outcome out;
static struct flatpkg_summary sum;
static struct flatpkg_options options;

/* --- packages made here ------------------------------------------------------------------------------- */

static const struct archive_member hello[] = {
    {.name = ".", .mode = 040755},
    {.name = "./opt", .mode = 040755},
    {.name = "./opt/hello", .mode = 0104755, .data = "hello"},
    {.name = "./opt/._hello", .mode = 0100644, .data = "\0\5\x16\7", .size = 4},
    {.name = "./etc/hello.conf", .mode = 0100644, .data = "conf"},
    {.name = NULL}};

static bool install(int fd)
{
    e.kind = ERR_NONE;
    bool ok = flatpkg_install(&env, fd, &options, &out, &e);
    close(fd);
    return ok;
}

static void clean(void)
{
    static const char *const all[] = {"opt", "private", "log", "usr"};
    for (size_t i = 0; i < 4; i++)
        assert_true(files_remove(volume, all[i], &e));
    options = (struct flatpkg_options){.name = "made.pkg", .arch = "arm64", .os_version = "15.1"};
    env.run_scripts = true;
}

static void a_component_installs(void **state)
{
    (void)state;
    const struct part p = {.folder = "",
                           .identifier = "com.example.hello",
                           .payload = hello,
                           .attributes = "postinstall-action=\"restart\""};
    clean();
    if (!install(make_package(&p, 1, NULL)))
        fail_msg("%s", e.text);
    assert_string_equal(text_of("opt/hello"), "hello");
    assert_string_equal(text_of("private/etc/hello.conf"), "conf");
    assert_int_equal(mode_of("opt/hello"), 0755);
    assert_false(there("opt/._hello"));
    assert_true(out.restart);
    assert_string_equal(out.step, "");
    assert_string_equal(out.reason, "set-id bits dropped: 1, AppleDouble files left out: 1");
    struct receipt r;
    assert_true(receipt_read(memory, volume, "com.example.hello", &r, &e));
    assert_string_equal(r.version, "1.5");
    assert_string_equal(r.package, "made.pkg");
    assert_true(staging_is_empty());
    /* it came without a Bom: the receipt's says what was installed, and nothing that was dropped */
    struct buf b;
    char path[LIMIT_PATH + 1];
    const char *paths = "";
    buf_init(&b, LIMIT_MB);
    assert_true(files_read(volume, RECEIPT_FOLDER "/com.example.hello.bom", &b, &e));
    const struct bom *bom = bom_decode(memory, b.data, b.len, &e);
    assert_non_null(bom);
    for (size_t i = 0; i < bom->count; i++) {
        bom_path(&bom->entries[i], path);
        paths = arena_printf(memory, "%s %s:%o:%u", paths, path, bom->entries[i].mode, bom->entries[i].size);
    }
    assert_non_null(strstr(paths, " opt/hello:100755:5"));
    assert_non_null(strstr(paths, " etc/hello.conf:100644:4"));
    assert_null(strstr(paths, "._hello"));
    buf_release(&b);
    /* with leave; and over itself */
    struct value *keep = value_new_array(memory);
    value_append(memory, keep, value_new_str(memory, "/opt/hello"));
    options.allow_setid = keep;
    assert_true(install(make_package(&p, 1, NULL)));
    assert_int_equal(mode_of("opt/hello"), 04755);
}

/* --- scripts ------------------------------------------------------------------------------------------ */

#define SAY(what) "#!/bin/sh\necho " what " >>\"$3/log\"\n"

static void scripts_run_in_order(void **state)
{
    (void)state;
    const struct archive_member pay[] = {{.name = "./x", .mode = 0100644, .data = "x"}, {.name = NULL}};
    const struct archive_member a[] = {
        {.name = "./preinstall", .mode = 0100755, .data = SAY("pre-a $(ls \"$3/opt\" 2>/dev/null)")},
        {.name = "./postinstall", .mode = 0100755, .data = SAY("post-a $(ls \"$2\")")},
        {.name = NULL}};
    const struct archive_member b[] = {{.name = "./preinstall", .mode = 0100755, .data = SAY("pre-b")},
                                       {.name = NULL}};
    const struct part parts[] = {
        {.folder = "a.pkg",
         .identifier = "com.example.a",
         .payload = pay,
         .scripts = a,
         .attributes = "install-location=\"/opt/a\"",
         .more = "<preinstall file=\"./preinstall\"/><postinstall file=\"./postinstall\"/>"},
        {.folder = "b.pkg",
         .identifier = "com.example.b",
         .payload = pay,
         .scripts = b,
         .attributes = "install-location=\"/opt/b\"",
         .more = "<preinstall file=\"./preinstall\"/>"}};
    const char *product =
        "<installer-gui-script minSpecVersion=\"1\"><choices-outline><line choice=\"c\"/></choices-outline>"
        "<choice id=\"c\"><pkg-ref id=\"com.example.a\"/><pkg-ref id=\"com.example.b\"/></choice>"
        "<pkg-ref id=\"com.example.a\" onConclusion=\"RequireRestart\">#a.pkg</pkg-ref><pkg-ref "
        "id=\"com.example.b\">#b.pkg</pkg-ref>"
        "</installer-gui-script>";
    clean();
    if (!install(make_package(parts, 2, product)))
        fail_msg("%s", e.text);
    assert_string_equal(text_of("log"), "pre-a\npre-b\npost-a x\n");
    assert_true(out.restart);
    assert_true(there(RECEIPT_FOLDER "/com.example.b.plist"));
    /* not run: said, and the payload is there */
    clean();
    env.run_scripts = false;
    assert_true(install(make_package(parts, 2, product)));
    assert_false(there("log"));
    assert_true(out.scripts_skipped);
    assert_string_equal(out.reason, "scripts skipped");
    assert_string_equal(text_of("opt/b/x"), "x");
}

static void scripts_get_what_apple_gives(void **state)
{
    (void)state;
    const struct archive_member s[] = {
        {.name = "./postinstall",
         .mode = 0100755,
         .data = "#!/bin/sh\n{ echo \"$1|$2|$3|$4\"; echo "
                 "\"$PACKAGE_PATH|$SCRIPT_NAME|$DSTROOT|$DSTVOLUME\"; cat helper;\n"
                 "echo \"$MINE|$USER|$INSTALL_PKG_SESSION_ID\"; [ -d \"$TMPDIR\" ] && touch "
                 "\"$INSTALLER_TEMP/t\" && echo temp; } >\"$3/log\"\n"},
        {.name = "./helper", .mode = 0100644, .data = "helper\n"},
        {.name = NULL}};
    const struct part p = {.folder = "",
                           .identifier = "com.example.s",
                           .scripts = s,
                           .attributes = "install-location=\"/usr/local\"",
                           .more = "<postinstall file=\"./postinstall\"/>"};
    static const char *const more[] = {"MINE=1", "USER=someone", NULL};
    clean();
    options.environment = more;
    if (!install(make_package(&p, 1, NULL)))
        fail_msg("%s", e.text);
    const char *want =
        arena_printf(memory,
                     "%s/made.pkg|%s/usr/local|%s|/\n%s/made.pkg|postinstall|%s/usr/"
                     "local|%s\nhelper\n1|someone|com.example.s\ntemp\n",
                     env.cache_path, volume_path, volume_path, env.cache_path, volume_path, volume_path);
    assert_string_equal(text_of("log"), want);
    /* nothing but script, not run: nothing is claimed */
    clean();
    env.run_scripts = false;
    assert_true(install(make_package(&p, 1, NULL)));
    assert_int_equal(out.end, INSTALL_SKIPPED_SCRIPTS);
    assert_false(there(RECEIPT_FOLDER "/com.example.s.plist"));
}

static void scripts_that_fail(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *text;
        unsigned mode;
        int code;
        bool files;
    } rows[] = {{"preinstall", "#!/bin/sh\nexit 7\n", 0755, 7, false},
                {"preinstall", "#!/nowhere/interpreter\n", 0755, -1000, false},
                {"preinstall", "#!/bin/sh\n", 0644, -1000, false},
                {"preinstall", "#!/bin/sh\nkill -9 $$\n", 0755, -9, false},
                {"postinstall", "#!/bin/sh\nexit 1\n", 0755, 1, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct archive_member s[] = {
            {.name = rows[i].kind, .mode = 0100000 | rows[i].mode, .data = rows[i].text}, {.name = NULL}};
        const struct part p = {.folder = "",
                               .identifier = "com.example.f",
                               .payload = hello,
                               .scripts = s,
                               .more =
                                   arena_printf(memory, "<%s file=\"./%s\"/>", rows[i].kind, rows[i].kind)};
        clean();
        assert_false(install(make_package(&p, 1, NULL)));
        if (e.cause != CAUSE_SCRIPT || out.code != rows[i].code || strcmp(out.step, rows[i].kind) != 0)
            fail_msg("row %zu: code %d, step %s: %s", i, out.code, out.step, e.text);
        assert_int_equal(there("opt/hello"), rows[i].files);
        assert_false(there(RECEIPT_FOLDER "/com.example.f.plist"));
        assert_true(staging_is_empty());
    }
    /* named, but not there; and a limit of a second */
    const struct archive_member s[] = {
        {.name = "other", .mode = 0100755, .data = "#!/bin/sh\n"},
        {.name = "slow", .mode = 0100755, .data = "#!/bin/sh\nexec tail -f /dev/null\n"},
        {.name = NULL}};
    struct part p = {.folder = "",
                     .identifier = "com.example.f",
                     .scripts = s,
                     .more = "<preinstall file=\"./preinstall\"/>"};
    assert_false(install(make_package(&p, 1, NULL)));
    assert_int_equal(e.cause, CAUSE_SCRIPT);
    p.more = "<preinstall file=\"./slow\" timeout=\"1\"/>";
    assert_false(install(make_package(&p, 1, NULL)));
    assert_int_equal(e.kind, ERR_TIMEOUT);
    assert_true(staging_is_empty());
}

/* --- refusals, lies, deaths --------------------------------------------------------------------------- */

static void what_is_in_the_way_is_found_first(void **state)
{
    (void)state;
    const struct part p = {.folder = "", .identifier = "com.example.hello", .payload = hello};
    clean();
    put("private/etc/hello.conf/inside", "x");
    assert_false(install(make_package(&p, 1, NULL)));
    assert_int_equal(e.kind, ERR_REFUSED);
    assert_non_null(strstr(e.text, "/etc/hello.conf"));
    assert_false(there("opt"));
    assert_true(staging_is_empty());
}

#define PRODUCT(a, b)                                                                                        \
    "<installer-gui-script minSpecVersion=\"1\"><choices-outline><line choice=\"c\"/></choices-outline>"     \
    "<choice id=\"c\"><pkg-ref id=\"a\"/><pkg-ref id=\"b\"/></choice>"                                       \
    "<pkg-ref id=\"a\">#" a "</pkg-ref><pkg-ref id=\"b\">#" b "</pkg-ref></installer-gui-script>"

static void components_that_meet(void **state)
{
    (void)state;
    static const struct archive_member away[] = {{.name = "./good", .mode = 0100644, .data = "good"},
                                                 {.name = "./away", .mode = 0120777, .data = "/tmp"},
                                                 {.name = NULL}};
    static const struct archive_member evil[] = {{.name = "./evil", .mode = 0100644, .data = "evil"},
                                                 {.name = NULL}};
    struct part parts[] = {
        {.folder = "a.pkg",
         .identifier = "com.example.a",
         .attributes = "install-location=\"/opt/meet\"",
         .payload = away},
        {.folder = "b.pkg",
         .identifier = "com.example.b",
         .attributes = "install-location=\"/opt/meet/away\"",
         .payload = evil},
    };
    clean();
    assert_false(install(make_package(parts, 2, PRODUCT("a.pkg", "b.pkg"))));
    assert_non_null(strstr(e.text, "/opt/meet/away"));
    assert_false(there("opt"));
    assert_true(staging_is_empty());

    parts[1].attributes = "";
    parts[1].identifier = "com.example.A";
    assert_false(install(make_package(parts, 2, PRODUCT("a.pkg", "b.pkg"))));
    assert_non_null(strstr(e.text, "one receipt: com.example.A"));
    assert_false(there("opt"));

    /* two packages that are one component: it is installed once */
    if (!install(make_package(parts, 2, PRODUCT("a.pkg", "a.pkg"))))
        fail_msg("%s", e.text);
    assert_string_equal(text_of("opt/meet/good"), "good");
    assert_false(there("evil"));
}

static void unsupported_packages_are_refused(void **state)
{
    (void)state;
    struct part p;
    clean();
    p = (struct part){.folder = "",
                      .identifier = "com.example.gone",
                      .more = "<payload numberOfFiles=\"3\" installKBytes=\"1\"/>"};
    assert_false(install(make_package(&p, 1, NULL)));
    assert_int_equal(e.kind, ERR_FORMAT);
    /* a package as a file of a product, as old metapackages have them */
    const char *meta = "<installer-gui-script minSpecVersion=\"1\"><choices-outline><line choice=\"c\"/>"
                       "</choices-outline><choice id=\"c\"><pkg-ref id=\"com.example.a\"/></choice>"
                       "<pkg-ref id=\"com.example.a\">#Payload</pkg-ref></installer-gui-script>";
    const struct part inner = {.folder = "", .identifier = "com.example.a", .payload = hello};
    assert_false(install(make_package(&inner, 1, meta)));
    assert_non_null(strstr(e.text, "Payload is a package within the package"));
    /* a product for the other processor, here; extract lays it out all the same */
    const struct part parts[] = {{.folder = "a.pkg", .identifier = "com.example.a", .payload = hello}};
    const char *product = "<installer-gui-script minSpecVersion=\"1\"><options hostArchitectures=\"ppc\"/>"
                          "<choices-outline><line choice=\"c\"/></choices-outline>"
                          "<choice id=\"c\"><pkg-ref id=\"com.example.a\"/></choice>"
                          "<pkg-ref id=\"com.example.a\">#a.pkg</pkg-ref></installer-gui-script>";
    assert_false(install(make_package(parts, 1, product)));
    assert_int_equal(e.kind, ERR_REFUSED);
    const char *to = arena_printf(memory, "%s/usr", volume_path);
    int fd = make_package(parts, 1, product);
    if (!flatpkg_extract(volume_loop, fd, &options, to, false, &sum, &e))
        fail_msg("%s", e.text);
    close(fd);
    assert_string_equal(text_of("usr/opt/hello"), "hello");
}

/* This program as worker: a package that begins with a word is none: the word says how to misbehave. */
static int misbehave(const char *task)
{
    char how[8] = "";
    (void)!pread(WORKER_FIRST, how, 7, 0);
    if (strcmp(task, "inspect") == 0 && (strcmp(how, "killed!") == 0 || strcmp(how, "forever") == 0)) {
        const uint32_t done[] = {
            RECORD_ARCHIVE, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}; /* an archive of no components */
        struct err ignored;
        return files_write(WORKER_CONTROL, done, sizeof done, &ignored) ? 0 : 9;
    }
    if (strcmp(how, "killed!") == 0) {
        (void)!mkdirat((WORKER_FIRST + 1), "0", 0700);
        (void)!mkdirat((WORKER_FIRST + 1), "0/root", 0700);
        raise(SIGKILL);
    }
    if (strcmp(how, "forever") ==
        0) { /* holds the lock, as a worker does, and lives while it is listened to */
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        char pid[32];
        struct err ignored;
        int fd = openat((WORKER_FIRST + 1), "lock", O_RDWR);
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0)
            return 9;
        int n = snprintf(pid, sizeof pid, "%ld", (long)getpid());
        int outside = openat((WORKER_FIRST + 1), "../../pid", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)!files_write(outside, pid, (size_t)n, &ignored);
        close(outside);
        for (;;)
            worker_alive();
    }
    return worker_main(task);
}

static void a_killed_worker_fails_the_item(void **state)
{
    (void)state;
    clean();
    assert_false(install(package_file("killed!", 7)));
    assert_int_equal(e.kind, ERR_CHILD);
    assert_int_equal(e.code, -SIGKILL);
    assert_true(staging_is_empty());
}

static const char *self_path;

static void a_killed_run_is_recovered(void **state)
{
    (void)state;
    const char *argv[] = {self_path, "--install", volume_path, NULL};
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = 60000};
    clean();
    assert_true(files_remove(env.state, "pid", &e));
    struct child *c = child_start(volume_loop, &spec, &e);
    assert_non_null(c);
    uint64_t deadline = loop_now(volume_loop) + 30000;
    while (text_of("Library/Daybreak/pid")[0] == '(' || !*text_of("Library/Daybreak/pid")) {
        loop_turn(volume_loop, 20);
        assert_true(loop_now(volume_loop) < deadline && !child_done(c));
    }
    pid_t worker = (pid_t)strtol(text_of("Library/Daybreak/pid"), NULL, 10);
    assert_int_not_equal(os_process_start(worker), 0);
    child_free(c, NULL); /* kill -9 */
    assert_false(staging_is_empty());
    flatpkg_recover(&env);
    assert_true(staging_is_empty());
    while (os_process_start(worker) != 0) {
        loop_turn(volume_loop, 20);
        assert_true(loop_now(volume_loop) < deadline);
    }
    flatpkg_recover(&env); /* nothing to do */
}

/* The run that gets killed. */
static int hang_in_install(const char *root)
{
    struct err why = {.kind = ERR_NONE};
    env = (struct install_env){
        .loop = loop_open(), .root = files_root(root, false, &why), .root_path = root, .cache_path = root};
    env.state = files_dir(env.root, INSTALL_STATE, false, 0, &why);
    options.name = "forever.pkg";
    return flatpkg_install(&env, package_file("forever", 7), &options, &out, &why) ? 0 : 1;
}

/* --- list and extract --------------------------------------------------------------------------------- */

static char shown[4096];
static char location[LIMIT_PATH + 1]; /* of the last component shown */

static void show_component(void *ctx, const struct flatpkg_component *c)
{
    (void)ctx;
    size_t n = strlen(shown);
    snprintf(location, sizeof location, "%s", c->location);
    snprintf(shown + n, sizeof shown - n, "[%s %s %s%s]", c->identifier, c->version, c->location,
             c->restart ? " restart" : "");
}

static void show_entry(void *ctx, const struct flatpkg_entry *m)
{
    (void)ctx;
    size_t n = strlen(shown);
    snprintf(shown + n, sizeof shown - n, " %c%o:%s%s", m->type, m->mode, m->path, *m->refused ? "!" : "");
}

static void listed_and_extracted(void **state)
{
    (void)state;
    const struct part p = {.folder = "", .identifier = "com.example.hello", .payload = hello};
    const struct flatpkg_visitor v = {show_component, show_entry, NULL};
    const char *to = arena_printf(memory, "%s/usr", volume_path);
    clean();
    int fd = make_package(&p, 1, NULL);
    shown[0] = '\0';
    assert_true(flatpkg_list(volume_loop, fd, &options, false, &v, &sum, &e));
    assert_string_equal(
        shown,
        "[com.example.hello 1.5 /] d755: d755:opt -4755:opt/hello -644:opt/._hello -644:etc/hello.conf");
    assert_true(sum.components == 1 && !sum.has_signature && sum.files == 4);
    assert_true(flatpkg_extract(volume_loop, fd, &options, to, false, &sum, &e));
    assert_true(sum.setid_dropped == 1 && sum.apple_double_dropped == 1 && sum.files == 3);
    assert_int_equal(mode_of("usr/opt/hello"), 0755);
    assert_string_equal(text_of("usr/private/etc/hello.conf"), "conf");
    /* not empty now */
    assert_false(flatpkg_extract(volume_loop, fd, &options, to, false, &sum, &e));
    assert_int_equal(e.kind, ERR_REFUSED);
    assert_true(there("usr/opt/hello"));
    assert_true(files_remove(volume, "usr", &e));
    assert_true(flatpkg_extract(volume_loop, fd, &options, to, true, &sum, &e));
    assert_true(there("usr/Payload") && there("usr/PackageInfo"));
    close(fd);
    /* what an install would refuse is shown, and then said */
    const struct archive_member twice[] = {{.name = "./x", .mode = 0100644, .data = "1"},
                                           {.name = "./X", .mode = 0100644, .data = "2"},
                                           {.name = NULL}};
    const struct part clash = {.folder = "", .identifier = "com.example.clash", .payload = twice};
    fd = make_package(&clash, 1, NULL);
    shown[0] = '\0';
    assert_false(flatpkg_list(volume_loop, fd, &options, false, &v, &sum, &e));
    assert_string_equal(shown, "[com.example.clash 1.5 /] -644:x -644:X!");
    assert_non_null(strstr(e.text, "an install would refuse it: \"X\""));
    assert_false(install(fd));
    /* what fails leaves the folder as it was: absent, or empty */
    assert_true(files_remove(volume, "usr", &e));
    fd = package_file("killed!", 7);
    assert_false(flatpkg_extract(volume_loop, fd, &options, to, false, &sum, &e));
    assert_false(there("usr"));
    assert_int_equal(mkdirat(volume, "usr", 0755), 0);
    assert_false(flatpkg_extract(volume_loop, fd, &options, to, false, &sum, &e));
    bool found = false;
    assert_true(files_list(volume, "usr", flat_seen, &found, &e) && !found);
    close(fd);
}

/* --- samples ------------------------------------------------------------------------------------------ */

static bool sample(const char *path, const char *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    options.name = text_basename(path);
    bool ok = flatpkg_extract(volume_loop, fd, &options, to, false, &sum, &e);
    close(fd);
    return ok;
}

static bool special(void *ctx, const char *name, const struct stat *st)
{
    int dir = *(int *)ctx;
    if (S_ISDIR(st->st_mode)) {
        int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool ok = sub >= 0 && files_list(sub, ".", special, &sub, &e) && sub >= 0;
        if (sub >= 0)
            close(sub);
        if (!ok)
            *(int *)ctx = -1;
        return ok;
    }
    if ((S_ISREG(st->st_mode) && (st->st_mode & 06000) == 0) || S_ISLNK(st->st_mode))
        return true;
    close(dir);
    *(int *)ctx = -1;
    return false;
}

static void malformed_samples_are_refused_or_tamed(void **state)
{
    (void)state;
    const char *samples = package_samples();
    if (!samples) {
        skip();
        return;
    }
    static const char *const tame[] = {
        "bom-cycle",          "cpio-duplicate",   "cpio-name-latin1", "cpio-name-newline-esc",
        "cpio-setgid-sticky", "gzip-multimember", "hdr-size-32-skip", "packageinfo-bad-id",
        "trailing-garbage"};
    const char *folder = arena_printf(memory, "%s/synthetic/malformed", samples);
    const char *to = arena_printf(memory, "%s/usr", volume_path);
    DIR *d = opendir(folder);
    unsigned seen = 0;
    assert_non_null(d);
    clean();
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (!text_ends(entry->d_name, ".pkg") || !package_chosen(seen++))
            continue;
        bool may = false;
        for (size_t i = 0; i < sizeof tame / sizeof *tame; i++)
            may = may || text_starts(entry->d_name, tame[i]);
        assert_true(files_remove(volume, "usr", &e));
        bool ok = sample(arena_printf(memory, "%s/%s", folder, entry->d_name), to);
        if (ok && !may)
            fail_msg("%s was accepted", entry->d_name);
        if (!ok)
            assert_false(there("usr"));
        if (ok) {
            int fd = open(to, O_RDONLY | O_DIRECTORY);
            int at = fd;
            assert_true(files_list(fd, ".", special, &at, &e) && at == fd);
            close(fd);
        }
    }
    closedir(d);
}

/* Compare by what bsdtar makes of the payload that 7z takes out: their trees, ours, byte for byte. */
static int compare_trees(int ours, int theirs, unsigned *count);

struct comparison {
    int ours, theirs;
    unsigned *count;
    const char *bad;
};

static bool same_bytes(int a, int b)
{
    char x[8192], y[8192];
    for (;;) {
        ssize_t n = read(a, x, sizeof x), m = read(b, y, sizeof y);
        if (n != m || n < 0 || memcmp(x, y, (size_t)n) != 0)
            return false;
        if (n == 0)
            return true;
    }
}

static bool same_entry(void *ctx, const char *name, const struct stat *st)
{
    struct comparison *c = ctx;
    struct stat other;
    c->bad = name;
    if (fstatat(c->ours, name, &other, AT_SYMLINK_NOFOLLOW) != 0) {
        if (text_starts(name, "._")) { /* AppleDouble: left out by us */
            c->bad = NULL;
            return true;
        }
        return false;
    }
    ++*c->count;
    if (other.st_mode != st->st_mode || other.st_uid != st->st_uid || other.st_gid != st->st_gid) {
        print_message("%s: %o %u:%u, not %o %u:%u\n", name, other.st_mode, other.st_uid, other.st_gid,
                      st->st_mode, st->st_uid, st->st_gid);
        return false;
    }
    if (S_ISLNK(st->st_mode)) {
        char x[1024] = "", y[1024] = "";
        if (readlinkat(c->ours, name, x, sizeof x - 1) < 0 ||
            readlinkat(c->theirs, name, y, sizeof y - 1) < 0 || strcmp(x, y) != 0)
            return false;
    } else if (S_ISDIR(st->st_mode)) {
        int a = openat(c->ours, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
            b = openat(c->theirs, name, O_RDONLY | O_DIRECTORY);
        bool same = a >= 0 && b >= 0 && compare_trees(a, b, c->count) == 0;
        close(a);
        close(b);
        if (!same)
            return false;
    } else {
        int a = openat(c->ours, name, O_RDONLY | O_NOFOLLOW), b = openat(c->theirs, name, O_RDONLY);
        bool same = a >= 0 && b >= 0 && st->st_mtime == other.st_mtime && same_bytes(a, b);
        close(a);
        close(b);
        if (!same)
            return false;
    }
    c->bad = NULL;
    return true;
}

static int compare_trees(int ours, int theirs, unsigned *count)
{
    struct comparison c = {.ours = ours, .theirs = theirs, .count = count};
    if (!files_list(theirs, ".", same_entry, &c, &e) || c.bad) {
        print_message("differs: %s\n", c.bad ? c.bad : e.text);
        return 1;
    }
    return 0;
}

static bool tool(const char *const *argv, int dir)
{
    struct child_end end;
    const struct child_spec spec = {.argv = argv, .dir = dir, .timeout_ms = 60000};
    return child_run(volume_loop, &spec, &end, &e) && end.exit_code == 0;
}

static void samples_come_out_as_others_see_them(void **state)
{
    (void)state;
    const char *samples = package_samples();
    if (!samples || access("/usr/bin/7z", X_OK) != 0 || access("/usr/bin/bsdtar", X_OK) != 0) {
        printf("skipped: samples, 7z and bsdtar are needed\n");
        skip();
        return;
    }
    static const char *const folders[] = {"pkgs", "synthetic/good"};
    unsigned packages = 0, files = 0, compared = 0, seen = 0;
    char cwd[1024];
    assert_non_null(getcwd(cwd, sizeof cwd));
    const char *base = *samples == '/' ? samples : arena_printf(memory, "%s/%s", cwd, samples);
    for (size_t i = 0; i < 2; i++) {
        const char *folder = arena_printf(memory, "%s/%s", base, folders[i]);
        DIR *d = opendir(folder);
        assert_non_null(d);
        for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
            if (strstr(entry->d_name, ".pkg") == NULL || !package_chosen(seen++))
                continue;
            bool bad = text_starts(entry->d_name, "curl__") || text_starts(entry->d_name, "Homebrew__") ||
                       strstr(entry->d_name, "bad_signature") != NULL;
            const char *path = arena_printf(memory, "%s/%s", folder, entry->d_name);
            const char *to = arena_printf(memory, "%s/usr", volume_path);
            clean();
            options.proved = true;
            if (sample(path, to) == bad)
                fail_msg("%s: %s", entry->d_name, bad ? "accepted" : e.text);
            packages += !bad;
            files += bad ? 0 : (unsigned)sum.files;
            assert_int_equal(sum.setid_dropped, 0);
            if (bad || text_starts(entry->d_name, "payload-pbzx")) /* bsdtar has no pbzx */
                continue;
            /* the members, by 7-Zip; one component's payload, by bsdtar */
            int raw = files_dir(volume, "opt/raw", true, 0755, &e),
                theirs = files_dir(volume, "opt/tree", true, 0755, &e);
            const char *take[] = {"/usr/bin/7z", "x", "-txar", "-y", path, NULL};
            if (!tool(take, raw))
                fail_msg("7z on %s: %s", path, e.text);
            const struct flatpkg_visitor v = {show_component, NULL, NULL};
            shown[0] = '\0';
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            assert_true(flatpkg_list(volume_loop, fd, &options, false, &v, &sum, &e));
            close(fd);
            const char *one = NULL;
            struct stat st;
            if (fstatat(raw, "Payload", &st, 0) == 0)
                one = "Payload";
            DIR *r = opendir(arena_printf(memory, "%s/opt/raw", volume_path));
            for (struct dirent *m; one == NULL && (m = readdir(r)) != NULL;)
                if (text_ends(m->d_name, ".pkg") &&
                    fstatat(raw, arena_printf(memory, "%s/Payload", m->d_name), &st, 0) == 0)
                    one = arena_printf(memory, "%s/Payload", m->d_name);
            closedir(r);
            if (one != NULL && sum.components == 1) {
                const char *unpack[] = {"/usr/bin/bsdtar", "-xpf",
                                        arena_printf(memory, "%s/opt/raw/%s", volume_path, one), NULL};
                if (!tool(unpack, theirs))
                    fail_msg("bsdtar on %s: %s", path, e.text);
                struct stat links;
                int out_dir = open(to, O_RDONLY | O_DIRECTORY);
                int ours = files_dir(out_dir, location, false, 0, &e);
                /* at the root var, etc and tmp are below private: compared there */
                for (int k = 0; k < 3 && strcmp(location, "/") == 0; k++) {
                    const char *name = (const char *const[]){"var", "etc", "tmp"}[k];
                    if (fstatat(theirs, name, &links, AT_SYMLINK_NOFOLLOW) != 0)
                        continue;
                    int a = files_dir(out_dir, name, false, 0, &e),
                        b = openat(theirs, name, O_RDONLY | O_DIRECTORY);
                    assert_int_equal(compare_trees(a, b, &compared), 0);
                    close(a);
                    close(b);
                    const char *away = arena_printf(memory, "../%s", name);
                    (void)!renameat(theirs, name, theirs, away);
                }
                if (compare_trees(ours, theirs, &compared) != 0)
                    fail_msg("%s is not as bsdtar sees it", entry->d_name);
                close(ours);
                close(out_dir);
            }
            close(raw);
            close(theirs);
        }
        closedir(d);
    }
    print_message("%u packages, %u members laid out, %u compared\n", packages, files, compared);
    assert_true(packages >= (package_whole() ? 26 : 8) && compared > (package_whole() ? 3000 : 0));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_component_installs),
        cmocka_unit_test(scripts_run_in_order),
        cmocka_unit_test(scripts_get_what_apple_gives),
        cmocka_unit_test(scripts_that_fail),
        cmocka_unit_test(what_is_in_the_way_is_found_first),
        cmocka_unit_test(components_that_meet),
        cmocka_unit_test(unsupported_packages_are_refused),
        cmocka_unit_test(a_killed_worker_fails_the_item),
        cmocka_unit_test(a_killed_run_is_recovered),
        cmocka_unit_test(listed_and_extracted),
        cmocka_unit_test(malformed_samples_are_refused_or_tamed),
        cmocka_unit_test(samples_come_out_as_others_see_them),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return misbehave(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--install") == 0)
        return hang_in_install(argv[2]);
    struct arena *a = arena_open();
    self_path = os_self(a);
    int failed = cmocka_run_group_tests(tests, volume_up, volume_down);
    arena_free(a);
    return failed;
}
