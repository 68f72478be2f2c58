/* archive: zip and tar become exactly their files, below a folder of their own; what is hostile is refused.
 */
#include "installer/archive.h"
#include "installer/image.h"
#include "packed.h"

static bool opened(enum form form, int fd, struct image *im)
{
    return image_open(&env, fd, arena_printf(memory, "%s/%s", env.cache_path, files[form]), im, &e);
}

static bool nothing(void *ctx, const char *name, const struct stat *st)
{
    (void)st;
    *(bool *)ctx = *(bool *)ctx && !text_starts(name, "image-");
    return true;
}

static bool nothing_left(void)
{
    bool none = true;
    return files_list(env.state, "", nothing, &none, &e) && none;
}

static void names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_true(archive_is(files[i]) && image_is(files[i]) && !image_is_disk(files[i]));
    assert_false(archive_is("x.gz") || archive_is(".zip") || archive_is("zip") || archive_is("x.dmg"));
}

static void applications_come_out(void **state)
{
    (void)state;
    const struct member m[] = {{"X.app/", NULL, AE_IFDIR, 0755},
                               {"X.app/Contents/", NULL, AE_IFDIR, 0755},
                               {"X.app/Contents/MacOS/X", "#!/bin/sh\n", AE_IFREG, 04755},
                               {"X.app/Contents/caf\xc3\xa9", "", AE_IFREG, 0644},
                               {"X.app/Contents/link", "MacOS/X", AE_IFLNK, 0755},
                               {"__MACOSX/X.app/._Contents", "\x05\x16\x07 nothing", AE_IFREG, 0644},
                               {"__MACOSX/X.app/", NULL, AE_IFDIR, 0755},
                               {NULL, NULL, 0, 0}};
    for (enum form form = ZIP; form <= TAR_XZ; form++) {
        struct image im;
        struct stat st;
        char to[32] = "";
        int fd = made(form, m);
        if (!opened(form, fd, &im))
            fail_msg("%s: %s", files[form], e.text);
        assert_true(files_stat(im.dir, "X.app/Contents/MacOS/X", &st, &e));
        assert_int_equal(st.st_mode, 0100755);
        assert_int_equal(st.st_mtime, 1700000000);
        assert_int_equal(st.st_size, 10);
        assert_true(files_stat(im.dir, "X.app/Contents/caf\xc3\xa9", &st, &e));
        assert_int_equal(readlinkat(im.dir, "X.app/Contents/link", to, sizeof to - 1), 7);
        assert_string_equal(to, "MacOS/X");
        assert_false(files_stat(im.dir, "__MACOSX", &st, &e));
        assert_true(files_stat(im.dir, "X.app", &st, &e));
        image_close(&env, &im);
        close(fd);
        assert_true(nothing_left());
    }
}

static void links_between_files(void **state)
{
    (void)state;
    const struct member m[] = {{"a", "bytes", AE_IFREG, 0644}, {"b", "a", 0, 0644}, {NULL, NULL, 0, 0}};
    struct image im;
    struct stat a, b;
    int fd = made(TAR, m);
    if (!opened(TAR, fd, &im))
        fail_msg("%s", e.text);
    assert_true(files_stat(im.dir, "a", &a, &e) && files_stat(im.dir, "b", &b, &e));
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(b.st_size, 5);
    image_close(&env, &im);
    close(fd);
}

