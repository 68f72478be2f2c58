/* How the tree is laid flat; what conditions and keys then do stands in tests/plan. */
#include "core/limits.h"
#include "manifests/manifest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena *a;
    struct manifest_source from;
    struct value *manifests;
    size_t fetched;
    char said[4096];
};

static bool fetch(void *self, const char *name, const struct value **dict, struct err *e)
{
    struct fixture *f = self;

    f->fetched++;
    *dict = value_get(f->manifests, name);
    return *dict || err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, "no such manifest");
}

static void warn(void *self, const char *sentence)
{
    struct fixture *f = self;
    size_t n = strlen(f->said);
    snprintf(f->said + n, sizeof f->said - n, "%s\n", sentence);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->a = arena_open();
    f->manifests = value_new_dict(f->a);
    f->from =
        (struct manifest_source){.self = f, .fetch = fetch, .warn = warn, .facts = value_new_dict(f->a)};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->a);
    free(f);
    return 0;
}

static void add_string(struct fixture *f, struct value *dict, const char *key, const char *text)
{
    struct value *list = value_new_array(f->a);

    for (size_t i = 0; i < value_count(value_get(dict, key)); i++)
        value_append(f->a, list, value_at(value_get(dict, key), i));
    value_append(f->a, list, value_new_str(f->a, text));
    value_set(f->a, dict, key, list);
}

/* A manifest that includes one other, or none */
static struct value *manifest(struct fixture *f, const char *name, const char *includes, const char *catalog)
{
    struct value *dict = value_new_dict(f->a);

    if (includes)
        add_string(f, dict, "included_manifests", includes);
    if (catalog)
        add_string(f, dict, "catalogs", catalog);
    value_set(f->a, f->manifests, name, dict);
    return dict;
}

static const struct manifest_tree *resolve(struct fixture *f, const char *name, struct err *e)
{
    return manifest_resolve(f->a, &f->from, name, value_get(f->manifests, name), e);
}

static void included_come_first(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};

    add_string(f, manifest(f, "m", "a", "c"), "included_manifests", "b");
    manifest(f, "a", "b", "d");
    manifest(f, "b", NULL, NULL);
    const struct manifest_tree *t = resolve(f, "m", &e);
    static const char *const expected[][2] = {{"m > a > b", "d"}, {"m > a", "d"}, {"m > b", "c"}, {"m", "c"}};
    assert_non_null(t);
    assert_int_equal(t->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(t->sections[i].manifest, expected[i][0]);
        assert_string_equal(value_str(value_at(t->sections[i].catalogs, 0)), expected[i][1]);
    }
    assert_int_equal(f->fetched, 2);
    assert_int_equal(t->name_count, 3);
    assert_string_equal(t->names[0], "m");
    assert_null(t->names[3]);
    assert_string_equal(f->said, "");
}

static void refuses_names(void **state)
{
    static const char *const bad[] = {"/etc/x", "a//b", "a/", "..", "a/../b", "./a", "SelfServeManifest"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        manifest(f, "m", bad[i], "c");
        assert_null(resolve(f, "m", &e));
        assert_int_equal(e.kind, ERR_FORMAT);
        assert_non_null(strstr(e.text, "manifest m: included_manifests: "));
    }
    assert_int_equal(f->fetched, 0);
}

static void refuses_itself(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};

    manifest(f, "m", "m", "c");
    assert_null(resolve(f, "m", &e));
    assert_int_equal(e.cause, CAUSE_FORMAT);
    assert_string_equal(e.text, "manifest m includes itself: m > m");
}

static void is_as_deep_as_the_limit(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};

    for (int i = 0; i < LIMIT_INCLUDE_DEPTH; i++)
        manifest(f, arena_printf(f->a, "m%d", i),
                 i + 1 < LIMIT_INCLUDE_DEPTH ? arena_printf(f->a, "m%d", i + 1) : NULL, "c");
    assert_non_null(resolve(f, "m0", &e));
    manifest(f, "top", "m0", "c");
    assert_null(resolve(f, "top", &e));
    assert_int_equal(e.kind, ERR_LIMIT);
}

static void is_as_many_as_the_limit(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct value *m = manifest(f, "m", NULL, "c"), *list = value_new_array(f->a);

    for (int i = 1; i < LIMIT_MANIFESTS; i++) {
        const char *name = arena_printf(f->a, "i%d", i);
        manifest(f, name, NULL, NULL);
        value_append(f->a, list, value_new_str(f->a, name));
    }
    value_set(f->a, m, "included_manifests", list);
    assert_non_null(resolve(f, "m", &e));
    value_append(f->a, list, value_new_str(f->a, "one"));
    manifest(f, "one", NULL, NULL);
    assert_null(resolve(f, "m", &e));
    assert_int_equal(e.kind, ERR_LIMIT);
}

