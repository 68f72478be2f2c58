/* detect: every kind of evidence, in the order in which it decides. */
#include "core/crypto.h"
#include "installer/detect.h"
#include "volume.h"

static char broken[512];

static void on_broken(void *ctx, const struct pkginfo *p, const char *sentence)
{
    (void)ctx;
    snprintf(broken, sizeof broken, "%s: %s", p->name, sentence);
}

static struct detect_config config(void)
{
    return (struct detect_config){.loop = volume_loop,
                                  .root = volume,
                                  .root_path = volume_path,
                                  .run_scripts = true,
                                  .os_version = "14.5",
                                  .script_timeout_ms = 10000,
                                  .script_broken = on_broken};
}

static enum plan_state state_of(const char *inside)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    enum plan_state s = detect_installed(d, item(inside));
    detect_free(d);
    return s;
}

static bool some(const char *inside)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    bool s = detect_some_version(d, item(inside));
    detect_free(d);
    return s;
}

static bool evidence(const char *inside)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    bool s = detect_evidence(d, item(inside));
    detect_free(d);
    return s;
}

static const char *reason(const char *inside)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    struct pkginfo *p = item(inside);
    detect_installed(d, p);
    const char *s = arena_strdup(memory, detect_reason(d, p));
    detect_free(d);
    return s;
}

static void put_app(const char *path, const char *id, const char *name, const char *version)
{
    put(arena_printf(memory, "%s/Contents/Info.plist", path),
        plist(arena_printf(memory,
                           "<key>CFBundleIdentifier</key><string>%s</string><key>CFBundleName</key>"
                           "<string>%s</string><key>CFBundleShortVersionString</key><string>%s</string>",
                           id, name, version)));
}

static void put_receipt(const char *file, const char *id, const char *version)
{
    put(arena_printf(memory, "private/var/db/receipts/%s.plist", file),
        plist(arena_printf(memory,
                           "<key>PackageIdentifier</key><string>%s</string><key>PackageVersion</key>"
                           "<string>%s</string>",
                           id, version)));
}

static const char *installs(const char *entry)
{
    return arena_printf(memory, "<key>installs</key><array><dict>%s</dict></array>", entry);
}

static const char *app_at(const char *path, const char *version)
{
    return installs(
        arena_printf(memory,
                     "<key>type</key><string>application</string><key>path</key><string>%s</string>"
                     "<key>CFBundleShortVersionString</key><string>%s</string>",
                     path, version));
}

static void applications_by_path(void **state)
{
    (void)state;
    put_app("Applications/One.app", "org.one", "One", "2.0");
    assert_int_equal(state_of(app_at("/Applications/One.app", "2.0")), PLAN_THIS);
    assert_int_equal(state_of(app_at("/Applications/One.app", "1.5")), PLAN_NEWER);
    assert_int_equal(state_of(app_at("/Applications/One.app", "2.1")), PLAN_ABSENT);
    assert_int_equal(state_of(app_at("/Applications/None.app", "2.0")), PLAN_ABSENT);
    assert_true(some(app_at("/Applications/One.app", "2.1")));
    assert_false(some(app_at("/Applications/None.app", "2.0")));
    assert_string_equal(reason(app_at("/Applications/One.app", "2.1")),
                        "installs[0]: /Applications/One.app/Contents/Info.plist: 2.0 is older than 2.1");
    assert_string_equal(reason(app_at("/Applications/None.app", "2.0")),
                        "installs[0]: /Applications/None.app is not there");
    put("Applications/Empty.app/readme", "");
    assert_int_equal(state_of(app_at("/Applications/Empty.app", "1")), PLAN_ABSENT);
}

static void applications_through_links(void **state)
{
    (void)state;
    put_app("Applications/Real.app", "org.real", "Real", "2.0");
    link_to("/Applications/Real.app", "Applications/Link.app");
    link_to("../../../../../../Applications/Real.app", "Applications/Up.app");
    assert_int_equal(state_of(app_at("/Applications/Link.app", "2.0")), PLAN_THIS);
    assert_int_equal(state_of(app_at("/Applications/Up.app", "2.0")), PLAN_THIS);
}

