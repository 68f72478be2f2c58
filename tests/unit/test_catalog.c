#include "manifests/catalog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena *a;
    struct catalog *c;
    char said[4096];
};

static void warn(void *ctx, const char *sentence)
{
    struct fixture *f = ctx;
    size_t n = strlen(f->said);
    snprintf(f->said + n, sizeof f->said - n, "%s\n", sentence);
}

#define ITEM(name, version, more)                                                                            \
    "<dict><key>name</key><string>" name "</string><key>version</key><string>" version "</string>" more      \
    "</dict>"

static int setup(void **state)
{
    static const char text[] =
        "<plist version=\"1.0\"><array>" ITEM("A", "1.0", "<key>update_for</key><string>B</string>")
            ITEM("A", "1.10", "<key>update_for</key><array><string>B</string><string>B</string></array>")
                ITEM("A", "1", "") ITEM("A", "1.0.0", "<key>autoremove</key><true/>")
                    ITEM("B", "2",
                         "<key>requires</key><array><string>A</string><string>A-1.10</string></"
                         "array>") "<dict><key>name</key><string>C</string><key>update_for</"
                                   "key><string>A</string></dict>"
                                   "<dict><key>version</key><string>1</string></dict><string>x</"
                                   "string>"
                                   "<dict><key>name</key><string>D</string><key>version</"
                                   "key><integer>3</integer></dict>"
                                   "</array></plist>";
    struct fixture *f = calloc(1, sizeof *f);
    struct err e = {0};

    f->a = arena_open();
    const struct outline *o = outline_decode(f->a, text, sizeof text - 1, &e);
    if (o)
        f->c = catalog_load(f->a, "cat", o, warn, f);
    *state = f;
    return f->c ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->a);
    free(f);
    return 0;
}

static void orders_versions(void **state)
{
    const struct fixture *f = *state;
    struct catalog_list list = catalog_versions(f->c, "A");

    assert_int_equal(list.count, 4);
    assert_string_equal(list.entries[0]->version, "1.10");
    assert_string_equal(list.entries[1]->version, "1.0");   /* equal versions: as in the catalog, … */
    assert_string_equal(list.entries[2]->version, "1.0.0"); /* … but the same trimmed text together */
    assert_string_equal(list.entries[3]->version, "1");
    assert_int_equal(catalog_versions(f->c, "None").count, 0);
}

static void finds_by_reference(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(catalog_updates(f->c, "B").count, 2);
    assert_int_equal(catalog_updates(f->c, "A").count, 1);
    assert_int_equal(catalog_dependents(f->c, "A").count, 1);
    assert_int_equal(catalog_dependents(f->c, "A-1.10").count, 1);
    assert_int_equal(catalog_autoremove(f->c).count, 1);
    assert_int_equal(catalog_autoremove(f->c).entries[0]->position, 3);
}

static void leaves_out_what_is_broken(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(catalog_versions(f->c, "C").count, 0);
    assert_int_equal(catalog_named(f->c, "C").count, 1);
    assert_null(catalog_pkginfo(catalog_named(f->c, "C").entries[0]));
    assert_non_null(strstr(f->said, "catalog cat: item 6, C, has no version"));
    assert_non_null(strstr(f->said, "catalog cat: item 7 has no name"));
    assert_non_null(strstr(f->said, "catalog cat: item 8 has no name"));
}

static void decodes_when_asked(void **state)
{
    struct fixture *f = *state;
    struct catalog_entry *d = catalog_versions(f->c, "D").entries[0];

    assert_null(strstr(f->said, "read as"));
    assert_string_equal(catalog_pkginfo(d)->version, "3");
    assert_ptr_equal(catalog_pkginfo(d), catalog_pkginfo(d));
    assert_non_null(strstr(f->said, "catalog cat: D 3: version: read as \"3\""));
    assert_int_equal(catalog_pkginfo(d)->position, 8);
}

static void tells_the_same_from_the_like(void **state)
{
    const struct fixture *f = *state;
    struct catalog_list list = catalog_named(f->c, "A");

    assert_true(catalog_same(list.entries[0], list.entries[0]));
    assert_false(catalog_same(list.entries[0], list.entries[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(orders_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_by_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_out_what_is_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(decodes_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_the_same_from_the_like, setup, teardown),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
