/* fetch, against a server that misbehaves on request (tests/e2e/faultserver.py). */
#include "core/fetch.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DEADLINE_MS 60000

static char root[] = "/tmp/daybreak-fetch-XXXXXX";
static int dir = -1;
static struct loop *loop;
static struct arena *memory;

/* --- servers -------------------------------------------------------------------------------------------- */

struct server {
    pid_t pid;
    int lifeline; /* closing it ends the server */
    int port;
};

static struct server server;

static struct server serve(const char *cert, const char *key, const char *log)
{
    struct server s = {0};
    int in[2], out[2];
    char line[16] = {0};
    size_t n = 0;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]);
        close(out[0]);
        close(out[1]);
        if (cert != NULL)
            execlp("python3", "python3", "tests/e2e/faultserver.py", "--until-eof", "--tls", cert, key,
                   (char *)NULL);
        else
            execlp("python3", "python3", "tests/e2e/faultserver.py", "--until-eof", "--log", log,
                   (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    while (n < sizeof line - 1 && strchr(line, '\n') == NULL) {
        ssize_t got = read(out[0], line + n, sizeof line - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    close(out[0]);
    s.lifeline = in[1];
    s.port = (int)strtol(line, NULL, 10);
    assert_true(s.port > 0);
    return s;
}

static void stop_server(const struct server *s)
{
    close(s->lifeline);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

static const char *url(const char *path)
{
    return arena_printf(memory, "http://127.0.0.1:%d%s", server.port, path);
}

/* How many of the server's log lines hold text. */
static int logged(const char *text)
{
    char line[4096];
    int count = 0;
    FILE *f = fopen(arena_printf(memory, "%s/log", root), "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        count += strstr(line, text) != NULL;
    fclose(f);
    return count;
}

/* A port of this machine where nobody listens. It stays bound, so that no other test's server is given it. */
static int dead_port(void)
{
    static int fd = -1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    if (fd < 0) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)(void *)&a, sizeof a), 0);
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&a, &len), 0);
    return ntohs(a.sin_port);
}

/* --- one transfer --------------------------------------------------------------------------------------- */

struct order {
    struct fetch_policy policy;
    const char *urls[4];
    const struct fetch_validator *have;
    bool proved, compress;
    struct sink *to; /* NULL: memory */
};

struct outcome {
    bool done, ok;
    enum fetch_answer answer;
    struct fetch_validator v, begun_v;
    struct err e;
    unsigned retries, begun, progress;
    uint64_t longest_wait;
    struct err why; /* of the last retry */
    struct buf body;
    struct fetch *f;
};

static void on_done(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                    const struct err *e)
{
    struct outcome *o = ctx;
    assert_false(o->done);
    o->done = true;
    o->ok = ok;
    o->answer = answer;
    o->v = *v;
    if (!ok)
        o->e = *e;
}

static void on_retry(void *ctx, unsigned attempt, uint64_t wait_ms, const struct err *why)
{
    struct outcome *o = ctx;
    assert_true(attempt >= 1);
    o->retries++;
    o->why = *why;
    if (wait_ms > o->longest_wait)
        o->longest_wait = wait_ms;
}

static void on_begun(void *ctx, const struct fetch_validator *v)
{
    struct outcome *o = ctx;
    o->begun++;
    o->begun_v = *v;
}

static void on_progress(void *ctx, uint64_t have, int64_t total)
{
    struct outcome *o = ctx;
    assert_true(total < 0 || have <= (uint64_t)total);
    o->progress++;
}

static struct fetch_policy quick(struct fetch_policy p)
{
    p.user_agent = "test/1";
    if (p.proxy == NULL)
        p.proxy = "";
    if (p.backoff_ms == 0)
        p.backoff_ms = 1;
    return p;
}

static void turn_until(const bool *condition)
{
    uint64_t start = loop_now(loop);
    while (!*condition) {
        loop_turn(loop, 1000);
        assert_true(loop_now(loop) - start < DEADLINE_MS);
    }
}

static struct fetch *open_fetch(struct fetch_policy p)
{
    struct err e;
    struct fetch_policy q = quick(p);
    struct fetch *f = fetch_open(loop, &q, &e);
    if (f == NULL)
        fail_msg("%s", e.text);
    return f;
}

/* The sink is left to the caller, when it gave one; else body is to be released. */
static struct outcome *get(struct order q)
{
    struct outcome *o = arena_alloc(memory, sizeof *o);
    buf_init(&o->body, 64 * LIMIT_MB);
    o->f = open_fetch(q.policy);
    struct sink *to = q.to != NULL ? q.to : sink_memory(&o->body);
    fetch_start(o->f, &(struct fetch_request){.urls = q.urls,
                                              .to = to,
                                              .have = q.have,
                                              .proved = q.proved,
                                              .compress = q.compress,
                                              .begun = on_begun,
                                              .progress = on_progress,
                                              .done = on_done,
                                              .retry = on_retry,
                                              .ctx = o});
    turn_until(&o->done);
    fetch_free(o->f);
    if (o->ok && q.to == NULL) {
        struct err e;
        if (o->answer == FETCH_UNCHANGED)
            sink_abort(to);
        else
            assert_true(sink_commit(to, NULL, &e));
    }
    return o;
}

static void release(struct outcome *o)
{
    buf_release(&o->body);
}

static unsigned char byte_at(size_t i, unsigned v)
{
    return (unsigned char)(31 * i + 17 * (i >> 8) + v);
}

static void assert_pattern(const struct buf *b, size_t size, unsigned v)
{
    assert_int_equal(b->len, size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)b->data[i] != byte_at(i, v))
            fail_msg("byte %zu of %zu is wrong", i, size);
}

static void assert_failed(struct outcome *o, enum err_kind kind, enum cause cause)
{
    if (o->ok)
        fail_msg("succeeded");
    if (o->e.kind != kind || o->e.cause != cause)
        fail_msg("kind %d cause %s: %s", o->e.kind, err_cause_name(o->e.cause), o->e.text);
    assert_int_equal(o->body.len, 0);
    release(o);
}

static void assert_body(struct outcome *o, size_t size, unsigned v)
{
    if (!o->ok)
        fail_msg("%s", o->e.text);
    assert_int_equal(o->answer, FETCH_BODY);
    assert_pattern(&o->body, size, v);
    release(o);
}

