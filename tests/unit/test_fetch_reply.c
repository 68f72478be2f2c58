/* fetch_reply: header lines in, verdicts out. */
#include "core/fetch_reply.h"
#include "core/limits.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct err e;

/* lines separated by '\n' */
static struct fetch_reply parsed(const char *head)
{
    struct fetch_reply r;
    fetch_reply_clear(&r);
    for (const char *p = head; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        assert_true(fetch_reply_line(&r, p, n, &e));
        p += n + (p[n] == '\n');
    }
    assert_true(fetch_reply_line(&r, "\r\n", 2, &e));
    return r;
}

static enum fetch_verdict judged(const char *head, const struct fetch_asked *asked)
{
    struct fetch_reply r = parsed(head);
    e = (struct err){0};
    return fetch_reply_judge(&r, asked, &e);
}

static void fields(void **state)
{
    (void)state;
    struct fetch_reply r =
        parsed("HTTP/1.1 200 OK\r\nETag:\"a b\" \r\nLAST-MODIFIED:  Sun, 06 Nov 1994 08:49:37 "
               "GMT\r\nContent-Length: 123\r\nno colon\r\nX: y");
    assert_int_equal(r.status, 200);
    assert_true(r.complete);
    assert_string_equal(r.v.etag, "\"a b\"");
    assert_string_equal(r.v.last_modified, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(r.v.length, 123);

    r = parsed("HTTP/2 404 \nContent-Length: -1\nContent-Encoding: Identity");
    assert_int_equal(r.status, 404);
    assert_int_equal(r.v.length, -1);
    assert_string_equal(r.encoding, "");

    /* 1xx does not complete, and what it said is forgotten */
    r = parsed("HTTP/1.1 103 Early Hints\nETag: \"early\"\n\nHTTP/1.1 200 OK\nContent-Length: 1");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.v.etag, "");

    /* trailers change nothing */
    r = parsed("HTTP/1.1 200 OK\n\nETag: \"late\"");
    assert_string_equal(r.v.etag, "");

    r = parsed("HTTP/1.1 2x0 OK");
    assert_int_equal(r.status, 0);
    assert_false(r.complete);
}

static void too_long_is_not_sent(void **state)
{
    (void)state;
    char line[400];
    struct fetch_reply r;
    fetch_reply_clear(&r);
    memset(line, 'e', sizeof line);
    memcpy(line, "ETag: \"", 7);
    assert_true(fetch_reply_line(&r, "HTTP/1.1 200 OK", 15, &e));
    assert_true(fetch_reply_line(&r, line, sizeof line, &e));
    assert_string_equal(r.v.etag, "");
    size_t lines = 0;
    while (fetch_reply_line(&r, line, sizeof line, &e))
        lines++;
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_true(lines < LIMIT_HTTP_HEADER / sizeof line);
}

static void whole_bodies(void **state)
{
    (void)state;
    struct fetch_asked plain = {0}, packed = {.compress = true};
    assert_int_equal(judged("HTTP/1.1 200 OK", &plain), REPLY_BODY);
    assert_int_equal(judged("HTTP/1.1 200 OK\nContent-Encoding: gzip", &packed), REPLY_BODY);
    assert_int_equal(judged("HTTP/1.1 200 OK\nContent-Encoding: gzip", &plain), REPLY_FAULT);
    assert_int_equal(e.kind, ERR_REFUSED);
    assert_int_equal(judged("HTTP/1.1 206 Partial\nContent-Range: bytes 0-1/2", &plain), REPLY_FAULT);
    assert_int_equal(judged("HTTP/1.1 304 Not Modified", &plain), REPLY_FAULT);
    assert_int_equal(judged("HTTP/1.1 416 No", &plain), REPLY_FAULT);
    assert_int_equal(judged("HTTP/1.1 204 No Content", &plain), REPLY_FAULT);
    assert_int_equal(e.kind, ERR_REFUSED);
}