static void applications_by_name(void **state)
{
    static const char by_id[] = "<key>type</key><string>application</string><key>CFBundleIdentifier</key>"
                                "<string>%s</string><key>CFBundleShortVersionString</key><string>%s</string>";
    (void)state;
    put_app("Applications/V9.app", "org.v", "Vee", "9.0");
    put_app("Applications/Deep/er/V10.app", "org.v", "Vee", "10.0");
    put_app("Users/jo/Applications/V11.app", "org.v", "Vee", "11.0");
    put_app("Users/Shared/W.app", "org.w", "W", "1.0");
    put_app("private/var/x/Z.app", "org.z", "Z", "1.0");
    assert_int_equal(state_of(installs(arena_printf(memory, by_id, "org.v", "10.0"))), PLAN_THIS);
    assert_int_equal(state_of(installs(arena_printf(memory, by_id, "org.v", "9.5"))), PLAN_NEWER);
    assert_int_equal(state_of(installs(arena_printf(memory, by_id, "org.v", "11.0"))), PLAN_ABSENT);
    assert_int_equal(state_of(installs(arena_printf(memory, by_id, "org.w", "1.0"))), PLAN_THIS);
    assert_int_equal(state_of(installs(arena_printf(memory, by_id, "org.z", "1.0"))), PLAN_ABSENT);
    assert_true(some(installs(arena_printf(memory, by_id, "org.v", "12.0"))));
    /* neither: malformed counts as installed, but not as present */
    const char *bad = installs("<key>type</key><string>application</string>"
                               "<key>CFBundleShortVersionString</key><string>1</string>");
    assert_int_equal(state_of(bad), PLAN_THIS);
    assert_false(some(bad));
    /* an empty name matches no application without one */
    put_app("Applications/Nameless.app", "", "", "1.0");
    assert_int_equal(state_of(installs("<key>type</key><string>application</string><key>CFBundleName</key>"
                                       "<string>Nope</string><key>CFBundleIdentifier</key><string></string>"
                                       "<key>CFBundleShortVersionString</key><string>1.0</string>")),
                     PLAN_ABSENT);
}

static void bundles_and_plists(void **state)
{
    (void)state;
    put("Library/B.plugin/Resources/Info.plist", plist("<key>CFBundleVersion</key><string>2.0</string>"));
    put("Library/b.plist",
        plist("<key>Build</key><string>77</string><key>Number</key><integer>77</integer>"));
#define ENTRY(type, path, rest)                                                                              \
    installs("<key>type</key><string>" type "</string><key>path</key><string>" path "</string>" rest)
    assert_int_equal(state_of(ENTRY("bundle", "/Library/B.plugin",
                                    "<key>CFBundleShortVersionString</key><string>2.0</string>")),
                     PLAN_THIS);
    assert_int_equal(state_of(ENTRY("bundle", "/Library/B.plugin",
                                    "<key>CFBundleShortVersionString</key><string>2.0</string>"
                                    "<key>minimum_update_version</key><string>2.1</string>")),
                     PLAN_ABSENT);
    assert_int_equal(state_of(ENTRY("plist", "/Library/b.plist",
                                    "<key>version_comparison_key</key><string>Build</string>"
                                    "<key>Build</key><string>77</string>")),
                     PLAN_THIS);
    assert_int_equal(state_of(ENTRY("plist", "/Library/b.plist",
                                    "<key>version_comparison_key</key><string>Number</string>"
                                    "<key>Number</key><string>77</string>")),
                     PLAN_ABSENT);
    assert_int_equal(state_of(ENTRY("plist", "/Library/b.plist", "")), PLAN_THIS); /* no version: malformed */
    assert_int_equal(state_of(ENTRY("wrong", "/Library/b.plist", "")), PLAN_THIS);
    assert_int_equal(state_of(installs("<key>path</key><string>/x</string>")), PLAN_THIS);
}

