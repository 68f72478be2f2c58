/* A removal takes with it what requires the item (before it) and what updates it (after those, before it).
 * Where a dependent cannot be removed the item stays, but what was decided on the way stays decided. A name
 * is noted as processed before anything is known about it: a removal that fails still forbids a later
 * installation of that name in the same run. */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/plan_internal.h"

struct removal {
    const struct plan_mention *m;
    const struct plan_catalogs *c;
    struct catalog_entry *item;
    const struct pkginfo *p;
};

static const char *const copied_keys[] = {"RestartAction",
                                          "blocking_applications",
                                          "installs",
                                          "requires",
                                          "update_for",
                                          "payloads",
                                          "preuninstall_script",
                                          "postuninstall_script",
                                          "apple_item",
                                          "category",
                                          "developer",
                                          "icon_name",
                                          "PayloadIdentifier",
                                          NULL};

static bool refuse(struct plan_work *w, const struct plan_mention *m, const char *name, const char *why)
{
    plan_warn(w, "%s (%s in manifest %s%s%s) is not removed: %s", name, m->key, m->manifest,
              m->by ? ", for " : "", m->by ? m->by : "", why);
    plan_because(w, m, name, "is not removed: %s", why);
    return false;
}

static bool is_one_of(const char *s, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i], s) == 0)
            return true;
    return false;
}

/* NULL: it can be removed */
static const char *why_not_removable(struct plan_work *w, const struct pkginfo *p)
{
    static const char *const ours[] = {"remove_copied_items", "uninstall_script", "uninstall_package", NULL};
    static const char *const gone[] = {"remove_app", "remove_profile", NULL};
    const char *method = p->uninstall_method;

    if (!p->uninstallable)
        return "it is not marked uninstallable";
    if (!method || !method[0])
        return "it has no uninstall_method";
    if (is_one_of(method, gone) || text_starts(method, "Adobe"))
        return arena_printf(w->a, "uninstall_method %s is not supported any more", method);
    if (strcmp(method, "removepackages") == 0)
        return plan_receipts_of(w, p->name, true)[0] ? NULL : "no installed package is known to be its own";
    if (is_one_of(method, ours) || (method[0] == '/' && w->world->is_executable(w->world->self, method)))
        return NULL;
    return arena_printf(w->a, "uninstall_method %s is no method and no program on this Mac", method);
}

/* Was name met in the catalogs before (catalog, position)? stopped[i]: where the scan of catalog i ended. */
static bool met_before(const struct removal *r, const char *name, size_t catalog, size_t position,
                       const size_t *stopped)
{
    for (size_t i = 0; i <= catalog; i++) {
        struct catalog_list named = catalog_named(r->c->at[i], name);
        size_t limit = i < catalog ? stopped[i] : position;
        if (named.count > 0 && named.entries[0]->position < limit)
            return true;
    }
    return false;
}

static int by_position(const void *one, const void *other)
{
    const struct catalog_entry *const *a = one, *const *b = other;
    return ((*a)->position > (*b)->position) - ((*a)->position < (*b)->position);
}

/* Items of one catalog that require the item in this version or any, each once, in the catalog's order. */
static struct catalog_list dependents(struct plan_work *w, const struct removal *r, struct catalog *c)
{
    const char *refs[] = {r->p->name, arena_printf(w->a, "%s-%s", r->p->name, r->p->version),
                          arena_printf(w->a, "%s--%s", r->p->name, r->p->version)};
    struct catalog_list lists[3], all = {0};
    size_t most = 0, n = 0;

    for (size_t i = 0; i < 3; i++) {
        lists[i] = catalog_dependents(c, refs[i]);
        most += lists[i].count;
    }
    all.entries = arena_array(w->a, most, sizeof(struct catalog_entry *));
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < lists[i].count; j++)
            all.entries[n++] = lists[i].entries[j];
    if (n > 1)
        qsort(all.entries, n, sizeof *all.entries, by_position);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || all.entries[i] != all.entries[all.count - 1])
            all.entries[all.count++] = all.entries[i];
    return all;
}

/* Of the versions of a dependent only the one that a catalog names first is looked at. A dependent that
 * cannot be removed ends the scan of its catalog, not of the later ones. */