/* Every manifest includes the next one twice: ways beyond counting through LIMIT_INCLUDE_DEPTH manifests. */
static void ends_where_ways_multiply(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};

    for (int i = 0; i < LIMIT_INCLUDE_DEPTH; i++) {
        const char *next = i + 1 < LIMIT_INCLUDE_DEPTH ? arena_printf(f->a, "m%d", i + 1) : NULL;
        struct value *m = manifest(f, arena_printf(f->a, "m%d", i), next, "c");
        if (next)
            add_string(f, m, "included_manifests", next);
    }
    assert_null(resolve(f, "m0", &e));
    assert_int_equal(e.kind, ERR_LIMIT);
}

static void unites_our_keys(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct value *m = manifest(f, "m", "a", "c"), *inner = manifest(f, "a", NULL, NULL);
    struct value *own = value_new_dict(f->a), *theirs = value_new_dict(f->a), *gates = value_new_array(f->a);
    struct value *gate = value_new_dict(f->a);

    value_set(f->a, gate, "identifier", value_new_str(f->a, "org.wifi"));
    value_append(f->a, gates, gate);
    value_append(f->a, gates, value_new_dict(f->a));
    add_string(f, theirs, "session_items", "E\xcc\x81");
    value_set(f->a, theirs, "required_profiles", gates);
    value_set(f->a, theirs, "handoff", value_new_str(f->a, "munki"));
    value_set(f->a, inner, "daybreak", theirs);
    add_string(f, own, "session_items", "\xc3\x89");
    add_string(f, own, "session_items", "B");
    value_set(f->a, own, "required_profiles", gates);
    value_set(f->a, own, "handoff", value_new_str(f->a, "none"));
    value_set(f->a, m, "daybreak", own);
    const struct manifest_tree *t = resolve(f, "m", &e);
    assert_non_null(t);
    assert_int_equal(value_count(t->session_items), 2);
    assert_string_equal(value_str(value_at(t->session_items, 0)), "\xc3\x89");
    assert_int_equal(value_count(t->required_profiles), 1);
    assert_string_equal(value_str(t->handoff), "none");
    assert_non_null(strstr(f->said, "manifest m > a: daybreak.required_profiles[1] has no identifier"));
}

static void says_what_is_mistyped(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct value *m = manifest(f, "m", NULL, "c");

    value_set(f->a, m, "included_manifests", value_new_str(f->a, "base"));
    value_set(f->a, m, "conditional_items", value_new_int(f->a, 1));
    assert_non_null(resolve(f, "m", &e));
    assert_non_null(strstr(f->said, "manifest m: included_manifests is no array of strings"));
    assert_non_null(strstr(f->said, "manifest m: conditional_items is no array of dictionaries"));
}

static struct value *conditional(struct fixture *f, struct value *in, const char *condition)
{
    struct value *inner = value_new_dict(f->a), *list = value_new_array(f->a);
    const struct value *old = value_get(in, "conditional_items");

    for (size_t i = 0; i < value_count(old); i++)
        value_append(f->a, list, value_at(old, i));
    value_set(f->a, inner, "condition", value_new_str(f->a, condition));
    value_append(f->a, list, inner);
    value_set(f->a, in, "conditional_items", list);
    return inner;
}

/* Conditions are kept with what they came to, and what they keep out is kept apart. */
static void remembers_its_conditions(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct value *m = manifest(f, "m", NULL, "c");

    struct value *yes = conditional(f, m, "1 == 1");
    add_string(f, conditional(f, yes, "x == nil"), "managed_installs", "In");
    struct value *no = conditional(f, m, "1 == 2");
    add_string(f, no, "managed_installs", "Out");
    add_string(f, conditional(f, no, "TRUEPREDICATE"), "managed_installs", "Deep");
    add_string(f, conditional(f, m, "x =="), "managed_installs", "Broken");
    const struct manifest_tree *t = resolve(f, "m", &e);
    assert_non_null(t);
    assert_int_equal(t->count, 3);
    assert_string_equal(t->sections[0].condition, "1 == 1 AND x == nil");
    assert_string_equal(t->sections[0].why->text, "x == nil");
    assert_true(t->sections[0].why->holds);
    assert_string_equal(t->sections[0].why->outer->text, "1 == 1");
    assert_null(t->sections[0].why->outer->outer);
    assert_null(t->sections[2].why);
    assert_int_equal(t->passed_over_count, 3);
    assert_string_equal(t->passed_over[0].why->text, "1 == 2");
    assert_false(t->passed_over[0].why->holds);
    assert_null(t->passed_over[0].why->error);
    assert_ptr_equal(t->passed_over[1].why, t->passed_over[0].why);
    assert_string_equal(value_str(value_at(value_get(t->passed_over[1].dict, "managed_installs"), 0)),
                        "Deep");
    assert_non_null(strstr(t->passed_over[2].why->error, "column 5"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(included_come_first),     TEST(refuses_names),           TEST(refuses_itself),
        TEST(is_as_deep_as_the_limit), TEST(is_as_many_as_the_limit), TEST(ends_where_ways_multiply),
        TEST(unites_our_keys),         TEST(says_what_is_mistyped),   TEST(remembers_its_conditions)};
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
