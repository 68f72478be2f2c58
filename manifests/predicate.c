/* A predicate is parsed into a clause, which is then evaluated; every step, and every byte of text that is
 * looked at, is paid for out of one budget. */
#include "manifests/predicate.h"
#include "manifests/evaluate.h"

#define WORK 5000000 /* half a second at most; the longest of real conditions takes a thousandth of it */

bool predicate_eval(const char *text, const struct value *facts, time_t now, bool *result, struct err *e)
{
    struct arena *a = arena_open();
    struct err why = {0};
    struct evaluation ev = {.a = a, .text = text, .facts = facts, .now = now, .work = WORK, .e = &why};
    const struct clause *c = clause_parse(a, text, &why);
    bool holds = false;
    ev.null = value_new_str(a, "");
    bool ok = c && evaluate_condition(&ev, c, &holds);
    if (ok)
        *result = holds;
    else if (e)
        *e = why;
    arena_free(a);
    return ok;
}
