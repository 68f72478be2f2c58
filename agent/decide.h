/* decide: from preferences, facts and repository to a plan. Fills struct world and struct plan_input.
 *
 * Order for a command: options, target_open, prefs_load, target_dirs, facts_load, decide_open, decide_make
 * (or decide_settle), then decide_write and decide_clean. Nothing is written but the cached manifests and
 * catalogs until one of the last two is called.
 *
 * Downloads: the plan asks whether each package arrives and is told "yes" unless decide_answer said
 * otherwise. A plan is settled when everything it was told "yes" about has really arrived. */
#ifndef AGENT_DECIDE_H
#define AGENT_DECIDE_H
#include "agent/cache.h"
#include "agent/facts.h"
#include "agent/journal.h"
#include "agent/prefs.h"
#include "agent/repo.h"
#include "agent/target.h"
#include "manifests/bootstrap.h"

struct decide_config {
    struct loop *loop;
    const struct options *options;
    const struct target *target; /* after target_dirs */
    const struct prefs *prefs;
    struct facts *facts;           /* after facts_load; decide_open completes it */
    const struct journal *journal; /* knows which scripts of a bootstrap.json were run */
    bool offline;                  /* only the cached manifests and catalogs (why, --installonly) */
};

struct decide_download { /* something the last plan counts on */
    const struct pkginfo *pkg;
    bool uninstaller;
    const char *name; /* in Cache */
    bool answered;    /* decide_answer was called for it */
};

/* A check script that could not start or died by a signal: the run lists the item as failed, cause script. */
struct decide_broken {
    const char *name, *version, *sentence;
};

struct decide;

/* Open repository, cache and evidence; complete the facts. NULL: *e, and decide_exit_code of it. */
struct decide *decide_open(struct arena *a, const struct decide_config *c, struct err *e);
void decide_free(struct decide *d); /* NULL is fine */

/* Decide with the answers so far. The plan (in the run's arena) replaces the last one; NULL: no decision,
 * InstallInfo.plist must stay as it is. After ERR_NET it may be called again: what was not reached is asked
 * for once more. Logs the plan's warnings that were not logged before. */
const struct plan *decide_make(struct decide *d, struct err *e);

/* Say what became of a download, for the next decide_make. Remembered by catalog, position and uninstaller.
 */
void decide_answer(struct decide *d, const struct pkginfo *p, bool uninstaller,
                   const struct plan_download *answer);

/* From the next decide_make on, name (of this version; NULL: any) counts as absent, whatever its evidence
 * says: --force, and items whose install was cut off. Both strings are copied. */
void decide_force(struct decide *d, const char *name, const char *version);

/* Of a bootstrap.json: what preflight said, for the next decide_make. */
void decide_preflight(struct decide *d, enum bootstrap_answer answer);
bool decide_is_bootstrap(const struct decide *d);

/* After installs: evidence and the user's wishes are asked anew, and what was forced is judged by it again.
 */
void decide_look_again(struct decide *d);

/* Plan, download all of it at once, give failures back, plan again until nothing new is asked.
 * progress as cache_want's with the item, may be NULL. Fails also with ERR_STOPPED. */
struct decide_progress {
    void (*started)(void *ctx, const struct decide_download *d);
    void (*progress)(void *ctx, const struct decide_download *d, enum cache_step step, uint64_t have,
                     int64_t total);
    void (*done)(void *ctx, const struct decide_download *d, const struct plan_download *answer,
                 uint64_t bytes, const struct err *e);
    void *ctx;
};
const struct plan *decide_settle(struct decide *d, const struct decide_progress *progress, struct err *e);

/* Why the download of that version failed in decide_settle; CAUSE_NONE: it did not. */
enum cause decide_failed_by(const struct decide *d, const char *name, const char *version);

const char *decide_manifest(const struct decide *d);           /* the primary manifest's name */
const struct plan_input *decide_input(const struct decide *d); /* what the last plan was made from */
struct repo *decide_repo(struct decide *d);
struct cache *decide_cache(struct decide *d);
struct detect *decide_detect(struct decide *d);
const struct decide_broken *decide_broken(const struct decide *d, size_t *count);

/* Remove from Cache what the plan takes the room of: optional items fetched ahead of time. Before fetching.
 */
void decide_make_way(struct decide *d);
/* InstallInfo.plist in ManagedInstallDir, only when it differs; *written may be NULL. */
CHECKED bool decide_write(struct decide *d, bool *written, struct err *e);
/* The SelfServeManifest: what the plan changed in it, and the user's drop taken over and removed (run; check
 * only reads the drop). Does nothing where Munki is installed: then both are Munki's. */
CHECKED bool decide_write_self_serve(struct decide *d, struct err *e);
/* Manifests, catalogs and Cache that the last plan does not use. Not in offline mode. */
void decide_clean(struct decide *d);

/* Exit code of an error of decide_open or later (docs/daybreak.8): 150, 7, 8, 101, 200, or of ERR_STOPPED 130
 * and 143. (prefs_load and facts_load: always 200. target_dirs: always 101.) */
int decide_exit_code(const struct err *e);
#endif
