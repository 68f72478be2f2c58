/* The pass is a loop with its own stack, so that nesting costs no C stack. An element that is written as
 * every writer of property lists writes it is read by plain_leaf and plain_tag; whatever else XML allows by
 * read_tag and read_leaf, which also find the words for what is wrong.
 *
 * Surprising facts: libplist stops at the end of the root element and never looks at what follows; it takes
 * octal for a leading 0, reads "12abc" as 12 and the 30th of February as the 1st of March, forgets a key
 * without a value, and lets the second of two keys in a row be the first one's value. None of that passes
 * here. Control characters other than NUL do pass: Apple's parser takes them, and scripts contain them. */
#include "core/text.h"
#include "manifests/prescan_internal.h"
#include "manifests/scalar.h"

static const char *const element_names[ELEMENTS] = {"plist", "dict", "array", "key",  "string", "integer",
                                                    "real",  "date", "data",  "true", "false"};

/* ---- tags -------------------------------------------------------------------------------------------- */

/* Read the tag at p, "<" included. */
static bool read_tag(struct scan *s, struct tag *t)
{
    *t = (struct tag){.at = s->p};
    const char *close = memchr(s->p, '>', (size_t)(s->end - s->p));
    if (!close)
        return prescan_bad(s, t->at, "the file ends inside a tag");
    const char *p = s->p + 1;
    t->closing = *p == '/';
    p += t->closing;
    t->name = p;
    while (p < close && !prescan_blank(*p) && *p != '/')
        p++;
    t->len = (size_t)(p - t->name);
    const char *tail = close;
    if (!t->closing && tail > p && tail[-1] == '/') {
        t->empty = true;
        tail--;
    }
    while (p < tail && prescan_blank(*p))
        p++;
    t->attributes = p < tail;
    if (memchr(t->name, '<', (size_t)(close - t->name)))
        return prescan_bad(s, t->at, "a \"<\" inside a tag");
    s->p = close + 1;
    return true;
}

static bool known_element(struct scan *s, const struct tag *t, enum element *element)
{
    for (int i = 0; i < ELEMENTS; i++)
        if (strlen(element_names[i]) == t->len && memcmp(element_names[i], t->name, t->len) == 0) {
            *element = (enum element)i;
            if (t->attributes && (i != PLIST || t->closing))
                return prescan_bad(s, t->at, "<%s> with something beside its name", element_names[i]);
            return true;
        }
    return prescan_bad(s, t->at, "<%s> is no element of a property list",
                       prescan_quote(t->name, t->len).text);
}

/* ---- keys and counts --------------------------------------------------------------------------------- */

static bool note(struct scan *s, int64_t n)
{
    s->nodes++;
    return !s->shape || shape_note(s->shape, n, s->e);
}

static bool twice(struct scan *s, const struct word *key)
{
    return prescan_bad(s, s->stack[s->depth].at, "the dictionary that begins here has the key %s twice",
                       prescan_quote(key->p, key->n).text);
}

static bool same(const struct word *a, const struct word *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static int by_bytes(const void *one, const void *other)
{
    const struct word *a = one, *b = other;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->p, b->p, a->n);
}

/* Small dictionaries find a key that is there twice at once, larger ones when they end. */
#define FEW_KEYS 64

static bool add_key(struct scan *s, const char *p, size_t n)
{
    struct frame *f = &s->stack[s->depth];
    struct word key = {p, n};
    size_t have = s->key_count - f->keys;
    if (have < FEW_KEYS) {
        unsigned mix = (unsigned)n * 37;
        if (n > 0)
            mix += (unsigned char)p[0] * 3U + (unsigned char)p[n / 2] * 5U + (unsigned char)p[n - 1] * 11U;
        uint64_t *seen = &f->seen[mix >> 6 & 1], bit = UINT64_C(1) << (mix & 63);
        for (size_t i = f->keys; (*seen & bit) && i < s->key_count; i++)
            if (same(&s->keys[i], &key))
                return twice(s, &key);
        *seen |= bit;
    }
    if (s->key_count == s->key_room) {
        s->key_room = s->key_room ? s->key_room * 2 : 256;
        s->keys = arena_heap(s->keys, s->key_room * sizeof *s->keys);
    }
    s->keys[s->key_count++] = key;
    if (s->items && s->depth == 2 && s->stack[1].element == ARRAY) {
        f->wanted = -1;
        for (int i = 0; i < s->wanted_count; i++)
            if (s->wanted[i].n == n && memcmp(s->wanted[i].p, p, n) == 0)
                f->wanted = i;
    }
    return true;
}

