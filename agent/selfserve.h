/* selfserve: what the user asked for: SelfServeManifest, and the drop that Managed Software Center leaves in
 * /Users/Shared/.SelfServeManifest, where anybody can write. */
#ifndef AGENT_SELFSERVE_H
#define AGENT_SELFSERVE_H
#include "agent/prefs.h"
#include "agent/target.h"

struct selfserve {
    const struct value *dict; /* what counts: the drop, else the manifest, else NULL */
    bool drop_there;          /* something lies where the drop belongs, good or bad */
    bool from_drop;           /* dict is the drop */
    bool unreadable;          /* the manifest is there, but no dictionary can be read from it: dict is NULL */
};

/* Look, writing nothing. What cannot be used is logged. Where Munki is installed its SelfServeManifest is
 * read and the drop left to it. */
void selfserve_read(struct arena *a, const struct target *t, const struct prefs *p, struct selfserve *s);

/* Write changed (or, when NULL, the drop that was taken over) as our SelfServeManifest and remove the drop.
 * Does nothing where Munki is installed. */
CHECKED bool selfserve_write(const struct target *t, const struct selfserve *s, const struct value *changed,
                             struct err *e);

/* The wish for name (in NFC) is fulfilled: take it out of managed_installs, or of managed_uninstalls, of our
 * SelfServeManifest as it stands. Does nothing where it is not in it, and where Munki is installed. */
CHECKED bool selfserve_fulfilled(const struct target *t, const char *name, bool removal, struct err *e);
#endif
