/* An item of InstallInfo is found again by name and version. The entry, with the scripts and packages of a
 * removal, is the stored one: it is what the check decided. */
#include "agent/pending.h"

#include "agent/plistfile.h"
#include "core/limits.h"
#include "manifests/catalog.h"
#include "manifests/names.h"

#define INFO "InstallInfo.plist"

static const char *version_of(const struct value *entry, bool removal)
{
    return props_str(entry, removal ? "installed_version" : "version_to_install");
}

static const struct pkginfo *in_plan(const struct plan *plan, const char *name, const char *version,
                                     bool removal)
{
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct plan_item *item = &plan->items[i];
        if (item->removal == removal && strcmp(item->pkg->name, name) == 0 &&
            strcmp(item->pkg->version, version) == 0)
            return item->pkg;
    }
    return NULL;
}

static const struct pkginfo *in_catalogs(struct arena *a, struct repo *r, const struct plan *plan,
                                         const char *name, const char *version)
{
    struct err e;
    for (size_t c = 0; plan->catalogs_used[c] != NULL; c++) {
        const struct outline *items;
        if (!repo_catalog(r, plan->catalogs_used[c], &items, &e))
            continue;
        struct catalog_list list =
            catalog_versions(catalog_load(a, plan->catalogs_used[c], items, NULL, NULL), name);
        for (size_t i = 0; i < list.count; i++)
            if (strcmp(list.entries[i]->version, version) == 0 && catalog_pkginfo(list.entries[i]) != NULL)
                return catalog_pkginfo(list.entries[i]);
    }
    return NULL;
}

static void lost(struct arena *a, struct value *problems, const struct value *entry, const char *version)
{
    struct value *one = value_new_dict(a);
    value_set(a, one, "name", value_get(entry, "name"));
    value_set(a, one, "display_name", value_get(entry, "display_name"));
    value_set(a, one, "version_to_install", value_new_str(a, version));
    value_set(a, one, "installed", value_new_bool(a, false));
    value_set(a, one, "note",
              value_new_str(a,
                            "no cached catalog has it in this version any more, so that it cannot be proved: "
                            "run a check first"));
    value_append(a, problems, one);
}

/* bound: entries are removals, but for those names; NULL: they are installs. */
static void add(struct arena *a, struct repo *r, const struct plan *plan, struct plan *out,
                const struct value *entries, const struct names *bound, struct value *problems)
{
    bool removal = bound != NULL;
    for (size_t i = 0; i < value_count(entries); i++) {
        const struct value *entry = value_at(entries, i);
        const char *name = props_str(entry, "name"), *version = version_of(entry, removal);
        if (name == NULL || version == NULL || props_bool(entry, "installed", false) != removal)
            continue;
        name = names_nfc(a, name);
        if (removal && names_has(bound, name))
            continue; /* it stays pending in InstallInfo */
        const struct pkginfo *p = in_plan(plan, name, version, removal);
        p = p != NULL ? p : in_catalogs(a, r, plan, name, version);
        if (p != NULL)
            out->items[out->item_count++] = (struct plan_item){.pkg = p, .entry = entry, .removal = removal};
        else
            lost(a, problems, entry, version);
    }
}

const struct plan *pending_plan(struct arena *a, struct repo *r, int data, const struct plan *plan,
                                struct err *e)
{
    const struct value *info = plistfile_dict(a, data, INFO, LIMIT_CATALOG, e);
    if (info == NULL) {
        err_wrap(e, "--installonly does what the last check decided");
        return NULL;
    }
    const struct value *installs = props_dicts(info, "managed_installs"),
                       *removals = props_dicts(info, "removals"), *old = props_dicts(info, "problem_items");
    struct plan *out = arena_alloc(a, sizeof *out);
    struct value *problems = value_new_array(a);
    *out = *plan;
    out->install_info = info;
    out->items = arena_array(a, value_count(installs) + value_count(removals) + 1, sizeof *out->items);
    out->item_count = 0;
    for (size_t i = 0; i < value_count(old); i++)
        value_append(a, problems, value_at(old, i));
    const struct names *bound = plan_bound(a, installs);
    add(a, r, plan, out, removals, bound, problems);
    add(a, r, plan, out, installs, NULL, problems);
    out->problem_items = problems;

    out->present = arena_array(a, plan->present_count + 1, sizeof *out->present);
    out->present_count = 0;
    for (size_t i = 0; i < plan->present_count; i++)
        if (in_plan(out, plan->present[i]->name, plan->present[i]->version, false) == NULL)
            out->present[out->present_count++] = plan->present[i];
    return out;
}

bool pending_write(struct arena *a, int data, const struct plan *plan,
                   bool (*done)(void *ctx, const struct plan_item *item), void *ctx, struct err *e)
{
    static const char *const keys[] = {"managed_installs", "removals"};
    struct value *info = value_copy(a, plan->install_info);
    for (size_t k = 0; k < 2; k++) {
        const struct value *all = props_dicts(info, keys[k]);
        struct value *left = value_new_array(a);
        for (size_t i = 0; i < value_count(all); i++) {
            bool over = false;
            for (size_t n = 0; n < plan->item_count && !over; n++)
                over = plan->items[n].entry == value_at(all, i) && done(ctx, &plan->items[n]);
            if (!over)
                value_append(a, left, value_at(all, i));
        }
        value_set(a, info, keys[k], left);
    }
    return plistfile_write(data, INFO, info, e);
}
