/* fetch_curl: one request to one server, driven by loop. The one door to libcurl, by way of fetch_library.
 * Part of fetch, which decides.
 *
 * Callbacks sent, line and body come from inside libcurl: they must not ask or hang up. ended and settled
 * come from outside of it and may do anything but free the session. */
#ifndef CORE_FETCH_CURL_H
#define CORE_FETCH_CURL_H
#include "core/fetch.h"

struct fetch_curl; /* connections, TLS sessions, roots */
struct fetch_ask;  /* what to ask, below */
struct fetch_hop;  /* one request on its way */

/* policy is borrowed, its times are set. settled(ctx) is called each time that something has happened. */
struct fetch_curl *fetch_curl_open(struct loop *l, const struct fetch_policy *policy,
                                   void (*settled)(void *ctx), void *ctx, struct err *e);
void fetch_curl_free(struct fetch_curl *h); /* no hop may be on its way */
/* Read the policy's certificates again, for hops that start later. On failure the old ones stay. */
CHECKED bool fetch_curl_take_roots(struct fetch_curl *h, struct err *e);

struct fetch_ask {
    const char *url;
    const char *const *headers; /* NULL at the end; copied */
    bool home;                  /* send the policy's password and certificate too, and */
    bool common;                /* the policy's headers */
    bool compress;
    const void *post; /* borrowed until ended; NULL: GET */
    size_t post_len;
    void (*sent)(void *ctx);                             /* connected, the request goes out */
    bool (*line)(void *ctx, const char *line, size_t n); /* one line of headers; false: stop */
    bool (*body)(void *ctx, const void *p, size_t n);    /* decoded; false: stop */
    /* ok: the response was complete; redirect: where its Location leads, or NULL; not ok: e says why */
    void (*ended)(void *ctx, bool ok, const char *redirect, const struct err *e);
    void *ctx;
};

struct fetch_hop *fetch_curl_start(struct fetch_curl *h, const struct fetch_ask *ask);
void fetch_curl_hang_up(struct fetch_hop *hop); /* NULL is fine; not after ended */

/* Where a URL leads: what must be equal for credentials to go there too. */
struct fetch_place {
    char scheme[8], host[256], port[8];
};

/* Fails with ERR_REFUSED when url is malformed or neither https nor http nor file. */
CHECKED bool fetch_place(const char *url, struct fetch_place *p, struct err *e);
bool fetch_place_same(const struct fetch_place *a, const struct fetch_place *b);
bool fetch_place_loopback(const struct fetch_place *p);
/* The path, percent-decoded, of a file: URL. */
CHECKED bool fetch_place_file(const char *url, char *out, size_t size, struct err *e);
#endif
