/* staged: the worker that unpacks, uncaged, on plans made by hand: the one that makes them may have been led
 * astray. */
#ifndef TESTS_UNIT_STAGED_H
#define TESTS_UNIT_STAGED_H
#include "core/crypto.h"
#include "looked.h"

static struct record_request asked;
static int directory = -1, package = -1, plan = -1;

static inline void fresh(enum record_task task)
{
    if (directory >= 0)
        close(directory);
    if (plan >= 0)
        close(plan);
    assert_true(files_remove(volume, "in", &e));
    directory = files_dir(volume, "in", true, 0700, &e);
    put("outside", "o");
    asked = uncaged_request(task);
    plan = package_file("", 0);
    assert_true(directory >= 0);
}

static inline bool stages(void)
{
    bool ok = uncaged_stage(package, directory, plan, &asked);
    assert_string_equal(text_of("outside"), "o");
    return ok;
}

static inline void refused(enum err_kind kind, const char *why)
{
    if (stages())
        fail_msg("not refused: %s", why);
    if (e.kind != kind || strstr(e.text, why) == NULL)
        fail_msg("kind %d, and not \"%s\": %s", e.kind, why, e.text);
}

static inline struct xar_member at(const char *path, const char *bytes, size_t n)
{
    struct xar_member m = {.path = path,
                           .name = text_basename(path),
                           .length = n,
                           .size = n,
                           .encoding = XAR_STORED,
                           .encoding_name = "application/octet-stream"};
    m.archived.kind = m.extracted.kind = DIGEST_SHA1;
    digest_of(DIGEST_SHA1, bytes, n, m.archived.sum);
    digest_of(DIGEST_SHA1, bytes, n, m.extracted.sum);
    return m;
}

/* The package is these bytes. */
static inline void holds(const void *p, size_t n)
{
    if (package >= 0)
        close(package);
    package = package_file(p, n);
}

static struct plan_writer w;

static inline void begin(enum record_task task, uint64_t components)
{
    fresh(task);
    plan_begin(&w, plan);
    assert_true(plan_put_total(&w, 100, components, &e));
}

static inline void end(bool whole)
{
    if (whole)
        assert_true(plan_end(&w, &e));
    else
        assert_true(files_write(plan, w.out.data, w.out.len, &e));
    plan_writer_release(&w);
}
#endif
