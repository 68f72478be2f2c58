/* claims: two components of a product must not have a directory and something else at one place. */
#include "core/limits.h"
#include "installer/claims.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct claim {
    const char *location, *path;
    bool directory;
};

static void rows_hold(void **state)
{
    /* the first two come first; does the third fit? */
    static const struct {
        struct claim first, second;
        bool fits;
    } rows[] = {
        {{"/", "opt/a", false}, {"/opt", "a", false}, true},      /* the later file has its way */
        {{"/", "opt/a", true}, {"/opt/a", "", true}, true},       /* one directory for both */
        {{"/", "opt/a", false}, {"/opt/a", "", true}, false},     /* a location that is a link */
        {{"/", "opt/a", false}, {"/opt/a/b", "c", false}, false}, /* and one further up */
        {{"/opt/a/b", "c", false}, {"/", "opt/a", false}, false}, /* the other way round */
        {{"/opt", "a", false}, {"/opt", "A/evil", false}, false}, /* as a Mac tells names apart */
        {{"/opt", "caf\xc3\xa9", false}, {"/opt/cafe\xcc\x81", "x", false}, false},
        {{"/", "var/db", false}, {"/private", "var/db/x", false}, false}, /* var is below private */
        {{"/", "etc", true}, {"/private/etc", "x", false}, true},
        {{"/", "etc", false}, {"/private/etc", "x", false}, true}, /* a link that every Mac has */
        {{"/", "various", false}, {"/private/various", "x", false}, true},
        {{"/", "opt/a", false}, {"/opt", "ab/c", false}, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        struct claims *c = claims_open();
        const struct claim *one = &rows[i].first, *two = &rows[i].second;
        assert_true(claims_note(c, one->location, "", true, &e) || strcmp(one->path, "") == 0);
        assert_true(claims_note(c, one->location, one->path, one->directory, &e));
        bool fits = claims_note(c, two->location, two->path, two->directory, &e);
        if (fits != rows[i].fits)
            fail_msg("row %zu: %s", i, fits ? "it fits" : e.text);
        if (!fits) {
            assert_int_equal(e.kind, ERR_FORMAT);
            assert_non_null(strstr(e.text, "a directory in one component"));
        }
        claims_free(c);
    }
}

static void too_long_together(void **state)
{
    char location[2 * LIMIT_PATH], path[LIMIT_PATH];
    struct err e;
    struct claims *c = claims_open();
    (void)state;
    memset(location, 'l', sizeof location);
    memset(path, 'p', sizeof path);
    location[0] = '/';
    location[sizeof location - 1] = path[sizeof path - 1] = '\0';
    assert_false(claims_note(c, location, path, false, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    claims_free(c);
    claims_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_hold), cmocka_unit_test(too_long_together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
