/* watchers: will those who watch see anything? Said once, as the plan is known, and never more than a
 * warning. */
#ifndef AGENT_WATCHERS_H
#define AGENT_WATCHERS_H
#include "agent/facts.h"
#include "agent/prefs.h"
#include "agent/progress.h"

/* Of each window that preferences name: a program below root that cannot run on this Mac (its
 * LSMinimumSystemVersion, the processors of its Mach-O header) is one warning. SplashBuddy's rows are held
 * against the plan: a row that no item will ever turn, and an item without a row, are one warning each; so
 * are two items of one row. A program that is not there yet is none of these: the run may bring it. */
void watchers_check(int root, const struct prefs *p, const struct facts *f, const struct progress_run *r);
#endif
