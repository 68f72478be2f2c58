/* plan: the decision, exactly as Munki makes it (spec: munki-semantics 4, 7). Pure: it asks a world and
 * remembers the answers; the same answers give the same plan, byte for byte. */
#ifndef MANIFESTS_PLAN_H
#define MANIFESTS_PLAN_H
#include "manifests/outline.h"
#include "manifests/pkginfo.h"

enum plan_state { PLAN_ABSENT, PLAN_THIS, PLAN_NEWER }; /* 8.1 */

enum plan_failure { /* of a download, for the note of 7.3 step 9d */
                    PLAN_DOWNLOAD_OK,
                    PLAN_DOWNLOAD_FAILED, /* transport, status, missing location */
                    PLAN_DOWNLOAD_HASH,   /* integrity check failed */
                    PLAN_DOWNLOAD_SPACE,
                    PLAN_DOWNLOAD_SYSTEM
};

struct plan_download {
    enum plan_failure failure;
    const char *why;       /* one sentence when failed */
    int64_t kb_per_second; /* 0: not measured */
};

/* Everything that is not in the repository's text. All functions get self. Strings and values returned
 * must live as long as the plan's arena. Each question is asked at most once per distinct argument by the
 * plan's own memory, except space. */
struct world {
    void *self;
    /* Dictionary of a manifest, items of a catalog. Fails with ERR_NOT_FOUND when the server says so (an
     * included manifest: fatal; a catalog: a warning), else ERR_NET, ERR_FORMAT, … (fatal), with a sentence
     * that begins with what it is and its name. */
    bool (*manifest)(void *self, const char *name, const struct value **dict, struct err *e);
    bool (*catalog)(void *self, const char *name, const struct outline **items, struct err *e);

    enum plan_state (*installed)(void *self, const struct pkginfo *p); /* 8.1 */
    bool (*some_version)(void *self, const struct pkginfo *p);         /* 8.2 */
    bool (*evidence)(void *self, const struct pkginfo *p);             /* 8.4, steps 1 to 6; receipts aside */
    const char *(*installed_version)(void *self, const struct pkginfo *p); /* 8.7; NULL: unknown */
    const char *(*receipt_version)(void *self, const char *package_id);    /* NULL: no such receipt */
    bool (*is_executable)(void *self, const char *path);                   /* uninstall_method is a path */
    bool (*unused)(void *self, const struct pkginfo *p);                   /* 7.10; may be NULL: never */

    /* How many licences are left of the items named (an array of strings): a dictionary of integers or
     * booleans. NULL as a function: nobody counts them. */
    const struct value *(*seats)(void *self, const struct value *names);

    /* Will (or did) the installer item arrive? uninstaller: uninstaller_item_location instead. */
    struct plan_download (*download)(void *self, const struct pkginfo *p, bool uninstaller);
    /* KB free on the target, before anything planned; KB already in the cache for a location's base name;
     * is that file complete (no space check then)? */
    int64_t (*free_kb)(void *self);
    int64_t (*cached_kb)(void *self, const char *location, bool *complete);
    /* A package lacks that many KB: can what was fetched ahead of time make way for it? True: free_kb and
     * cached_kb say so from now on. NULL as a function: it cannot. */
    bool (*make_room)(void *self, int64_t kb);
};

struct plan_input {
    const char *primary;           /* name of the manifest that was chosen */
    const struct value *manifest;  /* its dictionary */
    const struct value *facts;     /* for predicates: facts, conditions, derived ones; without catalogs */
    time_t now;                    /* UTC */
    const char *arch, *os_version; /* native architecture; "15.4.1" */
    const char *munki_version;     /* held against minimum_munki_version */
    bool x86_64_capable;
    bool higher_os_optional;        /* ShowOptionalInstallsForHigherOSVersions */
    const char *local_only_name;    /* LocalOnlyManifest, or NULL */
    const struct value *local_only; /* its dictionary, or NULL when the file is not there */
    const struct value *self_serve; /* SelfServeManifest after the user's drop was taken in, or NULL */
    bool self_serve_unreadable;     /* it is there and stays as it is: no default_installs are put into it */
};

/* Why an item is where it is, for `daybreak why`. */
struct plan_reason {
    const char *name;      /* item name, NFC */
    const char *manifest;  /* "site_default", "site_default > groups/eng" */
    const char *key;       /* managed_installs, managed_updates, …, requires, update_for, autoremove */
    const char *condition; /* the predicate that was true on the way, or NULL */
    const char *by;        /* item that requires it or that it updates, or NULL */
    const char *text;      /* what was decided about this mention, one sentence */
};

struct plan_item { /* one thing to do, in order: removals first, then installs */
    const struct pkginfo *pkg;
    const struct value *entry; /* its dictionary in InstallInfo */
    bool removal;
};

struct plan {
    const struct value *install_info; /* what InstallInfo.plist holds */
    /* for the report: full lists before filtering (7.11 step 6) */
    const struct value *managed_installs, *installed_items, *problem_items, *removed_items;
    const struct value *processed_installs, *processed_uninstalls, *managed_updates;
    struct plan_item *items;
    size_t item_count;
    /* items already present: what the managed lists name and nothing is to be done about (for status) */
    const struct pkginfo **present;
    size_t present_count;
    const char **present_reasons; /* why nothing is to be done about each; NULL: all are installed already */
    const struct value *self_serve; /* changed SelfServeManifest to write, or NULL */
    const struct value *catalogs;   /* the primary manifest's list, an array of strings */
    const char **warnings;
    size_t warning_count;
    const char **manifests_used, **catalogs_used; /* names, for cache clean-up; NULL at the end */
    struct plan_reason *reasons;
    size_t reason_count;
    /* Daybreak's keys of all manifests passed: unions */
    const struct value *critical_items, *session_items; /* arrays of strings */
    const struct value *required_profiles;              /* array of dictionaries */
    const struct value *handoff;                        /* string or dictionary, or NULL */
};

/* Decide. NULL with *e: no decision (included manifest missing or bad, catalog bad, no catalogs in the
 * primary manifest); InstallInfo.plist must then stay as it is. Everything lives in a. */
struct plan *plan_make(struct arena *a, const struct plan_input *in, const struct world *w, struct err *e);
#endif
