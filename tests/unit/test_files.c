/* files: paths, links planted on the way, evidence inside the root, replacing, removing. */
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static char base[] = "/tmp/test_files.XXXXXX";
static int outside, dir; /* base, and base/root */
static struct err e;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(base))
        return -1;
    outside = files_root(base, false, &e);
    dir = files_dir(outside, "root", true, 0755, &e);
    return outside < 0 || dir < 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(dir);
    close(outside);
    int top = files_root("/tmp", false, &e);
    bool ok = files_remove(top, text_basename(base), &e);
    close(top);
    if (!ok)
        print_error("%s\n", e.text);
    return !ok;
}

static void put(const char *path, const char *text)
{
    if (!files_replace(dir, path, text, strlen(text), 0644, FILES_LAZY, &e))
        fail_msg("%s", e.text);
}

static const char *get(int at, const char *path)
{
    static struct buf b;
    static char text[256];
    buf_init(&b, sizeof text - 1);
    bool ok = files_read(at, path, &b, &e);
    snprintf(text, sizeof text, "%s", ok ? buf_str(&b) : "(none)");
    buf_release(&b);
    return text;
}

static void link_to(const char *target, const char *path)
{
    const char *name;
    int fd = files_parent(dir, path, true, &name, &e);
    assert_true(fd >= 0);
    assert_int_equal(symlinkat(target, fd, name), 0);
    close(fd);
}

static void paths_have_one_form(void **state)
{
    (void)state;
    put("/Library//Daybreak/./x", "1");
    assert_string_equal(get(dir, "Library/Daybreak/x"), "1");
    assert_string_equal(get(dir, "///Library/Daybreak/x"), "1");
    put("/var/db/y", "2");
    assert_string_equal(get(dir, "private/var/db/y"), "2");
    assert_string_equal(get(dir, "var/db/y"), "2");
    put("Library/var", "3"); /* only as the first component */
    assert_string_equal(get(dir, "Library/var"), "3");
    put("/tmpfile", "4");
    assert_string_equal(get(dir, "tmpfile"), "4");
    static const char *const bad[] = {"..", "a/..", "../root/tmpfile", "Library/../tmpfile"};
    struct stat st;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(files_stat(dir, bad[i], &st, &e));
        assert_int_equal(e.kind, ERR_REFUSED);
        assert_false(files_evidence_stat(dir, bad[i], &st, NULL, &e));
        assert_int_equal(files_open(dir, bad[i], &e), -1);
        assert_false(files_remove(dir, bad[i], &e));
    }
    assert_true(files_stat(dir, "", &st, &e));
    assert_true(S_ISDIR(st.st_mode));
    char name[LIMIT_NAME + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(files_stat(dir, name, &st, &e));
    assert_int_equal(e.code, ENAMETOOLONG);
    char path[2 * LIMIT_PATH + 1];
    memset(path, 'p', sizeof path - 1);
    for (size_t i = 100; i < sizeof path - 1; i += 100)
        path[i] = '/';
    path[sizeof path - 1] = '\0';
    assert_false(files_stat(dir, path, &st, &e));
    assert_int_equal(e.code, ENAMETOOLONG);
}

