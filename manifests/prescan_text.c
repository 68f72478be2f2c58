/* Text with all that XML allows in it: references, CDATA sections, comments. Most text has none of them and
 * never gets here. */
#include "manifests/prescan_internal.h"
#include "manifests/scalar.h"

/* The entity at p ("&" included) as UTF-8 in out; its length, or 0 after an error. */
static size_t entity(struct scan *s, char out[4])
{
    static const struct {
        const char *text;
        char is;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (prescan_here(s, named[i].text)) {
            s->p += strlen(named[i].text);
            out[0] = named[i].is;
            return 1;
        }
    const char *at = s->p, *p = at;
    uint32_t code = 0;
    size_t digits = 0;
    if (prescan_here(s, "&#")) {
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
        (void)prescan_bad(s, at, "an \"&\" that begins no character reference that XML has");
        return 0;
    }
    if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        (void)prescan_bad(s, at, "%s is no character", prescan_quote(at, (size_t)(p + 1 - at)).text);
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

bool prescan_text(struct scan *s, const struct tag *open, char *out, size_t *len)
{
    *len = 0;
    while (s->p < s->end) {
        const char *from = s->p;
        char bytes[4];
        size_t n;
        if (prescan_here(s, "<![CDATA[")) {
            from += strlen("<![CDATA[");
            const char *close = prescan_seek(s, from, "]]>");
            if (!close)
                return prescan_bad(s, s->p, "a CDATA section without an end");
            n = (size_t)(close - from);
            s->p = close + 3;
        } else if (prescan_here(s, "<!--")) {
            if (!prescan_skip_comment(s))
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
    return prescan_bad(s, open->at, "the file ends inside this <%s>",
                       prescan_quote(open->name, open->len).text);
}
