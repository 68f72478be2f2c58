/* Questions to the world, each asked once: an item that stands in several catalogs word for word is one item
 * here, and its check scripts run once. */
#include "core/text.h"
#include "manifests/applies.h"
#include "manifests/plan_internal.h"

#define SLACK_KB 102400             /* of free space that an installation must leave */
#define SANE_KB  ((int64_t)1 << 40) /* sizes above it count as this: sums must not overflow */
#define TWINS    64                 /* items of one name in one catalog that are held against another */

static struct plan_answers *answers(struct plan_work *w, struct catalog_entry *item)
{
    if (item->answers)
        return item->answers;
    for (size_t i = 0; i < w->loaded_count; i++) {
        struct catalog_list same = catalog_named(w->loaded[i], item->name);
        for (size_t j = 0; j < same.count && j < TWINS; j++)
            if (same.entries[j]->answers && same.entries[j]->version && item->version &&
                strcmp(same.entries[j]->version, item->version) == 0 && catalog_same(same.entries[j], item)) {
                item->answers = same.entries[j]->answers;
                return item->answers;
            }
    }
    item->answers = arena_alloc(w->a, sizeof(struct plan_answers));
    return item->answers;
}

/* true when it is to be asked now */
static bool ask(struct plan_answers *known, enum plan_question q)
{
    if (known->asked & q)
        return false;
    known->asked |= q;
    return true;
}

enum plan_state plan_installed(struct plan_work *w, struct catalog_entry *item)
{
    struct plan_answers *known = answers(w, item);

    if (ask(known, ASKED_INSTALLED))
        known->installed = w->world->installed(w->world->self, catalog_pkginfo(item));
    return known->installed;
}

bool plan_some_version(struct plan_work *w, struct catalog_entry *item)
{
    struct plan_answers *known = answers(w, item);

    if (ask(known, ASKED_SOME))
        known->some_version = w->world->some_version(w->world->self, catalog_pkginfo(item));
    return known->some_version;
}

const char *plan_installed_version(struct plan_work *w, struct catalog_entry *item)
{
    struct plan_answers *known = answers(w, item);

    if (ask(known, ASKED_VERSION))
        known->installed_version = w->world->installed_version(w->world->self, catalog_pkginfo(item));
    return known->installed_version;
}

/* A check script's no is final; where there is none, or it was not asked for a version, receipts decide. */
static bool evidence(struct plan_work *w, const struct pkginfo *p)
{
    if (w->world->evidence(w->world->self, p))
        return true;
    if (p->on_demand || p->uninstallcheck || p->installcheck)
        return false;
    return p->receipts_count > 0 && plan_receipts_installed(w, p->name);
}

bool plan_evidence(struct plan_work *w, struct catalog_entry *item)
{
    const struct pkginfo *p = catalog_pkginfo(item);

    if (!p)
        return false;
    struct plan_answers *known = answers(w, item);
    if (ask(known, ASKED_EVIDENCE))
        known->evidence = evidence(w, p);
    return known->evidence;
}

const char *plan_rejected(struct plan_work *w, struct catalog_entry *item, bool any_os)
{
    struct plan_answers *known = answers(w, item);
    const struct pkginfo *p = catalog_pkginfo(item);

    if (ask(known, any_os ? ASKED_APPLIES_ANY_OS : ASKED_APPLIES)) {
        const char *broken, *why = applies_why_not(w->a, w->in, p, any_os, &broken);
        if (broken)
            plan_warn(w, "catalog %s: %s %s: installable_condition “%s”: %s; taken as false", p->catalog,
                      p->name, p->version, p->condition, broken);
        known->rejected[any_os] = why ? arena_printf(w->a, "%s %s in catalog %s does not apply: %s", p->name,
                                                     p->version, p->catalog, why)
                                      : NULL;
    }
    return known->rejected[any_os];
}

static int64_t sane(int64_t kb)
{
    return kb < 0 ? 0 : kb > SANE_KB ? SANE_KB : kb;
}

/* The KB that are missing for the download and for what it becomes, beside what the items before it will
 * take; 0 or less: there is room. */
static int64_t lacking(struct plan_work *w, const struct pkginfo *p, bool uninstalling)
{
    int64_t item = sane(p->size_kb), installed = p->installed_kb >= 0 ? sane(p->installed_kb) : item;
    int64_t already = 0;
    bool complete;

    if (p->location)
        already = w->world->cached_kb(w->world->self, p->location, &complete);
    if (uninstalling) {
        item = sane(p->uninstaller_size_kb);
        installed = 0;
    }
    return item - sane(already) + installed + SLACK_KB - (w->free_kb - w->reserved_kb);
}

bool plan_has_space(struct plan_work *w, const struct pkginfo *p, bool uninstalling)
{
    return lacking(w, p, uninstalling) <= 0;
}

static bool make_room(struct plan_work *w, const struct pkginfo *p, bool uninstalling)
{
    const struct world *world = w->world;
    if (world->make_room == NULL || !world->make_room(world->self, lacking(w, p, uninstalling)))
        return false;
    w->free_kb = world->free_kb(world->self);
    return plan_has_space(w, p, uninstalling);
}

void plan_reserve(struct plan_work *w, int64_t installed_kb)
{
    w->reserved_kb += sane(installed_kb);
}

struct plan_download plan_download(struct plan_work *w, struct catalog_entry *item, bool uninstaller)
{
    struct plan_answers *known = answers(w, item);
    struct plan_download *d = uninstaller ? &known->uninstaller : &known->download;
    const struct pkginfo *p = catalog_pkginfo(item);
    const char *location = uninstaller ? p->uninstaller_location : p->location;
    bool complete = false;

    if (!location || !location[0])
        return (struct plan_download){PLAN_DOWNLOAD_FAILED,
                                      uninstaller ? "No uninstaller_item_location in item info."
                                                  : "No installer_item_location in item info.",
                                      0};
    w->world->cached_kb(w->world->self, location, &complete);
    if (!complete && !plan_has_space(w, p, uninstaller) && !make_room(w, p, uninstaller))
        return (struct plan_download){
            PLAN_DOWNLOAD_SPACE,
            arena_printf(w->a, "Insufficient disk space to download and install %s", text_basename(location)),
            0};
    if (ask(known, uninstaller ? ASKED_UNINSTALLER : ASKED_DOWNLOAD))
        *d = w->world->download(w->world->self, p, uninstaller);
    return *d;
}
