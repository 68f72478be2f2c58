/* shape: what a pass over the bytes of a property list learnt, value by value, before libplist reads them.
 *
 * One number a value and a key, in document order: of a string, key or data its length in bytes; of an array
 * or dictionary the number of elements or pairs; of an integer, boolean or date (seconds since 1970) the
 * value itself, of a real the double. libplist's tree must have exactly this shape; integers, reals and dates
 * are taken from here, because its accessors lose signs, ranges and junk. */
#ifndef MANIFESTS_SHAPE_H
#define MANIFESTS_SHAPE_H
#include "core/err.h"
#include <stdint.h>

union slot {
    int64_t n;
    double real;
};

struct shape {
    union slot *at;
    size_t count, room;
};

void shape_release(struct shape *s); /* s zeroed at first */

/* Append. Fails with ERR_LIMIT beyond LIMIT_PLIST_NODES. */
CHECKED bool shape_note(struct shape *s, int64_t n, struct err *e);
CHECKED bool shape_note_real(struct shape *s, double real, struct err *e);
#endif
