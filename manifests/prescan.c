/* The pass is a loop with its own stack, so that nesting costs no C stack.
 *
 * Surprising facts: libplist stops at the end of the root element and never looks at what follows; it takes
 * octal for a leading 0, reads "12abc" as 12 and the 30th of February as the 1st of March, forgets a key
 * without a value, and lets the second of two keys in a row be the first one's value. None of that passes
 * here. Control characters other than NUL do pass: Apple's parser takes them, and scripts contain them. */
#include "manifests/prescan.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/scalar.h"
#include "manifests/value.h"
#include <errno.h>
#include <stdarg.h>
#include <strings.h>

enum element { PLIST, DICT, ARRAY, KEY, STRING, INTEGER, REAL, DATE, DATA, TRUE_, FALSE_, ELEMENTS };

static const char *const element_names[ELEMENTS] = {"plist", "dict", "array", "key",  "string", "integer",
                                                    "real",  "date", "data",  "true", "false"};

struct frame {
    enum element element;
    bool key_waits;     /* of a dictionary: a key has been read and its value has not */
    const char *at;     /* its start tag */
    size_t slot;        /* where its count goes in the shape */
    int64_t count;      /* values so far */
    struct value *keys; /* of a dictionary: what the keys are so far */
};

struct scan {
    const char *start, *p, *end;
    struct shape *shape;
    struct arena *scratch;
    struct err *e;
    size_t depth; /* of the innermost open element; [0] is plist */
    struct frame stack[LIMIT_PLIST_DEPTH + 1];
};

struct tag {
    const char *at, *name;
    size_t len;
    bool closing, empty, attributes;
};

PRINTF(3, 4) static bool bad(struct scan *s, const char *at, const char *fmt, ...)
{
    size_t line = 1;
    char text[256];
    va_list ap;
    for (const char *p = s->start; p < at; p++)
        line += *p == '\n';
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "line %zu: %s", line, text);
}

/* A few bytes of the file, fit for a message. */
struct quote {
    char text[64];
};

static struct quote quote(const char *p, size_t n)
{
    struct quote q;
    text_printable_into(q.text, sizeof q.text, p, n);
    return q;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool here(const struct scan *s, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
}

static bool here_any_case(const struct scan *s, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(s->end - s->p) >= n && strncasecmp(s->p, word, n) == 0;
}

/* The next occurrence of word at or after p, or NULL. */
static const char *seek(const struct scan *s, const char *p, const char *word)
{
    size_t n = strlen(word);
    while ((size_t)(s->end - p) >= n) {
        p = memchr(p, word[0], (size_t)(s->end - p) - n + 1);
        if (!p)
            return NULL;
        if (memcmp(p, word, n) == 0)
            return p;
        p++;
    }
    return NULL;
}

static bool skip_comment(struct scan *s)
{
    const char *close = seek(s, s->p + 4, "-->");
    if (!close)
        return bad(s, s->p, "a comment without an end");
    s->p = close + 3;
    return true;
}

static bool skip_blank(struct scan *s)
{
    for (;;) {
        while (s->p < s->end && blank(*s->p))
            s->p++;
        if (!here(s, "<!--"))
            return true;
        if (!skip_comment(s))
            return false;
    }
}

/* ---- before the root --------------------------------------------------------------------------------- */

static bool skip_declaration(struct scan *s)
{
    static const char *const known[] = {"utf-8", "utf8", "us-ascii", "ascii"};
    const char *close = seek(s, s->p, "?>");
    if (!close)
        return bad(s, s->p, "an XML declaration without an end");
    size_t quotes = 0;
    for (const char *q = s->p; q < close; q++)
        quotes += *q == '"';
    if (quotes % 2) /* libplist looks for the closing one further on */
        return bad(s, s->p, "a malformed XML declaration");
    const char *p = seek(s, s->p, "encoding");
    if (p && p < close) {
        p += strlen("encoding");
        while (p < close && (blank(*p) || *p == '='))
            p++;
        const char *name = p < close ? p + 1 : p;
        const char *tail = name < close ? memchr(name, *p, (size_t)(close - name)) : NULL;
        if (!tail || (*p != '"' && *p != '\''))
            return bad(s, s->p, "a malformed XML declaration");
        bool fits = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            fits |= (size_t)(tail - name) == strlen(known[i]) &&
                    strncasecmp(name, known[i], strlen(known[i])) == 0;
        if (!fits)
            return bad(s, s->p, "the encoding %s; only UTF-8 is read",
                       quote(name, (size_t)(tail - name)).text);
    }
    s->p = close + 2;
    return true;
}

static bool skip_doctype(struct scan *s)
{
    const char *at = s->p;
    const char *close = seek(s, at, ">");
    if (!close)
        return bad(s, at, "a DOCTYPE without an end");
    if (memchr(at, '[', (size_t)(close - at)))
        return bad(s, at, "a DOCTYPE with declarations of its own, which is refused");
    size_t quotes = 0;
    for (const char *p = at + 2; p < close; p++) {
        quotes += *p == '"';
        if (*p == '<')
            return bad(s, at, "a malformed DOCTYPE");
    }
    s->p += strlen("<!DOCTYPE");
    while (s->p < close && blank(*s->p))
        s->p++;
    if (quotes % 2 || !here(s, "plist") || !(s->p[5] == '>' || blank(s->p[5])))
        return bad(s, at, "a DOCTYPE that is not one of a property list");
    s->p = close + 1;
    return true;
}

static bool html(struct scan *s)
{
    static const char *const starts[] = {"<!doctype html", "<html", "<head", "<body", "<script", "<meta"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (here_any_case(s, starts[i]))
            return true;
    return false;
}

/* What is not XML at all: say what it looks like. */
static bool not_xml(struct scan *s)
{
    if (s->p == s->end)
        return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "nothing in it but white space");
    if (strchr("{[(\"", *s->p) || here(s, "//") || here(s, "/*"))
        return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT,
                       "JSON or old-style text instead of an XML or binary property list");
    return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "not a property list: it begins with \"%s\"",
                   quote(s->p, (size_t)(s->end - s->p) < 24 ? (size_t)(s->end - s->p) : 24).text);
}

