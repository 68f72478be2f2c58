/* prefs: the effective preferences of both domains, decoded, each with where it came from.
 *
 * Order: managed io.daybreak, managed ManagedInstalls, root's ByHost and /var/root/Library/Preferences
 * (io.daybreak, then ManagedInstalls), /Library/Preferences (the same), default. --prefs FILE stands instead
 * of all of them and counts as root-only. Files are read below the target's root. What never counts:
 * ManagedInstalls' own ManagedInstallDir, LogFile, bookkeeping and background keys; in an unmanaged
 * /Library/Preferences/ManagedInstalls.plist values that equal Munki's default (Munki writes them there);
 * http://munki/repo as a repository anywhere. Keys that must be managed or root-only are said and ignored
 * where they stand elsewhere. Where --prefs has ManagedInstallDir it counts. */
#ifndef AGENT_PREFS_H
#define AGENT_PREFS_H
#include "agent/options.h"
#include "core/fetch.h"
#include "core/loop.h"
#include "manifests/props.h"

enum prefs_source {
    PREFS_DEFAULT,
    PREFS_OPTION,  /* --repo, --id */
    PREFS_FILE,    /* --prefs FILE */
    PREFS_SECRETS, /* the root-only file that SecretsFile names: wins for the keys that carry secrets */
    PREFS_MANAGED, /* forced by a profile */
    PREFS_BYHOST,  /* /var/root/Library/Preferences/ByHost/DOMAIN.UUID.plist */
    PREFS_ROOT,    /* /var/root/Library/Preferences/DOMAIN.plist */
    PREFS_LOCAL    /* /Library/Preferences/DOMAIN.plist */
};

enum prefs_verification { PREFS_VERIFY_NONE, PREFS_VERIFY_HASH, PREFS_VERIFY_STRICT };
enum prefs_after_success { PREFS_AFTER_STOP, PREFS_AFTER_SCHEDULE, PREFS_AFTER_REMOVE };
enum prefs_restart { PREFS_RESTART_REPORT, PREFS_RESTART_LOGINWINDOW, PREFS_RESTART_ASK };

/* One preference as `daybreak config` shows it. */
struct prefs_entry {
    const char *key;
    const struct value *value; /* effective; NULL: not set and no default */
    enum prefs_source source;
    const char *domain; /* "io.daybreak", "ManagedInstalls", or "" */
    const char *path;   /* file on the target, or "" */
    bool forced;
    bool secret;               /* print it redacted */
    bool readable;             /* secret, and it stands where every local user can read it */
    bool effective;            /* false: accepted, without effect in this version (GUI keys, …) */
    const struct value *other; /* what another place says that lost and differs, or NULL */
    const char *other_domain, *other_path;
};

struct prefs {
    /* Munki's, with its meaning; strings NULL when not set */
    const char *repo_url, *manifest_url, *catalog_url, *package_url;
    const char *client_identifier, *local_only_manifest;
    const char *const *headers; /* "Name: value", NULL at the end; never NULL itself */
    enum fetch_redirects redirects;
    bool ignore_system_proxies;
    bool use_client_certificate, certificate_cn_is_identifier;
    const char *client_certificate, *client_key; /* absolute path, or NULL */
    const char *ca_file, *ca_dir;
    enum prefs_verification verification; /* after AllowMissingHash and the rule of managed values */
    int logging_level;                    /* 0 to 3 */
    bool log_to_syslog;
    unsigned download_attempts; /* DownloadRetries + 1; 0: not set */
    uint64_t download_backoff_ms;
    bool higher_os_optional;
    const char *license_url; /* LicenseInfoURL, or NULL */
    const char *munki_dir;   /* ManagedInstalls' ManagedInstallDir: where Munki keeps its own things */

    /* ours */
    const char *managed_install_dir;      /* default /Library/Daybreak */
    const struct value *repo_public_keys; /* array of strings, or NULL */
    bool repo_require_signed;
    const char *const *mirrors; /* MirrorURLs, NULL at the end; never NULL itself */
    const char *bootstrap_url;
    bool allow_insecure_repo, allow_missing_hash;
    const char *middleware;
    const char *proxy_url; /* NULL: as the environment says; "" with IgnoreSystemProxies */
    int64_t preference_wait_s, network_wait_s, user_wait_s, munki_wait_s, run_deadline_s, item_timeout_s;
    int64_t hook_timeout_s, run_interval_s, splay_max_s;
    int64_t max_attempts, max_runs_per_day;
    enum prefs_after_success after_success;
    enum prefs_restart restart_policy;
    bool install_rosetta;
    const struct value *handoff; /* string or dictionary, or NULL */
    const char *report_url, *profile_forward_url;
    const char *const *report_headers;                                  /* never NULL itself */
    const char *splashbuddy_log, *depnotify_file, *dialog_command_file; /* paths on the target, or NULL */
    const char *dialog_trigger_file; /* the same, of Inspect presets 4 to 6 */
    bool dialog_inspect;             /* DialogCommandFile is read by an Inspect-mode dialog */

    struct prefs_entry *entries; /* every known key, sorted by name */
    size_t entry_count;
    bool managed_seen; /* a managed file of either domain was there */
};

/* Read everything. root: the target volume. On a Mac's own volume the system is asked (agent/sysprefs.h), for
 * which l turns; the files are what is left when it does not answer, or l is NULL. Fails with ERR_USAGE (exit
 * 200) naming file and key: a file that is there and cannot be read or decoded, a value of the wrong type or
 * out of its range, an unknown key in io.daybreak or --prefs (nearest known named). Values that are secret
 * are given to log_secret. Notes ("… has no effect") are logged at info. */
CHECKED bool prefs_load(struct arena *a, const struct options *o, int root, struct loop *l, struct prefs *p,
                        struct err *e);

/* The defaults, and what the options say, for a run that can only report why prefs_load failed. */
CHECKED bool prefs_defaults(struct arena *a, const struct options *o, int root, struct prefs *p,
                            struct err *e);

const char *prefs_source_text(enum prefs_source s); /* "managed", "root", "default", … */
#endif
