/* install: every kind of item, the scripts around it, its gates, and what is left behind. */
#include "installer/install.h"
#include "installer/tool.h"
#include "volume.h"

static struct install_outcome out;

static bool install(const char *inside, int file, const char *name)
{
    return install_item(&env, item(inside), file, name, &out, &e);
}

#define TYPE(t)           "<key>installer_type</key><string>" t "</string>"
#define SCRIPT(key, text) "<key>" key "</key><string>#!/bin/sh\n" text "</string>"
#define TEAM(t)           "<key>daybreak</key><dict><key>team_id</key><string>" t "</string></dict>"
#define NEED_SIGNED       "<key>daybreak</key><dict><key>require_signature</key><true/></dict>"
#define ALLOW             "<key>allow_untrusted</key><true/>"
#define VALID                                                                                                \
    "samples/pkgs/univ-of-utah-marriott-library-apple__display_manager__Display_Manager_0.9.3_.dmg__"        \
    "Display_Manager__0.9.3_.pkg"
#define BROKEN  "samples/pkgs/korylprince__goxar__bad_signature.pkg"
#define FOREIGN "samples/synthetic/signed/ok-sha256.pkg"
#define PLAIN   "samples/synthetic/good/sha1-gzip.pkg"
#define HASH    "<key>installer_item_hash</key><string>00</string>"

static void only_scripts(void **state)
{
    (void)state;
    assert_true(install(
        TYPE("nopkg") SCRIPT("preinstall_script", "echo pre >>\"$DAYBREAK_ROOT/log\"\n") SCRIPT(
            "postinstall_script",
            "echo post >>\"$DAYBREAK_ROOT/log\"\n") "<key>RestartAction</key><string>RequireRestart</string>",
        -1, NULL));
    assert_string_equal(text_of("log"), "pre\npost\n");
    assert_true(out.restart);
    assert_string_equal(out.step, "");
    static const struct {
        const char *action;
        bool restart;
    } actions[] = {
        {"RecommendRestart", true}, {"RequireShutdown", true}, {"RequireLogout", false}, {"None", false}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        char keys[200];
        snprintf(keys, sizeof keys, TYPE("nopkg") "<key>RestartAction</key><string>%s</string>",
                 actions[i].action);
        assert_true(install(keys, -1, NULL));
        assert_int_equal(out.restart, actions[i].restart);
    }
    assert_true(install(TYPE("nopkg"), -1, NULL));
    assert_int_equal(out.end, INSTALL_OK);

    assert_false(install(TYPE("nopkg") SCRIPT("preinstall_script", "exit 8\n"), -1, NULL));
    assert_int_equal(out.code, 8);
    assert_int_equal(e.cause, CAUSE_SCRIPT);
    assert_string_equal(out.step, "preinstall");
    assert_string_equal(e.text, "preinstall_script exited with 8");
    assert_true(install(TYPE("nopkg") SCRIPT("postinstall_script", "exit 9\n"), -1, NULL));
    assert_string_equal(out.reason, "postinstall_script exited with 9");
    assert_false(install(TYPE("nopkg") "<key>postinstall_script</key><string>no shebang</string>", -1, NULL));
    assert_string_equal(out.step, "postinstall");
    assert_int_equal(out.code, -1);
}

static void scripts_not_run(void **state)
{
    (void)state;
    env.run_scripts = false;
    assert_true(
        install(TYPE("nopkg") SCRIPT("postinstall_script", "touch \"$DAYBREAK_ROOT/ran\"\n"), -1, NULL));
    assert_int_equal(out.end, INSTALL_SKIPPED_SCRIPTS);
    assert_true(out.scripts_skipped);
    assert_false(there("ran"));
    assert_true(install(TYPE("nopkg"), -1, NULL));
    assert_int_equal(out.end, INSTALL_OK);
    env.run_scripts = true;
}