static bool prologue(struct scan *s)
{
    bool declared = false, doctype = false;
    while (true) {
        if (!skip_blank(s))
            return false;
        if (s->p == s->end || *s->p != '<')
            return not_xml(s);
        if (html(s))
            return err_set(s->e, ERR_FORMAT, CAUSE_CAPTIVE, "HTML instead of a property list");
        if (here(s, "<?xml") && !declared && !doctype) {
            declared = true;
            if (!skip_declaration(s))
                return false;
        } else if (here(s, "<!DOCTYPE") && !doctype) {
            doctype = true;
            if (!skip_doctype(s))
                return false;
        } else {
            return true;
        }
    }
}

/* ---- tags and text ----------------------------------------------------------------------------------- */

/* Read the tag at p, "<" included. */
static bool read_tag(struct scan *s, struct tag *t)
{
    *t = (struct tag){.at = s->p};
    const char *close = memchr(s->p, '>', (size_t)(s->end - s->p));
    if (!close)
        return bad(s, t->at, "the file ends inside a tag");
    const char *p = s->p + 1;
    t->closing = *p == '/';
    p += t->closing;
    t->name = p;
    while (p < close && !blank(*p) && *p != '/')
        p++;
    t->len = (size_t)(p - t->name);
    const char *tail = close;
    if (!t->closing && tail > p && tail[-1] == '/') {
        t->empty = true;
        tail--;
    }
    while (p < tail && blank(*p))
        p++;
    t->attributes = p < tail;
    if (memchr(t->name, '<', (size_t)(close - t->name)))
        return bad(s, t->at, "a \"<\" inside a tag");
    s->p = close + 1;
    return true;
}

static bool known_element(struct scan *s, const struct tag *t, enum element *element)
{
    for (int i = 0; i < ELEMENTS; i++)
        if (strlen(element_names[i]) == t->len && memcmp(element_names[i], t->name, t->len) == 0) {
            *element = (enum element)i;
            if (t->attributes && (i != PLIST || t->closing))
                return bad(s, t->at, "<%s> with something beside its name", element_names[i]);
            return true;
        }
    return bad(s, t->at, "<%s> is no element of a property list", quote(t->name, t->len).text);
}

/* The entity at p ("&" included) as UTF-8 in out; its length, or 0 after an error. */
static size_t entity(struct scan *s, char out[4])
{
    static const struct {
        const char *text;
        char is;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (here(s, named[i].text)) {
            s->p += strlen(named[i].text);
            out[0] = named[i].is;
            return 1;
        }
    const char *at = s->p, *p = at;
    uint32_t code = 0;
    size_t digits = 0;
    if (here(s, "&#")) {
        p += 2;
        uint32_t base = p < s->end && *p == 'x' ? 16 : 10;
        for (p += base == 16; p < s->end && digits < 8; p++, digits++) {
            uint32_t digit = scalar_digit(*p);
            if (digit >= base)
                break;
            code = code * base + digit;
        }
    }
    if (!digits || p == s->end || *p != ';') {
        (void)bad(s, at, "an \"&\" that begins no character reference that XML has");
        return 0;
    }
    if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        (void)bad(s, at, "%s is no character", quote(at, (size_t)(p + 1 - at)).text);
        return 0;
    }
    s->p = p + 1;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[n] | code);
    return n;
}

