/* record: what is put is got; what a hostile worker could send instead is refused. */
#include "installer/record.h"
#include "package.h"

static struct err e;
static struct buf b;

static struct worker_fields fields(void)
{
    const unsigned char *p = (const unsigned char *)buf_str(&b);
    return (struct worker_fields){.p = p, .end = p + b.len};
}

static const struct record_component good = {.identifier = "com.example.a",
                                             .version = "1.0",
                                             .location = "/usr/local",
                                             .folder = "a.pkg",
                                             .has_payload = true,
                                             .restart = true};

static bool component(const struct record_component *c, struct record_component *got)
{
    buf_init(&b, WORKER_RECORD_MAX);
    assert_true(record_put_component(&b, c, &e));
    struct worker_fields f = fields();
    bool ok = record_get_component(&f, got, &e);
    return ok;
}

static bool script(struct record_script s)
{
    struct record_script got;
    buf_init(&b, WORKER_RECORD_MAX);
    assert_true(record_put_script(&b, &s, &e));
    struct worker_fields f = fields();
    bool ok = record_get_script(&f, &got, &e);
    assert_true(!ok || (strcmp(got.file, s.file) == 0 && strcmp(got.kind, s.kind) == 0 &&
                        got.timeout_s == s.timeout_s));
    buf_release(&b);
    return ok;
}

static bool bundle(struct record_bundle u)
{
    struct record_bundle got;
    u.replace = true;
    buf_init(&b, WORKER_RECORD_MAX);
    assert_true(record_put_bundle(&b, &u, &e));
    struct worker_fields f = fields();
    bool ok = record_get_bundle(&f, &got, &e);
    assert_true(!ok || (strcmp(got.path, u.path) == 0 && got.replace && !got.checked && !got.strict));
    buf_release(&b);
    return ok;
}

static void components(void **state)
{
    (void)state;
    struct record_component got, c;
    assert_true(component(&good, &got));
    assert_string_equal(got.identifier, good.identifier);
    assert_string_equal(got.location, good.location);
    assert_true(got.has_payload && got.restart && !got.has_bom);
    buf_release(&b);
    static const char *const bad_paths[] = {"..", "a/..", "a//b", "./a", "a/", "/", "/a", "a\nb", "\xff"};
    for (size_t i = 0; i < sizeof bad_paths / sizeof *bad_paths; i++) {
        assert_false(script((struct record_script){.kind = "preinstall", .file = bad_paths[i]}));
        assert_false(bundle((struct record_bundle){.path = bad_paths[i]}));
        c = good;
        c.folder = bad_paths[i];
        assert_false(component(&c, &got));
        buf_release(&b);
    }
    static const char *const bad_locations[] = {"", "usr", "/..", "/usr/", "/usr/../etc", "//", "/a\x7f"};
    for (size_t i = 0; i < sizeof bad_locations / sizeof *bad_locations; i++) {
        c = good;
        c.location = bad_locations[i];
        assert_false(component(&c, &got));
        assert_int_equal(e.kind, ERR_INTERNAL);
        buf_release(&b);
    }
    c = good;
    c.identifier = "../evil";
    assert_false(component(&c, &got));
    buf_release(&b);
    assert_true(
        script((struct record_script){.kind = "postflight", .file = "sub/post install", .timeout_s = 30}));
    assert_false(script((struct record_script){.kind = "uninstall", .file = "a"}));
    assert_false(script((struct record_script){.kind = "preinstall", .file = ""}));
    assert_false(script((struct record_script){.kind = "preinstall", .file = "a", .timeout_s = UINT64_MAX}));
    assert_true(bundle((struct record_bundle){.path = ""}));
    assert_true(bundle((struct record_bundle){.path = "A.app", .id = "com.example.a", .version = "1"}));
    assert_false(bundle((struct record_bundle){.path = "A.app", .id = "com.example\n"}));
}

