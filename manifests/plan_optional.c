/* What the user may choose, and what they chose. Munki Software Center writes the choice into the
 * SelfServeManifest; default_installs puts a choice there once, so that the user can take it back. */
#include "manifests/plan_internal.h"

struct offer { /* an entry of optional_installs while it is made */
    const struct plan_mention *m;
    struct catalog_entry *item;
    const struct pkginfo *p;
    const char *note;
    bool installed, staged, needs_update, update_available;
};

static void take_newer_os(struct plan_work *w, struct offer *o, struct catalog_entry *item)
{
    o->item = item;
    o->p = catalog_pkginfo(item);
    if (o->p->minimum_os && o->p->minimum_os[0])
        o->note = arena_printf(w->a, "Requires macOS version %s.", o->p->minimum_os);
    o->update_available = true;
}

static void drop_choice(struct plan_work *w, const char *nfc)
{
    const struct value *chosen = props_strings(w->self_serve, "managed_installs");
    struct value *kept = value_new_array(w->a);

    for (size_t i = 0; i < value_count(chosen); i++)
        if (strcmp(names_nfc(w->a, value_str(value_at(chosen, i))), nfc) != 0)
            value_append(w->a, kept, value_at(chosen, i));
    if (value_count(kept) == value_count(chosen))
        return;
    value_set(w->a, w->self_serve, "managed_installs", kept);
    w->self_serve_changed = true;
}

static void judge_update(struct plan_work *w, struct offer *o)
{
    if (o->p->installcheck)
        return; /* it has said "installed", and that is all it can say */
    enum plan_state state = plan_installed(w, o->item);
    o->staged = o->p->kind == KIND_STAGE_OS && state == PLAN_THIS;
    o->needs_update = o->p->kind == KIND_STAGE_OS ? state != PLAN_NEWER : state == PLAN_ABSENT;
}

static void add(struct plan_work *w, const struct offer *o)
{
    static const char *const first_keys[] = {"name",     "category",      "developer",
                                             "featured", "icon_name",     "icon_hash",
                                             "requires", "RestartAction", NULL};
    static const char *const precache_keys[] = {"installer_item_location", "installer_item_hash",
                                                "PackageCompleteURL", "PackageURL", NULL};
    static const char *const last_keys[] = {
        "preinstall_alert",   "preuninstall_alert", "preupgrade_alert",  "OnDemand",
        "minimum_os_version", "update_available",   "localized_strings", NULL};
    const struct pkginfo *p = o->p;
    struct value *dict = value_new_dict(w->a);
    int64_t size = p->size_kb >= 0 ? p->size_kb : 0;
    const char *own = props_str(p->raw, "note"), *own_note = own && own[0] ? own : NULL, *note = o->note;
    bool needs_update = o->needs_update, update_available = o->update_available;

    plan_copy(w->a, dict, p, first_keys);
    value_set(w->a, dict, "display_name", value_new_str(w->a, p->display_name ? p->display_name : ""));
    value_set(w->a, dict, "description", value_new_str(w->a, p->description ? p->description : ""));
    value_set(w->a, dict, "version_to_install", value_new_str(w->a, p->version));
    value_set(w->a, dict, "installed", value_new_bool(w->a, o->installed));
    value_set(w->a, dict, "licensed_seat_info_available",
              value_new_bool(w->a, props_bool(p->raw, "licensed_seat_info_available", false)));
    value_set(w->a, dict, "uninstallable",
              value_new_bool(w->a, p->uninstallable && p->uninstall_method && p->uninstall_method[0]));
    if (p->location && p->location[0] && p->precache && !own_note && !note &&
        props_bool(p->raw, "licensed_seats_available", true)) {
        value_set(w->a, dict, "precache", value_new_bool(w->a, true));
        plan_copy(w->a, dict, p, precache_keys);
    }
    value_set(w->a, dict, "installer_item_size", value_new_int(w->a, size));
    value_set(w->a, dict, "installed_size",
              value_new_int(w->a, p->installed_kb >= 0 ? p->installed_kb : size));
    plan_copy(w->a, dict, p, last_keys);

    if (own_note) {
        note = note ? note : own_note;
    } else if ((needs_update || !o->installed) && !note && !o->staged && !plan_has_space(w, p, false)) {
        note = "Insufficient disk space to download and install.";
        update_available = update_available || needs_update;
        needs_update = false;
    }
    value_set(w->a, dict, "note", value_new_str(w->a, note));
    value_set(w->a, dict, "needs_update", value_new_bool(w->a, needs_update));
    if (update_available)
        value_set(w->a, dict, "update_available", value_new_bool(w->a, true));

    struct plan_entry *entry = arena_alloc(w->a, sizeof *entry);
    *entry = (struct plan_entry){.name = p->name,
                                 .item = o->item,
                                 .pkg = p,
                                 .dict = dict,
                                 .installed = o->installed,
                                 .version = p->version};
    plan_entries_add(&w->optional, entry);
    w->changes++;
    plan_because(w, o->m, p->name, "%s from catalog %s is offered%s%s", p->version, p->catalog,
                 note ? "; " : "", note ? note : "");
}

