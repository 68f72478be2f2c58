/* walk: paths in one form, and directories reached without following a link. Only files*.c use this.
 *
 * The one form: relative to a root, components separated by one '/', no "." and no "..", a first component
 * var, etc or tmp preceded by private; "" is the root itself. Functions that take no struct err leave errno.
 */
#ifndef CORE_WALK_H
#define CORE_WALK_H
#include "core/arena.h"
#include "core/limits.h"
#include <sys/stat.h>
#include <sys/types.h>

#define WALK_TEMP        ".daybreak-" /* temporary siblings: this and WALK_TEMP_DIGITS digits */
#define WALK_TEMP_DIGITS 16

/* Put path into the one form. ERR_REFUSED for "..", ERR_SYS when it is too long. */
CHECKED bool walk_normal(char out[LIMIT_PATH + 1], const char *path, struct err *e);

/* Take the next component but "." off *p. False at the end (errno 0) or when it is too long. */
CHECKED bool walk_component(const char **p, char name[LIMIT_NAME + 1]);
CHECKED bool walk_join(char out[LIMIT_PATH + 1], const char *name); /* append "/name" */
bool walk_is_private(const char *name);                             /* var, etc or tmp */

/* Open directory name in fd; ELOOP when it is a link. */
int walk_dir_at(int fd, const char *name);

/* Open directory path, in the one form, below dir; create makes it with exactly mode, its parents 0755. */
int walk_dir(int dir, const char *path, bool create, mode_t mode);

/* Open the parent of path (any form). norm receives the one form, *last points at its last component, or at
 * "." when path is dir itself. */
int walk_parent(int dir, const char *path, bool create, char norm[LIMIT_PATH + 1], const char **last,
                struct err *e);

/* Is name the "." of walk_parent? Then *e is set: nobody removes or replaces the root. */
bool walk_is_root(const char *name, const char *path, struct err *e);

/* Open name in fd for reading if it is a regular file; path is for messages. */
int walk_regular(int fd, const char *name, const char *path, struct err *e);

/* The names in directory fd but "." and "..", sorted by bytes; NULL means *e is set. */
char **walk_names(struct arena *a, int fd, size_t *count, struct err *e);

/* A name that nobody else uses: before, and 16 random digits. */
void walk_random_name(char *out, size_t size, const char *before);
#endif