static void parts(void **state)
{
    (void)state;
    struct fetch_validator v = {.etag = "\"a\"", .last_modified = "D", .length = 10};
    struct fetch_asked q = {.have = &v, .from = 4};
    static const struct {
        const char *head;
        enum fetch_verdict verdict;
    } rows[] = {
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 4-9/10", REPLY_REST},
        {"HTTP/1.1 206 P\nETag: \"a\"\nLast-Modified: D\nContent-Range: bytes 4-9/*", REPLY_REST},
        {"HTTP/1.1 206 P\nETag: \"b\"\nContent-Range: bytes 4-9/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nContent-Range: bytes 4-9/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nLast-Modified: E\nContent-Range: bytes 4-9/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 5-9/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 4-8/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 4-9/11", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 4-10/11", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 9-4/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 4-99999999999999999999/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: lines 4-9/10", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes 4-9/10x", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"", REPLY_RESTART},
        {"HTTP/1.1 206 P\nETag: \"a\"\nContent-Encoding: gzip\nContent-Range: bytes 4-9/10", REPLY_RESTART},
        {"HTTP/1.1 200 OK\nContent-Length: 10", REPLY_BODY},
        {"HTTP/1.1 416 No\nContent-Range: bytes */10", REPLY_RESTART},
        {"HTTP/1.1 416 No", REPLY_RESTART},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (judged(rows[i].head, &q) != rows[i].verdict)
            fail_msg("%s", rows[i].head);
    q.from = 10;
    assert_int_equal(judged("HTTP/1.1 416 No\nContent-Range: bytes */10", &q), REPLY_WHOLE);
    assert_int_equal(judged("HTTP/1.1 416 No\nContent-Range: bytes */11", &q), REPLY_RESTART);

    struct fetch_validator dated = {.last_modified = "D", .length = -1};
    q = (struct fetch_asked){.have = &dated, .from = 4};
    assert_int_equal(judged("HTTP/1.1 206 P\nLast-Modified: D\nContent-Range: bytes 4-9/10", &q), REPLY_REST);
    assert_int_equal(judged("HTTP/1.1 206 P\nContent-Range: bytes 4-9/10", &q), REPLY_RESTART);
    assert_int_equal(judged("HTTP/1.1 206 P\nLast-Modified: D\nContent-Range: bytes 4-9/*", &q),
                     REPLY_RESTART);
    q.conditional = true;
    assert_int_equal(judged("HTTP/1.1 304 Not Modified", &q), REPLY_UNCHANGED);
}

static void if_range(void **state)
{
    (void)state;
    struct fetch_validator v = {.etag = "\"a\"", .last_modified = "D"};
    assert_string_equal(fetch_reply_if_range(&v), "\"a\"");
    memcpy(v.etag, "W/\"a\"", 6);
    assert_string_equal(fetch_reply_if_range(&v), "D");
    v.last_modified[0] = '\0';
    assert_null(fetch_reply_if_range(&v));
    assert_null(fetch_reply_if_range(NULL));
}

static void faults(void **state)
{
    (void)state;
    struct fetch_asked q = {0};
    static const struct {
        const char *status;
        enum err_kind kind;
        enum cause cause;
    } rows[] = {
        {"400", ERR_REFUSED, CAUSE_HTTP_4XX},   {"401", ERR_REFUSED, CAUSE_HTTP_4XX},
        {"403", ERR_REFUSED, CAUSE_HTTP_4XX},   {"404", ERR_NOT_FOUND, CAUSE_HTTP_4XX},
        {"407", ERR_REFUSED, CAUSE_PROXY_AUTH}, {"408", ERR_NET, CAUSE_HTTP_4XX},
        {"410", ERR_NOT_FOUND, CAUSE_HTTP_4XX}, {"425", ERR_NET, CAUSE_HTTP_4XX},
        {"429", ERR_NET, CAUSE_HTTP_4XX},       {"451", ERR_REFUSED, CAUSE_HTTP_4XX},
        {"500", ERR_NET, CAUSE_HTTP_5XX},       {"503", ERR_NET, CAUSE_HTTP_5XX},
        {"599", ERR_NET, CAUSE_HTTP_5XX},       {"600", ERR_REFUSED, CAUSE_HTTP_4XX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char head[32];
        snprintf(head, sizeof head, "HTTP/1.1 %s X", rows[i].status);
        assert_int_equal(judged(head, &q), REPLY_FAULT);
        assert_int_equal(e.kind, rows[i].kind);
        assert_int_equal(e.cause, rows[i].cause);
        assert_int_equal(e.code, strtol(rows[i].status, NULL, 10));
    }
    assert_int_equal(judged("HTTP/1.1 302 Found\nLocation: x", &q), REPLY_REDIRECT);
}

static void retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        uint64_t ms;
    } rows[] = {
        {"HTTP/1.1 503 X", 0},
        {"HTTP/1.1 503 X\nRetry-After: 0", 0},
        {"HTTP/1.1 503 X\nRetry-After: 7", 7000},
        {"HTTP/1.1 503 X\nRetry-After: -7", 0},
        {"HTTP/1.1 503 X\nRetry-After: soon", 0},
        {"HTTP/1.1 503 X\nRetry-After: 100000", LIMIT_RETRY_AFTER_S * 1000},
        {"HTTP/1.1 503 X\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT", 37000},
        {"HTTP/1.1 503 X\nRetry-After: Sun, 06 Nov 1994 08:48:37 GMT", 0},
        {"HTTP/1.1 503 X\nRetry-After: Sun, 06 Foo 1994 08:49:37 GMT", 0},
        {"HTTP/1.1 503 X\nRetry-After: Mon, 06 Nov 2034 08:49:37 GMT", LIMIT_RETRY_AFTER_S * 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fetch_reply r = parsed(rows[i].head);
        assert_int_equal(fetch_reply_wait_ms(&r, 784111740), rows[i].ms); /* 08:49:00 that day */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),       cmocka_unit_test(too_long_is_not_sent),
        cmocka_unit_test(whole_bodies), cmocka_unit_test(parts),
        cmocka_unit_test(if_range),     cmocka_unit_test(faults),
        cmocka_unit_test(retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
