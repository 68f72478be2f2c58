/* receipt: written as Apple does, read back, bad names refused. */
#include "installer/receipt.h"
#include "volume.h"

static void written_and_read(void **state)
{
    (void)state;
    struct receipt r = {.identifier = "com.example.tool",
                        .version = "1.2",
                        .prefix = "/Applications",
                        .package = "tool.pkg",
                        .process = "daybreak",
                        .installed = 1700000000};
    put("stage/bom", "BOM");
    int stage = files_dir(volume, "stage", false, 0, &e);
    assert_true(receipt_write(volume, &r, stage, "bom", &e));
    assert_string_equal(text_of(RECEIPT_FOLDER "/com.example.tool.bom"), "BOM");
    assert_false(there("stage/bom"));
    assert_int_equal(mode_of(RECEIPT_FOLDER "/com.example.tool.plist"), 0644);
    assert_true(text_starts(text_of(RECEIPT_FOLDER "/com.example.tool.plist"), "bplist00"));
    struct receipt got;
    assert_true(receipt_read(memory, volume, "com.example.tool", &got, &e));
    assert_string_equal(got.identifier, r.identifier);
    assert_string_equal(got.version, "1.2");
    assert_string_equal(got.prefix, "/Applications");
    assert_string_equal(got.package, "tool.pkg");
    assert_string_equal(got.process, "daybreak");
    assert_int_equal(got.installed, 1700000000);
    /* a later one without a Bom, at the root */
    r.version = "2";
    r.prefix = "/";
    assert_true(receipt_write(volume, &r, stage, NULL, &e));
    assert_false(there(RECEIPT_FOLDER "/com.example.tool.bom"));
    assert_true(receipt_read(memory, volume, "com.example.tool", &got, &e));
    assert_string_equal(got.prefix, "/");
    assert_string_equal(got.version, "2");
    close(stage);
}

static void refused(void **state)
{
    (void)state;
    struct receipt r = {.version = "1", .prefix = "/", .package = "x", .process = "daybreak"}, got;
    static const char *const bad[] = {"../evil", "", ".hidden", "a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r.identifier = bad[i];
        assert_false(receipt_write(volume, &r, -1, NULL, &e));
        assert_false(receipt_read(memory, volume, bad[i], &got, &e));
    }
    assert_false(receipt_read(memory, volume, "com.example.absent", &got, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    put(RECEIPT_FOLDER "/com.example.broken.plist", "<html>");
    assert_false(receipt_read(memory, volume, "com.example.broken", &got, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_and_read), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
