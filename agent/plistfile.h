/* plistfile: property lists in files below a directory. */
#ifndef AGENT_PLISTFILE_H
#define AGENT_PLISTFILE_H
#include "manifests/props.h"

/* Read dir/path, at most max bytes. dir -1 is "not there". NULL: ERR_NOT_FOUND, ERR_FORMAT, ERR_LIMIT,
 * ERR_SYS; the text begins with the path. */
const struct value *plistfile_read(struct arena *a, int dir, const char *path, size_t max, struct err *e);
/* The same, and anything but a dictionary is ERR_FORMAT. */
const struct value *plistfile_dict(struct arena *a, int dir, const char *path, size_t max, struct err *e);

/* Replace dir/path by v as XML, 0644, on the medium before the call returns. */
CHECKED bool plistfile_write(int dir, const char *path, const struct value *v, struct err *e);
#endif
