/* fetch: the session and its transfers.
 *
 * Invariants. At most `parallel` transfers are RUNNING, taken from the list in the order of their beginning.
 * Every callback of the caller's (but begun) is made from tell(), outside of libcurl and of every walk over
 * the list, so that a caller may begin and cancel transfers from there. A transfer leaves the list before its
 * done is called. One timer serves all deadlines; while there are transfers it comes at least every
 * POLL_STOP_MS, because a stop is not an event of the loop's. */
#include "core/fetch.h"
#include "core/fetch_curl.h"
#include "core/fetch_transfer.h"
#include "core/limits.h"
#include "core/text.h"
#include <assert.h>

#define POLL_STOP_MS 500
#define PROGRESS_MS  100

struct fetch {
    struct loop *loop;
    struct arena *memory;
    struct fetch_policy p;
    struct fetch_curl *curl;
    struct transfer *first, *last;
    uint64_t timer, timer_due;
};

void fetch_show(char *out, size_t size, const char *url)
{
    const char *rest = strstr(url, "://");
    rest = rest != NULL ? rest + 3 : url;
    size_t authority = strcspn(rest, "/?#"), scheme = (size_t)(rest - url);
    const char *host = rest;
    for (size_t i = 0; i < authority; i++)
        if (rest[i] == '@')
            host = rest + i + 1;
    size_t len = (size_t)(rest + authority - host) + strcspn(rest + authority, "?#");
    char plain[ERR_TEXT_MAX];
    snprintf(plain, sizeof plain, "%.*s%.*s", (int)(scheme < 16 ? scheme : 16), url,
             (int)(len < sizeof plain ? len : sizeof plain), host);
    text_printable_into(out, size, plain, strlen(plain));
}

/* --- work ----------------------------------------------------------------------------------------------- */

static void unlink_transfer(struct transfer *t)
{
    struct fetch *f = t->f;
    *(t->prev != NULL ? &t->prev->next : &f->first) = t->next;
    *(t->next != NULL ? &t->next->prev : &f->last) = t->prev;
}

static void advance(struct fetch *f)
{
    uint64_t now = loop_now(f->loop);
    bool stop = loop_stops(f->loop, NULL) > 0;
    struct err stopped;
    unsigned running = 0;
    for (struct transfer *t = f->first; t != NULL; t = t->next) {
        if (stop && t->state != ENDED) {
            err_set(&stopped, ERR_STOPPED, CAUSE_STOPPED, "stopped");
            fetch_transfer_failed(t, &stopped);
        } else if (t->state == WAITING && t->due <= now) {
            t->state = QUEUED;
        } else if (t->state == RUNNING && t->due <= now) {
            fetch_transfer_due(t);
        }
        running += t->state == RUNNING;
    }
    for (struct transfer *t = f->first; t != NULL && running < f->p.parallel; t = t->next) {
        if (t->state != QUEUED)
            continue;
        while (t->state == QUEUED) /* again when a mirror is refused at once */
            fetch_transfer_try(t);
        running += t->state == RUNNING;
    }
}

/* Make one callback of the caller's that is due; it may change the list. False: there is none. */
static bool tell(struct fetch *f)
{
    uint64_t now = loop_now(f->loop);
    for (struct transfer *t = f->first; t != NULL; t = t->next) {
        if (t->state == ENDED) {
            unlink_transfer(t);
            if (!t->ok)
                sink_abort(t->r.to);
            t->r.done(t->r.ctx, t->ok, t->answer, &t->v, t->ok ? NULL : &t->fault);
            arena_free(t->memory);
            return true;
        }
        if (t->tell_retry) {
            t->tell_retry = false;
            if (t->r.retry != NULL) {
                t->r.retry(t->r.ctx, t->attempt, t->wait_ms, &t->fault);
                return true;
            }
        }
        uint64_t have = sink_have(t->r.to);
        if (t->r.progress != NULL && t->state == RUNNING && have != t->told &&
            now - t->told_at >= PROGRESS_MS) {
            t->told = have;
            t->told_at = now;
            t->r.progress(t->r.ctx, have, t->total);
            return true;
        }
    }
    return false;
}

