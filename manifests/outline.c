/* Spans are offsets into the bytes, which were checked once by prescan_items: what is decoded later out of a
 * span cannot fail, but for the limits of one item, and a file that cannot be read. */
#include "manifests/outline.h"
#include "core/limits.h"
#include "manifests/plain.h"
#include "manifests/prescan.h"
#include "manifests/value.h"

#define STRING "<string>"
#define END    "</string>"

struct outline {
    const struct value *array; /* it has all; NULL: */
    const char *bytes;         /* behind a byte order mark; NULL: they are read */
    size_t len, mark;          /* without the mark, and the mark's */
    outline_read_fn *read;
    void *ctx;
    const struct prescan_item *items;
    const char
        *briefs; /* what the spans of items' values are offsets into: bytes, or what was saved of them */
    size_t count;
};

static size_t mark_of(const char *p, size_t n)
{
    return n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static bool need_array(const char *found, struct err *e)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "an array of dictionaries is needed, found %s", found);
}

struct outline *outline_of(struct arena *a, const struct value *array, struct err *e)
{
    if (!array || value_type(array) != VALUE_ARRAY) {
        (void)need_array(value_type_name(array), e);
        return NULL;
    }
    struct outline *o = arena_alloc(a, sizeof *o);
    o->array = array;
    o->count = value_count(array);
    return o;
}

static const char *root_name(const char *element)
{
    return strcmp(element, "dict") == 0                                    ? "dictionary"
           : strcmp(element, "true") == 0 || strcmp(element, "false") == 0 ? "boolean"
                                                                           : element;
}

struct outline *outline_decode(struct arena *a, const void *p, size_t n, struct err *e)
{
    const size_t mark = n > LIMIT_CATALOG ? 0 : mark_of(p, n);
    const char *bytes = (const char *)p + mark;
    struct prescan_items found = {.keys = pkginfo_brief_keys};
    struct outline *o = NULL;

    if (n > LIMIT_CATALOG) {
        (void)err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a catalog of more than %zu MB", LIMIT_CATALOG / LIMIT_MB);
        return NULL;
    }
    n -= mark;
    if (n == 0 || (n >= 6 && memcmp(bytes, "bplist", 6) == 0)) {
        const struct value *array = props_decode(a, p, n + mark, e);
        return array ? outline_of(a, array, e) : NULL;
    }
    if (!prescan_items(bytes, n, &found, e))
        goto out;
    if (strcmp(found.root, "array") != 0) {
        (void)need_array(root_name(found.root), e);
        goto out;
    }
    o = arena_alloc(a, sizeof *o);
    o->bytes = o->briefs = bytes;
    o->len = n;
    o->mark = mark;
    o->count = found.count;
    struct prescan_item *items = arena_array(a, found.count, sizeof *items);
    if (found.count > 0)
        memcpy(items, found.at, found.count * sizeof *items);
    o->items = items;
out:
    free(found.at);
    return o;
}

/* ---- saved ------------------------------------------------------------------------------------------ */

/* What is saved: the head, the items, then the values of their brief keys, one after the other: every item is
 * asked for some, and together they are read in a fraction of the time that a look at each place in the bytes
 * takes. */
struct head {
    char form[40];
    uint64_t len, mark, count, briefs;
};
_Static_assert(sizeof(struct head) % _Alignof(struct prescan_item) == 0, "the items are aligned");

static struct head head_of(size_t len, size_t mark, size_t count, size_t briefs)
{
    struct head h = {.len = len, .mark = mark, .count = count, .briefs = briefs};
    snprintf(h.form, sizeof h.form, "daybreak outline %s %zu", DAYBREAK_VERSION, sizeof(struct prescan_item));
    return h;
}

bool outline_save(const struct outline *o, struct buf *out, struct err *e)
{
    if (o->array)
        return true;
    struct head h = head_of(o->len, o->mark, o->count, 0);
    if (!buf_append(out, &h, sizeof h, e))
        return false;
    for (size_t i = 0; i < o->count; i++) {
        struct prescan_item item = o->items[i];
        for (size_t k = 0; k < PRESCAN_KEYS; k++) {
            item.value[k].at = (uint32_t)h.briefs;
            h.briefs += item.value[k].len;
        }
        if (h.briefs > UINT32_MAX)
            return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "its values are longer than 4 GB");
        if (!buf_append(out, &item, sizeof item, e))
            return false;
    }
    for (size_t i = 0; i < o->count; i++)
        for (size_t k = 0; k < PRESCAN_KEYS; k++)
            if (!buf_append(out, o->briefs + o->items[i].value[k].at, o->items[i].value[k].len, e))
                return false;
    memcpy(out->data + out->len - h.briefs - o->count * sizeof *o->items - sizeof h, &h, sizeof h);
    return true;
}

static bool inside(struct prescan_span span, size_t n)
{
    return span.at <= n && span.len <= n - span.at;
}

static bool fits(const struct prescan_item *item, size_t len, size_t briefs)
{
    const size_t least = sizeof STRING - 1 + sizeof END - 1;
    bool ok = inside(item->whole, len);
    for (size_t k = 0; k < PRESCAN_KEYS; k++)
        ok = ok && inside(item->value[k], briefs) &&
             (!(item->text & OUTLINE_KEY(k)) || item->value[k].len >= least);
    return ok;
}