static void plain_files(void **state)
{
    unsigned char sum[DIGEST_MAX];
    char hex[2 * DIGEST_MAX + 1], upper[2 * DIGEST_MAX + 1];
    (void)state;
    put("usr/local/f", "abc");
    link_to("nowhere", "usr/local/dangling");
    digest_of(DIGEST_MD5, "abc", 3, sum);
    text_hex(hex, sum, 16);
    snprintf(upper, sizeof upper, "%s", hex);
    for (char *p = upper; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'f' ? *p - 32 : *p);
#define FILE_ENTRY(path, sum)                                                                                \
    installs(arena_printf(                                                                                   \
        memory, "<key>type</key><string>file</string><key>path</key><string>%s</string>%s", path, sum))
#define SUM(s) arena_printf(memory, "<key>md5checksum</key><string>%s</string>", s)
    assert_int_equal(state_of(FILE_ENTRY("/usr/local/f", "")), PLAN_THIS);
    assert_int_equal(state_of(FILE_ENTRY("/usr/local", "")), PLAN_THIS);
    assert_int_equal(state_of(FILE_ENTRY("/usr/local/dangling", "")), PLAN_ABSENT);
    assert_int_equal(state_of(FILE_ENTRY("/usr/local/f", SUM(hex))), PLAN_THIS);
    assert_int_equal(state_of(FILE_ENTRY("/usr/local/f", SUM(upper))), PLAN_ABSENT);
    assert_int_equal(state_of(FILE_ENTRY("/usr/local", SUM(hex))), PLAN_ABSENT);
    assert_true(some(FILE_ENTRY("/usr/local/f", SUM("00"))));
    assert_int_equal(state_of(installs("<key>type</key><string>file</string>")), PLAN_THIS);
    put("private/var/lib/here", "");
    assert_int_equal(state_of(FILE_ENTRY("/var/lib/here", "")), PLAN_THIS);
}

static void receipts(void **state)
{
    static const char one[] = "<key>receipts</key><array><dict><key>packageid</key><string>%s</string>"
                              "<key>version</key><string>%s</string>%s</dict></array>";
    (void)state;
    put_receipt("a", "org.a", "2.0");
    put_receipt("b", "org.other-than-its-file", "1.0");
    put("private/var/db/receipts/broken.plist", "<html>");
    assert_int_equal(state_of(arena_printf(memory, one, "org.a", "2.0", "")), PLAN_THIS);
    assert_int_equal(state_of(arena_printf(memory, one, "org.a", "1.0", "")), PLAN_NEWER);
    assert_int_equal(state_of(arena_printf(memory, one, "org.a", "3.0", "")), PLAN_ABSENT);
    assert_int_equal(state_of(arena_printf(memory, one, "org.none", "2.0", "")), PLAN_ABSENT);
    assert_int_equal(state_of(arena_printf(memory, one, "org.none", "2.0", "<key>optional</key><true/>")),
                     PLAN_THIS);
    assert_int_equal(state_of(arena_printf(memory, one, "org.other-than-its-file", "1.0", "")), PLAN_THIS);
    assert_int_equal(state_of("<key>receipts</key><array/>"), PLAN_THIS);
    assert_int_equal(state_of("<key>receipts</key><array><dict><key>packageid</key><string>x</string></dict>"
                              "</array>"),
                     PLAN_THIS);
    /* installs that is not empty decides alone; an empty one is ignored */
    assert_int_equal(state_of(arena_printf(memory, "%s<key>installs</key><array/>",
                                           arena_printf(memory, one, "org.a", "3.0", ""))),
                     PLAN_ABSENT);
    assert_int_equal(state_of(arena_printf(memory, "%s%s", arena_printf(memory, one, "org.a", "3.0", ""),
                                           installs("<key>type</key><string>file</string><key>path</key>"
                                                    "<string>/private</string>"))),
                     PLAN_THIS);

    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    assert_string_equal(detect_receipt_version(d, "org.a"), "2.0");
    assert_null(detect_receipt_version(d, "org.none"));
    put_receipt("a", "org.a", "2.5");
    assert_string_equal(detect_receipt_version(d, "org.a"), "2.0");
    detect_forget(d);
    assert_string_equal(detect_receipt_version(d, "org.a"), "2.5");
    detect_free(d);
}

