/* distribution: what is decoded, what is chosen in which order, and what is refused by name. */
#include "installer/distribution.h"
#include "package.h"

static struct err e;
static struct arena *a;
static const struct distribution_machine mac = {.arch = "arm64", .os_version = "15.1", .root_volume = true};

#define TWO                                                                                                  \
    "<choices-outline><line choice=\"all\"><line choice=\"a\"/><line "                                       \
    "choice=\"b\"/></line></choices-outline>"                                                                \
    "<choice id=\"all\"/><choice id=\"a\" title=\"A\"><pkg-ref id=\"org.a\"/></choice>"
#define REFS                                                                                                 \
    "<pkg-ref id=\"org.a\" version=\"1\" installKBytes=\"7\">#a.pkg</pkg-ref>"                               \
    "<pkg-ref id=\"org.b\" version=\"2\" onConclusion=\"RequireRestart\"> #b%20two.pkg\n</pkg-ref>"
#define CHOICE_B(more) "<choice id=\"b\" " more "><pkg-ref id=\"org.b\"/></choice>"

static const struct distribution *decode(const char *body)
{
    const char *s =
        arena_printf(a, "<installer-gui-script minSpecVersion=\"1\">%s</installer-gui-script>", body);
    return distribution_decode(a, s, strlen(s), &e);
}

/* The components that body installs, joined: "a.pkg+b two.pkg"; or why not. */
static const char *decide(const char *body, const struct distribution_machine *m, const struct value *choices)
{
    struct distribution_plan plan;
    const struct distribution *d = decode(body);
    const char *s = "";
    if (!d || !distribution_decide(a, d, m, choices, &plan, &e))
        return arena_strdup(a, e.text);
    for (size_t i = 0; i < plan.count; i++)
        s = arena_printf(a, "%s%s%s", s, i ? "+" : "", plan.refs[i]->component);
    return s;
}

static struct value *choice(struct value *list, const char *id, const char *attribute,
                            const struct value *setting)
{
    struct value *entry = value_new_dict(a);
    value_set(a, entry, "choiceIdentifier", value_new_str(a, id));
    value_set(a, entry, "choiceAttribute", value_new_str(a, attribute));
    value_set(a, entry, "attributeSetting", setting);
    value_append(a, list, entry);
    return list;
}

static void decoded(void **state)
{
    (void)state;
    const struct distribution *d = decode(
        "<title> Two </title><options customize=\"never\"/><options hostArchitectures=\"x86_64, arm64\" "
        "rootVolumeOnly=\"true\"/><domains enable_anywhere=\"true\"/><volume-check><allowed-os-versions>"
        "<os-version min=\"11.0\" before=\"12\"/><os-version "
        "min=\"13\"/></allowed-os-versions></volume-check>" TWO CHOICE_B("start_selected=\"false\"") REFS
        "<pkg-ref id=\"org.a\"><must-close><app id=\"org.app\"/>"
        "</must-close></pkg-ref><product id=\"org.two\" version=\"3\"/>");
    assert_non_null(d);
    assert_string_equal(d->title, "Two");
    assert_string_equal(d->product_id, "org.two");
    assert_string_equal(d->customize, "never");
    assert_int_equal(d->architectures.count, 2);
    assert_string_equal(d->architectures.names[1], "arm64");
    assert_true(d->root_volume_only);
    assert_int_equal(d->os_count, 2);
    assert_string_equal(d->os[0].before, "12");
    assert_null(d->os[1].before);
    assert_int_equal(d->ref_count, 2);
    assert_string_equal(d->refs[0].component, "a.pkg");
    assert_int_equal(d->refs[0].install_kbytes, 7);
    assert_string_equal(d->refs[0].must_close.names[0], "org.app");
    assert_string_equal(d->refs[1].component, "b two.pkg");
    assert_int_equal(d->refs[1].on_conclusion, PACKAGEINFO_RESTART);
    assert_int_equal(d->choice_count, 3);
    assert_int_equal(d->line_count, 3);
    assert_int_equal(d->lines[1].depth, 1);
    assert_null(d->scripted_check);
}

