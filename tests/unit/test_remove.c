/* remove: what packages own, what is shared, what is protected; the other methods. */
#include "installer/bom.h"
#include "installer/receipt.h"
#include "installer/remove.h"
#include "volume.h"

/* A receipt of id below prefix, that owns these paths ("d/" is a folder). */
static void put_receipt(const char *id, const char *prefix, const char *const *paths)
{
    struct bom_item items[16];
    size_t n = 0;
    struct buf b;
    for (; paths[n]; n++) {
        size_t len = strlen(paths[n]);
        bool dir = paths[n][len - 1] == '/';
        items[n] = (struct bom_item){.path = dir ? arena_strndup(memory, paths[n], len - 1) : paths[n],
                                     .type = dir ? BOM_DIRECTORY : BOM_FILE,
                                     .mode = (uint16_t)(dir ? 040755 : 0100644)};
    }
    buf_init(&b, LIMIT_MB);
    assert_true(bom_encode(items, n, &b, &e));
    const char *file = arena_printf(memory, RECEIPT_FOLDER "/%s.bom", id);
    assert_true(files_replace(volume, file, b.data, b.len, 0644, FILES_LAZY, &e));
    buf_release(&b);
    put(arena_printf(memory, RECEIPT_FOLDER "/%s.plist", id),
        plist(arena_printf(memory,
                           "<key>PackageIdentifier</key><string>%s</string><key>PackageVersion</key><string>1"
                           "</string><key>InstallPrefixPath</key><string>%s</string>",
                           id, prefix)));
}

static bool remove_ids(const char *ids, size_t *left, int *code)
{
    const struct value *v = dict(arena_printf(memory, "<key>packages</key><array>%s</array>", ids));
    return remove_packages(&env, props_strings(v, "packages"), left, code, &e);
}

static void by_receipts(void **state)
{
    static const char *const one[] = {"Applications/",   "Applications/A.app/", "Applications/A.app/bin",
                                      "Library/",        "Library/Ay/",         "Library/Ay/data",
                                      "Library/Shared/", "Library/Shared/both", "Library/Shared/mine",
                                      "Library/Full/",   "Library/Full/f",      "var/",
                                      "var/ay",          "Library/gone",        NULL};
    static const char *const two[] = {"Shared/", "Shared/both", NULL};
    size_t left;
    int code;
    (void)state;
    put_receipt("org.one", "/", one);
    put_receipt("org.two", "/Library/", two);
    put("Applications/A.app/bin", "");
    put("Applications/A.app/settings-of-the-user", "");
    put("Library/Ay/data", "");
    put("Library/Ay/.DS_Store", "");
    put("Library/Shared/both", "");
    put("Library/Shared/mine", "");
    put("Library/Full/f", "");
    put("Library/Full/someone-elses", "");
    put("private/var/ay", "");
    if (!remove_ids("<string>org.one</string><string>org.not-there</string>", &left, &code))
        fail_msg("%s", e.text);
    assert_int_equal(left, 1);
    assert_false(there("Applications/A.app"));
    assert_true(there("Applications"));
    assert_false(there("Library/Ay"));
    assert_true(there("Library/Shared/both"));
    assert_false(there("Library/Shared/mine"));
    assert_true(there("Library/Full/someone-elses"));
    assert_false(there("Library/Full/f"));
    assert_false(there("private/var/ay"));
    assert_false(there(RECEIPT_FOLDER "/org.one.plist"));
    assert_false(there(RECEIPT_FOLDER "/org.one.bom"));
    assert_true(there(RECEIPT_FOLDER "/org.two.plist"));
}

static void two_together(void **state)
{
    static const char *const paths[] = {"opt/", "opt/x/", "opt/x/f", NULL};
    size_t left;
    int code;
    (void)state;
    put_receipt("org.x", "", paths);
    put_receipt("org.y", "/", paths);
    put("opt/x/f", "");
    assert_true(remove_ids("<string>org.x</string>", &left, &code));
    assert_true(there("opt/x/f"));
    assert_true(remove_ids("<string>org.y</string>", &left, &code));
    assert_false(there("opt/x"));
    assert_true(there("opt"));
}

static void failures(void **state)
{
    size_t left;
    int code;
    (void)state;
    assert_false(remove_ids("", &left, &code));
    assert_int_equal(code, -2);
    assert_false(remove_ids("<string>org.none</string>", &left, &code));
    assert_int_equal(code, -4);
    static const char *const paths[] = {"opt/", "opt/z", NULL};
    put_receipt("org.z", "/", paths);
    put("opt/z", "");
    put(RECEIPT_FOLDER "/org.w.plist",
        plist(
            "<key>PackageIdentifier</key><string>org.w</string><key>PackageVersion</key><string>1</string>"));
    put(RECEIPT_FOLDER "/org.w.bom", "this is no Bom");
    /* what another package owns cannot be known: nothing is removed */
    assert_false(remove_ids("<string>org.z</string>", &left, &code));
    assert_true(there("opt/z"));
    assert_true(files_remove(volume, RECEIPT_FOLDER "/org.w.bom", &e));
    assert_true(remove_ids("<string>org.z</string>", &left, &code));
    assert_false(there("opt/z"));
}

