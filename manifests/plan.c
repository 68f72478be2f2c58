/* The passes, in Munki's order: all managed_installs of the whole tree before any managed_uninstalls, and so
 * on. That order is what makes an installation win over a removal of the same name. */
#include "manifests/plan_internal.h"

typedef void item_fn(struct plan_work *w, const struct plan_mention *m, const char *entry,
                     const struct plan_catalogs *c);

static void install(struct plan_work *w, const struct plan_mention *m, const char *entry,
                    const struct plan_catalogs *c)
{
    (void)plan_install(w, m, entry, c, false, false);
}

static void uninstall(struct plan_work *w, const struct plan_mention *m, const char *entry,
                      const struct plan_catalogs *c)
{
    (void)plan_remove(w, m, entry, c);
}

static void feature(struct plan_work *w, const struct plan_mention *m, const char *entry,
                    const struct plan_catalogs *c)
{
    (void)c;
    if (plan_strings_add(w->a, &w->featured, entry, names_nfc(w->a, entry)))
        names_put(w->featured_by, entry, arena_strdup(w->a, m->manifest));
}

static void list(struct plan_work *w, const struct manifest_section *s, const struct plan_catalogs *c,
                 const char *key, item_fn *fn)
{
    const struct value *entries = manifest_strings(w->a, w->source, s->manifest, s->dict, key);
    const struct plan_mention m = {.manifest = s->manifest, .key = key, .condition = s->condition};

    for (size_t i = 0; i < value_count(entries); i++)
        fn(w, &m, value_str(value_at(entries, i)), c);
}

static void pass(struct plan_work *w, struct plan_catalogs *const *catalogs, const char *key, item_fn *fn)
{
    for (size_t i = 0; i < w->tree->count; i++)
        list(w, &w->tree->sections[i], catalogs[i], key, fn);
}

/* The manifest that lies on this Mac alone: four lists, with the primary manifest's catalogs. */
static bool local_only(struct plan_work *w)
{
    static const char *const ignored[] = {"catalogs", "included_manifests", "conditional_items", NULL};
    const char *name = w->in->local_only_name;
    const struct manifest_section s = {.dict = w->in->local_only, .manifest = name};

    if (!name || !name[0] || !w->in->local_only)
        return false;
    for (size_t i = 0; i < w->tree->name_count; i++)
        if (strcmp(w->tree->names[i], name) == 0) {
            plan_warn(w, "LocalOnlyManifest %s is ignored: a manifest of the repository has that name", name);
            return false;
        }
    for (size_t i = 0; ignored[i]; i++)
        if (value_get(s.dict, ignored[i]))
            plan_warn(w, "LocalOnlyManifest %s: %s is ignored", name, ignored[i]);
    list(w, &s, w->primary, "managed_installs", install);
    list(w, &s, w->primary, "managed_uninstalls", uninstall);
    list(w, &s, w->primary, "managed_updates", plan_managed_update);
    list(w, &s, w->primary, "optional_installs", plan_optional);
    return true;
}

/* ---- what comes out ---------------------------------------------------------------------------------- */

static bool any(const struct plan_entry *entry)
{
    (void)entry;
    return true;
}

static bool to_install(const struct plan_entry *entry)
{
    return entry->has_item;
}

static bool to_remove(const struct plan_entry *entry)
{
    return entry->installed;
}

static bool is_problem(const struct plan_entry *entry)
{
    return !entry->installed && !entry->has_item;
}

static const struct value *names_of(struct plan_work *w, const struct plan_entries *entries, bool installed)
{
    struct value *array = value_new_array(w->a);

    for (const struct plan_entry *entry = entries->first; entry; entry = entry->next)
        if (entry->installed == installed)
            value_append(w->a, array, value_get(entry->dict, "name"));
    return array;
}

static void bind(struct arena *a, struct names *bound, const char *reference)
{
    const char *slash = strrchr(reference, '/'), *name, *version;

    pkginfo_split_reference(a, names_nfc(a, slash ? slash + 1 : reference), &name, &version);
    names_add(bound, name);
}

struct names *plan_bound(struct arena *a, const struct value *installs)
{
    struct names *bound = names_open(a);

    for (size_t i = 0; i < value_count(installs); i++) {
        const struct value *entry = value_at(installs, i), *requires = value_get(entry, "requires");
        const struct value *list = props_strings(entry, "requires");
        if (props_str(entry, "name"))
            names_add(bound, names_nfc(a, props_str(entry, "name")));
        if (value_str(requires))
            bind(a, bound, value_str(requires));
        for (size_t k = 0; k < value_count(list); k++)
            bind(a, bound, value_str(value_at(list, k)));
    }
    return bound;
}

static void add_removals(struct plan_work *w, struct plan *out, const struct value *installs)
{
    const struct names *bound = w->removals.count > 0 ? plan_bound(w->a, installs) : NULL;

    for (const struct plan_entry *entry = w->removals.first; entry; entry = entry->next)
        if (to_remove(entry) && names_has(bound, entry->name))
            plan_warn(w,
                      "%s is not removed in this run: it brings a new version of it, or of something that "
                      "requires it",
                      entry->name);
        else if (to_remove(entry))
            out->items[out->item_count++] = (struct plan_item){entry->pkg, entry->dict, true};
}

static void add_installs(struct plan_work *w, struct plan *out)
{
    for (const struct plan_entry *entry = w->installs.first; entry; entry = entry->next)
        if (to_install(entry))
            out->items[out->item_count++] = (struct plan_item){entry->pkg, entry->dict, false};
}