static bool remove_dependents(struct plan_work *w, const struct removal *r)
{
    size_t *stopped = arena_array(w->a, r->c->count, sizeof *stopped);
    struct plan_mention m = *r->m;
    bool all_gone = true;

    m.key = "requires";
    m.by = r->p->name;
    for (size_t i = 0; i < r->c->count; i++) {
        struct catalog_list list = dependents(w, r, r->c->at[i]);
        stopped[i] = SIZE_MAX;
        for (size_t j = 0; j < list.count; j++) {
            struct catalog_entry *entry = list.entries[j];
            if (met_before(r, entry->name, i, entry->position, stopped) || !plan_evidence(w, entry))
                continue;
            if (!plan_remove(w, &m, entry->spelled, r->c)) {
                stopped[i] = entry->position;
                all_gone = false;
                break;
            }
        }
    }
    return all_gone;
}

static const char *add_packages(struct plan_work *w, const struct removal *r, struct value *dict)
{
    const char **ids = plan_receipts_of(w, r->p->name, false);
    struct value *packages = value_new_array(w->a);

    if (!ids[0])
        return "all its packages belong to other installed items too";
    for (size_t i = 0; ids[i]; i++)
        value_append(w->a, packages, value_new_str(w->a, ids[i]));
    value_set(w->a, dict, "packages", packages);
    return NULL;
}

static const char *add_uninstaller(struct plan_work *w, const struct removal *r, struct value *dict)
{
    struct plan_download d = plan_download(w, r->item, true);

    if (d.failure != PLAN_DOWNLOAD_OK)
        return arena_printf(w->a, "its uninstaller cannot be had: %s",
                            d.why ? d.why : "integrity check failed");
    value_set(w->a, dict, "uninstaller_item", value_new_str(w->a, text_basename(r->p->uninstaller_location)));
    return NULL;
}

/* NULL: dict has all that the method needs */
static const char *add_method(struct plan_work *w, const struct removal *r, struct value *dict)
{
    const char *method = r->p->uninstall_method;

    value_set(w->a, dict, "uninstall_method", value_new_str(w->a, method));
    if (strcmp(method, "removepackages") == 0)
        return add_packages(w, r, dict);
    if (strcmp(method, "uninstall_package") == 0)
        return add_uninstaller(w, r, dict);
    if (strcmp(method, "remove_copied_items") == 0) {
        const struct value *items = props_dicts(r->p->raw, "items_to_copy");
        value_set(w->a, dict, "items_to_remove", items);
        return items ? NULL : "it has no items_to_copy";
    }
    if (strcmp(method, "uninstall_script") == 0) {
        value_set(w->a, dict, "uninstall_script", value_new_str(w->a, r->p->uninstall_script));
        return r->p->uninstall_script ? NULL : "it has no uninstall_script";
    }
    return NULL;
}

static void remove_updates(struct plan_work *w, const struct removal *r)
{
    const char **updates = plan_updates(w, r->c, r->p->name, true, r->p->version);
    struct plan_mention m = *r->m;

    m.key = "update_for";
    m.by = r->p->name;
    for (size_t i = 0; updates[i]; i++)
        (void)plan_remove(w, &m, updates[i], r->c);
}

static void add(struct plan_work *w, const struct removal *r, const char *name, struct value *dict,
                bool installed)
{
    struct plan_entry *entry = arena_alloc(w->a, sizeof *entry);

    value_set(w->a, dict, "installed", value_new_bool(w->a, installed));
    *entry =
        (struct plan_entry){.name = name, .item = r->item, .pkg = r->p, .dict = dict, .installed = installed};
    plan_entries_add(&w->removals, entry);
    w->changes++;
}

