/* flatpkg_internal: what the rooms of flatpkg share: one package in hand, between worker and target. */
#ifndef INSTALLER_FLATPKG_INTERNAL_H
#define INSTALLER_FLATPKG_INTERNAL_H
#include "installer/flatpkg.h"
#include "installer/record.h"
#include "installer/undo.h"

struct flatpkg_script {
    const struct flatpkg_script *next;
    struct record_script is;
};

struct flatpkg_bundle {
    const struct flatpkg_bundle *next;
    struct record_bundle is;
};

struct flatpkg_part { /* a component */
    struct record_component is;
    int folder;     /* its N in the staging folder, or -1 */
    bool installed; /* a receipt of it is there: this is an upgrade or reinstall */
    const struct flatpkg_script *scripts, **last_script; /* in the order of PackageInfo */
    const struct flatpkg_bundle *bundles, **last_bundle;
};

struct flatpkg_work {
    struct arena *arena;
    const struct install_env *env; /* NULL but for an install */
    const struct flatpkg_options *options;
    const struct flatpkg_visitor *visitor;
    struct flatpkg_part *parts;
    size_t count;
    uint64_t announced; /* components the worker spoke of beforehand */
    bool restart, archive_seen;
    struct buf claims; /* of the first worker about its signatures: never read, only handed to judge */
    bool judged;       /* what was asked of its signature holds: it may be read */
    struct install_signature signature;
    bool unpacking;   /* the second worker is at work: it has less to say */
    uint64_t counted; /* components it is done with */
    bool owners;      /* we are root: owners are set */
    struct flatpkg_summary sum;
    int staging;
    const char *staging_path; /* absolute */
    const char *const *keep_setid;
    size_t keep_setid_count;
    const char **replace; /* absolute paths of bundles that are replaced whole */
    size_t replace_count;
    const char **kept; /* absolute paths of bundles that stay, as they are newer */
    size_t kept_count;
    struct undo *undo;
};

void flatpkg_work_open(struct flatpkg_work *w, const struct flatpkg_options *o);
void flatpkg_work_free(struct flatpkg_work *w);

/* Have the worker without rights read the tables, then, unless it is only to be listed, the one that may
 * write beneath directory unpack (-1 for LIST); what they say is in w afterwards. Between finding signatures
 * and reading on stands judge, a worker that has seen no table. */
CHECKED bool flatpkg_work_run(struct flatpkg_work *w, struct loop *l, int package, int directory,
                              struct record_request *r, struct err *e);

/* Unpack into w->staging and open what came of it. */
CHECKED bool flatpkg_work_stage(struct flatpkg_work *w, struct loop *l, int package, bool scripts,
                                bool skip_checks, struct err *e);

/* Everything to its place below root, after a look at all of it. */
CHECKED bool flatpkg_work_place(const struct flatpkg_work *w, int root, struct err *e);

void flatpkg_work_progress(const struct flatpkg_work *w, int percent, const char *phase);

/* Write the Bom of a component that came without one, from what was staged. */
CHECKED bool flatpkg_bom_make(struct flatpkg_part *p, struct err *e);

/* Hold the bundles of the package against those that stand at their places: newer ones stay, others are
 * replaced whole or merged, as PackageInfo says; out->reason names what was kept. ERR_REFUSED: another
 * program's bundle is there, or everything that the package holds is there and newer. */
CHECKED bool flatpkg_upgrade_judge(struct flatpkg_work *w, struct install_outcome *out, struct err *e);

/* Is the bundle with that identifier one of those that stay? */
bool flatpkg_upgrade_kept(const struct flatpkg_work *w, const struct flatpkg_part *p, const char *id);

/* Take off what the old receipts own and neither the new Boms nor other receipts do. What stays is counted.
 */
CHECKED bool flatpkg_upgrade_obsolete(const struct flatpkg_work *w, size_t *left, struct err *e);

/* Append to out->reason, with a comma where something is there. */
void flatpkg_upgrade_say(struct install_outcome *out, const char *fmt, ...) PRINTF(2, 3);
#endif