/* Whatever the bytes are: no getter reads outside them, and none takes less or more than all. */
static void cut_and_stretched(void **state)
{
    (void)state;
    struct record_component c;
    struct record_entry m;
    struct record_count n;
    struct record_archive a;
    buf_init(&b, WORKER_RECORD_MAX);
    assert_true(record_put_component(&b, &good, &e));
    for (size_t cut = 0; cut <= b.len + 1; cut++) {
        unsigned char *copy = malloc(cut > 0 ? cut : 1);
        if (cut <= b.len)
            memcpy(copy, b.data, cut);
        else
            memset(copy, 1, cut);
        struct worker_fields f = {.p = copy, .end = copy + cut};
        assert_int_equal(record_get_component(&f, &c, &e), cut == b.len);
        f = (struct worker_fields){.p = copy, .end = copy + cut};
        (void)!record_get_entry(&f, &m, &e);
        f = (struct worker_fields){.p = copy, .end = copy + cut};
        (void)!record_get_count(&f, &n, &e);
        f = (struct worker_fields){.p = copy, .end = copy + cut};
        assert_false(record_get_archive(&f, &a, &e));
        free(copy);
    }
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) { /* lengths that lie */
        struct buf x;
        buf_init(&x, WORKER_RECORD_MAX);
        assert_true(buf_append(&x, b.data, b.len, &e));
        size_t at = (size_t)(package_chance(&seed) % x.len);
        x.data[at] = (char)package_chance(&seed);
        const unsigned char *p = (const unsigned char *)x.data;
        struct worker_fields f = {.p = p, .end = p + x.len};
        (void)!record_get_component(&f, &c, &e);
        buf_release(&x);
    }
    buf_release(&b);
}

static void entries_and_numbers(void **state)
{
    (void)state;
    const struct record_entry m = {
        .type = 'l', .mode = 0755, .uid = 501, .gid = 20, .mtime = 5, .path = "a/b", .link = "\\xff"};
    struct record_entry got, x;
    static const struct {
        uint64_t type, mode, uid, mtime;
        bool ok;
    } rows[] = {{'l', 07777, UINT32_MAX, INT64_MAX, true},
                {'d', 0, 0, 0, true},
                {'x', 0, 0, 0, false},
                {'-', 010000, 0, 0, false},
                {'-', 0, 1ULL << 32, 0, false},
                {'-', 0, 0, UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        x = m;
        x.type = rows[i].type;
        x.mode = rows[i].mode;
        x.uid = rows[i].uid;
        x.mtime = rows[i].mtime;
        buf_init(&b, WORKER_RECORD_MAX);
        assert_true(record_put_entry(&b, &x, &e));
        struct worker_fields f = fields();
        assert_int_equal(record_get_entry(&f, &got, &e), rows[i].ok);
        if (rows[i].ok)
            assert_string_equal(got.path, "a/b");
        buf_release(&b);
    }
    const struct record_progress over = {.at = 2, .of = 1};
    struct record_progress progress;
    buf_init(&b, WORKER_RECORD_MAX);
    assert_true(record_put_progress(&b, &over, &e));
    struct worker_fields f = fields();
    assert_false(record_get_progress(&f, &progress, &e));
    buf_release(&b);
}

static void requests(void **state)
{
    (void)state;
    static const char *const keep[] = {"/a", "/b/c"};
    const struct record_request r = {.task = RECORD_LIST,
                                     .entries = true,
                                     .arch = "arm64",
                                     .max_bytes = 99,
                                     .choices = "<x/>",
                                     .choices_len = 4,
                                     .keep_setid = keep,
                                     .keep_setid_count = 2};
    struct record_request got;
    struct arena *a = arena_open();
    buf_init(&b, WORKER_REQUEST_MAX);
    assert_true(record_put_request(&b, &r, &e));
    assert_true(record_get_request(a, &b, &got, &e));
    assert_true(got.task == RECORD_LIST && got.entries && !got.proved && got.max_bytes == 99);
    assert_string_equal(got.arch, "arm64");
    assert_string_equal(got.os_version, "");
    assert_memory_equal(got.choices, "<x/>", 4);
    assert_string_equal(got.keep_setid[1], "/b/c");
    size_t whole = b.len;
    for (b.len = 0; b.len < whole; b.len++)
        assert_false(record_get_request(a, &b, &got, &e));
    buf_release(&b);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components),
        cmocka_unit_test(cut_and_stretched),
        cmocka_unit_test(entries_and_numbers),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
