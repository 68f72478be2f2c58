#include "core/limits.h"
#include "manifests/catalog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *a;
static struct err e;

static int setup(void **state)
{
    (void)state;
    a = arena_open();
    e = (struct err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static const struct outline *outline(const char *text)
{
    return outline_decode(a, text, strlen(text), &e);
}

static const char *error_of(const char *text)
{
    assert_null(outline(text));
    return e.text;
}

#define ARRAY(x)  "<plist version=\"1.0\">\n<array>" x "</array>\n</plist>\n"
#define ITEM(x)   "<dict>" x "</dict>"
#define KEY(k, v) "<key>" k "</key>" v
#define STR(s)    "<string>" s "</string>"

static void finds_what_an_index_asks_for(void **state)
{
    (void)state;
    const struct outline *o =
        outline(ARRAY(ITEM(KEY("name", STR("A &amp; B")) KEY("description", STR("d"))
                               KEY("requires", "<array>" STR("x") STR("y") "</array>"))
                          ITEM(KEY("v&#101;rsion", "<string><![CDATA[1.0]]></string>") KEY("name", STR("B"))
                                   KEY("autoremove", "<true/>"))));
    assert_int_equal(outline_count(o), 2);
    const struct value *brief = outline_part(a, o, 0, OUTLINE_BRIEF);
    assert_string_equal(props_str(brief, "name"), "A & B");
    assert_int_equal(value_count(props_strings(brief, "requires")), 2);
    assert_null(value_get(brief, "description"));
    brief = outline_part(a, o, 1, OUTLINE_BRIEF);
    assert_string_equal(props_str(brief, "version"), "1.0");
    assert_true(props_bool(brief, "autoremove", false));
    assert_string_equal(props_str(outline_item(a, o, 0, &e), "description"), "d");
}

static void what_is_no_item_has_a_place_too(void **state)
{
    (void)state;
    const struct outline *o = outline(ARRAY(
        STR("x") "<array>" ITEM(KEY("name", STR("inner"))) "</array>" ITEM(KEY("name", STR("A"))) "<dict/>"));
    assert_int_equal(outline_count(o), 4);
    assert_null(outline_part(a, o, 0, OUTLINE_BRIEF));
    assert_null(outline_part(a, o, 1, OUTLINE_BRIEF));
    assert_string_equal(props_str(outline_part(a, o, 2, OUTLINE_BRIEF), "name"), "A");
    assert_int_equal(value_count(outline_part(a, o, 3, OUTLINE_BRIEF)), 0);
}

static void only_the_keys_of_the_item_itself_count(void **state)
{
    (void)state;
    const struct outline *o = outline(
        ARRAY(ITEM(KEY("installs", "<array>" ITEM(KEY("version", STR("9")) KEY("name", STR("no"))) "</array>")
                       KEY("x", ITEM(KEY("name", STR("no")))) KEY("name", STR("A")))));
    assert_string_equal(props_str(outline_part(a, o, 0, OUTLINE_BRIEF), "name"), "A");
    assert_null(value_get(outline_part(a, o, 0, OUTLINE_BRIEF), "version"));
}

static enum outline_sight look(const struct outline *o, size_t i, enum pkginfo_brief_key key)
{
    const char *p;
    size_t n;
    return outline_look(o, i, key, &p, &n);
}

static void receipts_wait_until_they_are_asked_for(void **state)
{
    (void)state;
    const struct outline *o = outline(ARRAY(ITEM(KEY("name", STR("A")) KEY(
        "receipts", "<array>" ITEM(KEY("packageid", STR("a.b"))) "</array>")) ITEM(KEY("name", STR("B")))));
    assert_null(value_get(outline_part(a, o, 0, OUTLINE_BRIEF), "receipts"));
    assert_int_equal(look(o, 0, PKGINFO_BRIEF_RECEIPTS), OUTLINE_VALUE);
    assert_int_equal(look(o, 1, PKGINFO_BRIEF_RECEIPTS), OUTLINE_NOTHING);
    const struct value *part = outline_part(a, o, 0, OUTLINE_KEY(PKGINFO_BRIEF_RECEIPTS));
    assert_null(value_get(part, "name"));
    assert_string_equal(props_str(value_at(props_dicts(part, "receipts"), 0), "packageid"), "a.b");
}

static void sees_text_where_it_stands(void **state)
{
    const char *p = NULL;
    size_t n = 0;
    (void)state;
    const struct outline *o = outline(ARRAY(
        ITEM(KEY("name", STR("Abc")) KEY("autoremove", "<false/>") KEY("version", "<real>1.0</real>")) ITEM(
            KEY("name", STR("A &amp; B")) KEY("autoremove", "<true/>") KEY("version", STR(""))) STR("x")));
    assert_int_equal(outline_look(o, 0, PKGINFO_BRIEF_NAME, &p, &n), OUTLINE_TEXT);
    assert_int_equal(n, 3);
    assert_memory_equal(p, "Abc", 3);
    assert_int_equal(look(o, 0, PKGINFO_BRIEF_AUTOREMOVE), OUTLINE_FALSE);
    assert_int_equal(look(o, 0, PKGINFO_BRIEF_VERSION), OUTLINE_VALUE);
    assert_int_equal(look(o, 0, PKGINFO_BRIEF_REQUIRES), OUTLINE_NOTHING);
    assert_int_equal(look(o, 1, PKGINFO_BRIEF_NAME), OUTLINE_VALUE);
    assert_int_equal(look(o, 1, PKGINFO_BRIEF_AUTOREMOVE), OUTLINE_VALUE);
    assert_int_equal(outline_look(o, 1, PKGINFO_BRIEF_VERSION, &p, &n), OUTLINE_TEXT);
    assert_int_equal(n, 0);
    assert_int_equal(look(o, 2, PKGINFO_BRIEF_NAME), OUTLINE_NOTHING);
}

static void every_byte_is_checked(void **state)
{
    (void)state;
    assert_string_equal(
        error_of(
            "<plist>\n<array>\n<dict><key>description</key><string>\n<b></string></dict></array></plist>"),
        "line 4: <b> is no element of a property list");
    assert_string_equal(error_of(ARRAY(ITEM(KEY("name", STR("A")) KEY("name", STR("B"))))),
                        "line 2: the dictionary that begins here has the key name twice");
    assert_string_equal(error_of(ARRAY(ITEM(KEY("size", "<integer>12abc</integer>")))),
                        "line 2: \"12abc\" is no integer");
    assert_string_equal(error_of("<plist><dict/></plist>"),
                        "an array of dictionaries is needed, found dictionary");
    assert_string_equal(error_of("<plist><true/></plist>"),
                        "an array of dictionaries is needed, found boolean");
    assert_string_equal(error_of(""), "an empty file");
    (void)error_of("<!DOCTYPE html><html></html>");
    assert_int_equal(e.cause, CAUSE_CAPTIVE);
}

/* A text of n repetitions of middle between head and tail. */
static const char *repeated(const char *head, const char *middle, size_t n, const char *tail)
{
    size_t len = strlen(middle), at = strlen(head);
    char *text = arena_alloc(a, at + n * len + strlen(tail) + 1);
    memcpy(text, head, at);
    for (size_t i = 0; i < n; i++, at += len)
        memcpy(text + at, middle, len);
    memcpy(text + at, tail, strlen(tail) + 1);
    return text;
}

static char said[1024];

static void hear(void *ctx, const char *sentence)
{
    (void)ctx;
    (void)snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", sentence);
}

static void check_too_large(const char *text, const char *sentence)
{
    said[0] = '\0';
    struct catalog *c = catalog_load(a, "cat", outline(text), hear, NULL);
    assert_null(catalog_pkginfo(catalog_versions(c, "Big").entries[0]));
    assert_string_equal(said, sentence);
    assert_non_null(catalog_pkginfo(catalog_versions(c, "Small").entries[0]));
    assert_int_equal(catalog_updates(c, "Small").count, 0); /* what it says beside its name is not believed */
}

#define SMALL ITEM(KEY("name", STR("Small")) KEY("version", STR("1")))
#define BIG                                                                                                  \
    KEY("name", STR("Big")) KEY("version", STR("1")) KEY("update_for", "<array>" STR("Small") "</array>")

static void an_item_beyond_the_limits_is_its_own_problem(void **state)
{
    (void)state;
    check_too_large(repeated("<plist><array><dict>" BIG "<key>x</key><string>", "0123456789abcdef",
                             LIMIT_CATALOG_ITEM / 16, "</string></dict>" SMALL "</array></plist>"),
                    "catalog cat: item 1, Big: more than 1 MB\n");
    check_too_large(repeated("<plist><array><dict>" BIG "<key>x</key><array>", "<true/>", LIMIT_ITEM_NODES,
                             "</array></dict>" SMALL "</array></plist>"),
                    "catalog cat: item 1, Big: more than 20000 values\n");
}

static void a_catalog_may_be_larger_than_any_other_list(void **state)
{
    (void)state;
    const char *text =
        repeated("<plist><array>" SMALL, ITEM(KEY("name", STR("Other")) KEY("x", STR("0123456789"))),
                 LIMIT_PLIST / 64, "</array></plist>");
    assert_true(strlen(text) > LIMIT_PLIST);
    const struct outline *o = outline(text);
    assert_int_equal(outline_count(o), LIMIT_PLIST / 64 + 1);
    assert_string_equal(props_str(outline_part(a, o, LIMIT_PLIST / 64, OUTLINE_BRIEF), "name"), "Other");
}

static void many_keys_are_told_apart(void **state)
{
    char key[64];
    struct buf text;
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        buf_init(&text, LIMIT_MB);
        assert_true(buf_printf(&text, "<plist><array><dict>"));
        for (int i = 0; i < 200; i++) {
            (void)snprintf(key, sizeof key, "<key>key%d</key><true/>", twice && i == 150 ? 70 : i);
            assert_true(buf_append(&text, key, strlen(key), &e));
        }
        assert_true(buf_printf(&text, "</dict></array></plist>"));
        const struct outline *o = outline_decode(a, arena_strndup(a, buf_str(&text), text.len), text.len, &e);
        assert_int_equal(o == NULL, twice);
        if (twice)
            assert_string_equal(e.text, "line 1: the dictionary that begins here has the key key70 twice");
        else
            assert_int_equal(value_count(outline_item(a, o, 0, &e)), 200);
        buf_release(&text);
    }
}

static const char restored[] = /* of which catalog */
    "\xef\xbb\xbf" ARRAY(ITEM(KEY("name", STR("Sn\xc3\xb6w")) KEY("version", "<integer>2</integer>") KEY(
        "update_for", STR("B"))) ITEM(KEY("description", STR("none"))) STR("no item")
                             ITEM(KEY("name", STR("B")) KEY("version", "<!-- x -->" STR("1"))));
static bool readable;

static bool from_there(void *ctx, size_t at, void *to, size_t n, struct err *why)
{
    assert_null(ctx);
    assert_true(at <= sizeof restored - 1 && n <= sizeof restored - 1 - at);
    if (readable)
        memcpy(to, restored + at, n);
    return readable || err_set(why, ERR_SYS, CAUSE_DISK, "cannot read");
}

static const struct outline *again(const char *saved, size_t n)
{
    return outline_restore(a, sizeof restored - 1, from_there, NULL, saved, n);
}

/* Whatever is not just what was saved for these bytes is no outline of them. */
static void is_restored_from_what_was_saved(void **state)
{
    struct buf saved;
    const char *p;
    size_t n;
    (void)state;
    const struct outline *made = outline_decode(a, restored, sizeof restored - 1, &e);
    assert_non_null(made);
    buf_init(&saved, LIMIT_MB);
    assert_true(outline_save(made, &saved, &e));
    const struct outline *o = again(saved.data, saved.len);
    readable = true;
    assert_non_null(o);
    assert_int_equal(outline_count(o), 4);
    assert_int_equal(outline_look(o, 0, PKGINFO_BRIEF_NAME, &p, &n), OUTLINE_TEXT);
    assert_memory_equal(p, "Sn\xc3\xb6w", n);
    assert_int_equal(outline_look(o, 0, PKGINFO_BRIEF_VERSION, &p, &n), OUTLINE_VALUE);
    assert_int_equal(outline_look(o, 1, PKGINFO_BRIEF_NAME, &p, &n), OUTLINE_NOTHING);
    assert_null(outline_part(a, o, 2, OUTLINE_BRIEF));
    for (size_t i = 0; i < 4; i++)
        assert_true(value_equal(outline_item(a, o, i, &e), outline_item(a, made, i, &e)));
    assert_string_equal(props_str(outline_part(a, o, 0, OUTLINE_BRIEF), "update_for"), "B");

    for (size_t k = 0; k < saved.len; k += 7)
        assert_null(again(saved.data, k));
    assert_null(outline_restore(a, sizeof restored - 2, from_there, NULL, saved.data, saved.len));
    readable = false;
    assert_null(outline_item(a, o, 0, &e));
    assert_string_equal(e.text, "cannot read");
    saved.data[17]++; /* the version of the program */
    assert_null(again(saved.data, saved.len));
    saved.data[17]--;
    saved.data[72 + 3] = 0x7f; /* where the first item stands */
    assert_null(again(saved.data, saved.len));
    buf_release(&saved);

    struct value *tree = value_new_array(a);
    buf_init(&saved, LIMIT_MB);
    assert_true(outline_save(outline_of(a, tree, &e), &saved, &e));
    assert_int_equal(saved.len, 0);
    buf_init(&saved, 100);
    assert_false(outline_save(made, &saved, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    buf_release(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_what_an_index_asks_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_item_has_a_place_too, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_keys_of_the_item_itself_count, setup, teardown),
        cmocka_unit_test_setup_teardown(receipts_wait_until_they_are_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(sees_text_where_it_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(every_byte_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(an_item_beyond_the_limits_is_its_own_problem, setup, teardown),
        cmocka_unit_test_setup_teardown(a_catalog_may_be_larger_than_any_other_list, setup, teardown),
        cmocka_unit_test_setup_teardown(many_keys_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(is_restored_from_what_was_saved, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
