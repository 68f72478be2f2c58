/* copy: where things go, what they become, and that the old or the new is there at any time. */
#include "installer/copy.h"
#include "volume.h"

static struct image source;

static int up(void **state)
{
    int rc = volume_up(state);
    put_mode("image/X.app/Contents/MacOS/X", "binary", 0700);
    put_mode("image/X.app/Contents/etc/config", "text", 0666);
    link_to("MacOS/X", "image/X.app/Contents/current");
    put_mode("image/setid", "s", 0755);
    source.dir = files_dir(volume, "image", false, 0, &e);
    snprintf(source.path, sizeof source.path, "%s/image", volume_path);
    int file = openat(source.dir, "setid", O_RDONLY);
    fchmod(file, 04755);
    close(file);
    return rc || source.dir < 0;
}

static bool copy(struct copy_item *items, size_t n)
{
    struct install_outcome out = {.code = 0};
    return copy_items(&env, &source, items, n, &out, &e);
}

static bool private_entry(void *ctx, const char *name, const struct stat *st)
{
    (void)st;
    *(int *)ctx += text_starts(name, ".daybreak-");
    return true;
}

static int left_in(const char *folder)
{
    int n = 0;
    assert_true(files_list(volume, folder, private_entry, &n, &e));
    return n + there("Library/Daybreak/copying");
}

static void destinations(void **state)
{
    static const struct {
        const char *source, *path, *item, *want;
    } rows[] = {
        {"X.app", "/Applications", NULL, "Applications/X.app"},
        {"folder/X.app", "/Applications/", "", "Applications/X.app"},
        {"X.app", "/Applications", "Y.app", "Applications/Y.app"},
        {"X.app", NULL, "/Library/Z/Y.app", "Library/Z/Y.app"},
        {"X.app", "", "/Y.app", "Y.app"},
        {"X.app", "/Applications", "/Other/Y.app", "Applications/Y.app"},
        {"X.app/", "/Applications", NULL, "Applications/X.app"},
        {"X.app", NULL, NULL, NULL},
        {"X.app", NULL, "Y.app", NULL},
        {NULL, "/Applications", NULL, NULL},
        {"..", "/Applications", NULL, NULL},
        {"X.app", "/Applications", "a/.", NULL},
    };
    char to[LIMIT_PATH + 1];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct copy_item it = {
            .source = rows[i].source, .destination_path = rows[i].path, .destination_item = rows[i].item};
        bool ok = copy_destination(&it, to, &e);
        if (ok != (rows[i].want != NULL) || (ok && strcmp(to, rows[i].want) != 0))
            fail_msg("row %zu: %s", i, ok ? to : e.text);
    }
}

static void copies(void **state)
{
    struct copy_item it = {.source = "X.app", .destination_path = "/Applications"};
    (void)state;
    if (!copy(&it, 1))
        fail_msg("%s", e.text);
    assert_string_equal(text_of("Applications/X.app/Contents/MacOS/X"), "binary");
    assert_string_equal(text_of("Applications/X.app/Contents/etc/config"), "text");
    assert_int_equal(mode_of("Applications/X.app/Contents/MacOS/X"), 0755);
    assert_int_equal(mode_of("Applications/X.app/Contents/etc/config"), 0664);
    assert_int_equal(mode_of("Applications/X.app"), 0755);
    struct stat st;
    assert_true(files_stat(volume, "Applications/X.app/Contents/current", &st, &e));
    assert_true(S_ISLNK(st.st_mode));
    if (env.as_root) {
        assert_int_equal(st.st_gid, 80);
        assert_true(files_stat(volume, "Applications/X.app/Contents/etc/config", &st, &e));
        assert_int_equal(st.st_uid, 0);
        assert_int_equal(st.st_gid, 80);
    }
    assert_int_equal(left_in("Applications"), 0);
}

