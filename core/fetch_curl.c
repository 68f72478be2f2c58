/* fetch_curl: libcurl's multi interface.
 *
 * Surprises of libcurl: it takes a body without Content-Length that was cut for a whole one (size and hash
 * decide), and one longer than Content-Length for a good one (the rest is dropped); closing a handle that
 * still resolves a name waits for the resolver unless QUICK_EXIT is set; it keeps parsed roots between
 * connections only when they come from a file and no directory is set; TLS sessions are shared between
 * handles only by a share object; it hands a body out in pieces of 16 KiB whatever the size of its buffer. */
#include "core/fetch_curl.h"
#include "core/fetch_library.h"
#include "core/fetch_roots.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <strings.h>

#define BUFFER_BYTES (512L * 1024)
#define CLOCK_FLOOR  ((time_t)1735689600) /* 2025: this program is younger */

struct fetch_curl {
    struct loop *loop;
    const struct fetch_policy *policy;
    const char *bundle;        /* the system's roots: a file, when the first request is made, or */
    struct buf roots;          /* its bytes and those of the given ones */
    struct curl_slist *common; /* the policy's headers */
    CURLM *multi;              /* NULL: no request was made yet */
    CURLSH *share;
    uint64_t timer;
    void (*settled)(void *ctx);
    void *ctx;
};

struct fetch_hop {
    struct fetch_curl *h;
    struct fetch_ask ask;
    struct fetch_place place;
    CURL *easy;
    struct curl_slist *headers;
    char text[CURL_ERROR_SIZE];
};

/* --- URLs ----------------------------------------------------------------------------------------------- */

static void take(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *s = NULL;
    out[0] = '\0';
    if (fetch_library()->url_get(u, part, &s, flags) == CURLUE_OK && strlen(s) < size)
        snprintf(out, size, "%s", s);
    fetch_library()->free(s);
}

/* The path of a file: URL that is written so plainly that libcurl would find the same in it, or NULL. */
static const char *plain_path(const char *url)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    const char *path = text_starts(url, "file:///") ? url + strlen("file://") : NULL;
    if (path == NULL || path[strspn(path, plain)] != '\0' || strstr(path, "/.") != NULL ||
        strstr(path, "//") != NULL)
        return NULL;
    return path;
}

bool fetch_place(const char *url, struct fetch_place *p, struct err *e)
{
    if (plain_path(url) != NULL) {
        *p = (struct fetch_place){.scheme = "file"};
        return true;
    }
    CURLU *u = fetch_library()->url();
    CURLUcode code = fetch_library()->url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    *p = (struct fetch_place){.scheme = ""};
    if (code == CURLUE_OK) {
        take(u, CURLUPART_SCHEME, 0, p->scheme, sizeof p->scheme);
        take(u, CURLUPART_HOST, 0, p->host, sizeof p->host);
        take(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, p->port, sizeof p->port);
    }
    fetch_library()->url_cleanup(u);
    if (code != CURLUE_OK)
        return err_set(e, ERR_REFUSED, CAUSE_FORMAT, "malformed URL: %s",
                       fetch_library()->url_strerror(code));
    /* libcurl writes schemes in lower case */
    bool web = strcmp(p->scheme, "https") == 0 || strcmp(p->scheme, "http") == 0;
    if (web && p->host[0] == '\0')
        return err_set(e, ERR_REFUSED, CAUSE_FORMAT, "URL without a usable host");
    if (!web && strcmp(p->scheme, "file") != 0)
        return err_set(e, ERR_REFUSED, CAUSE_FORMAT, "only https, http and file are spoken here");
    return true;
}

bool fetch_place_same(const struct fetch_place *a, const struct fetch_place *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
           strcmp(a->port, b->port) == 0;
}

bool fetch_place_loopback(const struct fetch_place *p)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, p->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcasecmp(p->host, "localhost") == 0 || strcmp(p->host, "[::1]") == 0;
}

bool fetch_place_file(const char *url, char *out, size_t size, struct err *e)
{
    const char *plain = plain_path(url);
    if (plain != NULL && strlen(plain) < size) {
        snprintf(out, size, "%s", plain);
        return true;
    }
    CURLU *u = fetch_library()->url();
    CURLUcode code = fetch_library()->url_set(u, CURLUPART_URL, url, 0);
    take(u, CURLUPART_PATH, CURLU_URLDECODE, out, size);
    fetch_library()->url_cleanup(u);
    if (code != CURLUE_OK || out[0] != '/')
        return err_set(e, ERR_REFUSED, CAUSE_FORMAT, "not the path of a file on this machine");
    return true;
}

