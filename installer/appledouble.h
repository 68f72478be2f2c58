/* appledouble: the "._name" half of a file, which holds what only a Mac's volume can hold beside its bytes:
 * Finder information, a resource fork, extended attributes.
 *
 * Format: AppleSingle/AppleDouble 2 (RFC 1740) with the attribute table that macOS puts behind the Finder
 * information ("ATTR"). Big-endian; every offset and length is checked, nothing is repaired. */
#ifndef INSTALLER_APPLEDOUBLE_H
#define INSTALLER_APPLEDOUBLE_H
#include "core/err.h"
#include <stdint.h>

#define APPLEDOUBLE_MAX ((size_t)16 * 1024 * 1024) /* of one file: a larger one is left out */

/* One attribute under the name that it has on a Mac: com.apple.FinderInfo and com.apple.ResourceFork for the
 * two that are no attributes in the file. Borrowed. False with *e ends the walk. */
typedef bool appledouble_fn(void *ctx, const char *name, const void *p, size_t n, struct err *e);

/* Call fn for each attribute that a package may give to a file; *left_out counts the others: what the system
 * decides itself (quarantine, provenance, access lists, compression). ERR_FORMAT, or as fn failed. */
CHECKED bool appledouble_read(const void *p, size_t n, appledouble_fn *fn, void *ctx, size_t *left_out,
                              struct err *e);

/* Give them to the file or directory name in dir. */
CHECKED bool appledouble_apply(int dir, const char *name, const void *p, size_t n, struct err *e);
#endif
