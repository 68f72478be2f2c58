/* Any bytes: what the outline of a catalog says of it, item by item, is what decoding the whole says; and so
 * does the outline that was saved and restored. */
#include "core/limits.h"
#include "manifests/outline.h"
#include "manifests/pkginfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        abort();
}

static bool both(const struct value *one, const struct value *other)
{
    return one ? value_equal(one, other) : !other;
}

static bool alike(const char *one, const char *other)
{
    return one ? other && strcmp(one, other) == 0 : !other;
}

static void same_brief(struct arena *a, const struct value *one, const struct value *other)
{
    struct pkginfo_brief x = {0}, y = {0};
    bool named = one && pkginfo_brief(a, one, &x);
    need(named == (other && pkginfo_brief(a, other, &y)));
    need(alike(x.name, y.name) && alike(x.spelled, y.spelled) && alike(x.version, y.version) &&
         both(x.update_for, y.update_for) && both(x.requires, y.requires) && both(x.receipts, y.receipts) &&
         x.autoremove == y.autoremove);
}

/* What is seen without decoding is what is there. part: the whole item. */
static void sees(const struct outline *o, size_t i, enum pkginfo_brief_key key, const struct value *part)
{
    const struct value *v = part ? value_get(part, pkginfo_brief_keys[key]) : NULL;
    const char *p = NULL;
    size_t n = 0;
    bool yes = true;
    enum outline_sight sight = outline_look(o, i, key, &p, &n);
    need((sight == OUTLINE_NOTHING) == !v);
    if (sight == OUTLINE_TEXT)
        need(value_str(v) && strlen(value_str(v)) == n && memcmp(value_str(v), p, n) == 0);
    if (sight == OUTLINE_FALSE)
        need(value_bool(v, &yes) && !yes);
}

static void same_items(struct arena *a, const struct outline *tree, const struct outline *bytes)
{
    const unsigned all = OUTLINE_BRIEF | OUTLINE_KEY(PKGINFO_BRIEF_RECEIPTS);
    struct err e;
    need(outline_count(tree) == outline_count(bytes));
    for (size_t i = 0; i < outline_count(tree); i++) {
        const struct value *part = outline_part(a, tree, i, all);
        need(!part == !outline_part(a, bytes, i, all));
        same_brief(a, part, outline_part(a, bytes, i, all));
        for (int key = 0; pkginfo_brief_keys[key]; key++) {
            sees(tree, i, (enum pkginfo_brief_key)key, part);
            sees(bytes, i, (enum pkginfo_brief_key)key, part);
        }
        need(both(outline_item(a, tree, i, &e), outline_item(a, bytes, i, &e)));
    }
}

static bool from_memory(void *ctx, size_t at, void *to, size_t n, struct err *e)
{
    (void)e;
    memcpy(to, (char *)ctx + at, n);
    return true;
}

static void same_restored(struct arena *a, const struct outline *tree, const struct outline *bytes,
                          uint8_t *data, size_t size)
{
    struct buf saved;
    struct err e;
    buf_init(&saved, SIZE_MAX);
    need(outline_save(bytes, &saved, &e));
    if (saved.len > 0) {
        const struct outline *restored = outline_restore(a, size, from_memory, data, saved.data, saved.len);
        need(restored != NULL);
        same_items(a, tree, restored);
        need(!outline_restore(a, size, from_memory, data, saved.data, saved.len - 1));
    }
    buf_release(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0}, f = {0};
    const struct value *whole = props_decode(a, data, size, &e);
    const struct outline *tree = whole ? outline_of(a, whole, &e) : NULL;
    const struct outline *bytes = outline_decode(a, data, size, &f);
    need(!tree == !bytes);
    if (tree) {
        same_items(a, tree, bytes);
        same_restored(a, tree, bytes, memcpy(arena_alloc(a, size), data, size), size);
    } else {
        need(strcmp(e.text, f.text) == 0);
    }
    arena_free(a);
    return 0;
}
