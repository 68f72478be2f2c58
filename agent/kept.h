/* kept: the files of a repository that stay on this Mac between runs, below one directory, with what the
 * server said of each (agent/validators.h), and what was found in a catalog's bytes (KEPT_OUTLINES/NAME).
 *
 * A file is believed when its digest is the one noted. To hash a large catalog takes longer than to decide
 * from it, so a file that was proved is not hashed again as long as it is the same one, untouched: by its
 * device, inode, size, and the times of its last writing and change, in the same boot of the machine (after a
 * crash nobody knows what of it reached the disk). */
#ifndef AGENT_KEPT_H
#define AGENT_KEPT_H
#include "agent/validators.h"
#include "manifests/outline.h"

#define KEPT_NOTES    VALIDATORS_FILE /* what else stands in the directory */
#define KEPT_OUTLINES ".outlines"

struct kept;

/* dir is borrowed; below 0: there is nothing. writes: may anything be put or noted there? */
struct kept *kept_open(int dir, bool writes);
void kept_free(struct kept *k); /* notes what has changed. NULL is fine */

struct kept_file {     /* zeroed, or kept_drop it */
    const char *bytes; /* mapped; NULL: there is no file */
    size_t len;
    int fd; /* the same file, open */
    struct fetch_validator validator;
    unsigned char sum[32];
};

/* The file of that name. False: there is none that is proved. */
bool kept_take(struct kept *k, const char *name, size_t max, struct kept_file *out);
void kept_drop(struct kept_file *file); /* zeroes it */
/* These bytes, with that digest, are the file of that name now. */
CHECKED bool kept_put(struct kept *k, const char *name, const void *p, size_t n,
                      const struct fetch_validator *v, const unsigned char sum[32], struct err *e);
/* A file of that name is gone. */
void kept_forget(struct kept *k, const char *name);

/* The outline of the catalog of that name, whose n bytes p have the digest sum: the one that is kept, if
 * there is one of just these bytes; else it is made, and kept. Errors as of outline_decode. fd: the file of
 * the same bytes, from which items are then read; below 0: there is none. Both must live as long as a. */
struct outline *kept_outline(struct kept *k, struct arena *a, const char *name, const void *p, size_t n,
                             int fd, const unsigned char sum[32], struct err *e);
#endif
