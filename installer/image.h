/* image: a disk image or an archive as a folder. Apple's hdiutil attaches an image; where there is none,
 * 7-Zip unpacks it. Archives (archive.h) are unpacked by the worker. */
#ifndef INSTALLER_IMAGE_H
#define INSTALLER_IMAGE_H
#include "core/limits.h"
#include "installer/install.h"

struct image {
    int dir;                   /* the volume's root, -1 when not open */
    char path[LIMIT_PATH + 1]; /* the same as an absolute path, for tools */
    char place[256];           /* our folder around it, relative to the target volume */
    bool attached;
};

bool image_is(const char *name);      /* by its name: .dmg, .iso in any case, or an archive's */
bool image_is_disk(const char *name); /* .dmg, .iso alone */

/* Open the image: the proved descriptor fd, whose path is path (absolute) for the tool that needs one.
 * Whatever happens, image_close must follow; im may be closed twice. */
CHECKED bool image_open(const struct install_env *env, int fd, const char *path, struct image *im,
                        struct err *e);
void image_close(const struct install_env *env, struct image *im);

/* The target of a symbolic link as it stands in the image: target, or a part of it. */
const char *image_link(const struct install_env *env, const struct image *im, const char *target);

/* What was looked for in an image could not be had; what names it. Not being there is the pkginfo's fault, or
 * the image's. Always false. */
bool image_lacks(const char *what, struct err *e);

/* Detach and remove what a killed run left. */
void image_recover(const struct install_env *env);
#endif
