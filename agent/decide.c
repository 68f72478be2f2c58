/* Invariants: the plan is a function of the answers; what the outside world said once in a run stays said
 * (room.h: free space, what lay in the cache), so that planning again after downloads differs by their
 * failures alone. */
#include "agent/decide.h"

#include "agent/plistfile.h"
#include "agent/room.h"
#include "agent/seats.h"
#include "agent/selfserve.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#include <signal.h>
#include <stdint.h>

#define INFO "InstallInfo.plist"

enum { CHECK_SCRIPT_MS = 600000 };

struct answer {
    struct answer *next;
    const char *catalog;
    size_t position;
    bool uninstaller;
    struct plan_download value;
    const struct pkginfo *pkg; /* whose download failed when decide_settle tried it, else NULL */
    enum cause cause;          /* of that failure */
};

struct forced {
    struct forced *next;
    const char *name, *version; /* version NULL: any */
};

struct told {
    struct told *next;
    const char *text;
};

struct decide {
    struct arena *a;
    struct decide_config c;
    struct repo *repo;
    struct cache *cache;
    struct detect *detect;

    const char *primary;
    const struct value *manifest;
    const struct value *local_only;
    struct selfserve selfserve;

    struct answer *answers;
    const struct value *seats; /* of LicenseInfoURL; NULL: not asked yet */
    struct room *room;
    struct decide_download *downloads;
    size_t download_count, download_room;
    struct forced *forced;
    struct told *told;
    struct decide_broken *broken;
    size_t broken_count, broken_room;
    const struct bootstrap *bootstrap; /* instead of a manifest, or NULL */
    enum bootstrap_answer preflight;
    struct plan_input in; /* of the last decision */
    const struct plan *plan;
};

static void read_local_only(struct decide *d)
{
    const char *name = d->c.prefs->local_only_manifest;
    struct err e;
    if (name == NULL)
        return;
    d->local_only = plistfile_dict(d->a, d->c.target->manifests, name, LIMIT_MANIFEST, &e);
    if (d->local_only != NULL)
        return;
    if (e.kind == ERR_NOT_FOUND)
        log_debug("LocalOnlyManifest %s is not there", name);
    else
        log_error("LocalOnlyManifest is skipped: %s", e.text);
}

/* --- the world ----------------------------------------------------------------------------------------- */

static bool world_manifest(void *self, const char *name, const struct value **dict, struct err *e)
{
    return repo_manifest(((struct decide *)self)->repo, name, dict, e);
}

static bool world_catalog(void *self, const char *name, const struct outline **items, struct err *e)
{
    return repo_catalog(((struct decide *)self)->repo, name, items, e);
}

static enum plan_state world_installed(void *self, const struct pkginfo *p)
{
    struct decide *d = self;
    for (const struct forced *f = d->forced; f != NULL; f = f->next)
        if (strcmp(f->name, p->name) == 0 && (f->version == NULL || strcmp(f->version, p->version) == 0))
            return PLAN_ABSENT;
    if (p->bootstrap != NULL && !bootstrap_has_evidence(p)) {
        const struct journal_item known = journal_item(d->c.journal, p->name);
        bool done = known.outcome == JOURNAL_OK && !known.removal && strcmp(known.version, p->version) == 0;
        return done ? PLAN_THIS : PLAN_ABSENT;
    }
    return detect_installed(d->detect, p);
}

static bool world_some_version(void *self, const struct pkginfo *p)
{
    return detect_some_version(((struct decide *)self)->detect, p);
}

static bool world_evidence(void *self, const struct pkginfo *p)
{
    return detect_evidence(((struct decide *)self)->detect, p);
}

static const char *world_installed_version(void *self, const struct pkginfo *p)
{
    return detect_installed_version(((struct decide *)self)->detect, p);
}

static const char *world_receipt_version(void *self, const char *package_id)
{
    return detect_receipt_version(((struct decide *)self)->detect, package_id);
}

