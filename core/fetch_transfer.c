/* fetch_transfer: invariants.
 *
 * What arrives is only noted inside libcurl; what it leads to is decided when the hop has ended, outside of
 * it.
 *
 * Redirects are followed here, hop by hop, because libcurl would send our headers along and knows nothing of
 * which scheme a caller can accept. Credentials go to the origin of the request's first URL and to no other:
 * mirrors and redirect targets get none. Deadlines are ours too: to libcurl a stalled connection is no error.
 * The part in the sink is only given up when another body begins: a server that is down costs nothing. */
#include "core/fetch_transfer.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include <assert.h>

#define DISCARD_MAX    (256 * LIMIT_KB) /* of a body nobody wants; beyond, the connection is not worth it */
#define PROGRESS_BYTES (1 * LIMIT_KB)   /* in stall_ms; less is a stall */
#define ADVANCE_BYTES  (1 * LIMIT_MB)   /* a try that got this much further starts the counting anew */
#define BACKOFF_MAX_MS ((uint64_t)60000)

/* --- the end of a hop, of a try, of a transfer ---------------------------------------------------------- */

void fetch_transfer_hang_up(struct transfer *t)
{
    fetch_local_close(&t->file);
    fetch_curl_hang_up(t->hop);
    t->hop = NULL;
    if (t->job != NULL)
        t->p->rewriter->cancel(t->job);
    t->job = NULL;
}

static void end(struct transfer *t, bool ok, enum fetch_answer answer)
{
    fetch_transfer_hang_up(t);
    t->state = ENDED;
    t->ok = ok;
    t->answer = answer;
    t->tell_retry = false;
}

static void unchanged(struct transfer *t)
{
    t->v = t->copy;
    bool ok = sink_have(t->r.to) == 0 || sink_restart(t->r.to, &t->fault);
    end(t, ok, FETCH_UNCHANGED);
}

/* Of several mirrors' errors the one that leaves most hope, else the gravest, is the transfer's. */
static int weight(const struct err *e)
{
    switch (e->kind) {
    case ERR_NET:
        return 4;
    case ERR_TRUST:
        return 3;
    case ERR_NOT_FOUND:
        return 1;
    case ERR_NONE:
        return 0;
    default:
        return 2;
    }
}

static bool is_final(const struct err *e)
{
    return e->kind == ERR_STOPPED || e->kind == ERR_SYS || e->kind == ERR_SPACE || e->kind == ERR_INTERNAL;
}

static bool worth_a_try(const struct err *e)
{
    return e->kind == ERR_NET && e->cause != CAUSE_TLS_UNTRUSTED && e->cause != CAUSE_CAPTIVE;
}

/* Full jitter: anything from nothing to a bound that doubles with each failure. */
static uint64_t backoff(const struct transfer *t)
{
    uint64_t bound = t->p->backoff_ms, random = 0;
    for (unsigned i = 1; i < t->attempt && bound < BACKOFF_MAX_MS; i++)
        bound *= 2;
    os_random(&random, sizeof random);
    return random % ((bound < BACKOFF_MAX_MS ? bound : BACKOFF_MAX_MS) + 1);
}

/* This try failed with why: another one, the next mirror, or the end. */
void fetch_transfer_failed(struct transfer *t, const struct err *why)
{
    char shown[256];
    uint64_t have = sink_have(t->r.to);
    fetch_transfer_hang_up(t);
    fetch_show(shown, sizeof shown, t->at);
    t->fault = *why;
    if (loop_stops(t->loop, NULL) > 0)
        err_set(&t->fault, ERR_STOPPED, CAUSE_STOPPED, "stopped");
    err_wrap(&t->fault, "%s %s", t->r.post != NULL ? "POST" : "GET", shown);
    if (is_final(&t->fault)) {
        end(t, false, FETCH_BODY);
        return;
    }
    if (have >= t->farthest + ADVANCE_BYTES) {
        t->farthest = have;
        t->attempt = 1;
    }
    if (worth_a_try(&t->fault) && t->attempt < (t->r.attempts != 0 ? t->r.attempts : t->p->attempts)) {
        time_t wall = 0;
        int ms = 0;
        os_realtime(&wall, &ms);
        t->wait_ms = fetch_reply_wait_ms(&t->reply, wall) + (t->r.pause_ms != 0 ? t->r.pause_ms : backoff(t));
        t->due = loop_now(t->loop) + t->wait_ms;
        t->state = WAITING;
        t->tell_retry = true;
        return;
    }
    if (weight(&t->fault) > weight(&t->worst))
        t->worst = t->fault;
    if (t->r.urls[t->url + 1] == NULL) {
        t->fault = t->worst;
        end(t, false, FETCH_BODY);
        return;
    }
    t->url++;
    t->attempt = 0;
    t->state = QUEUED;
}