static void refused(void **state)
{
    (void)state;
    put("Library/Daybreak/Cache/x.zip", "zip");
    int fd = files_open(env.cache, "x.zip", &e);
    assert_false(install(TYPE("appdmg"), fd, "x.zip"));
    assert_string_equal(e.text, "installer_type appdmg is not supported");
    assert_int_equal(out.code, -99);
    assert_false(install(TYPE("startosinstall"), fd, "x.zip"));
    assert_int_equal(out.code, -99);
    assert_false(install(HASH, -1, NULL));
    assert_int_equal(out.code, -99);
    assert_false(install(HASH, fd, "x.rar"));
    assert_int_equal(out.code, -99);
    assert_false(install(TYPE("copy_from_dmg") HASH
                         "<key>daybreak</key><dict><key>team_id</key><string>ABCDE12345</string></dict>",
                         fd, "x.dmg"));
    assert_int_equal(e.cause, CAUSE_SIGNATURE);
    assert_false(install(TYPE("copy_from_dmg") HASH
                         "<key>daybreak</key><dict><key>require_signature</key><true/></dict>",
                         fd, "x.dmg"));
    assert_int_equal(e.kind, ERR_TRUST);
    assert_false(install(TYPE("copy_from_dmg") HASH, fd, "x.dmg"));
    assert_string_equal(e.text, "items_to_copy is missing or malformed");
    assert_int_equal(out.code, -1);
    close(fd);
}

static void profile_gates(void **state)
{
    (void)state;
    env.facts = dict("<key>os_vers</key><string>14.0</string>");
    const char *inside = TYPE("nopkg")
        SCRIPT("preinstall_script",
               "touch \"$DAYBREAK_ROOT/too-early\"\n") "<key>daybreak</key><dict><key>profiles</"
                                                       "key><array><string>org.gate</string></array></dict>";
    assert_true(install(inside, -1, NULL));
    assert_int_equal(out.end, INSTALL_WAITING);
    assert_string_equal(out.reason, "waiting for profile org.gate");
    assert_false(there("too-early"));
    put("Library/Daybreak/Cache/p.mobileconfig",
        plist(
            "<key>PayloadType</key><string>Configuration</string><key>PayloadIdentifier</key><string>org.gate"
            "</string><key>PayloadUUID</key><string>U</string><key>PayloadContent</key><array/>"));
    int fd = files_open(env.cache, "p.mobileconfig", &e);
    const char *profile =
        TYPE("profile") HASH SCRIPT("preinstall_script", "touch \"$DAYBREAK_ROOT/too-early\"\n");
    assert_true(install(profile, fd, "p.mobileconfig"));
    assert_int_equal(out.end, INSTALL_WAITING);
    assert_false(there("too-early"));
    put("Library/Daybreak/profiles.plist",
        plist("<key>_computerlevel</key><array><dict><key>ProfileIdentifier</key><string>org.gate</string></"
              "dict>"
              "</array>"));
    assert_true(install(profile, fd, "p.mobileconfig"));
    assert_int_equal(out.end, INSTALL_OK);
    assert_true(there("too-early"));
    assert_true(install(inside, -1, NULL));
    assert_int_equal(out.end, INSTALL_OK);
    close(fd);
}

static int sample(const char *path, const char *name)
{
    struct err why;
    const char *from = shared(path);
    if (from && tool_path(memory, NULL, TOOL_SEVENZIP, &why))
        return cached(from, name);
    if (from)
        printf("skipped: %s\n", why.text);
    return -1;
}

static void application_in_an_image(void **state)
{
    (void)state;
    int fd = sample("samples/dmg/keeleysam__munki_repo__Caffeine-1.1.1.dmg", "Caffeine.dmg");
    if (fd < 0)
        skip();
    const char *inside = TYPE("copy_from_dmg") HASH
        "<key>items_to_copy</key><array><dict><key>source_item</key><string>Caffeine.app</string>"
        "<key>destination_path</key><string>/Applications</string></dict></array>";
    if (!install(inside, fd, "Caffeine.dmg"))
        fail_msg("%s", e.text);
    assert_int_equal(mode_of("Applications/Caffeine.app/Contents/MacOS/Caffeine"), 0755);
    struct pkginfo *p = item(
        arena_printf(memory, "%s<key>uninstall_method</key><string>remove_copied_items</string>", inside));
    assert_true(install_remove(&env, p, p->raw, -1, NULL, &out, &e));
    assert_false(there("Applications/Caffeine.app"));
    close(fd);
}

