/* flatpkg_folder: where a package is extracted to. A part of flatpkg. */
#ifndef INSTALLER_FLATPKG_FOLDER_H
#define INSTALLER_FLATPKG_FOLDER_H
#include "core/err.h"

/* Open the directory path, made when it is not there (*made), refused when it holds something. -1: *e is set.
 */
int flatpkg_folder_open(const char *path, bool *made, struct err *e);
bool flatpkg_folder_clear(int fd); /* remove all that is in it */
#endif
