/* What the catalogs have of the item, in the order in which they are searched. The judgement of each version
 * is the decision's own (applies.h); what is added is why the search never came to it. */
#include "agent/why_internal.h"
#include "core/text.h"
#include "manifests/applies.h"
#include "manifests/catalog.h"
#include "manifests/names.h"
#include "manifests/version.h"

struct version {
    const struct pkginfo *p; /* NULL: unusable */
    const char *trimmed, *unusable;
    size_t place;
};

static int highest_first(const void *a, const void *b)
{
    const struct version *x = a, *y = b;
    int order = version_compare(y->trimmed, x->trimmed);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

static void hush(void *ctx, const char *sentence)
{
    (void)ctx;
    (void)sentence; /* the decision has said it */
}

/* All entries of the name in one catalog, the highest version first; as many as there are, in w->a. */
static struct version *versions(struct why *w, const char *catalog, size_t *count)
{
    const struct outline *items;
    struct err e;
    *count = 0;
    if (!repo_catalog(decide_repo(w->s->decide), catalog, &items, &e))
        return NULL;
    struct catalog *c = catalog_load(w->a, arena_strdup(w->a, catalog), items, hush, NULL);
    struct catalog_list list = catalog_named(c, w->name);
    struct version *all = arena_array(w->a, list.count + 1, sizeof *all);
    for (size_t i = 0; i < list.count; i++) {
        struct catalog_entry *entry = list.entries[i];
        const struct pkginfo *p = catalog_pkginfo(entry);
        all[i] = (struct version){.p = p,
                                  .trimmed = p != NULL ? version_trim(w->a, p->version) : "",
                                  .unusable = entry->unusable,
                                  .place = entry->position};
    }
    if (list.count > 1)
        qsort(all, list.count, sizeof *all, highest_first);
    *count = list.count;
    return all;
}

static void take(struct why *w, const struct pkginfo *p)
{
    if (w->item == NULL && !w->present &&
        (w->pkg == NULL || version_compare(p->version, w->pkg->version) > 0))
        w->pkg = p;
}

static bool is_choice(const struct why *w, const struct pkginfo *p)
{
    return w->pkg != NULL && p->position == w->pkg->position && strcmp(p->catalog, w->pkg->catalog) == 0;
}

/* Of a removal the first version counts of which something is there, in whichever catalog it stands. */
static const char *removal_text(struct why *w, const struct pkginfo *p, bool *chosen)
{
    *chosen = w->item != NULL && is_choice(w, p);
    if (*chosen)
        return "the newest version of which something is there";
    if (w->item != NULL && version_compare(p->version, w->pkg->version) <= 0)
        return "a newer version is there";
    return detect_evidence(decide_detect(w->s->decide), p) ? "something of it is there"
                                                           : "nothing of it is there";
}

struct search {
    const struct why_mention *m;
    const char *wanted; /* trimmed version that the entry asks for, or "" */
    const struct pkginfo *chosen;
    bool removal;
};

static const char *verdict(struct why *w, struct search *s, const struct version *v, bool *chosen)
{
    *chosen = false;
    if (v->p == NULL)
        return v->unusable;
    if (s->removal && s->wanted[0] == '\0')
        return removal_text(w, v->p, chosen);
    if (s->wanted[0] != '\0' && strcmp(s->wanted, v->trimmed) != 0)
        return arena_printf(w->a, "%s asks for %s", s->m->manifest, s->wanted);
    const char *why = applies_why_not(w->a, w->in, v->p, false, NULL);
    if (why != NULL)
        return why;
    if (s->chosen != NULL && strcmp(s->chosen->catalog, v->p->catalog) == 0)
        return arena_printf(w->a, "%s stands in the same catalog",
                            strcmp(s->chosen->version, v->p->version) == 0 ? "the same version"
                                                                           : "a higher version");
    if (s->chosen != NULL)
        return arena_printf(w->a, "catalog %s comes first", s->chosen->catalog);
    s->chosen = v->p;
    *chosen = s->m->holds;
    return s->m->holds    ? "the highest version that applies, of the first catalog that has one"
           : s->m->key[0] ? "would be chosen if the condition held"
                          : "would be chosen if a manifest named the item";
}

static void search(struct why *w, const struct why_mention *m, json_t *into)
{
    struct search s = {.m = m, .wanted = ""};
    const char *name, *version;
    if (m->entry != NULL) {
        const char *slash = strrchr(m->entry, '/');
        pkginfo_split_reference(w->a, slash != NULL ? slash + 1 : m->entry, &name, &version);
        if (strcmp(names_nfc(w->a, name), w->name) == 0)
            s.wanted = version_trim(w->a, version);
    }
    s.removal = (w->item != NULL && w->item->removal) || strcmp(m->key, "managed_uninstalls") == 0 ||
                strcmp(m->key, "autoremove") == 0;
    for (size_t c = 0; c < value_count(m->catalogs); c++) {
        size_t n;
        const char *catalog = value_str(value_at(m->catalogs, c));
        struct version *all = versions(w, catalog, &n);
        for (size_t i = 0; i < n; i++) {
            bool chosen;
            json_t *one = json_object();
            if (all[i].p != NULL)
                take(w, all[i].p);
            const char *text = verdict(w, &s, &all[i], &chosen);
            why_set(one, "catalog", catalog);
            why_set(one, "version", all[i].p != NULL ? all[i].p->version : NULL);
            json_object_set_new(one, "chosen", json_boolean(chosen));
            why_set(one, "why", text);
            why_set(one, "for", m->manifest);
            json_array_append_new(into, one);
        }
    }
}

/* Another mention searches otherwise only where its catalogs or its version are others. */
static bool searched_before(const struct why *w, size_t i)
{
    const struct why_mention *m = &w->mentions[i];
    for (size_t k = 0; k < i; k++) {
        const struct why_mention *o = &w->mentions[k];
        bool same_entry =
            o->entry == m->entry || (o->entry != NULL && m->entry != NULL && strcmp(o->entry, m->entry) == 0);
        if (o->holds == m->holds && same_entry && value_equal(o->catalogs, m->catalogs))
            return true;
    }
    return false;
}

json_t *why_found_json(struct why *w)
{
    json_t *all = json_array();
    for (size_t i = 0; i < w->count; i++)
        if ((w->mentions[i].holds || w->holding == 0) && w->mentions[i].catalogs != NULL &&
            !searched_before(w, i))
            search(w, &w->mentions[i], all);
    if (w->count > 0)
        return all;
    struct value *used = value_new_array(w->a);
    for (size_t c = 0; w->plan->catalogs_used[c] != NULL; c++)
        value_append(w->a, used, value_new_str(w->a, w->plan->catalogs_used[c]));
    search(w, &(struct why_mention){.manifest = w->in->primary, .key = "", .catalogs = used}, all);
    return all;
}
