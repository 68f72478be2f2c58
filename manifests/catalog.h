/* catalog: the items of one catalog, found by name and by what they refer to. A pkginfo is decoded when it is
 * first asked for: a decision touches a few hundred items of a catalog of thousands.
 *
 * All lists are in the catalog's order unless said otherwise, borrowed, and live as long as the arena. Names
 * and references are given in canonical composition (names_nfc). */
#ifndef MANIFESTS_CATALOG_H
#define MANIFESTS_CATALOG_H
#include "manifests/outline.h"
#include "manifests/pkginfo.h"

struct catalog;

struct catalog_entry {
    const char *name;    /* NFC */
    const char *spelled; /* as the catalog writes it */
    const char *version; /* NULL: it counts as an update or a dependent, and is never found by name */
    const char *trimmed; /* version without trailing ".0" */
    size_t position;
    struct catalog *catalog;
    const struct pkginfo *pkginfo; /* by catalog_pkginfo alone */
    const char *unusable;          /* why it could not be decoded */
    void *answers;                 /* the plan's memory about this item */
};

struct catalog_list {
    struct catalog_entry **entries;
    size_t count;
};

typedef void catalog_warn_fn(void *ctx, const char *sentence);

/* Index the items of o, which is borrowed. Those that are no dictionary or have no name are left out, and
 * said to warn: NULL where the same was said before. */
struct catalog *catalog_load(struct arena *a, const char *name, const struct outline *o,
                             catalog_warn_fn *warn, void *ctx);

const char *catalog_name(const struct catalog *c);

/* Items of that name that have a version, highest version first; what has the same trimmed version stays in
 * the catalog's order. */
struct catalog_list catalog_versions(struct catalog *c, const char *name);
struct catalog_list catalog_named(struct catalog *c, const char *name);     /* without a version too */
struct catalog_list catalog_updates(struct catalog *c, const char *ref);    /* update_for contains ref */
struct catalog_list catalog_dependents(struct catalog *c, const char *ref); /* requires contains ref */
struct catalog_list catalog_autoremove(struct catalog *c);

/* The next item from *at on, 0 at first, that has receipts, well-formed or not: its name, NFC, and its
 * receipts (array of dictionaries, or NULL), read without decoding the rest. false: there is none. */
bool catalog_next_receipts(struct catalog *c, size_t *at, const char **name, const struct value **receipts);

/* The item, decoded at the first call. NULL: it cannot be used (said once). */
const struct pkginfo *catalog_pkginfo(struct catalog_entry *entry);
/* Is it the same item, in every key and value? */
bool catalog_same(const struct catalog_entry *one, const struct catalog_entry *other);
#endif
