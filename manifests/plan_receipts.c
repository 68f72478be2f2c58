/* Which items do the installed packages belong to? Over all catalogs of the run, all versions of an item
 * together: an item is installed when all its package identifiers have receipts, or when some have and one of
 * these is its alone. A package is taken away with an item only when no other installed item has it. */
#include "manifests/plan_internal.h"

struct package {
    const char *id;
    bool installed;
    size_t mentions; /* items that have it */
    size_t users;    /* … and are installed */
};

struct owner { /* an item name with receipts */
    struct package **packages;
    size_t count, capacity, found;
    struct names *ids;
    bool installed;
    struct owner *next;
};

struct plan_receipts {
    struct names *owners;
};

static void own(struct plan_work *w, struct names *packages, struct owner *owner, const char *id)
{
    if (!names_add(owner->ids, id))
        return;
    struct package *package = names_get(packages, id);
    if (!package) {
        package = arena_alloc(w->a, sizeof *package);
        package->id = id;
        package->installed = w->world->receipt_version(w->world->self, id) != NULL;
        names_put(packages, id, package);
    }
    if (owner->count == owner->capacity) {
        owner->capacity = owner->capacity ? 2 * owner->capacity : 4;
        struct package **more = arena_array(w->a, owner->capacity, sizeof *more);
        for (size_t i = 0; i < owner->count; i++)
            more[i] = owner->packages[i];
        owner->packages = more;
    }
    owner->packages[owner->count++] = package;
    owner->found += package->installed;
    package->mentions++;
}

static struct owner *gather(struct plan_work *w, struct names *owners)
{
    struct names *packages = names_open(w->a);
    struct owner *first = NULL;

    for (size_t i = 0; i < w->loaded_count; i++) {
        const struct value *receipts;
        const char *name;
        for (size_t at = 0; catalog_next_receipts(w->loaded[i], &at, &name, &receipts);) {
            struct owner *owner = names_get(owners, name);
            if (!owner) {
                owner = arena_alloc(w->a, sizeof *owner);
                owner->ids = names_open(w->a);
                owner->next = first;
                first = owner;
                names_put(owners, name, owner);
            }
            for (size_t k = 0; k < value_count(receipts); k++) {
                const char *id = pkginfo_receipt_id(value_at(receipts, k));
                if (id)
                    own(w, packages, owner, id);
            }
        }
    }
    return first;
}

static bool has_one_alone(const struct owner *owner)
{
    for (size_t i = 0; i < owner->count; i++)
        if (owner->packages[i]->installed && owner->packages[i]->mentions == 1)
            return true;
    return false;
}

static struct owner *owner_of(struct plan_work *w, const char *name)
{
    if (!w->receipts) {
        w->receipts = arena_alloc(w->a, sizeof *w->receipts);
        w->receipts->owners = names_open(w->a);
        for (struct owner *o = gather(w, w->receipts->owners); o; o = o->next) {
            o->installed = o->found > 0 && (o->found == o->count || has_one_alone(o));
            for (size_t i = 0; o->installed && i < o->count; i++)
                o->packages[i]->users += o->packages[i]->installed;
        }
    }
    return names_get(w->receipts->owners, name);
}

bool plan_receipts_installed(struct plan_work *w, const char *name)
{
    const struct owner *owner = owner_of(w, name);
    return owner && owner->installed;
}

const char **plan_receipts_of(struct plan_work *w, const char *name, bool shared)
{
    const struct owner *owner = owner_of(w, name);
    const char **ids = arena_array(w->a, owner ? owner->count + 1 : 1, sizeof *ids);
    size_t n = 0;

    for (size_t i = 0; owner && i < owner->count; i++)
        if (owner->packages[i]->installed && (shared || (owner->installed && owner->packages[i]->users == 1)))
            ids[n++] = owner->packages[i]->id;
    return ids;
}
