/* Versions as Munki 7 orders them.
 *
 * Both strings are read as their non-empty parts between dots, continued by ".0" without end; digits compare
 * as numbers of any length, everything else by character. The dot takes part: "1.0-1" is older than "1.0",
 * because "-" sorts before the "." of the zeros that follow. Surprising, and relied upon. */
#include "manifests/version.h"
#include "core/text.h"

/* Reads a version character by character, dots normalised and zeros appended. */
struct cursor {
    const char *p;
    bool begun;   /* a part has been read, so that further ones are preceded by a dot */
    bool padding; /* the string is used up: ".0" for ever */
    bool dot;     /* the current character is a dot */
};

/* p stands behind a part or at the start: on to the dot before the next part, or to the part itself. */
static void settle(struct cursor *c)
{
    while (*c->p == '.')
        c->p++;
    c->padding = *c->p == '\0';
    c->dot = c->begun;
    c->begun = true;
}

static void start(struct cursor *c, const char *version)
{
    *c = (struct cursor){.p = version};
    settle(c);
}

static unsigned char current(const struct cursor *c)
{
    return c->dot ? '.' : c->padding ? '0' : (unsigned char)*c->p;
}

/* Behind n characters of the part, or the dot, that are current. */
static void advance(struct cursor *c, size_t n)
{
    if (c->dot) {
        c->dot = false;
        return;
    }
    if (!c->padding)
        c->p += n;
    if (c->padding || *c->p == '.' || *c->p == '\0')
        settle(c);
}

/* The run of digits that is current, without leading zeros; its whole length in *run. */
static const char *digits(const struct cursor *c, size_t *run, size_t *len)
{
    const char *p = c->padding ? "0" : c->p;
    *run = strspn(p, "0123456789");
    size_t zeros = strspn(p, "0");
    *len = *run - zeros;
    return p + zeros;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int compare(const char *left, const char *right)
{
    struct cursor l, r;
    start(&l, left);
    start(&r, right);
    /* Both among their zeros, and at the same character of them: nothing different can follow. */
    while (!(l.padding && r.padding && l.dot == r.dot)) {
        unsigned char a = current(&l), b = current(&r);
        size_t a_run = 1, b_run = 1;
        if (is_digit(a) && is_digit(b)) {
            size_t a_len, b_len;
            const char *x = digits(&l, &a_run, &a_len), *y = digits(&r, &b_run, &b_len);
            if (a_len != b_len)
                return a_len < b_len ? -1 : 1;
            int order = memcmp(x, y, a_len);
            if (order)
                return order < 0 ? -1 : 1;
        } else if (a != b) {
            return a < b ? -1 : 1;
        }
        advance(&l, a_run);
        advance(&r, b_run);
    }
    return 0;
}

static bool ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

int version_compare(const char *a, const char *b)
{
    if (!a)
        a = "0";
    if (!b)
        b = "0";
    if (ascii(a) && ascii(b))
        return compare(a, b);
    /* Canonically equivalent texts are equal. */
    struct arena *scratch = arena_open();
    const char *x = text_nfc(scratch, a), *y = text_nfc(scratch, b);
    int order = compare(x ? x : a, y ? y : b);
    arena_free(scratch);
    return order;
}

char *version_trim(struct arena *a, const char *v)
{
    size_t len = strlen(v), dots = 0;
    for (const char *p = v; *p; p++)
        dots += *p == '.';
    for (; dots > 1 && v[len - 1] == '0' && v[len - 2] == '.'; len -= 2)
        dots--;
    return arena_strndup(a, v, len);
}
