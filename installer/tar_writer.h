/* tar_writer: files into one gzip'd tar (POSIX ustar), for what is handed to a person. */
#ifndef INSTALLER_TAR_WRITER_H
#define INSTALLER_TAR_WRITER_H
#include "core/err.h"
#include <stdint.h>
#include <time.h>

struct tar_writer;

struct tar_writer *tar_writer_open(int fd, struct err *e); /* fd is borrowed */
/* A regular file, 0600, of root's. name: relative, at most 99 bytes. */
CHECKED bool tar_writer_add(struct tar_writer *t, const char *name, const void *p, size_t n, time_t mtime,
                            struct err *e);
CHECKED bool tar_writer_end(struct tar_writer *t, struct err *e); /* the trailer; then free */
void tar_writer_free(struct tar_writer *t);                       /* NULL is fine */
#endif
