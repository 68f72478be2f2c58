/* unpack: what the system refuses is said with the name of the member, nothing that was there before is
 * touched, and an archive of many links and much data keeps its caller awake. */
#include "archive.h"
#include "installer/unpack.h"
#include "volume.h"
#include <signal.h>
#include <sys/resource.h>

static int dir = -1;
static unsigned ticks;
static struct unpack_rules rules = {.location = "/"};

static void fresh(void)
{
    if (dir >= 0)
        close(dir);
    assert_true(files_remove(volume, "in", &e));
    dir = files_dir(volume, "in", true, 0700, &e);
    assert_true(dir >= 0);
}

static bool unpacks_bytes(const void *p, size_t n)
{
    struct archive_source source = {.p = p, .n = n, .step = 50000};
    struct payload *payload = payload_open(archive_read, &source, 0, UINT64_MAX, &e);
    assert_non_null(payload);
    struct cpio *c = cpio_open(payload);
    struct unpack *u = unpack_open(dir, &rules);
    const struct unpack_source members = unpack_source_cpio(c);
    e = (struct err){.kind = ERR_NONE};
    bool ok = unpack_all(u, &members, &e);
    unpack_free(u);
    cpio_free(c);
    payload_free(payload);
    return ok;
}

static bool unpacks(const struct archive_member *m)
{
    struct buf b;
    archive_make(&b, m);
    bool ok = unpacks_bytes(b.data, b.len);
    buf_release(&b);
    return ok;
}

static void refused(const struct archive_member *m, enum err_kind kind, const char *why)
{
    if (unpacks(m))
        fail_msg("not refused: %s", why);
    if (e.kind != kind || strstr(e.text, why) == NULL)
        fail_msg("kind %d, and not \"%s\": %s", e.kind, why, e.text);
}

/* The directory is private and empty by contract; should it not be, nothing in it is overwritten or followed.
 */
static void what_was_there_stays(void **state)
{
    (void)state;
    static const struct archive_member file[] = {{.name = "x", .mode = 0100644, .data = "new"},
                                                 {.name = NULL}};
    static const struct archive_member link[] = {{.name = "x", .mode = 0120777, .data = "new"},
                                                 {.name = NULL}};
    static const struct archive_member folder[] = {{.name = "x", .mode = 040755}, {.name = NULL}};
    static const struct archive_member below[] = {{.name = "x/y", .mode = 0100644, .data = "new"},
                                                  {.name = NULL}};
    static const struct archive_member *const all[] = {file, link, folder};
    for (size_t i = 0; i < 3; i++) {
        fresh();
        put("in/x", "old");
        refused(all[i], ERR_FORMAT, "\"x\" is in the archive twice");
        assert_string_equal(text_of("in/x"), "old");
    }
    fresh();
    put("in/x", "old");
    refused(below, ERR_FORMAT, "\"x/y\" lies beneath a file or link");
    fresh();
    put("away/y", "old");
    link_to("../away", "in/x");
    refused(below, ERR_FORMAT, "\"x/y\" lies beneath a file or link");
    refused(file, ERR_FORMAT, "\"x\" is in the archive twice");
    assert_string_equal(text_of("away/y"), "old");
}

static void a_folder_that_is_gone(void **state)
{
    (void)state;
    static const struct archive_member rows[][3] = {
        {{.name = "x", .mode = 0100644, .data = "1"}},
        {{.name = "x", .mode = 0120777, .data = "to"}},
        {{.name = "x", .mode = 040755}},
        {{.name = "x/y", .mode = 0100644, .data = "1"}},
        {{.name = "x/y", .mode = 0120777, .data = "to"}},
        {{.name = "x/y", .mode = 040755}},
        {{.name = "x/y", .mode = 0100644, .data = "1", .ino = 1, .nlink = 2}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh();
        assert_int_equal(unlinkat(volume, "in", AT_REMOVEDIR), 0);
        refused(rows[i], ERR_NOT_FOUND, "cannot unpack \"x");
        assert_false(there("in"));
    }
}

/* A volume that is full, as far as that can be had without one: no file may grow beyond a megabyte. */
static void a_file_that_cannot_grow(void **state)
{
    (void)state;
    static char much[3 * 1024 * 1024];
    const struct archive_member big[] = {
        {.name = "a/big", .mode = 0100644, .data = much, .size = sizeof much}, {.name = NULL}};
    /* the data comes with the second of two links */
    const struct archive_member late[] = {
        {.name = "a/one", .mode = 0100644, .ino = 4, .nlink = 2},
        {.name = "a/two", .mode = 0100644, .ino = 4, .nlink = 2, .data = much, .size = sizeof much},
        {.name = NULL}};
    const struct archive_member again[] = {
        {.name = "a/one", .mode = 0100644, .ino = 4, .nlink = 2, .data = "1"},
        {.name = "a/two", .mode = 0100644, .ino = 4, .nlink = 2, .data = much, .size = sizeof much},
        {.name = NULL}};
    struct rlimit before, little;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 1024 * 1024;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN); /* as a worker has it */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    const struct archive_member *const all[] = {big, late, again};
    const char *const names[] = {"a/big", "a/two", "a/two"};
    for (size_t i = 0; i < 3; i++) {
        fresh();
        bool ok = unpacks(all[i]);
        if (ok || e.kind != ERR_LIMIT || !text_starts(e.text, names[i]))
            fail_msg("row %zu: %d %s", i, e.kind, e.text);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
}

static void no_descriptor_is_left(void **state)
{
    (void)state;
    static const struct archive_member deep[] = {{.name = "a/b/c/d", .mode = 0100644, .data = "1"},
                                                 {.name = NULL}};
    static const struct archive_member links[] = {
        {.name = "a/one", .mode = 0100644, .ino = 4, .nlink = 2, .data = "1"},
        {.name = "b/c/two", .mode = 0100644, .ino = 4, .nlink = 2},
        {.name = NULL}};
    struct rlimit before, little;
    unsigned refusals = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (unsigned spare = 0; spare < 9; spare++) {
        fresh();
        int next = dup(dir);
        close(next);
        little = before;
        little.rlim_cur = (rlim_t)next + spare;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &little), 0);
        for (int i = 0; i < 2; i++) {
            bool ok = unpacks(i == 0 ? deep : links);
            refusals += !ok;
            if (!ok && (e.kind != ERR_SYS || !text_starts(e.text, "cannot unpack \"")))
                fail_msg("%u left: %d %s", spare, e.kind, e.text);
        }
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (spare == 8)
            assert_string_equal(text_of("in/b/c/two"), "1");
    }
    assert_true(refusals >= 4);
}

