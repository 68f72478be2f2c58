/* undo: a move into place that can be taken back, also by the next run after a kill.
 *
 * What is about to happen is written to the file "undo" of a folder before it happens; what is
 * about to be replaced is kept in "kept" beside it. Until undo_done all of it can be taken back:
 * undo_roll_back, by this process or a later one, leaves the target as it was. Nothing is flushed: a power
 * cut may lose the file and leave the move half done, and then installing again is what ends it. */
#ifndef INSTALLER_UNDO_H
#define INSTALLER_UNDO_H
#include "core/err.h"
#include <sys/stat.h>

struct undo;

/* folder: an open, empty directory that nobody else can write to, on the target's volume; borrowed. NULL: *e
 * is set. */
struct undo *undo_open(int folder, struct err *e);
void undo_free(struct undo *u); /* NULL is fine; takes nothing back */

/* Paths are absolute below the target, without control bytes. The first two say what is about to be made,
 * where nothing is yet: with all that is in it, or a directory that may be left with other things. */
CHECKED bool undo_new(struct undo *u, const char *path, struct err *e);
CHECKED bool undo_directory(struct undo *u, const char *path, struct err *e);

/* What bears name in dir is about to be replaced: keep it. A file or link stays there until something is
 * renamed over it; a directory is moved away at once. */
CHECKED bool undo_old(struct undo *u, int dir, const char *name, const char *path, struct err *e);

/* Owner and mode of the directory at path are about to change; st: as they are. */
CHECKED bool undo_mode(struct undo *u, const char *path, const struct stat *st, struct err *e);

/* It stays. */
CHECKED bool undo_done(struct undo *u, struct err *e);

/* Take back what the file in folder says happened below root; without one there is nothing to do. Goes on
 * after a failure and reports the first. *any: something was taken back. */
CHECKED bool undo_roll_back(int root, int folder, bool *any, struct err *e);
#endif
