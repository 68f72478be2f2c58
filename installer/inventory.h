/* inventory: what a volume says it holds: package receipts and application bundles. Read once, at the first
 * question; open another for a fresh look. */
#ifndef INSTALLER_INVENTORY_H
#define INSTALLER_INVENTORY_H
#include "core/loop.h"
#include "manifests/props.h"

struct inventory;

/* root is borrowed. live: root is this Mac's own /: Apple's receipts and pkgutil's answer count too, and
 * homes are not searched beyond their Applications folders. */
struct inventory *inventory_open(struct loop *l, int root, bool live);
void inventory_free(struct inventory *inv); /* NULL is fine */

/* The installed version of a package id, or NULL. Borrowed. */
const char *inventory_receipt(struct inventory *inv, const char *package_id);

/* The output of `pkgutil --regexp --pkg-info-plist .*`: property lists one after another, with noise between
 * them. Each that is whole (pkgid, pkg-version) replaces what was known of its id. */
void inventory_pkgutil(struct inventory *inv, const char *text, size_t len);

struct inventory_app {
    const char *path; /* absolute below the root: "/Applications/X.app" */
    const char *name; /* CFBundleName, else the file name without ".app" */
    const char *id;   /* CFBundleIdentifier, or "" */
    const char *version;
    bool in_home; /* below /Users and not below /Users/Shared */
};

/* Every *.app directory, at any depth but not inside another, in the order of its path. Links are not
 * followed; /Volumes, temporary, network and device folders are left out; at most LIMIT_APPS. */
const struct inventory_app *inventory_apps(struct inventory *inv, size_t *count);

/* The version that an Info.plist states: CFBundleShortVersionString, else CFBundleVersion, else "". */
const char *inventory_bundle_version(const struct value *info);

/* The dictionary in the file at path (evidence: links are followed inside root), or NULL with *e. */
const struct value *inventory_plist(struct arena *a, int root, const char *path, struct err *e);
#endif
