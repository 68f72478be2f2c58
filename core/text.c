/* text: invariants.
 *
 * Nothing here looks at the locale: ASCII is tested by value, Unicode by utf8proc. Time is computed on the
 * proleptic Gregorian calendar without the C library's idea of a time zone, except where local time is what
 * is asked for. */
#include "core/text.h"
#include <utf8proc.h>

static const char hex_lower[] = "0123456789abcdef";

/* --- UTF-8 ---------------------------------------------------------------------------------------------- */

/* Length of the well-formed character at p, its value in *c; 0 when there is none. */
static size_t utf8_char(const unsigned char *p, size_t n, unsigned long *c)
{
    if (n == 0)
        return 0;
    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
        return 0;
    unsigned long v = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3fu);
    }
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *c = v;
    return len;
}

/* How many of the first bytes are surely ASCII, by the block. */
static size_t ascii_blocks(const unsigned char *p, size_t n)
{
    uint64_t block[8];
    size_t i = 0;
    for (; n - i >= sizeof block; i += sizeof block) {
        memcpy(block, p + i, sizeof block);
        uint64_t all = block[0] | block[1] | block[2] | block[3] | block[4] | block[5] | block[6] | block[7];
        if (all & UINT64_C(0x8080808080808080))
            break;
    }
    return i;
}

bool text_utf8_valid(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    unsigned long c;
    for (size_t i = 0; i < n;) {
        i += ascii_blocks(u + i, n - i);
        size_t stop = n - i > 64 ? i + 64 : n;
        for (size_t len; i < stop; i += len)
            if ((len = u[i] < 0x80 ? 1 : utf8_char(u + i, n - i, &c)) == 0)
                return false;
    }
    return true;
}

/* What could move the cursor, end the line or reorder what is read, in a terminal or an editor. */
static bool is_control(unsigned long c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* Write one character's printable form to out (at most 16 bytes); *used of p's bytes are done. */
static size_t printable_char(char out[16], const unsigned char *p, size_t n, size_t *used)
{
    if (*p >= ' ' && *p < 0x7f) {
        *used = 1;
        out[0] = (char)*p;
        return 1;
    }
    unsigned long c = 0;
    size_t len = utf8_char(p, n, &c);
    *used = len ? len : 1;
    if (len && !is_control(c)) {
        memcpy(out, p, len);
        return len;
    }
    if (c == '\n' || c == '\t') {
        out[0] = '\\';
        out[1] = c == '\n' ? 'n' : 't';
        return 2;
    }
    size_t k = 0;
    for (size_t i = 0; i < *used; i++) {
        out[k++] = '\\';
        out[k++] = 'x';
        out[k++] = hex_lower[p[i] >> 4];
        out[k++] = hex_lower[p[i] & 15];
    }
    return k;
}

char *text_printable(struct arena *a, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    char one[16];
    size_t total = 0, used;
    for (size_t i = 0; i < n; i += used)
        total += printable_char(one, p + i, n - i, &used);
    char *out = arena_alloc(a, total + 1);
    text_printable_into(out, total + 1, s, n);
    return out;
}

void text_printable_into(char *out, size_t size, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t at = 0, used;
    if (size == 0)
        return;
    for (size_t i = 0; i < n; i += used) {
        char one[16];
        size_t k = printable_char(one, p + i, n - i, &used);
        if (k >= size - at)
            break;
        memcpy(out + at, one, k);
        at += k;
    }
    out[at] = '\0';
}

/* --- bytes and numbers ---------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void text_say(FILE *to, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n >= 0) {
        struct arena *a = arena_open();
        char *raw = arena_alloc(a, (size_t)n + 1);
        vsnprintf(raw, (size_t)n + 1, fmt, ap);
        fprintf(to, "%s\n", text_printable(a, raw, strlen(raw)));
        arena_free(a);
    }
    va_end(ap);
}

char *text_trim(struct arena *a, const char *s)
{
    while (is_space(*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && is_space(s[n - 1]))
        n--;
    return arena_strndup(a, s, n);
}

bool text_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return k <= n && memcmp(s + n - k, suffix, k) == 0;
}

const char *text_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void text_hex(char *out, const void *p, size_t n)
{
    const unsigned char *u = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex_lower[u[i] >> 4];
        out[2 * i + 1] = hex_lower[u[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool text_unhex(void *out, size_t n, const char *hex)
{
    unsigned char *u = out;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_value(hex[2 * i]);
        int lo = hi < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (lo < 0)
            return false;
        u[i] = (unsigned char)(hi << 4 | lo);
    }
    return hex[2 * n] == '\0';
}

char *text_base64(struct arena *a, const void *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = p;
    size_t groups = (n + 2) / 3;
    char *out = arena_alloc(a, groups * 4 + groups / 18 + 1), *to = out;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v =
            (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0u);
        if (i > 0 && i % 54 == 0)
            *to++ = '\n';
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[v & 63] : '=';
    }
    *to = '\0';
    return out;
}

bool text_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *s == '-';
    const char *p = s + negative;
    int64_t v = 0; /* kept negative: there is one more of those */
    if (*p == '\0')
        return false;
    for (; *p; p++) {
        if (*p < '0' || *p > '9' || v < (INT64_MIN + (*p - '0')) / 10)
            return false;
        v = v * 10 - (*p - '0');
    }
    if (!negative && v == INT64_MIN)
        return false;
    v = negative ? v : -v;
    if (v < min || v > max)
        return false;
    *out = v;
    return true;
}