struct outline *outline_restore(struct arena *a, size_t len, outline_read_fn *read, void *ctx,
                                const void *saved, size_t saved_len)
{
    struct outline o = {.read = read, .ctx = ctx};
    struct head said;
    if (saved_len < sizeof said)
        return NULL;
    const size_t left = saved_len - sizeof said;
    memcpy(&said, saved, sizeof said);
    const struct head ours = head_of(said.len, said.mark, said.count, said.briefs);
    if (memcmp(&said, &ours, sizeof said) != 0 || said.mark > 3 || said.len != len - said.mark ||
        said.count > left / sizeof *o.items || said.briefs != left - said.count * sizeof *o.items)
        return NULL;
    o.len = said.len;
    o.mark = said.mark;
    o.count = said.count;
    o.items = (const void *)((const char *)saved + sizeof said);
    o.briefs = (const char *)(o.items + o.count);
    for (size_t i = 0; i < o.count; i++)
        if (!fits(&o.items[i], o.len, said.briefs))
            return NULL;
    struct outline *whole = arena_alloc(a, sizeof *whole);
    *whole = o;
    return whole;
}

size_t outline_count(const struct outline *o)
{
    return o->count;
}

/* ---- spans ------------------------------------------------------------------------------------------- */

/* bytes: what the span is an offset into; NULL: the catalog, which is read. */
static bool take(const struct outline *o, const char *bytes, struct prescan_span span, char *to,
                 struct err *e)
{
    if (!bytes)
        return o->read(o->ctx, o->mark + span.at, to, span.len, e);
    memcpy(to, bytes + span.at, span.len);
    return true;
}

static const struct value *decode_span(struct arena *a, const struct outline *o, const char *bytes,
                                       struct prescan_span span, struct err *e)
{
    static const char before[] = "<plist>", after[] = "</plist>";
    const size_t head = sizeof before - 1, tail = sizeof after - 1;
    char *copy = arena_alloc(a, span.len + 1);
    if (!take(o, bytes, span, copy, e))
        return NULL;
    const struct value *v = plain_value(a, copy, span.len);
    if (v)
        return v;
    char *text = arena_heap(NULL, head + span.len + tail);
    memcpy(text, before, head);
    memcpy(text + head + span.len, after, tail);
    if (take(o, bytes, span, text + head, e))
        v = props_decode(a, text, head + span.len + tail, e);
    free(text);
    return v;
}

/* ---- items ------------------------------------------------------------------------------------------- */

static size_t nodes_of(const struct value *v)
{
    size_t n = 1;
    for (size_t i = 0; i < value_count(v); i++)
        n += nodes_of(value_at(v, i)) + (value_type(v) == VALUE_DICT);
    return n;
}

static bool too_large(const struct outline *o, size_t i, struct err *e)
{
    if (!o->array && o->items[i].whole.len > LIMIT_CATALOG_ITEM)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %zu MB", LIMIT_CATALOG_ITEM / LIMIT_MB), true;
    if ((o->array ? nodes_of(value_at(o->array, i)) : o->items[i].nodes) > LIMIT_ITEM_NODES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d values", LIMIT_ITEM_NODES), true;
    return false;
}

/* Is that key of an element believed? */
static bool counts(const struct outline *o, size_t i, int key)
{
    if (!o->array && (o->items[i].value[key].len == 0 || o->items[i].value[key].len > LIMIT_CATALOG_ITEM))
        return false;
    return key <= PKGINFO_BRIEF_VERSION || !too_large(o, i, NULL);
}

enum outline_sight outline_look(const struct outline *o, size_t i, enum pkginfo_brief_key key, const char **p,
                                size_t *n)
{
    static const char no[] = "<false/>";
    if (!counts(o, i, (int)key))
        return OUTLINE_NOTHING;
    if (o->array) {
        const struct value *v = value_get(value_at(o->array, i), pkginfo_brief_keys[key]);
        return v ? OUTLINE_VALUE : OUTLINE_NOTHING;
    }
    const struct prescan_item *item = &o->items[i];
    const char *at = o->briefs + item->value[key].at;
    size_t len = item->value[key].len;
    if (item->text & OUTLINE_KEY(key)) {
        *p = at + sizeof STRING - 1;
        *n = len - (sizeof STRING - 1) - (sizeof END - 1);
        return OUTLINE_TEXT;
    }
    return len == sizeof no - 1 && memcmp(at, no, len) == 0 ? OUTLINE_FALSE : OUTLINE_VALUE;
}

const struct value *outline_part(struct arena *a, const struct outline *o, size_t i, unsigned keys)
{
    struct err e;

    if (o->array ? value_type(value_at(o->array, i)) != VALUE_DICT : !o->items[i].dict)
        return NULL;
    if (o->array && !too_large(o, i, NULL))
        return value_at(o->array, i);
    struct value *part = value_new_dict(a);
    for (int k = 0; pkginfo_brief_keys[k]; k++) {
        const char *key = pkginfo_brief_keys[k];
        if (keys & OUTLINE_KEY(k) && counts(o, i, k))
            value_set(a, part, key,
                      o->array ? value_get(value_at(o->array, i), key)
                               : decode_span(a, o, o->briefs, o->items[i].value[k], &e));
    }
    return part;
}

const struct value *outline_item(struct arena *a, const struct outline *o, size_t i, struct err *e)
{
    if (too_large(o, i, e))
        return NULL;
    return o->array ? value_at(o->array, i) : decode_span(a, o, o->bytes, o->items[i].whole, e);
}