static bool world_is_executable(void *self, const char *path)
{
    return detect_is_executable(((struct decide *)self)->detect, path);
}

/* Asked once a run: the offers do not change while it decides again. */
static const struct value *world_seats(void *self, const struct value *names)
{
    struct decide *d = self;
    struct err e;
    if (d->seats == NULL)
        d->seats = d->c.offline
                       ? seats_known(d->a, plistfile_read(d->a, d->c.target->data, INFO, LIMIT_CATALOG, &e))
                       : seats_ask(d->a, repo_session(d->repo), d->c.prefs->license_url, names);
    return d->seats;
}

static struct answer *answer_of(const struct decide *d, const struct pkginfo *p, bool uninstaller)
{
    struct answer *a = d->answers;
    while (a != NULL && (a->position != p->position || a->uninstaller != uninstaller ||
                         strcmp(a->catalog, p->catalog) != 0))
        a = a->next;
    return a;
}

static void expect(struct decide *d, const struct pkginfo *p, bool uninstaller, bool answered)
{
    for (size_t i = 0; i < d->download_count; i++) {
        const struct decide_download *o = &d->downloads[i];
        if (o->pkg->position == p->position && o->uninstaller == uninstaller &&
            strcmp(o->pkg->catalog, p->catalog) == 0)
            return;
    }
    if (d->download_count == d->download_room) {
        size_t room = d->download_room * 2 + 32;
        struct decide_download *more = arena_array(d->a, room, sizeof *more);
        if (d->download_count > 0)
            memcpy(more, d->downloads, d->download_count * sizeof *more);
        d->downloads = more;
        d->download_room = room;
    }
    d->downloads[d->download_count++] =
        (struct decide_download){.pkg = p,
                                 .uninstaller = uninstaller,
                                 .name = cache_name(uninstaller ? p->uninstaller_location : p->location),
                                 .answered = answered};
}

static struct plan_download world_download(void *self, const struct pkginfo *p, bool uninstaller)
{
    struct decide *d = self;
    struct plan_download yes = {.failure = PLAN_DOWNLOAD_OK};
    const struct answer *a = answer_of(d, p, uninstaller);
    if (a != NULL && a->value.failure != PLAN_DOWNLOAD_OK)
        return a->value;
    expect(d, p, uninstaller, a != NULL);
    room_want(d->room, uninstaller ? p->uninstaller_location : p->location,
              uninstaller ? p->uninstaller_size_kb : p->size_kb);
    return a != NULL ? a->value : yes;
}

static int64_t world_free_kb(void *self)
{
    return room_free_kb(((struct decide *)self)->room);
}

static int64_t world_cached_kb(void *self, const char *location, bool *complete)
{
    return room_cached_kb(((struct decide *)self)->room, location, complete);
}

static bool world_make_room(void *self, int64_t kb)
{
    struct decide *d = self;
    struct err e;
    const struct value *before = plistfile_read(d->a, d->c.target->data, INFO, LIMIT_CATALOG, &e);
    return room_make(d->room, before, kb);
}

void decide_make_way(struct decide *d)
{
    room_clear(d->room);
}

static void script_broken(void *ctx, const struct pkginfo *p, const char *sentence)
{
    struct decide *d = ctx;
    for (size_t i = 0; i < d->broken_count; i++)
        if (strcmp(d->broken[i].name, p->name) == 0 && strcmp(d->broken[i].version, p->version) == 0)
            return;
    if (d->broken_count == d->broken_room) {
        size_t room = d->broken_room * 2 + 8;
        struct decide_broken *more = arena_array(d->a, room, sizeof *more);
        if (d->broken_count > 0)
            memcpy(more, d->broken, d->broken_count * sizeof *more);
        d->broken = more;
        d->broken_room = room;
    }
    d->broken[d->broken_count++] = (struct decide_broken){.name = arena_strdup(d->a, p->name),
                                                          .version = arena_strdup(d->a, p->version),
                                                          .sentence = arena_strdup(d->a, sentence)};
}

