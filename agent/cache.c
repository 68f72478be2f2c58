/* A job goes PROVING (is the file that is there the right one?) then FETCHING, or ends early. Every step that
 * may call back is made from a timer, so that nobody is called from within his own call. Jobs for one name
 * queue up: the first in the list works, the others find its file.
 *
 * Invariants: what bears its final name was proved by the sink when it got it; the validator of a part is on
 * disk before its first byte. Hashes compare as text in lower case, as Munki compares them: another spelling
 * is another hash. */
#include "agent/cache.h"

#include "agent/validators.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "manifests/bootstrap.h"

#include <stdint.h>

#define PART  ".download"
#define SLICE (4 * LIMIT_MB) /* hashed between two turns of the loop: some 10 ms */

enum { SUM_SIZE = 32, HEX_SIZE = 64 };

struct cache {
    struct arena *a;
    struct loop *loop;
    struct repo *repo;
    const struct prefs *prefs;
    int dir;
    struct validators *validators;
    struct cache_job *jobs; /* in the order of their beginning */
};

struct cache_job {
    struct cache *cache;
    struct cache_job *next;
    struct cache_want want;
    struct arena *a;
    const char *name; /* in Cache, or NULL */
    const char *hash; /* the catalog's, or NULL */
    uint64_t timer;
    uint64_t began_ms;
    bool working;

    int fd; /* the file being proved */
    struct digest *digest;
    uint64_t at, size;
    bool has_noted;
    unsigned char noted[SUM_SIZE];
    struct fetch_validator have;

    struct transfer *transfer;
    struct sink *sink;
    unsigned attempt; /* how often something came whose hash is wrong */
};

/* --- names and hashes ---------------------------------------------------------------------------------- */

const char *cache_name(const char *location)
{
    if (location == NULL)
        return NULL;
    const char *name = text_basename(location);
    size_t n = strlen(name);
    if (n == 0 || n + strlen(PART) > LIMIT_NAME || name[0] == '.' || text_ends(name, PART) ||
        !text_utf8_valid(name, n))
        return NULL;
    return name;
}

static const char *location_of(const struct pkginfo *p, bool uninstaller)
{
    return uninstaller ? p->uninstaller_location : p->location;
}

static const char *hash_of(const struct pkginfo *p, bool uninstaller)
{
    const char *hash = uninstaller ? p->uninstaller_hash : p->hash;
    return hash != NULL && hash[0] != '\0' ? hash : NULL;
}

bool cache_hash_allowed(const struct cache *c, const struct pkginfo *p, bool uninstaller)
{
    return hash_of(p, uninstaller) != NULL || c->prefs->verification != PREFS_VERIFY_STRICT;
}

/* The expected SHA-256. False: text that no SHA-256 in lower-case hexadecimal can be ("N/A"). */
static bool expected(const char *hash, unsigned char sum[SUM_SIZE])
{
    return strspn(hash, "0123456789abcdef") == HEX_SIZE && hash[HEX_SIZE] == '\0' &&
           text_unhex(sum, SUM_SIZE, hash);
}

/* Where hashes stand. */
static const char *says(const struct pkginfo *p)
{
    return p->bootstrap != NULL ? BOOTSTRAP_NAME : "the catalog";
}

static bool proves(const struct cache *c)
{
    return c->prefs->verification != PREFS_VERIFY_NONE;
}

int64_t cache_kb(struct cache *c, const char *location, bool *complete)
{
    struct stat st;
    const char *name = cache_name(location);
    char part[LIMIT_NAME + 1];
    *complete = false;
    if (name == NULL || c->dir < 0)
        return 0;
    if (files_stat(c->dir, name, &st, NULL) && S_ISREG(st.st_mode)) {
        *complete = true;
        return (int64_t)(st.st_size / 1024);
    }
    snprintf(part, sizeof part, "%s%s", name, PART);
    return files_stat(c->dir, part, &st, NULL) ? (int64_t)(st.st_size / 1024) : 0;
}

void cache_remove(struct cache *c, const char *name)
{
    struct err e;
    const char *part = arena_printf(c->a, "%s%s", name, PART);
    if (!files_remove(c->dir, name, &e) || !files_remove(c->dir, part, &e))
        log_warn("Cache: %s", e.text);
    validators_forget(c->validators, name);
    validators_forget(c->validators, part);
}

