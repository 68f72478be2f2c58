/* What stands before the root element of a property list, and the words for what is wrong. */
#include "core/text.h"
#include "manifests/prescan_internal.h"
#include <stdarg.h>
#include <strings.h>

bool prescan_bad(struct scan *s, const char *at, const char *fmt, ...)
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

struct prescan_quote prescan_quote(const char *p, size_t n)
{
    struct prescan_quote q;
    text_printable_into(q.text, sizeof q.text, p, n);
    return q;
}

bool prescan_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool prescan_here(const struct scan *s, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
}

static bool here_any_case(const struct scan *s, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(s->end - s->p) >= n && strncasecmp(s->p, word, n) == 0;
}

const char *prescan_seek(const struct scan *s, const char *p, const char *word)
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

bool prescan_skip_comment(struct scan *s)
{
    const char *close = prescan_seek(s, s->p + 4, "-->");
    if (!close)
        return prescan_bad(s, s->p, "a comment without an end");
    s->p = close + 3;
    return true;
}

bool prescan_skip_blank(struct scan *s)
{
    for (;;) {
        const char *p = s->p, *end = s->end;
        while (p < end && prescan_blank(*p))
            p++;
        s->p = p;
        if (end - p < 2 || p[1] != '!' || !prescan_here(s, "<!--"))
            return true;
        if (!prescan_skip_comment(s))
            return false;
    }
}

static bool skip_declaration(struct scan *s)
{
    static const char *const known[] = {"utf-8", "utf8", "us-ascii", "ascii"};
    const char *close = prescan_seek(s, s->p, "?>");
    if (!close)
        return prescan_bad(s, s->p, "an XML declaration without an end");
    size_t quotes = 0;
    for (const char *q = s->p; q < close; q++)
        quotes += *q == '"';
    if (quotes % 2) /* libplist looks for the closing one further on */
        return prescan_bad(s, s->p, "a malformed XML declaration");
    const char *p = prescan_seek(s, s->p, "encoding");
    if (p && p < close) {
        p += strlen("encoding");
        while (p < close && (prescan_blank(*p) || *p == '='))
            p++;
        const char *name = p < close ? p + 1 : p;
        const char *tail = name < close ? memchr(name, *p, (size_t)(close - name)) : NULL;
        if (!tail || (*p != '"' && *p != '\''))
            return prescan_bad(s, s->p, "a malformed XML declaration");
        bool fits = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            fits |= (size_t)(tail - name) == strlen(known[i]) &&
                    strncasecmp(name, known[i], strlen(known[i])) == 0;
        if (!fits)
            return prescan_bad(s, s->p, "the encoding %s; only UTF-8 is read",
                               prescan_quote(name, (size_t)(tail - name)).text);
    }
    s->p = close + 2;
    return true;
}

static bool skip_doctype(struct scan *s)
{
    const char *at = s->p;
    const char *close = prescan_seek(s, at, ">");
    if (!close)
        return prescan_bad(s, at, "a DOCTYPE without an end");
    if (memchr(at, '[', (size_t)(close - at)))
        return prescan_bad(s, at, "a DOCTYPE with declarations of its own, which is refused");
    size_t quotes = 0;
    for (const char *p = at + 2; p < close; p++) {
        quotes += *p == '"';
        if (*p == '<')
            return prescan_bad(s, at, "a malformed DOCTYPE");
    }
    s->p += strlen("<!DOCTYPE");
    while (s->p < close && prescan_blank(*s->p))
        s->p++;
    if (quotes % 2 || !prescan_here(s, "plist") || !(s->p[5] == '>' || prescan_blank(s->p[5])))
        return prescan_bad(s, at, "a DOCTYPE that is not one of a property list");
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
    if (strchr("{[(\"", *s->p) || prescan_here(s, "//") || prescan_here(s, "/*"))
        return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT,
                       "JSON or old-style text instead of an XML or binary property list");
    return err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "not a property list: it begins with \"%s\"",
                   prescan_quote(s->p, (size_t)(s->end - s->p) < 24 ? (size_t)(s->end - s->p) : 24).text);
}

bool prescan_prologue(struct scan *s)
{
    bool declared = false, doctype = false;
    while (true) {
        if (!prescan_skip_blank(s))
            return false;
        if (s->p == s->end || *s->p != '<')
            return not_xml(s);
        if (html(s))
            return err_set(s->e, ERR_FORMAT, CAUSE_CAPTIVE, "HTML instead of a property list");
        if (prescan_here(s, "<?xml") && !declared && !doctype) {
            declared = true;
            if (!skip_declaration(s))
                return false;
        } else if (prescan_here(s, "<!DOCTYPE") && !doctype) {
            doctype = true;
            if (!skip_doctype(s))
                return false;
        } else {
            return true;
        }
    }
}

bool prescan_utf8(struct scan *s)
{
    const char *nul = memchr(s->start, '\0', (size_t)(s->end - s->start));
    if (nul)
        return nul < s->start + 4
                   ? err_set(s->e, ERR_FORMAT, CAUSE_FORMAT, "not a property list: binary zeros")
                   : prescan_bad(s, nul, "a NUL byte in the text");
    if (text_utf8_valid(s->start, (size_t)(s->end - s->start)))
        return true;
    for (const char *line = s->start; line < s->end;) { /* no sequence spans a newline */
        const char *newline = memchr(line, '\n', (size_t)(s->end - line));
        const char *next = newline ? newline + 1 : s->end;
        if (!text_utf8_valid(line, (size_t)(next - line)))
            return prescan_bad(s, line, "bytes that are not UTF-8");
        line = next;
    }
    return prescan_bad(s, s->end, "bytes that are not UTF-8");
}
