/* fetch: bring URLs into sinks, or say why not. Retries, resume and mirrors are its own affair.
 *
 * The one door to libcurl. https, http and file. Several transfers run at once on one session; HTTP/2 where
 * the server has it; plists may be compressed on the way, packages never. */
#ifndef CORE_FETCH_H
#define CORE_FETCH_H
#include "core/arena.h"
#include "core/loop.h"
#include "core/sink.h"

enum fetch_redirects { FETCH_REDIRECT_NONE, FETCH_REDIRECT_HTTPS, FETCH_REDIRECT_ALL };

struct fetch_policy {
    const char *user_agent;
    const char *const *headers; /* "Name: value", NULL at the end; sent to the repository's own host only */
    const char *userpwd;        /* basic auth, or NULL */
    enum fetch_redirects redirects;
    const char *ca_file, *ca_dir;         /* besides the system's roots, or NULL */
    const char *ca_pem;                   /* the same as PEM text, or NULL */
    const char *client_cert, *client_key; /* PEM, or NULL */
    const char *proxy;                    /* URL, "" for none at all, NULL: the environment's */
    const char *proxy_http;               /* the same for http: URLs; NULL: proxy */
    const char *no_proxy; /* hosts, .suffixes and networks reached directly, by commas; NULL: none */
    bool allow_http;      /* may plain http be used for what is not proved by a hash? */
    unsigned connect_ms, first_byte_ms, stall_ms; /* 0: defaults 15 s, 60 s, 60 s */
    unsigned attempts;                            /* per URL, 0: 3 */
    uint64_t backoff_ms; /* first full-jitter bound, 0: 1000; doubled each time, at most 60 s */
    unsigned parallel;   /* transfers at once, 0: 4 */
    const struct fetch_rewriter *rewriter; /* borrowed, must outlive the session; or NULL */
};

/* Somebody who says, for each request of a web server, which URL is asked with which headers instead (signed
 * URLs of object stores). Redirects are not asked about. */
struct fetch_rewriter {
    /* headers: the policy's, where they would be sent; never NULL. Calls done once, later (from the loop, not
     * from within begin) and outside of fetch: url and headers, or e, are borrowed for the call. The headers
     * go to url's origin alone. Returns the job. */
    void *(*begin)(void *ctx, const char *url, const char *const *headers,
                   void (*done)(void *done_ctx, const char *url, const char *const *headers,
                                const struct err *e),
                   void *done_ctx);
    void (*cancel)(void *job); /* done will not be called */
    void *ctx;
};

struct fetch; /* an HTTP session: connections, credentials, policy */
struct fetch *fetch_open(struct loop *l, const struct fetch_policy *policy,
                         struct err *e); /* copies policy */
void fetch_free(struct fetch *f); /* cancels what is still running (aborts sinks). Not from a callback */

enum fetch_answer { FETCH_BODY, FETCH_UNCHANGED };

/* What a server said of a body, kept beside the file for the next time. "" where unknown. */
struct fetch_validator {
    char etag[256];
    char last_modified[64];
    int64_t length; /* of the whole body, or -1 */
};

struct fetch_request {
    const char *const *urls; /* tried in order (mirrors), NULL at the end */
    const char *home; /* a URL whose host alone gets headers, password and certificate; NULL: the first's */
    struct sink *to;
    /* validator of the copy we have (conditional request), or of the part kept in the sink (resume with
     * If-Range), or NULL */
    const struct fetch_validator *have;
    bool proved;                /* its bytes are proved by a hash: plain http is acceptable */
    unsigned attempts;          /* per URL, … */
    uint64_t pause_ms;          /* … and the pause before each further one; 0: as the policy says */
    bool compress;              /* ask for Content-Encoding: only where no hash of the file is known */
    const char *const *headers; /* beside the policy's, copied; or NULL */
    const void *post;           /* what to POST, borrowed until the end; NULL: GET */
    size_t post_len;
    /* called before the first byte of a body reaches to from zero on: what to keep beside the part, so that a
     * later run can resume it. Must not call fetch. May be NULL */
    void (*begun)(void *ctx, const struct fetch_validator *v);
    /* called when bytes arrived: have of total (total -1 unknown), at most ten times a second; may be NULL */
    void (*progress)(void *ctx, uint64_t have, int64_t total);
    /* called once at the end; ok: answer and validator hold, sink is filled, not committed: commit or abort
     * is done's duty (UNCHANGED: the sink is empty, abort it). Not ok: e says why and the sink was aborted; v
     * speaks of the part that it may have kept. The handle is gone when done is called. */
    void (*done)(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                 const struct err *e);
    /* called when a try failed and another follows in wait_ms; may be NULL */
    void (*retry)(void *ctx, unsigned attempt, uint64_t wait_ms, const struct err *why);
    void *ctx;
};

/* Begin; copies urls and validator. Transfers start in the order of their beginning. Returns a handle. */
struct transfer;
struct transfer *fetch_start(struct fetch *f, const struct fetch_request *r);
void fetch_cancel(struct transfer *t); /* aborts the sink; done is not called */

/* GET one URL and wait, turning the loop. Fails with ERR_NOT_FOUND (404, 410), ERR_REFUSED (other 4xx; code
 * is the status), ERR_NET (worth another run), ERR_TRUST (plain http), ERR_STOPPED, or whatever to failed
 * with. On success to is filled and not committed: keeping the bytes is the caller's decision. On failure
 * it was aborted. v may be NULL; it is read (conditional) and written. */
CHECKED bool fetch_get(struct fetch *f, const char *url, struct sink *to, enum fetch_answer *answer,
                       struct fetch_validator *v, bool proved, struct err *e);

/* POST body to one URL, with headers beside the policy's, and wait, turning the loop. The answer's body is
 * not read; redirects are not followed. Any status of 200 to 299 is success; else as fetch_get. */
CHECKED bool fetch_post(struct fetch *f, const char *url, const char *const *headers, const void *body,
                        size_t n, struct err *e);

/* From the next request on use these proxies, this client certificate and this ca_pem (network settings
 * change, and certificates arrive, while we wait). Certificates that cannot be read leave the old ones: *e.
 */
CHECKED bool fetch_renew(struct fetch *f, const struct fetch_policy *from, struct err *e);

/* "https://host/path" without credentials and query, for messages. */
void fetch_show(char *out, size_t size, const char *url);
#endif
