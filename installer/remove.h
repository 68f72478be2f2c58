/* remove: the ways in which an item is taken off the volume again. */
#ifndef INSTALLER_REMOVE_H
#define INSTALLER_REMOVE_H
#include "installer/install.h"

/* Carry out uninstall_method of entry (its dictionary in InstallInfo), without the scripts around it. */
CHECKED bool remove_item(const struct install_env *env, const struct pkginfo *p, const struct value *entry,
                         int uninstaller, const char *uninstaller_name, struct install_outcome *out,
                         struct err *e);

/* Remove what the receipts of ids own and no other receipt owns, then forget them. Folders go when they are
 * empty (a lone .DS_Store does not count), bundles with all that is in them. *left: paths that stayed. Fails
 * (-4) when there is no receipt of any of them. */
CHECKED bool remove_packages(const struct install_env *env, const struct value *ids, size_t *left, int *code,
                             struct err *e);

/* A Bom that is not yet beside a receipt, and the prefix it will have. */
struct remove_claim {
    int dir;
    const char *bom, *prefix;
};

/* On an upgrade: remove what the receipts of ids own and neither the claims nor any other receipt do. Nothing
 * below a path of keep (absolute) is touched. The receipts stay. *left as above. */
CHECKED bool remove_obsolete(const struct install_env *env, const struct value *ids,
                             const struct remove_claim *claims, size_t count, const char *const *keep,
                             size_t keep_count, size_t *left, struct err *e);

/* Is path (relative to the volume) one that no removal may take? */
bool remove_protected(const char *path);
#endif
