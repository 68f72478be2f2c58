/* pending: InstallInfo.plist as it stands, for --installonly: what the last check left to do, and nothing
 * that it did not decide. */
#ifndef AGENT_PENDING_H
#define AGENT_PENDING_H
#include "agent/repo.h"
#include "manifests/plan.h"

/* plan, decided again from what is cached (it knows the pkginfos: InstallInfo has no hashes), with the items
 * of data/InstallInfo.plist in its place: removals, then installs, in their stored order. One that no cached
 * catalog has any more in that version cannot be proved and becomes a problem. In a. NULL: ERR_NOT_FOUND when
 * nothing was ever decided, ERR_FORMAT when the file is damaged. */
const struct plan *pending_plan(struct arena *a, struct repo *r, int data, const struct plan *plan,
                                struct err *e);

/* Write InstallInfo.plist without the items for which done says yes. */
CHECKED bool pending_write(struct arena *a, int data, const struct plan *plan,
                           bool (*done)(void *ctx, const struct plan_item *item), void *ctx, struct err *e);
#endif