/* --- opening and deciding ------------------------------------------------------------------------------ */

struct decide *decide_open(struct arena *a, const struct decide_config *c, struct err *e)
{
    struct decide *d = arena_alloc(a, sizeof *d);
    d->a = a;
    d->c = *c;
    const struct detect_config evidence = {
        .loop = c->loop,
        .root = c->target->root,
        .root_path = c->target->root_path,
        .live = c->target->live,
        .run_scripts = c->options->run_scripts,
        .script_results = c->facts->script_results,
        .os_version = c->facts->os_version,
        .script_timeout_ms = CHECK_SCRIPT_MS,
        .script_broken = script_broken,
        .ctx = d,
    };
    d->repo = repo_open(a, c->loop, c->options, c->prefs, c->facts, c->target, c->offline, e);
    if (d->repo == NULL)
        return NULL;
    d->detect = detect_open(&evidence);
    d->cache = cache_open(a, c->loop, d->repo, c->prefs, c->target);
    d->room = room_open(a, d->cache, c->target->root, c->facts->disk_kb);
    if (!facts_complete(a, c->options, c->prefs, c->target, c->loop, d->detect, c->facts, e)) {
        decide_free(d);
        return NULL;
    }
    selfserve_read(a, c->target, c->prefs, &d->selfserve);
    read_local_only(d);
    for (size_t i = 0; i < c->options->force_count; i++)
        decide_force(d, c->options->force[i], NULL);
    return d;
}

void decide_free(struct decide *d)
{
    if (d == NULL)
        return;
    cache_free(d->cache);
    detect_free(d->detect);
    repo_free(d->repo);
}

static void tell(struct decide *d, const char *text)
{
    for (const struct told *t = d->told; t != NULL; t = t->next)
        if (strcmp(t->text, text) == 0)
            return;
    struct told *t = arena_alloc(d->a, sizeof *t);
    t->text = text;
    t->next = d->told;
    d->told = t;
    log_warn("%s", text);
}

const struct plan *decide_make(struct decide *d, struct err *e)
{
    const struct facts *f = d->c.facts;
    d->plan = NULL;
    if (repo_is_bootstrap(d->repo) && d->bootstrap == NULL) {
        d->bootstrap = repo_bootstrap(d->repo, e);
        if (d->bootstrap == NULL)
            return NULL;
        d->primary = BOOTSTRAP_NAME;
    } else if (d->bootstrap == NULL && d->manifest == NULL) {
        if (!repo_primary(d->repo, &d->primary, &d->manifest, e))
            return NULL;
        log_info("manifest %s", d->primary);
    }
    d->downloads = NULL;
    d->download_count = d->download_room = 0;
    room_begin(d->room);
    d->in = (struct plan_input){
        .primary = d->primary,
        .manifest = d->manifest,
        .facts = f->all,
        .now = f->now,
        .arch = f->arch,
        .os_version = f->os_version,
        .munki_version = f->munki_version,
        .x86_64_capable = f->x86_64_capable,
        .higher_os_optional = d->c.prefs->higher_os_optional,
        .local_only_name = d->c.prefs->local_only_manifest,
        .local_only = d->local_only,
        .self_serve = d->selfserve.dict,
        .self_serve_unreadable = d->selfserve.unreadable,
    };
    const struct world world = {
        .self = d,
        .manifest = world_manifest,
        .catalog = world_catalog,
        .installed = world_installed,
        .some_version = world_some_version,
        .evidence = world_evidence,
        .installed_version = world_installed_version,
        .receipt_version = world_receipt_version,
        .is_executable = world_is_executable,
        .seats = d->c.prefs->license_url != NULL && d->c.prefs->license_url[0] != '\0' ? world_seats : NULL,
        .download = world_download,
        .free_kb = world_free_kb,
        .cached_kb = world_cached_kb,
        .make_room = world_make_room,
    };
    d->plan = d->bootstrap != NULL ? bootstrap_plan(d->a, d->bootstrap, &d->in, &world, d->preflight)
                                   : plan_make(d->a, &d->in, &world, e);
    for (size_t i = 0; d->plan != NULL && i < d->plan->warning_count; i++)
        tell(d, d->plan->warnings[i]);
    return d->plan;
}

