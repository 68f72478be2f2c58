/* target: the volume that is worked on and our directories on it (docs/daybreak.8, FILES).
 *
 * Opened in two steps, because the second depends on preferences: target_open the volume, target_dirs what
 * lies on it. All descriptors are close-on-exec, -1 when not open. */
#ifndef AGENT_TARGET_H
#define AGENT_TARGET_H
#include "agent/options.h"
#include "agent/prefs.h"

#define TARGET_STATE "Library/Daybreak"         /* lock, journal, status.json, … always here */
#define TARGET_LOGS  "private/var/log/daybreak" /* daybreak.log, Install.log, events.jsonl */

struct target {
    bool opened; /* target_open was called: the descriptors below mean something */
    int root;
    const char *root_path; /* absolute; "/" for the live volume */
    bool live;             /* options.live */
    bool munki;            /* /usr/local/munki/managedsoftwareupdate is there */

    /* after target_dirs */
    const char *data_path;          /* ManagedInstallDir as a path on the target: "/Library/Daybreak" */
    int data;                       /* ManagedInstallDir */
    int manifests, catalogs, cache; /* below it; cache is 0700 */
    int state;                      /* TARGET_STATE, where the lock is; -1 with TARGET_CHECK */
};

/* Open options' root. The commands run and check make it when it is not there, and in an empty one the links
 * /var, /etc and /tmp. Fails with ERR_USAGE: on a system other than macOS --root is required; ERR_NOT_FOUND;
 * ERR_SYS. */
CHECKED bool target_open(struct arena *a, const struct options *o, struct target *t, struct err *e);

enum target_use {
    TARGET_CHECK, /* make ManagedInstallDir, manifests, catalogs; cache only when it is there (check) */
    TARGET_RUN,   /* make all of it */
    TARGET_READ   /* make nothing; what is not there stays -1 (why, status) */
};

/* Make and open the directories. A ManagedInstallDir that is Munki's own is refused, except under another
 * root with --prefs; so is, live, one that others than root may write. Any failure means exit 101, but with
 * TARGET_READ ERR_NOT_FOUND: nothing ran here yet. */
CHECKED bool target_dirs(struct arena *a, const struct options *o, const struct prefs *p, enum target_use use,
                         struct target *t, struct err *e);

/* The absolute path of a path on the target, for messages and for tools. */
const char *target_path(struct arena *a, const struct target *t, const char *path);

void target_close(struct target *t); /* also of a zeroed one that was never opened */
#endif