/* --- jobs ---------------------------------------------------------------------------------------------- */

static void schedule(struct cache_job *j, loop_timer_fn *fn)
{
    j->timer = loop_after(j->cache->loop, 0, fn, j);
}

static void begin(void *ctx);

/* Take the job out, wake the next one for its name, free what it holds. */
static void retire(struct cache_job *j)
{
    struct cache *c = j->cache;
    struct cache_job **at = &c->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    loop_cancel(c->loop, j->timer);
    if (j->fd >= 0)
        close(j->fd);
    digest_free(j->digest);
    for (struct cache_job *n = c->jobs; j->working && j->name != NULL && n != NULL; n = n->next)
        if (n->name != NULL && strcmp(n->name, j->name) == 0) {
            schedule(n, begin);
            break;
        }
    arena_free(j->a);
    free(j);
}

static void finish(struct cache_job *j, const struct plan_download *answer, uint64_t bytes, bool fetched,
                   const struct err *e)
{
    struct cache_want want = j->want;
    retire(j);
    want.done(want.ctx, answer, bytes, fetched, e);
}

static void fail(struct cache_job *j, const struct err *e)
{
    struct plan_download answer = {.failure = PLAN_DOWNLOAD_FAILED};
    if (e->kind == ERR_SPACE)
        answer.failure = PLAN_DOWNLOAD_SPACE;
    else if (e->cause == CAUSE_HASH || e->cause == CAUSE_SIZE)
        answer.failure = PLAN_DOWNLOAD_HASH;
    else if (e->kind == ERR_SYS)
        answer.failure = PLAN_DOWNLOAD_SYSTEM;
    answer.why = arena_strdup(j->cache->a, e->text);
    finish(j, &answer, 0, false, e);
}

static void succeed(struct cache_job *j, uint64_t bytes, bool fetched)
{
    struct plan_download answer = {.failure = PLAN_DOWNLOAD_OK};
    uint64_t ms = loop_now(j->cache->loop) - j->began_ms;
    if (fetched && ms >= 100)
        answer.kb_per_second = (int64_t)(bytes / 1024 * 1000 / ms);
    finish(j, &answer, bytes, fetched, NULL);
}

/* --- another try --------------------------------------------------------------------------------------- */

enum { ATTEMPTS = 3, PAUSE_S = 5 };

static uint64_t pause_of(const struct cache_job *j)
{
    const struct bootstrap_item *b = j->want.pkg->bootstrap;
    return (uint64_t)(b != NULL && b->retry_wait_s > 0 ? b->retry_wait_s : PAUSE_S) * 1000;
}

/* How often an item of a bootstrap.json is asked for: retries and the first time; else as everything is. */
static unsigned attempts_of(const struct cache_job *j)
{
    const struct bootstrap_item *b = j->want.pkg->bootstrap;
    unsigned usual = j->cache->prefs->download_attempts;
    return b != NULL && b->retries > 0 ? (unsigned)b->retries + 1 : usual != 0 ? usual : ATTEMPTS;
}

static void start_fetch(void *ctx);

/* What came is not what it should be: InstallApplications' file may change a moment before its JSON does. */
static bool try_again(struct cache_job *j, const struct err *why)
{
    bool proof = why->cause == CAUSE_HASH || why->cause == CAUSE_SIZE;
    if (!proof || j->want.pkg->bootstrap == NULL || ++j->attempt >= attempts_of(j))
        return false;
    if (j->want.retry != NULL)
        j->want.retry(j->want.ctx, j->attempt, pause_of(j), why);
    validators_forget(j->cache->validators, arena_printf(j->a, "%s%s", j->name, PART));
    j->has_noted = false;
    j->timer = loop_after(j->cache->loop, pause_of(j), start_fetch, j);
    return true;
}

/* --- fetching ------------------------------------------------------------------------------------------ */

static void begun(void *ctx, const struct fetch_validator *v)
{
    struct cache_job *j = ctx;
    validators_set(j->cache->validators, arena_printf(j->a, "%s%s", j->name, PART), v, NULL);
    validators_save(j->cache->validators);
}

static void moved(void *ctx, uint64_t have, int64_t total)
{
    struct cache_job *j = ctx;
    if (j->want.progress != NULL)
        j->want.progress(j->want.ctx, CACHE_FETCHING, have, total);
}