/* Text up to the end tag, which is left at p. out, or NULL, has room for all bytes up to there. */
static bool read_text(struct scan *s, const struct tag *open, char *out, size_t *len)
{
    *len = 0;
    while (s->p < s->end) {
        const char *from = s->p;
        char bytes[4];
        size_t n;
        if (here(s, "<![CDATA[")) {
            from += strlen("<![CDATA[");
            const char *close = seek(s, from, "]]>");
            if (!close)
                return bad(s, s->p, "a CDATA section without an end");
            n = (size_t)(close - from);
            s->p = close + 3;
        } else if (here(s, "<!--")) {
            if (!skip_comment(s))
                return false;
            continue;
        } else if (*s->p == '<') {
            if (out)
                out[*len] = '\0';
            return true;
        } else if (*s->p == '&') {
            n = entity(s, bytes);
            if (!n)
                return false;
            from = bytes;
        } else {
            while (s->p < s->end && *s->p != '<' && *s->p != '&')
                s->p++;
            n = (size_t)(s->p - from);
        }
        if (out)
            memcpy(out + *len, from, n);
        *len += n;
    }
    return bad(s, open->at, "the file ends inside this <%s>", quote(open->name, open->len).text);
}

/* ---- values ------------------------------------------------------------------------------------------ */

/* The text of a number or date: neither references nor CDATA; white space around it is left out. */
static bool read_word(struct scan *s, char *word, size_t size)
{
    while (s->p < s->end && blank(*s->p))
        s->p++;
    const char *from = s->p;
    while (s->p < s->end && *s->p != '<')
        s->p++;
    const char *to = s->p;
    while (to > from && blank(to[-1]))
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
        return bad(s, t->at, "an empty <%s>", element_names[element]);
    switch (element) {
    case STRING:
    case KEY:
        if (!t->empty && !read_text(s, t, NULL, &size))
            return false;
        if (element == KEY) { /* again, now that the size is known */
            char *key = arena_alloc(s->scratch, size + 1);
            s->p = at;
            if (!read_text(s, t, key, &size))
                return false;
            value_push(s->scratch, s->stack[s->depth].keys, key, NULL);
        }
        n = (int64_t)size;
        break;
    case INTEGER:
        if (!read_word(s, word, sizeof word) || !scalar_integer(word, &n))
            return bad(s, t->at, "\"%s\" is no integer", quote(at, (size_t)(s->p - at)).text);
        break;
    case REAL:
        if (!read_word(s, word, sizeof word) || !scalar_real(word, &real))
            return bad(s, t->at, "\"%s\" is no number", quote(at, (size_t)(s->p - at)).text);
        break;
    case DATE:
        if (!read_word(s, word, sizeof word) || !text_parse_utc(word, &date))
            return bad(s, t->at, "\"%s\" is no date of the form 2026-01-31T23:59:59Z",
                       quote(at, (size_t)(s->p - at)).text);
        n = (int64_t)date;
        break;
    case DATA:
        while (!t->empty && s->p < s->end && *s->p != '<')
            s->p++;
        if (!scalar_data_size(t->empty ? s->p : at, s->p, &size))
            return bad(s, t->at, "<data> that is not base64");
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
            return bad(s, t->at, "<%s> without </%s>", element_names[element], element_names[element]);
        if (!read_tag(s, &close) || !known_element(s, &close, &ends))
            return false;
        if (!close.closing || ends != element)
            return bad(s, close.at, "<%s%s> where </%s> should be", close.closing ? "/" : "",
                       element_names[ends], element_names[element]);
    }
    return element == REAL ? shape_note_real(s->shape, real, s->e) : shape_note(s->shape, n, s->e);
}

/* An element may stand here: alternation of keys and values, one value in <plist>. */
static bool placed(struct scan *s, const struct tag *t, enum element element)
{
    struct frame *f = &s->stack[s->depth];
    const char *name = element_names[element];
    if (element == PLIST)
        return bad(s, t->at, "<plist> inside <plist>");
    if (element == KEY) {
        if (f->element != DICT)
            return bad(s, t->at, "<key> outside a dictionary");
        if (f->key_waits)
            return bad(s, t->at, "<key> where the value of the key before it should be");
        f->key_waits = true;
        return true;
    }
    if (f->element == DICT && !f->key_waits)
        return bad(s, t->at, "<%s> without a key", name);
    if (f->element == PLIST && f->count)
        return bad(s, t->at, "a second value, <%s>, in <plist>", name);
    f->key_waits = false;
    f->count++;
    return true;
}

