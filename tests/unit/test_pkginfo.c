#include "manifests/pkginfo.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct value *read_dict(struct arena *a, const char *body)
{
    struct err e = {0};
    const char *text = arena_printf(a, "<plist version=\"1.0\"><dict>%s</dict></plist>", body);
    const struct value *v = props_decode(a, text, strlen(text), &e);

    if (!v)
        fail_msg("%s", e.text);
    return v;
}

static struct pkginfo *decode(struct arena *a, const char *body, const char **warning)
{
    struct err e = {0};
    struct pkginfo *p = pkginfo_decode(
        a,
        read_dict(a,
                  arena_printf(a, "<key>name</key><string>App</string><key>version</key><string>1</string>%s",
                               body)),
        "c", 7, warning, &e);

    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static void splits_references(void **state)
{
    static const char *const table[][3] = {{"Firefox", "Firefox", ""},
                                           {"Firefox-10.0", "Firefox", "10.0"},
                                           {"Firefox--10.0", "Firefox", "10.0"},
                                           {"Tool-4.1-2", "Tool-4.1", "2"},
                                           {"Tool--4.1-2", "Tool", "4.1-2"},
                                           {"Office-2019", "Office", "2019"},
                                           {"my--tool-3.0", "my--tool", "3.0"},
                                           {"Tool-rc1", "Tool-rc1", ""},
                                           {"Tool--rc1", "Tool--rc1", ""},
                                           {"Tool-", "Tool-", ""},
                                           {"Tool---1", "Tool--", "1"},
                                           {"Tool----1", "Tool--", "1"},
                                           {"-1", "", "1"},
                                           {"", "", ""}};
    struct arena *a = arena_open();

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *name, *version;
        pkginfo_split_reference(a, table[i][0], &name, &version);
        assert_string_equal(name, table[i][1]);
        assert_string_equal(version, table[i][2]);
    }
    arena_free(a);
}

static void knows_what_it_does_not_run(void **state)
{
    struct arena *a = arena_open();
    const char *warning;

    (void)state;
    assert_true(decode(a, "<key>blocking_applications_quit_script</key><string>#!/bin/sh</string>", &warning)
                    ->quit_script);
    assert_false(
        decode(a, "<key>blocking_applications_manual_quit_only</key><true/>", &warning)->quit_script);
    assert_null(warning);
    arena_free(a);
}

