/* repo: a Munki repository as this Mac sees it: URLs, the manifest chain, manifests and catalogs.
 *
 * Each name is fetched at most once in a run and kept below ManagedInstallDir (manifests/, catalogs/) with
 * its validators (agent/validators.h), so that an unchanged file costs a 304. What does not decode never
 * replaces what is cached (options' dry_run: nothing does), and there is no fall-back to a stale file: no
 * answer means no decision. Offline
 * (`why`), only the cached files are read and nothing is asked.
 * Names are refused when absolute, empty, with "." or ".." or hidden components, or "SelfServeManifest". */
#ifndef AGENT_REPO_H
#define AGENT_REPO_H
#include "agent/facts.h"
#include "agent/prefs.h"
#include "agent/target.h"
#include "core/fetch.h"
#include "manifests/outline.h"
#include "manifests/pkginfo.h"

struct repo;
struct network;
struct bootstrap;

enum repo_trust { REPO_TRUST_FILE, REPO_TRUST_TLS, REPO_TRUST_HTTP };

/* Open the session. a holds all manifests and catalogs (run lifetime). prefs, facts, target are borrowed.
 * offline: see above; no URL is needed then. Fails with ERR_TRUST when RepoPublicKeys is set (the signed
 * index is not supported: a refusal, never ignored) or the repository is plain http without leave;
 * ERR_USAGE when no repository is configured; ERR_SYS when certificates cannot be read. */
struct repo *repo_open(struct arena *a, struct loop *l, const struct options *o, const struct prefs *p,
                       const struct facts *f, const struct target *t, bool offline, struct err *e);
void repo_free(struct repo *r); /* cancels transfers, saves validators */

/* Choose the primary manifest: --id, certificate's CN, ClientIdentifier: that one alone; else hostname,
 * short hostname, serial, site_default. Only 404, 410 and 403-while-others-answer move on. Everything else
 * ends with its error. */
CHECKED bool repo_primary(struct repo *r, const char **name, const struct value **dict, struct err *e);

/* For struct world. Errors as documented there; a message begins "manifest NAME: " or "catalog NAME: ". */
CHECKED bool repo_manifest(struct repo *r, const char *name, const struct value **dict, struct err *e);
CHECKED bool repo_catalog(struct repo *r, const char *name, const struct outline **items, struct err *e);

/* --- repo_bootstrap.c: a bootstrap.json instead of manifests and catalogs --- */

/* Where it is: --bootstrap, else BootstrapURL, unless --repo names a repository. NULL: there is none. */
const char *repo_bootstrap_url(const struct options *o, const struct prefs *p);
bool repo_is_bootstrap(const struct repo *r); /* then repo_primary, _manifest and _catalog are not for it */
/* Fetch it, decode it, keep it as BOOTSTRAP_NAME in ManagedInstallDir (dry_run: not); offline: what is kept.
 * Errors as of a manifest; a message begins "bootstrap.json ". */
const struct bootstrap *repo_bootstrap(struct repo *r, struct err *e);

/* The URLs of an item's package in the order to try them, NULL at the end: PackageCompleteURL; else
 * PackageURL of the pkginfo, or the repository's, with the location; then daybreak.urls; then MirrorURLs
 * with "pkgs/" and the location (mirrors are of the repository: not for items of a bootstrap.json). NULL when
 * the pkginfo names none. */
const char *const *repo_package_urls(struct repo *r, struct arena *a, const struct pkginfo *p,
                                     bool uninstaller);

/* Ask for the network settings and the keychain again: they may have changed since the last attempt. */
void repo_renew_network(struct repo *r);
const struct network *repo_network(const struct repo *r); /* as long as the arena */
struct fetch *repo_session(struct repo *r);               /* for downloads into Cache */
/* Whose host alone is shown headers, password and certificate when packages are fetched, as an item may name
 * any host: that of the preferences' package URL, or of the bootstrap.json. NULL: neither is set. */
const char *repo_home(const struct repo *r);
enum repo_trust repo_trust(const struct repo *r); /* by the URL manifests come from */
const char *repo_trust_name(enum repo_trust t);   /* "file", "tls", "http": status.json's trust */
const char *repo_show(const struct repo *r);      /* the repository's URL for messages, without credentials */

/* Remove cached manifests and catalogs whose names are not in the NULL-ended lists (SelfServeManifest and
 * keep, a local-only manifest or NULL, stay). Failures are logged. */
void repo_clean(struct repo *r, const char *const *manifests, const char *const *catalogs, const char *keep);
#endif