void plan_optional(struct plan_work *w, const struct plan_mention *m, const char *reference,
                   const struct plan_catalogs *c)
{
    struct plan_name n = plan_split(w, reference);
    struct offer o = {.m = m};
    bool any_os = w->in->higher_os_optional;

    if (names_has(w->optional.by_name, n.entry) || names_has(w->processed_installs.set, n.entry) ||
        names_has(w->processed_uninstalls.set, n.entry)) {
        plan_because(w, m, n.name, "was processed before");
        return;
    }
    const struct plan_found *found = plan_search(w, c, n.name, n.version, false);
    if (found->entry) {
        o.item = found->entry;
        o.p = catalog_pkginfo(o.item);
    } else if (any_os && plan_search(w, c, n.name, n.version, true)->entry) {
        take_newer_os(w, &o, plan_search(w, c, n.name, n.version, true)->entry);
    } else {
        plan_warn(w, "%s (%s in manifest %s): no item that applies in catalogs %s", n.spelled, m->key,
                  m->manifest, c->text);
        plan_because(w, m, n.name, "no item that applies in catalogs %s%s%s", c->text,
                     found->rejections[0] ? ": " : "", found->rejections[0] ? found->rejections[0] : "");
        return;
    }
    o.installed = plan_some_version(w, o.item);
    if (o.installed) {
        if (w->world->unused && value_get(o.p->raw, "unused_software_removal_info") &&
            w->world->unused(w->world->self, o.p)) {
            plan_because(w, m, n.name, "is offered and installed, but nobody uses it");
            (void)plan_remove(w, m, reference, c);
            drop_choice(w, n.entry);
            return;
        }
        judge_update(w, &o);
        struct catalog_entry *other =
            any_os && !o.needs_update ? plan_search(w, c, n.name, n.version, true)->entry : NULL;
        if (other && !catalog_same(other, o.item))
            take_newer_os(w, &o, other);
    }
    add(w, &o);
}

void plan_check_featured(struct plan_work *w)
{
    for (size_t i = 0; i < value_count(w->featured.array); i++) {
        const char *name = value_str(value_at(w->featured.array, i));
        if (!names_has(w->optional.by_name, names_nfc(w->a, name)))
            plan_warn(w, "%s (featured_items in manifest %s) is not among the optional installs", name,
                      (const char *)names_get(w->featured_by, name));
    }
}

/* ---- the user's choice ------------------------------------------------------------------------------- */

static struct value *array_of(struct plan_work *w, const char *key, struct names *set)
{
    const struct value *old = props_strings(w->self_serve, key);
    struct value *copy = value_new_array(w->a);

    for (size_t i = 0; i < value_count(old); i++) {
        names_add(set, names_nfc(w->a, value_str(value_at(old, i))));
        value_append(w->a, copy, value_at(old, i));
    }
    return copy;
}

