/* why_internal: what the files of why share. */
#ifndef AGENT_WHY_INTERNAL_H
#define AGENT_WHY_INTERNAL_H
#include "agent/why.h"
#include "manifests/manifest.h"

struct why_mention { /* one place that names the item */
    const char *manifest, *key;
    const char *entry; /* as written there, "Firefox-131.0"; NULL: nothing is written (autoremove) */
    const char *by;    /* the item that requires it, or that it updates, or NULL */
    const struct manifest_condition *condition; /* the innermost, or NULL */
    const char *condition_text;
    bool holds;
    const struct value *catalogs;
    const char *decided; /* one sentence, or NULL */
};

struct why {
    struct setup *s;
    struct arena *a;
    const struct plan *plan;
    const struct plan_input *in;
    const struct manifest_tree *tree;
    const struct value *primary_catalogs;
    const char *name; /* NFC */

    const struct pkginfo *pkg;     /* what was chosen, else the newest in the catalogs; may be NULL */
    const struct plan_item *item;  /* what will be done, or NULL */
    const struct value *problem;   /* its entry among problem_items, or NULL */
    bool present, offered, absent; /* there already; in optional_installs; to be removed and not there */

    struct why_mention *mentions;
    size_t count, room, holding;
    json_t *status, *last; /* status.json and its item, or NULL */
};

/* why_named.c: fill mentions. */
void why_named_find(struct why *w);
json_t *why_named_json(const struct why *w);

/* why_found.c: every version in the catalogs, chosen or passed over and why. Sets w->pkg where the plan chose
 * none. */
json_t *why_found_json(struct why *w);

void why_set(json_t *object, const char *key, const char *text); /* NULL: null */
#endif
