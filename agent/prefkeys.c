/* Munki's keys keep Munki's meaning and default, but PackageVerificationMode, whose default is stricter here.
 */
#include "agent/prefkeys.h"

#include "core/text.h"

#include <stdint.h>

#define F(member) offsetof(struct prefs, member)
#define NONE      PREFKEY_NO_FIELD
#define DAY       (int64_t)86400

/* name, type, flags, field, default, what Munki writes */
#define KEY(n, t, f, place, d, m)                                                                            \
    {                                                                                                        \
        .name = n, .type = t, .flags = f, .field = place, .fallback = d, .munki = m                          \
    }
#define INTEGER(n, f, place, d, m, least, most)                                                              \
    {                                                                                                        \
        .name = n, .type = PREFKEY_INT, .flags = f, .field = place, .fallback = d, .munki = m, .min = least, \
        .max = most                                                                                          \
    }
#define IDLE(n, m) KEY(n, PREFKEY_ANY, PREFKEY_SILENT, NONE, NULL, m)
#define NOTE(n)    KEY(n, PREFKEY_ANY, PREFKEY_NOTES, NONE, NULL, NULL)

const struct prefkey prefkeys_table[] = {
    /* Munki's, with effect */
    KEY("SoftwareRepoURL", PREFKEY_URL, 0, F(repo_url), NULL, "http://munki/repo"),
    KEY("ManifestURL", PREFKEY_URL, 0, F(manifest_url), NULL, NULL),
    KEY("CatalogURL", PREFKEY_URL, 0, F(catalog_url), NULL, NULL),
    KEY("PackageURL", PREFKEY_URL, 0, F(package_url), NULL, NULL),
    KEY("ClientIdentifier", PREFKEY_STRING, 0, F(client_identifier), NULL, ""),
    KEY("LocalOnlyManifest", PREFKEY_STRING, 0, F(local_only_manifest), NULL, NULL),
    KEY("AdditionalHttpHeaders", PREFKEY_STRINGS, PREFKEY_SECRET, F(headers), NULL, NULL),
    KEY("FollowHTTPRedirects", PREFKEY_STRING, 0, NONE, "none", "none"),
    KEY("IgnoreSystemProxies", PREFKEY_BOOL, 0, F(ignore_system_proxies), "false", "false"),
    KEY("UseClientCertificate", PREFKEY_BOOL, 0, F(use_client_certificate), "false", "false"),
    KEY("UseClientCertificateCNAsClientIdentifier", PREFKEY_BOOL, 0, F(certificate_cn_is_identifier), "false",
        "false"),
    KEY("ClientCertificatePath", PREFKEY_PATH, PREFKEY_MAY_MOVE, F(client_certificate), NULL, NULL),
    KEY("ClientKeyPath", PREFKEY_PATH, PREFKEY_MAY_MOVE, F(client_key), NULL, NULL),
    KEY("SoftwareRepoCACertificate", PREFKEY_PATH, 0, F(ca_file), NULL, NULL),
    KEY("SoftwareRepoCAPath", PREFKEY_PATH, 0, F(ca_dir), NULL, NULL),
    KEY("PackageVerificationMode", PREFKEY_STRING, 0, NONE, "hash_strict", "hash"),
    INTEGER("LoggingLevel", 0, NONE, "1", "1", 0, 99),
    KEY("LogToSyslog", PREFKEY_BOOL, 0, F(log_to_syslog), "false", "false"),
    INTEGER("DownloadRetries", 0, NONE, NULL, "0", 0, 10),
    INTEGER("DownloadRetrySleepSeconds", 0, NONE, NULL, "10", 1, 30),
    KEY("ShowOptionalInstallsForHigherOSVersions", PREFKEY_BOOL, 0, F(higher_os_optional), "false", "false"),
    KEY("LicenseInfoURL", PREFKEY_URL, 0, F(license_url), NULL, NULL),
    /* ours */
    KEY("ManagedInstallDir", PREFKEY_PATH, PREFKEY_OWN, F(managed_install_dir), "/Library/Daybreak", NULL),
    KEY("RepoPublicKeys", PREFKEY_STRINGS, PREFKEY_TRUSTED, NONE, NULL, NULL),
    INTEGER("RepoKeyThreshold", PREFKEY_TRUSTED | PREFKEY_LATER, NONE, "1", NULL, 1, 100),
    KEY("RepoID", PREFKEY_STRING, PREFKEY_TRUSTED | PREFKEY_LATER, NONE, NULL, NULL),
    INTEGER("RepoMinimumVersion", PREFKEY_TRUSTED | PREFKEY_LATER, NONE, "0", NULL, 0, INT64_MAX),
    KEY("RepoRequireSigned", PREFKEY_BOOL, PREFKEY_TRUSTED, F(repo_require_signed), "false", NULL),
    KEY("MirrorURLs", PREFKEY_STRINGS, 0, F(mirrors), NULL, NULL),
    KEY("BootstrapURL", PREFKEY_URL, 0, F(bootstrap_url), NULL, NULL),
    KEY("AllowInsecureRepo", PREFKEY_BOOL, PREFKEY_TRUSTED, F(allow_insecure_repo), "false", NULL),
    KEY("AllowMissingHash", PREFKEY_BOOL, PREFKEY_TRUSTED, F(allow_missing_hash), "false", NULL),
    KEY("Middleware", PREFKEY_PATH, PREFKEY_TRUSTED, F(middleware), NULL, NULL),
    KEY("SecretsFile", PREFKEY_PATH, 0, NONE, NULL, NULL),
    KEY("ProxyURL", PREFKEY_URL, PREFKEY_SECRET, F(proxy_url), NULL, NULL),
    INTEGER("PreferenceWait", 0, F(preference_wait_s), "300", NULL, 0, DAY),
    INTEGER("NetworkWait", 0, F(network_wait_s), "600", NULL, 0, DAY),
    INTEGER("UserWait", 0, F(user_wait_s), "3600", NULL, 0, 7 * DAY),
    INTEGER("MunkiWait", 0, F(munki_wait_s), "1800", NULL, 0, DAY),
    INTEGER("RunDeadline", 0, F(run_deadline_s), "14400", NULL, 60, 7 * DAY),
    INTEGER("ItemTimeout", 0, F(item_timeout_s), "3600", NULL, 10, DAY),
    INTEGER("MaxAttempts", 0, F(max_attempts), "3", NULL, 1, 100),
    INTEGER("MaxRunsPerDay", 0, F(max_runs_per_day), "24", NULL, 1, 1000),
    KEY("AfterSuccess", PREFKEY_STRING, 0, NONE, "stop", NULL),
    INTEGER("RunInterval", 0, F(run_interval_s), "3600", NULL, 60, 7 * DAY),
    INTEGER("SplayMax", 0, F(splay_max_s), "60", NULL, 0, DAY),
    KEY("RestartPolicy", PREFKEY_STRING, 0, NONE, "report", NULL),
    INTEGER("HookTimeout", 0, F(hook_timeout_s), "600", NULL, 1, DAY),
    KEY("InstallRosetta", PREFKEY_BOOL, 0, F(install_rosetta), "false", NULL),
    KEY("HandOff", PREFKEY_HANDOFF, PREFKEY_TRUSTED, F(handoff), NULL, NULL),
    KEY("ReportURL", PREFKEY_URL, PREFKEY_SECRET, F(report_url), NULL, NULL),
    KEY("ReportHeaders", PREFKEY_STRINGS, PREFKEY_SECRET, F(report_headers), NULL, NULL),
    KEY("ProfileForwardURL", PREFKEY_URL, PREFKEY_SECRET, F(profile_forward_url), NULL, NULL),
    KEY("SplashBuddyLog", PREFKEY_PATH, 0, F(splashbuddy_log), NULL, NULL),
    KEY("DEPNotifyFile", PREFKEY_PATH, 0, F(depnotify_file), NULL, NULL),
    KEY("DialogCommandFile", PREFKEY_PATH, 0, F(dialog_command_file), NULL, NULL),
    KEY("DialogInspect", PREFKEY_BOOL, 0, F(dialog_inspect), "false", NULL),
    KEY("DialogTriggerFile", PREFKEY_PATH, 0, F(dialog_trigger_file), NULL, NULL),
    /* Munki's, accepted, without effect here */
    IDLE("AggressiveUpdateNotificationDays", "14"),
    IDLE("AppleSoftwareUpdatesIncludeMajorOSUpdates", "false"),
    IDLE("AppleSoftwareUpdatesOnly", "false"),
    IDLE("CheckResultsCacheSeconds", "3600"),
    IDLE("ClientResourceURL", NULL),
    IDLE("ClientResourcesFilename", NULL),
    IDLE("CustomSidebarItems", NULL),
    IDLE("DaysBetweenNotifications", "1"),
    IDLE("EmulateProfileSupport", "false"),
    IDLE("HelpURL", NULL),
    IDLE("IconURL", NULL),
    IDLE("IgnoreMiddleware", "false"),
    IDLE("InstallAppleSoftwareUpdates", "false"),
    IDLE("InstallRequiresLogout", "false"),
    IDLE("KeychainName", "munki.keychain"),
    KEY("KeychainPassword", PREFKEY_ANY, PREFKEY_SILENT | PREFKEY_SECRET, NONE, NULL, "munki"),
    IDLE("LogFile", "/Library/Managed Installs/Logs/ManagedSoftwareUpdate.log"),
    IDLE("MSUDebugLogEnabled", "false"),
    IDLE("MSULogEnabled", "false"),
    IDLE("PerformAuthRestarts", "false"),
    IDLE("RecoveryKeyFile", NULL),
    IDLE("ShowRemovalDetail", "false"),
    IDLE("SoftwareUpdateServerURL", ""),
    IDLE("SuppressAutoInstall", "false"),
    IDLE("SuppressLoginwindowInstall", "false"),
    IDLE("SuppressStopButtonOnInstall", "false"),
    IDLE("SuppressUserNotification", "false"),
    IDLE("UnattendedAppleUpdates", "false"),
    IDLE("UseNotificationCenterDays", "3"),
    NOTE("ForcedUpdateDueDate"),
    NOTE("LastCheckDate"),
    NOTE("LastCheckResult"),
    NOTE("LastNotifiedDate"),
    NOTE("OldestUpdateDays"),
    NOTE("PendingUpdateCount"),
};
const size_t prefkeys_count = sizeof prefkeys_table / sizeof prefkeys_table[0];