static bool has(const struct outcome *o, const char *text)
{
    return strstr(buf_str(&o->body), text) != NULL;
}

#define GET(...) get((struct order){__VA_ARGS__})

/* --- what works ----------------------------------------------------------------------------------------- */

static void plain_body(void **state)
{
    (void)state;
    struct outcome *o = GET(.urls = {url("/plain?size=3000000&etag=%22a%22&lm=L")});
    assert_string_equal(o->v.etag, "\"a\"");
    assert_string_equal(o->v.last_modified, "L");
    assert_int_equal(o->v.length, 3000000);
    assert_int_equal(o->begun, 1);
    assert_int_equal(o->begun_v.length, 3000000);
    assert_int_equal(o->retries, 0);
    assert_body(o, 3000000, 0);
    assert_body(GET(.urls = {url("/empty?size=0")}), 0, 0);
    assert_body(GET(.urls = {url("/chunked?size=70000&chunked=1")}), 70000, 0);
    assert_body(GET(.urls = {url("/open-end?size=70000&nolength=1")}), 70000, 0);
    assert_body(GET(.urls = {url("/longer?size=70000&longer=10")}), 70000, 0);
    o = GET(.urls = {url("/html?text=%3Chtml%3E")}); /* what it means is for others to say */
    assert_true(o->ok);
    assert_string_equal(buf_str(&o->body), "<html>");
    release(o);
}

static void request_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {"X-Key: a:b", "X-Empty:", "Authorization: Bearer t", NULL};
    struct outcome *o = GET(.policy = {.headers = headers}, .urls = {url("/echo?echo=1")});
    assert_true(o->ok);
    assert_true(has(o, "X-Key: a:b") && has(o, "Authorization: Bearer t") && has(o, "User-Agent: test/1"));
    assert_true(has(o, "Accept-Encoding: identity"));
    assert_false(has(o, "X-Empty") || has(o, "Range") || has(o, "If-"));
    release(o);
    o = GET(.policy = {.userpwd = "u:p"}, .urls = {url("/echo?echo=1")}, .compress = true);
    assert_true(has(o, "Authorization: Basic dTpw"));
    assert_true(has(o, "gzip") && !has(o, "identity"));
    release(o);

    static const char *const broken[] = {"X-Key: a\r\nX-Other: b", NULL};
    struct fetch_policy p = {.headers = broken};
    struct err e;
    assert_null(fetch_open(loop, &p, &e));
    assert_int_equal(e.kind, ERR_USAGE);
}

static void compression(void **state)
{
    (void)state;
    struct outcome *o = GET(.urls = {url("/gz?size=500000&encode=1")}, .compress = true);
    assert_int_equal(o->v.length, -1);
    assert_body(o, 500000, 0);
    assert_body(GET(.urls = {url("/gz?size=500000&encode=1")}), 500000, 0);
    assert_failed(GET(.urls = {url("/gz?size=500000&encode=force")}), ERR_REFUSED, CAUSE_FORMAT);
}

static void conditional(void **state)
{
    (void)state;
    struct fetch_validator v = {.etag = "\"a\"", .last_modified = "L", .length = 5};
    struct outcome *o = GET(.urls = {url("/c?size=5&etag=%22a%22&lm=L")}, .have = &v);
    assert_true(o->ok);
    assert_int_equal(o->answer, FETCH_UNCHANGED);
    assert_string_equal(o->v.etag, "\"a\"");
    assert_int_equal(o->body.len + o->begun, 0);
    v.etag[0] = '\0';
    o = GET(.urls = {url("/c?size=5&lm=L")}, .have = &v);
    assert_int_equal(o->answer, FETCH_UNCHANGED);
    assert_body(GET(.urls = {url("/c?size=5&lm=M")}, .have = &v), 5, 0);
    o = GET(.urls = {url("/echo?echo=1")},
            .have = &(struct fetch_validator){.etag = "W/\"x\"", .last_modified = "L"});
    assert_true(has(o, "If-None-Match: W/\"x\"") && has(o, "If-Modified-Since: L"));
    release(o);
    /* nothing known: nothing asked */
    v = (struct fetch_validator){.length = -1};
    assert_body(GET(.urls = {url("/c?size=5&etag=%22a%22")}, .have = &v), 5, 0);
    assert_failed(GET(.urls = {url("/c?status=304")}, .have = &v), ERR_NET, CAUSE_FORMAT);
}

/* --- what goes wrong and comes right -------------------------------------------------------------------- */

static void cut_and_resumed(void **state)
{
    (void)state;
    struct outcome *o = GET(.urls = {url("/cut?size=200000&etag=%22a%22&short=50000&times=1")});
    assert_int_equal(o->retries, 1);
    assert_int_equal(o->begun, 1);
    assert_int_equal(o->why.cause, CAUSE_TCP);
    assert_body(o, 200000, 0);
    assert_int_equal(logged("/cut?size=200000&etag=%22a%22&short=50000&times=1 206 bytes=50000-"), 1);

    o = GET(.urls = {url("/cut2?size=200000&lm=L&short=50000&times=1")});
    assert_body(o, 200000, 0);
    assert_int_equal(logged("/cut2?size=200000&lm=L&short=50000&times=1 206 bytes=50000-"), 1);

    /* without a validator, with a weak one, compressed: from the beginning */
    o = GET(.urls = {url("/cut3?size=200000&short=50000&times=1")});
    assert_int_equal(o->begun, 2);
    assert_body(o, 200000, 0);
    assert_body(GET(.urls = {url("/cut4?size=200000&etag=W/%22a%22&short=50000&times=1")}), 200000, 0);
    assert_body(GET(.urls = {url("/cut5?size=200000&etag=%22a%22&short=50000&times=1")}, .compress = true),
                200000, 0);
    assert_int_equal(logged("/cut4?size=200000&etag=W/%22a%22&short=50000&times=1 200 -"), 2);

    assert_body(GET(.urls = {url("/cut6?size=90000&etag=%22a%22&chunked=1&cut=1000&times=2")}), 90000, 0);
    assert_body(GET(.urls = {url("/cut7?size=90000&etag=%22a%22&reset=1000&times=2")}), 90000, 0);
    assert_failed(GET(.urls = {url("/cut8?size=90000&short=1000")}), ERR_NET, CAUSE_TCP);
    assert_int_equal(logged("/cut8"), 3);
}