/* One member of a tar archive, which 7-Zip takes for an image as well. */
static void tar_member(struct buf *b, const char *name, char type, const char *link)
{
    char h[512] = "";
    unsigned sum = 0;
    snprintf(h, 100, "%s", name);
    snprintf(h + 100, 8, "%07o", type == '5' ? 0755 : 0644);
    snprintf(h + 108, 8, "%07o", 0);
    snprintf(h + 116, 8, "%07o", 0);
    snprintf(h + 124, 12, "%011o", 0);
    snprintf(h + 136, 12, "%011o", 0);
    memset(h + 148, ' ', 8);
    h[156] = type;
    snprintf(h + 157, 100, "%s", link);
    memcpy(h + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof h; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    assert_true(buf_append(b, h, sizeof h, &e));
}

static void links_of_an_image(void **state)
{
    char target[256] = "";
    static const char zeros[1024];
    struct err why;
    struct buf b;
    (void)state;
    if (!tool_path(memory, NULL, TOOL_SEVENZIP, &why)) {
        printf("skipped: %s\n", why.text);
        skip();
    }
    buf_init(&b, LIMIT_MB);
    tar_member(&b, "L.app/", '5', "");
    tar_member(&b, "L.app/absolute", '2', "/Library/Thing");
    tar_member(&b, "L.app/relative", '2', "absolute");
    tar_member(&b, "L.app/in", '5', "");
    tar_member(&b, "L.app/in/up", '2', "../../L.app/in");
    assert_true(buf_append(&b, zeros, sizeof zeros, &e));
    assert_true(files_replace(env.cache, "l.dmg", b.data, b.len, 0600, FILES_LAZY, &e));
    buf_release(&b);
    int fd = files_open(env.cache, "l.dmg", &e);
    if (!install(TYPE("copy_from_dmg") HASH
                 "<key>items_to_copy</key><array><dict><key>source_item</key><string>L.app</string>"
                 "<key>destination_path</key><string>/Applications</string></dict></array>",
                 fd, "l.dmg"))
        fail_msg("%s", e.text);
    close(fd);
    int dir = files_dir(volume, "Applications/L.app", false, 0, &e);
    assert_true(readlinkat(dir, "absolute", target, sizeof target - 1) > 0);
    assert_string_equal(target, "/Library/Thing");
    memset(target, 0, sizeof target);
    if (readlinkat(dir, "relative", target, sizeof target - 1) > 0) /* it points at the one left out */
        assert_string_equal(target, "absolute");
    memset(target, 0, sizeof target);
    assert_true(readlinkat(dir, "in/up", target, sizeof target - 1) > 0);
    assert_string_equal(target, "../../L.app/in");
    close(dir);
}

static void package_in_an_image(void **state)
{
    (void)state;
    int fd = sample("samples/dmg/keeleysam__munki_repo__facter-2.4.4.dmg", "facter.dmg");
    if (fd < 0)
        skip();
    env.run_scripts = false;
    assert_false(install(HASH "<key>package_path</key><string>none.pkg</string>", fd, "facter.dmg"));
    assert_int_equal(out.code, -99);
    if (!install(HASH, fd, "facter.dmg"))
        fail_msg("%s", e.text);
    assert_true(there("private/var/db/receipts/com.puppetlabs.facter.plist"));
    assert_true(out.scripts_skipped);
    env.run_scripts = true;
    close(fd);
}

static void package_and_its_removal(void **state)
{
    (void)state;
    const char *from = shared("samples/synthetic/good/sha1-gzip.pkg");
    if (!from)
        skip();
    int fd = cached(from, "s.pkg");
    put("opt/other", "stays");
    if (!install(HASH, fd, "s.pkg"))
        fail_msg("%s", e.text);
    close(fd);
    assert_true(there("private/var/db/receipts/com.example.synth.bom"));
    assert_int_equal(mode_of("opt/hello/run.sh"), 0755);

    const struct value *entry = dict("<key>uninstall_method</key><string>removepackages</string>"
                                     "<key>packages</key><array><string>com.example.synth</string></array>");
    if (!install_remove(&env, item(""), entry, -1, NULL, &out, &e))
        fail_msg("%s", e.text);
    assert_string_equal(out.reason, "");
    assert_false(there("private/var/db/receipts/com.example.synth.plist"));
    assert_false(there("opt/hello"));
    assert_string_equal(text_of("opt/other"), "stays");
    assert_false(install_remove(&env, item(""), entry, -1, NULL, &out, &e));
    assert_int_equal(out.code, -4);
}

static void recovers(void **state)
{
    (void)state;
    put("Library/Daybreak/script-aaaa/postinstall_script", "");
    put("Library/Daybreak/choices-aaaa/choices.xml", "");
    put("Library/Daybreak/image-aaaa/x", "");
    put("Library/Daybreak/status.json", "{}");
    install_recover(&env);
    assert_false(there("Library/Daybreak/script-aaaa"));
    assert_false(there("Library/Daybreak/choices-aaaa"));
    assert_false(there("Library/Daybreak/image-aaaa"));
    assert_true(there("Library/Daybreak/status.json"));
}

static void blocking(void **state)
{
    const char *name = NULL, *self = os_self(memory);
    (void)state;
    struct pkginfo *by_path = item(arena_printf(
        memory, "<key>blocking_applications</key><array><string>NoSuch</string><string>%s</string></array>",
        self));
    struct pkginfo *by_name = item(arena_printf(
        memory, "<key>blocking_applications</key><array><string>%s</string></array>", text_basename(self)));
    struct pkginfo *none = item("<key>blocking_applications</key><array/>");
    assert_false(install_blocked(&env, by_path, &name)); /* another volume runs nothing */
    env.live = true;
    assert_true(install_blocked(&env, by_path, &name));
    assert_string_equal(name, self);
    assert_true(install_blocked(&env, by_name, &name));
    assert_false(install_blocked(&env, none, &name));
    assert_false(install_blocked(&env,
                                 item("<key>installs</key><array><dict><key>type</key><string>application"
                                      "</string><key>path</key><string>/Applications/NoSuch.app</string>"
                                      "</dict></array>"),
                                 &name));
    env.live = false;
}

/* Refused before its preinstall_script runs, with nothing staged; or installed, the status told. */
static void signature_policies(void **state)
{
    static const struct {
        const char *sample, *inside;
        enum cause cause; /* NONE: it installs */
        const char *status;
    } rows[] = {
        {VALID, TEAM("HJ453M68GG") HASH, CAUSE_NONE, "signed"},
        {VALID, TEAM("ABCDE12345") HASH, CAUSE_TEAM_ID, "signed"},
        {VALID, NEED_SIGNED HASH, CAUSE_NONE, "signed"},
        {VALID, "", CAUSE_NONE, "signed"}, /* no hash: its signature will do */
        {BROKEN, HASH, CAUSE_SIGNATURE, "invalid"},
        {BROKEN, ALLOW, CAUSE_SIGNATURE, "invalid"},
        {FOREIGN, HASH, CAUSE_NONE, "untrusted"},
        {FOREIGN, NEED_SIGNED HASH, CAUSE_SIGNATURE, "untrusted"},
        {FOREIGN, TEAM("ABCDE12345") HASH, CAUSE_SIGNATURE, "untrusted"},
        {FOREIGN, "", CAUSE_SIGNATURE, "untrusted"},
        {FOREIGN, ALLOW, CAUSE_NONE, "untrusted"},
        {PLAIN, HASH, CAUSE_NONE, "unsigned"},
        {PLAIN, TEAM("ABCDE12345") HASH, CAUSE_SIGNATURE, "unsigned"},
        {PLAIN, "", CAUSE_SIGNATURE, "unsigned"},
        {PLAIN, ALLOW, CAUSE_NONE, "unsigned"},
        {PLAIN, ALLOW NEED_SIGNED, CAUSE_SIGNATURE, "unsigned"},
    };
    const char *script = SCRIPT("preinstall_script", "touch \"$DAYBREAK_ROOT/too-early\"\n");
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *from = shared(rows[i].sample);
        if (!from)
            skip();
        int fd = cached(from, "s.pkg");
        bool ok = install(arena_printf(memory, "%s%s", rows[i].inside, script), fd, "s.pkg");
        if (ok != (rows[i].cause == CAUSE_NONE) || (!ok && e.cause != rows[i].cause) ||
            there("too-early") != ok || strcmp(out.signature.status, rows[i].status) != 0)
            fail_msg("row %zu: %d, %s, %s", i, ok, out.signature.status, ok ? "" : e.text);
        assert_true(files_remove(volume, "too-early", &e));
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_scripts),
        cmocka_unit_test(scripts_not_run),
        cmocka_unit_test(refused),
        cmocka_unit_test(profile_gates),
        cmocka_unit_test(application_in_an_image),
        cmocka_unit_test(links_of_an_image),
        cmocka_unit_test(package_in_an_image),
        cmocka_unit_test(package_and_its_removal),
        cmocka_unit_test(recovers),
        cmocka_unit_test(signature_policies),
        cmocka_unit_test(blocking),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return install_worker(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