static void never_through_a_link(void **state)
{
    static const char *const paths[] = {"opt/", "opt/d/", "opt/d/f", NULL};
    size_t left;
    int code;
    (void)state;
    put_receipt("org.l", "/", paths);
    put("precious/f", "");
    link_to("../precious", "opt/d");
    assert_true(remove_ids("<string>org.l</string>", &left, &code));
    assert_true(there("precious/f"));
    assert_int_equal(left, 1);
}

static void protected_folders(void **state)
{
    (void)state;
    assert_true(remove_protected("/Applications"));
    assert_true(remove_protected("/Applications/"));
    assert_true(remove_protected("/"));
    assert_true(remove_protected("Library/LaunchDaemons"));
    assert_true(remove_protected("private/var/db/receipts"));
    assert_false(remove_protected("/Applications/X.app"));
    assert_false(remove_protected("/Library/Vendor"));
    assert_false(remove_protected("/Library/LaunchDaemons/org.x.plist"));
}

static bool remove_by(const char *inside, struct install_outcome *out)
{
    struct pkginfo *p = item(inside);
    memset(out, 0, sizeof *out);
    return install_remove(&env, p, p->raw, -1, NULL, out, &e);
}

#define METHOD(m) "<key>uninstall_method</key><string>" m "</string>"
#define COPIES                                                                                               \
    "<key>items_to_copy</key><array><dict><key>source_item</key><string>C.app</string>"                      \
    "<key>destination_path</key><string>/Applications</string></dict></array>"

static void copied_items(void **state)
{
    struct install_outcome out;
    (void)state;
    put("Applications/C.app/x/y", "");
    assert_true(remove_by(METHOD("remove_copied_items") COPIES, &out));
    assert_false(there("Applications/C.app"));
    assert_true(remove_by(METHOD("remove_copied_items") COPIES, &out));
    put("Applications/D.app/x", "");
    assert_true(remove_by(METHOD("remove_copied_items") "<key>items_to_copy</key><array><dict>"
                                                        "<key>destination_item</key>"
                                                        "<string>/Applications/D.app</string></dict></array>",
                          &out)); /* without a source */
    assert_false(there("Applications/D.app"));
    assert_false(remove_by(METHOD("remove_copied_items"), &out));
    assert_false(remove_by(METHOD("remove_copied_items") "<key>items_to_copy</key><array><dict>"
                                                         "<key>source_item</key><string>Applications</"
                                                         "string><key>destination_path</key>"
                                                         "<string>/</string></dict></array>",
                           &out));
    assert_true(there("Applications"));
}

#define SCRIPT(key, text) "<key>" key "</key><string>#!/bin/sh\n" text "</string>"

static void scripts(void **state)
{
    struct install_outcome out;
    (void)state;
    assert_true(
        remove_by(METHOD("uninstall_script") SCRIPT("uninstall_script", "echo u >>\"$DAYBREAK_ROOT/log\"\n")
                      SCRIPT("preuninstall_script", "echo pre >>\"$DAYBREAK_ROOT/log\"\n")
                          SCRIPT("postuninstall_script", "echo post >>\"$DAYBREAK_ROOT/log\"; exit 9\n"),
                  &out));
    assert_string_equal(text_of("log"), "pre\nu\npost\n");
    assert_string_equal(out.reason, "postuninstall_script exited with 9");
    assert_false(remove_by(METHOD("uninstall_script") SCRIPT("uninstall_script", "exit 4\n"), &out));
    assert_int_equal(out.code, 4);
    assert_string_equal(out.step, "remove");
    assert_false(remove_by(METHOD("uninstall_script")
                               SCRIPT("uninstall_script", "touch \"$DAYBREAK_ROOT/no\"\n")
                                   SCRIPT("preuninstall_script", "exit 5\n"),
                           &out));
    assert_int_equal(out.code, 5);
    assert_string_equal(out.step, "preuninstall");
    assert_false(there("no"));
    put_mode("usr/local/un", "#!/bin/sh\nexit 6\n", 0755);
    assert_false(remove_by(METHOD("/usr/local/un"), &out));
    assert_int_equal(out.code, 6);
    assert_false(remove_by(METHOD("remove_app"), &out));
    assert_int_equal(out.code, -99);
    env.run_scripts = false;
    assert_true(remove_by(METHOD("uninstall_script") SCRIPT("uninstall_script", "exit 4\n"), &out));
    assert_int_equal(out.end, INSTALL_SKIPPED_SCRIPTS);
    env.run_scripts = true;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_receipts),       cmocka_unit_test(two_together),
        cmocka_unit_test(failures),          cmocka_unit_test(never_through_a_link),
        cmocka_unit_test(protected_folders), cmocka_unit_test(copied_items),
        cmocka_unit_test(scripts),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
