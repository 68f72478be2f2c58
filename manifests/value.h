/* value: what only the decoder needs of the tree in props.h: filling dictionaries without a search per key.
 */
#ifndef MANIFESTS_VALUE_H
#define MANIFESTS_VALUE_H
#include "manifests/props.h"

/* Put a pair at the end without looking whether the key is there. key and v are kept, not copied. */
void value_push(struct arena *a, struct value *dict, const char *key, const struct value *v);
/* The next n of them need no more memory. */
void value_room(struct arena *a, struct value *dict, size_t n);

/* Call once after the last value_push: makes lookups in a large dictionary fast. Returns a key that stands
 * twice in it, or NULL. n log n. */
const char *value_seal(struct arena *a, struct value *dict);

/* A string or data value that keeps p (in a's lifetime), not a copy. p[n] is NUL for a string. */
struct value *value_keep_str(struct arena *a, const char *p);
struct value *value_keep_data(struct arena *a, const void *p, size_t n);
#endif
