/* cache: installer items in ManagedInstallDir/Cache: fetched, proved, named, cleaned away.
 *
 * A file's name is the plain last component of its location (two locations may share one; used
 * deliberately for one image with several items). A file under its final name has been proved when it came;
 * it is proved again, on the descriptor that is then used, before anything is done with it. What is
 * incomplete is NAME.download and is resumed.
 * Hash rules: a wrong hash always fails (mode none aside). No hash: strict fails, hash and none let it pass
 * with a warning. mode none passes everything. */
#ifndef AGENT_CACHE_H
#define AGENT_CACHE_H
#include "agent/repo.h"
#include "manifests/plan.h"

struct cache;
struct cache *cache_open(struct arena *a, struct loop *l, struct repo *r, const struct prefs *p,
                         const struct target *t);
void cache_free(struct cache *c); /* cancels what is under way (parts are kept), saves validators */

/* The name in Cache, or NULL when the location has none that is safe (empty, "..", hidden). */
const char *cache_name(const char *location);

/* KB in Cache for a location's base name, part or whole; *complete: under its final name. */
int64_t cache_kb(struct cache *c, const char *location, bool *complete);

enum cache_step { CACHE_PROVING, CACHE_FETCHING };

/* Make sure that p's package (or, uninstaller, its uninstaller_item_location) is in Cache and proved: a file
 * already there is hashed in slices and kept when right; else it is fetched. Callbacks come from loop_turn,
 * never from cache_start itself. Two wants for one cache name run one after the other. */
struct cache_want {
    const struct pkginfo *pkg;
    bool uninstaller;
    /* at most ten a second; total -1 unknown; may be NULL */
    void (*progress)(void *ctx, enum cache_step step, uint64_t have, int64_t total);
    /* a try failed, another follows in wait_ms; may be NULL */
    void (*retry)(void *ctx, unsigned attempt, uint64_t wait_ms, const struct err *why);
    /* once, at the end. answer.failure PLAN_DOWNLOAD_OK: the file is there; e is NULL then, else why. bytes:
     * size of the file; fetched: it came over the network (or from file:) now. May cancel others. */
    void (*done)(void *ctx, const struct plan_download *answer, uint64_t bytes, bool fetched,
                 const struct err *e);
    void *ctx;
};
struct cache_job; /* freed by the cache after done, or by cache_cancel */
struct cache_job *cache_start(struct cache *c, const struct cache_want *w);
void cache_cancel(struct cache_job *j); /* done is not called; the part stays */

/* Open the proved file for use: hashes it on the descriptor returned (turning the loop between slices) when
 * the catalog has a hash. -1: ERR_TRUST (the file was removed: fetch again), ERR_NOT_FOUND, ERR_SYS. */
int cache_open_proved(struct cache *c, const struct pkginfo *p, bool uninstaller, struct err *e);

/* Does a file's absence of a hash stand in the way? True: p has a hash, or its lack is allowed. */
bool cache_hash_allowed(const struct cache *c, const struct pkginfo *p, bool uninstaller);

void cache_remove(struct cache *c, const char *name); /* whole and part; failures are logged */

/* After a decision: keep installer_item of managed_installs, uninstaller_item of removals, parts of problem
 * items, and precached optional items; delete everything else. */
void cache_clean(struct cache *c, const struct plan *plan);
#endif
