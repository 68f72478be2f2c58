/* fetch_reply: HTTP responses, judged.
 *
 * Surprises: 1xx responses come before the real one, so each status line starts over (but not the count of
 * bytes). A 206 is only worth something when it is exactly the rest of exactly our part; servers also answer
 * a Range with 200, with another range, with the same range of another file. A value too long for its field
 * is taken as not sent: half an ETag would be a different one. */
#include "core/fetch_reply.h"
#include "core/limits.h"
#include "core/text.h"
#include <ctype.h>
#include <strings.h>

void fetch_reply_clear(struct fetch_reply *r)
{
    *r = (struct fetch_reply){.v.length = -1, .first = -1, .last = -1};
}

static bool copy_value(char *out, size_t size, const char *value, size_t n)
{
    out[0] = '\0';
    if (n >= size)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return false;
    memcpy(out, value, n);
    out[n] = '\0';
    return true;
}

/* Decimal digits up to any other byte; -1 when there are none or too many. */
static int64_t number(const char **p)
{
    int64_t n = 0;
    const char *start = *p;
    while (**p >= '0' && **p <= '9') {
        if (n > (INT64_MAX - 9) / 10)
            return -1;
        n = n * 10 + (*(*p)++ - '0');
    }
    return *p == start ? -1 : n;
}

/* "bytes 5-9/10", "bytes 5-9/" and a star, "bytes " star "/10" */
static void content_range(struct fetch_reply *r, const char *s)
{
    int64_t first = -1, last = -1, total = -1;
    if (strncasecmp(s, "bytes ", 6) != 0)
        return;
    s += 6;
    if (*s == '*') {
        s++;
    } else {
        first = number(&s);
        if (first < 0 || *s++ != '-')
            return;
        last = number(&s);
        if (last < first)
            return;
    }
    if (*s++ != '/')
        return;
    if (*s == '*')
        s++;
    else if ((total = number(&s)) <= last)
        return;
    if (*s != '\0')
        return;
    r->first = first;
    r->last = last;
    r->v.length = total;
}

static void status_line(struct fetch_reply *r, const char *line, size_t n)
{
    size_t bytes = r->bytes;
    fetch_reply_clear(r);
    r->bytes = bytes;
    size_t at = 0;
    while (at < n && line[at] != ' ')
        at++;
    if (n - at < 4)
        return;
    for (size_t i = at + 1; i < at + 4; i++) {
        if (line[i] < '0' || line[i] > '9') {
            r->status = 0;
            return;
        }
        r->status = r->status * 10 + (line[i] - '0');
    }
}

static void field(struct fetch_reply *r, const char *name, size_t name_len, const char *value, size_t n)
{
    char text[128];
#define IS(s) (name_len == sizeof(s) - 1 && strncasecmp(name, s, sizeof(s) - 1) == 0)
    if (IS("etag")) {
        copy_value(r->v.etag, sizeof r->v.etag, value, n);
    } else if (IS("last-modified")) {
        copy_value(r->v.last_modified, sizeof r->v.last_modified, value, n);
    } else if (IS("retry-after")) {
        copy_value(r->retry_after, sizeof r->retry_after, value, n);
    } else if (IS("content-encoding")) {
        if (!copy_value(r->encoding, sizeof r->encoding, value, n))
            snprintf(r->encoding, sizeof r->encoding, "unknown");
        if (strcasecmp(r->encoding, "identity") == 0)
            r->encoding[0] = '\0';
    } else if (IS("content-length") && r->status != 206 && r->status != 416) {
        int64_t length = -1;
        if (copy_value(text, sizeof text, value, n) && text_int(text, 0, INT64_MAX, &length))
            r->v.length = length;
    } else if (IS("content-range") && (r->status == 206 || r->status == 416)) {
        if (copy_value(text, sizeof text, value, n))
            content_range(r, text);
    }
#undef IS
}

bool fetch_reply_line(struct fetch_reply *r, const char *line, size_t n, struct err *e)
{
    r->bytes += n;
    if (r->bytes > LIMIT_HTTP_HEADER)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %zu bytes of headers", LIMIT_HTTP_HEADER);
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
        n--;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        status_line(r, line, n);
        return true;
    }
    if (r->complete) /* a trailer */
        return true;
    if (n == 0) {
        r->complete = r->status >= 200;
        return true;
    }
    const char *colon = memchr(line, ':', n);
    if (colon == NULL)
        return true;
    const char *value = colon + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    field(r, line, (size_t)(colon - line), value, (size_t)(end - value));
    return true;
}

const char *fetch_reply_if_range(const struct fetch_validator *v)
{
    if (v == NULL)
        return NULL;
    if (v->etag[0] == '"')
        return v->etag;
    return v->last_modified[0] != '\0' ? v->last_modified : NULL;
}

