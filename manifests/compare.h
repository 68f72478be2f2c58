/* compare: the operators of predicates, and what an evaluation carries along. For predicate.c and its parts.
 */
#ifndef MANIFESTS_COMPARE_H
#define MANIFESTS_COMPARE_H
#include "manifests/clause.h"

struct binding {
    const char *name;
    const struct value *value;
    const struct binding *outer;
};

struct evaluation {
    struct arena *a;
    const char *text; /* of the predicate, for columns */
    const struct value *facts;
    const struct value *null; /* stands for nil inside arrays, which cannot hold nothing */
    const struct binding *bindings;
    time_t now;
    size_t work; /* that may still be done */
    struct err *e;
};

/* Fail with ERR_FORMAT, "column N: …" of where c stands; with ERR_LIMIT when the work left does not suffice.
 */
bool compare_bad(struct evaluation *ev, const struct clause *c, const char *fmt, ...) PRINTF(3, 4);
CHECKED bool compare_spend(struct evaluation *ev, size_t work);

bool compare_is(const struct value *v, enum value_type type); /* v may be NULL: nil */
bool compare_is_number(const struct value *v);                /* integer, real or boolean */
double compare_real(const struct value *number);
const struct value *compare_element(const struct evaluation *ev, const struct value *array, size_t i);

/* left op right, c being a CLAUSE_COMPARE; its modifier is the caller's affair. Either may be NULL. */
CHECKED bool compare_values(struct evaluation *ev, const struct clause *c, const struct value *left,
                            const struct value *right, bool *out);
/* The sign of left - right; neither is NULL. Fails where they have no order. */
CHECKED bool compare_order(struct evaluation *ev, const struct clause *c, const struct value *left,
                           const struct value *right, int *sign);
/* Is v, which may be NULL, an element of array? */
CHECKED bool compare_contains(struct evaluation *ev, const struct value *array, const struct value *v,
                              bool *out);
#endif
