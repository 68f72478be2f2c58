/* image_listing: what the tools say of a disk image, read by a worker without rights: names in it come from
 * the image. */
#ifndef INSTALLER_IMAGE_LISTING_H
#define INSTALLER_IMAGE_LISTING_H
#include "core/arena.h"
#include "core/limits.h"
#include "installer/worker.h"

#define IMAGE_LISTING_MAX (4 * LIMIT_MB)

/* A link that 7-Zip did not dare to make. Both are printable. */
struct image_listing_link {
    struct image_listing_link *next;
    const char *path, *target;
};

struct image_listing {
    bool hfs;
    char error[256]; /* the first complaint, or "" */
    struct image_listing_link *links;
    size_t link_count;
};

/* lines: 7-Zip's, each behind 'O' or, from its standard error, 'E', and with a newline. */
CHECKED bool image_listing_seven(struct loop *l, struct arena *a, const struct buf *lines,
                                 struct image_listing *out, struct err *e);

/* The first mount point in what hdiutil attach -plist says; in a. NULL: ERR_FORMAT when there is none. */
const char *image_listing_mount(struct loop *l, struct arena *a, const struct buf *text, struct err *e);

CHECKED bool image_listing_work(const struct buf *request, struct err *e); /* the worker's side */
#endif