#define SCRIPT(key, text) "<key>" key "</key><string>" text "</string>"

static void check_scripts(void **state)
{
    (void)state;
    assert_int_equal(state_of(SCRIPT("installcheck_script", "#!/bin/sh\nexit 0\n")), PLAN_ABSENT);
    assert_int_equal(state_of(SCRIPT("installcheck_script", "#!/bin/sh\nexit 1\n")), PLAN_THIS);
    assert_int_equal(state_of(SCRIPT("installcheck_script", "#!/bin/sh\r\nexit 0\r\n")), PLAN_ABSENT);
    assert_int_equal(
        state_of("<key>OnDemand</key><true/>" SCRIPT("installcheck_script", "#!/bin/sh\nexit 1\n")),
        PLAN_ABSENT);
    assert_int_equal(state_of(SCRIPT("version_script", "#!/bin/sh\necho ' 2.0 '\n")), PLAN_THIS);
    assert_int_equal(state_of(SCRIPT("version_script", "#!/bin/sh\necho 3\n")), PLAN_NEWER);
    assert_int_equal(state_of(SCRIPT("version_script", "#!/bin/sh\necho 1\n")), PLAN_ABSENT);
    assert_int_equal(state_of(SCRIPT("version_script", "#!/bin/sh\necho 2.0\nexit 1\n")), PLAN_ABSENT);
    assert_int_equal(state_of(SCRIPT("version_script", "#!/bin/sh\necho 2.0 >&amp;2\n")), PLAN_ABSENT);
    assert_true(some(SCRIPT("version_script", "#!/bin/sh\necho 1\n")));
    assert_true(evidence(SCRIPT("uninstallcheck_script", "#!/bin/sh\nexit 0\n")));
    assert_false(evidence(SCRIPT("uninstallcheck_script", "#!/bin/sh\nexit 2\n")));
    assert_true(evidence(SCRIPT("installcheck_script", "#!/bin/sh\nexit 2\n")));
    assert_false(there("Library/Daybreak/script-"));
}

static void broken_scripts(void **state)
{
    (void)state;
    assert_int_equal(state_of(SCRIPT("installcheck_script", "exit 0\n")), PLAN_THIS);
    assert_string_equal(broken, "thing: installcheck_script does not begin with \"#!\" and an interpreter");
    assert_int_equal(state_of(SCRIPT("installcheck_script", "#!/no/such/shell\nexit 0\n")), PLAN_THIS);
    assert_string_equal(
        broken, "thing: installcheck_script: its interpreter /no/such/shell is not there or not executable");
    assert_int_equal(state_of(SCRIPT("installcheck_script", "#!/bin/sh\nkill -9 $$\n")), PLAN_THIS);
    assert_non_null(strstr(broken, "signal 9"));
    assert_false(evidence(SCRIPT("uninstallcheck_script", "#!/bin/sh\nkill -9 $$\n")));
}

static void scripts_are_asked_once_a_look(void **state)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    struct pkginfo *p =
        item(SCRIPT("installcheck_script", "#!/bin/sh\necho x >>\"$DAYBREAK_ROOT/count\"\nexit 0\n"));
    (void)state;
    detect_installed(d, p);
    detect_some_version(d, p);
    detect_evidence(d, p);
    assert_string_equal(text_of("count"), "x\n");
    detect_forget(d);
    detect_installed(d, p);
    assert_string_equal(text_of("count"), "x\nx\n");
    detect_free(d);
}