/* --- time ----------------------------------------------------------------------------------------------- */

/* Days from 1970-01-01 to a date, counting years from March so that the leap day is the last one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t seconds_of(const struct tm *tm)
{
    return ((days_of(tm->tm_year + 1900LL, tm->tm_mon + 1, tm->tm_mday) * 24 + tm->tm_hour) * 60 +
            tm->tm_min) *
               60 +
           tm->tm_sec;
}

/* Keeps years within four digits, so that the results have one length. */
static time_t clamp(time_t t)
{
    const int64_t first = -62167219200, last = 253402300799;
    return (int64_t)t < first ? (time_t)first : (int64_t)t > last ? (time_t)last : t;
}

static size_t put_time(char *out, const struct tm *tm, int ms)
{
    int n = snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)(tm->tm_year + 1900) % 10000,
                     (unsigned)(tm->tm_mon + 1) % 100, (unsigned)tm->tm_mday % 100,
                     (unsigned)tm->tm_hour % 100, (unsigned)tm->tm_min % 100, (unsigned)tm->tm_sec % 100);
    if (ms >= 0)
        n += snprintf(out + n, 32 - (size_t)n, ".%03u", (unsigned)ms % 1000);
    return (size_t)n;
}

void text_utc(char *out, time_t t, int ms)
{
    struct tm tm = {0};
    time_t c = clamp(t);
    gmtime_r(&c, &tm);
    size_t n = put_time(out, &tm, ms);
    snprintf(out + n, 32 - n, "Z");
}

void text_local(char *out, time_t t, int ms)
{
    struct tm tm = {0};
    time_t c = clamp(t);
    tzset();
    localtime_r(&c, &tm);
    int64_t offset = (seconds_of(&tm) - (int64_t)c) / 60;
    unsigned minutes = (unsigned)(offset < 0 ? -offset : offset) % 6000;
    size_t n = put_time(out, &tm, ms);
    snprintf(out + n, 32 - n, "%c%02u:%02u", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

bool text_parse_utc(const char *s, time_t *out)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    int v[6] = {0};
    size_t field = 0;
    for (size_t i = 0; i < sizeof form; i++) { /* the NUL too */
        if (form[i] == '0') {
            if (s[i] < '0' || s[i] > '9')
                return false;
            v[field] = v[field] * 10 + (s[i] - '0');
        } else {
            if (s[i] != form[i])
                return false;
            field += field < 5;
        }
    }
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (v[0] % 4 == 0 && v[0] % 100 != 0) || v[0] % 400 == 0;
    if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > month_days[v[1] - 1] + (leap && v[1] == 2) || v[3] > 23 ||
        v[4] > 59 || v[5] > 59)
        return false;
    *out = (time_t)(((days_of(v[0], v[1], v[2]) * 24 + v[3]) * 60 + v[4]) * 60 + v[5]);
    return true;
}

