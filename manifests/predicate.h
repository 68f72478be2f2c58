/* predicate: the NSPredicate format strings of Munki's conditions (spec: munki-semantics 5.3). */
#ifndef MANIFESTS_PREDICATE_H
#define MANIFESTS_PREDICATE_H
#include "manifests/props.h"

/* Evaluate text against facts (a dictionary). now: true UTC, for now(). Fails with ERR_FORMAT when it does
 * not parse or cannot be evaluated ("column 14: expected a string after BEGINSWITH"), with ERR_LIMIT when it
 * is too long, too deep or too much work: the caller takes either as false and warns. Bounded in time, memory
 * and depth for any text. */
CHECKED bool predicate_eval(const char *text, const struct value *facts, time_t now, bool *result,
                            struct err *e);

/* The facts that text speaks of ("os_vers_major", "applications.bundleid"), each once in the order of the
 * text, with their values: for explaining a condition, not for judging it. Nothing where it does not parse.
 */
struct predicate_fact {
    const char *name;
    const struct value *value; /* NULL: this Mac has no such fact */
};
const struct predicate_fact *predicate_facts(struct arena *a, const char *text, const struct value *facts,
                                             size_t *count);
#endif
