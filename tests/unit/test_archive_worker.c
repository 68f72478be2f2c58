/* archive_worker: zip and tar unpacked where they are looked at, in the test's own process and outside the
 * cage: the same archives, whole, hostile and damaged; nothing is said, and nothing comes to be outside. */
#include "installer/archive.h"
#include "installer/archive_worker.h"
#include "liar.h"
#include "packed.h"
#include "uncaged.h"

static int directory = -1;

/* Unpack fd, which is closed, into an empty folder "in". */
static bool unpacks(int fd, uint64_t max)
{
    struct buf request;
    struct worker_fields none;
    if (directory >= 0)
        close(directory);
    assert_true(files_remove(volume, "in", &e));
    directory = files_dir(volume, "in", true, 0700, &e);
    put("evil", "e");
    buf_init(&request, LIMIT_KB);
    assert_true(worker_put_int(&request, max, &e));
    const int fds[] = {fd, directory};
    bool ok = uncaged_work(archive_work, &request, fds, 2);
    buf_release(&request);
    close(fd);
    assert_int_equal(uncaged_next(&none), 0);
    assert_string_equal(text_of("evil"), "e");
    return ok;
}

static void refused(int fd, enum err_kind kind, const char *why)
{
    if (unpacks(fd, LIMIT_MB))
        fail_msg("not refused: %s", why);
    if (e.kind != kind || strstr(e.text, why) == NULL)
        fail_msg("kind %d, and not \"%s\": %s", e.kind, why, e.text);
}

static void they_become_their_files(void **state)
{
    (void)state;
    static const struct member m[] = {{"X.app/", NULL, AE_IFDIR, 0700},
                                      {"X.app/run", "#!/bin/sh\n", AE_IFREG, 06755},
                                      {"X.app/._run", "\x05\x16\x07 not that one", AE_IFREG, 0644},
                                      {"X.app/._s", "", AE_IFREG, 0644},
                                      {"X.app/link", "../../evil", AE_IFLNK, 0755},
                                      {"d/caf\xc3\xa9", "1", AE_IFREG, 0600},
                                      {"__MACOSX/", NULL, AE_IFDIR, 0755},
                                      {"__MACOSX/X.app/._run", "12345", AE_IFREG, 0644},
                                      {"__MACOSX/X.app/other", "12345", AE_IFREG, 0644},
                                      {NULL, NULL, 0, 0}};
    for (enum form form = ZIP; form <= TAR_XZ; form++) {
        if (!unpacks(made(form, m), LIMIT_MB))
            fail_msg("%s: %s", files[form], e.text);
        assert_string_equal(text_of("in/X.app/run"), "#!/bin/sh\n");
        assert_int_equal(mode_of("in/X.app/run"), 0755);
        assert_int_equal(mode_of("in/X.app"), 0700);
        /* a name like that of attributes is not yet one: the bytes tell, but below __MACOSX */
        assert_int_equal(strlen(text_of("in/X.app/._run")), 16);
        assert_true(there("in/X.app/._s") && !there("in/__MACOSX") && !there("in/X.app/other"));
        assert_string_equal(text_of("in/d/caf\xc3\xa9"), "1");
        char to[32] = "";
        assert_int_equal(readlinkat(directory, "X.app/link", to, sizeof to - 1), 10);
        assert_string_equal(to, "../../evil");
    }
}

static void links_are_to_what_came_before(void **state)
{
    (void)state;
    static const struct member m[] = {
        {"a", "bytes", AE_IFREG, 0644}, {"d/b", "./a", 0, 0644}, {NULL, NULL, 0, 0}};
    static const struct member gone[] = {
        {"b", "a", 0, 0644}, {"a", "bytes", AE_IFREG, 0644}, {NULL, NULL, 0, 0}};
    static const struct member out[] = {{"b", "../evil", 0, 0644}, {NULL, NULL, 0, 0}};
    struct stat a, b;
    if (!unpacks(made(TAR, m), LIMIT_MB))
        fail_msg("%s", e.text);
    assert_true(files_stat(directory, "a", &a, &e) && files_stat(directory, "d/b", &b, &e));
    assert_true(a.st_ino == b.st_ino && b.st_size == 5);
    refused(made(TAR, gone), ERR_FORMAT, "\"b\" is a link to a file that did not come before it");
    refused(made(TAR, out), ERR_FORMAT, "..");
}