static bool keys_differ(struct scan *s, const struct frame *f)
{
    size_t n = s->key_count - f->keys;
    s->key_count = f->keys;
    if (n <= FEW_KEYS)
        return true;
    struct word *keys = s->keys + f->keys;
    qsort(keys, n, sizeof *keys, by_bytes);
    for (size_t i = 1; i < n; i++)
        if (same(&keys[i - 1], &keys[i]))
            return twice(s, &keys[i]);
    return true;
}

/* ---- items ------------------------------------------------------------------------------------------- */

static struct prescan_span span(const struct scan *s, const char *from, const char *to)
{
    return (struct prescan_span){(uint32_t)(from - s->start), (uint32_t)(to - from)};
}

/* A value begins at at, in the innermost open container. */
static void begins(struct scan *s, const char *at, enum element element)
{
    struct prescan_items *items = s->items;
    if (s->depth == 0)
        items->root = element_names[element];
    if (s->depth == 1 && s->stack[1].element == ARRAY) {
        if (items->count == items->room) {
            items->room = items->room ? items->room * 2 : 64;
            items->at = arena_heap(items->at, items->room * sizeof *items->at);
        }
        items->at[items->count++] = (struct prescan_item){
            .whole = span(s, at, at), .nodes = (uint32_t)s->nodes, .dict = element == DICT};
    } else if (s->depth == 2 && s->stack[2].wanted >= 0 && s->stack[1].element == ARRAY) {
        items->at[items->count - 1].value[s->stack[2].wanted] = span(s, at, at);
    }
}

/* A value ended at p, in the innermost open container. */
static void ended(struct scan *s)
{
    if (s->depth == 0 || s->depth > 2 || s->stack[1].element != ARRAY)
        return;
    struct prescan_item *item = &s->items->at[s->items->count - 1];
    if (s->depth == 1) {
        item->whole.len = (uint32_t)(s->p - s->start) - item->whole.at;
        item->nodes = (uint32_t)s->nodes - item->nodes;
    } else if (s->stack[2].wanted >= 0) {
        struct prescan_span *value = &item->value[s->stack[2].wanted];
        value->len = (uint32_t)(s->p - s->start) - value->at;
        s->stack[2].wanted = -1;
    }
}

/* The value that is about to end is a <string> of nothing but text. */
static void is_text(struct scan *s)
{
    if (s->depth == 2 && s->stack[2].wanted >= 0 && s->stack[1].element == ARRAY)
        s->items->at[s->items->count - 1].text |= (uint8_t)(1U << s->stack[2].wanted);
}

/* ---- values ------------------------------------------------------------------------------------------ */

/* The text of a number or date: neither references nor CDATA; white space around it is left out. */
static bool read_word(struct scan *s, char *word, size_t size)
{
    while (s->p < s->end && prescan_blank(*s->p))
        s->p++;
    const char *from = s->p;
    while (s->p < s->end && *s->p != '<')
        s->p++;
    const char *to = s->p;
    while (to > from && prescan_blank(to[-1]))
        to--;
    if ((size_t)(to - from) >= size)
        return false;
    memcpy(word, from, (size_t)(to - from));
    word[to - from] = '\0';
    return true;
}

