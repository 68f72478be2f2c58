/* packageinfo: the PackageInfo member of a component package, decoded once.
 *
 * Everything lives in the arena given. Strings are never NULL unless said so. Attributes that steer nothing
 * here (generator-version, deleteObsoleteLanguages, …) and unknown elements are left out. */
#ifndef INSTALLER_PACKAGEINFO_H
#define INSTALLER_PACKAGEINFO_H
#include "core/arena.h"
#include <stdint.h>

enum packageinfo_action { /* in order of force */
                          PACKAGEINFO_NONE,
                          PACKAGEINFO_LOGOUT,
                          PACKAGEINFO_RESTART,
                          PACKAGEINFO_SHUTDOWN
};

struct packageinfo_script {
    const char *kind;         /* one of packageinfo_kinds */
    const char *file;         /* inside Scripts, "./" taken off, proved to stay inside */
    unsigned timeout_s;       /* 0: not given */
    const char *component_id; /* the bundle it belongs to, or NULL: the package's own */
};

struct packageinfo_bundle {
    const char *path;          /* below the install location, "./" taken off; "" when not given */
    const char *id;            /* "" when not given */
    const char *short_version; /* CFBundleShortVersionString, or "" */
    const char *version;       /* CFBundleVersion, or "" */
};

struct packageinfo_names {
    const char *const *names;
    size_t count;
};

struct packageinfo {
    const char *identifier; /* fits a file name: [A-Za-z0-9][A-Za-z0-9._-]*, at most LIMIT_NAME less 6 */
    const char *version;    /* one line; "0" when not given, or empty */
    const char *install_location; /* absolute, no trailing '/', no "." or ".."; "/" when not given */
    bool auth_root;               /* auth is "root" in any case, or not given */
    bool overwrite_permissions;   /* owner and mode of existing directories are set too */
    bool relocatable;
    bool follow_symlinks; /* write through an existing link to a directory */
    bool preserve_xattr;
    const char *minimum_system; /* minimumSystemVersion, or NULL */
    enum packageinfo_action postinstall_action;

    bool has_payload_element; /* absent: a package without payload */
    uint64_t number_of_files; /* cpio entries, as claimed; 0 when not given */
    uint64_t install_kbytes;  /* as claimed, an estimate */

    const struct packageinfo_script *scripts; /* in the order of the file */
    size_t script_count;

    const struct packageinfo_bundle *bundles; /* those with a path, merged over all elements */
    size_t bundle_count;
    struct packageinfo_names version_checked; /* bundle-version: not over a newer one */
    struct packageinfo_names strict;          /* strict-identifier: only over one of the same identifier */
    struct packageinfo_names replace;         /* upgrade-bundle, atomic-update-bundle: whole, not merged */
    struct packageinfo_names relocate;        /* may be found and updated elsewhere */
    struct packageinfo_names must_close;      /* application identifiers */
};

/* Is s a package identifier that may become a file name? */
bool packageinfo_identifier_ok(const char *s);

/* Can s be a version, a title, a location: one line of UTF-8 without control bytes, at most LIMIT_NAME? */
bool packageinfo_version_ok(const char *s);

/* Decode the bytes of a PackageInfo. NULL: ERR_FORMAT ("PackageInfo: line 3: …") or ERR_LIMIT. */
const struct packageinfo *packageinfo_decode(struct arena *a, const void *p, size_t n, struct err *e);

/* preflight, preinstall, preupgrade, postinstall, postupgrade, postflight; NULL at the end. The old names:
 * flight scripts run always, upgrade scripts instead of install scripts where a receipt is there. */
extern const char *const packageinfo_kinds[];

/* The package's own script of that kind, or NULL. */
const struct packageinfo_script *packageinfo_own_script(const struct packageinfo *i, const char *kind);

/* Is id one of them? "" never is. */
bool packageinfo_names(const struct packageinfo_names *list, const char *id);

/* "none", "logout", "restart", "shutdown". */
const char *packageinfo_action_name(enum packageinfo_action action);
#endif
