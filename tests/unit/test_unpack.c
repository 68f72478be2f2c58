/* unpack: an archive becomes exactly its files; links share what they must; what is hostile leaves nothing
 * outside. */
#include "archive.h"
#include "core/text.h"
#include "installer/bom.h"
#include "installer/unpack.h"
#include <errno.h>
#include <sys/stat.h>

static char base[] = "/tmp/test_unpack.XXXXXX";
static int outside, dir = -1;
static struct err e;
static struct unpack_count count;
static const char *keep[] = {"/usr/bin/su"};
static struct unpack_rules rules;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(base))
        return -1;
    outside = open(base, O_RDONLY | O_DIRECTORY);
    rules = (struct unpack_rules){.owners = geteuid() == 0, .location = "/"};
    return outside < 0;
}

static int tear_down(void **state)
{
    (void)state;
    int top = files_root("/tmp", false, &e);
    bool ok = files_remove(top, text_basename(base), &e);
    close(top);
    close(outside);
    return !ok;
}

/* A fresh folder "in" beside the file "world". */
static void fresh(void)
{
    if (dir >= 0)
        close(dir);
    assert_true(files_remove(outside, "in", &e));
    dir = files_dir(outside, "in", true, 0700, &e);
    assert_true(dir >= 0);
    assert_true(files_replace(outside, "world", "w", 1, 0644, FILES_LAZY, &e));
}

static bool world_unchanged(void)
{
    struct stat st;
    return fstatat(outside, "world", &st, 0) == 0 && st.st_size == 1 && st.st_nlink == 1 &&
           (st.st_mode & 0777) == 0644 && faccessat(outside, "evil", F_OK, 0) != 0;
}

static bool unpack_bytes(const struct buf *b, const struct bom *bom)
{
    struct archive_source source = {.p = (const unsigned char *)b->data, .n = b->len, .step = 5000};
    struct payload *p = payload_open(archive_read, &source, 0, UINT64_MAX, &e);
    assert_non_null(p);
    struct cpio *c = cpio_open(p);
    struct unpack *u = unpack_open(dir, &rules);
    bool ok = unpack_all(u, c, &e);
    for (size_t i = 0; ok && bom != NULL && i < bom->count; i++) {
        char path[LIMIT_PATH + 1];
        bom_path(&bom->entries[i], path);
        if (bom->entries[i].type == BOM_FILE && !bom->entries[i].twin)
            ok = unpack_expect(u, path, bom->entries[i].size, bom->entries[i].sum, &e);
    }
    count = *unpack_counted(u);
    unpack_free(u);
    cpio_free(c);
    payload_free(p);
    return ok;
}

static bool unpacks(const struct archive_member *m)
{
    struct buf b;
    fresh();
    archive_make(&b, m);
    bool ok = unpack_bytes(&b, NULL);
    buf_release(&b);
    assert_true(world_unchanged());
    return ok;
}

static struct stat stat_of(const char *path)
{
    struct stat st;
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        fail_msg("%s: %s", path, strerror(errno));
    return st;
}

static const char *text_of(const char *path)
{
    static char text[64];
    int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return n < 0 ? "(none)" : text;
}

static void files_are_what_the_archive_says(void **state)
{
    (void)state;
    const struct archive_member m[] = {
        {.name = ".", .mode = 040755},
        {.name = "./a", .mode = 040555},
        {.name = "./a/x", .mode = 0100640, .data = "hello", .uid = 77, .gid = 88},
        {.name = "./a/._x", .mode = 0100644, .data = "\0\5\x16\7", .size = 4},
        {.name = "./a/l", .mode = 0120777, .data = "../../world"},
        {.name = "./a/sticky", .mode = 041777},
        {.name = "b/c/implied", .mode = 0100600, .data = ""},
        {.name = NULL}};
    if (!unpacks(m))
        fail_msg("%s", e.text);
    assert_int_equal(count.members, 5);
    assert_int_equal(count.apple_double_dropped, 1);
    assert_int_equal(count.bytes, 5);
    assert_string_equal(text_of("a/x"), "hello");
    struct stat st = stat_of("a/x");
    assert_int_equal(st.st_mode, 0100640);
    assert_int_equal(st.st_mtime, 1700000000);
    if (rules.owners)
        assert_true(st.st_uid == 77 && st.st_gid == 88);
    st = stat_of("a");
    assert_int_equal(st.st_mode, 040555);
    assert_int_equal(st.st_mtime, 1700000000);
    assert_true(S_ISLNK(stat_of("a/l").st_mode));
    assert_int_equal(stat_of("a/sticky").st_mode, 041777);
    assert_int_equal(stat_of("b/c").st_mode, 040755);
    assert_int_equal(stat_of(".").st_mode, 040755);
    assert_string_equal(text_of("a/._x"), "(none)");
}

