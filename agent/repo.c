/* Invariants: a name has one answer in a run, also when it is an error. Bytes are decoded and their root type
 * judged before they replace anything on disk. A 304 is believed only of a file that agent/kept.c has proved;
 * else it is asked for anew.
 *
 * Surprise: object stores answer 403 for what is not there. */
#include "agent/repo.h"

#include "agent/kept.h"
#include "agent/middleware.h"
#include "agent/network.h"
#include "agent/repo_bootstrap.h"
#include "agent/repourl.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#include <fcntl.h>
#include <stdint.h>
#include <strings.h>

enum kind { MANIFEST, CATALOG, KINDS };

static const struct {
    const char *word, *folder;
    size_t max;
} kinds[KINDS] = {
    {"manifest", "manifests", LIMIT_MANIFEST},
    {"catalog", "catalogs", LIMIT_CATALOG},
};

struct answer { /* what became of one name */
    struct answer *next;
    enum kind kind;
    const char *name;
    const struct value *dict;    /* of a manifest; NULL: why */
    const struct outline *items; /* of a catalog; NULL: why */
    struct buf body;             /* what came, or … */
    struct kept_file cached;     /* … what was kept: items look into it */
    struct err why;
};

struct repo {
    struct arena *a;
    struct loop *loop;
    const struct options *options;
    const struct prefs *prefs;
    const struct facts *facts;
    const struct target *target;
    bool offline, bootstrap;
    struct network network;
    struct keychain keychain;
    struct fetch *fetch;
    struct middleware *middleware; /* or NULL */
    const char *bases[KINDS];
    const char *home;
    struct kept *kept[KINDS];
    struct answer *answers;
    unsigned manifests; /* asked for so far */
    char shown[512];
};

const char *const *repo_package_urls(struct repo *r, struct arena *a, const struct pkginfo *p,
                                     bool uninstaller)
{
    return repourl_package(a, r->prefs, p, uninstaller, repo_trust(r) == REPO_TRUST_FILE);
}

/* --- opening ------------------------------------------------------------------------------------------- */

static bool open_session(struct repo *r, struct err *e)
{
    struct fetch_policy policy;
    network_policy(&r->network, &policy);
    if (r->prefs->middleware != NULL) {
        r->middleware = middleware_open(r->a, r->loop, r->target, r->prefs->middleware, e);
        if (r->middleware == NULL)
            return false;
        policy.rewriter = middleware_rewriter(r->middleware);
    }
    r->fetch = fetch_open(r->loop, &policy, e);
    return r->fetch != NULL;
}

static bool may_trust(struct repo *r, struct err *e)
{
    if (r->prefs->repo_public_keys != NULL || r->prefs->repo_require_signed)
        return err_set(e, ERR_TRUST, CAUSE_SIGNATURE,
                       "%s is set, and this version does not verify signed indexes: it does not go on "
                       "without that proof",
                       r->prefs->repo_public_keys != NULL ? "RepoPublicKeys" : "RepoRequireSigned");
    if (r->offline)
        return true;
    for (size_t k = 0; k < KINDS; k++) {
        char shown[512];
        if (r->bases[k] == NULL)
            return err_set(e, ERR_USAGE, CAUSE_PROFILE,
                           "no repository is configured: SoftwareRepoURL is set in no preference domain");
        if (strncasecmp(r->bases[k], "http:", 5) != 0 || repourl_loopback(r->bases[k]))
            continue;
        fetch_show(shown, sizeof shown, r->bases[k]);
        if (!r->prefs->allow_insecure_repo)
            return err_set(e, ERR_TRUST, CAUSE_NONE,
                           "%s: %ss over plain http are refused: use https (or AllowInsecureRepo in managed "
                           "preferences)",
                           shown, r->bootstrap ? "bootstrap file" : kinds[k].word);
        if (!r->bootstrap || k == MANIFEST)
            log_warn("%s: %ss come over plain http: anybody on the way can change them", shown,
                     r->bootstrap ? "bootstrap file" : kinds[k].word);
    }
    return true;
}