static void chosen(void **state)
{
    (void)state;
    assert_string_equal(decide(TWO CHOICE_B("") REFS, &mac, NULL), "a.pkg+b two.pkg");
    assert_string_equal(decide(TWO CHOICE_B("start_selected=\"false\"") REFS, &mac, NULL), "a.pkg");
    assert_string_equal(decide(TWO CHOICE_B("start_selected=\"false\" selected=\"true\"") REFS, &mac, NULL),
                        "a.pkg+b two.pkg");
    assert_string_equal(decide(TWO CHOICE_B("enabled=\"js()\" visible=\"js()\"") REFS, &mac, NULL),
                        "a.pkg+b two.pkg");
    /* each once, in the outline's order; a ref without component is nothing */
    assert_string_equal(
        decide("<choices-outline><line choice=\"b\"/><line choice=\"a\"/><line choice=\"b\"/>"
               "</choices-outline><choice id=\"a\"><pkg-ref id=\"org.a\"/><pkg-ref id=\"org.b\"/>"
               "<pkg-ref id=\"org.none\"/></choice>" CHOICE_B("") REFS,
               &mac, NULL),
        "b two.pkg+a.pkg");
    assert_string_equal(decide(TWO CHOICE_B("") REFS "<pkg-ref id=\"org.b\" active=\"false\"/>", &mac, NULL),
                        "a.pkg");
    /* a choice outside the outline is not installed */
    assert_string_equal(
        decide("<choices-outline><line choice=\"a\"/></choices-outline><choice id=\"a\"><pkg-ref "
               "id=\"org.a\"/></choice>" CHOICE_B("") REFS,
               &mac, NULL),
        "a.pkg");
    assert_string_equal(decide("<choices-outline ui=\"SoftwareUpdate\"/>" TWO CHOICE_B("") REFS, &mac, NULL),
                        "a.pkg+b two.pkg");
}

static void overrides(void **state)
{
    (void)state;
    struct value *list = value_new_array(a);
    choice(list, "a", "selected", value_new_int(a, 0));
    choice(list, "b", "selected", value_new_bool(a, true));
    choice(list, "b", "visible", value_new_bool(a, false));
    assert_string_equal(decide(TWO CHOICE_B("start_selected=\"js()\"") REFS, &mac, list), "b two.pkg");
    assert_non_null(
        strstr(decide(TWO CHOICE_B("") REFS, &mac, choice(value_new_array(a), "z", "selected", NULL)), "z"));
    assert_non_null(strstr(decide(TWO CHOICE_B("") REFS, &mac,
                                  choice(value_new_array(a), "a", "customLocation", value_new_str(a, "/x"))),
                           "location"));
    assert_non_null(strstr(
        decide(TWO CHOICE_B("") REFS, &mac, choice(value_new_array(a), "a", "selected", value_new_int(a, 2))),
        "neither"));
}

static bool installed(void *ctx, const char *id, const char *version)
{
    return strcmp(ctx, arena_printf(a, "%s %s", id, version)) == 0;
}

static void javascript(void **state)
{
    (void)state;
    char one[] = "org.b 1", two[] = "org.b 2";
    struct distribution_machine m = mac;
    const char *upgrade =
        TWO CHOICE_B("start_selected='my.choice.packageUpgradeAction != \"installed\"'") REFS;
    assert_string_equal(decide(upgrade, &mac, NULL), "a.pkg+b two.pkg");
    m.installed = installed;
    m.ctx = one;
    assert_string_equal(decide(upgrade, &m, NULL), "a.pkg+b two.pkg");
    m.ctx = two;
    assert_string_equal(decide(upgrade, &m, NULL), "a.pkg");
    assert_non_null(strstr(decide(TWO CHOICE_B("selected=\"choices['a'].selected\"") REFS, &mac, NULL),
                           "choices['a'].selected"));
    assert_int_equal(e.kind, ERR_REFUSED);
    assert_non_null(strstr(decide(TWO CHOICE_B("customLocation=\"where()\"") REFS, &mac, NULL), "where()"));
    assert_non_null(
        strstr(decide(TWO CHOICE_B("") REFS "<pkg-ref id=\"org.b\" active=\"is()\"/>", &mac, NULL), "is()"));
    const char *checked =
        "<installation-check script=\"check()\"/><script>function check() {}</script>" TWO CHOICE_B("") REFS;
    assert_non_null(strstr(decide(checked, &mac, NULL), "check()"));
    m.skip_checks = true;
    m.ctx = one;
    assert_string_equal(decide(checked, &m, NULL), "a.pkg+b two.pkg");
    assert_non_null(
        strstr(decide("<volume-check><required-graphics/></volume-check>" TWO CHOICE_B("") REFS, &mac, NULL),
               "required-graphics"));
    assert_non_null(
        strstr(decide("<domains enable_localSystem=\"f()\"/>" TWO CHOICE_B("") REFS, &mac, NULL), "f()"));
    /* code that nothing refers to is no matter */
    assert_string_equal(decide("<script>function f() {}</script>" TWO CHOICE_B("") REFS, &mac, NULL),
                        "a.pkg+b two.pkg");
}

