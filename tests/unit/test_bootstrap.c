/* bootstrap.json: every key and type of every dialect, what is refused and how it is said, and the plan. */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/bootstrap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define H  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HU "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"

static struct arena *a;

static int setup(void **state)
{
    (void)state;
    a = arena_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static const struct bootstrap *good(const char *json)
{
    struct err e = {.text = ""};
    const struct bootstrap *b = bootstrap_decode(a, json, strlen(json), &e);
    if (!b)
        print_error("%s\n", e.text);
    assert_non_null(b);
    return b;
}

/* The one item of a stage. */
static const struct bootstrap_item *item(const char *stage, const char *members)
{
    const struct bootstrap *b = good(arena_printf(a, "{\"%s\": [{%s}]}", stage, members));
    assert_int_equal(b->count, 1);
    return &b->items[0];
}

static void bad(const char *json, enum err_kind kind, const char *sentence)
{
    struct err e = {.text = ""};
    assert_null(bootstrap_decode(a, json, strlen(json), &e));
    if (e.kind != kind || !strstr(e.text, sentence))
        print_error("%d, not %d: %s, not %s\n", e.kind, kind, e.text, sentence);
    assert_int_equal(e.kind, kind);
    assert_non_null(strstr(e.text, sentence));
}

/* Python 1 and 2: every key */
static void python(void **state)
{
    (void)state;
    const struct bootstrap *b =
        good("{\"preflight\": [{\"type\": \"rootscript\", \"name\": \"Is it done?\", \"file\": \"/L/pre.sh\","
             " \"url\": \"https://h/pre.sh\", \"hash\": \"" HU "\"}],"
             "\"setupassistant\": [{\"type\": \"package\", \"name\": \"Munki\", \"file\": \"/L/munki.pkg\","
             " \"url\": \"https://h/munki.pkg\", \"hash\": \"sha256:" H "\","
             " \"packageid\": \"com.example.munki\", \"version\": \"7.0.4\", \"required\": false,"
             " \"skip_if\": \"intel\", \"retries\": 5, \"retrywait\": 10}],"
             "\"userland\": [{\"type\": \"userscript\", \"name\": \"Dock\", \"file\": \"/L/dock.sh\","
             " \"url\": \"https://h/dock.sh\", \"hash\": \"SHA256-" H "\", \"donotwait\": true}]}");
    assert_int_equal(b->count, 3);
    assert_null(b->warning);
    const struct bootstrap_item *pre = &b->items[0], *munki = &b->items[1], *dock = &b->items[2];
    assert_int_equal(pre->stage, BOOTSTRAP_PREFLIGHT);
    assert_int_equal(pre->type, BOOTSTRAP_ROOTSCRIPT);
    assert_string_equal(pre->name, "Is it done?");
    assert_string_equal(pre->hash, H);
    assert_int_equal(pre->retries, -1);
    assert_int_equal(pre->retry_wait_s, -1);
    assert_int_equal(munki->stage, BOOTSTRAP_SETUP);
    assert_int_equal(munki->type, BOOTSTRAP_PACKAGE);
    assert_string_equal(munki->url, "https://h/munki.pkg");
    assert_string_equal(munki->file, "/L/munki.pkg");
    assert_string_equal(munki->hash, H);
    assert_string_equal(munki->package_id, "com.example.munki");
    assert_string_equal(munki->version, "7.0.4");
    assert_false(munki->required);
    assert_true(munki->skip_intel);
    assert_false(munki->skip_arm64);
    assert_int_equal(munki->retries, 5);
    assert_int_equal(munki->retry_wait_s, 10);
    assert_int_equal(munki->policy, BOOTSTRAP_FAILABLE_EXECUTION);
    assert_int_equal(dock->stage, BOOTSTRAP_USERLAND);
    assert_int_equal(dock->type, BOOTSTRAP_USERSCRIPT);
    assert_string_equal(dock->hash, H);
    assert_true(dock->donotwait);
    for (size_t i = 0; i < 3; i++)
        assert_null(b->items[i].refusal);
}

/* Swift and Go: what they add */
static void swift_and_go(void **state)
{
    static const struct {
        const char *word;
        enum bootstrap_policy policy;
    } policies[] = {{"failable", BOOTSTRAP_FAILABLE},
                    {"Failable", BOOTSTRAP_FAILABLE},
                    {"failable_execution", BOOTSTRAP_FAILABLE_EXECUTION},
                    {"failable-execution", BOOTSTRAP_FAILABLE_EXECUTION},
                    {"failableExecution", BOOTSTRAP_FAILABLE_EXECUTION},
                    {"failure_is_not_an_option", BOOTSTRAP_NO_OPTION},
                    {"failureIsNotAnOption", BOOTSTRAP_NO_OPTION},
                    {"FAILURE IS NOT AN OPTION", BOOTSTRAP_NO_OPTION}};
    (void)state;
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        assert_int_equal(
            item("setupassistant", arena_printf(a, "\"fail_policy\": \"%s\"", policies[i].word))->policy,
            policies[i].policy);
    const struct bootstrap_item *p =
        item("setupassistant", "\"name\": \"P\", \"type\": \"package\", \"file\": \"/L/p.pkg\","
                               "\"url\": \"https://h/p\", \"pkg_required\": true, \"parallel_group\": \"A\"");
    assert_true(p->required);
    assert_string_equal(p->parallel_group, "A");
    assert_null(p->hash);
    assert_null(p->refusal);
    p = item("userland",
             "\"name\": \"F\", \"type\": \"userfile\", \"file\": \"/Users/x/f\", \"url\": \"https://h/f\"");
    assert_int_equal(p->type, BOOTSTRAP_USERFILE);
    assert_null(p->refusal);
    p = item("setupassistant",
             "\"name\": \"F\", \"type\": \"rootfile\", \"file\": \"/L/f\", \"url\": \"https://h/f\"");
    assert_int_equal(p->type, BOOTSTRAP_ROOTFILE);
    assert_null(p->refusal);
    assert_int_equal(good("{\"userland\": []}")->count, 0); /* stages may be missing */
    assert_int_equal(good("\xef\xbb\xbf{\"userland\": null, \"preflight\": []}")->count, 0);
}

static void skip_if(void **state)
{
    static const struct {
        const char *text;
        bool arm, intel;
    } rows[] = {{"arm64", true, false}, {"apple_silicon", true, false}, {"x86_64", false, true},
                {"Intel", false, true}, {"arm64,intel", true, true},    {"arm64 or x86_64", true, true},
                {"", false, false},     {"arm", false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int k = 0; k < 2; k++) {
            const struct bootstrap_item *p =
                item("userland", arena_printf(a, "\"%s\": \"%s\"", k ? "skipIf" : "skip_if", rows[i].text));
            assert_int_equal(p->skip_arm64, rows[i].arm);
            assert_int_equal(p->skip_intel, rows[i].intel);
        }
    assert_non_null(strstr(good("{\"userland\": [{\"skip_if\": \"amr64\", \"name\": \"X\"}]}")->warning,
                           "skip_if amr64 of userland[0] \"X\""));
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        int retries;
    } rows[] = {{"0", -1}, {"null", -1}, {"1", 1}, {"7", 7}, {"2.9", 2}, {"0.5", 1}, {"1e9", 100}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(item("userland", arena_printf(a, "\"retries\": %s", rows[i].text))->retries,
                         rows[i].retries);
    assert_int_equal(item("userland", "\"retrywait\": 99999")->retry_wait_s, 3600);
}

/* One sentence, with the key and the item, for whatever is of the wrong type */
static void wrong_types(void **state)
{
    static const char *const strings[] = {"name",        "type",    "file",          "url",
                                          "hash",        "sha256",  "packageid",     "version",
                                          "fail_policy", "skip_if", "parallel_group"};
    static const char *const booleans[] = {"required", "pkg_required", "donotwait"};
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        bad(arena_printf(a, "{\"userland\": [{}, {\"%s\": 5}]}", strings[i]), ERR_FORMAT,
            arena_printf(a, "userland[1]: %s: a string is needed, found an integer", strings[i]));
    for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++)
        bad(arena_printf(a, "{\"userland\": [{\"name\": \"X\", \"%s\": \"yes\"}]}", booleans[i]), ERR_FORMAT,
            arena_printf(a, "userland[0] \"X\": %s: true or false is needed, found a string", booleans[i]));
    bad("{\"userland\": [{\"name\": \"X\", \"retries\": \"3\"}]}", ERR_FORMAT,
        "userland[0] \"X\": retries: a number is needed, found a string");
    bad("{\"userland\": [{\"name\": \"X\", \"retrywait\": -1}]}", ERR_FORMAT, "retrywait: less than nothing");
    bad("{\"userland\": [{\"name\": \"X\", \"fail_policy\": \"perhaps\"}]}", ERR_FORMAT,
        "userland[0] \"X\": fail_policy: \"perhaps\" is none of failable, failable_execution,");
    bad("{\"userland\": [{\"hash\": \"" H "\", \"sha256\": \"" HU "\"}]}", ERR_FORMAT, "hash and sha256");
    bad("{\"userland\": {}}", ERR_FORMAT, "userland: an array is needed, found an object");
    bad("{\"setupassistant\": [7]}", ERR_FORMAT, "setupassistant[0]: an object is needed, found an integer");
    bad("[]", ERR_FORMAT, "found an array");
    bad("{\"stage1\": []}", ERR_FORMAT, "none of preflight, setupassistant and userland");
    bad("{\"userland\": [], \"userland\": []}", ERR_FORMAT, "duplicate");
    bad("{\"userland\": [\n\n}", ERR_FORMAT, "line 3: ");
    bad("", ERR_FORMAT, "line 1: ");
    bad("{\"userland\": []} x", ERR_FORMAT, "end of file expected");
    bad(" <!DOCTYPE html><html>", ERR_NET, "a web page");
    bad(arena_printf(a, "{\"userland\": [{\"name\": \"%0300d\"}]}", 1), ERR_LIMIT, "name is longer than 255");
    bad(arena_printf(a, "{\"userland\": [{\"url\": \"%01100d\"}]}", 1), ERR_LIMIT, "url is longer than 1023");
    struct buf many;
    struct err e;
    buf_init(&many, LIMIT_MB);
    assert_true(buf_printf(&many, "{\"userland\": [{}"));
    for (int i = 0; i < LIMIT_BOOTSTRAP_ITEMS; i++)
        assert_true(buf_append(&many, ",{}", 3, &e));
    assert_true(buf_append(&many, "]}", 2, &e));
    bad(buf_str(&many), ERR_LIMIT, "more than 1000 items");
    buf_release(&many);
}

/* Well formed, but not to be carried out: that item's failure alone */
static void refusals(void **state)
{
#define ITEM(type, file) "\"name\": \"X\", \"type\": \"" type "\", \"file\": \"" file "\""
#define URL              ", \"url\": \"https://h/x\""
    static const struct {
        const char *stage, *members, *why;
    } rows[] = {
        {"userland", "\"type\": \"package\", \"file\": \"/x\"" URL, "it has no name"},
        {"userland", "\"name\": \"X\", \"file\": \"/x\"", "it has no type"},
        {"userland", "\"name\": \"X\", \"type\": \"package\"", "it has no file"},
        {"userland", ITEM("profile", "/x.mobileconfig"), "type profile is not supported"},
        {"userland", ITEM("package", "/x.pkg"), "a package needs a url"},
        {"userland", ITEM("rootfile", "/x"), "a rootfile needs a url"},
        {"userland", ITEM("rootfile", "x") URL, "an absolute path is needed"},
        {"userland", ITEM("rootscript", "x.sh"), "an absolute path is needed"},
        {"userland", ITEM("rootfile", "/Library/../../x") URL, "is no path"},
        {"userland", ITEM("rootfile", "/Library/..") URL, "is no path"},
        {"userland", ITEM("rootfile", "/Library/") URL, "is no path"},
        {"userland", ITEM("rootscript", "/Library/.x") URL, "is no path"},
        {"userland", ITEM("rootscript", "/a\\nb") URL, "is no path"},
        {"userland", ITEM("package", "/x.pkg") ", \"url\": \"ftp://h/x\"", "https, http or file"},
        {"userland", ITEM("package", "/x.pkg") URL ", \"hash\": \"d41d8cd9\"", "is no SHA-256"},
        {"userland", ITEM("package", "/x.pkg") URL ", \"hash\": \"md5:" H "\"", "is no SHA-256"},
        {"setupassistant", ITEM("userscript", "/x.sh") URL, "a userscript cannot stand in setupassistant"},
        {"setupassistant", ITEM("userfile", "/x") URL, "a userfile cannot stand in setupassistant"},
        {"preflight", ITEM("package", "/x.pkg") URL, "a package cannot stand in preflight"},
        {"preflight", ITEM("userscript", "/x.sh") URL, "a userscript cannot stand in preflight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct bootstrap_item *p = item(rows[i].stage, rows[i].members);
        assert_non_null(p->refusal);
        if (!strstr(p->refusal, rows[i].why))
            print_error("%s, not %s\n", p->refusal, rows[i].why);
        assert_non_null(strstr(p->refusal, rows[i].why));
    }
    assert_string_equal(item("userland", "\"type\": \"package\"")->name, "userland[0]");
    assert_int_equal(item("userland", ITEM("package", "/x.pkg") URL ", \"hash\": \"x\"")->refusal_cause,
                     CAUSE_HASH);
    assert_null(item("userland", ITEM("package", "x.pkg") URL)->refusal); /* Go: used as given */
    assert_null(item("userland", ITEM("rootscript", "/x.sh"))->refusal);  /* what is there already */
    assert_null(item("userland", ITEM("rootscript", "/a..b/x.sh"))->refusal);
}

/* What nobody knows is named once, and has no effect */
static void unknown(void **state)
{
    (void)state;
    const struct bootstrap *b = good("{\"userland\": [{\"name\": \"X\", \"colour\": 1, \"type\": "
                                     "\"profile\", \"x-mine\": {}}], \"top\": 2,"
                                     " \"x-other\": 3}");
    assert_string_equal(b->warning,
                        "bootstrap.json: not known here, and without effect: key top, key colour of "
                        "userland[0] \"X\", type profile of userland[0] \"X\"");
    struct buf many;
    struct err e;
    buf_init(&many, LIMIT_MB);
    assert_true(buf_printf(&many, "{\"userland\": [{\"name\": \"X\""));
    for (int i = 0; i < 30; i++)
        assert_true(buf_printf(&many, ", \"k%d\": 0", i));
    assert_true(buf_append(&many, "}]}", 3, &e));
    b = good(buf_str(&many));
    assert_non_null(strstr(b->warning, " and 10 more"));
    buf_release(&many);
}

/* --- the plan ------------------------------------------------------------------------------------------- */

static const char *there; /* name of the item that is there */
static const char *lost;  /* file in Cache that did not arrive */

static enum plan_state installed(void *self, const struct pkginfo *p)
{
    (void)self;
    return there && strcmp(p->name, there) == 0 ? PLAN_THIS : PLAN_ABSENT;
}

static struct plan_download download(void *self, const struct pkginfo *p, bool uninstaller)
{
    (void)self;
    assert_false(uninstaller);
    return lost && strcmp(p->location, lost) == 0
               ? (struct plan_download){.failure = PLAN_DOWNLOAD_FAILED, .why = "404"}
               : (struct plan_download){.failure = PLAN_DOWNLOAD_OK};
}

static const struct plan *plan(const char *json, const char *arch, enum bootstrap_answer preflight)
{
    const struct world w = {.installed = installed, .download = download};
    const struct plan_input in = {.arch = arch};
    return bootstrap_plan(a, good(json), &in, &w, preflight);
}

#define THREE                                                                                                \
    "{\"preflight\": [{" ITEM("rootscript", "/p.sh") URL                                                     \
        ", \"hash\": \"" H "\"}],"                                                                           \
        " \"setupassistant\": [{" ITEM("package", "/a/P.pkg") URL                                            \
        ", \"packageid\": \"com.x\", \"version\": \"2\","                                                    \
        "   \"skip_if\": \"intel\"}],"                                                                       \
        " \"userland\": [{" ITEM("rootfile", "/b/p.pkg") URL ", \"hash\": \"" H                              \
                                                             "\"}, {" ITEM("userscript", "/c.sh") "}]}"

static void planned(void **state)
{
    (void)state;
    there = lost = NULL;
    const struct plan *p = plan(THREE, "arm64", BOOTSTRAP_NOT_ASKED);
    assert_int_equal(p->item_count, 4);
    assert_int_equal(p->present_count, 0);
    const struct pkginfo *script = p->items[0].pkg, *package = p->items[1].pkg, *file = p->items[2].pkg,
                         *own = p->items[3].pkg;
    assert_int_equal(script->kind, KIND_SCRIPT);
    assert_string_equal(script->name, "X");
    assert_string_equal(script->version, "0123456789ab"); /* another script is another version */
    assert_string_equal(script->location, "p.sh");
    assert_string_equal(script->complete_url, "https://h/x");
    assert_false(script->session);
    assert_false(bootstrap_has_evidence(script));
    assert_int_equal(package->kind, KIND_PACKAGE);
    assert_string_equal(package->name, "X (2)"); /* the journal counts by name */
    assert_string_equal(package->display_name, "X");
    assert_string_equal(package->version, "2");
    assert_int_equal(package->receipts_count, 1);
    assert_true(bootstrap_has_evidence(package));
    assert_null(package->hash);
    assert_int_equal(file->kind, KIND_FILE);
    assert_string_equal(file->location, "p-2.pkg"); /* a file in Cache is one item's */
    assert_true(file->session);
    assert_true(bootstrap_has_evidence(file));
    assert_null(own->location);
    assert_string_equal(own->version, "1");
    assert_int_equal(value_count(value_get(p->install_info, "managed_installs")), 4);
    assert_string_equal(props_str(p->items[1].entry, "installer_item"), "P.pkg");
    assert_string_equal(props_str(p->items[1].entry, "version_to_install"), "2");
    assert_int_equal(p->reason_count, 4);
    assert_string_equal(p->reasons[1].key, "setupassistant");
}

static void left_out(void **state)
{
    (void)state;
    there = "X (3)";
    lost = "P.pkg";
    const struct plan *p = plan(THREE, "arm64", BOOTSTRAP_NOT_ASKED);
    assert_int_equal(p->item_count, 2);
    assert_int_equal(p->present_count, 1);
    assert_string_equal(p->present_reasons[0], "already there");
    assert_string_equal(props_str(value_at(p->problem_items, 0), "note"), "Download failed (404)");
    there = "X"; /* preflight is asked anew in each run */
    lost = NULL;
    p = plan(THREE, "x86_64", BOOTSTRAP_NOT_ASKED);
    assert_int_equal(p->item_count, 3);
    assert_string_equal(p->present_reasons[0], "skip_if: this Mac is x86_64");
    p = plan(THREE, "arm64", BOOTSTRAP_GO_ON);
    assert_int_equal(p->item_count, 3);
    assert_string_equal(p->present_reasons[0], "already run");
    p = plan(THREE, "arm64", BOOTSTRAP_OVER);
    assert_int_equal(p->item_count, 0);
    assert_int_equal(p->present_count, 4);
    assert_string_equal(p->present_reasons[3], "preflight says that nothing is to be done");
    there = "X";
    p = plan("{\"userland\": [{" ITEM("profile", "/x") "}], \"top\": 1}", "arm64", BOOTSTRAP_NOT_ASKED);
    assert_int_equal(p->item_count, 1); /* refused, so never there */
    assert_int_equal(p->items[0].pkg->kind, KIND_UNSUPPORTED);
    assert_int_equal(p->warning_count, 1);
    there = NULL;
}

static void evidence(void **state)
{
    (void)state;
    const struct plan *p = plan("{\"setupassistant\": [{" ITEM("package", "/p.pkg") URL
                                ", \"packageid\": \"com.x\", \"required\": true},"
                                "{" ITEM("package", "/p.pkg") URL ", \"version\": \"3\"},"
                                                                  "{" ITEM("package", "/p.pkg") URL
                                ", \"packageid\": \"com.x\"},"
                                "{" ITEM("rootfile", "/p") URL "}]}",
                                "arm64", BOOTSTRAP_NOT_ASKED);
    assert_false(bootstrap_has_evidence(p->items[0].pkg)); /* even if the receipt is current */
    assert_false(bootstrap_has_evidence(p->items[1].pkg));
    assert_string_equal(p->items[1].pkg->version, "3");
    assert_true(bootstrap_has_evidence(p->items[2].pkg));
    assert_string_equal(p->items[2].pkg->receipts[0].version, "0"); /* any version is enough */
    assert_false(bootstrap_has_evidence(p->items[3].pkg));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(python, setup, teardown),
        cmocka_unit_test_setup_teardown(swift_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(skip_if, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_types, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(planned, setup, teardown),
        cmocka_unit_test_setup_teardown(left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