static void retried(void *ctx, unsigned attempt, uint64_t wait_ms, const struct err *why)
{
    struct cache_job *j = ctx;
    if (j->want.retry != NULL)
        j->want.retry(j->want.ctx, attempt, wait_ms, why);
}

static void fetched(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                    const struct err *why)
{
    struct cache_job *j = ctx;
    struct cache *c = j->cache;
    struct err e;
    unsigned char sum[DIGEST_MAX];
    j->transfer = NULL;
    if (!ok) {
        fail(j, why);
        return;
    }
    if (answer == FETCH_UNCHANGED) {
        sink_abort(j->sink);
        succeed(j, j->size, false);
        return;
    }
    uint64_t bytes = sink_have(j->sink);
    if (!sink_commit(j->sink, sum, &e)) {
        if (!try_again(j, &e))
            fail(j, &e);
        return;
    }
    validators_forget(c->validators, arena_printf(j->a, "%s%s", j->name, PART));
    validators_set(c->validators, j->name, v, sum);
    succeed(j, bytes, true);
}

static uint64_t size_max(const struct pkginfo *p, bool uninstaller)
{
    int64_t kb = uninstaller ? p->uninstaller_size_kb : p->size_kb;
    if (kb <= 0 || (uint64_t)kb > LIMIT_PACKAGE_FILE / LIMIT_KB)
        return LIMIT_PACKAGE_FILE;
    /* written by hand often enough: a bound, not a proof */
    return (uint64_t)kb * LIMIT_KB * 2 + 64 * LIMIT_MB;
}

static void start_fetch(void *ctx)
{
    struct cache_job *j = ctx;
    struct cache *c = j->cache;
    struct err e;
    const struct pkginfo *p = j->want.pkg;
    const char *const *urls = repo_package_urls(c->repo, j->a, p, j->want.uninstaller);
    struct sink_want want = {.size_max = size_max(p, j->want.uninstaller), .size = -1, .keep_part = true};
    bool proved = j->hash != NULL && proves(c);
    bool paced = p->bootstrap != NULL && p->bootstrap->retry_wait_s > 0;
    struct fetch_validator part;
    const struct fetch_validator *have = j->has_noted ? &j->have : NULL;
    if (repo_session(c->repo) == NULL) {
        err_set(&e, ERR_NOT_FOUND, CAUSE_NONE, "%s is not in Cache, and nothing is fetched in this run",
                j->name);
        fail(j, &e);
        return;
    }
    if (urls == NULL) {
        err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "%s gives no address for %s", says(p), j->name);
        fail(j, &e);
        return;
    }
    if (proved) {
        want.digest = DIGEST_SHA256;
        if (!expected(j->hash, want.sum)) {
            err_set(&e, ERR_TRUST, CAUSE_HASH,
                    "%s: \"%s\" in the catalog is no SHA-256: nothing can match it", j->name, j->hash);
            fail(j, &e);
            return;
        }
    }
    if (have != NULL)
        want.keep_part = false; /* a conditional request and a range exclude each other */
    j->sink = sink_file(c->dir, j->name, &want, &e);
    if (j->sink == NULL) {
        fail(j, &e);
        return;
    }
    if (sink_have(j->sink) > 0) {
        if (validators_get(c->validators, arena_printf(j->a, "%s%s", j->name, PART), &part, NULL)) {
            have = &part;
        } else if (!sink_restart(j->sink, &e)) {
            sink_abort(j->sink);
            fail(j, &e);
            return;
        }
    }
    const struct fetch_request ask = {.urls = urls,
                                      .home = repo_home(c->repo),
                                      .to = j->sink,
                                      .have = have,
                                      .proved = proved,
                                      .attempts = p->bootstrap != NULL ? attempts_of(j) : 0,
                                      .pause_ms = paced ? pause_of(j) : 0,
                                      .begun = begun,
                                      .progress = moved,
                                      .done = fetched,
                                      .retry = retried,
                                      .ctx = j};
    j->transfer = fetch_start(repo_session(c->repo), &ask);
}

/* --- proving what is there ----------------------------------------------------------------------------- */