static void machines(void **state)
{
    (void)state;
    struct distribution_machine intel = mac;
    struct distribution_plan plan;
    intel.arch = "x86_64";
#define ARCH(list) "<options hostArchitectures=\"" list "\"/>" TWO CHOICE_B("") REFS
#define SYSTEM(range)                                                                                        \
    "<volume-check><allowed-os-versions><os-version " range                                                  \
    "/></allowed-os-versions></volume-check>" TWO CHOICE_B("") REFS
    assert_string_equal(decide(ARCH("ppc,i386,arm64"), &mac, NULL), "a.pkg+b two.pkg");
    assert_string_equal(decide(ARCH("ppc,i386"), &intel, NULL), "a.pkg+b two.pkg");
    assert_non_null(strstr(decide(ARCH("arm64"), &intel, NULL), "processor"));
    assert_non_null(strstr(decide(ARCH("ppc,i386"), &mac, NULL), "processor"));
    const struct distribution *d = decode(ARCH("x86_64"));
    assert_true(distribution_decide(a, d, &mac, NULL, &plan, &e));
    assert_true(plan.needs_rosetta);
    assert_false(plan.may_need_rosetta);
    assert_int_equal(plan.on_conclusion, PACKAGEINFO_RESTART);
    assert_true(distribution_decide(a, d, &intel, NULL, &plan, &e));
    assert_false(plan.needs_rosetta);
    assert_string_equal(decide(SYSTEM("min=\"11.0\""), &mac, NULL), "a.pkg+b two.pkg");
    assert_non_null(strstr(decide(SYSTEM("min=\"16\""), &mac, NULL), "16 and later"));
    assert_non_null(strstr(decide(SYSTEM("before=\"15\""), &mac, NULL), "before 15"));
    const struct distribution_machine unknown = {.skip_checks = false};
    assert_string_equal(decide(SYSTEM("min=\"16\""), &unknown, NULL), "a.pkg+b two.pkg");
    assert_non_null(strstr(
        decide("<domains enable_currentUserHome=\"true\" enable_localSystem=\"false\"/>" TWO CHOICE_B("")
                   REFS,
               &mac, NULL),
        "home"));
    const char *root_only = "<options rootVolumeOnly=\"true\"/>" TWO CHOICE_B("") REFS;
    assert_string_equal(decide(root_only, &mac, NULL), "a.pkg+b two.pkg");
    assert_non_null(strstr(decide(root_only, &unknown, NULL), "volume"));
}

static void refused(void **state)
{
    static const char *const bad[] = {
        TWO REFS, /* a line without its choice */
        "<choice id=\"a\"/>",
        TWO CHOICE_B("") CHOICE_B("") REFS,
        TWO CHOICE_B("") REFS "<pkg-ref id=\"org.a\">#other.pkg</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref id=\"org.a\">file:../../other.pkg</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref id=\"org.a\">a.pkg</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref id=\"org.a\">#..</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref id=\"org.a\">#a%2fb.pkg</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref id=\"org.a\">#a%00</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref id=\"org.a\">http://example.org/#a.pkg</pkg-ref>",
        TWO CHOICE_B("") "<pkg-ref>#a.pkg</pkg-ref>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (decode(bad[i]))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(e.kind, ERR_FORMAT);
        assert_non_null(strstr(e.text, "Distribution: "));
    }
    assert_null(distribution_decode(a, "<a/>", 4, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoded),    cmocka_unit_test(chosen),   cmocka_unit_test(overrides),
        cmocka_unit_test(javascript), cmocka_unit_test(machines), cmocka_unit_test(refused),
    };
    a = arena_open();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(a);
    return rc;
}
