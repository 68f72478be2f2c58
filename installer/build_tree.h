/* build_tree: what lies under a directory, in the order in which a package holds it. A part of build. */
#ifndef INSTALLER_BUILD_TREE_H
#define INSTALLER_BUILD_TREE_H
#include "core/arena.h"
#include <sys/stat.h>

struct build_item {
    const char *path; /* "" for the directory itself, "a/b" below it */
    const char *link; /* target of a symbolic link, or NULL */
    struct stat st;
    size_t first; /* the item that is the same file (hard link), or its own place */
};

struct build_tree {
    const struct build_item *items; /* the directory first, parents before children, sorted by name bytes */
    size_t count;
    time_t newest; /* modification time of any of them */
};

/* Read dir without following links. ERR_REFUSED naming what no package can hold: devices, sockets, fifos,
 * files of 8 GB, names with control bytes or of no UTF-8, two names that a Mac takes for one. In a. */
CHECKED bool build_tree_read(struct arena *a, int dir, struct build_tree *tree, struct err *e);

/* Open file path of the tree below dir; what is read must be what was seen (device, inode, size). */
int build_tree_open(int dir, const struct build_item *item, struct err *e);
#endif