static void without_scripts(void **state)
{
    struct detect_config c = config();
    struct detect *d;
    (void)state;
    struct pkginfo *check = item(SCRIPT("installcheck_script", "#!/bin/sh\ntouch \"$DAYBREAK_ROOT/ran\"\n"));
    struct pkginfo *version = item(SCRIPT("version_script", "#!/bin/sh\necho 2.0\n"));

    c.run_scripts = false;
    d = detect_open(&c);
    assert_int_equal(detect_installed(d, check), PLAN_THIS); /* no other evidence */
    assert_false(detect_verifiable(d, check));
    assert_false(there("ran"));
    detect_free(d);

    c.script_results = dict("<key>thing</key><dict><key>installcheck</key><integer>0</integer>"
                            "<key>uninstallcheck</key><integer>0</integer><key>version</key><string>1.0"
                            "</string></dict>");
    d = detect_open(&c);
    assert_int_equal(detect_installed(d, check), PLAN_ABSENT);
    assert_int_equal(detect_installed(d, version), PLAN_ABSENT);
    assert_true(detect_some_version(d, version));
    assert_true(detect_evidence(d, item(SCRIPT("uninstallcheck_script", "#!/bin/sh\nexit 1\n"))));
    assert_false(detect_verifiable(d, check));
    detect_free(d);
}

static void systems(void **state)
{
#define OS(type, version) "<key>installer_type</key><string>" type "</string>" version
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    struct pkginfo *p = item(OS("startosinstall", ""));
    (void)state;
    p->version = "14.6.1";
    assert_int_equal(detect_installed(d, p), PLAN_NEWER); /* 14.5 against 14 */
    p->version = "15.1";
    assert_int_equal(detect_installed(d, p), PLAN_ABSENT);
    p->version = "10.15.7";
    assert_int_equal(detect_installed(d, p), PLAN_NEWER);
    p = item(OS("stage_os_installer", ""));
    p->version = "15.1";
    assert_int_equal(detect_installed(d, p), PLAN_THIS);
    assert_true(detect_some_version(d, p));
    p->version = "14";
    assert_int_equal(detect_installed(d, p), PLAN_NEWER);
    detect_free(d);
}

static void evidence_of_installs(void **state)
{
    (void)state;
    put("opt/there", "");
    const char *both = "<key>installs</key><array><dict><key>type</key><string>file</string><key>path</key>"
                       "<string>/opt/there</string></dict><dict><key>type</key><string>application</string>"
                       "<key>CFBundleName</key><string>Q</string></dict></array>";
    assert_true(evidence(both));
    assert_false(
        evidence(arena_printf(memory, "%s<key>uninstall_method</key><string>removepackages</string>", both)));
    assert_false(evidence(""));
    assert_false(
        evidence(installs("<key>type</key><string>file</string><key>path</key><string>/opt/no</string>")));
}

static void installed_versions(void **state)
{
    struct detect_config c = config();
    (void)state;
    put_receipt("v", "org.ver", "7.7");
    put_app("Applications/Ver.app", "org.verapp", "Ver", "3.1");
    put("Library/nov.plist", plist(""));
    put("Library/R.plugin/Resources/Info.plist",
        plist("<key>CFBundleShortVersionString</key><string>3</string>"));
    struct detect *d = detect_open(&c);
    assert_string_equal(
        detect_installed_version(d, item("<key>receipts</key><array><dict><key>packageid</key>"
                                         "<string>org.ver</string><key>version</key>"
                                         "<string>2.0.0</string></dict></array>")),
        "7.7");
    assert_null(detect_installed_version(d, item("<key>receipts</key><array><dict><key>packageid</key>"
                                                 "<string>org.ver</string><key>version</key>"
                                                 "<string>2.1</string></dict></array>")));
    assert_string_equal(detect_installed_version(d, item(app_at("/Applications/Ver.app", "2.0"))), "3.1");
    assert_null(detect_installed_version(d, item(app_at("/Applications/Ver.app", "2.1"))));
    assert_string_equal(
        detect_installed_version(
            d,
            item(installs("<key>type</key><string>application</string><key>CFBundleIdentifier</key><string>"
                          "org.verapp</string><key>CFBundleShortVersionString</key><string>2.0</string>"))),
        "3.1");
    assert_null(detect_installed_version(
        d, item(installs(
               "<key>type</key><string>plist</string><key>path</key><string>/Library/nov.plist</string>"
               "<key>CFBundleShortVersionString</key><string>2.0</string>"))));
    assert_null(detect_installed_version(
        d, item(installs(
               "<key>type</key><string>bundle</string><key>path</key><string>/Library/R.plugin</string>"
               "<key>CFBundleShortVersionString</key><string>2.0</string>"))));
    detect_free(d);
}