static void replaces(void **state)
{
    struct copy_item it = {
        .source = "X.app", .destination_path = "/Opt/deep/er", .mode = "u=rwX,go=", .group = "wheel"};
    (void)state;
    put("Opt/deep/er/X.app/Contents/old-file", "old");
    assert_true(copy(&it, 1));
    assert_false(there("Opt/deep/er/X.app/Contents/old-file"));
    assert_int_equal(mode_of("Opt/deep/er/X.app/Contents/MacOS/X"), 0700);
    assert_int_equal(mode_of("Opt/deep/er/X.app/Contents/etc/config"), 0600);
    assert_int_equal(left_in("Opt/deep/er"), 0);
}

static void makes_parents_like_their_ancestor(void **state)
{
    struct copy_item it = {
        .source = "setid", .destination_path = "/Likes/a/b", .destination_item = "renamed"};
    struct stat st;
    (void)state;
    int dir = files_dir(volume, "Likes", true, 0755, &e);
    fchmod(dir, 0775);
    if (env.as_root)
        assert_int_equal(fchown(dir, 501, 20), 0);
    close(dir);
    assert_true(copy(&it, 1));
    assert_int_equal(mode_of("Likes/a/b"), 0775);
    assert_true(files_stat(volume, "Likes/a/b", &st, &e));
    if (env.as_root)
        assert_int_equal(st.st_uid, 501);
    assert_int_equal(mode_of("Likes/a/b/renamed"), 0755); /* set-id of the image is not kept */
    it.mode = "4755";
    assert_true(copy(&it, 1));
    assert_int_equal(mode_of("Likes/a/b/renamed"), 04755); /* the pkginfo may ask for it */
}

static void refusals(void **state)
{
    struct copy_item it = {.source = "X.app", .destination_path = "/Applications", .mode = "what"};
    (void)state;
    assert_false(copy(&it, 0));
    assert_string_equal(e.text, "items_to_copy is missing or malformed");
    assert_false(copy(&it, 1));
    it.mode = NULL;
    it.user = "nosuchuser";
    assert_false(copy(&it, 1));
    it.user = NULL;
    it.source = "None.app";
    assert_false(copy(&it, 1));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    it.source = "X.app";
    put("elsewhere/file", "");
    link_to("elsewhere", "Linked");
    it.destination_path = "/Linked";
    assert_false(copy(&it, 1));
    assert_false(there("elsewhere/X.app"));
    it.destination_path = "/Applications/../Linked";
    assert_false(copy(&it, 1));
    it.destination_path = "/var/x";
    assert_true(copy(&it, 1));
    assert_true(there("private/var/x/X.app"));
    assert_false(there("Library/Daybreak/copying"));
}

static void recovers(void **state)
{
    (void)state;
    put("Rec/.daybreak-q/old/file", "old");
    put("Rec/.daybreak-q/new/file", "new");
    put("Library/Daybreak/copying", "Rec/.daybreak-q\nRec/Thing\n");
    copy_recover(&env);
    assert_string_equal(text_of("Rec/Thing/file"), "old");
    assert_int_equal(left_in("Rec"), 0);

    put("Rec/.daybreak-q/old/file", "old");
    put("Rec/Thing/file", "new");
    put("Library/Daybreak/copying", "Rec/.daybreak-q\nRec/Thing\n");
    copy_recover(&env);
    assert_string_equal(text_of("Rec/Thing/file"), "new");
    assert_int_equal(left_in("Rec"), 0);

    put("Library/Daybreak/copying", "garbage");
    copy_recover(&env);
    assert_int_equal(left_in("Rec"), 0);
    copy_recover(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations), cmocka_unit_test(copies),
        cmocka_unit_test(replaces),     cmocka_unit_test(makes_parents_like_their_ancestor),
        cmocka_unit_test(refusals),     cmocka_unit_test(recovers),
    };
    return cmocka_run_group_tests(tests, up, volume_down);
}