static void work(void *ctx);

static void on_timer(void *ctx)
{
    struct fetch *f = ctx;
    f->timer = 0;
    work(f);
}

/* Have work() called by the loop at due at the latest. */
static void arm(struct fetch *f, uint64_t due)
{
    uint64_t now = loop_now(f->loop);
    if (f->timer != 0 && f->timer_due <= due)
        return;
    loop_cancel(f->loop, f->timer);
    f->timer_due = due;
    f->timer = loop_after(f->loop, due > now ? due - now : 0, on_timer, f);
}

static void work(void *ctx)
{
    struct fetch *f = ctx;
    do
        advance(f);
    while (tell(f));
    if (f->first == NULL)
        return;
    uint64_t due = loop_now(f->loop) + POLL_STOP_MS;
    for (const struct transfer *t = f->first; t != NULL; t = t->next)
        if (t->state != QUEUED && t->due < due)
            due = t->due;
    arm(f, due);
}

/* --- the interface -------------------------------------------------------------------------------------- */

static const char *copy(struct arena *a, const char *s)
{
    return s != NULL ? arena_strdup(a, s) : NULL;
}

static const char *const *copy_list(struct arena *a, const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    const char **all = arena_array(a, n + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = arena_strdup(a, list[i]);
    return all;
}

void fetch_settled(struct fetch *f)
{
    arm(f, loop_now(f->loop));
}

static void take_changing(struct fetch *f, const struct fetch_policy *from)
{
    f->p.proxy = copy(f->memory, from->proxy);
    f->p.proxy_http = copy(f->memory, from->proxy_http);
    f->p.no_proxy = copy(f->memory, from->no_proxy);
    f->p.client_cert = copy(f->memory, from->client_cert);
    f->p.client_key = copy(f->memory, from->client_key);
}

bool fetch_renew(struct fetch *f, const struct fetch_policy *from, struct err *e)
{
    const char *had = f->p.ca_pem;
    take_changing(f, from);
    if ((had != NULL ? strcmp(had, from->ca_pem != NULL ? from->ca_pem : "") == 0 : from->ca_pem == NULL))
        return true;
    f->p.ca_pem = copy(f->memory, from->ca_pem);
    if (fetch_curl_take_roots(f->curl, e))
        return true;
    f->p.ca_pem = had;
    return false;
}

struct fetch *fetch_open(struct loop *l, const struct fetch_policy *policy, struct err *e)
{
    struct arena *a = arena_open();
    struct fetch *f = arena_alloc(a, sizeof *f);
    *f = (struct fetch){.loop = l, .memory = a, .p = *policy};
    f->p.user_agent = copy(a, policy->user_agent);
    f->p.userpwd = copy(a, policy->userpwd);
    f->p.ca_file = copy(a, policy->ca_file);
    f->p.ca_dir = copy(a, policy->ca_dir);
    f->p.ca_pem = copy(a, policy->ca_pem);
    take_changing(f, policy);
    f->p.connect_ms = policy->connect_ms != 0 ? policy->connect_ms : 15000;
    f->p.first_byte_ms = policy->first_byte_ms != 0 ? policy->first_byte_ms : 60000;
    f->p.stall_ms = policy->stall_ms != 0 ? policy->stall_ms : 60000;
    f->p.attempts = policy->attempts != 0 ? policy->attempts : 3;
    f->p.backoff_ms = policy->backoff_ms != 0 ? policy->backoff_ms : 1000;
    f->p.parallel = policy->parallel != 0 ? policy->parallel : 4;
    f->curl = fetch_curl_open(l, &f->p, work, f, e);
    f->p.headers =
        policy->rewriter != NULL ? copy_list(a, policy->headers) : NULL; /* the session has its own */
    if (f->curl != NULL)
        return f;
    arena_free(a);
    return NULL;
}

void fetch_free(struct fetch *f)
{
    if (f == NULL)
        return;
    while (f->first != NULL)
        fetch_cancel(f->first);
    fetch_curl_free(f->curl);
    loop_cancel(f->loop, f->timer);
    arena_free(f->memory);
}

struct transfer *fetch_start(struct fetch *f, const struct fetch_request *r)
{
    struct arena *a = arena_open();
    struct transfer *t = arena_alloc(a, sizeof *t);
    assert(r->urls[0] != NULL);
    const char *const *urls = copy_list(a, r->urls);
    *t = (struct transfer){
        .f = f, .prev = f->last, .memory = a, .r = *r, .at = urls[0], .total = -1, .file.fd = -1};
    t->loop = f->loop;
    t->p = &f->p;
    t->curl = f->curl;
    t->r.urls = urls;
    t->r.headers = copy_list(a, r->headers);
    t->r.have = NULL;
    t->v.length = -1;
    t->farthest = t->told = sink_have(r->to);
    if (!fetch_place(r->home != NULL ? r->home : urls[0], &t->home, NULL))
        t->home = (struct fetch_place){.scheme = "none"}; /* and so no URL's */
    if (r->have != NULL && sink_have(r->to) > 0) {
        t->v = *r->have;
    } else if (r->have != NULL) {
        t->copy = *r->have;
        t->has_copy = t->copy.etag[0] != '\0' || t->copy.last_modified[0] != '\0';
    }
    *(f->last != NULL ? &f->last->next : &f->first) = t;
    f->last = t;
    arm(f, loop_now(f->loop));
    return t;
}

void fetch_cancel(struct transfer *t)
{
    struct fetch *f = t->f;
    fetch_transfer_hang_up(t);
    unlink_transfer(t);
    sink_abort(t->r.to);
    arena_free(t->memory);
    arm(f, loop_now(f->loop)); /* its place is free */
}

struct waiter {
    bool done, ok;
    enum fetch_answer answer;
    struct fetch_validator v;
    struct err e;
};

static void on_done(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                    const struct err *e)
{
    struct waiter *w = ctx;
    w->done = true;
    w->ok = ok;
    w->answer = answer;
    w->v = *v;
    if (!ok)
        w->e = *e;
}

bool fetch_get(struct fetch *f, const char *url, struct sink *to, enum fetch_answer *answer,
               struct fetch_validator *v, bool proved, struct err *e)
{
    struct waiter w = {0};
    const char *const urls[] = {url, NULL};
    fetch_start(f, &(struct fetch_request){.urls = urls,
                                           .to = to,
                                           .have = v,
                                           .proved = proved,
                                           .compress = !proved,
                                           .done = on_done,
                                           .ctx = &w});
    while (!w.done)
        loop_turn(f->loop, POLL_STOP_MS);
    if (!w.ok) {
        if (e != NULL)
            *e = w.e;
        return false;
    }
    *answer = w.answer;
    if (v != NULL)
        *v = w.v;
    return true;
}

bool fetch_post(struct fetch *f, const char *url, const char *const *headers, const void *body, size_t n,
                struct err *e)
{
    struct waiter w = {0};
    struct buf unread;
    const char *const urls[] = {url, NULL};
    buf_init(&unread, 1);
    struct sink *to = sink_memory(&unread);
    fetch_start(f, &(struct fetch_request){.urls = urls,
                                           .to = to,
                                           .headers = headers,
                                           .post = n > 0 ? body : "",
                                           .post_len = n,
                                           .done = on_done,
                                           .ctx = &w});
    while (!w.done)
        loop_turn(f->loop, POLL_STOP_MS);
    if (w.ok)
        sink_abort(to);
    else if (e != NULL)
        *e = w.e;
    buf_release(&unread);
    return w.ok;
}
