/* room: what lies in Cache and how much is free, as a decision sees them. Said once, it stays said, so that
 * planning again after downloads differs by their failures alone. Within a pass (one call of plan_make) a
 * package that was promised counts as lying in Cache, as it would in Munki, which downloads while it decides.
 *
 * Optional items that were fetched ahead of time (precache) may make way for what is needed now: Munki's
 * rule, the smallest first, and none when all of them are not enough. */
#ifndef AGENT_ROOM_H
#define AGENT_ROOM_H
#include "agent/cache.h"

struct room;

/* In a; root is asked what is free when it first matters. disk_kb: 0 or more: that instead. */
struct room *room_open(struct arena *a, struct cache *c, int root, int64_t disk_kb);
void room_begin(struct room *r); /* a pass */

/* A location's package will be fetched, or is there: size_kb by what the catalog says. */
void room_want(struct room *r, const char *location, int64_t size_kb);
int64_t room_free_kb(struct room *r);
/* KB in Cache for a location's base name; *complete: whole, or promised. */
int64_t room_cached_kb(struct room *r, const char *location, bool *complete);

/* Count kb KB as free at the cost of what info, the InstallInfo.plist of the check before (NULL is fine),
 * lists as optional and precached, and this pass does not want. False: that is not enough, nothing changed.
 */
bool room_make(struct room *r, const struct value *info, int64_t kb);
void room_clear(struct room *r); /* remove what makes way from Cache */
#endif
