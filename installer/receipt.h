/* receipt: what a volume remembers of an installed package: ID.plist and ID.bom in private/var/db/receipts,
 * as Apple's installer writes them. */
#ifndef INSTALLER_RECEIPT_H
#define INSTALLER_RECEIPT_H
#include "core/arena.h"
#include <time.h>

#define RECEIPT_FOLDER "private/var/db/receipts"

struct receipt {
    const char *identifier, *version;
    const char *prefix;  /* InstallPrefixPath as absolute path: "/", "/Applications" */
    const char *package; /* file name of the package */
    const char *process; /* who installed it */
    time_t installed;
};

/* Write r below root, durable. bom: directory with the Bom file bom_name, which is moved there; NULL: there
 * is none, and an older one of this identifier is removed. The plist comes last: where it is, the Bom is. */
CHECKED bool receipt_write(int root, const struct receipt *r, int bom, const char *bom_name, struct err *e);

/* Read the receipt of identifier. ERR_NOT_FOUND when there is none. In a; absent strings are "". */
CHECKED bool receipt_read(struct arena *a, int root, const char *identifier, struct receipt *r,
                          struct err *e);
#endif
