/* plan_internal: what the files of plan share. One struct plan_work is the making of one plan. */
#ifndef MANIFESTS_PLAN_INTERNAL_H
#define MANIFESTS_PLAN_INTERNAL_H
#include "manifests/catalog.h"
#include "manifests/manifest.h"
#include "manifests/names.h"
#include "manifests/plan.h"
#include "manifests/plan_entry.h"

struct plan_catalogs { /* the catalogs that are searched, in order; those that could not be had left out */
    struct catalog **at;
    size_t count;
    const char *text; /* "testing, production" */
    size_t id;        /* two equal lists are one */
    const struct value *names;
};

struct plan_mention { /* who wants an item, for reasons and warnings */
    const char *manifest, *key, *condition, *by;
};

struct plan_name {       /* an entry of a manifest, a requires or an update_for */
    const char *spelled; /* last path component, as written */
    const char *entry;   /* the same, NFC */
    const char *name, *version;
    const char *spelled_name;
};

struct plan_answers { /* what the world said about an item, by whichever catalog it was found */
    enum plan_state installed;
    bool some_version, evidence;
    const char *installed_version;
    const char *rejected[2]; /* why it does not apply: [0] with, [1] without minimum_os_version */
    struct plan_download download, uninstaller;
    unsigned asked; /* bits of enum plan_question */
};

enum plan_question {
    ASKED_INSTALLED = 1,
    ASKED_SOME = 2,
    ASKED_EVIDENCE = 4,
    ASKED_VERSION = 8,
    ASKED_APPLIES = 16,
    ASKED_APPLIES_ANY_OS = 32,
    ASKED_DOWNLOAD = 64,
    ASKED_UNINSTALLER = 128
};

struct plan_found {              /* a search of the catalogs, remembered */
    struct catalog_entry *entry; /* NULL: none */
    const char **rejections;     /* NULL at the end */
};

struct plan_work {
    struct arena *a;
    const struct plan_input *in;
    const struct world *world;
    const struct manifest_source *source;
    const struct manifest_tree *tree;
    struct names *catalogs; /* name -> struct catalog, or that the server does not have it */
    struct catalog **loaded;
    size_t catalog_count, loaded_count;
    struct names *lists; /* struct plan_catalogs */
    size_t list_count;
    struct plan_catalogs *primary; /* of the primary manifest */
    struct names *searches;        /* struct plan_found */

    struct plan_entries installs, removals, optional;
    struct plan_strings processed_installs, processed_uninstalls, managed_updates, featured;
    struct names *processed_install_names; /* name parts */
    struct names *featured_by;             /* entry of featured -> the manifest that names it first */
    struct value *self_serve;              /* changed or made; NULL: none */
    bool self_serve_changed;

    struct names *frames; /* install requests: struct plan_frame, plan_install.c */
    struct plan_frame *stack;
    size_t depth;
    size_t changes;                 /* how often any of the lists above grew */
    size_t gains;                   /* … by something that is or will be installed, or is ruled out */
    struct plan_receipts *receipts; /* plan_receipts.c */
    int64_t free_kb;                /* before anything planned */
    int64_t reserved_kb;            /* installed sizes of what is to be installed */

    struct names *warned;
    struct plan_warning *warnings, **last_warning;
    size_t warning_count;
    struct plan_note *notes, **last_note;
    size_t note_count;
};

/* plan_search.c: catalogs and the items in them */
CHECKED bool plan_load_catalogs(struct plan_work *w, const struct value *names, struct plan_catalogs **list,
                                struct err *e);
struct plan_name plan_split(struct plan_work *w, const char *reference);
/* The item that name and version (or "": the latest) mean. any_os: minimum_os_version is not looked at. */
const struct plan_found *plan_search(struct plan_work *w, const struct plan_catalogs *c, const char *name,
                                     const char *version, bool any_os);
/* All items of that name in all the catalogs, highest version first. */
struct catalog_list plan_all_named(struct plan_work *w, const struct plan_catalogs *c, const char *name);
/* The names, as written, of what updates the item: in general, or name-version and name--version; no general
 * ones when general is false, no versioned ones when version is NULL. NULL at the end. */
const char **plan_updates(struct plan_work *w, const struct plan_catalogs *c, const char *name, bool general,
                          const char *version);

/* plan_world.c: each question once */
enum plan_state plan_installed(struct plan_work *w, struct catalog_entry *item);
bool plan_some_version(struct plan_work *w, struct catalog_entry *item);
bool plan_evidence(struct plan_work *w, struct catalog_entry *item);
const char *plan_installed_version(struct plan_work *w, struct catalog_entry *item);
const char *plan_rejected(struct plan_work *w, struct catalog_entry *item, bool any_os);
/* Space is looked at first, unless the file is in the cache already. */
struct plan_download plan_download(struct plan_work *w, struct catalog_entry *item, bool uninstaller);
bool plan_has_space(struct plan_work *w, const struct pkginfo *p, bool uninstalling);
void plan_reserve(struct plan_work *w, int64_t installed_kb);

/* plan_receipts.c: packages, and which items they belong to */
bool plan_receipts_installed(struct plan_work *w, const char *name);
/* The installed packages of an item; shared: those that another installed item has too are left in. NULL at
 * the end. */
const char **plan_receipts_of(struct plan_work *w, const char *name, bool shared);

/* plan_install.c */
bool plan_install(struct plan_work *w, const struct plan_mention *m, const char *reference,
                  const struct plan_catalogs *c, bool managed_update, bool optional);
void plan_managed_update(struct plan_work *w, const struct plan_mention *m, const char *reference,
                         const struct plan_catalogs *c);

/* plan_remove.c */
bool plan_remove(struct plan_work *w, const struct plan_mention *m, const char *reference,
                 const struct plan_catalogs *c);
void plan_autoremove(struct plan_work *w, const struct plan_catalogs *c);

/* plan_optional.c */
void plan_optional(struct plan_work *w, const struct plan_mention *m, const char *reference,
                   const struct plan_catalogs *c);
void plan_check_featured(struct plan_work *w);
void plan_self_serve(struct plan_work *w);

void plan_licenses(struct plan_work *w); /* plan_license.c: seats of what is offered */

/* plan_note.c: what is said */
void plan_warn(struct plan_work *w, const char *fmt, ...) PRINTF(2, 3); /* the same sentence once */
void plan_because(struct plan_work *w, const struct plan_mention *m, const char *name, const char *fmt, ...)
    PRINTF(4, 5);
void plan_take_notes(struct plan_work *w, struct plan *out);
#endif
