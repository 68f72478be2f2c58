/* Who names the item. The plan says what it made of each mention; the tree of manifests is walked once more,
 * because the plan does not keep the conditions that did not hold. */
#include "agent/tojson.h"
#include "agent/why_internal.h"
#include "core/text.h"
#include "manifests/names.h"
#include "manifests/predicate.h"

#define SHOWN 20 /* elements of a fact that is a list */

static const char *const keys[] = {"managed_installs",  "managed_uninstalls", "managed_updates",
                                   "optional_installs", "featured_items",     "default_installs"};

/* --- the tree once more -------------------------------------------------------------------------------- */

static bool fetch(void *self, const char *name, const struct value **dict, struct err *e)
{
    const struct why *w = self;
    return repo_manifest(decide_repo(w->s->decide), name, dict, e);
}

static void warn(void *self, const char *sentence)
{
    (void)self, (void)sentence; /* the plan has said it */
}

static void walk(struct why *w)
{
    struct manifest_source from = {
        .self = w, .fetch = fetch, .warn = warn, .facts = w->in->facts, .now = w->in->now};
    struct err e;
    w->tree = manifest_resolve(w->a, &from, w->in->primary, w->in->manifest, &e);
    w->primary_catalogs =
        w->tree != NULL ? w->tree->sections[w->tree->count - 1].catalogs : w->plan->catalogs;
}

/* --- mentions ------------------------------------------------------------------------------------------ */

static bool means(struct arena *a, const char *entry, const char *name)
{
    const char *slash = strrchr(entry, '/'), *part, *version;
    const char *nfc = names_nfc(a, slash != NULL ? slash + 1 : entry);
    if (strcmp(nfc, name) == 0)
        return true;
    pkginfo_split_reference(a, nfc, &part, &version);
    return strcmp(part, name) == 0;
}

/* The string of list (an array, or one string) that means name, or NULL. */
static const char *entry_of(const struct why *w, const struct value *list)
{
    if (list != NULL && value_str(list) != NULL)
        return means(w->a, value_str(list), w->name) ? value_str(list) : NULL;
    for (size_t i = 0; i < value_count(list); i++) {
        const char *entry = value_str(value_at(list, i));
        if (entry != NULL && means(w->a, entry, w->name))
            return entry;
    }
    return NULL;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void add(struct why *w, const struct why_mention *m)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct why_mention *k = &w->mentions[i];
        if (same(k->manifest, m->manifest) && same(k->key, m->key) && same(k->by, m->by) &&
            same(k->condition_text, m->condition_text) && same(k->entry, m->entry) && k->holds == m->holds)
            return;
    }
    if (w->count == w->room) {
        struct why_mention *more = arena_array(w->a, w->room * 2 + 8, sizeof *more);
        if (w->count > 0)
            memcpy(more, w->mentions, w->count * sizeof *more);
        w->mentions = more;
        w->room = w->room * 2 + 8;
    }
    w->mentions[w->count++] = *m;
    w->holding += m->holds;
}

/* The dictionary that a reason of the plan came from; NULL for the user's and this Mac's own manifests. */
static const struct manifest_section *section_of(const struct why *w, const struct plan_reason *r)
{
    const struct manifest_section *found = NULL;
    for (size_t i = 0; w->tree != NULL && i < w->tree->count && found == NULL; i++) {
        const struct manifest_section *s = &w->tree->sections[i];
        if (same(s->manifest, r->manifest) && same(s->condition, r->condition) &&
            (r->by != NULL || entry_of(w, props_strings(s->dict, r->key)) != NULL))
            found = s;
    }
    return found;
}

/* What the pkginfo of item says of ours under key: "Firefox-131.0". */
static const char *entry_in_item(const struct why *w, const char *item, const char *key)
{
    const struct pkginfo *p = NULL;
    for (size_t i = 0; i < w->plan->item_count && p == NULL; i++)
        if (strcmp(w->plan->items[i].pkg->name, item) == 0)
            p = w->plan->items[i].pkg;
    for (size_t i = 0; i < w->plan->present_count && p == NULL; i++)
        if (strcmp(w->plan->present[i]->name, item) == 0)
            p = w->plan->present[i];
    return p != NULL && strcmp(key, "requires") == 0 ? entry_of(w, p->requires) : NULL;
}

static void of_the_plan(struct why *w)
{
    for (size_t i = 0; i < w->plan->reason_count; i++) {
        const struct plan_reason *r = &w->plan->reasons[i];
        if (strcmp(r->name, w->name) != 0)
            continue;
        const struct manifest_section *s = section_of(w, r);
        add(w, &(struct why_mention){.manifest = r->manifest,
                                     .key = r->key,
                                     .by = r->by,
                                     .entry = r->by != NULL ? entry_in_item(w, r->by, r->key)
                                              : s != NULL   ? entry_of(w, props_strings(s->dict, r->key))
                                                            : NULL,
                                     .condition = s != NULL ? s->why : NULL,
                                     .condition_text = r->condition,
                                     .holds = true,
                                     .catalogs = s != NULL ? s->catalogs : w->primary_catalogs,
                                     .decided = r->text});
    }
}