static void set_id_bits_are_dropped_but_where_allowed(void **state)
{
    (void)state;
    const struct archive_member m[] = {{.name = "usr/bin", .mode = 042755},
                                       {.name = "usr/bin/su", .mode = 0104755, .data = "s"},
                                       {.name = "usr/bin/other", .mode = 0107755, .data = "o"},
                                       {.name = NULL}};
    assert_true(unpacks(m));
    assert_int_equal(count.setid_dropped, 3);
    assert_int_equal(stat_of("usr/bin/su").st_mode, 0100755);
    assert_int_equal(stat_of("usr/bin/other").st_mode, 0100755);
    assert_int_equal(stat_of("usr/bin").st_mode, 040755);
    rules.keep_setid = keep;
    rules.keep_setid_count = 1;
    assert_true(unpacks(m));
    assert_int_equal(count.setid_dropped, 2);
    assert_int_equal(stat_of("usr/bin/su").st_mode, 0104755);
    /* the same path seen from another location */
    const struct archive_member n[] = {{.name = "su", .mode = 0104755, .data = "s"}, {.name = NULL}};
    rules.location = "/usr/bin";
    assert_true(unpacks(n));
    assert_int_equal(stat_of("su").st_mode, 0104755);
    rules.location = "/usr/bi";
    assert_true(unpacks(n));
    assert_int_equal(stat_of("su").st_mode, 0100755);
    /* a second name that may not keep them takes them from the first */
    const struct archive_member l[] = {
        {.name = "usr/bin/su", .mode = 0104755, .data = "s", .ino = 5, .nlink = 2},
        {.name = "free", .mode = 0104755, .data = "s", .ino = 5, .nlink = 2},
        {.name = NULL}};
    rules.location = "/";
    assert_true(unpacks(l));
    assert_int_equal(stat_of("usr/bin/su").st_mode, 0100755);
    assert_int_equal(stat_of("free").st_mode, 0100755);
    rules.keep_setid_count = 0;
}

static void hard_links(void **state)
{
    (void)state;
    static const char *const data[][3] = {
        {"abc", NULL, NULL}, {NULL, NULL, "abc"}, {"abc", "abc", "abc"}, {NULL, "abc", NULL}};
    for (size_t i = 0; i < 4; i++) {
        const struct archive_member m[] = {
            {.name = "x/one", .mode = 0100644, .data = data[i][0], .ino = 9, .nlink = 3},
            {.name = "x/two", .mode = 0100644, .data = data[i][1], .ino = 9, .nlink = 3},
            {.name = "y/three", .mode = 0100644, .data = data[i][2], .ino = 9, .nlink = 3},
            {.name = NULL}};
        if (!unpacks(m))
            fail_msg("%s", e.text);
        assert_string_equal(text_of("x/one"), "abc");
        assert_string_equal(text_of("y/three"), "abc");
        assert_int_equal(stat_of("x/one").st_ino, stat_of("x/two").st_ino);
        assert_int_equal(stat_of("x/one").st_ino, stat_of("y/three").st_ino);
        assert_int_equal(stat_of("y/three").st_nlink, 3);
        assert_int_equal(stat_of("y/three").st_mtime, 1700000000);
    }
    /* a number used twice is no link: other size, other bytes, other mode, nlink 1 */
    const struct archive_member m[] = {{.name = "a", .mode = 0100644, .data = "abc", .ino = 9, .nlink = 2},
                                       {.name = "b", .mode = 0100644, .data = "abcd", .ino = 9, .nlink = 2},
                                       {.name = "c", .mode = 0100644, .data = "xyz", .ino = 9, .nlink = 2},
                                       {.name = "d", .mode = 0100755, .data = "abc", .ino = 9, .nlink = 2},
                                       {.name = "e", .mode = 0100644, .data = "abc", .ino = 9},
                                       {.name = NULL}};
    assert_true(unpacks(m));
    for (const char *s = "abcde"; *s; s++)
        assert_int_equal(stat_of((const char[]){*s, '\0'}).st_nlink, 1);
    assert_string_equal(text_of("b"), "abcd");
    assert_string_equal(text_of("c"), "xyz");
}

