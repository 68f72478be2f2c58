/* detect: is it installed? The evidence of a pkginfo held against the target volume (munki-semantics 8).
 *
 * Paths are resolved inside the root, links followed but never out of it. Receipts, inventory and script
 * answers are remembered until detect_forget: a fresh look after an install. */
#ifndef INSTALLER_DETECT_H
#define INSTALLER_DETECT_H
#include "core/loop.h"
#include "manifests/plan.h"

struct detect;

struct detect_config {
    struct loop *loop;
    int root;              /* the target volume */
    const char *root_path; /* its absolute path, for DAYBREAK_ROOT */
    bool live;             /* the target is this Mac's / : pkgutil is asked besides the receipts' folder */
    bool run_scripts;      /* false: script_results answer, else the next evidence decides */
    const struct value *script_results; /* facts' dictionary, or NULL */
    const char *os_version;
    uint64_t script_timeout_ms;
    /* a check script could not start or died by a signal (product 5: the run lists the item as failed); may
     * be NULL */
    void (*script_broken)(void *ctx, const struct pkginfo *p, const char *sentence);
    void *ctx;
};

struct detect *detect_open(const struct detect_config *c);
void detect_free(struct detect *d);
void detect_forget(struct detect *d);

enum plan_state detect_installed(struct detect *d, const struct pkginfo *p);
bool detect_some_version(struct detect *d, const struct pkginfo *p);
bool detect_evidence(struct detect *d, const struct pkginfo *p);
const char *detect_installed_version(struct detect *d, const struct pkginfo *p); /* 8.7, NULL unknown */
const char *detect_receipt_version(struct detect *d, const char *package_id);
bool detect_is_executable(struct detect *d, const char *path);

/* Can the evidence say yes at all? false for OnDemand, a nopkg whose installcheck always answers 0, and items
 * without any evidence: these end "success, not verifiable". */
bool detect_verifiable(struct detect *d, const struct pkginfo *p);

/* What the evidence said last about p, one sentence for why and for failures: "installs[0]:
 * /Applications/X.app: 1.0 is older than 2.0". */
const char *detect_reason(struct detect *d, const struct pkginfo *p);

/* Each piece of evidence of p by itself: what it is ("installs[0]", "installcheck_script"), what was found in
 * one sentence, and what that says ("absent", "older", "this version", "newer", "installed", "not installed",
 * "malformed", "not asked"). In the order in which they are asked, for a removal when removal is set; what a
 * stronger one makes worthless comes as "not asked". Check scripts answer as they did before in this look. */
typedef void detect_line_fn(void *ctx, const char *what, const char *found, const char *says);
void detect_explain(struct detect *d, const struct pkginfo *p, bool removal, detect_line_fn *fn, void *ctx);

/* Every application of the volume (8.6): array of dictionaries name, path, bundleid, version. In a. */
const struct value *detect_applications(struct detect *d, struct arena *a);
#endif