static void far_cuts_are_no_failures(void **state)
{
    (void)state;
    /* every try brings another 1.1 MB: the counting starts anew each time */
    struct outcome *o =
        GET(.policy = {.attempts = 2}, .urls = {url("/far?size=5000000&etag=%22a%22&short=1100000")});
    assert_int_equal(o->retries, 4);
    assert_body(o, 5000000, 0);
    /* without resuming none gets further than the one before */
    o = GET(.policy = {.attempts = 2}, .urls = {url("/far2?size=5000000&short=1100000")});
    assert_int_equal(o->retries, 1);
    assert_failed(o, ERR_NET, CAUSE_TCP);
}

static void server_errors(void **state)
{
    (void)state;
    struct outcome *o = GET(.urls = {url("/500?size=10&status=500&times=2")});
    assert_int_equal(o->retries, 2);
    assert_int_equal(o->why.cause, CAUSE_HTTP_5XX);
    assert_body(o, 10, 0);
    o = GET(.urls = {url("/503?size=10&status=503&retry-after=0&times=1")});
    assert_int_equal(o->retries, 1);
    assert_body(o, 10, 0);
    o = GET(.urls = {url("/503b?status=502")});
    assert_int_equal(o->retries, 2);
    assert_int_equal(o->e.code, 502);
    assert_non_null(strstr(o->e.text, "GET http://127.0.0.1:"));
    assert_null(strstr(o->e.text, "status=502"));
    assert_failed(o, ERR_NET, CAUSE_HTTP_5XX);
    o = GET(.urls = {url("/429?size=10&status=429&times=1")});
    assert_int_equal(o->retries, 1);
    assert_body(o, 10, 0);
}

static void nonsense(void **state)
{
    (void)state;
    struct outcome *o = GET(.urls = {url("/garbage?size=10&garbage=1&times=1")});
    assert_int_equal(o->retries, 1);
    assert_int_equal(o->why.cause, CAUSE_TCP);
    assert_body(o, 10, 0);
}

static void retry_after_is_waited_for(void **state)
{
    (void)state;
    struct outcome o = {0};
    struct fetch *f = open_fetch((struct fetch_policy){0});
    const char *urls[] = {url("/later?size=10&status=503&retry-after=77&times=1"), NULL};
    buf_init(&o.body, 100);
    struct transfer *t = fetch_start(
        f, &(struct fetch_request){
               .urls = urls, .to = sink_memory(&o.body), .done = on_done, .retry = on_retry, .ctx = &o});
    while (o.retries == 0)
        loop_turn(loop, 1000);
    assert_in_range(o.longest_wait, 77000, 77001);
    fetch_cancel(t);
    fetch_free(f);
    assert_false(o.done);
    buf_release(&o.body);
}

static void refusals(void **state)
{
    (void)state;
    struct outcome *o = GET(.urls = {url("/nothing")});
    assert_int_equal(o->e.code, 404);
    assert_failed(o, ERR_NOT_FOUND, CAUSE_HTTP_4XX);
    assert_int_equal(logged("/nothing"), 1);
    o = GET(.urls = {url("/403?status=403")});
    assert_int_equal(o->e.code, 403);
    assert_failed(o, ERR_REFUSED, CAUSE_HTTP_4XX);
    assert_int_equal(logged("/403"), 1);
    assert_failed(GET(.urls = {url("/410?status=410")}), ERR_NOT_FOUND, CAUSE_HTTP_4XX);
    assert_failed(GET(.urls = {url("/401?status=401")}), ERR_REFUSED, CAUSE_HTTP_4XX);
    assert_failed(GET(.urls = {"ftp://127.0.0.1/x"}), ERR_REFUSED, CAUSE_FORMAT);
    assert_failed(GET(.urls = {"no URL"}), ERR_REFUSED, CAUSE_FORMAT);
    assert_failed(GET(.urls = {""}), ERR_REFUSED, CAUSE_FORMAT);
}

static void proxies(void **state)
{
    (void)state;
    const char *proxy = url("");
    struct outcome *o =
        GET(.policy = {.proxy = proxy}, .urls = {"http://repo.invalid/p?size=10"}, .proved = true);
    assert_body(o, 10, 0);
    assert_failed(
        GET(.policy = {.proxy = proxy}, .urls = {"http://repo.invalid/p?status=407"}, .proved = true),
        ERR_REFUSED, CAUSE_PROXY_AUTH);
    o = GET(.policy = {.proxy = proxy}, .urls = {"https://repo.invalid/p"});
    assert_int_equal(o->e.code, 407);
    assert_failed(o, ERR_REFUSED, CAUSE_PROXY_AUTH);
}

/* --- redirects ------------------------------------------------------------------------------------------ */

static const char *to(const char *path, const char *target)
{
    return url(arena_printf(memory, "%s?status=302&location=%s", path, target));
}

static void redirect_policies(void **state)
{
    (void)state;
    struct fetch_policy none = {.redirects = FETCH_REDIRECT_NONE},
                        https = {.redirects = FETCH_REDIRECT_HTTPS}, all = {.redirects = FETCH_REDIRECT_ALL};
    struct outcome *o = GET(.policy = none, .urls = {to("/r", "/plain%3Fsize=10")});
    assert_int_equal(o->e.code, 302);
    assert_failed(o, ERR_REFUSED, CAUSE_HTTP_4XX);
    assert_failed(GET(.policy = https, .urls = {to("/r", "/plain%3Fsize=10")}), ERR_REFUSED, CAUSE_HTTP_4XX);
    assert_body(GET(.policy = all, .urls = {to("/r", "/plain%3Fsize=10")}), 10, 0);
    /* what a captive portal does */
    o = GET(.policy = none, .urls = {to("/r", "http://portal.invalid/login%3Fid=1")});
    assert_int_equal(o->retries, 0);
    assert_non_null(strstr(o->e.text, "http://portal.invalid/login"));
    assert_null(strstr(o->e.text, "id=1"));
    assert_failed(o, ERR_NET, CAUSE_CAPTIVE);

    assert_failed(GET(.policy = all, .urls = {to("/r", "file:///etc/passwd")}), ERR_REFUSED, CAUSE_HTTP_4XX);
    assert_failed(GET(.policy = all, .urls = {to("/r", "gopher://x/")}), ERR_REFUSED, CAUSE_HTTP_4XX);
    assert_failed(GET(.policy = all, .urls = {url("/r?status=302")}), ERR_REFUSED, CAUSE_HTTP_4XX);
    o = GET(.policy = all, .urls = {url("/loop?loop=1")});
    assert_failed(o, ERR_REFUSED, CAUSE_LIMIT);
    /* plain http is only good enough for what is proved */
    assert_failed(GET(.policy = all, .urls = {to("/r", "http://repo.invalid/")}), ERR_TRUST, CAUSE_NONE);
    all.attempts = 1;
    assert_failed(GET(.policy = all, .urls = {to("/r", "http://repo.invalid/")}, .proved = true), ERR_NET,
                  CAUSE_DNS);
}

