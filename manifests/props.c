/* props: bytes to tree and back.
 *
 * A decode is three steps that must agree: prescan or bplist walk the bytes and note the shape, libplist
 * builds its tree, the conversion compares every length and count of the two and takes the numbers from the
 * shape. A difference means that libplist read something else than was checked: refused, never repaired.
 * libplist 2.2 has no result codes: success is a root that is not NULL, which must be NULL before. */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/bplist.h"
#include "manifests/prescan.h"
#include "manifests/value.h"
#include <plist/plist.h>

struct convert {
    struct arena *a;
    const union slot *next, *end;
    const char *twice; /* a key that stands twice in one dictionary: only a binary one gets here with it */
};

/* The next slot if libplist's count is the one that was noted, else NULL. */
static const union slot *take(struct convert *c)
{
    return c->next < c->end ? c->next++ : NULL;
}

static bool take_count(struct convert *c, uint64_t count)
{
    const union slot *slot = take(c);
    return slot && slot->n >= 0 && (uint64_t)slot->n == count;
}

static const struct value *from_plist(struct convert *c, plist_t node);

static const struct value *from_array(struct convert *c, plist_t node)
{
    struct value *array = value_new_array(c->a);
    plist_array_iter iter = NULL;
    if (!take_count(c, plist_array_get_size(node)))
        return NULL;
    plist_array_new_iter(node, &iter);
    for (uint32_t i = plist_array_get_size(node); i > 0; i--) {
        plist_t child = NULL;
        plist_array_next_item(node, iter, &child);
        const struct value *v = child ? from_plist(c, child) : NULL;
        if (!v) {
            array = NULL;
            break;
        }
        value_append(c->a, array, v);
    }
    free(iter);
    return array;
}

static const struct value *from_dict(struct convert *c, plist_t node)
{
    struct value *dict = value_new_dict(c->a);
    plist_dict_iter iter = NULL;
    if (!take_count(c, plist_dict_get_size(node)))
        return NULL;
    plist_dict_new_iter(node, &iter);
    for (uint32_t i = plist_dict_get_size(node); i > 0 && dict; i--) {
        char *key = NULL;
        plist_t child = NULL;
        plist_dict_next_item(node, iter, &key, &child);
        const struct value *v = NULL;
        if (key && child && take_count(c, strlen(key)))
            v = from_plist(c, child);
        if (v)
            value_push(c->a, dict, arena_strdup(c->a, key), v);
        else
            dict = NULL;
        free(key);
    }
    free(iter);
    if (dict)
        c->twice = value_seal(c->a, dict);
    return c->twice ? NULL : dict;
}

/* Recursion is bounded: both walks refuse more than LIMIT_PLIST_DEPTH levels. */
static const struct value *from_plist(struct convert *c, plist_t node)
{
    const union slot *slot = NULL;
    const char *text;
    uint64_t len = 0;
    uint8_t yes = 0;

    switch (plist_get_node_type(node)) {
    case PLIST_DICT:
        return from_dict(c, node);
    case PLIST_ARRAY:
        return from_array(c, node);
    case PLIST_STRING:
        text = plist_get_string_ptr(node, &len);
        return text && take_count(c, len) ? value_keep_str(c->a, arena_strndup(c->a, text, len)) : NULL;
    case PLIST_DATA:
        text = plist_get_data_ptr(node, &len);
        return take_count(c, len) ? value_new_data(c->a, text, len) : NULL;
    case PLIST_BOOLEAN:
        plist_get_bool_val(node, &yes);
        return take_count(c, yes) ? value_new_bool(c->a, yes) : NULL;
    case PLIST_UINT:
        return (slot = take(c)) ? value_new_int(c->a, slot->n) : NULL;
    case PLIST_REAL:
        return (slot = take(c)) ? value_new_real(c->a, slot->real) : NULL;
    case PLIST_DATE:
        return (slot = take(c)) ? value_new_date(c->a, (time_t)slot->n) : NULL;
    default:
        return NULL;
    }
}