static bool open_container(struct scan *s, const struct tag *t, enum element element)
{
    size_t slot = s->shape->count;
    if (!shape_note(s->shape, 0, s->e))
        return false;
    if (s->depth == LIMIT_PLIST_DEPTH)
        return err_set(s->e, ERR_LIMIT, CAUSE_LIMIT, "nested deeper than %d levels", LIMIT_PLIST_DEPTH);
    if (!t->empty) {
        s->stack[++s->depth] = (struct frame){.element = element, .at = t->at, .slot = slot};
        if (element == DICT)
            s->stack[s->depth].keys = value_new_dict(s->scratch);
    }
    return true;
}

static bool close_container(struct scan *s, const struct tag *t, enum element element)
{
    struct frame *f = &s->stack[s->depth];
    if (element != f->element)
        return bad(s, t->at, "</%s> where </%s> should be", element_names[element],
                   element_names[f->element]);
    if (f->element == PLIST)
        return f->count ? true : bad(s, t->at, "<plist> without a value");
    if (f->key_waits)
        return bad(s, t->at, "the last <key> of this dictionary has no value");
    const char *twice = f->keys ? value_seal(s->scratch, f->keys) : NULL;
    if (twice)
        return bad(s, f->at, "the dictionary that begins here has the key %s twice",
                   quote(twice, strlen(twice)).text);
    s->shape->at[f->slot].n = f->count;
    s->depth--;
    return true;
}

static bool read_root(struct scan *s)
{
    struct tag t;
    enum element element = ELEMENTS;
    if (!read_tag(s, &t) || !known_element(s, &t, &element))
        return false;
    if (element != PLIST || t.closing)
        return bad(s, t.at, "<%s%s> where <plist> should be", t.closing ? "/" : "", element_names[element]);
    if (t.empty)
        return bad(s, t.at, "<plist> without a value");
    s->stack[0] = (struct frame){.element = PLIST, .at = t.at};
    do {
        if (!skip_blank(s))
            return false;
        if (s->p == s->end)
            return bad(s, s->p, "the file ends inside <%s>", element_names[s->stack[s->depth].element]);
        if (*s->p != '<')
            return bad(s, s->p, "text outside a value: \"%s\"",
                       quote(s->p, (size_t)(s->end - s->p) < 24 ? (size_t)(s->end - s->p) : 24).text);
        if (!read_tag(s, &t) || !known_element(s, &t, &element))
            return false;
        if (t.closing) {
            if (!close_container(s, &t, element))
                return false;
            continue;
        }
        if (!placed(s, &t, element))
            return false;
        if (!(element == DICT || element == ARRAY ? open_container(s, &t, element)
                                                  : read_leaf(s, &t, element)))
            return false;
    } while (!(t.closing && element == PLIST));
    return true;
}

static bool check_bytes(struct scan *s)
{
    const char *nul = memchr(s->start, '\0', (size_t)(s->end - s->start));
    if (nul)
        return nul < s->start + 4
                   ? err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "not a property list: binary zeros")
                   : bad(s, nul, "a NUL byte in the text");
    if (text_utf8_valid(s->start, (size_t)(s->end - s->start)))
        return true;
    for (const char *line = s->start; line < s->end;) { /* no sequence spans a newline */
        const char *newline = memchr(line, '\n', (size_t)(s->end - line));
        const char *next = newline ? newline + 1 : s->end;
        if (!text_utf8_valid(line, (size_t)(next - line)))
            return bad(s, line, "bytes that are not UTF-8");
        line = next;
    }
    return bad(s, s->end, "bytes that are not UTF-8");
}

bool prescan_check(const char *p, size_t n, struct shape *shape, struct err *e)
{
    struct scan s = {.start = p, .p = p, .end = p + n, .shape = shape, .e = e};
    if (n >= 2 && (memcmp(p, "\xfe\xff", 2) == 0 || memcmp(p, "\xff\xfe", 2) == 0 ||
                   memcmp(p, "<\0", 2) == 0 || memcmp(p, "\0<", 2) == 0))
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "UTF-16 text; only UTF-8 is read");
    s.scratch = arena_open();
    bool ok = check_bytes(&s) && prologue(&s) && read_root(&s) && skip_blank(&s);
    if (ok && s.p < s.end)
        ok = bad(&s, s.p, "text after </plist>");
    arena_free(s.scratch);
    return ok;
}