struct repo *repo_open(struct arena *a, struct loop *l, const struct options *o, const struct prefs *p,
                       const struct facts *f, const struct target *t, bool offline, struct err *e)
{
    struct repo *r = arena_alloc(a, sizeof *r);
    r->a = a;
    r->loop = l;
    r->options = o;
    r->prefs = p;
    r->facts = f;
    r->target = t;
    r->offline = offline;
    r->network = (struct network){a, l, o, p, f, t, &r->keychain};
    r->bases[MANIFEST] = repourl_base(a, p, p->manifest_url, kinds[MANIFEST].folder);
    r->bases[CATALOG] = repourl_base(a, p, p->catalog_url, kinds[CATALOG].folder);
    const char *bootstrap = repo_bootstrap_url(o, p);
    r->bootstrap = bootstrap != NULL;
    if (r->bootstrap)
        r->bases[MANIFEST] = r->bases[CATALOG] = bootstrap;
    r->home = r->bootstrap ? bootstrap : repourl_base(a, p, p->package_url, "pkgs");
    if (r->bases[MANIFEST] != NULL)
        fetch_show(r->shown, sizeof r->shown,
                   p->repo_url != NULL && !r->bootstrap ? p->repo_url : r->bases[MANIFEST]);
    if (!may_trust(r, e))
        return NULL;
    if (offline)
        return r;
    if (!open_session(r, e)) {
        middleware_close(r->middleware);
        return NULL;
    }
    r->kept[MANIFEST] = kept_open(t->manifests, !o->dry_run);
    r->kept[CATALOG] = kept_open(t->catalogs, !o->dry_run);
    return r;
}

/* The bytes of an answer, once nobody looks into them. */
static void drop(struct answer *a)
{
    kept_drop(&a->cached);
    buf_release(&a->body);
}

void repo_free(struct repo *r)
{
    if (r == NULL)
        return;
    for (size_t k = 0; k < KINDS; k++)
        kept_free(r->kept[k]);
    for (struct answer *a = r->answers; a != NULL; a = a->next)
        drop(a);
    fetch_free(r->fetch);
    middleware_close(r->middleware);
}

void repo_renew_network(struct repo *r)
{
    if (r->fetch != NULL)
        network_renew(&r->network, r->fetch);
}

const struct network *repo_network(const struct repo *r)
{
    return &r->network;
}

struct fetch *repo_session(struct repo *r)
{
    return r->fetch;
}

const char *repo_home(const struct repo *r)
{
    return r->home;
}

bool repo_is_bootstrap(const struct repo *r)
{
    return r->bootstrap;
}

const struct bootstrap *repo_bootstrap(struct repo *r, struct err *e)
{
    const struct repo_bootstrap_place place = {.a = r->a,
                                               .url = r->bases[MANIFEST],
                                               .shown = r->shown,
                                               .session = r->fetch,
                                               .data = r->target->data,
                                               .keep = !r->options->dry_run};
    return repo_bootstrap_load(&place, e);
}

enum repo_trust repo_trust(const struct repo *r)
{
    const char *base = r->bases[MANIFEST] != NULL ? r->bases[MANIFEST] : "";
    if (strncasecmp(base, "file:", 5) == 0)
        return REPO_TRUST_FILE;
    return strncasecmp(base, "https:", 6) == 0 ? REPO_TRUST_TLS : REPO_TRUST_HTTP;
}

const char *repo_trust_name(enum repo_trust t)
{
    return t == REPO_TRUST_FILE ? "file" : t == REPO_TRUST_TLS ? "tls" : "http";
}

const char *repo_show(const struct repo *r)
{
    return r->shown;
}

/* --- one name ------------------------------------------------------------------------------------------ */

static int folder(const struct repo *r, enum kind kind)
{
    return kind == MANIFEST ? r->target->manifests : r->target->catalogs;
}