/* --- what arrives (inside libcurl: only noted) ---------------------------------------------------------- */

/* Progress was made: the deadline moves. */
static void mark(struct transfer *t, uint64_t limit_ms)
{
    t->due = loop_now(t->loop) + limit_ms;
    t->marked = sink_have(t->r.to) + t->discarded;
}

static bool cut(struct transfer *t)
{
    t->faulted = true;
    return false;
}

/* A whole body begins: whatever the sink holds is of no use. */
static bool begin_body(struct transfer *t)
{
    if (!sink_restart(t->r.to, &t->fault)) /* also an empty one: it may have refused the last body */
        return cut(t);
    t->total = t->v.length;
    if (t->r.begun != NULL)
        t->r.begun(t->r.ctx, &t->v);
    return true;
}

static void on_sent(void *ctx)
{
    struct transfer *t = ctx;
    t->connected = true;
    mark(t, t->p->first_byte_ms);
}

static bool on_line(void *ctx, const char *line, size_t n)
{
    struct transfer *t = ctx;
    if (!fetch_reply_line(&t->reply, line, n, &t->fault))
        return cut(t);
    if (t->judged || !t->reply.complete)
        return true;
    t->judged = true;
    t->verdict = fetch_reply_judge(&t->reply, &t->asked, &t->fault);
    if (t->r.post != NULL && t->reply.status >= 200 && t->reply.status <= 299)
        t->verdict = REPLY_WHOLE; /* what it says of our words is of no interest */
    mark(t, t->p->stall_ms);
    if (t->verdict == REPLY_BODY) {
        t->v = t->reply.v;
        if (t->reply.encoding[0] != '\0')
            t->v.length = -1;
        return begin_body(t);
    }
    if (t->verdict == REPLY_REST)
        t->total = t->v.length = t->reply.last + 1;
    return true;
}

static bool on_body(void *ctx, const void *p, size_t n)
{
    struct transfer *t = ctx;
    if (t->verdict == REPLY_BODY || t->verdict == REPLY_REST) {
        if (!sink_write(t->r.to, p, n, &t->fault)) {
            t->v = (struct fetch_validator){.length = -1}; /* nothing to build upon */
            return cut(t);
        }
    } else {
        t->discarded += n;
        if (t->discarded > DISCARD_MAX)
            return false;
    }
    if (sink_have(t->r.to) + t->discarded >= t->marked + PROGRESS_BYTES)
        mark(t, t->p->stall_ms);
    return true;
}

/* --- asking --------------------------------------------------------------------------------------------- */

static bool may_ask(const struct transfer *t, const struct fetch_place *p, struct err *e)
{
    if (strcmp(p->scheme, "http") == 0 && !t->p->allow_http && !t->r.proved && !fetch_place_loopback(p))
        return err_set(e, ERR_TRUST, CAUSE_NONE, "plain http is not acceptable for what no hash proves");
    return true;
}

/* The rest of the part, or the whole unless it is still what the copy is. */
static void set_headers(struct transfer *t, struct fetch_ask *ask)
{
    enum { OWN = 5 };
    size_t n = 0, more = 0;
    const char *const *lists[] = {t->rewritten, t->r.headers};
    uint64_t have = sink_have(t->r.to);
    const char *proof = fetch_reply_if_range(&t->v);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; lists[l] != NULL && lists[l][i] != NULL; i++)
            more++;
    const char **headers = arena_array(t->memory, more + OWN + 1, sizeof *headers);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; lists[l] != NULL && lists[l][i] != NULL; i++)
            headers[n++] = lists[l][i];
    ask->headers = headers;
    t->asked = (struct fetch_asked){.have = &t->v, .compress = t->r.compress};
    if (have > 0 && !t->whole && !t->r.compress && proof != NULL) {
        t->asked.from = have;
        headers[n++] = arena_printf(t->memory, "Range: bytes=%llu-", (unsigned long long)have);
        headers[n++] = arena_printf(t->memory, "If-Range: %s", proof);
    } else if (t->has_copy) {
        t->asked.have = &t->copy;
        t->asked.conditional = true;
        if (t->copy.etag[0] != '\0')
            headers[n++] = arena_printf(t->memory, "If-None-Match: %s", t->copy.etag);
        if (t->copy.last_modified[0] != '\0')
            headers[n++] = arena_printf(t->memory, "If-Modified-Since: %s", t->copy.last_modified);
    }
    if (!t->r.compress)
        headers[n++] = "Accept-Encoding: identity";
    if (t->r.post != NULL)
        headers[n++] = "Expect:"; /* libcurl would wait for leave before a long body */
    assert(n <= more + OWN);
}