static bool read_leaf(struct scan *s, const struct tag *t, enum element element)
{
    char word[512];
    int64_t n = 0;
    double real = 0;
    time_t date;
    size_t size = 0;
    const char *at = s->p;

    if (t->empty && element != STRING && element != DATA && element != TRUE_ && element != FALSE_)
        return prescan_bad(s, t->at, "an empty <%s>", element_names[element]);
    switch (element) {
    case STRING:
    case KEY:
        if (!t->empty && !prescan_text(s, t, NULL, &size))
            return false;
        if (element == KEY) { /* again, now that the size is known */
            char *key = arena_alloc(s->scratch, size + 1);
            s->p = at;
            if (!prescan_text(s, t, key, &size) || !add_key(s, key, size))
                return false;
        }
        n = (int64_t)size;
        break;
    case INTEGER:
        if (!read_word(s, word, sizeof word) || !scalar_integer(word, &n))
            return prescan_bad(s, t->at, "\"%s\" is no integer", prescan_quote(at, (size_t)(s->p - at)).text);
        break;
    case REAL:
        if (!read_word(s, word, sizeof word) || !scalar_real(word, &real))
            return prescan_bad(s, t->at, "\"%s\" is no number", prescan_quote(at, (size_t)(s->p - at)).text);
        break;
    case DATE:
        if (!read_word(s, word, sizeof word) || !text_parse_utc(word, &date))
            return prescan_bad(s, t->at, "\"%s\" is no date of the form 2026-01-31T23:59:59Z",
                               prescan_quote(at, (size_t)(s->p - at)).text);
        n = (int64_t)date;
        break;
    case DATA:
        while (!t->empty && s->p < s->end && *s->p != '<')
            s->p++;
        if (!scalar_data_size(t->empty ? s->p : at, s->p, &size))
            return prescan_bad(s, t->at, "<data> that is not base64");
        n = (int64_t)size;
        break;
    default:
        n = element == TRUE_;
        break;
    }
    if (!t->empty) {
        struct tag close;
        enum element ends = ELEMENTS;
        if (s->p == s->end || *s->p != '<')
            return prescan_bad(s, t->at, "<%s> without </%s>", element_names[element],
                               element_names[element]);
        if (!read_tag(s, &close) || !known_element(s, &close, &ends))
            return false;
        if (!close.closing || ends != element)
            return prescan_bad(s, close.at, "<%s%s> where </%s> should be", close.closing ? "/" : "",
                               element_names[ends], element_names[element]);
    }
    if (element == REAL && s->shape) {
        s->nodes++;
        return shape_note_real(s->shape, real, s->e);
    }
    return note(s, n);
}

/* An element may stand here: alternation of keys and values, one value in <plist>. */
static bool placed(struct scan *s, const struct tag *t, enum element element)
{
    struct frame *f = &s->stack[s->depth];
    const char *name = element_names[element];
    if (element == PLIST)
        return prescan_bad(s, t->at, "<plist> inside <plist>");
    if (element == KEY) {
        if (f->element != DICT)
            return prescan_bad(s, t->at, "<key> outside a dictionary");
        if (f->key_waits)
            return prescan_bad(s, t->at, "<key> where the value of the key before it should be");
        f->key_waits = true;
        return true;
    }
    if (f->element == DICT && !f->key_waits)
        return prescan_bad(s, t->at, "<%s> without a key", name);
    if (f->element == PLIST && f->count)
        return prescan_bad(s, t->at, "a second value, <%s>, in <plist>", name);
    f->key_waits = false;
    f->count++;
    return true;
}

static bool open_container(struct scan *s, const struct tag *t, enum element element)
{
    size_t slot = s->shape ? s->shape->count : 0;
    if (!note(s, 0))
        return false;
    if (s->depth == LIMIT_PLIST_DEPTH)
        return err_set(s->e, ERR_LIMIT, CAUSE_LIMIT, "nested deeper than %d levels", LIMIT_PLIST_DEPTH);
    if (!t->empty)
        s->stack[++s->depth] =
            (struct frame){.element = element, .wanted = -1, .at = t->at, .slot = slot, .keys = s->key_count};
    else if (s->items)
        ended(s);
    return true;
}

