/* owner: owner, group and mode as items_to_copy writes them. */
#ifndef INSTALLER_OWNER_H
#define INSTALLER_OWNER_H
#include "core/err.h"
#include <sys/types.h>

/* The mode that `chmod expression` gives a file of mode old: octal, or clauses like "o-w,go+rX" (no umask:
 * a clause without u, g, o or a means a). Fails with ERR_FORMAT. */
CHECKED bool owner_mode(const char *expression, mode_t old, bool is_dir, mode_t *mode, struct err *e);

/* A user or group: a number, one that every Mac has ("root", "admin", "wheel", "staff" …), or, on this Mac's
 * own /, one that it knows. */
CHECKED bool owner_ids(const char *user, const char *group, bool live, uid_t *uid, gid_t *gid, struct err *e);
#endif