static void needs_a_name_and_a_version(void **state)
{
    struct arena *a = arena_open();
    const char *warning;
    struct err e = {0};

    (void)state;
    assert_null(
        pkginfo_decode(a, read_dict(a, "<key>version</key><string>1</string>"), "c", 0, &warning, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_string_equal(e.text, "name: a string is needed, found nothing");
    assert_null(pkginfo_decode(a, read_dict(a, "<key>name</key><string>A</string><key>version</key><true/>"),
                               "c", 0, &warning, &e));
    assert_string_equal(e.text, "version: a string is needed, found boolean");
    arena_free(a);
}

static void has_defaults(void **state)
{
    struct arena *a = arena_open();
    const char *warning;
    const struct pkginfo *p = decode(a, "", &warning);

    (void)state;
    assert_null(warning);
    assert_string_equal(p->name, "App");
    assert_string_equal(p->catalog, "c");
    assert_int_equal(p->position, 7);
    assert_int_equal(p->kind, KIND_PACKAGE);
    assert_int_equal(p->size_kb, -1);
    assert_false(p->uninstallable || p->on_demand || p->apple_item || p->has_receipts || p->critical);
    assert_null(p->display_name);
    assert_null(p->blocking);
    arena_free(a);
}

static void knows_the_kinds(void **state)
{
    static const struct {
        const char *type;
        enum pkginfo_kind kind;
    } table[] = {
        {"copy_from_dmg", KIND_COPY}, {"stage_os_installer", KIND_STAGE_OS},   {"nopkg", KIND_NOPKG},
        {"profile", KIND_PROFILE},    {"startosinstall", KIND_STARTOSINSTALL}, {"pkg_install", KIND_PACKAGE},
        {"pkg", KIND_UNSUPPORTED},    {"AdobeCCPInstaller", KIND_UNSUPPORTED}};
    struct arena *a = arena_open();
    const char *warning;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(
            decode(a, arena_printf(a, "<key>installer_type</key><string>%s</string>", table[i].type),
                   &warning)
                ->kind,
            table[i].kind);
    arena_free(a);
}

static void formats_numbers_as_versions(void **state)
{
    static const char *const table[][2] = {{"<real>10.15</real>", "10.15"},
                                           {"<real>11</real>", "11.0"},
                                           {"<integer>12</integer>", "12"},
                                           {"<real>0.1</real>", "0.1"}};
    struct arena *a = arena_open();
    const char *warning;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct pkginfo *p =
            decode(a, arena_printf(a, "<key>minimum_os_version</key>%s", table[i][0]), &warning);
        assert_string_equal(p->minimum_os, table[i][1]);
        assert_non_null(strstr(warning, "minimum_os_version: read as"));
    }
    assert_null(decode(a, "<key>minimum_os_version</key><true/>", &warning)->minimum_os);
    assert_string_equal(warning, "minimum_os_version: ignored: a string is needed, found boolean");
    arena_free(a);
}

static void reads_installs(void **state)
{
    struct arena *a = arena_open();
    const char *warning;
    const struct pkginfo *p = decode(
        a,
        "<key>installs</key><array>"
        "<dict><key>type</key><string>application</string><key>path</key><string>/A.app</string>"
        "<key>CFBundleShortVersionString</key><string>1.2</string></dict>"
        "<dict><key>type</key><string>plist</string><key>version_comparison_key</key><string>V</string>"
        "<key>V</key><string>9</string><key>CFBundleShortVersionString</key><string>1</string></dict>"
        "<dict><key>path</key><string>/x</string></dict></array>",
        &warning);

    (void)state;
    assert_int_equal(p->installs_count, 3);
    assert_int_equal(p->installs[0].type, INSTALLS_APPLICATION);
    assert_string_equal(p->installs[0].expected, "1.2");
    assert_string_equal(p->installs[1].expected, "9");
    assert_int_equal(p->installs[2].type, INSTALLS_BAD);
    assert_null(warning); /* what follows from it is said where the evidence is looked at */

    p = decode(a, "<key>installs</key><array><string>x</string></array>", &warning);
    assert_int_equal(p->installs_count, 0);
    arena_free(a);
}

static void reads_receipts_and_apple(void **state)
{
    struct arena *a = arena_open();
    const char *warning;
    const char *receipts =
        "<key>receipts</key><array><dict><key>packageid</key><string>com.apple.pkg.x</string>"
        "<key>version</key><string>1</string><key>optional</key><integer>1</integer></dict></array>";
    const struct pkginfo *p = decode(a, receipts, &warning);

    (void)state;
    assert_int_equal(p->receipts_count, 1);
    assert_true(p->has_receipts && p->receipts[0].optional && p->apple_item && !p->apple_item_set);
    p = decode(a, arena_printf(a, "%s<key>apple_item</key><false/>", receipts), &warning);
    assert_true(p->apple_item_set && !p->apple_item);
    p = decode(a, "<key>receipts</key><array/>", &warning);
    assert_true(p->has_receipts && p->receipts_count == 0);
    arena_free(a);
}

static void reads_types_as_munki_does(void **state)
{
    struct arena *a = arena_open();
    const char *warning;
    const struct pkginfo *p =
        decode(a,
               "<key>uninstallable</key><string>yes</string>"
               "<key>OnDemand</key><integer>1</integer>"
               "<key>unattended_install</key><integer>2</integer>"
               "<key>installed_size</key><real>12</real>"
               "<key>installer_item_size</key><real>1.5</real>"
               "<key>requires</key><string>One</string>"
               "<key>update_for</key><array><string>A</string><integer>1</integer></array>"
               "<key>forced_uninstall</key><true/>"
               "<key>force_install_after_date</key><date>2026-01-01T00:00:00Z</date>",
               &warning);

    (void)state;
    assert_false(p->uninstallable);
    assert_true(p->on_demand);
    assert_false(p->unattended_install);
    assert_true(p->unattended_uninstall);
    assert_int_equal(p->installed_kb, 12);
    assert_int_equal(p->size_kb, -1);
    assert_string_equal(value_str(p->requires), "One");
    assert_null(p->update_for);
    assert_true(p->has_force_date && p->force_date == 1767225600);
    arena_free(a);
}

static void reads_the_extension(void **state)
{
    struct arena *a = arena_open();
    const char *warning;
    const struct pkginfo *p =
        decode(a,
               "<key>daybreak</key><dict><key>critical</key><true/><key>stage</key><string>session</string>"
               "<key>team_id</key><string>ABCDE12345</string><key>timeout</key><integer>60</integer>"
               "<key>max_attempts</key><integer>-1</integer>"
               "<key>urls</key><array><string>https://x/y.pkg</string></array>"
               "<key>allow_setid</key><array><string>/usr/bin/x</string></array></dict>",
               &warning);

    (void)state;
    assert_true(p->critical && p->session && !p->require_signature);
    assert_string_equal(p->team_id, "ABCDE12345");
    assert_int_equal(p->timeout_s, 60);
    assert_int_equal(p->max_attempts, 0);
    assert_int_equal(value_count(p->urls), 1);
    assert_string_equal(value_str(value_at(p->allow_setid, 0)), "/usr/bin/x");
    assert_non_null(strstr(warning, "max_attempts"));

    p = decode(a,
               "<key>daybreak</key><dict><key>team_id</key><integer>5</integer>"
               "<key>require_signature</key><string>true</string></dict>",
               &warning);
    assert_string_equal(p->team_id, "");
    assert_true(p->require_signature);
    arena_free(a);
}

static void reads_a_brief(void **state)
{
    struct arena *a = arena_open();
    struct pkginfo_brief brief;

    (void)state;
    assert_false(pkginfo_brief(a, read_dict(a, "<key>version</key><string>1</string>"), &brief));
    assert_true(pkginfo_brief(
        a,
        read_dict(a, "<key>name</key><string>E\xcc\x81</string><key>requires</key><string>x</string>"
                     "<key>update_for</key><string>y</string><key>autoremove</key><true/>"),
        &brief));
    assert_string_equal(brief.name, "\xc3\x89");
    assert_string_equal(brief.spelled, "E\xcc\x81");
    assert_null(brief.version);
    assert_null(brief.requires);
    assert_string_equal(value_str(brief.update_for), "y");
    assert_true(brief.autoremove);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_references),
        cmocka_unit_test(needs_a_name_and_a_version),
        cmocka_unit_test(knows_what_it_does_not_run),
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(knows_the_kinds),
        cmocka_unit_test(formats_numbers_as_versions),
        cmocka_unit_test(reads_installs),
        cmocka_unit_test(reads_receipts_and_apple),
        cmocka_unit_test(reads_types_as_munki_does),
        cmocka_unit_test(reads_the_extension),
        cmocka_unit_test(reads_a_brief),
    };
    return cmocka_run_group_tests_name("pkginfo", tests, NULL, NULL);
}