const struct prefkey *prefkeys_find(const char *name)
{
    for (size_t i = 0; i < prefkeys_count; i++)
        if (strcmp(prefkeys_table[i].name, name) == 0)
            return &prefkeys_table[i];
    return NULL;
}

const char *prefkeys_nearest(const char *name)
{
    const char *names[sizeof prefkeys_table / sizeof prefkeys_table[0] + 1];
    for (size_t i = 0; i < prefkeys_count; i++)
        names[i] = prefkeys_table[i].name;
    names[prefkeys_count] = NULL;
    return options_nearest(name, names);
}

const char *prefkeys_needed(enum prefkey_type type)
{
    switch (type) {
    case PREFKEY_STRING:
        return "a string";
    case PREFKEY_PATH:
        return "an absolute path";
    case PREFKEY_URL:
        return "a URL";
    case PREFKEY_BOOL:
        return "a boolean";
    case PREFKEY_INT:
        return "an integer";
    case PREFKEY_STRINGS:
        return "an array of strings";
    case PREFKEY_HANDOFF:
        return "a string or a dictionary";
    case PREFKEY_ANY:
        break;
    }
    return "a value";
}

const struct value *prefkeys_default(struct arena *a, const struct prefkey *k)
{
    int64_t i;
    if (k->fallback == NULL)
        return NULL;
    if (k->type == PREFKEY_BOOL)
        return value_new_bool(a, strcmp(k->fallback, "true") == 0);
    if (k->type == PREFKEY_INT)
        return text_int(k->fallback, INT64_MIN, INT64_MAX, &i) ? value_new_int(a, i) : NULL;
    return value_new_str(a, k->fallback);
}
