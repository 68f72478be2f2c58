/* Strings and keys stay where they stand in the text, with a NUL where their end tag was. Prescan has proved
 * that elements match and keys differ, so that nothing here needs words for errors; all the same it never
 * reads beyond the end. */
#include "manifests/plain.h"
#include "core/limits.h"
#include "manifests/value.h"

struct reader {
    struct arena *a;
    char *p, *end;
    int depth;
};

static bool take(struct reader *r, const char *word, size_t n)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}
#define TAKE(literal) take(r, literal, sizeof(literal) - 1)

static void skip_blank(struct reader *r)
{
    while (r->p < r->end && (*r->p == '\n' || *r->p == '\t' || *r->p == ' ' || *r->p == '\r'))
        r->p++;
}

/* Resolve the references from p to end where they stand: the new end, or NULL. */
static char *resolve(char *p, const char *end)
{
    static const struct {
        const char *text;
        size_t n;
        char is;
    } named[] = {
        {"&amp;", 5, '&'}, {"&lt;", 4, '<'}, {"&gt;", 4, '>'}, {"&quot;", 6, '"'}, {"&apos;", 6, '\''}};
    const size_t known = sizeof named / sizeof *named;
    char *to = p;
    while (p < end) {
        size_t i = *p == '&' ? 0 : known;
        while (i < known && !((size_t)(end - p) >= named[i].n && memcmp(p, named[i].text, named[i].n) == 0))
            i++;
        if (i == known && *p == '&')
            return NULL;
        *to++ = i < known ? named[i].is : *p;
        p += i < known ? named[i].n : 1;
    }
    return to;
}

/* The text up to that end tag, which is taken too. */
static char *text(struct reader *r, const char *close, size_t n)
{
    char *from = r->p, *lt = memchr(from, '<', (size_t)(r->end - from));
    if (!lt)
        return NULL;
    r->p = lt;
    if (!take(r, close, n))
        return NULL;
    char *amp = memchr(from, '&', (size_t)(lt - from));
    char *to = amp ? resolve(amp, lt) : lt;
    if (to)
        *to = '\0';
    return to ? from : NULL;
}
#define TEXT(close) text(r, close, sizeof(close) - 1)

static const struct value *value_here(struct reader *r);

struct pairs { /* of a dictionary, until their number is known */
    size_t n;
    const char *keys[32];
    const struct value *values[32];
};

static void push(struct reader *r, struct value *dict, struct pairs *some)
{
    value_room(r->a, dict, some->n);
    for (size_t i = 0; i < some->n; i++)
        value_push(r->a, dict, some->keys[i], some->values[i]);
    some->n = 0;
}

static const struct value *dict(struct reader *r)
{
    struct value *v = value_new_dict(r->a);
    struct pairs some;
    some.n = 0;
    for (;;) {
        skip_blank(r);
        if (TAKE("</dict>")) {
            push(r, v, &some);
            return value_seal(r->a, v) ? NULL : v;
        }
        const char *key = TAKE("<key>") ? TEXT("</key>") : NULL;
        if (!key)
            return NULL;
        skip_blank(r);
        const struct value *child = value_here(r);
        if (!child)
            return NULL;
        some.keys[some.n] = key;
        some.values[some.n++] = child;
        if (some.n == sizeof some.keys / sizeof *some.keys)
            push(r, v, &some);
    }
}

static const struct value *array(struct reader *r)
{
    struct value *v = value_new_array(r->a);
    for (;;) {
        skip_blank(r);
        if (TAKE("</array>"))
            return v;
        const struct value *child = value_here(r);
        if (!child)
            return NULL;
        value_append(r->a, v, child);
    }
}

static const struct value *string(struct reader *r)
{
    const char *s = TEXT("</string>");
    return s ? value_keep_str(r->a, s) : NULL;
}

static const struct value *integer(struct reader *r)
{
    const char *digits = TEXT("</integer>");
    size_t n = digits ? strspn(digits, "0123456789") : 0;
    int64_t number = 0;
    if (n == 0 || n > 18 || digits[n] != '\0')
        return NULL;
    for (size_t i = 0; i < n; i++)
        number = number * 10 + (digits[i] - '0');
    return value_new_int(r->a, number);
}

static const struct value *value_here(struct reader *r)
{
    const struct value *v = NULL;
    if (++r->depth > LIMIT_PLIST_DEPTH)
        return NULL;
    if (TAKE("<string>"))
        v = string(r);
    else if (TAKE("<dict>"))
        v = dict(r);
    else if (TAKE("<array>"))
        v = array(r);
    else if (TAKE("<integer>"))
        v = integer(r);
    else if (TAKE("<true/>"))
        v = value_new_bool(r->a, true);
    else if (TAKE("<false/>"))
        v = value_new_bool(r->a, false);
    else if (TAKE("<array/>"))
        v = value_new_array(r->a);
    else if (TAKE("<dict/>"))
        v = value_new_dict(r->a);
    else if (TAKE("<string/>"))
        v = value_keep_str(r->a, "");
    r->depth--;
    return v;
}

const struct value *plain_value(struct arena *a, char *text, size_t n)
{
    struct reader r = {.a = a, .p = text, .end = text + n};
    const struct value *v = value_here(&r);
    return r.p == r.end ? v : NULL;
}
