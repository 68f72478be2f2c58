/* clash: of the members of an archive, which one would be refused because of those before it: told without
 * unpacking. The same judgement as unpack's, which has a file system to ask. */
#ifndef INSTALLER_CLASH_H
#define INSTALLER_CLASH_H
#include "installer/cpio.h"
#include "installer/pathset.h"

/* NULL: it may stand there. Else why not, as what follows its name in a sentence. Members that are
 * AppleDouble are always well. */
const char *clash_of(struct pathset *seen, const struct cpio_member *m);
#endif