/* Of an item whose own name ends in "-" and a digit: nobody can refer to it. */
static const char *read_as(const struct why *w, const char *entry)
{
    const char *slash = strrchr(entry, '/'), *name, *version;
    pkginfo_split_reference(w->a, names_nfc(w->a, slash != NULL ? slash + 1 : entry), &name, &version);
    if (strcmp(name, w->name) == 0)
        return NULL;
    return arena_printf(w->a,
                        "is read as item %s in version %s: a name that ends in - and a digit cannot be named",
                        name, version);
}

static void of_sections(struct why *w, const struct manifest_section *sections, size_t count, bool holds)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            const struct manifest_section *s = &sections[i];
            const char *entry = entry_of(w, props_strings(s->dict, keys[k]));
            const char *misread = entry != NULL && holds ? read_as(w, entry) : NULL;
            if (entry == NULL || (holds && misread == NULL && strcmp(keys[k], "featured_items") != 0))
                continue; /* of all else that holds the plan has spoken */
            add(w, &(struct why_mention){.manifest = s->manifest,
                                         .key = keys[k],
                                         .entry = entry,
                                         .condition = s->why,
                                         .condition_text = s->condition,
                                         .holds = holds && misread == NULL,
                                         .catalogs = s->catalogs,
                                         .decided = misread != NULL ? misread
                                                    : holds         ? "is highlighted among what is offered"
                                                                    : NULL});
        }
}

void why_named_find(struct why *w)
{
    walk(w);
    of_the_plan(w);
    if (w->tree == NULL)
        return;
    of_sections(w, w->tree->sections, w->tree->count, true);
    of_sections(w, w->tree->passed_over, w->tree->passed_over_count, false);
}

/* --- as JSON ------------------------------------------------------------------------------------------- */

static json_t *fact_json(struct arena *a, const struct value *v)
{
    size_t n = value_count(v);
    if (v == NULL || n <= SHOWN || value_type(v) != VALUE_ARRAY)
        return tojson_value(v);
    json_t *some = json_array();
    for (size_t i = 0; i < SHOWN; i++)
        json_array_append_new(some, tojson_value(value_at(v, i)));
    json_array_append_new(some, json_string(arena_printf(a, "… %zu in all", n)));
    return some;
}

/* Outermost first. */
static void conditions_json(const struct why *w, const struct manifest_condition *c, json_t *into)
{
    size_t n;
    if (c == NULL)
        return;
    conditions_json(w, c->outer, into);
    struct value *facts = w->in->facts != NULL ? value_copy(w->a, w->in->facts) : value_new_dict(w->a);
    value_set(w->a, facts, "catalogs", c->catalogs);
    const struct predicate_fact *f = predicate_facts(w->a, c->text, facts, &n);
    json_t *one = json_object(), *values = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(values, f[i].name, fact_json(w->a, f[i].value));
    why_set(one, "condition", c->text);
    json_object_set_new(one, "holds", json_boolean(c->holds));
    why_set(one, "error", c->error);
    json_object_set_new(one, "facts", values);
    json_array_append_new(into, one);
}

/* From the item that wants ours up to the one that a manifest names. */
static json_t *chain_json(const struct why *w, const struct why_mention *m)
{
    json_t *chain = json_array();
    const char *at = m->by, *key = m->key;
    for (size_t depth = 0; at != NULL && depth < 64; depth++) {
        const struct plan_reason *up = NULL;
        for (size_t i = 0; i < w->plan->reason_count; i++) {
            const struct plan_reason *r = &w->plan->reasons[i];
            if (strcmp(r->name, at) == 0 && same(r->manifest, m->manifest) &&
                same(r->condition, m->condition_text) && (up == NULL || (up->by != NULL && r->by == NULL)))
                up = r;
        }
        json_t *one = json_object();
        why_set(one, "relation", key);
        why_set(one, "name", at);
        json_array_append_new(chain, one);
        key = up != NULL ? up->key : NULL;
        at = up != NULL ? up->by : NULL;
    }
    if (key != NULL && m->by != NULL && at == NULL) {
        json_t *one = json_object();
        why_set(one, "relation", key);
        why_set(one, "name", NULL);
        json_array_append_new(chain, one);
    }
    return chain;
}

json_t *why_named_json(const struct why *w)
{
    json_t *all = json_array();
    for (size_t i = 0; i < w->count; i++) {
        const struct why_mention *m = &w->mentions[i];
        json_t *one = json_object(), *conditions = json_array();
        conditions_json(w, m->condition, conditions);
        why_set(one, "manifest", m->manifest);
        why_set(one, "key", m->key);
        why_set(one, "entry", m->entry);
        why_set(one, "by", m->by);
        json_object_set_new(one, "chain", chain_json(w, m));
        why_set(one, "condition", m->condition_text);
        json_object_set_new(one, "conditions", conditions);
        json_object_set_new(one, "holds", json_boolean(m->holds));
        json_object_set_new(one, "catalogs", tojson_value(m->catalogs));
        why_set(one, "text", m->decided);
        json_array_append_new(all, one);
    }
    return all;
}
