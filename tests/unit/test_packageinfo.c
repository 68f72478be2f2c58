/* packageinfo: attributes, bundles and scripts decoded; what cannot be is refused. */
#include "installer/packageinfo.h"
#include "package.h"

static struct err e;
static struct arena *a;

static const struct packageinfo *decode(const char *s)
{
    return packageinfo_decode(a, s, strlen(s), &e);
}

static void a_full_one(void **state)
{
    (void)state;
    const struct packageinfo *i = decode(
        "<pkg-info overwrite-permissions=\"true\" relocatable=\"false\" identifier=\"org.example.x\" "
        "postinstall-action=\"restart\" version=\"1.2\" followSymLinks=\"true\" preserve-xattr=\"true\" "
        "minimumSystemVersion=\"10.6\" install-location=\"Applications//./Utilities/\" auth=\"Root\" "
        "odd=\"1\">"
        "<payload numberOfFiles=\"12\" installKBytes=\"34\"/><bundle path=\"./X.app\" id=\"org.x\" "
        "CFBundleShortVersionString=\"1\" CFBundleVersion=\"2\"/><bundle-version><bundle id=\"org.x\"/>"
        "<bundle path=\"./X.app\" id=\"org.x\"/><bundle path=\"Y.app\" id=\"org.y\"/></bundle-version>"
        "<relocate><bundle id=\"org.x\"/></relocate><strict-identifier/><must-close><app "
        "id=\"org.z\"/></must-close>"
        "<mumble/><scripts><preinstall file=\"./pre\" timeout=\"60\"/><postinstall file=\"./b/post\" "
        "component-id=\"org.x\"/><postinstall/><preflight file=\"./preflight\"/></scripts></pkg-info>");
    assert_non_null(i);
    assert_string_equal(i->identifier, "org.example.x");
    assert_string_equal(i->version, "1.2");
    assert_string_equal(i->install_location, "/Applications/Utilities");
    assert_true(i->auth_root && i->overwrite_permissions && i->follow_symlinks && i->preserve_xattr);
    assert_false(i->relocatable);
    assert_string_equal(i->minimum_system, "10.6");
    assert_int_equal(i->postinstall_action, PACKAGEINFO_RESTART);
    assert_true(i->has_payload_element);
    assert_int_equal(i->number_of_files, 12);
    assert_int_equal(i->install_kbytes, 34);
    assert_int_equal(i->bundle_count, 2);
    assert_string_equal(i->bundles[0].path, "X.app");
    assert_string_equal(i->bundles[0].version, "2");
    assert_string_equal(i->bundles[1].id, "org.y");
    assert_int_equal(i->version_checked.count, 3);
    assert_int_equal(i->relocate.count, 1);
    assert_int_equal(i->strict.count, 0);
    assert_string_equal(i->must_close.names[0], "org.z");
    assert_int_equal(i->script_count, 4);
    assert_string_equal(packageinfo_own_script(i, "preinstall")->file, "pre");
    assert_int_equal(packageinfo_own_script(i, "preinstall")->timeout_s, 60);
    assert_string_equal(packageinfo_own_script(i, "postinstall")->file, "postinstall");
    assert_string_equal(i->scripts[1].file, "b/post");
    assert_string_equal(i->scripts[1].component_id, "org.x");
    assert_non_null(packageinfo_own_script(i, "preflight"));
    assert_null(packageinfo_own_script(i, "preupgrade"));
}

static void a_bare_one(void **state)
{
    (void)state;
    const struct packageinfo *i = decode("<pkg-info identifier=\"x\"/>");
    assert_non_null(i);
    assert_string_equal(i->version, "0");
    assert_string_equal(i->install_location, "/");
    assert_true(i->auth_root);
    assert_false(i->has_payload_element);
    assert_int_equal(i->script_count, 0);
    assert_null(packageinfo_own_script(i, "postinstall"));
    assert_int_equal(i->postinstall_action, PACKAGEINFO_NONE);
    assert_string_equal(packageinfo_action_name(PACKAGEINFO_SHUTDOWN), "shutdown");
    i = decode("<pkg-info identifier=\"x\" auth=\"none\" postinstall-action=\"dance\"><payload "
               "installKBytes=\"-3\"/>"
               "<scripts><preinstall timeout=\"never\"/></scripts></pkg-info>");
    assert_non_null(i);
    assert_false(i->auth_root);
    assert_int_equal(i->install_kbytes, 0);
    assert_int_equal(i->scripts[0].timeout_s, 0);
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "<pkg-info/>",
        "<other identifier=\"x\"/>",
        "<pkg-info identifier=\"../x\"/>",
        "<pkg-info identifier=\".x\"/>",
        "<pkg-info identifier=\"a/b\"/>",
        "<pkg-info identifier=\"x \"/>",
        "<pkg-info identifier=\"x\" install-location=\"/a/../b\"/>",
        "<pkg-info identifier=\"x\" install-location=\"/a&#9;b\"/>",
        "<pkg-info identifier=\"x\"><bundle path=\"../a\"/></pkg-info>",
        "<pkg-info identifier=\"x\"><scripts><preinstall file=\"/bin/sh\"/></scripts></pkg-info>",
        "<pkg-info identifier=\"x\"><scripts><preinstall file=\"../x\"/></scripts></pkg-info>",
        "<pkg-info identifier=\"x\"><scripts><preinstall file=\"./\"/></scripts></pkg-info>",
        "<!DOCTYPE x><pkg-info identifier=\"x\"/>",
        "not xml",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (decode(bad[i]))
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(e.text, "PackageInfo: "));
    }
}

static void versions(void **state)
{
    static const struct {
        const char *text, *version; /* NULL: refused */
    } rows[] = {{"1.0 (3) \xc3\xa9", "1.0 (3) \xc3\xa9"}, {"", "0"}, {"1&#10;2", NULL}, {"1\xc2\x7f", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char xml[200];
        snprintf(xml, sizeof xml, "<pkg-info identifier=\"a\" version=\"%s\"/>", rows[i].text);
        const struct packageinfo *p = packageinfo_decode(a, xml, strlen(xml), &e);
        if (rows[i].version)
            assert_string_equal(p ? p->version : e.text, rows[i].version);
        else
            assert_null(p);
    }
}

static void identifiers(void **state)
{
    char longest[300];
    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[250] = '\0';
    assert_false(packageinfo_identifier_ok(longest));
    longest[249] = '\0';
    assert_true(packageinfo_identifier_ok(longest));
    assert_true(packageinfo_identifier_ok("com.Mojang Specifications.x-1_2"));
    assert_false(packageinfo_identifier_ok(""));
    assert_false(packageinfo_identifier_ok("\xc3\xa9"));
    assert_false(packageinfo_identifier_ok("-x"));
    assert_true(packageinfo_version_ok("1.0 (beta) \xc3\xa9"));
    assert_false(packageinfo_version_ok("1\n2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_one), cmocka_unit_test(a_bare_one),
                                       cmocka_unit_test(refused), cmocka_unit_test(versions),
                                       cmocka_unit_test(identifiers)};
    a = arena_open();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(a);
    return rc;
}
