/* pkgscript: a component's preinstall or postinstall, run by the contract of Apple's installer.
 *
 * Arguments: package path, destination (target joined with the install location), target volume, "/". The
 * working directory is the folder that Scripts was unpacked to. Environment: PACKAGE_PATH, SCRIPT_NAME,
 * DSTROOT, DSTVOLUME, INSTALLER_TEMP and the like, and what the caller adds. Own process group, a time limit,
 * output to the log. */
#ifndef INSTALLER_PKGSCRIPT_H
#define INSTALLER_PKGSCRIPT_H
#include "installer/install.h"

#define PKGSCRIPT_TIMEOUT_S 600

struct pkgscript {
    const struct install_env *env;
    const char *kind;                                   /* "preinstall", "postinstall" */
    const char *file;                                   /* inside the folder */
    int folder;                                         /* the unpacked Scripts */
    const char *folder_path, *temp_path, *payload_path; /* absolute */
    const char *identifier;                             /* of the component */
    const char *location;                               /* its install location */
    const char *package;                                /* file name of the package in the Cache */
    const char *const *environment; /* NAME=value added or put in place of ours; NULL at the end, or NULL */
    uint64_t timeout_s;             /* 0: PKGSCRIPT_TIMEOUT_S */
};

/* Run it. True: it exited with 0. Else *e has cause script and *code its status (minus the signal, -1000 when
 * it could not be started); ERR_STOPPED: it may still be running. */
CHECKED bool pkgscript_run(const struct pkgscript *s, int *code, struct err *e);
#endif
