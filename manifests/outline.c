/* Spans are offsets into the bytes, which were checked once by prescan_items: what is decoded later out of a
 * span cannot fail, but for the limits of one item. Names and versions, and lists of names, are nearly always
 * plain text between plain tags: these are copied as they stand, anything else goes through props_decode. */
#include "manifests/outline.h"
#include "core/limits.h"
#include "manifests/pkginfo.h"
#include "manifests/prescan.h"
#include "manifests/value.h"

struct outline {
    const char *bytes; /* NULL: array has it all */
    const struct prescan_item *items;
    const struct value *array;
    size_t count;
};

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
    const char *bytes = p;
    struct prescan_items found = {.keys = pkginfo_brief_keys};
    struct outline *o = NULL;

    if (n > LIMIT_CATALOG) {
        (void)err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a catalog of more than %zu MB", LIMIT_CATALOG / LIMIT_MB);
        return NULL;
    }
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        n -= 3;
    }
    if (n == 0 || (n >= 6 && memcmp(bytes, "bplist", 6) == 0)) {
        const struct value *array = props_decode(a, p, n + (size_t)(bytes - (const char *)p), e);
        return array ? outline_of(a, array, e) : NULL;
    }
    if (!prescan_items(bytes, n, &found, e))
        goto out;
    if (strcmp(found.root, "array") != 0) {
        (void)need_array(root_name(found.root), e);
        goto out;
    }
    o = arena_alloc(a, sizeof *o);
    o->bytes = bytes;
    o->count = found.count;
    struct prescan_item *items = arena_array(a, found.count, sizeof *items);
    if (found.count > 0)
        memcpy(items, found.at, found.count * sizeof *items);
    o->items = items;
out:
    free(found.at);
    return o;
}

size_t outline_count(const struct outline *o)
{
    return o->count;
}

/* ---- spans ------------------------------------------------------------------------------------------- */

static const struct value *decode_span(struct arena *a, const struct outline *o, struct prescan_span span,
                                       struct err *e)
{
    static const char before[] = "<plist>", after[] = "</plist>";
    const size_t head = sizeof before - 1, tail = sizeof after - 1;
    char *text = arena_heap(NULL, head + span.len + tail);
    memcpy(text, before, head);
    memcpy(text + head, o->bytes + span.at, span.len);
    memcpy(text + head + span.len, after, tail);
    const struct value *v = props_decode(a, text, head + span.len + tail, e);
    free(text);
    return v;
}

/* A <string> at p that holds nothing but text: its value, and *p behind it. Else NULL. */
static struct value *plain_string(struct arena *a, const char **p, const char *end)
{
    static const char open[] = "<string>", close[] = "</string>";
    if ((size_t)(end - *p) < sizeof open + sizeof close || memcmp(*p, open, sizeof open - 1) != 0)
        return NULL;
    const char *text = *p + sizeof open - 1;
    const char *lt = memchr(text, '<', (size_t)(end - text));
    if (!lt || (size_t)(end - lt) < sizeof close - 1 || memcmp(lt, close, sizeof close - 1) != 0 ||
        memchr(text, '&', (size_t)(lt - text)))
        return NULL;
    *p = lt + sizeof close - 1;
    return value_keep_str(a, arena_strndup(a, text, (size_t)(lt - text)));
}

static const struct value *plain_strings(struct arena *a, const char *p, const char *end)
{
    static const char open[] = "<array>", close[] = "</array>";
    if ((size_t)(end - p) < sizeof open + sizeof close || memcmp(p, open, sizeof open - 1) != 0)
        return NULL;
    struct value *array = value_new_array(a);
    p += sizeof open - 1;
    end -= sizeof close - 1;
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
            p++;
        if (p == end)
            return memcmp(p, close, sizeof close - 1) == 0 ? array : NULL;
        const struct value *s = plain_string(a, &p, end);
        if (!s)
            return NULL;
        value_append(a, array, s);
    }
}

static const struct value *value_in(struct arena *a, const struct outline *o, struct prescan_span span)
{
    const char *p = o->bytes + span.at, *end = p + span.len;
    struct err e;
    const struct value *v = plain_string(a, &p, end);
    if (!v)
        v = plain_strings(a, p, end);
    return v ? v : decode_span(a, o, span, &e);
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
    if (o->bytes && o->items[i].whole.len > LIMIT_CATALOG_ITEM)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %zu MB", LIMIT_CATALOG_ITEM / LIMIT_MB), true;
    if ((o->bytes ? o->items[i].nodes : nodes_of(value_at(o->array, i))) > LIMIT_ITEM_NODES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d values", LIMIT_ITEM_NODES), true;
    return false;
}

const struct value *outline_brief(struct arena *a, const struct outline *o, size_t i)
{
    struct err e;
    bool large = too_large(o, i, &e);

    if (!o->bytes && value_type(value_at(o->array, i)) != VALUE_DICT)
        return NULL;
    if (!o->bytes && !large)
        return value_at(o->array, i);
    if (o->bytes && !o->items[i].dict)
        return NULL;
    struct value *brief = value_new_dict(a);
    for (int k = 0; pkginfo_brief_keys[k]; k++) {
        const char *key = pkginfo_brief_keys[k];
        if (k == PKGINFO_BRIEF_RECEIPTS || (large && k > PKGINFO_BRIEF_VERSION))
            continue;
        if (!o->bytes)
            value_set(a, brief, key, value_get(value_at(o->array, i), key));
        else if (o->items[i].value[k].len > 0 && o->items[i].value[k].len <= LIMIT_CATALOG_ITEM)
            value_set(a, brief, key, value_in(a, o, o->items[i].value[k]));
    }
    return brief;
}

bool outline_has_receipts(const struct outline *o, size_t i)
{
    struct err e;
    if (too_large(o, i, &e))
        return false;
    return o->bytes ? o->items[i].value[PKGINFO_BRIEF_RECEIPTS].len > 0
                    : value_get(value_at(o->array, i), pkginfo_brief_keys[PKGINFO_BRIEF_RECEIPTS]) != NULL;
}

const struct value *outline_receipts(struct arena *a, const struct outline *o, size_t i)
{
    if (!outline_has_receipts(o, i))
        return NULL;
    return o->bytes ? value_in(a, o, o->items[i].value[PKGINFO_BRIEF_RECEIPTS])
                    : value_get(value_at(o->array, i), pkginfo_brief_keys[PKGINFO_BRIEF_RECEIPTS]);
}

const struct value *outline_item(struct arena *a, const struct outline *o, size_t i, struct err *e)
{
    if (too_large(o, i, e))
        return NULL;
    return o->bytes ? decode_span(a, o, o->items[i].whole, e) : value_at(o->array, i);
}
