/* xar_toc: the table of contents of a xar, from XML to checked members. A part of xar; nobody else needs it.
 */
#ifndef INSTALLER_XAR_TOC_H
#define INSTALLER_XAR_TOC_H
#include "installer/xar.h"

struct xar_toc_checksum { /* the toc's own checksum element */
    bool present;
    char style[32];        /* as written */
    uint64_t offset, size; /* from the start of the heap */
};

struct xar_toc;

/* The heap reaches from heap to file_size. Results go to a. */
struct xar_toc *xar_toc_open(struct arena *a, uint64_t heap, uint64_t file_size);
CHECKED bool xar_toc_write(struct xar_toc *t, const void *p, size_t n, struct err *e);

/* All is written: check names and regions; fill members, signatures, created, trailing and, where a member
 * has no checksum, unproven. */
CHECKED bool xar_toc_finish(struct xar_toc *t, struct xar *x, struct xar_toc_checksum *sum, struct err *e);
void xar_toc_free(struct xar_toc *t); /* NULL is fine */
#endif
