/* claims: what the components of one product lay where, so that no two of them meet.
 *
 * Each component is unpacked by itself and moved into place after the one before it. A link or file of one
 * where another has a directory would stop that half way, or lead it astray: it is refused before anything
 * moves. Two files at one place are no conflict: the later component has its way. */
#ifndef INSTALLER_CLAIMS_H
#define INSTALLER_CLAIMS_H
#include "core/err.h"

struct claims;

struct claims *claims_open(void);
void claims_free(struct claims *c); /* NULL is fine */

/* A component with this install location ("/", "/usr/local") has path ("" its root) there. ERR_FORMAT when
 * what is a directory for one is none for another, ERR_LIMIT when location and path are too long together. */
CHECKED bool claims_note(struct claims *c, const char *location, const char *path, bool directory,
                         struct err *e);
#endif