static void on_ended(void *ctx, bool ok, const char *redirect, const struct err *e);

static void ask_server(struct transfer *t)
{
    struct fetch_ask ask = {.url = t->at,
                            .home = fetch_place_same(&t->place, &t->home),
                            .compress = t->r.compress,
                            .post = t->r.post,
                            .post_len = t->r.post_len,
                            .sent = on_sent,
                            .line = on_line,
                            .body = on_body,
                            .ended = on_ended,
                            .ctx = t};
    ask.common = ask.home && t->rewritten == NULL;
    set_headers(t, &ask);
    mark(t, (uint64_t)t->p->connect_ms + t->p->first_byte_ms);
    t->hop = fetch_curl_start(t->curl, &ask);
}

static bool ask_disk(struct transfer *t, struct err *e)
{
    char path[LIMIT_PATH + 1];
    struct fetch_validator v;
    if (!fetch_place_file(t->at, path, sizeof path, e) || !fetch_local_open(&t->file, path, &v, e))
        return false;
    if (t->has_copy && strcmp(v.etag, t->copy.etag) == 0) {
        unchanged(t);
        return true;
    }
    bool rest = strcmp(v.etag, t->v.etag) == 0 && sink_have(t->r.to) <= t->file.size;
    t->v = v;
    t->total = v.length;
    t->verdict = REPLY_BODY;
    t->due = loop_now(t->loop);
    if (rest)
        t->file.at = sink_have(t->r.to);
    else if (!begin_body(t)) {
        *e = t->fault;
        return false;
    }
    return true;
}

/* The rewriter has answered: the request goes out as it says. */
static void on_rewritten(void *ctx, const char *url, const char *const *headers, const struct err *why)
{
    struct transfer *t = ctx;
    struct err e;
    size_t n = 0;
    t->job = NULL;
    if (why != NULL) {
        fetch_transfer_failed(t, why);
    } else {
        while (headers[n] != NULL)
            n++;
        const char **copy = arena_array(t->memory, n + 1, sizeof *copy);
        for (size_t i = 0; i < n; i++)
            copy[i] = arena_strdup(t->memory, headers[i]);
        t->rewritten = copy;
        t->at = arena_strdup(t->memory, url);
        if (!fetch_place(t->at, &t->place, &e) || !may_ask(t, &t->place, &e))
            fetch_transfer_failed(t, &e);
        else if (strcmp(t->place.scheme, "file") == 0)
            fetch_transfer_failed(t, (err_set(&e, ERR_REFUSED, CAUSE_SCRIPT, "rewritten to a file"), &e));
        else
            ask_server(t);
    }
    fetch_settled(t->f);
}

static void ask_rewriter(struct transfer *t)
{
    static const char *const none[] = {NULL};
    bool home = fetch_place_same(&t->place, &t->home);
    t->due = UINT64_MAX; /* its time is the rewriter's affair */
    t->job = t->p->rewriter->begin(t->p->rewriter->ctx, t->at, home && t->p->headers ? t->p->headers : none,
                                   on_rewritten, t);
}

/* Ask t->at. */
static void hop(struct transfer *t)
{
    struct err e;
    fetch_transfer_hang_up(t);
    fetch_reply_clear(&t->reply);
    t->connected = t->judged = t->faulted = false;
    t->verdict = REPLY_FAULT;
    t->discarded = 0;
    t->total = -1;
    t->state = RUNNING;
    bool ok = fetch_place(t->at, &t->place, &e) && may_ask(t, &t->place, &e);
    t->rewritten = NULL;
    if (ok && strcmp(t->place.scheme, "file") == 0)
        ok = t->r.post == NULL ? ask_disk(t, &e)
                               : err_set(&e, ERR_REFUSED, CAUSE_NONE, "nothing can be posted to a file");
    else if (ok && t->p->rewriter != NULL && t->hops == 0)
        ask_rewriter(t);
    else if (ok)
        ask_server(t);
    if (!ok)
        fetch_transfer_failed(t, &e);
}

