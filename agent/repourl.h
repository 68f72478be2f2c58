/* repourl: the URLs of a repository's parts, and the names that may stand in them. Pure. */
#ifndef AGENT_REPOURL_H
#define AGENT_REPOURL_H
#include "agent/prefs.h"
#include "manifests/pkginfo.h"

/* The base of a folder ("manifests", "catalogs", "pkgs"): own, the preference for it, with a '/' where it
 * ends neither in one nor in '?'; else SoftwareRepoURL/folder/. NULL: neither is set. */
const char *repourl_base(struct arena *a, const struct prefs *p, const char *own, const char *folder);

/* base and name, then every mirror with folder and name; NULL at the end. */
const char *const *repourl_list(struct arena *a, const char *base, const char *const *mirrors,
                                const char *folder, const char *name);

/* See repo_package_urls. local: the repository is itself on this machine, so that file: URLs may be meant. */
const char *const *repourl_package(struct arena *a, const struct prefs *p, const struct pkginfo *item,
                                   bool uninstaller, bool local);

bool repourl_loopback(const char *url); /* localhost, 127.0.0.1, ::1 */

/* A name of a manifest or catalog that is safe as a path and in a URL: UTF-8, no empty, hidden, "." or ".."
 * component, no control bytes. */
bool repourl_good_name(const char *name);
#endif