static void proved(struct cache_job *j)
{
    struct cache *c = j->cache;
    unsigned char sum[DIGEST_MAX], want[SUM_SIZE];
    struct err e;
    digest_end(j->digest, sum);
    j->digest = NULL;
    close(j->fd);
    j->fd = -1;
    if (j->hash != NULL && expected(j->hash, want) && crypto_equal(sum, want, SUM_SIZE)) {
        succeed(j, j->size, false);
        return;
    }
    if (j->hash != NULL && proves(c)) {
        log_info("Cache: %s is not what %s says: it is fetched again", j->name, says(j->want.pkg));
        if (!files_remove(c->dir, j->name, &e)) {
            fail(j, &e);
            return;
        }
        validators_forget(c->validators, j->name);
        j->has_noted = false;
    }
    j->has_noted = j->has_noted && crypto_equal(sum, j->noted, SUM_SIZE);
    start_fetch(j);
}

static void prove_slice(void *ctx)
{
    struct cache_job *j = ctx;
    unsigned char *slice = arena_heap(NULL, SLICE);
    ssize_t n = read(j->fd, slice, SLICE);
    if (n > 0) {
        digest_write(j->digest, slice, (size_t)n);
        j->at += (uint64_t)n;
    }
    free(slice);
    if (n > 0) {
        if (j->want.progress != NULL)
            j->want.progress(j->want.ctx, CACHE_PROVING, j->at, (int64_t)j->size);
        schedule(j, prove_slice);
    } else if (n < 0) {
        struct err e;
        err_sys(&e, "Cache: %s", j->name);
        fail(j, &e);
    } else {
        proved(j);
    }
}

static void begin(void *ctx)
{
    struct cache_job *j = ctx;
    struct cache *c = j->cache;
    struct err e;
    struct stat st;
    for (struct cache_job *o = c->jobs; o != j && j->name != NULL; o = o->next)
        if (o->name != NULL && strcmp(o->name, j->name) == 0)
            return; /* its end wakes us */
    j->working = true;
    j->began_ms = loop_now(c->loop);
    if (j->name == NULL) {
        const char *location = location_of(j->want.pkg, j->want.uninstaller);
        err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "%s: %s%s", j->want.pkg->name,
                location != NULL ? "a location without a usable file name: "
                                 : "the catalog gives no location",
                location != NULL ? location : "");
        fail(j, &e);
        return;
    }
    if (!cache_hash_allowed(c, j->want.pkg, j->want.uninstaller)) {
        err_set(&e, ERR_TRUST, CAUSE_HASH, "%s has no hash in %s: add %s, or allow it with AllowMissingHash",
                j->name, says(j->want.pkg),
                j->want.pkg->bootstrap != NULL ? "hash"
                : j->want.uninstaller          ? "uninstaller_item_hash"
                                               : "installer_item_hash");
        fail(j, &e);
        return;
    }
    if (j->hash == NULL || !proves(c))
        log_warn("%s is not proved: %s", j->name,
                 proves(c) ? arena_printf(j->a, "%s has no hash for it", says(j->want.pkg))
                           : "PackageVerificationMode is none");
    if (files_stat(c->dir, j->name, &st, &e)) {
        if (!S_ISREG(st.st_mode)) {
            cache_remove(c, j->name);
        } else if (j->hash != NULL || validators_get(c->validators, j->name, &j->have, j->noted)) {
            j->has_noted = validators_get(c->validators, j->name, &j->have, j->noted);
            j->fd = files_open(c->dir, j->name, &e);
            if (j->fd < 0) {
                fail(j, &e);
                return;
            }
            j->size = (uint64_t)st.st_size;
            j->digest = digest_open(DIGEST_SHA256);
            schedule(j, prove_slice);
            return;
        }
    }
    start_fetch(j);
}

struct cache_job *cache_start(struct cache *c, const struct cache_want *w)
{
    struct cache_job *j = arena_heap(NULL, sizeof *j);
    memset(j, 0, sizeof *j);
    j->cache = c;
    j->want = *w;
    j->a = arena_open();
    j->name = cache_name(location_of(w->pkg, w->uninstaller));
    j->hash = hash_of(w->pkg, w->uninstaller);
    j->fd = -1;
    struct cache_job **at = &c->jobs;
    while (*at != NULL)
        at = &(*at)->next;
    *at = j;
    schedule(j, begin);
    return j;
}

void cache_cancel(struct cache_job *j)
{
    if (j->transfer != NULL)
        fetch_cancel(j->transfer);
    retire(j);
}

/* --- the folder ---------------------------------------------------------------------------------------- */

