/* copy: items_to_copy of a disk image, laid onto the target volume.
 *
 * Each item is copied into a private folder beside its destination, given owner, group and mode there, and
 * only then takes the place of what stood there before. A cut in between leaves the old or the new. */
#ifndef INSTALLER_COPY_H
#define INSTALLER_COPY_H
#include "core/limits.h"
#include "installer/image.h"

/* Copy all of items from the image. ERR_FORMAT for a list that is empty or an entry that cannot be
 * understood; nothing is copied then. out->reason tells what was left out. */
CHECKED bool copy_items(const struct install_env *env, const struct image *from,
                        const struct copy_item *items, size_t count, struct install_outcome *out,
                        struct err *e);

/* Where an entry goes, relative to the volume: the directory is destination_path, else destination_item's;
 * the name is the last component of destination_item, else of source_item. to: LIMIT_PATH + 1 bytes. */
CHECKED bool copy_destination(const struct copy_item *item, char *to, struct err *e);

/* Finish or undo what a killed run was moving into place. */
void copy_recover(const struct install_env *env);
#endif
