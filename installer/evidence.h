/* evidence: one entry of installs or receipts, held against a volume. */
#ifndef INSTALLER_EVIDENCE_H
#define INSTALLER_EVIDENCE_H
#include "installer/inventory.h"
#include "manifests/pkginfo.h"
#include <sys/stat.h>

enum evidence_held {
    EVIDENCE_OLDER, /* or different, where there is no order */
    EVIDENCE_ABSENT,
    EVIDENCE_SAME,
    EVIDENCE_NEWER,
    EVIDENCE_BAD /* the entry is malformed: it proves nothing */
};

struct evidence {
    struct loop *loop; /* turned while files are summed; may be NULL */
    int root;
    struct inventory *inventory;
    const char *os_version; /* of the target: receipts of a later macOS are not looked for; may be NULL */
    char text[1024]; /* what was found last, one sentence: "installs[0]: /Applications/X.app is not there" */
};

/* Entry i of p->installs, p->receipts. */
enum evidence_held evidence_install(struct evidence *ev, const struct pkginfo *p, size_t i);
enum evidence_held evidence_receipt(struct evidence *ev, const struct pkginfo *p, size_t i);

/* Is something at path, links followed inside the root? */
bool evidence_exists(const struct evidence *ev, const char *path, struct stat *st);

/* The version that the bundle or plist of an installs entry states now, in a; NULL: none. *found: the thing
 * is there, whether it states one or not. */
const char *evidence_version(struct evidence *ev, struct arena *a, const struct installs_item *it,
                             bool *found);

/* "older than", "newer than", "the same as" */
const char *evidence_order_text(int order);
#endif