struct cache *cache_open(struct arena *a, struct loop *l, struct repo *r, const struct prefs *p,
                         const struct target *t)
{
    struct cache *c = arena_alloc(a, sizeof *c);
    c->a = a;
    c->loop = l;
    c->repo = r;
    c->prefs = p;
    c->dir = t->cache;
    c->validators = validators_open(t->cache);
    return c;
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    while (c->jobs != NULL)
        cache_cancel(c->jobs);
    validators_free(c->validators);
}

static void turn(void *ctx)
{
    loop_turn(ctx, 0);
}

int cache_open_proved(struct cache *c, const struct pkginfo *p, bool uninstaller, struct err *e)
{
    const char *name = cache_name(location_of(p, uninstaller)), *hash = hash_of(p, uninstaller);
    unsigned char want[SUM_SIZE], sum[DIGEST_MAX];
    struct stat st;
    if (name == NULL) {
        err_set(e, ERR_NOT_FOUND, CAUSE_FORMAT, "%s has no package", p->name);
        return -1;
    }
    if (!cache_hash_allowed(c, p, uninstaller)) {
        err_set(e, ERR_TRUST, CAUSE_HASH, "%s has no hash in %s", name, says(p));
        return -1;
    }
    int fd = files_open(c->dir, name, e);
    if (fd < 0 || hash == NULL || !proves(c))
        return fd;
    if (fstat(fd, &st) != 0) {
        err_sys(e, "Cache: %s", name);
        goto bad;
    }
    if (!digest_fd(DIGEST_SHA256, fd, 0, (uint64_t)st.st_size, sum, turn, c->loop, e))
        goto bad;
    if (expected(hash, want) && crypto_equal(sum, want, SUM_SIZE))
        return fd;
    cache_remove(c, name);
    err_set(e, ERR_TRUST, CAUSE_HASH, "Cache: %s is not what %s says: SHA-256 differs", name, says(p));
bad:
    close(fd);
    return -1;
}

/* --- clean-up ------------------------------------------------------------------------------------------ */

struct sweep {
    struct cache *cache;
    const struct value *whole, *parts; /* names to keep: arrays of strings */
};

static bool sweep_entry(void *ctx, const char *name, const struct stat *st)
{
    struct sweep *s = ctx;
    struct cache *c = s->cache;
    struct stat other;
    struct err e;
    if (strcmp(name, VALIDATORS_FILE) == 0)
        return true;
    bool keep = value_has_str(s->whole, name) && S_ISREG(st->st_mode);
    if (text_ends(name, PART)) {
        const char *base = arena_strndup(c->a, name, strlen(name) - strlen(PART));
        keep = (value_has_str(s->whole, base) || value_has_str(s->parts, base)) &&
               !files_stat(c->dir, base, &other, NULL);
    }
    if (keep)
        return true;
    validators_forget(c->validators, name);
    if (!files_remove(c->dir, name, &e))
        log_warn("clean-up: Cache: %s", e.text);
    return true;
}

static void keep_names(struct arena *a, struct value *names, const struct value *entries, const char *key)
{
    for (size_t i = 0; i < value_count(entries); i++) {
        const char *name = props_str(value_at(entries, i), key);
        if (name != NULL)
            value_append(a, names, value_new_str(a, text_basename(name)));
    }
}

void cache_clean(struct cache *c, const struct plan *plan)
{
    const struct value *info = plan->install_info;
    struct value *whole = value_new_array(c->a), *parts = value_new_array(c->a);
    struct err e;
    if (c->dir < 0)
        return;
    keep_names(c->a, whole, props_array(info, "managed_installs"), "installer_item");
    keep_names(c->a, whole, props_array(info, "removals"), "uninstaller_item");
    keep_names(c->a, parts, props_array(info, "problem_items"), "partial_installer_item");
    const struct value *optional = props_array(info, "optional_installs");
    for (size_t i = 0; i < value_count(optional); i++) {
        const struct value *entry = value_at(optional, i);
        const char *name = cache_name(props_str(entry, "installer_item_location"));
        if (name != NULL && props_bool(entry, "precache", false))
            value_append(c->a, whole, value_new_str(c->a, name));
    }
    struct sweep s = {.cache = c, .whole = whole, .parts = parts};
    if (!files_list(c->dir, "", sweep_entry, &s, &e))
        log_warn("clean-up: Cache: %s", e.text);
}