static void add_present(struct plan_work *w, struct plan *out)
{
    struct names *seen = names_open(w->a);

    out->present = arena_array(w->a, w->installs.count, sizeof *out->present);
    for (const struct plan_entry *entry = w->installs.first; entry; entry = entry->next)
        if (entry->installed &&
            names_add(seen, arena_printf(w->a, "%s\n%s", entry->pkg->name, entry->pkg->version)))
            out->present[out->present_count++] = entry->pkg;
}

static void add_names(struct plan_work *w, struct plan *out, bool local)
{
    size_t n = w->tree->name_count;

    out->manifests_used = arena_array(w->a, n + 2, sizeof *out->manifests_used);
    for (size_t i = 0; i < n; i++)
        out->manifests_used[i] = w->tree->names[i];
    if (local)
        out->manifests_used[n] = w->in->local_only_name;
    out->catalogs_used = arena_array(w->a, w->loaded_count + 1, sizeof *out->catalogs_used);
    for (size_t i = 0; i < w->loaded_count; i++)
        out->catalogs_used[i] = catalog_name(w->loaded[i]);
}

static struct plan *finish(struct plan_work *w, bool local)
{
    struct plan *out = arena_alloc(w->a, sizeof *out);
    struct value *info = value_new_dict(w->a);

    out->managed_installs = plan_entries_array(w->a, &w->installs, any);
    out->problem_items = plan_entries_array(w->a, &w->installs, is_problem);
    out->installed_items = names_of(w, &w->installs, true);
    out->removed_items = names_of(w, &w->removals, false);
    out->processed_installs = w->processed_installs.array;
    out->processed_uninstalls = w->processed_uninstalls.array;
    out->managed_updates = w->managed_updates.array;

    value_set(w->a, info, "featured_items", w->featured.array);
    value_set(w->a, info, "managed_installs", plan_entries_array(w->a, &w->installs, to_install));
    value_set(w->a, info, "managed_updates", out->managed_updates);
    value_set(w->a, info, "optional_installs", plan_entries_array(w->a, &w->optional, any));
    value_set(w->a, info, "problem_items", out->problem_items);
    value_set(w->a, info, "processed_installs", out->processed_installs);
    value_set(w->a, info, "processed_uninstalls", out->processed_uninstalls);
    value_set(w->a, info, "removals", plan_entries_array(w->a, &w->removals, to_remove));
    out->install_info = info;

    out->items = arena_array(w->a, w->removals.count + w->installs.count, sizeof *out->items);
    add_removals(w, out, value_get(info, "managed_installs"));
    add_installs(w, out);
    add_present(w, out);
    out->self_serve = w->self_serve_changed ? w->self_serve : NULL;
    out->catalogs = w->primary->names;
    out->critical_items = w->tree->critical_items;
    out->session_items = w->tree->session_items;
    out->required_profiles = w->tree->required_profiles;
    out->handoff = w->tree->handoff;
    add_names(w, out, local);
    plan_take_notes(w, out);
    return out;
}

static void warn(void *self, const char *sentence)
{
    plan_warn(self, "%s", sentence);
}

static bool fetch(void *self, const char *name, const struct value **dict, struct err *e)
{
    const struct plan_work *w = self;
    return w->world->manifest(w->world->self, name, dict, e);
}

static void init(struct plan_work *w)
{
    struct arena *a = w->a;

    w->catalogs = names_open(a);
    w->lists = names_open(a);
    w->searches = names_open(a);
    w->frames = names_open(a);
    w->warned = names_open(a);
    w->processed_install_names = names_open(a);
    w->featured_by = names_open(a);
    plan_entries_init(a, &w->installs);
    plan_entries_init(a, &w->removals);
    plan_entries_init(a, &w->optional);
    plan_strings_init(a, &w->processed_installs);
    plan_strings_init(a, &w->processed_uninstalls);
    plan_strings_init(a, &w->managed_updates);
    plan_strings_init(a, &w->featured);
    w->last_warning = &w->warnings;
    w->last_note = &w->notes;
}

struct plan *plan_make(struct arena *a, const struct plan_input *in, const struct world *world, struct err *e)
{
    struct plan_work w = {.a = a, .in = in, .world = world};
    const struct manifest_source source = {
        .self = &w, .fetch = fetch, .warn = warn, .facts = in->facts, .now = in->now};

    init(&w);
    w.source = &source;
    w.tree = manifest_resolve(a, &source, in->primary, in->manifest, e);
    if (!w.tree)
        return NULL;
    struct plan_catalogs **catalogs = arena_array(a, w.tree->count, sizeof(struct plan_catalogs *)), *met;
    for (size_t i = 0; i < value_count(w.tree->catalogs); i++)
        if (!plan_load_catalogs(&w, value_at(w.tree->catalogs, i), &met, e))
            return NULL;
    for (size_t i = 0; i < w.tree->count; i++)
        if (!plan_load_catalogs(&w, w.tree->sections[i].catalogs, &catalogs[i], e))
            return NULL;
    w.primary = catalogs[w.tree->count - 1]; /* the primary manifest's own section comes last */
    w.free_kb = world->free_kb(world->self);
    w.self_serve =
        in->self_serve && value_type(in->self_serve) == VALUE_DICT ? value_copy(a, in->self_serve) : NULL;

    pass(&w, catalogs, "managed_installs", install);
    pass(&w, catalogs, "managed_uninstalls", uninstall);
    plan_autoremove(&w, w.primary);
    pass(&w, catalogs, "managed_updates", plan_managed_update);
    bool local = local_only(&w);
    pass(&w, catalogs, "optional_installs", plan_optional);
    pass(&w, catalogs, "featured_items", feature);
    plan_check_featured(&w);
    plan_licenses(&w);
    plan_self_serve(&w);
    return finish(&w, local);
}