void fetch_transfer_try(struct transfer *t)
{
    t->attempt++;
    t->hops = 0;
    t->whole = false;
    t->at = t->r.urls[t->url];
    hop(t);
}

/* --- what came of it ------------------------------------------------------------------------------------ */

/* May this redirect be followed? Then t->at is its target. */
static bool redirect(struct transfer *t, const char *to, struct err *e)
{
    struct fetch_place p = {.scheme = ""};
    struct err malformed;
    char shown[256];
    bool web = to != NULL && fetch_place(to, &p, &malformed) && strcmp(p.scheme, "file") != 0;
    bool tls = strcmp(p.scheme, "https") == 0;
    fetch_show(shown, sizeof shown, to != NULL ? to : "nowhere");
    if (t->r.post != NULL) {
        err_set(e, ERR_REFUSED, CAUSE_HTTP_4XX, "redirect to %s is not followed with a report", shown);
    } else if (!web) {
        err_set(e, ERR_REFUSED, CAUSE_HTTP_4XX, "redirect to %s, which is no web server's", shown);
    } else if (t->p->redirects == FETCH_REDIRECT_NONE || (t->p->redirects == FETCH_REDIRECT_HTTPS && !tls)) {
        /* only what is asked in the clear can be answered by somebody in between */
        bool captive = strcmp(t->place.scheme, "http") == 0 && !tls && strcmp(p.host, t->place.host) != 0;
        err_set(e, captive ? ERR_NET : ERR_REFUSED, captive ? CAUSE_CAPTIVE : CAUSE_HTTP_4XX,
                "redirect to %s is not allowed", shown);
    } else if (!may_ask(t, &p, e)) {
        err_wrap(e, "redirect to %s", shown);
    } else if (++t->hops > LIMIT_REDIRECTS) {
        err_set(e, ERR_REFUSED, CAUSE_LIMIT, "more than %d redirects", LIMIT_REDIRECTS);
    } else {
        t->at = arena_strdup(t->memory, to);
        return true;
    }
    err_wrap(e, "HTTP %d", t->reply.status);
    e->code = t->reply.status;
    return false;
}

static void on_ended(void *ctx, bool ok, const char *to, const struct err *why)
{
    struct transfer *t = ctx;
    struct err e = t->fault;
    char shown[256];
    t->hop = NULL;
    fetch_show(shown, sizeof shown, t->at);
    log_debug("%s %s: HTTP %d, from byte %llu", t->r.post != NULL ? "POST" : "GET", shown, t->reply.status,
              (unsigned long long)t->asked.from);
    if (t->faulted) {
        fetch_transfer_failed(t, &e);
        return;
    }
    if (!t->judged || t->verdict == REPLY_BODY || t->verdict == REPLY_REST) {
        if (!ok)
            fetch_transfer_failed(t, why);
        else
            end(t, true, FETCH_BODY);
        return;
    }
    switch (t->verdict) {
    case REPLY_WHOLE:
        end(t, true, FETCH_BODY);
        return;
    case REPLY_UNCHANGED:
        unchanged(t);
        return;
    case REPLY_RESTART:
        t->whole = true;
        hop(t);
        return;
    case REPLY_REDIRECT:
        if (redirect(t, to, &e))
            hop(t);
        else
            fetch_transfer_failed(t, &e);
        return;
    default:
        fetch_transfer_failed(t, &e);
        return;
    }
}

static void overdue(struct transfer *t)
{
    struct err e;
    if (!t->connected)
        err_set(&e, ERR_NET, CAUSE_TCP, "connection: none in time");
    else if (!t->judged)
        err_set(&e, ERR_NET, CAUSE_STALL, "no answer for %u ms", t->p->first_byte_ms);
    else
        err_set(&e, ERR_NET, CAUSE_STALL, "stalled at %llu bytes for %u ms",
                (unsigned long long)sink_have(t->r.to), t->p->stall_ms);
    fetch_transfer_failed(t, &e);
}

static void copy_slice(struct transfer *t)
{
    struct err e;
    bool more = false;
    if (!fetch_local_copy(&t->file, t->r.to, &more, &e)) {
        t->v = (struct fetch_validator){.length = -1};
        fetch_transfer_failed(t, &e);
    } else if (more) {
        t->due = loop_now(t->loop);
    } else {
        end(t, true, FETCH_BODY);
    }
}

void fetch_transfer_due(struct transfer *t)
{
    if (t->file.fd >= 0)
        copy_slice(t);
    else
        overdue(t);
}
