/* pkginfo: one item of a catalog, decoded once. No other file spells a key of a pkginfo, but plan.c where
 * it copies keys into InstallInfo by the list that this file exports.
 *
 * Strings are borrowed from the tree that was decoded; names are NFC. Types as spec munki-semantics 0.2 and
 * 6; numbers where a version is wanted are formatted and warned about once. */
#ifndef MANIFESTS_PKGINFO_H
#define MANIFESTS_PKGINFO_H
#include "manifests/props.h"

enum pkginfo_kind {                /* installer_type */
                    KIND_PACKAGE,  /* absent: Apple package, or an image holding one */
                    KIND_COPY,     /* copy_from_dmg */
                    KIND_STAGE_OS, /* stage_os_installer */
                    KIND_NOPKG,
                    KIND_PROFILE,
                    KIND_STARTOSINSTALL,
                    KIND_SCRIPT,     /* of a bootstrap.json: a script that was downloaded, … */
                    KIND_FILE,       /* … or a file to be laid down; in no catalog */
                    KIND_UNSUPPORTED /* appdmg, Adobe*, apple_update_metadata, unknown: type says which */
};

enum installs_type { INSTALLS_BAD, INSTALLS_APPLICATION, INSTALLS_BUNDLE, INSTALLS_PLIST, INSTALLS_FILE };

struct installs_item { /* 8.3; absent strings are NULL */
    enum installs_type type;
    const char *type_text;
    const char *path;
    const char *bundle_id, *bundle_name;
    const char *short_version;  /* CFBundleShortVersionString */
    const char *comparison_key; /* version_comparison_key, or NULL */
    const char *expected;       /* the entry's string under the key that is compared */
    const char *minimum_update_version;
    const char *md5; /* md5checksum */
};

struct receipt_item { /* 8.5 */
    const char *id, *version, *minimum_os_version;
    bool optional;
};

struct copy_item { /* 6.5 */
    const char *source, *destination_path, *destination_item, *user, *group, *mode;
};

struct bootstrap_item;

struct pkginfo {
    const struct value *raw;                                 /* the dictionary as it stands in the catalog */
    const char *catalog;                                     /* the catalog it came from */
    size_t position;                                         /* its place in that catalog, from 0 */
    const char *name, *version, *display_name, *description; /* display_name NULL when absent */

    enum pkginfo_kind kind;
    const char *type; /* installer_type as written, or NULL */
    const char *location, *hash, *complete_url, *package_url, *package_path;
    const char *uninstaller_location, *uninstaller_hash;
    int64_t size_kb, installed_kb, uninstaller_size_kb; /* -1 when absent */
    bool allow_untrusted, precache;
    const struct value *choices;     /* installer_choices_xml */
    const struct value *environment; /* installer_environment */

    const char *minimum_munki, *minimum_os, *maximum_os, *condition; /* installable_condition */
    const struct value *architectures;

    bool on_demand, unattended_install, unattended_uninstall, uninstallable, autoremove, apple_item_set,
        apple_item;
    const char *installcheck, *uninstallcheck, *version_script;
    const char *preinstall, *postinstall, *preuninstall, *postuninstall, *uninstall_script;
    const char *uninstall_method, *restart_action;
    struct installs_item *installs;
    size_t installs_count;
    struct receipt_item *receipts;
    size_t receipts_count;
    bool has_receipts; /* the key is present, even if empty or malformed */
    struct copy_item *copies;
    size_t copies_count;
    const struct value *blocking; /* blocking_applications, an array of strings (may be empty), or NULL */
    bool quit_script; /* there is a blocking_applications_quit_script (Munki 7.1): nothing runs it */
    const struct value *requires, *update_for; /* arrays of strings, or one string, or NULL */
    bool has_force_date;
    time_t force_date;

    /* Daybreak's extension (docs/daybreak-repo.5) */
    bool critical, session, require_signature, user_approval;
    const char *team_id;
    const struct value *profiles, *urls, *allow_setid; /* arrays of strings or NULL */
    int64_t timeout_s, max_attempts;                   /* 0 when absent */

    /* what it is made from where there is no catalog (manifests/bootstrap.h), or NULL */
    const struct bootstrap_item *bootstrap;
};

/* Decode dict. Fails with ERR_FORMAT naming the key ("installs[2].path: a string is needed, found integer")
 * only where the item cannot be used at all (no name, no version); anything less is read as Munki reads it,
 * and described in *warning (may come back NULL). */
struct pkginfo *pkginfo_decode(struct arena *a, const struct value *dict, const char *catalog,
                               size_t position, const char **warning, struct err *e);

/* What an index of a catalog needs to know of an item, without decoding it, and the keys that say it. */
extern const char *const pkginfo_brief_keys[]; /* NULL at the end */
enum pkginfo_brief_key {                       /* places among them */
                         PKGINFO_BRIEF_NAME,
                         PKGINFO_BRIEF_VERSION,
                         PKGINFO_BRIEF_UPDATE_FOR,
                         PKGINFO_BRIEF_REQUIRES,
                         PKGINFO_BRIEF_AUTOREMOVE,
                         PKGINFO_BRIEF_RECEIPTS
};

struct pkginfo_brief {
    const char *name;               /* NFC */
    const char *spelled;            /* as it is written */
    const char *version;            /* NULL when there is none: such an item is never installed */
    const struct value *update_for; /* array of strings, one string, or NULL */
    const struct value *requires;   /* array of strings or NULL: one string counts for installs only */
    const struct value *receipts;   /* array of dictionaries or NULL */
    bool autoremove;
};

/* dict may be whole or have some of these keys. false: the item has no name and cannot be spoken of; what
 * else there is of it is filled in all the same. */
bool pkginfo_brief(struct arena *a, const struct value *dict, struct pkginfo_brief *out);

/* The package identifier of an entry of receipts that has a version too, else NULL. */
const char *pkginfo_receipt_id(const struct value *receipt);

/* The keys that 7.3 step 9g copies verbatim into managed_installs, NULL at the end. */
extern const char *const pkginfo_copied_keys[];

/* "Firefox-10.0" -> "Firefox", "10.0" (0.4). version is "" when there is none. Both in a. */
void pkginfo_split_reference(struct arena *a, const char *reference, const char **name, const char **version);
#endif
