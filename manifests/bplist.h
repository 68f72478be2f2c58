/* bplist: a walk over the objects of a binary property list, before libplist sees it. */
#ifndef MANIFESTS_BPLIST_H
#define MANIFESTS_BPLIST_H
#include "manifests/shape.h"

/* p begins with "bplist". Fills shape, counting every shared object as often as it is reached. Fails with
 * ERR_FORMAT ("object 12: …") or ERR_LIMIT. Format: bplist00. */
CHECKED bool bplist_check(const void *p, size_t n, struct shape *shape, struct err *e);
#endif
