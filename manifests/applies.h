/* applies: does an item of a catalog apply to this Mac (munki-semantics 4.6)? */
#ifndef MANIFESTS_APPLIES_H
#define MANIFESTS_APPLIES_H
#include "manifests/plan.h"

/* NULL: it applies. Else the first test that it fails, in Munki's order: "minimum_os_version is 26, this Mac
 * has 15.4.1". any_os: minimum_os_version is not looked at. *broken: the installable_condition could not be
 * judged, and why (it is taken as false); may be NULL. Texts live in a. */
const char *applies_why_not(struct arena *a, const struct plan_input *mac, const struct pkginfo *p,
                            bool any_os, const char **broken);
#endif