/* --- what went wrong ------------------------------------------------------------------------------------ */

/* A certificate failed: is it the server's fault, or our clock's? */
static enum cause untrusted(long verify_result)
{
    enum { NOT_YET_VALID = 9 }; /* the X.509 verification code that libcurl passes on */
    time_t now = 0;
    int ms = 0;
    os_realtime(&now, &ms);
    return verify_result == NOT_YET_VALID || now < CLOCK_FLOOR ? CAUSE_CLOCK : CAUSE_TLS_UNTRUSTED;
}

static void net(struct err *e, enum cause cause, const char *why)
{
    const char *where = cause == CAUSE_DNS ? "DNS" : cause == CAUSE_TCP ? "connection" : "TLS";
    err_set(e, ERR_NET, cause, "%s: %s", where, why);
}

static void explain(const struct fetch_hop *hop, CURLcode code, struct err *e)
{
    char why[CURL_ERROR_SIZE];
    const char *text = hop->text[0] != '\0' ? hop->text : fetch_library()->easy_strerror(code);
    long proxy = 0, verify = 0;
    curl_off_t resolved = 0, connected = 0, secured = 0;
    text_printable_into(why, sizeof why, text, strlen(text));
    fetch_library()->easy_getinfo(hop->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
    fetch_library()->easy_getinfo(hop->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    fetch_library()->easy_getinfo(hop->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    fetch_library()->easy_getinfo(hop->easy, CURLINFO_CONNECT_TIME_T, &connected);
    fetch_library()->easy_getinfo(hop->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    /* a server that misses our certificate says so only when the handshake is over */
    bool tls = strcmp(hop->place.scheme, "https") == 0 &&
               ((connected > 0 && secured == 0) || strstr(text, "SSL_") != NULL);

    if (proxy == 407) {
        err_set(e, ERR_REFUSED, CAUSE_PROXY_AUTH, "the proxy wants credentials: %s", why);
        e->code = 407;
        return;
    }
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        net(e, CAUSE_DNS, why);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        net(e, resolved == 0 ? CAUSE_DNS : tls ? CAUSE_TLS : CAUSE_TCP, why);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        net(e, untrusted(verify), why);
        return;
    case CURLE_SSL_CERTPROBLEM:
        err_set(e, ERR_NET, CAUSE_TLS, "TLS: our client certificate: %s", why);
        return;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
        net(e, CAUSE_TLS, why);
        return;
    case CURLE_BAD_CONTENT_ENCODING:
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s", why);
        return;
    case CURLE_URL_MALFORMAT:
        err_set(e, ERR_REFUSED, CAUSE_FORMAT, "%s", why);
        return;
    default:
        net(e, tls ? CAUSE_TLS : CAUSE_TCP, why);
        return;
    }
}

/* --- libcurl and loop ----------------------------------------------------------------------------------- */

static void free_hop(struct fetch_hop *hop)
{
    fetch_library()->easy_cleanup(hop->easy);
    fetch_library()->slist_free_all(hop->headers);
    free(hop);
}

static void ended(struct fetch_hop *hop, CURLcode code)
{
    struct err e;
    char *redirect = NULL;
    fetch_library()->multi_remove_handle(hop->h->multi, hop->easy);
    fetch_library()->easy_getinfo(hop->easy, CURLINFO_REDIRECT_URL, &redirect);
    if (code != CURLE_OK)
        explain(hop, code, &e);
    hop->ask.ended(hop->ask.ctx, code == CURLE_OK, redirect, code == CURLE_OK ? NULL : &e);
    free_hop(hop);
}

static void act(struct fetch_curl *h, curl_socket_t fd, int events)
{
    int running = 0, left = 0;
    fetch_library()->multi_socket_action(h->multi, fd, events, &running);
    for (CURLMsg *m; (m = fetch_library()->multi_info_read(h->multi, &left)) != NULL;) {
        char *hop = NULL;
        CURLcode code = m->data.result;
        if (m->msg == CURLMSG_DONE &&
            fetch_library()->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &hop) == CURLE_OK)
            ended((struct fetch_hop *)(void *)hop, code);
    }
    h->settled(h->ctx);
}

static void on_timer(void *ctx)
{
    struct fetch_curl *h = ctx;
    h->timer = 0;
    act(h, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(void *ctx, int fd, short revents)
{
    act(ctx, fd,
        ((revents & (POLLIN | POLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
            ((revents & POLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
            ((revents & (POLLERR | POLLNVAL)) != 0 ? CURL_CSELECT_ERR : 0));
}

static int want_timer(CURLM *multi, long ms, void *ctx)
{
    struct fetch_curl *h = ctx;
    (void)multi;
    loop_cancel(h->loop, h->timer);
    h->timer = ms < 0 ? 0 : loop_after(h->loop, (uint64_t)ms, on_timer, h);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    struct fetch_curl *h = ctx;
    (void)easy;
    (void)unused;
    int events = what == CURL_POLL_IN      ? POLLIN
                 : what == CURL_POLL_OUT   ? POLLOUT
                 : what == CURL_POLL_INOUT ? POLLIN | POLLOUT
                                           : 0;
    loop_watch(h->loop, fd, (short)events, on_ready, h);
    return 0;
}

static int on_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct fetch_hop *hop = ctx;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    hop->ask.sent(hop->ask.ctx);
    return CURL_PREREQFUNC_OK;
}

static size_t on_line(char *p, size_t size, size_t n, void *ctx)
{
    struct fetch_hop *hop = ctx;
    return hop->ask.line(hop->ask.ctx, p, n * size) ? n * size : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct fetch_hop *hop = ctx;
    return hop->ask.body(hop->ask.ctx, p, n * size) ? n * size : 0;
}

/* --- requests ------------------------------------------------------------------------------------------- */

static void append(struct curl_slist **list, const char *s)
{
    struct curl_slist *longer = fetch_library()->slist_append(*list, s);
    assert(longer != NULL);
    *list = longer;
}

#define SET(option, value) (void)fetch_library()->easy_setopt(hop->easy, option, value)

static void set_tls(struct fetch_hop *hop)
{
    const struct fetch_curl *h = hop->h;
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CAPATH, NULL);
    if (h->roots.len > 0) {
        /* copied, because they can be renewed while this request is on its way */
        struct curl_blob blob = {.data = h->roots.data, .len = h->roots.len, .flags = CURL_BLOB_COPY};
        SET(CURLOPT_CAINFO_BLOB, &blob);
    } else if (h->bundle != NULL) {
        SET(CURLOPT_CAINFO, h->bundle);
    }
    if (hop->ask.home && h->policy->client_cert != NULL) {
        SET(CURLOPT_SSLCERT, h->policy->client_cert);
        SET(CURLOPT_SSLKEY, h->policy->client_key != NULL ? h->policy->client_key : h->policy->client_cert);
        SET(CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks whoever sits at the terminal, and waits */
    }
}

static void set_request(struct fetch_hop *hop)
{
    const struct fetch_policy *p = hop->h->policy;
    SET(CURLOPT_URL, hop->ask.url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTPHEADER, hop->headers);
    SET(CURLOPT_USERAGENT, p->user_agent);
    if (hop->ask.home && p->userpwd != NULL)
        SET(CURLOPT_USERPWD, p->userpwd);
    if (hop->ask.post != NULL) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)hop->ask.post_len);
        SET(CURLOPT_POSTFIELDS, hop->ask.post);
    }
    if (hop->ask.compress)
        SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_PIPEWAIT, hop->ask.compress ? 1L : 0L);
    const char *proxy = strcmp(hop->place.scheme, "http") == 0 && p->proxy_http ? p->proxy_http : p->proxy;
    if (proxy != NULL)
        SET(CURLOPT_PROXY, proxy);
    if (proxy != NULL && p->no_proxy != NULL)
        SET(CURLOPT_NOPROXY, p->no_proxy);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)p->connect_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_SHARE, hop->h->share);
}

static const char *system_roots(void)
{
    return fetch_roots_system(fetch_library()->version_info(CURLVERSION_NOW)->cainfo);
}

/* At the first request. */
static void begin(struct fetch_curl *h)
{
    const struct fetch_library *lib = fetch_library();
    CURLcode code = lib->global_init(CURL_GLOBAL_DEFAULT);
    assert(code == CURLE_OK);
    h->multi = lib->multi_init();
    h->share = lib->share_init();
    assert(h->multi != NULL && h->share != NULL);
    lib->share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    lib->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    lib->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    lib->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    lib->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    if (h->roots.len == 0)
        h->bundle = system_roots();
}

struct fetch_hop *fetch_curl_start(struct fetch_curl *h, const struct fetch_ask *ask)
{
    if (h->multi == NULL)
        begin(h);
    struct fetch_hop *hop = arena_heap(NULL, sizeof *hop);
    *hop = (struct fetch_hop){.h = h, .ask = *ask, .easy = fetch_library()->easy_init()};
    assert(hop->easy != NULL);
    (void)!fetch_place(ask->url, &hop->place, NULL);
    for (size_t i = 0; ask->headers[i] != NULL; i++)
        append(&hop->headers, ask->headers[i]);
    for (const struct curl_slist *c = h->common; ask->common && c != NULL; c = c->next)
        append(&hop->headers, c->data);
    set_request(hop);
    set_tls(hop);
    SET(CURLOPT_PRIVATE, hop);
    SET(CURLOPT_ERRORBUFFER, hop->text);
    SET(CURLOPT_PREREQFUNCTION, on_request);
    SET(CURLOPT_PREREQDATA, hop);
    SET(CURLOPT_HEADERFUNCTION, on_line);
    SET(CURLOPT_HEADERDATA, hop);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, hop);
    CURLMcode code = fetch_library()->multi_add_handle(h->multi, hop->easy);
    assert(code == CURLM_OK);
    return hop;
}
#undef SET

void fetch_curl_hang_up(struct fetch_hop *hop)
{
    if (hop == NULL)
        return;
    CURLMcode code = fetch_library()->multi_remove_handle(hop->h->multi, hop->easy);
    assert(code == CURLM_OK);
    free_hop(hop);
}

/* --- the session ---------------------------------------------------------------------------------------- */

static bool take_headers(struct fetch_curl *h, const char *const *headers, struct err *e)
{
    for (; headers != NULL && *headers != NULL; headers++) {
        const char *value = strchr(*headers, ':');
        if (value == NULL || value == *headers || strpbrk(*headers, "\r\n") != NULL)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "a header must be one line \"Name: value\"");
        if (value[1 + strspn(value + 1, " \t")] == '\0')
            continue; /* libcurl would take it for a wish to send none of that name */
        append(&h->common, *headers);
    }
    return true;
}