static bool close_container(struct scan *s, const struct tag *t, enum element element)
{
    struct frame *f = &s->stack[s->depth];
    if (element != f->element)
        return prescan_bad(s, t->at, "</%s> where </%s> should be", element_names[element],
                           element_names[f->element]);
    if (f->element == PLIST)
        return f->count ? true : prescan_bad(s, t->at, "<plist> without a value");
    if (f->key_waits)
        return prescan_bad(s, t->at, "the last <key> of this dictionary has no value");
    if (!keys_differ(s, f))
        return false;
    if (s->shape)
        s->shape->at[f->slot].n = f->count;
    s->depth--;
    if (s->items)
        ended(s);
    return true;
}

/* ---- what writers write ------------------------------------------------------------------------------ */

enum read { READ, FAILED, UNUSUAL /* nothing was read */ };

/* Where the text of a leaf that begins at p ends, or NULL when there is more in it than text. Behind what
 * comes back there are 16 bytes at least: the longest tag that is compared below. */
static const char *plain_text(struct scan *s, const char *p)
{
    const char *lt = memchr(p, '<', (size_t)(s->end - p));
    if (!lt || s->end - lt < 16)
        return NULL;
    if (s->amp < p) {
        s->amp = memchr(p, '&', (size_t)(s->end - p));
        if (!s->amp)
            s->amp = s->end;
    }
    return s->amp < lt ? NULL : lt;
}

static enum read plain_key(struct scan *s, struct frame *f)
{
    const char *text = s->p + strlen("<key>");
    const char *lt = f->element == DICT && !f->key_waits ? plain_text(s, text) : NULL;
    if (!lt || memcmp(lt, "</key>", 6) != 0)
        return UNUSUAL;
    f->key_waits = true;
    s->p = lt + strlen("</key>");
    return add_key(s, text, (size_t)(lt - text)) && note(s, lt - text) ? READ : FAILED;
}

static enum read plain_integer(struct scan *s, const char **p, int64_t *n)
{
    const char *from = *p;
    while (s->end - *p > 10 && (unsigned)(**p - '0') < 10 && *p - from < 18)
        *n = *n * 10 + (*(*p)++ - '0');
    if (*p == from || s->end - *p < 10 || memcmp(*p, "</integer>", 10) != 0)
        return UNUSUAL;
    *p += 10;
    return READ;
}

/* A whole leaf at p. What would be an error is unusual too: the long way has the words for it. */
static enum read plain_leaf(struct scan *s)
{
    struct frame *f = &s->stack[s->depth];
    const char *at = s->p, *p;
    int64_t n = 0;
    enum element element;
    size_t left = (size_t)(s->end - at);

    if (left < 16) /* the longest of what is compared below */
        return UNUSUAL;
    if (memcmp(at, "<key>", 5) == 0)
        return plain_key(s, f);
    if (f->element == DICT ? !f->key_waits : f->element != ARRAY)
        return UNUSUAL;
    if (memcmp(at, "<string>", 8) == 0) {
        const char *lt = plain_text(s, at + 8);
        if (!lt || memcmp(lt, "</string>", 9) != 0)
            return UNUSUAL;
        element = STRING;
        n = lt - (at + 8);
        p = lt + 9;
    } else if (memcmp(at, "<integer>", 9) == 0) {
        element = INTEGER;
        p = at + 9;
        if (plain_integer(s, &p, &n) != READ)
            return UNUSUAL;
    } else if (memcmp(at, "<true/>", 7) == 0) {
        element = TRUE_;
        n = 1;
        p = at + 7;
    } else if (memcmp(at, "<false/>", 8) == 0) {
        element = FALSE_;
        p = at + 8;
    } else {
        return UNUSUAL;
    }
    f->key_waits = false;
    f->count++;
    if (s->items)
        begins(s, at, element);
    s->p = p;
    if (!note(s, n))
        return FAILED;
    if (s->items && element == STRING)
        is_text(s);
    if (s->items)
        ended(s);
    return READ;
}