void decide_answer(struct decide *d, const struct pkginfo *p, bool uninstaller,
                   const struct plan_download *answer)
{
    struct answer *a = answer_of(d, p, uninstaller);
    if (a == NULL) {
        a = arena_alloc(d->a, sizeof *a);
        a->catalog = arena_strdup(d->a, p->catalog);
        a->position = p->position;
        a->uninstaller = uninstaller;
        a->next = d->answers;
        d->answers = a;
    }
    a->value = *answer;
    if (answer->why != NULL)
        a->value.why = arena_strdup(d->a, answer->why);
}

enum cause decide_failed_by(const struct decide *d, const char *name, const char *version)
{
    for (const struct answer *a = d->answers; a != NULL; a = a->next)
        if (a->pkg != NULL && !a->uninstaller && a->value.failure != PLAN_DOWNLOAD_OK && name != NULL &&
            version != NULL && strcmp(a->pkg->name, name) == 0 && strcmp(a->pkg->version, version) == 0)
            return a->cause;
    return CAUSE_NONE;
}

void decide_force(struct decide *d, const char *name, const char *version)
{
    struct forced *f = arena_alloc(d->a, sizeof *f);
    f->name = text_nfc(d->a, name);
    if (f->name == NULL)
        return; /* no name is spelled like that */
    f->version = version != NULL ? arena_strdup(d->a, version) : NULL;
    f->next = d->forced;
    d->forced = f;
}

void decide_preflight(struct decide *d, enum bootstrap_answer answer)
{
    d->preflight = answer;
}

bool decide_is_bootstrap(const struct decide *d)
{
    return repo_is_bootstrap(d->repo);
}

void decide_look_again(struct decide *d)
{
    d->forced = NULL;
    detect_forget(d->detect);
    selfserve_read(d->a, d->c.target, d->c.prefs, &d->selfserve);
}

/* --- settling ------------------------------------------------------------------------------------------ */

struct settling {
    struct decide *d;
    const struct decide_progress *progress;
    size_t open;
};

struct one_download {
    struct settling *all;
    const struct decide_download *download;
};

static void on_progress(void *ctx, enum cache_step step, uint64_t have, int64_t total)
{
    const struct one_download *o = ctx;
    const struct decide_progress *p = o->all->progress;
    if (p != NULL && p->progress != NULL)
        p->progress(p->ctx, o->download, step, have, total);
}

static void on_retry(void *ctx, unsigned attempt, uint64_t wait_ms, const struct err *why)
{
    const struct one_download *o = ctx;
    log_warn("%s: attempt %u: %s: again in %llu s", o->download->pkg->name, attempt, why->text,
             (unsigned long long)((wait_ms + 999) / 1000));
}

static void on_done(void *ctx, const struct plan_download *answer, uint64_t bytes, bool fetched,
                    const struct err *e)
{
    const struct one_download *o = ctx;
    const struct decide_progress *p = o->all->progress;
    (void)fetched;
    o->all->open--;
    decide_answer(o->all->d, o->download->pkg, o->download->uninstaller, answer);
    if (e != NULL && e->kind != ERR_STOPPED) {
        struct answer *a = answer_of(o->all->d, o->download->pkg, o->download->uninstaller);
        a->pkg = o->download->pkg;
        a->cause = e->cause;
        log_warn("%s: %s", o->download->pkg->name, e->text);
    }
    if (p != NULL && p->done != NULL)
        p->done(p->ctx, o->download, answer, bytes, e);
}