/* fd: the file that p stands in, or below 0. sum: the digest of the bytes, or NULL. */
static bool decode(struct repo *r, struct answer *a, const char *p, size_t n, int fd,
                   const unsigned char *sum, struct err *e)
{
    if (a->kind == CATALOG) {
        a->items = sum != NULL ? kept_outline(r->kept[CATALOG], r->a, a->name, p, n, fd, sum, e)
                               : outline_decode(r->a, p, n, e);
    } else {
        const struct value *v = props_decode(r->a, p, n, e);
        if (v != NULL && value_type(v) == VALUE_DICT)
            a->dict = v;
        else if (v != NULL)
            err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a dictionary is needed, found %s", value_type_name(v));
    }
    if (a->dict != NULL || a->items != NULL)
        return true;
    if (e->cause == CAUSE_CAPTIVE)
        e->kind = ERR_NET; /* a page instead of the file: the network is not there yet */
    return false;
}

struct waiting {
    bool done, ok;
    enum fetch_answer answer;
    struct fetch_validator validator;
    struct err why;
};

static void arrived(void *ctx, bool ok, enum fetch_answer answer, const struct fetch_validator *v,
                    const struct err *e)
{
    struct waiting *w = ctx;
    w->done = true;
    w->ok = ok;
    w->answer = answer;
    if (v != NULL)
        w->validator = *v;
    if (!ok)
        w->why = *e;
}

/* Fetch into bytes, from the repository or a mirror of it. */
static bool get(struct repo *r, enum kind kind, const char *name, const struct fetch_validator *have,
                struct sink *to, struct waiting *w, struct err *e)
{
    const char *const *urls = repourl_list(r->a, r->bases[kind], r->prefs->mirrors, kinds[kind].folder, name);
    memset(w, 0, sizeof *w);
    fetch_start(r->fetch,
                &(struct fetch_request){
                    .urls = urls, .to = to, .have = have, .compress = true, .done = arrived, .ctx = w});
    while (!w->done)
        loop_turn(r->loop, 1000);
    if (!w->ok && e != NULL)
        *e = w->why;
    return w->ok;
}

/* What came is judged before it is kept. */
static bool fetch_one(struct repo *r, struct answer *a, struct err *e)
{
    struct kept *kept = r->kept[a->kind];
    unsigned char sum[DIGEST_MAX];
    struct waiting w;
    struct err why;
    bool conditional = kept_take(kept, a->name, kinds[a->kind].max, &a->cached);
    struct sink *to = sink_memory(&a->body);
    if (!get(r, a->kind, a->name, conditional ? &a->cached.validator : NULL, to, &w, e))
        return false;
    if (w.answer == FETCH_UNCHANGED) {
        sink_abort(to);
        return decode(r, a, a->cached.bytes, a->cached.len, a->cached.fd, a->cached.sum, e);
    }
    kept_drop(&a->cached);
    if (!sink_commit(to, sum, e) || !decode(r, a, buf_str(&a->body), a->body.len, -1, sum, e))
        return false;
    if (!kept_put(kept, a->name, buf_str(&a->body), a->body.len, &w.validator, sum, &why))
        log_warn("%s %s is not kept: %s", kinds[a->kind].word, a->name, why.text);
    return true;
}

static bool read_one(struct repo *r, struct answer *a, struct err *e)
{
    struct stat st;
    if (folder(r, a->kind) < 0)
        return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "not in the cache");
    a->cached.bytes = files_map(folder(r, a->kind), a->name, kinds[a->kind].max, &st, &a->cached.fd, e);
    if (a->cached.bytes != NULL) {
        a->cached.len = (size_t)st.st_size;
        return decode(r, a, a->cached.bytes, a->cached.len, a->cached.fd, NULL, e);
    }
    if (e->kind == ERR_NOT_FOUND)
        err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "not in the cache");
    return false;
}