static void hostile_members_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct member m[3];
        const char *says;
    } rows[] = {
        {{{"../evil", "x", AE_IFREG, 0644}}, ".."},
        {{{"/evil", "x", AE_IFREG, 0644}}, "absolute"},
        {{{"a\nb", "x", AE_IFREG, 0644}}, "control"},
        {{{"l", "..", AE_IFLNK, 0755}, {"l/evil", "x", AE_IFREG, 0644}}, "beneath a file or link"},
        {{{"l", "../evil", AE_IFLNK, 0755}, {"l", "x", AE_IFREG, 0644}}, "twice"},
        {{{"a", "x", AE_IFREG, 0644}, {"A", "x", AE_IFREG, 0644}}, "only in case"},
        {{{"pipe", NULL, AE_IFIFO, 0644}}, "\"pipe\" is no file, folder or link"},
        {{{"device", NULL, AE_IFBLK, 0644}}, "\"device\" is no file, folder or link"},
        {{{"__MACOSX/../._x", "x", AE_IFREG, 0644}}, ".."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(made(TAR, rows[i].m), ERR_FORMAT, rows[i].says);
    char *target = arena_alloc(memory, LIMIT_PATH + 100);
    memset(target, 't', LIMIT_PATH + 99);
    target[LIMIT_PATH + 99] = '\0';
    const struct member far[] = {{"l", target, AE_IFLNK, 0755}, {NULL, NULL, 0, 0}};
    refused(made(TAR, far), ERR_FORMAT, "\"l\" is a link whose target is empty or too long");
    const struct member none[] = {{NULL, NULL, 0, 0}};
    refused(made(ZIP, none), ERR_FORMAT, "empty");
    refused(made(TAR, none), ERR_FORMAT, "empty");
}

static void what_is_none_or_damaged(void **state)
{
    (void)state;
    char *text = arena_alloc(memory, 60001);
    uint64_t seed = 3;
    for (size_t i = 0; i < 60000; i++)
        text[i] = (char)('a' + package_chance(&seed) % 26);
    text[60000] = '\0';
    const struct member m[] = {{"a", text, AE_IFREG, 0644}, {NULL, NULL, 0, 0}};
    for (enum form form = ZIP; form <= TAR_XZ; form++) {
        struct buf b;
        int fd = made(form, m);
        buf_init(&b, 4 * LIMIT_MB);
        assert_true(files_read_fd(fd, &b, &e));
        close(fd);
        assert_true(unpacks(package_file(b.data, b.len), 60000));
        assert_false(unpacks(package_file(b.data, b.len), 59999)); /* more than there is room for */
        assert_true(e.kind == ERR_LIMIT && strstr(e.text, "unpacks to more than 59999 bytes") != NULL);
        refused(package_file(b.data, b.len / 2), ERR_FORMAT, "");
        if (form != TAR) { /* which has no checksum of what files hold */
            b.data[b.len / 2] ^= 0x10;
            refused(package_file(b.data, b.len), ERR_FORMAT, "");
        }
        buf_release(&b);
    }
    refused(package_file("this is no archive", 18), ERR_FORMAT, "neither a zip nor a tar");
    refused(package_file("x", 1), ERR_FORMAT, "");
    refused(package_file("\x1f\x8b\x08 and no more", 15), ERR_FORMAT, "");
    int ends[2];
    assert_true(os_pipe(ends, &e));
    refused(ends[0], ERR_SYS, "seek");
    close(ends[1]);
}

/* A worker looks after every megabyte whether anybody still listens. */
static void a_large_file_is_whole(void **state)
{
    (void)state;
    char *text = arena_alloc(memory, 3 * LIMIT_MB + 1);
    struct stat st;
    memset(text, 'l', 3 * LIMIT_MB);
    text[3 * LIMIT_MB] = '\0';
    const struct member m[] = {{"large", text, AE_IFREG, 0644}, {NULL, NULL, 0, 0}};
    assert_true(unpacks(made(TAR, m), 3 * LIMIT_MB));
    assert_true(files_stat(directory, "large", &st, &e) && st.st_size == (off_t)(3 * LIMIT_MB));
}

static void a_request_without_sense_is_refused(void **state)
{
    (void)state;
    struct buf request;
    buf_init(&request, LIMIT_KB);
    assert_true(buf_append(&request, "four", 4, &e));
    assert_false(uncaged_work(archive_work, &request, NULL, 0));
    assert_true(e.kind == ERR_INTERNAL && strstr(e.text, "asked for something it does not know") != NULL);
    buf_release(&request);
}

/* It has nothing to say; one that does is not what was started. */
static void a_worker_that_speaks_is_ended(void **state)
{
    (void)state;
    int fd = package_file("!", 1), to = files_dir(volume, "in", true, 0700, &e);
    assert_false(archive_unpack(volume_loop, fd, to, LIMIT_MB, 60000, &e));
    assert_true(e.kind == ERR_INTERNAL && strstr(e.text, "said too much") != NULL);
    close(fd);
    close(to);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_become_their_files),       cmocka_unit_test(links_are_to_what_came_before),
        cmocka_unit_test(hostile_members_are_refused),   cmocka_unit_test(what_is_none_or_damaged),
        cmocka_unit_test(a_large_file_is_whole),         cmocka_unit_test(a_request_without_sense_is_refused),
        cmocka_unit_test(a_worker_that_speaks_is_ended),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0) {
        liar_say(WORKER_TYPES, "t", "look here");
        return liar_done();
    }
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
