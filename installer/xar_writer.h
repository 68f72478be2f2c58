/* xar_writer: makes a flat package's container. Members are added one by one, bytes in pieces; they gather
 * in a temporary file, and xar_writer_commit writes header, TOC and heap.
 *
 * Sums are SHA-1 and the header 28 bytes, as in every package Apple's tools make. The same members in the
 * same order with the same time give the same bytes. */
#ifndef INSTALLER_XAR_WRITER_H
#define INSTALLER_XAR_WRITER_H
#include "installer/signature.h"
#include <time.h>

struct xar_writer;

/* Its temporary lies in dir and has no name. NULL: *e is set. */
struct xar_writer *xar_writer_open(int dir, struct err *e);
void xar_writer_created(struct xar_writer *w, time_t created); /* the creation-time; else 1970 */

/* It is to be signed by s, which must outlive it; before any member. NULL: unsigned. */
void xar_writer_sign(struct xar_writer *w, const struct signature_signer *s);

/* A directory at path ("a.pkg"), before what is in it. */
CHECKED bool xar_writer_directory(struct xar_writer *w, const char *path, struct err *e);

/* Begin the file path; its bytes follow by xar_writer_write and end with the next call that is not one.
 * deflate: stored as zlib; else as they come. */
CHECKED bool xar_writer_file(struct xar_writer *w, const char *path, bool deflate, struct err *e);
CHECKED bool xar_writer_write(struct xar_writer *w, const void *p, size_t n, struct err *e);

/* Write the container to fd (at its offset, an empty file as a rule). */
CHECKED bool xar_writer_commit(struct xar_writer *w, int fd, struct err *e);
void xar_writer_free(struct xar_writer *w); /* NULL is fine */
#endif