static void missing_is_not_found(void **state)
{
    (void)state;
    struct stat st;
    put("file", "x");
    assert_false(files_stat(dir, "no/such", &st, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "no/such"));
    assert_false(files_stat(dir, "file/below", &st, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_int_equal(files_dir(dir, "no", false, 0, &e), -1);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_int_equal(files_create(dir, "no/such", 0644, &e), -1);
    assert_true(files_remove(dir, "no/such", &e));
    assert_int_equal(files_open(dir, "no", NULL), -1);
}

static void links_on_the_way_are_refused(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(mkdirat(outside, "prey", 0755), 0);
    assert_true(files_replace(outside, "prey/file", "safe", 4, 0644, FILES_LAZY, &e));
    link_to("../prey", "trap");
    link_to("../prey/file", "trapfile");
    put("to-rename", "x");
    assert_false(files_stat(dir, "trap/file", &st, &e));
    assert_int_equal(e.kind, ERR_SYS);
    assert_int_equal(e.code, ELOOP);
    assert_int_equal(files_open(dir, "trap/file", &e), -1);
    assert_int_equal(e.code, ELOOP);
    assert_int_equal(files_open(dir, "trapfile", &e), -1);
    assert_int_equal(files_dir(dir, "trap", false, 0, &e), -1);
    assert_int_equal(e.code, ELOOP);
    assert_int_equal(files_dir(dir, "trap/new", true, 0755, &e), -1);
    assert_int_equal(files_create(dir, "trap/new", 0644, &e), -1);
    assert_int_equal(files_create(dir, "trapfile", 0644, &e), -1);
    assert_false(files_replace(dir, "trap/file", "bad", 3, 0644, FILES_LAZY, &e));
    assert_false(files_rename(dir, "to-rename", "trap/file", &e));
    assert_false(files_rename(dir, "trap/file", "stolen", &e));
    assert_false(files_remove(dir, "trap/file", &e));
    assert_int_equal(e.code, ELOOP);
    char name[256];
    assert_int_equal(files_temp_dir(dir, "trap", "t", name, sizeof name, &e), -1);
    assert_string_equal(get(outside, "prey/file"), "safe");
    /* the link itself may be looked at, replaced and removed */
    assert_true(files_stat(dir, "trapfile", &st, &e));
    assert_true(S_ISLNK(st.st_mode));
    put("trapfile", "mine");
    assert_string_equal(get(dir, "trapfile"), "mine");
    assert_true(files_remove(dir, "trap/", &e));
    assert_string_equal(get(outside, "prey/file"), "safe");
}

static void only_regular_files_open(void **state)
{
    (void)state;
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    assert_int_equal(files_open(dir, "fifo", &e), -1); /* and it did not wait for a writer */
    assert_non_null(strstr(e.text, "not a regular file"));
    assert_int_equal(files_open(dir, "Library", &e), -1);
    assert_int_equal(files_evidence_open(dir, "fifo", &e), -1);
    int fd = files_create(dir, "new", 0640, &e);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(files_create(dir, "new", 0640, &e), -1);
    assert_int_equal(e.code, EEXIST);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    close(fd);
}

static void modes_are_exact(void **state)
{
    (void)state;
    struct stat st;
    mode_t old = umask(077);
    assert_true(files_replace(dir, "m/n/file", "x", 1, 0664, FILES_DURABLE, &e));
    int fd = files_dir(dir, "m/o/p", true, 0770, &e);
    umask(old);
    assert_true(fd >= 0);
    close(fd);
    assert_true(files_stat(dir, "m/n/file", &st, &e));
    assert_int_equal(st.st_mode & 07777, 0664);
    assert_true(files_stat(dir, "m/n", &st, &e));
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_true(files_stat(dir, "m/o", &st, &e));
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_true(files_stat(dir, "m/o/p", &st, &e));
    assert_int_equal(st.st_mode & 07777, 0770);
}

static bool collect(void *ctx, const char *name, const struct stat *st)
{
    char *all = ctx;
    (void)st;
    snprintf(all + strlen(all), 256 - strlen(all), "%s ", name);
    return strcmp(name, "stop") != 0;
}

static void replacing_leaves_nothing_beside(void **state)
{
    (void)state;
    char all[256] = "";
    put("r/file", "one");
    put("r/file", "two");
    assert_string_equal(get(dir, "r/file"), "two");
    put("r/sub/x", "");
    assert_false(
        files_replace(dir, "r/sub", "x", 1, 0644, FILES_DURABLE, &e)); /* a directory with something in it */
    assert_false(files_replace(dir, "", "x", 1, 0644, FILES_LAZY, &e));
    assert_true(files_list(dir, "r", collect, all, &e));
    assert_string_equal(all, "file sub ");
    assert_true(files_replace(dir, "r/empty", NULL, 0, 0600, FILES_DURABLE, &e));
    assert_string_equal(get(dir, "r/empty"), "");
    char name[LIMIT_NAME + 1];
    memset(name, 'n', LIMIT_NAME);
    name[LIMIT_NAME] = '\0';
    put(name, "longest");
    assert_string_equal(get(dir, name), "longest");
}

static void reading_is_capped(void **state)
{
    (void)state;
    struct buf b;
    put("five", "12345");
    buf_init(&b, 4);
    assert_false(files_read(dir, "five", &b, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_non_null(strstr(e.text, "five"));
    buf_release(&b);
    buf_init(&b, 5);
    assert_true(files_read(dir, "five", &b, &e));
    assert_string_equal(buf_str(&b), "12345");
    buf_release(&b);
}

static void bytes_are_read_where_they_stand(void **state)
{
    char some[8] = "";
    (void)state;
    put("eight", "01234567");
    int fd = files_open(dir, "eight", &e);
    assert_true(fd >= 0);
    assert_true(files_read_at(fd, 3, some, 5, &e));
    assert_memory_equal(some, "34567", 5);
    assert_true(files_read_at(fd, 0, some, 8, &e));
    assert_memory_equal(some, "01234567", 8);
    assert_true(files_read_at(fd, 100, some, 0, &e));
    assert_false(files_read_at(fd, 3, some, 6, &e));
    assert_string_equal(e.text, "the file ends too early");
    close(fd);
    assert_false(files_read_at(dir, 0, some, 1, &e)); /* a directory */
    assert_int_equal(e.kind, ERR_SYS);
}

static void a_mapped_file_may_be_kept_open(void **state)
{
    struct stat st;
    char c;
    int fd = -1;
    (void)state;
    put("five", "12345");
    put("empty", "");
    const char *p = files_map(dir, "five", 5, &st, &fd, &e);
    assert_non_null(p);
    assert_memory_equal(p, "12345", 5);
    assert_true(files_read_at(fd, 4, &c, 1, &e) && c == '5');
    close(fd);
    files_unmap(p, 5);
    fd = -1;
    assert_null(files_map(dir, "five", 4, &st, &fd, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_int_equal(fd, -1);
    p = files_map(dir, "empty", 5, &st, NULL, &e);
    assert_string_equal(p, "");
    files_unmap(p, 0);
}

static void listing_is_sorted_and_stops(void **state)
{
    (void)state;
    char all[256] = "";
    put("l/b", "");
    put("l/a", "");
    put("l/B", "");
    put("l/stop", "");
    put("l/z", "");
    assert_true(files_list(dir, "l", collect, all, &e));
    assert_string_equal(all, "B a b stop ");
    assert_false(files_list(dir, "nowhere", collect, all, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void renaming_makes_parents(void **state)
{
    (void)state;
    put("from", "f");
    assert_true(files_rename(dir, "from", "to/new/place", &e));
    assert_string_equal(get(dir, "to/new/place"), "f");
    assert_false(files_rename(dir, "from", "x", &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_false(files_rename(dir, "/", "x", &e));
}

static void temporary_directories(void **state)
{
    (void)state;
    char one[256], two[256], small[8];
    struct stat st;
    int fd1 = files_temp_dir(dir, "/var/stage", "pkg-", one, sizeof one, &e);
    int fd2 = files_temp_dir(dir, "/var/stage", "pkg-", two, sizeof two, &e);
    assert_true(fd1 >= 0 && fd2 >= 0);
    assert_string_not_equal(one, two);
    assert_true(text_starts(one, "private/var/stage/pkg-"));
    assert_true(files_stat(dir, one, &st, &e));
    assert_int_equal(st.st_mode & 07777, 0700);
    close(fd1);
    close(fd2);
    assert_int_equal(files_temp_dir(dir, "", "p", small, sizeof small, &e), -1);
    assert_int_equal(e.kind, ERR_LIMIT);
}

static void removing_takes_all_and_no_more(void **state)
{
    (void)state;
    struct stat st;
    put("gone/a/b/c", "x");
    put("gone/d", "x");
    put("stays", "safe");
    link_to("../stays", "gone/link");
    link_to("/", "gone/top");
    link_to("..", "gone/a/up");
    assert_int_equal(mkfifoat(dir, "gone/fifo", 0600), 0);
    int locked = files_dir(dir, "gone/locked", true, 0500, &e);
    assert_true(locked >= 0);
    close(locked);
    assert_true(files_remove(dir, "gone", &e));
    assert_false(files_stat(dir, "gone", &st, &e));
    assert_string_equal(get(dir, "stays"), "safe");
    assert_true(files_remove(dir, "stays", &e));
    assert_false(files_stat(dir, "stays", &st, &e));
    assert_false(files_remove(dir, "/", &e));
    assert_false(files_remove(dir, ".", &e));
}

static void removing_is_bounded_in_depth(void **state)
{
    (void)state;
    struct stat st;
    int fd = files_dir(dir, "deep", true, 0755, &e);
    assert_true(fd >= 0);
    for (int i = 0; i < 3000; i++) { /* far deeper than a path is long, or descriptors are many */
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int file = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(file >= 0);
        close(file);
        int sub = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(sub >= 0);
        close(fd);
        fd = sub;
    }
    close(fd);
    if (!files_remove(dir, "deep", &e))
        fail_msg("%s", e.text);
    assert_false(files_stat(dir, "deep", &st, &e));
}

static const char *resolved(const char *path)
{
    static char out[LIMIT_PATH + 1];
    struct stat st;
    if (!files_evidence_stat(dir, path, &st, out, &e))
        snprintf(out, sizeof out, "(%s)",
                 e.kind == ERR_NOT_FOUND ? "absent"
                 : e.code == ELOOP       ? "loop"
                                         : "error");
    return out;
}

static void evidence_follows_links_inside(void **state)
{
    (void)state;
    put("Applications/App.app/Contents/Info.plist", "app");
    put("private/var/db/z", "z");
    link_to("App.app", "Applications/Link.app");
    link_to("/Applications/Link.app/Contents", "absolute");
    link_to("../../Applications/../Applications", "Library/up/there");
    link_to("../../../../../../Applications", "Library/up/out");
    link_to("..", "Library/up/above");
    assert_int_equal(symlinkat("private/var", dir, "var"), 0);
    link_to("/", "rootlink");
    link_to("/etc/passwd", "passwd");
    link_to("nothing", "dangling");
    link_to("self", "self");
    link_to("b-loop", "a-loop");
    link_to("a-loop", "b-loop");
    assert_string_equal(resolved("Applications/Link.app/Contents/Info.plist"),
                        "Applications/App.app/Contents/Info.plist");
    assert_string_equal(resolved("/absolute/Info.plist"), "Applications/App.app/Contents/Info.plist");
    assert_string_equal(resolved("Library/up/there/Link.app"), "Applications/App.app");
    assert_string_equal(resolved("Library/up/out/App.app"), "Applications/App.app");
    assert_string_equal(resolved("Library/up/above"), "Library");
    assert_string_equal(resolved("Library/up/above/up"), "Library/up");
    assert_string_equal(resolved("var/db/z"), "private/var/db/z");
    assert_string_equal(resolved("rootlink"), "");
    assert_string_equal(resolved("rootlink/rootlink/var/db/z"), "private/var/db/z");
    assert_string_equal(resolved("/"), "");
    assert_string_equal(resolved("passwd"), "(absent)"); /* ours is not the machine's */
    put("private/etc/passwd", "ours");
    assert_string_equal(resolved("passwd"), "private/etc/passwd");
    assert_string_equal(resolved("dangling"), "(absent)");
    assert_string_equal(resolved("Applications/App.app/Contents/Info.plist/x"), "(absent)");
    assert_string_equal(resolved("self"), "(loop)");
    assert_string_equal(resolved("a-loop/x"), "(loop)");
    int fd = files_evidence_open(dir, "absolute/Info.plist", &e);
    assert_true(fd >= 0);
    char text[4] = "";
    assert_int_equal(read(fd, text, 3), 3);
    assert_string_equal(text, "app");
    close(fd);
    assert_int_equal(files_evidence_open(dir, "rootlink", &e), -1);
    assert_int_equal(files_evidence_open(dir, "self", &e), -1);
}

static void evidence_follows_forty_links_and_no_more(void **state)
{
    (void)state;
    char from[32], to[32];
    put("chain/0", "end");
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof from, "chain/%d", i);
        snprintf(to, sizeof to, "%d", i - 1);
        link_to(to, from);
    }
    assert_string_equal(resolved("chain/40"), "chain/0");
    assert_string_equal(resolved("chain/41"), "(loop)");
    /* targets that grow: bounded as well */
    char target[LIMIT_PATH + 1];
    memset(target, 0, sizeof target);
    for (size_t i = 0; i + 8 < LIMIT_PATH; i += 2)
        memcpy(target + i, "./", 2);
    memcpy(target + strlen(target), "grow/x", 7);
    link_to(target, "grow");
    struct stat st;
    assert_false(files_evidence_stat(dir, "grow", &st, NULL, &e));
}

static void roots_and_room(void **state)
{
    (void)state;
    char path[64];
    unsigned long long bytes = 0;
    assert_int_equal(files_root("relative", true, &e), -1);
    assert_int_equal(e.kind, ERR_USAGE);
    snprintf(path, sizeof path, "%s/new/root/", base);
    assert_int_equal(files_root(path, false, &e), -1);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    int fd = files_root(path, true, &e);
    assert_true(fd >= 0);
    assert_true(files_free(fd, &bytes, &e));
    assert_true(bytes > 0);
    close(fd);
    fd = files_root("/", true, &e);
    assert_true(fd >= 0);
    close(fd);
    const char *name;
    assert_int_equal(files_parent(dir, "a/", false, &name, &e), -1);
    assert_int_equal(files_parent(dir, "", false, &name, &e), -1);
    fd = files_parent(dir, "/tmp/x/name", true, &name, &e);
    assert_true(fd >= 0);
    assert_string_equal(name, "name");
    close(fd);
    struct stat st;
    assert_true(files_stat(dir, "private/tmp/x", &st, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_have_one_form),
        cmocka_unit_test(missing_is_not_found),
        cmocka_unit_test(links_on_the_way_are_refused),
        cmocka_unit_test(only_regular_files_open),
        cmocka_unit_test(modes_are_exact),
        cmocka_unit_test(replacing_leaves_nothing_beside),
        cmocka_unit_test(reading_is_capped),
        cmocka_unit_test(bytes_are_read_where_they_stand),
        cmocka_unit_test(a_mapped_file_may_be_kept_open),
        cmocka_unit_test(listing_is_sorted_and_stops),
        cmocka_unit_test(renaming_makes_parents),
        cmocka_unit_test(temporary_directories),
        cmocka_unit_test(removing_takes_all_and_no_more),
        cmocka_unit_test(removing_is_bounded_in_depth),
        cmocka_unit_test(evidence_follows_links_inside),
        cmocka_unit_test(evidence_follows_forty_links_and_no_more),
        cmocka_unit_test(roots_and_room),
    };
    return cmocka_run_group_tests_name("files", tests, set_up, tear_down);
}
