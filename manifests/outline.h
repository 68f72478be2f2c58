/* outline: the items of a catalog, found in its bytes without building the tree of the whole. One pass checks
 * every byte and notes where each item and the values of pkginfo_brief_keys stand; an item is decoded when it
 * is asked for. A decision touches a few hundred items of a catalog of thousands.
 *
 * What outline_decode accepts and refuses, and every value that comes out of it, is what props_decode of the
 * whole file gives (tests/fuzz/fuzz_outline.c compares them), but for the limits: LIMIT_CATALOG for the
 * bytes, and for one item LIMIT_CATALOG_ITEM and LIMIT_ITEM_NODES. A binary property list is decoded whole.
 */
#ifndef MANIFESTS_OUTLINE_H
#define MANIFESTS_OUTLINE_H
#include "manifests/props.h"

struct outline;

/* p is borrowed and must live as long as a. Fails as props_decode does, and with ERR_FORMAT when the root is
 * no array ("an array of dictionaries is needed, found dictionary"). */
struct outline *outline_decode(struct arena *a, const void *p, size_t n, struct err *e);
/* The same of an array that is a tree already. */
struct outline *outline_of(struct arena *a, const struct value *array, struct err *e);

size_t outline_count(const struct outline *o); /* elements, whatever they are */

/* Element i as a dictionary of those of pkginfo_brief_keys that it has, without receipts (others may be in it
 * too); of an item beyond the limits only name and version. NULL: it is no dictionary. In a. */
const struct value *outline_brief(struct arena *a, const struct outline *o, size_t i);
bool outline_has_receipts(const struct outline *o, size_t i);
const struct value *outline_receipts(struct arena *a, const struct outline *o, size_t i); /* of any type */

/* Element i whole, in a. Fails with ERR_LIMIT. */
const struct value *outline_item(struct arena *a, const struct outline *o, size_t i, struct err *e);
#endif
