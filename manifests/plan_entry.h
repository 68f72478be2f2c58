/* plan_entry: the lists of InstallInfo while they grow. */
#ifndef MANIFESTS_PLAN_ENTRY_H
#define MANIFESTS_PLAN_ENTRY_H
#include "manifests/catalog.h"
#include "manifests/names.h"

struct plan_entry {   /* one of managed_installs, removals or optional_installs */
    const char *name; /* NFC */
    struct catalog_entry *item;
    const struct pkginfo *pkg;
    struct value *dict;
    bool installed, has_item; /* has_item: installer_item is there */
    const char *version;      /* version_to_install or installed_version; NULL: neither */
    struct plan_entry *next;
    struct plan_entry *same_name; /* an earlier one */
};

struct plan_entries {
    struct plan_entry *first, **last;
    size_t count;
    struct names *by_name; /* name -> its latest struct plan_entry */
};

struct plan_strings { /* an array of InstallInfo and the set of what is in it */
    struct value *array;
    struct names *set;
};

void plan_entries_init(struct arena *a, struct plan_entries *list);
void plan_entries_add(struct plan_entries *list, struct plan_entry *entry);
/* The dictionaries of those entries that are wanted, in order. */
struct value *plan_entries_array(struct arena *a, const struct plan_entries *list,
                                 bool (*want)(const struct plan_entry *));

void plan_strings_init(struct arena *a, struct plan_strings *s);
/* false: it was there. spelled goes into the array, nfc, which is borrowed, into the set. */
bool plan_strings_add(struct arena *a, struct plan_strings *s, const char *spelled, const char *nfc);

/* Copy the keys (NULL at the end) that the pkginfo has. */
void plan_copy(struct arena *a, struct value *to, const struct pkginfo *p, const char *const *keys);
const char *plan_display_name(const struct pkginfo *p);
bool plan_restarts(const struct pkginfo *p); /* RestartAction is there and not None */
#endif