/* A tag of a dictionary or array at p, as every writer writes it. */
static enum read plain_tag(struct scan *s)
{
    const char *p = s->p;
    struct tag t = {.at = p};
    if (s->end - p < 16 || *p != '<')
        return UNUSUAL;
    t.closing = p[1] == '/';
    p += t.closing ? 2 : 1;
    enum element element = memcmp(p, "dict>", 5) == 0 ? DICT : memcmp(p, "array>", 6) == 0 ? ARRAY : ELEMENTS;
    if (element == ELEMENTS)
        return UNUSUAL;
    s->p = p + (element == DICT ? 5 : 6);
    if (t.closing)
        return close_container(s, &t, element) ? READ : FAILED;
    if (!placed(s, &t, element))
        return FAILED;
    if (s->items)
        begins(s, t.at, element);
    return open_container(s, &t, element) ? READ : FAILED;
}

static bool read_root(struct scan *s)
{
    struct tag t;
    enum element element = ELEMENTS;
    if (!read_tag(s, &t) || !known_element(s, &t, &element))
        return false;
    if (element != PLIST || t.closing)
        return prescan_bad(s, t.at, "<%s%s> where <plist> should be", t.closing ? "/" : "",
                           element_names[element]);
    if (t.empty)
        return prescan_bad(s, t.at, "<plist> without a value");
    size_t quotes = 0;
    for (const char *q = t.at; q < s->p; q++)
        quotes += *q == '"';
    if (quotes % 2 || t.name[t.len] == '/') /* libplist reads on for the other quote; "/" is no attribute */
        return prescan_bad(s, t.at, "a malformed <plist>");
    s->stack[0] = (struct frame){.element = PLIST, .at = t.at};
    do {
        if (!prescan_skip_blank(s))
            return false;
        enum read plain = plain_leaf(s);
        if (plain == UNUSUAL)
            plain = plain_tag(s);
        if (plain != UNUSUAL) {
            if (plain == FAILED)
                return false;
            t.closing = false;
            continue;
        }
        if (s->p == s->end)
            return prescan_bad(s, s->p, "the file ends inside <%s>",
                               element_names[s->stack[s->depth].element]);
        if (*s->p != '<')
            return prescan_bad(
                s, s->p, "text outside a value: \"%s\"",
                prescan_quote(s->p, (size_t)(s->end - s->p) < 24 ? (size_t)(s->end - s->p) : 24).text);
        if (!read_tag(s, &t) || !known_element(s, &t, &element))
            return false;
        if (t.closing) {
            if (!close_container(s, &t, element))
                return false;
            continue;
        }
        if (!placed(s, &t, element))
            return false;
        if (s->items && element != KEY)
            begins(s, t.at, element);
        if (element == DICT || element == ARRAY) {
            if (!open_container(s, &t, element))
                return false;
            continue;
        }
        if (!read_leaf(s, &t, element))
            return false;
        if (s->items && element != KEY)
            ended(s);
    } while (!(t.closing && element == PLIST));
    return true;
}

static bool scan(struct scan *s)
{
    const char *p = s->start;
    size_t n = (size_t)(s->end - p);
    if (n >= 2 && (memcmp(p, "\xfe\xff", 2) == 0 || memcmp(p, "\xff\xfe", 2) == 0 ||
                   memcmp(p, "<\0", 2) == 0 || memcmp(p, "\0<", 2) == 0))
        return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "UTF-16 text; only UTF-8 is read");
    s->scratch = arena_open();
    bool ok = prescan_utf8(s) && prescan_prologue(s) && read_root(s) && prescan_skip_blank(s);
    if (ok && s->p < s->end)
        ok = prescan_bad(s, s->p, "text after </plist>");
    arena_free(s->scratch);
    free(s->keys);
    return ok;
}

bool prescan_check(const char *p, size_t n, struct shape *shape, struct err *e)
{
    struct scan s = {.start = p, .p = p, .end = p + n, .amp = p, .shape = shape, .e = e};
    return scan(&s);
}

bool prescan_items(const char *p, size_t n, struct prescan_items *items, struct err *e)
{
    struct scan s = {.start = p, .p = p, .end = p + n, .amp = p, .items = items, .e = e};
    for (const char *const *key = items->keys; *key; key++)
        s.wanted[s.wanted_count++] = (struct word){*key, strlen(*key)};
    return scan(&s);
}
