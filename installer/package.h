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
    const char *inside; /* package_path: counts when it ends in .pkg or .mpkg; NULL: the first one */
    const struct value *choices, *environment, *allow_setid; /* or NULL */
    uint64_t timeout_ms;
};

/* Install it. On failure out->step and out->code are set (-99: nothing that could be installed). Refuses with
 * ERR_TRUST, cause signature, what only a signature could prove, since signatures are not judged here. */
CHECKED bool package_install(const struct install_env *env, const struct package_job *job,
                             struct install_outcome *out, struct err *e);
#endif