static void verifiable(void **state)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    (void)state;
    assert_false(detect_verifiable(d, item("")));
    assert_false(detect_verifiable(d, item("<key>OnDemand</key><true/>")));
    assert_true(detect_verifiable(d, item(app_at("/x", "1"))));
    assert_false(detect_verifiable(d, item("<key>receipts</key><array/>")));
    struct pkginfo *p = item("<key>installer_type</key><string>nopkg</string>" SCRIPT(
        "installcheck_script", "#!/bin/sh\n[ -e \"$DAYBREAK_ROOT/done\" ]; [ $? = 1 ]\n"));
    detect_installed(d, p);
    assert_false(detect_verifiable(d, p));
    put("done", "");
    assert_int_equal(detect_installed(d, p), PLAN_ABSENT); /* remembered */
    assert_true(detect_verifiable(d, p));                  /* asked again */
    assert_int_equal(detect_installed(d, p), PLAN_THIS);
    assert_true(detect_verifiable(d, item("<key>installer_type</key><string>copy_from_dmg</string>" SCRIPT(
                                         "installcheck_script", "#!/bin/sh\nexit 0\n"))));
    detect_free(d);
}

static void all_applications(void **state)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    (void)state;
    put_app("Applications/AAA.app", "org.aaa", "", "1");
    put_app("Applications/AAA.app/Contents/Helper.app", "org.helper", "Helper", "1");
    const struct value *list = detect_applications(d, memory);
    bool seen = false;
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *app = value_at(list, i);
        assert_string_not_equal(props_str(app, "bundleid"), "org.helper");
        if (strcmp(props_str(app, "path"), "/Applications/AAA.app") == 0) {
            seen = true;
            assert_string_equal(props_str(app, "name"), "AAA");
            assert_string_equal(props_str(app, "version"), "1");
        }
    }
    assert_true(seen);
    detect_free(d);
}

/* Munki 7.1: a receipt of a later macOS is not looked for */
static void receipts_of_a_later_macos(void **state)
{
    static const char one[] =
        "<key>receipts</key><array><dict><key>packageid</key><string>org.later</string>"
        "<key>version</key><string>1</string><key>minimum_os_version</key>%s</dict></array>";
    (void)state;
    const char *later = arena_printf(memory, one, "<string>14.6</string>");
    assert_int_equal(state_of(later), PLAN_THIS);
    assert_true(some(later));
    assert_string_equal(reason(later), "receipts[0]: org.later belongs to macOS 14.6, this is 14.5");
    assert_int_equal(state_of(arena_printf(memory, one, "<string>14.5</string>")), PLAN_ABSENT);
    assert_int_equal(state_of(arena_printf(memory, one, "<string></string>")), PLAN_ABSENT);
    assert_int_equal(state_of(arena_printf(memory, one, "<real>15.0</real>")), PLAN_THIS);
}

static void tell(void *ctx, const char *what, const char *found, const char *says)
{
    char *all = ctx;
    size_t n = strlen(all);
    snprintf(all + n, 2048 - n, "%s|%s|%s\n", what, says, found);
}

static const char *explained(const char *inside, bool removal, bool scripts)
{
    struct detect_config c = config();
    char all[2048] = "";
    c.run_scripts = scripts;
    struct detect *d = detect_open(&c);
    detect_explain(d, item(inside), removal, tell, all);
    detect_free(d);
    return arena_strdup(memory, all);
}

