/* The order of the tests is Munki's, and so are the gaps: an empty minimum_os_version is none, Rosetta is not
 * considered, and an installable_condition sees no catalogs. */
#include "manifests/applies.h"
#include "manifests/predicate.h"
#include "manifests/version.h"

static bool architecture_fits(const struct plan_input *mac, const struct pkginfo *p)
{
    if (value_count(p->architectures) == 0 || value_has_str(p->architectures, mac->arch))
        return true;
    return strcmp(mac->arch, "i386") == 0 && mac->x86_64_capable && value_has_str(p->architectures, "x86_64");
}

const char *applies_why_not(struct arena *a, const struct plan_input *mac, const struct pkginfo *p,
                            bool any_os, const char **broken)
{
    struct err e = {0};
    bool result = false;

    if (broken)
        *broken = NULL;
    if (p->minimum_munki && version_compare(mac->munki_version, p->minimum_munki) < 0)
        return arena_printf(a, "minimum_munki_version is %s, this is %s", p->minimum_munki,
                            mac->munki_version);
    if (!any_os && p->minimum_os && p->minimum_os[0] && version_compare(mac->os_version, p->minimum_os) < 0)
        return arena_printf(a, "minimum_os_version is %s, this Mac has %s", p->minimum_os, mac->os_version);
    if (p->maximum_os && p->maximum_os[0] && version_compare(mac->os_version, p->maximum_os) > 0)
        return arena_printf(a, "maximum_os_version is %s, this Mac has %s", p->maximum_os, mac->os_version);
    if (!architecture_fits(mac, p))
        return arena_printf(a, "supported_architectures does not contain %s", mac->arch);
    if (!p->condition)
        return NULL;
    if (!predicate_eval(p->condition, mac->facts, mac->now, &result, &e)) {
        if (broken)
            *broken = arena_printf(a, "%s", e.text);
        return arena_printf(a, "installable_condition “%s” does not hold: %s", p->condition, e.text);
    }
    return result ? NULL : arena_printf(a, "installable_condition “%s” does not hold", p->condition);
}
