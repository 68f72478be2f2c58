/* files: files by directory descriptor. No function here takes an absolute path but files_root.
 *
 * Paths are relative to dir, with '/' between components; a leading '/' is ignored, so that a Mac's absolute
 * path names the same file below a root. Before the walk a first component var, etc or tmp becomes
 * private/var, private/etc, private/tmp. Empty components and "." are skipped; ".." is refused.
 * Writers and openers walk component by component with O_NOFOLLOW: a link on the way is an error (ELOOP).
 * Evidence (files_evidence_*) follows links as a Mac does, resolved inside dir and never out of it.
 * Descriptors returned are close-on-exec and belong to the caller; -1 means *e is set. */
#ifndef CORE_FILES_H
#define CORE_FILES_H
#include "core/buf.h"
#include <sys/stat.h>
#include <sys/types.h>

enum files_sync {
    FILES_LAZY,   /* atomic for other processes, not flushed */
    FILES_DURABLE /* on the medium, name and all, before the call returns */
};

/* Open (create: and make, 0755, parents too) the root directory of everything that follows. */
int files_root(const char *path, bool create, struct err *e);

/* Open directory path below dir; create makes what is missing with mode (parents 0755). */
int files_dir(int dir, const char *path, bool create, mode_t mode, struct err *e);

/* Open a regular file for reading. Fails on anything else, without blocking on a fifo. */
int files_open(int dir, const char *path, struct err *e);

/* Create path exclusively for writing, mode exactly as given (umask not applied). Parents must exist. */
int files_create(int dir, const char *path, mode_t mode, struct err *e);

/* The whole of path, appended to out; ERR_LIMIT when out's maximum is passed. */
CHECKED bool files_read(int dir, const char *path, struct buf *out, struct err *e);
CHECKED bool files_read_fd(int fd, struct buf *out, struct err *e); /* from the current offset to the end */
/* n bytes from at on. ERR_FORMAT, cause size, where the file ends before. */
CHECKED bool files_read_at(int fd, off_t at, void *to, size_t n, struct err *e);
/* The whole regular file as memory, read-only, st->st_size bytes: for large ones that this program alone
 * writes, and replaces by rename (a file that somebody cuts short while it is mapped kills the reader). An
 * empty file is "". *keep, when not NULL, gets the file, open. Fails with ERR_LIMIT beyond max. files_unmap
 * takes what came back; NULL is fine. */
const char *files_map(int dir, const char *path, size_t max, struct stat *st, int *keep, struct err *e);
void files_unmap(const char *p, size_t n);

/* Replace path by the given bytes: temporary sibling, rename. Parents are made (0755). */
CHECKED bool files_replace(int dir, const char *path, const void *p, size_t n, mode_t mode,
                           enum files_sync sync, struct err *e);

/* All n bytes, or an error; short writes and EINTR are handled. */
CHECKED bool files_write(int fd, const void *p, size_t n, struct err *e);

/* lstat below dir. Returns false with ERR_NOT_FOUND when it is not there. */
CHECKED bool files_stat(int dir, const char *path, struct stat *st, struct err *e);

/* Unlink path if it is there (a missing one is fine); a directory with all that is in it, never leaving it,
 * never crossing a mount, immutable flags cleared. */
CHECKED bool files_remove(int dir, const char *path, struct err *e);

/* Remove what a files_replace that was killed left in directory path; a missing directory is fine. */
CHECKED bool files_sweep(int dir, const char *path, struct err *e);

/* Rename within one volume; the parents of to are made. */
CHECKED bool files_rename(int dir, const char *from, const char *to, struct err *e);

/* Call fn for each entry of path but "." and "..", sorted by name bytes; fn returns false to stop (which is
 * not an error). name is borrowed. */
typedef bool files_entry_fn(void *ctx, const char *name, const struct stat *st);
CHECKED bool files_list(int dir, const char *path, files_entry_fn *fn, void *ctx, struct err *e);

/* Make a fresh directory dir/parent/PREFIXxxxxxx, 0700; its name relative to dir goes to out (size >= 256).
 */
int files_temp_dir(int dir, const char *parent, const char *prefix, char *out, size_t size, struct err *e);

/* Evidence: as files_stat and files_open, but following links inside dir (at most 40). out_path, when not
 * NULL (size LIMIT_PATH + 1), gets the resolved path relative to dir. */
CHECKED bool files_evidence_stat(int dir, const char *path, struct stat *st, char *out_path, struct err *e);
int files_evidence_open(int dir, const char *path, struct err *e);

/* Split path's directory from its last component: opens the parent, points *name into path. */
int files_parent(int dir, const char *path, bool create, const char **name, struct err *e);

/* Is there room? Free bytes of dir's volume for an unprivileged writer. */
CHECKED bool files_free(int dir, unsigned long long *bytes, struct err *e);
#endif
