/* evaluate: the worth of a clause. For predicate.c. */
#ifndef MANIFESTS_EVALUATE_H
#define MANIFESTS_EVALUATE_H
#include "manifests/compare.h"

CHECKED bool evaluate_condition(struct evaluation *ev, const struct clause *c, bool *out);
CHECKED bool evaluate_value(struct evaluation *ev, const struct clause *c, const struct value **out);
#endif