/* Whatever is cut ends it, in the middle of a member too. */
static void an_archive_that_ends_early(void **state)
{
    (void)state;
    static const struct archive_member m[] = {
        {.name = "a", .mode = 0100644, .ino = 4, .nlink = 3},
        {.name = "b", .mode = 0100644, .ino = 4, .nlink = 3, .data = "0123456789"},
        {.name = "c", .mode = 0100644, .ino = 4, .nlink = 3, .data = "0123456789"},
        {.name = "d", .mode = 0100644, .data = "0123456789"},
        {.name = "._d",
         .mode = 0100644,
         .data = "\0\5\x16\7"
                 "0123456789",
         .size = 14},
        {.name = NULL}};
    struct buf b;
    archive_make(&b, m);
    rules.attributes = true;
    fresh();
    assert_true(unpacks_bytes(b.data, b.len));
    size_t whole = 5 * 76 + 2 + 2 + 2 + 2 + 4 + 10 + 10 + 10 + 14; /* and then the trailer */
    for (size_t cut = 80; cut < whole; cut += 3) {
        fresh();
        if (unpacks_bytes(b.data, cut))
            fail_msg("cut at %zu, and accepted", cut);
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    rules.attributes = false;
    buf_release(&b);
}

static void tick(void *ctx)
{
    assert_ptr_equal(ctx, &ticks);
    ticks++;
}

#define GROUPS 500

static void many_links_and_signs_of_life(void **state)
{
    (void)state;
    struct buf b;
    char name[32];
    struct stat one, two;
    buf_init(&b, 16 * LIMIT_MB);
    for (unsigned half = 0; half < 2; half++)
        for (unsigned i = 0; i < GROUPS; i++) {
            snprintf(name, sizeof name, "%u/%u", half, i);
            const struct archive_member m = {
                .name = name, .mode = 0100644, .data = half == 0 ? name : NULL, .ino = i * 64, .nlink = 2};
            archive_add(&b, &m, false);
        }
    archive_end(&b, false);
    fresh();
    rules.tick = tick;
    rules.ctx = &ticks;
    ticks = 0;
    if (!unpacks_bytes(b.data, b.len))
        fail_msg("%s", e.text);
    assert_true(ticks >= 2 * GROUPS / 256);
    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(name, sizeof name, "0/%u", i);
        assert_int_equal(fstatat(dir, name, &one, 0), 0);
        name[0] = '1';
        assert_int_equal(fstatat(dir, name, &two, 0), 0);
        assert_true(one.st_ino == two.st_ino && one.st_nlink == 2);
    }
    buf_release(&b);
    /* and once a megabyte, within one file */
    static char much[5 * 1024 * 1024];
    const struct archive_member big[] = {{.name = "big", .mode = 0100644, .data = much, .size = sizeof much},
                                         {.name = NULL}};
    fresh();
    ticks = 0;
    assert_true(unpacks(big));
    assert_true(ticks >= 4 && ticks <= 6);
    rules.tick = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_there_stays),       cmocka_unit_test(a_folder_that_is_gone),
        cmocka_unit_test(a_file_that_cannot_grow),    cmocka_unit_test(no_descriptor_is_left),
        cmocka_unit_test(an_archive_that_ends_early), cmocka_unit_test(many_links_and_signs_of_life),
    };
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
