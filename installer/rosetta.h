/* rosetta: what runs Intel code on Apple silicon, where a package needs it.
 *
 * A product says by hostArchitectures for which processors its scripts and programs are made. One for x86_64
 * alone needs Rosetta; of one that says nothing Apple's installer takes the same. Asked on a Mac's own /, and
 * elsewhere where a stand-in for softwareupdate is given. */
#ifndef INSTALLER_ROSETTA_H
#define INSTALLER_ROSETTA_H
#include "installer/flatpkg.h"

/* Before the package in file (called name) is installed: is what it runs on there? With env->install_rosetta
 * it is installed when it is not. Fails with ERR_REFUSED (needed, and not to be installed) or ERR_CHILD,
 * ERR_TIMEOUT (its installation failed), cause installer: of this package alone. A package that cannot be
 * read, or is not signed as needed, is left to who installs it. */
CHECKED bool rosetta_ready(const struct install_env *env, int file, const char *name,
                           const struct signature_need *need, struct err *e);
#endif