static void redirects_and_tries(void **state)
{
    (void)state;
    struct fetch_policy all = {.redirects = FETCH_REDIRECT_ALL};
    /* the resumed request goes the same way */
    const char *target = "/rt%3Fsize=90000%26etag=%2522a%2522%26short=1000%26times=1";
    struct outcome *o = GET(.policy = all, .urls = {to("/r", target)});
    assert_int_equal(o->retries, 1);
    assert_body(o, 90000, 0);
    assert_int_equal(logged("/rt?size=90000&etag=%22a%22&short=1000&times=1 206 bytes=1000-"), 1);
}

static void credentials_stay_at_home(void **state)
{
    (void)state;
    static const char *const headers[] = {"X-Key: secret", "Authorization: Bearer t", NULL};
    struct fetch_policy p = {.headers = headers, .userpwd = "u:p", .redirects = FETCH_REDIRECT_ALL};
    struct outcome *o = GET(.policy = p, .urls = {to("/r", "/echo%3Fecho=1")});
    assert_true(o->ok && has(o, "X-Key: secret") && has(o, "Authorization: "));
    release(o);
    const char *elsewhere = arena_printf(memory, "http://localhost:%d/echo%%3Fecho=1", server.port);
    o = GET(.policy = p, .urls = {to("/r", elsewhere)});
    assert_true(o->ok && has(o, "GET /echo") && has(o, "User-Agent: test/1"));
    assert_false(has(o, "X-Key") || has(o, "Authorization"));
    release(o);
    /* nor do they go to a mirror */
    o = GET(.policy = p,
            .urls = {url("/gone"), arena_printf(memory, "http://localhost:%d/echo?echo=1", server.port)});
    assert_true(o->ok && has(o, "GET /echo"));
    assert_false(has(o, "X-Key") || has(o, "Authorization"));
    release(o);
}

/* --- resuming a part of an earlier run ------------------------------------------------------------------ */

static void put_part(size_t size, unsigned v)
{
    int fd = openat(dir, "pkg.download", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = byte_at(i, v);
        assert_int_equal(write(fd, &c, 1), 1);
    }
    close(fd);
}

static struct sink_want wanted(size_t size, unsigned v)
{
    struct sink_want w = {
        .size_max = size, .size = (int64_t)size, .digest = DIGEST_SHA256, .keep_part = true};
    struct digest *d = digest_open(DIGEST_SHA256);
    for (size_t i = 0; i < size; i++)
        digest_write(d, &(unsigned char){byte_at(i, v)}, 1);
    digest_end(d, w.sum);
    return w;
}