static void hostile_archives_are_refused(void **state)
{
    (void)state;
    static const struct archive_member bad[][4] = {
        {{.name = "x", .mode = 0100644}, {.name = "x", .mode = 0100644}},
        {{.name = "x", .mode = 0100644}, {.name = "X", .mode = 0100644}},
        {{.name = "d", .mode = 040755}, {.name = "d", .mode = 040755}},
        {{.name = "A/x", .mode = 0100644}, {.name = "a/y", .mode = 0100644}},
        {{.name = "A/x", .mode = 0100644}, {.name = "a", .mode = 040755}},
        {{.name = "caf\xc3\xa9", .mode = 0100644}, {.name = "cafe\xcc\x81", .mode = 0100644}},
        {{.name = "f", .mode = 0100644}, {.name = "f/x", .mode = 0100644}},
        {{.name = "l", .mode = 0120777, .data = ".."}, {.name = "l/evil", .mode = 0100644, .data = "x"}},
        {{.name = "l", .mode = 0120777, .data = "../world"}, {.name = "l", .mode = 0100644, .data = "xx"}},
        {{.name = "l", .mode = 0120777, .data = "../world"}, {.name = "l", .mode = 040755}},
        {{.name = "d", .mode = 040755}, {.name = "d", .mode = 0120777, .data = ".."}},
        {{.name = "d/x", .mode = 0100644},
         {.name = "d", .mode = 0120777, .data = ".."},
         {.name = "d/evil", .mode = 0100644}},
        {{.name = "d/x", .mode = 0100644}, {.name = "d", .mode = 0100644}},
        {{.name = ".", .mode = 0100644, .data = "x"}},
        {{.name = ".", .mode = 0120777, .data = "x"}},
        /* the first of two links is a symbolic link to the world: no data may flow through it */
        {{.name = "l", .mode = 0120777, .data = "../world", .ino = 3, .nlink = 2},
         {.name = "l", .mode = 0100644, .data = "evil", .ino = 3, .nlink = 2}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (unpacks(bad[i]))
            fail_msg("row %zu was accepted", i);
        if (e.kind != ERR_FORMAT)
            fail_msg("row %zu: %s", i, e.text);
    }
    /* an implied directory may be told of later, and the root twice is no name twice */
    const struct archive_member late[] = {
        {.name = "a/x", .mode = 0100644}, {.name = "a", .mode = 040700}, {.name = NULL}};
    assert_true(unpacks(late));
    assert_int_equal(stat_of("a").st_mode, 040700);
}

static void scripts_are_private(void **state)
{
    (void)state;
    const struct unpack_rules before = rules;
    const struct archive_member m[] = {
        {.name = ".", .mode = 040755},
        {.name = "./preinstall", .mode = 0104755, .data = "x", .uid = 501, .gid = 20},
        {.name = "./dir", .mode = 040500},
        {.name = "./dir/note", .mode = 0100044, .data = "x"},
        {.name = NULL}};
    rules.private_files = true;
    rules.owners = false;
    assert_true(unpacks(m));
    assert_int_equal(stat_of("preinstall").st_mode, 0100700);
    assert_int_equal(stat_of("preinstall").st_uid, geteuid());
    assert_int_equal(stat_of("dir").st_mode, 040700);
    assert_int_equal(stat_of("dir/note").st_mode, 0100400);
    rules = before;
}

static void the_bom_is_compared(void **state)
{
    (void)state;
    const struct archive_member m[] = {{.name = ".", .mode = 040755},
                                       {.name = "./caf\xc3\xa9", .mode = 0100644, .data = "hello"},
                                       {.name = NULL}};
    for (int row = 0; row < 3; row++) {
        struct arena *a = arena_open();
        struct buf b, packed;
        const uint32_t sum = bom_sum_end(bom_sum(0, "hello", 5), 5);
        const struct bom_item items[] = {
            {.path = "caf\xc3\xa9",
             .type = BOM_FILE,
             .mode = 0100644,
             .size = row == 1 ? 6 : 5,
             .sum = row == 2 ? sum + 1 : sum},
            {.path = "only in the bom", .type = BOM_FILE, .mode = 0100644, .size = 9}};
        buf_init(&packed, LIMIT_MB);
        assert_true(bom_encode(items, 2, &packed, &e));
        const struct bom *bom = bom_decode(a, packed.data, packed.len, &e);
        assert_non_null(bom);
        fresh();
        archive_make(&b, m);
        assert_int_equal(unpack_bytes(&b, bom), row == 0);
        buf_release(&b);
        buf_release(&packed);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_what_the_archive_says),
        cmocka_unit_test(set_id_bits_are_dropped_but_where_allowed),
        cmocka_unit_test(hard_links),
        cmocka_unit_test(hostile_archives_are_refused),
        cmocka_unit_test(scripts_are_private),
        cmocka_unit_test(the_bom_is_compared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
