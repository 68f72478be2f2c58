/* Catalog order beats version: the first catalog that has an item of the name which applies to this Mac gives
 * its highest such version, and later catalogs are not looked at. A reference with a version wants that
 * version's text, trailing ".0" aside: "1" does not find "1.0". */
#include "core/limits.h"
#include "manifests/plan_internal.h"
#include "manifests/version.h"

static char missing; /* in w->catalogs: the server does not have it */

static void warn(void *ctx, const char *sentence)
{
    plan_warn(ctx, "%s", sentence);
}

static bool load(struct plan_work *w, const char *name, struct err *e)
{
    const struct outline *outline = NULL;
    struct err why = {0};

    if (names_has(w->catalogs, name))
        return true;
    if (w->catalog_count++ == LIMIT_CATALOGS)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "catalog %s: more than %d catalogs", name, LIMIT_CATALOGS);
    if (!w->world->catalog(w->world->self, name, &outline, &why)) {
        if (why.kind != ERR_NOT_FOUND) {
            if (e)
                *e = why; /* it begins with the catalog's name */
            return false;
        }
        plan_warn(w, "catalog %s: the server does not have it (%s); its items are missing from the decision",
                  name, why.text);
        names_put(w->catalogs, name, &missing);
        return true;
    }
    struct catalog *c = catalog_load(w->a, name, outline, warn, w);
    names_put(w->catalogs, name, c);
    if (!w->loaded)
        w->loaded = arena_array(w->a, LIMIT_CATALOGS, sizeof(struct catalog *));
    w->loaded[w->loaded_count++] = c;
    return true;
}

static const char *joined(struct arena *a, const struct value *strings, const char *between)
{
    size_t size = 1, n = 0;

    for (size_t i = 0; i < value_count(strings); i++)
        size += strlen(value_str(value_at(strings, i))) + strlen(between);
    char *text = arena_alloc(a, size);
    for (size_t i = 0; i < value_count(strings); i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? between : "", value_str(value_at(strings, i)));
    return text;
}

bool plan_load_catalogs(struct plan_work *w, const struct value *names, struct plan_catalogs **list,
                        struct err *e)
{
    size_t n = value_count(names);
    const char *key = joined(w->a, names, "\n");

    *list = names_get(w->lists, key);
    if (*list)
        return true;
    struct plan_catalogs *fresh = arena_alloc(w->a, sizeof *fresh);
    *fresh = (struct plan_catalogs){.at = arena_array(w->a, n, sizeof *fresh->at),
                                    .text = joined(w->a, names, ", "),
                                    .id = w->list_count++,
                                    .names = names};
    for (size_t i = 0; i < n; i++) {
        const char *name = value_str(value_at(names, i));
        if (!load(w, name, e))
            return false;
        void *c = names_get(w->catalogs, name);
        if (c != &missing)
            fresh->at[fresh->count++] = c;
    }
    names_put(w->lists, key, fresh);
    *list = fresh;
    return true;
}

struct plan_name plan_split(struct plan_work *w, const char *reference)
{
    struct plan_name n;
    const char *slash = strrchr(reference, '/'), *version;

    n.spelled = slash ? slash + 1 : reference;
    n.entry = names_nfc(w->a, n.spelled);
    pkginfo_split_reference(w->a, n.spelled, &n.spelled_name, &version);
    pkginfo_split_reference(w->a, n.entry, &n.name, &n.version);
    return n;
}

static struct plan_found *search(struct plan_work *w, const struct plan_catalogs *c, const char *name,
                                 const char *version, bool any_os)
{
    struct plan_found *found = arena_alloc(w->a, sizeof *found);
    const char *trimmed = version_trim(w->a, version);
    size_t seen = 0, rejected = 0;

    for (size_t i = 0; i < c->count; i++)
        seen += catalog_versions(c->at[i], name).count;
    found->rejections = arena_array(w->a, seen + 1, sizeof *found->rejections);
    for (size_t i = 0; i < c->count; i++) {
        struct catalog_list versions = catalog_versions(c->at[i], name);
        for (size_t j = 0; j < versions.count; j++) {
            struct catalog_entry *entry = versions.entries[j];
            if ((version[0] != '\0' && strcmp(entry->trimmed, trimmed) != 0) || !catalog_pkginfo(entry))
                continue;
            const char *why = plan_rejected(w, entry, any_os);
            if (!why) {
                found->entry = entry;
                return found;
            }
            found->rejections[rejected++] = why;
        }
    }
    return found;
}

const struct plan_found *plan_search(struct plan_work *w, const struct plan_catalogs *c, const char *name,
                                     const char *version, bool any_os)
{
    const char *key = arena_printf(w->a, "%zu%c%s\n%s", c->id, any_os ? '+' : ' ', version, name);
    struct plan_found *found = names_get(w->searches, key);

    if (!found) {
        found = search(w, c, name, version, any_os);
        names_put(w->searches, key, found);
    }
    return found;
}

struct placed { /* an item and its place in the order of the catalogs */
    struct catalog_entry *entry;
    size_t place;
};

static int higher_first(const void *one, const void *other)
{
    const struct placed *a = one, *b = other;
    int order = version_compare(b->entry->trimmed, a->entry->trimmed);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

struct catalog_list plan_all_named(struct plan_work *w, const struct plan_catalogs *c, const char *name)
{
    size_t most = 0, n = 0;

    for (size_t i = 0; i < c->count; i++)
        most += catalog_versions(c->at[i], name).count;
    struct placed *all = arena_array(w->a, most, sizeof *all);
    for (size_t i = 0; i < c->count; i++) {
        struct catalog_list versions = catalog_versions(c->at[i], name);
        for (size_t j = 0; j < versions.count; j++, n++)
            all[n] = (struct placed){versions.entries[j], n};
    }
    if (n > 1)
        qsort(all, n, sizeof *all, higher_first);
    struct catalog_list list = {arena_array(w->a, n, sizeof(struct catalog_entry *)), n};
    for (size_t i = 0; i < n; i++)
        list.entries[i] = all[i].entry;
    return list;
}

const char **plan_updates(struct plan_work *w, const struct plan_catalogs *c, const char *name, bool general,
                          const char *version)
{
    const char *refs[3];
    size_t ref_count = 0, most = 0, n = 0;
    struct names *seen = names_open(w->a);

    if (general)
        refs[ref_count++] = name;
    if (version) {
        refs[ref_count++] = arena_printf(w->a, "%s-%s", name, version);
        refs[ref_count++] = arena_printf(w->a, "%s--%s", name, version);
    }
    for (size_t r = 0; r < ref_count; r++)
        for (size_t i = 0; i < c->count; i++)
            most += catalog_updates(c->at[i], refs[r]).count;
    const char **updates = arena_array(w->a, most + 1, sizeof *updates);
    for (size_t r = 0; r < ref_count; r++)
        for (size_t i = 0; i < c->count; i++) {
            struct catalog_list list = catalog_updates(c->at[i], refs[r]);
            for (size_t j = 0; j < list.count; j++)
                if (names_add(seen, list.entries[j]->name))
                    updates[n++] = list.entries[j]->spelled;
        }
    return updates;
}
