/* owner: chmod expressions and names. */
#include "installer/owner.h"
#include "volume.h"

static void modes(void **state)
{
    static const struct {
        const char *expression;
        mode_t old;
        bool dir;
        int want; /* -1: refused */
    } rows[] = {
        {"o-w,go+rX", 0700, false, 0755},
        {"o-w,go+rX", 0600, false, 0644},
        {"o-w,go+rX", 0700, true, 0755},
        {"o-w,go+rX", 0666, false, 0664},
        {"o-w,go+rX", 0600, true, 0655},
        {"755", 0600, false, 0755},
        {"0644", 0777, false, 0644},
        {"4755", 0, false, 04755},
        {"77777", 0, false, -1},
        {"a=r", 0777, false, 0444},
        {"=", 0777, false, 0},
        {"u=rwx,go=rx", 0, false, 0755},
        {"+x", 0644, false, 0755},
        {"g=u", 0640, false, 0660},
        {"o=g-w", 0660, false, 0664},
        {"u+s", 0755, false, 04755},
        {"g+s", 0755, true, 02755},
        {"u-rwx+r", 0777, false, 0477},
        {"+t", 0777, true, 01777},
        {"", 0644, false, -1},
        {"u", 0644, false, -1},
        {"u+q", 0644, false, -1},
        {"u+r,", 0644, false, -1},
        {"8", 0644, false, -1},
        {"z+r", 0644, false, -1},
        {"755x", 0644, false, -1},
    };
    mode_t mode;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool ok = owner_mode(rows[i].expression, rows[i].old, rows[i].dir, &mode, &e);
        if (ok ? rows[i].want != (int)mode : rows[i].want != -1)
            fail_msg("\"%s\" of %o: %o, wanted %o", rows[i].expression, rows[i].old, ok ? mode : 0xfff,
                     (unsigned)rows[i].want);
    }
}

static void names(void **state)
{
    uid_t uid;
    gid_t gid;
    (void)state;
    assert_true(owner_ids(NULL, NULL, false, &uid, &gid, &e));
    assert_int_equal(uid, 0);
    assert_int_equal(gid, 80);
    assert_true(owner_ids("501", "staff", false, &uid, &gid, &e));
    assert_int_equal(uid, 501);
    assert_int_equal(gid, 20);
    assert_true(owner_ids("root", "wheel", false, &uid, &gid, &e));
    assert_int_equal(gid, 0);
    assert_false(owner_ids("nosuchuser", "wheel", true, &uid, &gid, &e));
    assert_false(owner_ids("root", "nosuchgroup", true, &uid, &gid, &e));
    assert_false(owner_ids("-1", "wheel", false, &uid, &gid, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(modes), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
