/* image: real disk images through 7-Zip, and hdiutil's answers through a stand-in. */
#include "installer/image.h"
#include "installer/tool.h"
#include "volume.h"

static void names(void **state)
{
    (void)state;
    assert_true(image_is("a.dmg"));
    assert_true(image_is("a.DMG"));
    assert_true(image_is("a.iso"));
    assert_false(image_is("a.pkg"));
    assert_false(image_is(".dmg"));
}

static bool count_images(void *ctx, const char *name, const struct stat *st)
{
    (void)st;
    *(int *)ctx += text_starts(name, "image-");
    return true;
}

static int left_over(void)
{
    int n = 0;
    assert_true(files_list(volume, INSTALL_STATE, count_images, &n, &e));
    return n;
}

static bool seven_zip(void)
{
    struct err why;
    if (tool_path(memory, NULL, TOOL_SEVENZIP, &why))
        return true;
    printf("skipped: %s\n", why.text);
    return false;
}

static void real_images(void **state)
{
    static const struct {
        const char *file, *inside;
    } rows[] = {
        {"Homebrew__brew__container-apfs.dmg", "container"},
        {"Homebrew__brew__transmission-2.61.dmg", "Transmission.app/Contents/Info.plist"},
        {"autopkg__autopkg__Test.dmg", "Test.app/Contents/Info.plist"},
        {"keeleysam__munki_repo__Caffeine-1.1.1.dmg", "Caffeine.app/Contents/MacOS/Caffeine"},
        {"keeleysam__munki_repo__facter-2.4.4.dmg", "facter-2.4.4.pkg"},
        {"sassoftware__relic__dummy.dmg", "dummy.app/Contents/MacOS/dummy"},
        {"univ-of-utah-marriott-library-apple__display_manager__Display_Manager_v1.0.1.dmg",
         "Display Manager.pkg"},
    };
    (void)state;
    if (!seven_zip())
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *from = shared(arena_printf(memory, "samples/dmg/%s", rows[i].file));
        struct image im;
        struct stat st;
        if (!from)
            skip();
        int fd = cached(from, "x.dmg");
        if (!image_open(&env, fd, "x.dmg", &im, &e))
            fail_msg("%s: %s", rows[i].file, e.text);
        if (!files_stat(im.dir, rows[i].inside, &st, &e))
            fail_msg("%s: %s", rows[i].file, e.text);
        assert_int_equal(access(im.path, R_OK), 0);
        image_close(&env, &im);
        image_close(&env, &im);
        close(fd);
    }
    assert_int_equal(left_over(), 0);
}

static void no_image(void **state)
{
    struct image im;
    (void)state;
    if (!seven_zip())
        skip();
    put("Library/Daybreak/Cache/bad.dmg", "this is no image");
    int fd = files_open(env.cache, "bad.dmg", &e);
    assert_false(image_open(&env, fd, "/cache/bad.dmg", &im, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_true(text_starts(e.text, "bad.dmg: it is no disk image"));
    image_close(&env, &im);
    close(fd);
    assert_int_equal(left_over(), 0);
}

static const char *stand_in(const char *script)
{
    put_mode("tools/hdiutil", script, 0755);
    return arena_printf(memory, "%s/tools", volume_path);
}

static void attached(void **state)
{
    struct install_env with = env;
    struct image im;
    struct stat st;
    (void)state;
    with.tools = stand_in(
        "#!/bin/sh\nd=${0%/*}\nif [ $1 = detach ]; then echo \"$*\" >>\"$d/detached\"; [ \"$3\" = -force ]; "
        "exit; fi\n"
        "read answer; echo \"$answer $2\" >\"$d/asked\"\nm=$6/dmg.x; mkdir -p \"$m\"; echo hello "
        ">\"$m/file\"\n"
        "echo 'Please read this licence'\ncat <<.\n<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"
        "<key>system-entities</key><array><dict><key>dev-entry</key><string>/dev/disk9</string></dict>"
        "<dict><key>mount-point</key><string>$m</string></dict></array></dict></plist>\n.\n");
    if (!image_open(&with, -1, "/cache/x.dmg", &im, &e))
        fail_msg("%s", e.text);
    assert_true(files_stat(im.dir, "file", &st, &e));
    assert_string_equal(text_of("tools/asked"), "Y /cache/x.dmg\n");
    const char *mount = arena_strdup(memory, im.path);
    image_close(&with, &im);
    assert_string_equal(text_of("tools/detached"),
                        arena_printf(memory, "detach %s\ndetach %s -force\n", mount, mount));
    assert_int_equal(left_over(), 0);
}

static void attach_fails(void **state)
{
    struct install_env with = env;
    struct image im;
    (void)state;
    with.tools = stand_in("#!/bin/sh\necho 'hdiutil: attach failed - image not recognized' >&2\nexit 1\n");
    assert_false(image_open(&with, -1, "/cache/x.dmg", &im, &e));
    assert_string_equal(e.text,
                        "x.dmg: hdiutil exited with 1: hdiutil: attach failed - image not recognized");
    image_close(&with, &im);
    with.tools = stand_in("#!/bin/sh\necho no plist\n");
    assert_false(image_open(&with, -1, "/cache/x.dmg", &im, &e));
    image_close(&with, &im);
    assert_int_equal(left_over(), 0);
}

static void recovers(void **state)
{
    struct install_env with = env;
    (void)state;
    put("Library/Daybreak/image-abc/dmg.y/file", "");
    image_recover(&env);
    assert_int_equal(left_over(), 0);
    put("Library/Daybreak/image-abc/dmg.y/file", "");
    with.tools = stand_in("#!/bin/sh\necho \"$*\" >\"${0%/*}/detached\"\n");
    image_recover(&with);
    assert_int_equal(left_over(), 0);
    assert_string_equal(text_of("tools/detached"),
                        arena_printf(memory, "detach %s/Library/Daybreak/image-abc/dmg.y\n", volume_path));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),    cmocka_unit_test(real_images),  cmocka_unit_test(no_image),
        cmocka_unit_test(attached), cmocka_unit_test(attach_fails), cmocka_unit_test(recovers),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