const struct value *props_decode(struct arena *a, const void *p, size_t n, struct err *e)
{
    struct shape shape = {0};
    plist_t root = NULL;
    const struct value *v = NULL;
    const char *bytes = p;

    if (n > LIMIT_PLIST) {
        (void)err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a property list of more than %zu MB",
                      LIMIT_PLIST / LIMIT_MB);
        return NULL;
    }
    if (n == 0) {
        (void)err_set(e, ERR_FORMAT, CAUSE_FORMAT, "an empty file");
        return NULL;
    }
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        n -= 3;
    }
    if (n >= 6 && memcmp(bytes, "bplist", 6) == 0) {
        if (!bplist_check(bytes, n, &shape, e))
            goto out;
        plist_from_bin(bytes, (uint32_t)n, &root);
    } else {
        if (!prescan_check(bytes, n, &shape, e))
            goto out;
        plist_from_xml(bytes, (uint32_t)n, &root);
    }
    struct convert c = {.a = a, .next = shape.at, .end = shape.at + shape.count};
    v = root ? from_plist(&c, root) : NULL;
    if (c.twice) {
        char key[64];
        text_printable_into(key, sizeof key, c.twice, strlen(c.twice));
        (void)err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a dictionary has the key %s twice", key);
    } else if (!v || c.next != c.end) {
        v = NULL;
        (void)err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a property list that cannot be read without doubt");
    }
out:
    plist_free(root);
    shape_release(&shape);
    return v;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

struct writer {
    struct buf *out;
    struct err *e;
    size_t held; /* bytes that are not in out yet: most pieces are short */
    char piece[8192];
};

static bool flush(struct writer *w)
{
    size_t n = w->held;
    w->held = 0;
    return buf_append(w->out, w->piece, n, w->e);
}

static bool put(struct writer *w, const char *s, size_t n)
{
    if (n > sizeof w->piece - w->held && !flush(w))
        return false;
    if (n > sizeof w->piece)
        return buf_append(w->out, s, n, w->e);
    memcpy(w->piece + w->held, s, n);
    w->held += n;
    return true;
}

static bool puts_(struct writer *w, const char *s)
{
    return put(w, s, strlen(s));
}

static bool indent(struct writer *w, size_t depth)
{
    static const char tabs[] = "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t"
                               "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t";
    return put(w, tabs, depth < sizeof tabs - 1 ? depth : sizeof tabs - 1);
}

/* Bytes that are no UTF-8 become U+FFFD: a report is not lost over a name that some installer printed. */
static bool put_text(struct writer *w, const char *s)
{
    bool valid = text_utf8_valid(s, strlen(s));
    const char *from = s;
    if (valid)
        s += strcspn(s, "&<>");
    for (; *s; s++) {
        const char *as = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : NULL;
        if (!valid && (unsigned char)*s >= 0x80) {
            size_t n = 2;
            while (n <= 4 && !(strnlen(s, n) == n && text_utf8_valid(s, n)))
                n++;
            if (n <= 4)
                s += n - 1;
            else
                as = "\xef\xbf\xbd";
        }
        if (as) {
            if (!put(w, from, (size_t)(s - from)) || !puts_(w, as))
                return false;
            from = s + 1;
        }
    }
    return put(w, from, (size_t)(s - from));
}

/* The shortest decimal text that reads back as the same number. */
static bool put_real(struct writer *w, double real)
{
    char text[40];
    if (!(real >= -0x1.fffffffffffffp1023 && real <= 0x1.fffffffffffffp1023))
        return err_set(w->e, ERR_FORMAT, CAUSE_FORMAT, "a number that is not finite has no place in a plist");
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, real);
        double back = strtod(text, NULL);
        if (!(back < real || back > real))
            break;
    }
    return puts_(w, text);
}

