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
#include "manifests/pkginfo.h"

struct outline;

/* p is borrowed and must live as long as a. Fails as props_decode does, and with ERR_FORMAT when the root is
 * no array ("an array of dictionaries is needed, found dictionary"). */
struct outline *outline_decode(struct arena *a, const void *p, size_t n, struct err *e);
/* The same of an array that is a tree already. */
struct outline *outline_of(struct arena *a, const struct value *array, struct err *e);

/* What outline_decode found in bytes, in a form that outline_restore takes back: for the same bytes, on the
 * same kind of machine, by the same version of the program. Nothing is appended for a tree. */
CHECKED bool outline_save(const struct outline *o, struct buf *out, struct err *e);
/* n bytes of the catalog from at on, to to. */
typedef bool outline_read_fn(void *ctx, size_t at, void *to, size_t n, struct err *e);
/* read gives the very bytes of the outline that was saved, len in all, which the caller has proved, as saved
 * itself, where it is aligned as a page: each item is read when it is asked for. saved is borrowed as p is
 * above, and read will be called as long as a lives. NULL: saved is no such thing. */
struct outline *outline_restore(struct arena *a, size_t len, outline_read_fn *read, void *ctx,
                                const void *saved, size_t saved_len);

size_t outline_count(const struct outline *o); /* elements, whatever they are */

/* What stands under one of pkginfo_brief_keys in element i, seen without decoding it. */
enum outline_sight {
    OUTLINE_NOTHING,
    OUTLINE_FALSE, /* false: for a boolean the same as nothing */
    OUTLINE_TEXT,  /* a string: *p and *n are its bytes, without a NUL */
    OUTLINE_VALUE  /* outline_part has it */
};
enum outline_sight outline_look(const struct outline *o, size_t i, enum pkginfo_brief_key key, const char **p,
                                size_t *n);

#define OUTLINE_KEY(key) (1U << (key)) /* for keys below: these may be joined by | */
#define OUTLINE_BRIEF    (OUTLINE_KEY(PKGINFO_BRIEF_RECEIPTS) - 1) /* all but receipts, which are long */

/* Element i as a dictionary of those of keys that it has (others may be in it too). Of an item beyond the
 * limits name and version are all that is seen, here and by outline_look. NULL: it is no dictionary. In a. */
const struct value *outline_part(struct arena *a, const struct outline *o, size_t i, unsigned keys);

/* Element i whole, in a. Fails with ERR_LIMIT, and as read does. */
const struct value *outline_item(struct arena *a, const struct outline *o, size_t i, struct err *e);
#endif
