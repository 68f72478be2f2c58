/* place: moves what was staged to where it belongs, by renames alone.
 *
 * A directory that is not there yet is renamed whole; one that is there stays, with its owner and mode, and
 * gets the contents; files and links replace files and links. A location or top-level name var, etc, tmp is
 * below private (and the link is made where nothing bears the name); no other link is followed. Staging and
 * target are on one volume. Moving again what was moved in part ends in the same tree; with undo the move can
 * be taken back. */
#ifndef INSTALLER_PLACE_H
#define INSTALLER_PLACE_H
#include "installer/undo.h"
#include <stddef.h>

struct place {
    int root;                      /* the target */
    int staged;                    /* the directory that holds name */
    const char *name;              /* a directory whose contents go to location */
    const char *location;          /* "/", "/usr/local" */
    bool overwrite_permissions;    /* set owner and mode of directories that are there: but never of
                                    * /, /System, /Library, /Users, /private */
    bool owners;                   /* as root: owners too */
    const char *const *keep_setid; /* absolute paths that may have set-id bits */
    size_t keep_setid_count;
    const char *const *replace; /* absolute paths of directories that are replaced whole, not merged */
    size_t replace_count;
    struct undo *undo; /* remembers what happens; NULL: nothing is replaced whole */
};

/* Before anything moves: is every staged thing a file, directory or link without unwelcome set-id bits, and
 * can each be put where it must go? ERR_REFUSED names what stands in the way, ERR_TRUST what must not be in
 * the staging directory. */
CHECKED bool place_check(const struct place *p, struct err *e);

/* Move. After it name is gone or holds only empty directories. */
CHECKED bool place_move(const struct place *p, struct err *e);

/* The links var, etc and tmp to private/… where the root has nothing of that name. */
CHECKED bool place_links(int root, struct err *e);
#endif
