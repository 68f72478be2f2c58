/* White space separates and is otherwise ignored. Numbers have no sign: "-" is an operator. A name is
 * letters, digits and "_"; what lies beyond ASCII counts as a letter. */
#include "manifests/lexeme.h"
#include <stdarg.h>

size_t lexeme_column(const char *text, size_t at)
{
    size_t n = 1;
    for (size_t i = 0; i < at; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

bool lexeme_bad(struct lexer *l, size_t at, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(l->e, ERR_FORMAT, CAUSE_FORMAT, "column %zu: %s", lexeme_column(l->text, at), text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool read_name(struct lexer *l, size_t at)
{
    size_t end = at;
    if (!begins_name(l->text[at]))
        return lexeme_bad(l, at, "expected a name");
    while (begins_name(l->text[end]) || is_digit(l->text[end]))
        end++;
    l->t.kind = NAME;
    l->t.str = arena_strndup(l->a, l->text + at, end - at);
    l->t.end = end;
    return true;
}

/* An escape that is not known is the character itself: '10\.7' is 10.7. */
static bool read_string(struct lexer *l, size_t at)
{
    const char *s = l->text + at + 1, *end = s;
    char quote = l->text[at];
    while (*end && *end != quote)
        end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end)
        return lexeme_bad(l, at, "a string without its closing %c", quote);
    char *out = arena_alloc(l->a, (size_t)(end - s) + 1);
    for (size_t n = 0; s < end; s++) {
        char c = *s;
        if (c == '\\') {
            c = *++s;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        out[n++] = c;
    }
    l->t.kind = STRING;
    l->t.str = out;
    l->t.end = (size_t)(s - l->text) + 1;
    return true;
}

static bool read_number(struct lexer *l, size_t at)
{
    const char *s = l->text + at;
    char letter = (char)(s[0] == '0' ? s[1] | 0x20 : 0);
    uint64_t base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10, n = 0;
    size_t len = base == 10 ? 0 : 2, first = len;
    bool fits = true;

    for (;; len++) {
        uint64_t digit = is_digit(s[len]) ? (uint64_t)(s[len] - '0')
                         : (s[len] | 0x20) >= 'a' && (s[len] | 0x20) <= 'f'
                             ? (uint64_t)((s[len] | 0x20) - 'a' + 10)
                             : base;
        if (digit >= base)
            break;
        fits = fits && n <= (INT64_MAX - digit) / base;
        n = n * base + digit;
    }
    bool real = false;
    if (base == 10) {
        if (s[len] == '.' && is_digit(s[len + 1])) {
            real = true;
            for (len++; is_digit(s[len]); len++) {
            }
        }
        size_t exponent = len + 1 + (s[len] && (s[len + 1] == '-' || s[len + 1] == '+'));
        if ((s[len] == 'e' || s[len] == 'E') && is_digit(s[exponent])) {
            real = true;
            for (len = exponent; is_digit(s[len]); len++) {
            }
        }
    }
    if (len == first || begins_name(s[len]))
        return lexeme_bad(l, at, "a malformed number");
    double d = real || (base == 10 && !fits) ? strtod(s, NULL) : 0;
    if ((base != 10 && !fits) || !(d <= 0x1.fffffffffffffp1023))
        return lexeme_bad(l, at, "a number that is too large");
    l->t.kind = NUMBER;
    l->t.number = real || !fits ? value_new_real(l->a, d) : value_new_int(l->a, (int64_t)n);
    l->t.end = at + len;
    return true;
}

bool lexeme_next(struct lexer *l)
{
    static const char *const pairs[] = {"==", "=<", "=>", "<=", ">=", "<>", "!=", "&&", "||", "**"};
    size_t at = l->t.end;
    while (l->text[at] == ' ' || (l->text[at] >= '\t' && l->text[at] <= '\r'))
        at++;
    const char *s = l->text + at;
    l->t = (struct token){.kind = SYMBOL, .at = at, .end = at + 1};
    if (!*s) {
        l->t.kind = END;
        l->t.end = at;
        return true;
    }
    if (*s == '\'' || *s == '"')
        return read_string(l, at);
    if (is_digit(*s))
        return read_number(l, at);
    if (begins_name(*s))
        return read_name(l, at);
    if (*s == '#') {
        l->t.plain = true;
        return read_name(l, at + 1);
    }
    if (*s == '%')
        return lexeme_bad(l, at, "%% takes an argument, and there are none here");
    if (!strchr("=<>!&|*+-/()[]{},.$@", *s))
        return lexeme_bad(l, at, "an unexpected character");
    l->t.symbol[0] = *s;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strncmp(s, pairs[i], 2) == 0) {
            l->t.symbol[1] = s[1];
            l->t.end++;
        }
    return true;
}
