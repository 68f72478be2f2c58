/* inventory: pkgutil's stream of property lists. (Receipts and applications: test_detect.) */
#include "installer/inventory.h"
#include "volume.h"

static void pkgutil_stream(void **state)
{
    struct inventory *inv = inventory_open(volume_loop, volume, false);
    (void)state;
    assert_null(inventory_receipt(inv, "org.a"));
    const char *text = arena_printf(
        memory, "warning: something\n%s%snoise<?xml version=\"1.0\"?><plist><broken></plist>%s<?xml version=",
        plist("<key>pkgid</key><string>org.a</string><key>pkg-version</key><string>1.0</string>"),
        plist("<key>pkgid</key><string>org.b</string>"),
        plist("<key>pkgid</key><string>org.c</string><key>pkg-version</key><string>3</string>"));
    inventory_pkgutil(inv, text, strlen(text));
    assert_string_equal(inventory_receipt(inv, "org.a"), "1.0");
    assert_null(inventory_receipt(inv, "org.b"));
    assert_string_equal(inventory_receipt(inv, "org.c"), "3");
    inventory_pkgutil(inv, "", 0);
    inventory_free(inv);
}

static void bundle_versions(void **state)
{
    (void)state;
    assert_string_equal(inventory_bundle_version(dict("")), "");
    assert_string_equal(inventory_bundle_version(dict("<key>CFBundleVersion</key><string>9</string>")), "9");
    assert_string_equal(inventory_bundle_version(dict(
                            "<key>CFBundleShortVersionString</key><real>1.5</real><key>CFBundleVersion</key>"
                            "<string>9</string>")),
                        "9");
    assert_string_equal(inventory_bundle_version(NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pkgutil_stream), cmocka_unit_test(bundle_versions)};
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