static bool remove_item(struct plan_work *w, const struct removal *r)
{
    static const char *const display[] = {"name", "display_name", NULL};
    const struct pkginfo *p = r->p;
    const char *why = why_not_removable(w, p);
    struct value *dict = value_new_dict(w->a);

    if (why)
        return refuse(w, r->m, p->name, why);
    if (!remove_dependents(w, r))
        return refuse(w, r->m, p->name, "something that requires it is installed and cannot be removed");
    plan_copy(w->a, dict, p, display);
    value_set(w->a, dict, "description", value_new_str(w->a, "Will be removed."));
    if (p->unattended_uninstall && plan_restarts(p))
        plan_warn(w, "%s %s: unattended_uninstall is ignored because RestartAction is %s", p->name,
                  p->version, p->restart_action);
    else if (p->unattended_uninstall)
        value_set(w->a, dict, "unattended_uninstall", value_new_bool(w->a, true));
    plan_copy(w->a, dict, p, copied_keys);
    if (!p->apple_item_set && p->apple_item)
        value_set(w->a, dict, "apple_item", value_new_bool(w->a, true));
    why = add_method(w, r, dict);
    if (why)
        return refuse(w, r->m, p->name, why);
    remove_updates(w, r);
    value_set(w->a, dict, "installed_version", value_new_str(w->a, p->version));
    add(w, r, p->name, dict, true);
    plan_because(w, r->m, p->name, "is to be removed with %s, as %s from catalog %s says",
                 p->uninstall_method, p->version, p->catalog);
    return true;
}

/* *why: what is wrong with it where there is none. */
static struct catalog_list candidates(struct plan_work *w, const struct plan_catalogs *c,
                                      const struct plan_name *n, const char **why)
{
    struct catalog_list one = {0};

    *why = arena_printf(w->a, "it is in none of the catalogs %s", c->text);
    if (!n->version[0])
        return plan_all_named(w, c, n->name);
    const struct plan_found *found = plan_search(w, c, n->name, n->version, false);
    if (found->entry) {
        one.entries = arena_array(w->a, 1, sizeof(struct catalog_entry *));
        one.entries[0] = found->entry;
        one.count = 1;
    } else if (found->rejections[0]) {
        *why = found->rejections[0];
    } else if (plan_all_named(w, c, n->name).count > 0) {
        *why = arena_printf(w->a, "it is in the catalogs %s, but not in version %s", c->text, n->version);
    }
    return one;
}

bool plan_remove(struct plan_work *w, const struct plan_mention *m, const char *reference,
                 const struct plan_catalogs *c)
{
    struct plan_name n = plan_split(w, reference);
    struct removal r = {.m = m, .c = c};

    if (names_has(w->processed_install_names, n.name))
        return refuse(w, m, n.name,
                      "some version of it is to be installed, or something installed requires it");
    if (names_has(w->processed_uninstalls.set, n.name)) {
        plan_because(w, m, n.name, "was processed for removal before");
        return true;
    }
    plan_strings_add(w->a, &w->processed_uninstalls, n.spelled_name, n.name);
    w->changes++;
    const char *why;
    struct catalog_list list = candidates(w, c, &n, &why);
    if (list.count == 0)
        return refuse(w, m, n.name, why);
    for (size_t i = 0; i < list.count && !r.item; i++)
        if (plan_evidence(w, list.entries[i])) {
            r.item = list.entries[i];
            r.p = catalog_pkginfo(r.item);
        }
    if (!r.item) {
        struct value *dict = value_new_dict(w->a);
        value_set(w->a, dict, "name", value_new_str(w->a, n.spelled_name));
        add(w, &r, n.name, dict, false);
        plan_because(w, m, n.name, "is not installed, so there is nothing to remove");
        return true;
    }
    if (w->depth == LIMIT_REQUIRE_DEPTH)
        return refuse(w, m, n.name, "what requires and updates it lies too deep");
    w->depth++;
    bool ok = remove_item(w, &r);
    w->depth--;
    return ok;
}

void plan_autoremove(struct plan_work *w, const struct plan_catalogs *c)
{
    struct names *seen = names_open(w->a);
    const struct plan_mention m = {.manifest = w->in->primary, .key = "autoremove"};
    size_t most = 0, n = 0;

    for (size_t i = 0; i < c->count; i++)
        most += catalog_autoremove(c->at[i]).count;
    /* All names first: what one removal brings with it must not change which others were meant. */
    const char **wanted = arena_array(w->a, most, sizeof *wanted);
    for (size_t i = 0; i < c->count; i++) {
        struct catalog_list list = catalog_autoremove(c->at[i]);
        for (size_t j = 0; j < list.count; j++) {
            const char *name = list.entries[j]->name;
            if (names_add(seen, name) && !names_has(w->processed_install_names, name) &&
                !names_has(w->installs.by_name, name) && !names_has(w->processed_uninstalls.set, name))
                wanted[n++] = list.entries[j]->spelled;
        }
    }
    for (size_t i = 0; i < n; i++)
        (void)plan_remove(w, &m, wanted[i], c);
}
