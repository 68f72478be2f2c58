/* fetch_local: the bodies of file: URLs, in slices, so that a large one does not hold the loop. Part of
 * fetch. */
#ifndef CORE_FETCH_LOCAL_H
#define CORE_FETCH_LOCAL_H
#include "core/fetch.h"

struct fetch_local {
    int fd; /* -1: not open */
    uint64_t at, size;
};

/* Open the regular file path (links are followed) and say in v what names its contents: length, time of
 * change as Last-Modified, and as ETag both together with the inode. ERR_NOT_FOUND, ERR_REFUSED (not a
 * regular file), ERR_SYS. */
CHECKED bool fetch_local_open(struct fetch_local *file, const char *path, struct fetch_validator *v,
                              struct err *e);

/* Move one slice (some milliseconds' worth) into to; *more: it was not the last. ERR_NET when the file was
 * changed meanwhile. */
CHECKED bool fetch_local_copy(struct fetch_local *file, struct sink *to, bool *more, struct err *e);
void fetch_local_close(struct fetch_local *file);
#endif
