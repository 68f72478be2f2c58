/* place: staged trees merge into a volume by renames; what stands in the way is found before anything moves.
 */
#include "installer/place.h"
#include "volume.h"

static int staged = -1;

/* A fresh, empty staging directory with root in it. */
static void stage(void)
{
    if (staged >= 0)
        close(staged);
    assert_true(files_remove(volume, "stage", &e));
    staged = files_dir(volume, "stage", true, 0700, &e);
    assert_true(staged >= 0);
    assert_int_equal(mkdirat(staged, "root", 0755), 0);
}

static void staged_dir(const char *path, mode_t mode)
{
    char at[256];
    snprintf(at, sizeof at, "root/%s", path);
    assert_int_equal(mkdirat(staged, at, 0700), 0);
    assert_int_equal(fchmodat(staged, at, mode, 0), 0);
}

static void staged_file(const char *path, const char *text, mode_t mode)
{
    char at[256];
    snprintf(at, sizeof at, "root/%s", path);
    int fd = openat(staged, at, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_true(files_write(fd, text, strlen(text), &e));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct place place_at(const char *location)
{
    return (struct place){
        .root = volume, .staged = staged, .name = "root", .location = location, .owners = geteuid() == 0};
}

static void both(const struct place *p)
{
    if (!place_check(p, &e) || !place_move(p, &e))
        fail_msg("%s", e.text);
}

static ino_t inode(int dir, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_ino;
}

static void new_directories_move_whole_and_old_ones_merge(void **state)
{
    (void)state;
    put_mode("Applications/Old.app/file", "old", 0600);
    assert_int_equal(fchmodat(volume, "Applications", 0775, 0), 0);
    stage();
    staged_dir("Applications", 0755);
    staged_dir("Applications/New.app", 0750);
    staged_file("Applications/New.app/x", "x", 0640);
    staged_dir("Applications/Old.app", 0755);
    staged_file("Applications/Old.app/file", "new", 0644);
    assert_int_equal(symlinkat("../../..", staged, "root/Applications/Old.app/link"), 0);
    ino_t whole = inode(staged, "root/Applications/New.app");
    const struct place p = place_at("/");
    both(&p);
    assert_int_equal(inode(volume, "Applications/New.app"), whole);
    assert_string_equal(text_of("Applications/Old.app/file"), "new");
    assert_int_equal(mode_of("Applications/Old.app/file"), 0644);
    assert_int_equal(mode_of("Applications"), 0775);
    assert_int_equal(mode_of("Applications/New.app"), 0750);
    assert_true(there("Applications/Old.app/link"));
}

static void locations_and_permissions(void **state)
{
    (void)state;
    stage();
    staged_file("tool", "t", 0755);
    assert_int_equal(fchmodat(staged, "root", 0711, 0), 0);
    struct place p = place_at("/opt/deep/er");
    both(&p);
    assert_int_equal(mode_of("opt/deep/er"), 0711);
    assert_int_equal(mode_of("opt/deep"), 0755);
    /* an existing directory: its mode stays, unless the package overwrites */
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        stage();
        staged_file("tool", "again", 0755);
        assert_int_equal(fchmodat(staged, "root", 0700, 0), 0);
        p = place_at("/opt/deep/er");
        p.overwrite_permissions = overwrite == 1;
        both(&p);
        assert_int_equal(mode_of("opt/deep/er"), overwrite == 1 ? 0700 : 0711);
        assert_string_equal(text_of("opt/deep/er/tool"), "again");
    }
    /* some are never touched */
    assert_int_equal(mkdirat(volume, "Users", 0755), 0);
    stage();
    staged_dir("Users", 0777);
    staged_dir("Users/Shared", 01777);
    p = place_at("/");
    p.overwrite_permissions = true;
    both(&p);
    assert_int_equal(mode_of("Users"), 0755);
    assert_int_equal(mode_of("Users/Shared"), 01777);
    assert_int_equal(mode_of(""), 0700); /* the root itself */
}

static void var_etc_tmp_are_below_private(void **state)
{
    (void)state;
    struct stat st;
    stage();
    staged_dir("etc", 0755);
    staged_file("etc/conf", "c", 0644);
    staged_dir("opt", 0755);
    staged_dir("opt/etc", 0755); /* only at the top */
    struct place p = place_at("/");
    both(&p);
    assert_string_equal(text_of("private/etc/conf"), "c");
    assert_int_equal(fstatat(volume, "etc", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_true(there("opt/etc"));
    assert_int_not_equal(faccessat(volume, "tmp", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    /* again, through the link that is there now; and by way of the location */
    stage();
    staged_dir("etc", 0755);
    staged_file("etc/conf", "d", 0644);
    p = place_at("/");
    both(&p);
    assert_string_equal(text_of("private/etc/conf"), "d");
    stage();
    staged_file("x", "x", 0644);
    p = place_at("/var/db/thing");
    both(&p);
    assert_string_equal(text_of("private/var/db/thing/x"), "x");
    assert_int_equal(fstatat(volume, "var", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_true(place_links(volume, &e));
    assert_true(place_links(volume, &e));
    assert_int_equal(fstatat(volume, "tmp", &st, AT_SYMLINK_NOFOLLOW), 0);
}

/* Refused by the first pass, naming what; nothing has moved. */
static void in_the_way(const char *location, enum err_kind kind, const char *what)
{
    const struct place p = place_at(location);
    assert_false(place_check(&p, &e));
    if (e.kind != kind || strstr(e.text, what) == NULL)
        fail_msg("kind %d: %s", (int)e.kind, e.text);
    assert_true(faccessat(staged, "root", F_OK, 0) == 0);
}

static void obstacles_are_found_before_anything_moves(void **state)
{
    (void)state;
    put("way/dir/inside", "1");
    put("way/file", "2");
    link_to("/", "way/link");
    stage();
    staged_dir("way", 0755);
    staged_file("way/a", "a", 0644);
    staged_file("way/dir", "d", 0644);
    in_the_way("/", ERR_REFUSED, "/way/dir is a directory");
    assert_false(there("way/a"));
    stage();
    staged_dir("way", 0755);
    staged_dir("way/file", 0755);
    in_the_way("/", ERR_REFUSED, "/way/file is a file");
    stage();
    staged_dir("way", 0755);
    staged_dir("way/link", 0755);
    staged_file("way/link/evil", "x", 0644);
    in_the_way("/", ERR_REFUSED, "/way/link is a link");
    stage();
    staged_file("x", "x", 0644);
    in_the_way("/way/link/more", ERR_SYS, "/way/link/more");
    in_the_way("/way/link", ERR_REFUSED, "is a link");
    in_the_way("/way/file", ERR_REFUSED, "is a file");
    /* but a link or file is replaced by a file or link */
    stage();
    staged_dir("way", 0755);
    staged_file("way/link", "plain", 0644);
    assert_int_equal(symlinkat("file", staged, "root/way/file"), 0);
    const struct place p = place_at("/");
    both(&p);
    assert_string_equal(text_of("way/link"), "plain");
}

static void the_staging_directory_is_not_believed(void **state)
{
    (void)state;
    static const char *const keep[] = {"/bin/su"};
    stage();
    staged_dir("bin", 0755);
    staged_file("bin/su", "s", 04755);
    in_the_way("/", ERR_TRUST, "/bin/su");
    struct place p = place_at("/");
    p.keep_setid = keep;
    p.keep_setid_count = 1;
    both(&p);
    assert_int_equal(mode_of("bin/su"), 04755);
    stage();
    staged_dir("fresh", 0755);
    assert_int_equal(mkfifoat(staged, "root/fresh/pipe", 0644), 0);
    in_the_way("/", ERR_TRUST, "/fresh/pipe");
    stage();
    staged_dir("fresh", 02755);
    in_the_way("/", ERR_TRUST, "/fresh");
}

static void moving_again_ends_in_the_same_tree(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        stage();
        staged_dir("again", 0750);
        staged_file("again/one", "1", 0444);
        staged_dir("again/sub", 0755);
        staged_file("again/sub/two", "2", 0644);
        const struct place p = place_at("/");
        both(&p);
        assert_string_equal(text_of("again/sub/two"), "2");
        assert_int_equal(mode_of("again"), 0750);
        assert_int_equal(mode_of("again/one"), 0444);
    }
    stage();
    const struct place p = place_at("not absolute");
    assert_false(place_check(&p, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_directories_move_whole_and_old_ones_merge),
        cmocka_unit_test(locations_and_permissions),
        cmocka_unit_test(var_etc_tmp_are_below_private),
        cmocka_unit_test(obstacles_are_found_before_anything_moves),
        cmocka_unit_test(the_staging_directory_is_not_believed),
        cmocka_unit_test(moving_again_ends_in_the_same_tree),
    };
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