/* Apple's lines: 76 columns, a tab of the indentation counting as 8, never fewer than 16 characters. */
static bool put_data(struct writer *w, const unsigned char *p, size_t n, size_t depth)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t width = (depth < 8 ? 76 - 8 * depth : 16) / 4 * 3; /* bytes a line */
    if (width < 12)
        width = 12;
    for (size_t i = 0; i < n; i += width) {
        char line[80];
        size_t at = 0;
        for (size_t j = i; j < n && j < i + width; j += 3) {
            size_t left = n - j;
            uint32_t word = (uint32_t)p[j] << 16 | (left > 1 ? (uint32_t)p[j + 1] << 8 : 0) |
                            (left > 2 ? (uint32_t)p[j + 2] : 0);
            line[at++] = digits[word >> 18 & 63];
            line[at++] = digits[word >> 12 & 63];
            line[at++] = left > 1 ? digits[word >> 6 & 63] : '=';
            line[at++] = left > 2 ? digits[word & 63] : '=';
        }
        line[at++] = '\n';
        if (!indent(w, depth) || !put(w, line, at))
            return false;
    }
    return indent(w, depth);
}

struct member_of {
    const char *key;
    const struct value *value;
};

static int by_key(const void *a, const void *b)
{
    const struct member_of *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static bool put_value(struct writer *w, const struct value *v, size_t depth);

static bool put_dict(struct writer *w, const struct value *v, size_t depth)
{
    size_t n = value_count(v);
    struct member_of *all = arena_heap(NULL, n * sizeof *all);
    bool ok = puts_(w, "<dict>\n"), sorted = true;
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct member_of){value_key(v, i), value_at(v, i)};
        sorted = sorted && (i == 0 || strcmp(all[i - 1].key, all[i].key) < 0);
    }
    if (!sorted)
        qsort(all, n, sizeof *all, by_key);
    for (size_t i = 0; i < n && ok; i++)
        ok = indent(w, depth + 1) && puts_(w, "<key>") && put_text(w, all[i].key) && puts_(w, "</key>\n") &&
             put_value(w, all[i].value, depth + 1);
    free(all);
    return ok && indent(w, depth) && puts_(w, "</dict>\n");
}

static bool put_array(struct writer *w, const struct value *v, size_t depth)
{
    if (!puts_(w, "<array>\n"))
        return false;
    for (size_t i = 0; i < value_count(v); i++)
        if (!put_value(w, value_at(v, i), depth + 1))
            return false;
    return indent(w, depth) && puts_(w, "</array>\n");
}

static bool too_deep(struct err *e)
{
    return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "nested deeper than %d levels", LIMIT_PLIST_DEPTH);
}

/* depth: tabs in front of v, which is also the number of containers around it. */
static bool put_value(struct writer *w, const struct value *v, size_t depth)
{
    char text[64];
    int64_t n = 0;
    double real = 0;
    bool yes = false;
    time_t date = 0;
    size_t len = 0;

    if (!indent(w, depth))
        return false;
    switch (value_type(v)) {
    case VALUE_DICT:
        return depth >= LIMIT_PLIST_DEPTH ? too_deep(w->e)
               : value_count(v)           ? put_dict(w, v, depth)
                                          : puts_(w, "<dict/>\n");
    case VALUE_ARRAY:
        return depth >= LIMIT_PLIST_DEPTH ? too_deep(w->e)
               : value_count(v)           ? put_array(w, v, depth)
                                          : puts_(w, "<array/>\n");
    case VALUE_STRING:
        return puts_(w, "<string>") && put_text(w, value_str(v)) && puts_(w, "</string>\n");
    case VALUE_BOOL:
        return value_bool(v, &yes) && puts_(w, yes ? "<true/>\n" : "<false/>\n");
    case VALUE_INT:
        (void)value_int(v, &n);
        (void)snprintf(text, sizeof text, "<integer>%lld</integer>\n", (long long)n);
        return puts_(w, text);
    case VALUE_REAL:
        return value_real(v, &real) && puts_(w, "<real>") && put_real(w, real) && puts_(w, "</real>\n");
    case VALUE_DATE:
        (void)value_date(v, &date);
        text_utc(text, date, -1);
        return puts_(w, "<date>") && puts_(w, text) && puts_(w, "</date>\n");
    case VALUE_DATA: {
        const unsigned char *p = value_data(v, &len);
        return puts_(w, "<data>\n") && put_data(w, p, len, depth) && puts_(w, "</data>\n");
    }
    }
    return err_set(w->e, ERR_INTERNAL, CAUSE_INTERNAL, "a value of no type");
}