static struct answer *ask(struct repo *r, enum kind kind, const char *name)
{
    struct answer *a = arena_alloc(r->a, sizeof *a);
    bool ok = false;
    a->kind = kind;
    a->name = arena_strdup(r->a, name);
    buf_init(&a->body, kinds[kind].max);
    if (!repourl_good_name(name) || (kind == MANIFEST && strcmp(name, "SelfServeManifest") == 0))
        err_set(&a->why, ERR_FORMAT, CAUSE_FORMAT, "not a name that a %s may have", kinds[kind].word);
    else if (kind == MANIFEST && ++r->manifests > LIMIT_MANIFESTS)
        err_set(&a->why, ERR_LIMIT, CAUSE_LIMIT, "more than %d manifests", LIMIT_MANIFESTS);
    else
        ok = r->offline ? read_one(r, a, &a->why) : fetch_one(r, a, &a->why);
    if (!ok || kind == MANIFEST)
        drop(a);
    if (!ok) {
        char shown[256];
        text_printable_into(shown, sizeof shown, name, strlen(name));
        err_wrap(&a->why, "%s %s", kinds[kind].word, shown);
        if (a->why.kind == ERR_NET || a->why.kind == ERR_STOPPED)
            return a; /* no answer at all: worth asking again */
    }
    a->next = r->answers;
    r->answers = a;
    return a;
}

static const struct answer *one(struct repo *r, enum kind kind, const char *name, struct err *e)
{
    struct answer *a = r->answers;
    while (a != NULL && (a->kind != kind || strcmp(a->name, name) != 0))
        a = a->next;
    if (a == NULL)
        a = ask(r, kind, name);
    if (a->dict == NULL && a->items == NULL && e != NULL)
        *e = a->why;
    return a;
}

bool repo_manifest(struct repo *r, const char *name, const struct value **dict, struct err *e)
{
    *dict = one(r, MANIFEST, name, e)->dict;
    return *dict != NULL;
}

bool repo_catalog(struct repo *r, const char *name, const struct outline **items, struct err *e)
{
    *items = one(r, CATALOG, name, e)->items;
    return *items != NULL;
}

/* --- the primary manifest ------------------------------------------------------------------------------ */

static const char *certificate_name(struct repo *r)
{
    char name[256];
    struct err e;
    struct buf pem;
    const char *path = network_certificate(&r->network), *found = NULL;
    if (!r->prefs->certificate_cn_is_identifier || path == NULL)
        return NULL;
    buf_init(&pem, LIMIT_MB);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        err_sys(&e, "cannot be opened");
    else if (files_read_fd(fd, &pem, &e) && crypto_common_name(pem.data, pem.len, name, sizeof name, &e))
        found = arena_strdup(r->a, name);
    if (fd >= 0)
        close(fd);
    if (found == NULL)
        log_warn("client certificate %s gives no identifier: %s", path, e.text);
    buf_release(&pem);
    return found;
}

static bool refused(const struct err *e)
{
    return e->kind == ERR_REFUSED && (e->code == 401 || e->code == 403);
}

/* Does this answer for a candidate that is not the last mean "the next, please"? */
static bool means_absent(const struct err *e, const char *name)
{
    if (e->kind == ERR_NOT_FOUND)
        return true;
    if (e->kind != ERR_REFUSED || e->code != 403)
        return false;
    log_info("manifest %s: 403 is taken for \"not there\", as object stores mean it", name);
    return true;
}