static void take_defaults(struct plan_work *w)
{
    struct names *given = names_open(w->a), *chosen = names_open(w->a);
    struct value *defaults = array_of(w, "default_installs", given);
    struct value *installs = array_of(w, "managed_installs", chosen);
    bool changed = false;

    for (size_t s = 0; s < w->tree->count; s++) {
        const struct manifest_section *section = &w->tree->sections[s];
        const struct value *list =
            manifest_strings(w->a, w->source, section->manifest, section->dict, "default_installs");
        for (size_t i = 0; i < value_count(list); i++) {
            const char *name = names_nfc(w->a, value_str(value_at(list, i)));
            if (!names_add(given, name))
                continue;
            value_append(w->a, defaults, value_at(list, i));
            if (names_add(chosen, name))
                value_append(w->a, installs, value_at(list, i));
            plan_because(w,
                         &(struct plan_mention){.manifest = section->manifest,
                                                .key = "default_installs",
                                                .condition = section->condition},
                         name, "is chosen for the user, once");
            changed = true;
        }
    }
    if (!changed)
        return;
    if (!w->self_serve)
        w->self_serve = value_new_dict(w->a);
    value_set(w->a, w->self_serve, "default_installs", defaults);
    value_set(w->a, w->self_serve, "managed_installs", installs);
    w->self_serve_changed = true;
}

static void install_chosen(struct plan_work *w)
{
    const struct value *chosen =
        manifest_strings(w->a, w->source, "SelfServeManifest", w->self_serve, "managed_installs");
    const struct plan_mention m = {.manifest = "SelfServeManifest", .key = "managed_installs"};

    for (size_t i = 0; i < value_count(chosen); i++) {
        const char *name = value_str(value_at(chosen, i));
        const char *nfc = names_nfc(w->a, name);
        const struct plan_entry *offer = names_get(w->optional.by_name, nfc);
        bool available = false;
        for (; offer && !available; offer = offer->same_name)
            available =
                !value_get(offer->dict, "note") && props_bool(offer->dict, "licensed_seats_available", true);
        if (available)
            (void)plan_install(w, &m, name, w->primary, false, true);
        else
            plan_because(w, &m, nfc, "was chosen by the user but is not offered, or not available");
    }
}

static void remove_chosen(struct plan_work *w)
{
    const struct value *chosen =
        manifest_strings(w->a, w->source, "SelfServeManifest", w->self_serve, "managed_uninstalls");
    const struct plan_mention m = {.manifest = "SelfServeManifest", .key = "managed_uninstalls"};

    for (size_t i = 0; i < value_count(chosen); i++)
        (void)plan_remove(w, &m, value_str(value_at(chosen, i)), w->primary);
}

/* A wish to remove what is not there is fulfilled: it leaves the user's manifest. */
static void forget_fulfilled(struct plan_work *w)
{
    const struct value *chosen = props_strings(w->self_serve, "managed_uninstalls");
    struct value *kept = value_new_array(w->a);

    for (size_t i = 0; i < value_count(chosen); i++) {
        struct plan_name n = plan_split(w, value_str(value_at(chosen, i)));
        const struct plan_entry *removal = names_get(w->removals.by_name, n.entry);
        if (!removal || removal->installed)
            value_append(w->a, kept, value_at(chosen, i));
    }
    if (value_count(kept) == value_count(chosen))
        return;
    value_set(w->a, w->self_serve, "managed_uninstalls", kept);
    w->self_serve_changed = true;
}

void plan_self_serve(struct plan_work *w)
{
    if (!w->in->self_serve_unreadable)
        take_defaults(w);
    if (!w->self_serve)
        return;
    install_chosen(w);
    remove_chosen(w);
    for (struct plan_entry *offer = w->optional.first; offer; offer = offer->next) {
        if (!offer->installed && names_has(w->installs.by_name, offer->name))
            value_set(w->a, offer->dict, "will_be_installed", value_new_bool(w->a, true));
        else if (offer->installed && names_has(w->removals.by_name, offer->name))
            value_set(w->a, offer->dict, "will_be_removed", value_new_bool(w->a, true));
    }
    forget_fulfilled(w);
}
