/* manifest: the tree of manifests of one Mac, laid flat.
 *
 * Munki walks the tree once for every key, each time in the same order: what is included first, then the
 * conditional items whose condition holds, then the manifest's own lists. The facts do not change during a
 * run, so the tree is walked once here and the keys are read off the list that results. */
#ifndef MANIFESTS_MANIFEST_H
#define MANIFESTS_MANIFEST_H
#include "manifests/props.h"

struct manifest_condition { /* of a dictionary in conditional_items */
    const char *text;
    bool holds;
    const char *error;            /* why it could not be judged (it is taken as false), or NULL */
    const struct value *catalogs; /* what it saw as `catalogs` */
    const struct manifest_condition *outer;
};

struct manifest_section { /* a manifest, or a dictionary of conditional_items whose condition holds */
    const struct value *dict;
    const char *manifest;  /* "site_default > groups/eng" */
    const char *condition; /* NULL, or the condition that holds; nested ones joined by " AND " */
    const struct manifest_condition *why; /* the innermost of them, or NULL */
    const struct value *catalogs; /* those that are searched for its items: own or inherited, never empty */
};

struct manifest_source {
    void *self;
    /* The dictionary of an included manifest; asked once per name. */
    bool (*fetch)(void *self, const char *name, const struct value **dict, struct err *e);
    void (*warn)(void *self, const char *sentence);
    const struct value *facts; /* for conditions, without catalogs */
    time_t now;
};

struct manifest_tree {
    const struct manifest_section *sections; /* in the order in which they are processed */
    size_t count;
    /* Dictionaries whose condition, or one around it, does not hold: for explaining. What they include is not
     * looked at. No more than LIMIT_SECTIONS are kept. */
    const struct manifest_section *passed_over;
    size_t passed_over_count;
    const struct value *catalogs; /* array of the lists of catalogs, in the order in which Munki meets them */
    const char **names;           /* manifests used, NULL at the end */
    size_t name_count;
    /* Daybreak's dictionaries of all sections: unions; of several hand-offs the outermost, then the last. */
    const struct value *critical_items, *session_items, *required_profiles, *handoff;
};

/* NULL with *e: an included manifest that is missing, unreadable, includes itself or lies too deep
 * (LIMIT_INCLUDE_DEPTH), or too many of them (LIMIT_MANIFESTS, LIMIT_SECTIONS, LIMIT_MENTIONS); or the
 * primary manifest has no catalogs. Nothing may then be decided. */
struct manifest_tree *manifest_resolve(struct arena *a, const struct manifest_source *from,
                                       const char *primary, const struct value *dict, struct err *e);

/* The strings of dict under key, or NULL. What is there and is no array of strings is said through warn. */
const struct value *manifest_strings(struct arena *a, const struct manifest_source *from,
                                     const char *manifest, const struct value *dict, const char *key);
#endif