bool repo_primary(struct repo *r, const char **name, const struct value **dict, struct err *e)
{
    const struct facts *f = r->facts;
    const char *candidates[5];
    size_t n = 0;
    const char *given = r->options->id;
    if (given == NULL && r->prefs->use_client_certificate)
        given = certificate_name(r);
    if (given == NULL || given[0] == '\0')
        given = r->prefs->client_identifier;
    if (given != NULL && given[0] != '\0') {
        candidates[n++] = given;
    } else {
        size_t dot = strcspn(f->hostname, ".");
        candidates[n++] = f->hostname;
        if (dot > 0 && f->hostname[dot] == '.')
            candidates[n++] = arena_strndup(r->a, f->hostname, dot);
        if (strcmp(f->serial, "UNKNOWN") != 0)
            candidates[n++] = f->serial;
        candidates[n++] = "site_default";
    }
    size_t refusals = 0, asked = 0;
    const char *tried = "";
    for (size_t i = 0; i < n; i++) {
        struct err why;
        if (n > 1 && !repourl_good_name(candidates[i]))
            continue; /* a host without a usable name */
        tried = arena_printf(r->a, "%s%s%s", tried, asked > 0 ? ", " : "", candidates[i]);
        asked++;
        if (repo_manifest(r, candidates[i], dict, &why)) {
            *name = candidates[i];
            return true;
        }
        bool no = refused(&why), last = i + 1 == n;
        refusals += no;
        if (!last && means_absent(&why, candidates[i]))
            continue;
        if (no && refusals == asked)
            return err_set(e, ERR_REFUSED, CAUSE_HTTP_4XX,
                           "%s: the server refuses all requests: credentials or middleware missing "
                           "(manifests tried: %s)",
                           r->shown, tried);
        if (last && asked > 1 && means_absent(&why, candidates[i]))
            return err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX,
                           "no manifest for this Mac: the server has none of %s", tried);
        if (e != NULL)
            *e = why;
        return asked == 1 ? false
                          : err_set(e, why.kind, why.cause, "%s (manifests tried: %s)", why.text, tried);
    }
    return err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, "no manifest for this Mac: it has no name to ask for");
}

/* --- clean-up ------------------------------------------------------------------------------------------ */

struct sweep {
    struct arena *a;
    int dir;
    const char *path; /* "" or "groups/" */
    const char *const *used;
    const char *keep;
    struct kept *kept;
    bool left; /* something stays in this folder */
};

static bool in_list(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool sweep_entry(void *ctx, const char *name, const struct stat *st)
{
    struct sweep *s = ctx;
    struct err e;
    const char *path = arena_printf(s->a, "%s%s", s->path, name);
    bool top = s->path[0] == '\0';
    if (top && (strcmp(name, KEPT_NOTES) == 0 || strcmp(name, "SelfServeManifest") == 0)) {
        s->left = true;
        return true;
    }
    const char *of = text_starts(path, KEPT_OUTLINES "/") ? path + sizeof KEPT_OUTLINES : path;
    if (in_list(s->used, of) || (s->keep != NULL && strcmp(s->keep, path) == 0)) {
        s->left = true;
        return true;
    }
    if (S_ISDIR(st->st_mode)) {
        struct sweep below = *s;
        below.path = arena_printf(s->a, "%s/", path);
        below.left = false;
        if (!files_list(s->dir, path, sweep_entry, &below, &e))
            log_warn("clean-up: %s", e.text);
        if (below.left) {
            s->left = true;
            return true;
        }
    } else if (s->kept != NULL) {
        kept_forget(s->kept, path);
    }
    if (!files_remove(s->dir, path, &e)) {
        log_warn("clean-up: %s", e.text);
        s->left = true;
    }
    return true;
}

void repo_clean(struct repo *r, const char *const *manifests, const char *const *catalogs, const char *keep)
{
    struct err e;
    struct arena *a = arena_open();
    for (size_t k = 0; k < KINDS; k++) {
        struct sweep s = {.a = a,
                          .dir = folder(r, (enum kind)k),
                          .path = "",
                          .used = k == MANIFEST ? manifests : catalogs,
                          .keep = k == MANIFEST ? keep : NULL,
                          .kept = r->kept[k]};
        if (s.dir >= 0 && !files_list(s.dir, "", sweep_entry, &s, &e))
            log_warn("clean-up: %s: %s", kinds[k].folder, e.text);
    }
    arena_free(a);
}
