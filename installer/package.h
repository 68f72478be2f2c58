/* package: an Apple package, alone or inside a disk image, given to the engine that fits the target: Apple's
 * installer for this Mac's own /, ours (flatpkg) for every other. */
#ifndef INSTALLER_PACKAGE_H
#define INSTALLER_PACKAGE_H
#include "installer/install.h"

struct package_job {
    int file;         /* the proved descriptor in Cache */
    const char *name; /* its name there */
    bool proved;      /* a hash of the catalog covers its bytes */
    bool allow_untrusted;
    bool require_signature; /* refuse what is not signed by somebody we know */
    const char *team_id;    /* and by anybody but this team; NULL: any */
    const char *inside;     /* package_path: counts when it ends in .pkg or .mpkg; NULL: the first one */
    const struct value *choices, *environment, *allow_setid; /* or NULL */
    uint64_t timeout_ms;
};

/* Would package_install refuse it for its signature? Asked before an item's own scripts run. What is inside a
 * disk image cannot be told yet and passes. */
CHECKED bool package_judge(const struct install_env *env, const struct package_job *job,
                           struct install_outcome *out, struct err *e);

/* Install it. On failure out->step and out->code are set (-99: nothing that could be installed). Refuses with
 * ERR_TRUST, cause signature or team_id, before anything of it is read: a signature that does not match;
 * what is not signed as asked; what neither a hash nor a signature nor allow_untrusted vouches for. */
CHECKED bool package_install(const struct install_env *env, const struct package_job *job,
                             struct install_outcome *out, struct err *e);
#endif