/* What decides is told piece by piece, what does not is told as not asked. */
static void each_piece_is_told(void **state)
{
#define TWO_FILES                                                                                            \
    "<key>installs</key><array><dict><key>type</key><string>file</string><key>path</key><string>/told/here"  \
    "</string></dict><dict><key>type</key><string>file</string><key>path</key><string>/told/gone</string>"   \
    "</dict></array>"
#define ONE_RECEIPT                                                                                          \
    "<key>receipts</key><array><dict><key>packageid</key><string>org.told</string><key>version</key>"        \
    "<string>2</string></dict></array>"
    (void)state;
    put("told/here", "");
    put_receipt("org.told", "org.told", "3");
    assert_string_equal(explained(TWO_FILES ONE_RECEIPT, false, true),
                        "installs[0]|this version|/told/here is there\n"
                        "installs[1]|absent|/told/gone is not there\n"
                        "receipts|not asked|installs decides\n");
    assert_string_equal(explained(ONE_RECEIPT, false, true),
                        "receipts[0]|newer|org.told: 3 is newer than 2\n");
    assert_string_equal(explained(TWO_FILES ONE_RECEIPT, true, true),
                        "installs[0]|installed|/told/here is there\n"
                        "installs[1]|not installed|/told/gone is not there\n"
                        "receipts[0]|newer|org.told: 3 is newer than 2\n");
    assert_string_equal(
        explained(TWO_FILES SCRIPT("installcheck_script", "#!/bin/sh\nexit 1\n"), false, true),
        "installcheck_script|installed|exited with 1\n"
        "installs|not asked|installcheck_script decides\n");
    assert_string_equal(
        explained(ONE_RECEIPT SCRIPT("installcheck_script", "#!/bin/sh\nexit 1\n"), false, false),
        "installcheck_script|not asked|it is not executed (--scripts run does)\n"
        "receipts[0]|newer|org.told: 3 is newer than 2\n");
    assert_string_equal(explained(SCRIPT("uninstallcheck_script", "#!/bin/sh\nexit 0\n"), true, true),
                        "uninstallcheck_script|installed|exited with 0\n");
    assert_string_equal(explained("<key>OnDemand</key><true/>" ONE_RECEIPT, false, true),
                        "OnDemand|absent|an item for every demand never counts as installed\n"
                        "receipts|not asked|OnDemand decides\n");
    assert_string_equal(explained("", false, true),
                        "nothing|installed|the item has no installs, receipts or check script\n");
}

static void executables(void **state)
{
    struct detect_config c = config();
    struct detect *d = detect_open(&c);
    (void)state;
    put_mode("usr/local/bin/tool", "#!/bin/sh\n", 0755);
    put("usr/local/bin/data", "");
    assert_true(detect_is_executable(d, "/usr/local/bin/tool"));
    assert_false(detect_is_executable(d, "/usr/local/bin/data"));
    assert_false(detect_is_executable(d, "/usr/local/bin"));
    assert_false(detect_is_executable(d, "/usr/local/bin/none"));
    detect_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applications_by_path),
        cmocka_unit_test(applications_through_links),
        cmocka_unit_test(applications_by_name),
        cmocka_unit_test(bundles_and_plists),
        cmocka_unit_test(plain_files),
        cmocka_unit_test(receipts),
        cmocka_unit_test(check_scripts),
        cmocka_unit_test(broken_scripts),
        cmocka_unit_test(scripts_are_asked_once_a_look),
        cmocka_unit_test(without_scripts),
        cmocka_unit_test(systems),
        cmocka_unit_test(evidence_of_installs),
        cmocka_unit_test(installed_versions),
        cmocka_unit_test(verifiable),
        cmocka_unit_test(all_applications),
        cmocka_unit_test(receipts_of_a_later_macos),
        cmocka_unit_test(each_piece_is_told),
        cmocka_unit_test(executables),
    };
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