bool props_encode(const struct value *v, struct buf *out, struct err *e)
{
    struct writer w;
    w.out = out;
    w.e = e;
    w.held = 0;
    return puts_(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
                     "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n") &&
           put_value(&w, v, 0) && puts_(&w, "</plist>\n") && flush(&w);
}

#define SINCE_2001 INT64_C(978307200)

static plist_t to_plist(const struct value *v, size_t depth, struct err *e)
{
    plist_t node = NULL;
    int64_t n = 0;
    double real = 0;
    bool yes = false;
    time_t date = 0;
    size_t len = 0;

    switch (value_type(v)) {
    case VALUE_DICT:
    case VALUE_ARRAY:
        if (depth >= LIMIT_PLIST_DEPTH) {
            (void)too_deep(e);
            return NULL;
        }
        node = value_type(v) == VALUE_DICT ? plist_new_dict() : plist_new_array();
        for (size_t i = 0; i < value_count(v); i++) {
            plist_t child = to_plist(value_at(v, i), depth + 1, e);
            if (!child) {
                plist_free(node);
                return NULL;
            }
            if (value_type(v) == VALUE_DICT)
                plist_dict_set_item(node, value_key(v, i), child);
            else
                plist_array_append_item(node, child);
        }
        return node;
    case VALUE_STRING:
        return plist_new_string(value_str(v));
    case VALUE_BOOL:
        (void)value_bool(v, &yes);
        return plist_new_bool(yes);
    case VALUE_INT:
        (void)value_int(v, &n);
        return plist_new_uint((uint64_t)n);
    case VALUE_REAL:
        (void)value_real(v, &real);
        return plist_new_real(real);
    case VALUE_DATE:
        (void)value_date(v, &date);
        if (date - SINCE_2001 < INT32_MIN || date - SINCE_2001 > INT32_MAX) {
            (void)err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a date outside the years 1933 to 2068");
            return NULL;
        }
        return plist_new_date((int32_t)(date - SINCE_2001), 0);
    case VALUE_DATA: {
        const char *p = value_data(v, &len);
        return plist_new_data(p, len);
    }
    }
    return NULL;
}

bool props_encode_binary(const struct value *v, struct buf *out, struct err *e)
{
    char *bytes = NULL;
    uint32_t len = 0;
    plist_t root = to_plist(v, 0, e);
    if (!root)
        return false;
    plist_to_bin(root, &bytes, &len);
    plist_free(root);
    bool ok = bytes ? buf_append(out, bytes, len, e)
                    : err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "libplist wrote no binary property list");
    free(bytes);
    return ok;
}

/* ---- typed members ----------------------------------------------------------------------------------- */

static const struct value *member(const struct value *dict, const char *key, enum value_type type)
{
    const struct value *v = value_get(dict, key);
    return v && value_type(v) == type ? v : NULL;
}

const char *props_str(const struct value *dict, const char *key)
{
    return value_str(value_get(dict, key));
}

bool props_bool(const struct value *dict, const char *key, bool fallback)
{
    bool yes;
    return value_bool(value_get(dict, key), &yes) ? yes : fallback;
}

int64_t props_int(const struct value *dict, const char *key, int64_t fallback)
{
    int64_t n;
    return value_int(value_get(dict, key), &n) ? n : fallback;
}

const struct value *props_dict(const struct value *dict, const char *key)
{
    return member(dict, key, VALUE_DICT);
}

const struct value *props_array(const struct value *dict, const char *key)
{
    return member(dict, key, VALUE_ARRAY);
}

static const struct value *array_of(const struct value *dict, const char *key, enum value_type type)
{
    const struct value *array = props_array(dict, key);
    for (size_t i = 0; i < value_count(array); i++)
        if (value_type(value_at(array, i)) != type)
            return NULL;
    return array;
}

const struct value *props_strings(const struct value *dict, const char *key)
{
    return array_of(dict, key, VALUE_STRING);
}

const struct value *props_dicts(const struct value *dict, const char *key)
{
    return array_of(dict, key, VALUE_DICT);
}
