/* why: everything that is known about one item, for `daybreak why`. */
#ifndef AGENT_WHY_H
#define AGENT_WHY_H
#include "agent/setup.h"
#include <jansson.h>

/* Explain the item that asked names in the plan that s->decide made. An object of schema 1 (docs/daybreak.8);
 * the caller owns it. NULL: no manifest and no catalog of this Mac names it, and *nearest is the NULL-ended
 * list of the nearest names that one does (in s->arena). */
json_t *why_explain(struct setup *s, const struct plan *plan, const char *asked, const char *const **nearest);
#endif