bool fetch_curl_take_roots(struct fetch_curl *h, struct err *e)
{
    const struct fetch_policy *p = h->policy;
    struct buf roots;
    bool ok = true;
    buf_init(&roots, 3 * LIMIT_ROOTS);
    if (p->ca_pem != NULL || p->ca_file != NULL || p->ca_dir != NULL)
        ok = fetch_roots_load(&roots, system_roots(), p->ca_pem, p->ca_file, p->ca_dir, e);
    if (ok && roots.len == 0 && h->multi != NULL)
        h->bundle = system_roots();
    buf_release(ok ? &h->roots : &roots);
    if (ok)
        h->roots = roots;
    return ok;
}

struct fetch_curl *fetch_curl_open(struct loop *l, const struct fetch_policy *policy,
                                   void (*settled)(void *ctx), void *ctx, struct err *e)
{
    struct fetch_curl *h = arena_heap(NULL, sizeof *h);
    *h = (struct fetch_curl){.loop = l, .policy = policy, .settled = settled, .ctx = ctx};
    if (take_headers(h, policy->headers, e) && fetch_curl_take_roots(h, e))
        return h;
    fetch_curl_free(h);
    return NULL;
}

void fetch_curl_free(struct fetch_curl *h)
{
    if (h == NULL)
        return;
    if (h->common != NULL)
        fetch_library()->slist_free_all(h->common);
    if (h->multi != NULL) {
        fetch_library()->multi_cleanup(h->multi);
        fetch_library()->share_cleanup(h->share);
        fetch_library()->global_cleanup();
    }
    loop_cancel(h->loop, h->timer);
    buf_release(&h->roots);
    free(h);
}