/* The part of 4000 bytes and its etag "a", then path: proved and committed. */
static struct outcome *resume(const char *path, size_t part, unsigned v)
{
    struct err e;
    struct sink_want w = wanted(10000, v);
    struct fetch_validator have = {.etag = "\"a\"", .length = 10000};
    put_part(part, 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    assert_non_null(s);
    assert_int_equal(sink_have(s), part);
    struct outcome *o = GET(.urls = {url(path)}, .to = s, .have = &have);
    if (!o->ok)
        fail_msg("%s", o->e.text);
    if (!sink_commit(s, NULL, &e))
        fail_msg("%s", e.text);
    return o;
}

static void resumed_from_an_earlier_run(void **state)
{
    (void)state;
    struct outcome *o = resume("/res?size=10000&etag=%22a%22", 4000, 0);
    assert_int_equal(o->begun, 0);
    assert_string_equal(o->v.etag, "\"a\"");
    assert_int_equal(o->v.length, 10000);
    assert_int_equal(logged("/res?size=10000&etag=%22a%22 206 bytes=4000-"), 1);
    /* complete already */
    o = resume("/res-all?size=10000&etag=%22a%22", 10000, 0);
    assert_int_equal(o->begun, 0);
    assert_int_equal(logged("/res-all?size=10000&etag=%22a%22 416 bytes=10000-"), 1);
}

static void part_does_not_fit(void **state)
{
    (void)state;
    static const char *const faults[] = {"ignore-range=1", "bad-range=1",    "other-etag=1",
                                         "other-total=1",  "refuse-range=1", "star-range=1"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct outcome *o =
            resume(arena_printf(memory, "/fit?size=10000&etag=%%22a%%22&%s", faults[i]), 4000, 0);
        assert_int_equal(o->begun, 1);
        assert_int_equal(o->retries, 0);
        assert_int_equal(logged(faults[i]), i == 0 ? 1 : 2);
    }
    /* changed since: If-Range makes it one request */
    struct outcome *o = resume("/changed?size=10000&etag=%22b%22&v=3", 4000, 3);
    assert_int_equal(o->begun, 1);
    assert_string_equal(o->begun_v.etag, "\"b\"");
    assert_int_equal(logged("/changed"), 1);
}

static void part_of_unknown_origin(void **state)
{
    (void)state;
    struct err e;
    struct sink_want w = wanted(10000, 0);
    put_part(4000, 9);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    assert_non_null(s);
    struct outcome *o = GET(.urls = {url("/unknown?size=10000&etag=%22a%22")}, .to = s);
    assert_true(o->ok);
    assert_true(sink_commit(s, NULL, &e));
    assert_int_equal(logged("/unknown?size=10000&etag=%22a%22 200 -"), 1);
}

static off_t part_size(void)
{
    struct stat st;
    return fstatat(dir, "pkg.download", &st, 0) == 0 ? st.st_size : -1;
}

static void down_server_costs_no_part(void **state)
{
    (void)state;
    struct err e;
    struct sink_want w = wanted(10000, 0);
    put_part(4000, 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    assert_failed(GET(.urls = {url("/down?status=500")}, .to = s), ERR_NET, CAUSE_HTTP_5XX);
    assert_int_equal(part_size(), 4000);
}

/* --- slow and endless ----------------------------------------------------------------------------------- */

static void stalls(void **state)
{
    (void)state;
    struct err e;
    struct fetch_policy p = {.stall_ms = 1000, .attempts = 1};
    struct sink_want w = wanted(10000, 0);
    unlinkat(dir, "pkg.download", 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    struct outcome *o = GET(.policy = p, .urls = {url("/stall?size=10000&etag=%22a%22&stall=5000")}, .to = s);
    assert_string_equal(o->v.etag, "\"a\"");
    assert_failed(o, ERR_NET, CAUSE_STALL);
    assert_int_equal(part_size(), 5000);
    /* a trickle is a stall too */
    assert_failed(GET(.policy = p, .urls = {url("/trickle?size=10000&trickle=20")}), ERR_NET, CAUSE_STALL);
    p.first_byte_ms = 1000;
    assert_failed(GET(.policy = p, .urls = {url("/slow?slow-headers=1")}), ERR_NET, CAUSE_STALL);
    /* and the next try goes on where it stopped */
    p.attempts = 2;
    p.first_byte_ms = 0;
    o = GET(.policy = p, .urls = {url("/stall2?size=10000&etag=%22a%22&stall=5000&times=1")});
    assert_int_equal(o->retries, 1);
    assert_body(o, 10000, 0);
}

static void too_much(void **state)
{
    (void)state;
    struct err e;
    struct sink_want w = {.size_max = 100000, .size = -1, .keep_part = true};
    struct sink *s = sink_file(dir, "endless", &w, &e);
    assert_non_null(s);
    assert_failed(GET(.urls = {url("/endless?size=0&endless=1")}, .to = s), ERR_LIMIT, CAUSE_LIMIT);
    assert_int_equal(faccessat(dir, "endless.download", F_OK, 0), -1);
    assert_failed(GET(.urls = {url("/flood?flood=1")}), ERR_LIMIT, CAUSE_LIMIT);
    /* a bomb stops at the sink */
    w = (struct sink_want){.size_max = 100000, .size = -1};
    s = sink_file(dir, "bomb", &w, &e);
    assert_failed(GET(.urls = {url("/bomb?size=20000000&encode=1")}, .to = s, .compress = true), ERR_LIMIT,
                  CAUSE_LIMIT);
}

static void cut_without_a_trace(void **state)
{
    (void)state;
    struct err e;
    struct sink_want w = wanted(10000, 0);
    struct sink *s = sink_file(dir, "traceless", &w, &e);
    struct outcome *o = GET(.urls = {url("/traceless?size=10000&nolength=1&short=5000")}, .to = s);
    assert_true(o->ok);
    assert_false(sink_commit(s, NULL, &e));
    assert_int_equal(e.cause, CAUSE_SIZE);
}

/* --- no server ------------------------------------------------------------------------------------------ */

static void nobody_there(void **state)
{
    (void)state;
    const char *dead = arena_printf(memory, "http://127.0.0.1:%d/x", dead_port());
    struct outcome *o = GET(.urls = {dead});
    assert_int_equal(o->retries, 2);
    assert_failed(o, ERR_NET, CAUSE_TCP);
    o = GET(.policy = {.attempts = 1}, .urls = {"http://nothing.invalid/x"}, .proved = true);
    assert_failed(o, ERR_NET, CAUSE_DNS);
    assert_failed(GET(.urls = {"http://nothing.invalid/x"}), ERR_TRUST, CAUSE_NONE);
    o = GET(.policy = {.attempts = 1, .allow_http = true}, .urls = {"http://nothing.invalid/x"});
    assert_failed(o, ERR_NET, CAUSE_DNS);
}

static void mirrors(void **state)
{
    (void)state;
    const char *dead = arena_printf(memory, "http://127.0.0.1:%d/x", dead_port());
    struct outcome *o = GET(.policy = {.attempts = 2}, .urls = {dead, url("/gone"), url("/m?size=10")});
    assert_int_equal(o->retries, 1);
    assert_body(o, 10, 0);
    assert_failed(GET(.urls = {url("/gone"), url("/gone2")}), ERR_NOT_FOUND, CAUSE_HTTP_4XX);
    assert_failed(GET(.policy = {.attempts = 1}, .urls = {url("/gone"), dead}), ERR_NET, CAUSE_TCP);
    assert_failed(GET(.policy = {.attempts = 1}, .urls = {dead, url("/gone")}), ERR_NET, CAUSE_TCP);
    assert_failed(GET(.urls = {url("/gone"), "http://nothing.invalid/x"}), ERR_TRUST, CAUSE_NONE);
    /* the first has another file, the second cuts, the third is good */
    struct err e;
    struct sink_want w = wanted(10000, 0);
    unlinkat(dir, "pkg.download", 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    o = GET(.policy = {.attempts = 1},
            .urls = {url("/m1?size=20000&etag=%22a%22&v=7"), url("/m2?size=10000&etag=%22a%22&short=5000"),
                     url("/m3?size=10000&etag=%22a%22")},
            .to = s);
    assert_true(o->ok);
    assert_true(sink_commit(s, NULL, &e));
    assert_int_equal(logged("/m3?size=10000&etag=%22a%22 206 bytes=5000-"), 1);
}

/* --- many, and those that are given up ------------------------------------------------------------------ */

struct many {
    unsigned left, started[20], starts;
    struct outcome o[20];
};

struct one {
    struct many *m;
    unsigned i;
};

static void one_begun(void *ctx, const struct fetch_validator *v)
{
    struct one *one = ctx;
    (void)v;
    one->m->started[one->m->starts++] = one->i;
}

static void one_done(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                     const struct err *e)
{
    struct one *one = ctx;
    on_done(&one->m->o[one->i], ok, answer, v, e);
    one->m->left--;
}

static void twenty_at_four(void **state)
{
    (void)state;
    struct server own = serve(NULL, NULL, arena_printf(memory, "%s/log2", root));
    struct many m = {.left = 20};
    struct one one[20];
    struct sink *sinks[20];
    struct fetch *f = open_fetch((struct fetch_policy){.parallel = 4});
    for (unsigned i = 0; i < 20; i++) {
        /* each group of four is only answered when all four have asked */
        const char *urls[] = {
            arena_printf(memory, "http://127.0.0.1:%d/many?barrier=4&size=%u", own.port, 100000 + i), NULL};
        one[i] = (struct one){&m, i};
        buf_init(&m.o[i].body, LIMIT_MB);
        sinks[i] = sink_memory(&m.o[i].body);
        fetch_start(f,
                    &(struct fetch_request){
                        .urls = urls, .to = sinks[i], .begun = one_begun, .done = one_done, .ctx = &one[i]});
    }
    uint64_t start = loop_now(loop);
    while (m.left > 0 && loop_now(loop) - start < DEADLINE_MS)
        loop_turn(loop, 1000);
    assert_int_equal(m.left, 0);
    for (unsigned i = 0; i < 20; i++) {
        struct err e;
        assert_true(m.o[i].ok);
        assert_true(sink_commit(sinks[i], NULL, &e));
        assert_pattern(&m.o[i].body, 100000 + i, 0);
        release(&m.o[i]);
        /* one starts when one ends: never one ahead of four that were begun before it */
        assert_true(m.started[i] <= i + 3 && i <= m.started[i] + 3);
    }
    fetch_free(f);
    struct order q = {.urls = {arena_printf(memory, "http://127.0.0.1:%d/__stats", own.port)}};
    struct outcome *o = get(q);
    assert_string_equal(buf_str(&o->body), "requests=20 concurrent=4\n");
    release(o);
    stop_server(&own);
}

static void cancelled(void **state)
{
    (void)state;
    struct err e;
    struct outcome o = {0}, other = {0};
    struct sink_want w = wanted(10000, 0);
    const char *stall[] = {url("/cancel?size=10000&etag=%22a%22&stall=5000"), NULL};
    const char *good[] = {url("/after?size=10"), NULL};
    unlinkat(dir, "pkg.download", 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    buf_init(&other.body, 100);
    struct sink *m = sink_memory(&other.body);
    struct fetch *f = open_fetch((struct fetch_policy){.parallel = 1});
    struct transfer *t = fetch_start(
        f, &(struct fetch_request){.urls = stall, .to = s, .begun = on_begun, .done = on_done, .ctx = &o});
    fetch_start(f, &(struct fetch_request){.urls = good, .to = m, .done = on_done, .ctx = &other});
    while (sink_have(s) < 5000)
        loop_turn(loop, 1000);
    assert_false(other.done);
    fetch_cancel(t);
    assert_int_equal(part_size(), 5000);
    turn_until(&other.done); /* its place is taken */
    assert_true(other.ok);
    assert_false(o.done);
    assert_true(sink_commit(m, NULL, &e));
    /* and the session with something on its way and something waiting */
    s = sink_file(dir, "pkg", &w, &e);
    fetch_start(f, &(struct fetch_request){.urls = stall, .to = s, .done = on_done, .ctx = &o});
    fetch_start(
        f, &(struct fetch_request){.urls = good, .to = sink_memory(&other.body), .done = on_done, .ctx = &o});
    loop_turn(loop, 100);
    fetch_free(f);
    assert_false(o.done);
    release(&other);
}

struct chain {
    struct fetch *f;
    unsigned left;
    bool done;
    struct buf body;
    const char *urls[2];
    struct sink *to;
};

static void next_link(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                      const struct err *e)
{
    struct chain *c = ctx;
    struct err ignored;
    (void)answer;
    (void)v;
    (void)e;
    assert_true(ok);
    assert_true(sink_commit(c->to, NULL, &ignored));
    if (--c->left == 0) {
        c->done = true;
        return;
    }
    c->to = sink_memory(&c->body);
    fetch_start(c->f, &(struct fetch_request){.urls = c->urls, .to = c->to, .done = next_link, .ctx = c});
}

static void begun_by_done(void **state)
{
    (void)state;
    struct chain c = {.left = 200, .urls = {url("/chain?size=10")}};
    buf_init(&c.body, 10000);
    c.f = open_fetch((struct fetch_policy){0});
    c.to = sink_memory(&c.body);
    fetch_start(c.f, &(struct fetch_request){.urls = c.urls, .to = c.to, .done = next_link, .ctx = &c});
    turn_until(&c.done);
    assert_int_equal(c.body.len, 2000);
    fetch_free(c.f);
    buf_release(&c.body);
}

/* --- file: ---------------------------------------------------------------------------------------------- */

static void files(void **state)
{
    (void)state;
    int fd = openat(dir, "local file", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    enum { SIZE = 20000000 };
    unsigned char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i, 0);
    assert_int_equal(write(fd, bytes, SIZE), SIZE);
    free(bytes);
    const char *u = arena_printf(memory, "file://%s/local%%20file", root);
    struct outcome *o = GET(.urls = {u});
    assert_int_equal(o->v.length, SIZE);
    assert_true(strlen(o->v.last_modified) == 29);
    struct fetch_validator v = o->v;
    assert_body(o, SIZE, 0);
    o = GET(.urls = {u}, .have = &v);
    assert_true(o->ok);
    assert_int_equal(o->answer, FETCH_UNCHANGED);
    o = GET(.urls = {arena_printf(memory, "file://localhost%s/local%%20file", root)}, .have = &v);
    assert_int_equal(o->answer, FETCH_UNCHANGED);

    /* written again in the same second, at the same length */
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    struct timespec later[2] = {os_mtime(&st), os_mtime(&st)};
    later[1].tv_nsec = (later[1].tv_nsec + 1000000) % 1000000000;
    assert_int_equal(futimens(fd, later), 0);
    o = GET(.urls = {u}, .have = &v);
    v = o->v;
    assert_body(o, SIZE, 0);

    /* the rest of a part */
    struct err e;
    struct sink_want w = wanted(SIZE, 0);
    put_part(4000, 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    o = GET(.urls = {u}, .to = s, .have = &v);
    assert_true(o->ok);
    assert_int_equal(o->begun, 0);
    assert_true(sink_commit(s, NULL, &e));

    assert_int_equal(ftruncate(fd, 100), 0);
    assert_body(GET(.urls = {u}, .have = &v), 100, 0);
    close(fd);
    assert_failed(GET(.urls = {arena_printf(memory, "file://%s/missing", root)}), ERR_NOT_FOUND,
                  CAUSE_HTTP_4XX);
    assert_failed(GET(.urls = {arena_printf(memory, "file://%s", root)}), ERR_REFUSED, CAUSE_FORMAT);
    assert_failed(GET(.urls = {"file://elsewhere/x"}), ERR_REFUSED, CAUSE_FORMAT);
    assert_failed(GET(.urls = {"file:///a%00b"}), ERR_REFUSED, CAUSE_FORMAT);
}

/* --- fetch_get, fetch_show ------------------------------------------------------------------------------ */

static void simple_get(void **state)
{
    (void)state;
    struct fetch *f = open_fetch((struct fetch_policy){0});
    struct buf b;
    struct err e;
    enum fetch_answer answer = FETCH_UNCHANGED;
    struct fetch_validator v = {.length = -1};
    buf_init(&b, LIMIT_MB);
    struct sink *s = sink_memory(&b);
    assert_true(fetch_get(f, url("/g?size=1000&etag=%22g%22&encode=1"), s, &answer, &v, false, &e));
    assert_int_equal(answer, FETCH_BODY);
    assert_true(sink_commit(s, NULL, &e));
    assert_pattern(&b, 1000, 0);
    s = sink_memory(&b);
    assert_true(fetch_get(f, url("/g?size=1000&etag=%22g%22"), s, &answer, &v, false, &e));
    assert_int_equal(answer, FETCH_UNCHANGED);
    sink_abort(s);
    assert_false(fetch_get(f, url("/gone"), sink_memory(&b), &answer, NULL, true, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    fetch_free(f);
    buf_release(&b);
}

static void shown(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"https://host/path?token=x#y", "https://host/path"},
        {"https://user:pass@host:8443/a@b", "https://host:8443/a@b"},
        {"https://user:p@ss@host/a", "https://host/a"},
        {"https://host?x", "https://host"},
        {"file:///a/b", "file:///a/b"},
        {"nonsense", "nonsense"},
        {"http://h/\x01", "http://h/\\x01"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fetch_show(out, sizeof out, rows[i][0]);
        assert_string_equal(out, rows[i][1]);
    }
    char *huge = arena_alloc(memory, 100001);
    memset(huge, 'x', 100000);
    memcpy(huge, "http://h/", 9);
    fetch_show(out, sizeof out, huge);
    assert_true(strlen(out) < sizeof out);
}

/* --- TLS ------------------------------------------------------------------------------------------------ */

static const char certificates[] =
    "exec 2>/dev/null\n"
    "new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "openssl req -x509 $new -keyout ca.key -out ca.pem -days 30 -subj '/CN=Test CA'\n"
    "openssl req $new -keyout s.key -out s.csr -subj /CN=localhost\n"
    "echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >ext\n"
    "echo 'subjectAltName=DNS:other.invalid' >ext2\n"
    ": >index.txt\n"
    "echo 01 >serial.txt\n"
    "cat >ca.cnf <<'END'\n"
    "[ca]\n"
    "default_ca=c\n"
    "[c]\n"
    "database=index.txt\n"
    "new_certs_dir=.\n"
    "serial=serial.txt\n"
    "default_md=sha256\n"
    "policy=p\n"
    "certificate=ca.pem\n"
    "private_key=ca.key\n"
    "unique_subject=no\n"
    "[p]\n"
    "commonName=supplied\n"
    "END\n"
    "sign() { openssl ca -batch -notext -config ca.cnf -in s.csr -out $1 -startdate $2 -enddate $3 -extfile "
    "$4; }\n"
    "sign good.pem 20200101000000Z 20400101000000Z ext\n"
    "sign old.pem 20200101000000Z 20200201000000Z ext\n"
    "sign new.pem 20400101000000Z 20410101000000Z ext\n"
    "sign name.pem 20200101000000Z 20400101000000Z ext2\n"
    "mkdir cas empty\n"
    "cp ca.pem cas/one.pem\n"
    "echo nothing >cas/readme\n"
    "echo nothing >empty/readme\n";

static const char *in_root(const char *name)
{
    return arena_printf(memory, "%s/%s", root, name);
}

static void shell(const char *script)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(root) == 0)
            execl("/bin/sh", "sh", "-ec", script, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static struct outcome *get_tls(const char *cert, struct fetch_policy p)
{
    struct server s = serve(in_root(cert), in_root("s.key"), NULL);
    struct outcome *o =
        GET(.policy = p, .urls = {arena_printf(memory, "https://127.0.0.1:%d/t?size=300000", s.port)});
    stop_server(&s);
    return o;
}

static void tls(void **state)
{
    (void)state;
    shell(certificates);
    struct fetch_policy p = {.ca_file = in_root("ca.pem"), .attempts = 2};
    assert_body(get_tls("good.pem", p), 300000, 0);
    assert_body(get_tls("good.pem", (struct fetch_policy){.ca_dir = in_root("cas")}), 300000, 0);

    struct outcome *o = get_tls("good.pem", (struct fetch_policy){0});
    assert_int_equal(o->retries, 0);
    assert_failed(o, ERR_NET, CAUSE_TLS_UNTRUSTED);
    assert_failed(get_tls("name.pem", p), ERR_NET, CAUSE_TLS_UNTRUSTED);
    o = get_tls("old.pem", p);
    assert_non_null(strstr(o->e.text, "expired"));
    assert_failed(o, ERR_NET, CAUSE_TLS_UNTRUSTED);
    o = get_tls("new.pem", p);
    assert_int_equal(o->retries, 1); /* the clock may be set meanwhile */
    assert_failed(o, ERR_NET, CAUSE_CLOCK);

    /* somebody who does not speak TLS */
    assert_failed(GET(.policy = p, .urls = {arena_printf(memory, "https://127.0.0.1:%d/", server.port)}),
                  ERR_NET, CAUSE_TLS);
}

/* Certificates as text, exchanged while the session lives. */
static void roots_as_text(void **state)
{
    (void)state;
    struct err e;
    struct buf pem, got;
    enum fetch_answer answer;
    struct server s = serve(in_root("good.pem"), in_root("s.key"), NULL);
    const char *at = arena_printf(memory, "https://127.0.0.1:%d/t?size=10", s.port);
    buf_init(&pem, 65536);
    buf_init(&got, 100);
    int fd = open(in_root("ca.pem"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && files_read_fd(fd, &pem, &e));
    close(fd);
    struct fetch_policy none = {.attempts = 1}, some = {.attempts = 1, .ca_pem = buf_str(&pem)};
    struct fetch *f = fetch_open(loop, &none, &e);
    assert_non_null(f);
    assert_false(fetch_get(f, at, sink_memory(&got), &answer, NULL, false, &e));
    assert_int_equal(e.cause, CAUSE_TLS_UNTRUSTED);
    assert_true(fetch_renew(f, &some, &e));
    struct sink *to = sink_memory(&got);
    assert_true(fetch_get(f, at, to, &answer, NULL, false, &e));
    assert_true(sink_commit(to, NULL, &e));
    assert_int_equal(got.len, 10);
    assert_true(fetch_renew(f, &none, &e)); /* a connection that is open does not count for it */
    assert_false(fetch_get(f, at, sink_memory(&got), &answer, NULL, false, &e));
    assert_int_equal(e.cause, CAUSE_TLS_UNTRUSTED);
    fetch_free(f);
    buf_release(&pem);
    buf_release(&got);
    stop_server(&s);
}

static void tls_redirects(void **state)
{
    (void)state;
    struct server s = serve(in_root("good.pem"), in_root("s.key"), NULL);
    struct fetch_policy p = {.ca_file = in_root("ca.pem"), .redirects = FETCH_REDIRECT_HTTPS};
    const char *secure = arena_printf(memory, "https://localhost:%d/t%%3Fsize=10", s.port);
    assert_body(GET(.policy = p, .urls = {to("/up", secure)}), 10, 0);
    const char *down =
        arena_printf(memory, "https://localhost:%d/d?status=301&location=%s", s.port, url("/t%3Fsize=10"));
    assert_failed(GET(.policy = p, .urls = {down}), ERR_REFUSED, CAUSE_HTTP_4XX);
    p.redirects = FETCH_REDIRECT_ALL;
    assert_body(GET(.policy = p, .urls = {down}), 10, 0); /* loopback */
    stop_server(&s);
}

static void bad_roots(void **state)
{
    (void)state;
    struct err e;
    struct fetch_policy p = {.ca_file = in_root("missing.pem")};
    assert_null(fetch_open(loop, &p, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    p.ca_file = in_root("empty/readme");
    assert_null(fetch_open(loop, &p, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    p = (struct fetch_policy){.ca_dir = in_root("empty")};
    assert_null(fetch_open(loop, &p, &e));
    assert_int_equal(e.kind, ERR_USAGE);
}

/* --- a stop --------------------------------------------------------------------------------------------- */

/* Last: the loop remembers. */
static void stopped(void **state)
{
    (void)state;
    struct err e;
    struct outcome o = {0}, waiting = {0};
    struct sink_want w = wanted(10000, 0);
    const char *stall[] = {url("/stop?size=10000&etag=%22a%22&stall=5000"), NULL};
    const char *later[] = {url("/stop2?status=503&retry-after=600"), NULL};
    unlinkat(dir, "pkg.download", 0);
    struct sink *s = sink_file(dir, "pkg", &w, &e);
    buf_init(&waiting.body, 100);
    struct fetch *f = open_fetch((struct fetch_policy){0});
    fetch_start(f, &(struct fetch_request){.urls = stall, .to = s, .done = on_done, .ctx = &o});
    fetch_start(f, &(struct fetch_request){.urls = later,
                                           .to = sink_memory(&waiting.body),
                                           .done = on_done,
                                           .retry = on_retry,
                                           .ctx = &waiting});
    while (sink_have(s) < 5000 || waiting.retries == 0)
        loop_turn(loop, 1000);
    loop_stop(loop);
    turn_until(&o.done);
    turn_until(&waiting.done);
    assert_int_equal(o.e.kind, ERR_STOPPED);
    assert_int_equal(waiting.e.kind, ERR_STOPPED);
    assert_int_equal(part_size(), 5000);
    enum fetch_answer answer;
    assert_false(fetch_get(f, url("/g?size=10"), sink_memory(&waiting.body), &answer, NULL, true, &e));
    assert_int_equal(e.kind, ERR_STOPPED);
    fetch_free(f);
    release(&waiting);
}

static int begin(void **state)
{
    (void)state;
    if (mkdtemp(root) == NULL)
        return 1;
    dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memory = arena_open();
    loop = loop_open();
    server = serve(NULL, NULL, in_root("log"));
    return dir < 0;
}

static int finish(void **state)
{
    (void)state;
    stop_server(&server);
    shell("rm -rf -- *");
    close(dir);
    loop_free(loop);
    arena_free(memory);
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_body),
        cmocka_unit_test(request_headers),
        cmocka_unit_test(compression),
        cmocka_unit_test(conditional),
        cmocka_unit_test(cut_and_resumed),
        cmocka_unit_test(far_cuts_are_no_failures),
        cmocka_unit_test(server_errors),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(retry_after_is_waited_for),
        cmocka_unit_test(refusals),
        cmocka_unit_test(proxies),
        cmocka_unit_test(redirect_policies),
        cmocka_unit_test(redirects_and_tries),
        cmocka_unit_test(credentials_stay_at_home),
        cmocka_unit_test(resumed_from_an_earlier_run),
        cmocka_unit_test(part_does_not_fit),
        cmocka_unit_test(part_of_unknown_origin),
        cmocka_unit_test(down_server_costs_no_part),
        cmocka_unit_test(stalls),
        cmocka_unit_test(too_much),
        cmocka_unit_test(cut_without_a_trace),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(mirrors),
        cmocka_unit_test(twenty_at_four),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(begun_by_done),
        cmocka_unit_test(files),
        cmocka_unit_test(simple_get),
        cmocka_unit_test(shown),
        cmocka_unit_test(tls),
        cmocka_unit_test(roots_as_text),
        cmocka_unit_test(tls_redirects),
        cmocka_unit_test(bad_roots),
        cmocka_unit_test(stopped),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