static bool download_all(struct settling *s, struct err *e)
{
    struct decide *d = s->d;
    const struct decide_progress *p = s->progress;
    decide_make_way(d);
    for (size_t i = 0; i < d->download_count; i++) {
        const struct decide_download *w = &d->downloads[i];
        if (w->answered)
            continue;
        struct one_download *o = arena_alloc(d->a, sizeof *o);
        o->all = s;
        o->download = w;
        s->open++;
        if (p != NULL && p->started != NULL)
            p->started(p->ctx, w);
        cache_start(d->cache, &(struct cache_want){.pkg = w->pkg,
                                                   .uninstaller = w->uninstaller,
                                                   .progress = on_progress,
                                                   .retry = on_retry,
                                                   .done = on_done,
                                                   .ctx = o});
    }
    while (s->open > 0)
        loop_turn(d->c.loop, 1000);
    int signal = 0;
    if (loop_stops(d->c.loop, &signal) == 0)
        return true;
    err_set(e, ERR_STOPPED, CAUSE_STOPPED, "stopped while downloading");
    if (e != NULL)
        e->code = signal;
    return false;
}

const struct plan *decide_settle(struct decide *d, const struct decide_progress *progress, struct err *e)
{
    struct settling s = {.d = d, .progress = progress};
    for (;;) {
        if (decide_make(d, e) == NULL)
            return NULL;
        bool settled = true;
        for (size_t i = 0; i < d->download_count; i++)
            settled = settled && d->downloads[i].answered;
        if (settled)
            return d->plan;
        if (!download_all(&s, e))
            return NULL;
    }
}

/* --- what is kept -------------------------------------------------------------------------------------- */

bool decide_write(struct decide *d, bool *written, struct err *e)
{
    struct err ignored;
    const struct value *old = plistfile_read(d->a, d->c.target->data, INFO, LIMIT_CATALOG, &ignored);
    bool differs = old == NULL || !value_equal(old, d->plan->install_info);
    if (written != NULL)
        *written = differs;
    return !differs || plistfile_write(d->c.target->data, INFO, d->plan->install_info, e);
}

bool decide_write_self_serve(struct decide *d, struct err *e)
{
    return selfserve_write(d->c.target, &d->selfserve, d->plan->self_serve, e);
}

void decide_clean(struct decide *d)
{
    if (d->c.offline || d->plan == NULL)
        return;
    if (d->bootstrap == NULL)
        repo_clean(d->repo, d->plan->manifests_used, d->plan->catalogs_used, d->c.prefs->local_only_manifest);
    cache_clean(d->cache, d->plan);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

const char *decide_manifest(const struct decide *d)
{
    return d->primary;
}

const struct plan_input *decide_input(const struct decide *d)
{
    return &d->in;
}

struct repo *decide_repo(struct decide *d)
{
    return d->repo;
}

struct cache *decide_cache(struct decide *d)
{
    return d->cache;
}

struct detect *decide_detect(struct decide *d)
{
    return d->detect;
}

const struct decide_broken *decide_broken(const struct decide *d, size_t *count)
{
    *count = d->broken_count;
    return d->broken;
}

int decide_exit_code(const struct err *e)
{
    switch (e->kind) {
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_TRUST:
        return EXIT_TRUST;
    case ERR_NET:
    case ERR_REFUSED:
    case ERR_TIMEOUT:
        return EXIT_UNAVAILABLE;
    case ERR_SYS:
    case ERR_SPACE:
        return EXIT_DIRECTORIES;
    case ERR_STOPPED:
        return e->code == SIGINT ? EXIT_SIGINT : EXIT_SIGTERM;
    case ERR_NONE:
    case ERR_NOT_FOUND:
    case ERR_FORMAT:
    case ERR_LIMIT:
    case ERR_CHILD:
    case ERR_INTERNAL:
        break;
    }
    return EXIT_NO_DECISION;
}
