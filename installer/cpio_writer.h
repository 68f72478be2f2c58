/* cpio_writer: a payload archive (odc cpio in gzip) as a member of a xar being written. A part of build. */
#ifndef INSTALLER_CPIO_WRITER_H
#define INSTALLER_CPIO_WRITER_H
#include "installer/xar_writer.h"
#include <stdint.h>

struct cpio_writer;

struct cpio_entry {
    const char *path;  /* "" for the root, "a/b" */
    unsigned mode;     /* type bits included */
    unsigned uid, gid; /* at most 262143: the format's fields have six octal digits */
    unsigned links;    /* entries that are this file; 1 unless hard-linked */
    uint64_t inode;    /* the same for those, and for nobody else */
    time_t mtime;
    uint64_t size; /* of what follows: contents, or a link's target */
};

/* The bytes go to the member that is open in w. */
struct cpio_writer *cpio_writer_open(struct xar_writer *w, struct err *e);
CHECKED bool cpio_writer_entry(struct cpio_writer *c, const struct cpio_entry *entry, struct err *e);
CHECKED bool cpio_writer_data(struct cpio_writer *c, const void *p, size_t n, struct err *e);
CHECKED bool cpio_writer_end(struct cpio_writer *c, struct err *e); /* the trailer; then free */
void cpio_writer_free(struct cpio_writer *c);                       /* NULL is fine */
#endif
