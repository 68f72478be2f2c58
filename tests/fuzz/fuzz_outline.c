/* Any bytes: what the outline of a catalog says of it, item by item, is what decoding the whole says. */
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
    if (named)
        need(alike(x.name, y.name) && alike(x.spelled, y.spelled) && alike(x.version, y.version) &&
             both(x.update_for, y.update_for) && both(x.requires, y.requires) &&
             x.autoremove == y.autoremove);
}

static void same_items(struct arena *a, const struct outline *tree, const struct outline *bytes)
{
    struct err e;
    need(outline_count(tree) == outline_count(bytes));
    for (size_t i = 0; i < outline_count(tree); i++) {
        need(!outline_brief(a, tree, i) == !outline_brief(a, bytes, i));
        same_brief(a, outline_brief(a, tree, i), outline_brief(a, bytes, i));
        need(both(outline_receipts(a, tree, i), outline_receipts(a, bytes, i)));
        need(both(outline_item(a, tree, i, &e), outline_item(a, bytes, i, &e)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0}, f = {0};
    const struct value *whole = props_decode(a, data, size, &e);
    const struct outline *tree = whole ? outline_of(a, whole, &e) : NULL;
    const struct outline *bytes = outline_decode(a, data, size, &f);
    need(!tree == !bytes);
    if (tree)
        same_items(a, tree, bytes);
    else
        need(strcmp(e.text, f.text) == 0);
    arena_free(a);
    return 0;
}