/* Is what the server has now still what the part came from? */
static bool same_body(const struct fetch_reply *r, const struct fetch_validator *have)
{
    if (strcmp(r->v.etag, have->etag) != 0)
        return false;
    /* a 206 to If-Range with an ETag may leave the date out */
    if (r->v.last_modified[0] != '\0' || have->etag[0] == '\0')
        return strcmp(r->v.last_modified, have->last_modified) == 0;
    return true;
}

static enum fetch_verdict partial(const struct fetch_reply *r, const struct fetch_asked *asked)
{
    const struct fetch_validator *have = asked->have;
    if (r->encoding[0] != '\0' || r->first < 0 || (uint64_t)r->first != asked->from || !same_body(r, have))
        return REPLY_RESTART;
    int64_t total = r->v.length >= 0 ? r->v.length : have->length;
    if (total < 0 || r->last != total - 1 || (have->length >= 0 && have->length != total))
        return REPLY_RESTART;
    return REPLY_REST;
}

static enum fetch_verdict fault(struct err *e, enum err_kind kind, enum cause cause, int status,
                                const char *text)
{
    err_set(e, kind, cause, "HTTP %d%s%s", status, *text != '\0' ? ": " : "", text);
    if (e != NULL)
        e->code = status;
    return REPLY_FAULT;
}

static enum fetch_verdict refused(int status, struct err *e)
{
    switch (status) {
    case 401:
        return fault(e, ERR_REFUSED, CAUSE_HTTP_4XX, status, "the server wants credentials");
    case 403:
        return fault(e, ERR_REFUSED, CAUSE_HTTP_4XX, status, "the server refuses");
    case 404:
    case 410:
        return fault(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, status, "not there");
    case 407:
        return fault(e, ERR_REFUSED, CAUSE_PROXY_AUTH, status, "the proxy wants credentials");
    case 408:
        return fault(e, ERR_NET, CAUSE_HTTP_4XX, status, "the server lost patience");
    case 416:
        return fault(e, ERR_NET, CAUSE_HTTP_4XX, status, "range not satisfiable though none was asked");
    case 425:
        return fault(e, ERR_NET, CAUSE_HTTP_4XX, status, "too early");
    case 429:
        return fault(e, ERR_NET, CAUSE_HTTP_4XX, status, "too many requests");
    default:
        break;
    }
    if (status >= 500 && status <= 599)
        return fault(e, ERR_NET, CAUSE_HTTP_5XX, status, status == 503 ? "the server is overloaded" : "");
    return fault(e, ERR_REFUSED, CAUSE_HTTP_4XX, status, status < 400 ? "not an answer to this request" : "");
}

enum fetch_verdict fetch_reply_judge(const struct fetch_reply *r, const struct fetch_asked *asked,
                                     struct err *e)
{
    switch (r->status) {
    case 200:
    case 203:
        if (r->encoding[0] != '\0' && !asked->compress) {
            err_set(e, ERR_REFUSED, CAUSE_FORMAT, "the server sent it encoded as %s, which was not asked for",
                    r->encoding);
            return REPLY_FAULT;
        }
        return REPLY_BODY;
    case 206:
        return asked->from > 0 ? partial(r, asked)
                               : fault(e, ERR_NET, CAUSE_FORMAT, 206, "a part though the whole was asked");
    case 304:
        if (asked->conditional)
            return REPLY_UNCHANGED;
        return fault(e, ERR_NET, CAUSE_FORMAT, 304, "not modified though no copy was named");
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return REPLY_REDIRECT;
    case 416:
        if (asked->from == 0)
            return refused(416, e);
        /* If-Range came first: had the file changed, the answer would be 200 */
        if (r->v.length >= 0 && (uint64_t)r->v.length == asked->from && r->v.length == asked->have->length)
            return REPLY_WHOLE;
        return REPLY_RESTART;
    default:
        return refused(r->status, e);
    }
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool http_date(const char *s, time_t *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[32];
    if (strlen(s) != 29 || s[3] != ',' || strcmp(s + 25, " GMT") != 0)
        return false;
    for (int m = 0; m < 12; m++)
        if (memcmp(s + 8, months + 3 * m, 3) == 0) {
            snprintf(iso, sizeof iso, "%.4s-%02d-%.2sT%.8sZ", s + 12, m + 1, s + 5, s + 17);
            return text_parse_utc(iso, out);
        }
    return false;
}

uint64_t fetch_reply_wait_ms(const struct fetch_reply *r, time_t now)
{
    int64_t seconds = 0;
    time_t then = 0;
    if (r->retry_after[0] == '\0')
        return 0;
    if (!text_int(r->retry_after, 0, INT64_MAX, &seconds)) {
        if (!http_date(r->retry_after, &then) || then <= now)
            return 0;
        seconds = (int64_t)(then - now);
    }
    if (seconds > LIMIT_RETRY_AFTER_S)
        seconds = LIMIT_RETRY_AFTER_S;
    return (uint64_t)seconds * 1000;
}
