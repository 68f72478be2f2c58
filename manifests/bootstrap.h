/* bootstrap: an InstallApplications bootstrap.json, decoded once. No other file spells a key of it.
 *
 * Understood are the dialects of InstallApplications (Python) 1 and 2, installapplications-swiftly and
 * go-installapplications (daybreak-bootstrap(5) has the table of keys; the tools' sources and manuals are
 * where they come from). The file is refused as a whole where it is no JSON, says a key twice, or has a value
 * of the wrong type: the sentence names key and item. What is well formed and cannot be carried out is the
 * failure of that one item (refusal), and what is not known at all is named in one warning. Pure. */
#ifndef MANIFESTS_BOOTSTRAP_H
#define MANIFESTS_BOOTSTRAP_H
#include "manifests/plan.h"

#define BOOTSTRAP_NAME "bootstrap.json" /* where Munki would name a manifest or a catalog */

enum bootstrap_stage { BOOTSTRAP_PREFLIGHT, BOOTSTRAP_SETUP, BOOTSTRAP_USERLAND };
const char *bootstrap_stage_name(enum bootstrap_stage s); /* "setupassistant" */

enum bootstrap_type {
    BOOTSTRAP_PACKAGE,
    BOOTSTRAP_ROOTSCRIPT,
    BOOTSTRAP_USERSCRIPT,
    BOOTSTRAP_ROOTFILE,
    BOOTSTRAP_USERFILE,
    BOOTSTRAP_UNKNOWN /* refused */
};

enum bootstrap_policy { /* fail_policy: what an item's failure means for those after it */
                        BOOTSTRAP_FAILABLE_EXECUTION, /* default: what does not arrive ends the rest */
                        BOOTSTRAP_FAILABLE,           /* nothing ends the rest */
                        BOOTSTRAP_NO_OPTION           /* failure_is_not_an_option: everything does */
};

struct bootstrap_item { /* strings NULL when absent */
    enum bootstrap_stage stage;
    enum bootstrap_type type;
    enum bootstrap_policy policy;
    const char *where;      /* "setupassistant[2] \"Munki\"", for messages */
    const char *name;       /* never NULL: the place in the file where it has none */
    const char *type_text;  /* as written */
    const char *file, *url; /* url NULL: the file that is there already is meant (scripts only) */
    const char *hash;       /* SHA-256, 64 lower-case digits */
    const char *package_id, *version, *parallel_group;
    bool required, donotwait, skip_arm64, skip_intel;
    int retries, retry_wait_s; /* -1: as preferences say */
    const char *refusal;       /* why it cannot be carried out, or NULL */
    enum cause refusal_cause;
};

struct bootstrap {
    struct bootstrap_item *items; /* preflight, setupassistant, userland, each in its order */
    size_t count;
    const char *warning; /* what is not known, or NULL */
};

/* Decode. NULL: ERR_FORMAT (cause captive and ERR_NET for a web page instead of the file) or ERR_LIMIT; the
 * text does not name the file. */
const struct bootstrap *bootstrap_decode(struct arena *a, const char *p, size_t n, struct err *e);

/* --- bootstrap_plan.c --- */

enum bootstrap_answer { /* preflight's, in this run */
                        BOOTSTRAP_NOT_ASKED,
                        BOOTSTRAP_GO_ON, /* it was asked, and the rest is to be done */
                        BOOTSTRAP_OVER   /* nothing is to be done: all counts as present */
};

/* The decision: an item for everything that skip_if does not leave out and that is not there (world's
 * installed, asked with a pkginfo whose member bootstrap is set). An item's pkginfo stays the same in content
 * from plan to plan, so that answers about downloads find it again. Never fails. */
struct plan *bootstrap_plan(struct arena *a, const struct bootstrap *b, const struct plan_input *in,
                            const struct world *w, enum bootstrap_answer preflight);

/* Is there something that tells whether it is there, without having been noted by us? */
bool bootstrap_has_evidence(const struct pkginfo *p);
#endif