static void hostile_archives_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct member m[3];
        const char *says;
    } rows[] = {
        {{{"../evil", "x", AE_IFREG, 0644}}, ".."},
        {{{"/evil", "x", AE_IFREG, 0644}}, "absolute"},
        {{{"a/../../evil", "x", AE_IFREG, 0644}}, ".."},
        {{{"a\nb", "x", AE_IFREG, 0644}}, "control"},
        {{{"l", "..", AE_IFLNK, 0755}, {"l/evil", "x", AE_IFREG, 0644}}, "beneath a file or link"},
        {{{"l", "../../evil", AE_IFLNK, 0755}, {"l", "x", AE_IFREG, 0644}}, "twice"},
        {{{"a", "x", AE_IFREG, 0644}, {"A", "x", AE_IFREG, 0644}}, "only in case"},
        {{{"b", "../../evil", 0, 0644}}, ".."},
        {{{"b", "etc/passwd", 0, 0644}}, "did not come before"},
        {{{"pipe", NULL, AE_IFIFO, 0644}}, "no file, folder or link"},
        {{{"device", NULL, AE_IFCHR, 0644}}, "no file, folder or link"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct image im;
        int fd = made(TAR, rows[i].m);
        if (opened(TAR, fd, &im))
            fail_msg("row %zu was accepted", i);
        if (!strstr(e.text, rows[i].says))
            fail_msg("row %zu: %s", i, e.text);
        assert_true(text_starts(e.text, "x.tar: "));
        image_close(&env, &im);
        close(fd);
        assert_false(there("evil") || there("Library/evil") || there("Library/Daybreak/evil"));
        assert_true(nothing_left());
    }
}

static void damaged_archives_are_refused(void **state)
{
    (void)state;
    char *text = malloc(60001);
    uint64_t seed = 3;
    for (size_t i = 0; i < 60000; i++)
        text[i] = (char)('a' + package_chance(&seed) % 26);
    text[60000] = '\0';
    const struct member m[] = {{"a", text, AE_IFREG, 0644}, {NULL, NULL, 0, 0}};
    for (enum form form = ZIP; form <= TAR_XZ; form++) {
        struct image im;
        struct buf b;
        int fd = made(form, m);
        buf_init(&b, 4 * LIMIT_MB);
        assert_true(files_read_fd(fd, &b, &e));
        close(fd);
        if (form != TAR) { /* which has no checksum of what files hold */
            b.data[b.len / 2] ^= 0x10;
            assert_true(files_replace(env.cache, files[form], b.data, b.len, 0600, FILES_LAZY, &e));
            fd = files_open(env.cache, files[form], &e);
            if (opened(form, fd, &im))
                fail_msg("%s: damaged, and accepted", files[form]);
            assert_int_equal(e.kind, ERR_FORMAT);
            image_close(&env, &im);
            close(fd);
            b.data[b.len / 2] ^= 0x10;
        }
        assert_true(files_replace(env.cache, files[form], b.data, b.len / 2, 0600, FILES_LAZY, &e));
        fd = files_open(env.cache, files[form], &e);
        if (opened(form, fd, &im))
            fail_msg("%s: cut short, and accepted", files[form]);
        image_close(&env, &im);
        close(fd);
        buf_release(&b);
    }
    free(text);
    put("Library/Daybreak/Cache/x.zip", "this is no archive");
    struct image im;
    int fd = files_open(env.cache, "x.zip", &e);
    assert_false(opened(ZIP, fd, &im));
    assert_int_equal(e.kind, ERR_FORMAT);
    image_close(&env, &im);
    close(fd);
    assert_true(nothing_left());
}

/* copy_from_dmg takes an archive like an image, and a package in one installs. */
static void items_are_copied(void **state)
{
    (void)state;
    const struct member m[] = {{"X.app/Contents/MacOS/X", "program", AE_IFREG, 0755}, {NULL, NULL, 0, 0}};
    struct install_outcome out;
    int fd = made(TAR_GZ, m);
    struct pkginfo *p =
        item("<key>installer_type</key><string>copy_from_dmg</string>"
             "<key>installer_item_hash</key><string>0000000000000000000000000000000000000000000000"
             "000000000000000000</string><key>items_to_copy</key><array><dict>"
             "<key>source_item</key><string>X.app</string><key>destination_path</key>"
             "<string>/Applications</string></dict></array>");
    if (!install_item(&env, p, fd, files[TAR_GZ], &out, &e))
        fail_msg("%s", e.text);
    close(fd);
    assert_string_equal(text_of("Applications/X.app/Contents/MacOS/X"), "program");
    assert_true(nothing_left());
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(applications_come_out),
        cmocka_unit_test(links_between_files),
        cmocka_unit_test(hostile_archives_are_refused),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(items_are_copied),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