/* --- URLs ----------------------------------------------------------------------------------------------- */

char *text_percent(struct arena *a, const char *s, const char *keep)
{
    static const char upper[] = "0123456789ABCDEF";
    char *out = arena_array(a, strlen(s) + 1, 3), *p = out;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~/", c) || (keep && strchr(keep, c));
        if (plain) {
            *p++ = *s;
        } else {
            *p++ = '%';
            *p++ = upper[c >> 4];
            *p++ = upper[c & 15];
        }
    }
    return out;
}

char *text_unpercent(struct arena *a, const char *s)
{
    char *out = arena_alloc(a, strlen(s) + 1), *p = out;
    for (; *s; s++) {
        if (*s != '%') {
            *p++ = *s;
            continue;
        }
        int hi = hex_value(s[1]), lo = hi < 0 ? -1 : hex_value(s[2]);
        if (lo < 0 || (hi == 0 && lo == 0))
            return NULL;
        *p++ = (char)(unsigned char)(hi << 4 | lo);
        s += 2;
    }
    return out;
}

/* --- Unicode -------------------------------------------------------------------------------------------- */

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

static char *ascii_lower(struct arena *a, const char *s)
{
    char *out = arena_strdup(a, s);
    for (char *p = out; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return out;
}

/* utf8proc's mapping, in the arena. s is valid UTF-8, so memory is all that can be missing. */
static char *mapped(struct arena *a, const char *s, int options)
{
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s, 0, &made,
                                      (utf8proc_option_t)(options | UTF8PROC_NULLTERM | UTF8PROC_STABLE));
    char *out = n < 0 ? NULL : arena_strndup(a, (const char *)made, (size_t)n);
    free(made);
    return out;
}

char *text_nfc(struct arena *a, const char *s)
{
    if (is_ascii(s))
        return arena_strdup(a, s);
    return text_utf8_valid(s, strlen(s)) ? mapped(a, s, UTF8PROC_COMPOSE) : NULL;
}

char *text_fold(struct arena *a, const char *s)
{
    if (is_ascii(s))
        return ascii_lower(a, s);
    if (!text_utf8_valid(s, strlen(s)))
        return NULL;
    /* Decomposed first: the iota below a Greek letter folds to a letter of its own, and where it stands then
     * depends on the order of marks before folding. */
    char *nfd = mapped(a, s, UTF8PROC_DECOMPOSE);
    return nfd ? mapped(a, nfd, UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD) : NULL;
}

/* Character by character; s is valid UTF-8. */
static char *each(struct arena *a, const char *s, utf8proc_int32_t (*to)(utf8proc_int32_t))
{
    const unsigned char *p = (const unsigned char *)s;
    size_t n = strlen(s), at = 0;
    char *out = arena_array(a, n + 1, 2); /* two bytes may become three, no more than that */
    unsigned long c = 0;
    for (size_t i = 0, len; i < n && (len = utf8_char(p + i, n - i, &c)) != 0; i += len)
        at += (size_t)utf8proc_encode_char(to((utf8proc_int32_t)c), (utf8proc_uint8_t *)out + at);
    return out;
}

char *text_map(struct arena *a, const char *s, bool lower, bool strip_marks)
{
    if (is_ascii(s))
        return lower ? ascii_lower(a, s) : arena_strdup(a, s);
    if (!text_utf8_valid(s, strlen(s)))
        return NULL;
    if (strip_marks && !(s = mapped(a, s, UTF8PROC_COMPOSE | UTF8PROC_STRIPMARK)))
        return NULL;
    return lower ? each(a, s, utf8proc_tolower) : arena_strdup(a, s);
}

char *text_upper(struct arena *a, const char *s)
{
    return text_utf8_valid(s, strlen(s)) ? each(a, s, utf8proc_toupper) : NULL;
}
