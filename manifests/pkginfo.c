/* Reads a pkginfo by the rules of Munki 7: a value of another type than the key's reads as absent. The one
 * leniency is for versions: many repositories hold <real>10.15</real> where <string>10.15</string> was meant,
 * and ignoring a minimum_os_version installs the wrong thing, so a number is formatted and said. */
#include "manifests/pkginfo.h"
#include "core/text.h"
#include "manifests/names.h"
#include <math.h>

const char *const pkginfo_copied_keys[] = {"force_install_after_date",
                                           "additional_startosinstall_options",
                                           "allow_untrusted",
                                           "installer_choices_xml",
                                           "installer_environment",
                                           "adobe_install_info",
                                           "RestartAction",
                                           "installer_type",
                                           "adobe_package_name",
                                           "package_path",
                                           "blocking_applications",
                                           "installs",
                                           "requires",
                                           "update_for",
                                           "payloads",
                                           "preinstall_script",
                                           "postinstall_script",
                                           "items_to_copy",
                                           "apple_item",
                                           "category",
                                           "developer",
                                           "icon_name",
                                           "PayloadIdentifier",
                                           "icon_hash",
                                           "OnDemand",
                                           "precache",
                                           "display_name_staged",
                                           "description_staged",
                                           "installed_size_staged",
                                           NULL};

struct decoding {
    struct arena *a;
    const char *warning;
};

static void warn(struct decoding *d, const char *sentence)
{
    d->warning = d->warning ? arena_printf(d->a, "%s; %s", d->warning, sentence) : sentence;
}

static const char *number_text(struct arena *a, const struct value *v)
{
    int64_t i;
    double r;

    if (value_type(v) == VALUE_INT && value_int(v, &i))
        return arena_printf(a, "%lld", (long long)i);
    if (value_type(v) != VALUE_REAL || !value_real(v, &r) || !isfinite(r))
        return NULL;
    if (r == floor(r) && fabs(r) < 1e15)
        return arena_printf(a, "%.1f", r);
    for (int digits = 1; digits <= 17; digits++) {
        const char *text = arena_printf(a, "%.*g", digits, r);
        if (strtod(text, NULL) == r)
            return text;
    }
    return NULL;
}

/* where: "" or "installs[2]." */
static const char *version_str(struct decoding *d, const struct value *dict, const char *where,
                               const char *key)
{
    const struct value *v = value_get(dict, key);

    if (!v || value_str(v))
        return value_str(v);
    const char *text = number_text(d->a, v);
    if (text)
        warn(d, arena_printf(d->a, "%s%s: read as \"%s\": a version is a string, this is a number (%s)",
                             where, key, text, value_type_name(v)));
    else
        warn(d, arena_printf(d->a, "%s%s: ignored: a string is needed, found %s", where, key,
                             value_type_name(v)));
    return text;
}

static const struct value *strings_or_one(const struct value *dict, const char *key)
{
    const struct value *list = props_strings(dict, key);
    if (list)
        return list;
    const struct value *one = value_get(dict, key);
    return value_str(one) ? one : NULL;
}

static int64_t size_kb(const struct value *dict, const char *key)
{
    int64_t kb = props_int(dict, key, -1);
    return kb < 0 ? -1 : kb;
}

const char *const pkginfo_brief_keys[] = {"name",       "version",  "update_for", "requires",
                                          "autoremove", "receipts", NULL};

bool pkginfo_brief(struct arena *a, const struct value *dict, struct pkginfo_brief *out)
{
    struct decoding quiet = {.a = a};

    *out = (struct pkginfo_brief){.spelled = props_str(dict, "name")};
    out->version = version_str(&quiet, dict, "", "version");
    out->update_for = strings_or_one(dict, "update_for");
    out->requires = props_strings(dict, "requires");
    out->receipts = props_dicts(dict, "receipts");
    out->autoremove = props_bool(dict, "autoremove", false);
    if (!out->spelled || !out->spelled[0])
        return false;
    out->name = names_nfc(a, out->spelled);
    return true;
}

const char *pkginfo_receipt_id(const struct value *receipt)
{
    return value_get(receipt, "version") ? props_str(receipt, "packageid") : NULL;
}

static enum pkginfo_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum pkginfo_kind kind;
    } kinds[] = {
        {"pkg_install", KIND_PACKAGE}, {"copy_from_dmg", KIND_COPY}, {"stage_os_installer", KIND_STAGE_OS},
        {"nopkg", KIND_NOPKG},         {"profile", KIND_PROFILE},    {"startosinstall", KIND_STARTOSINSTALL}};

    if (!type)
        return KIND_PACKAGE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].kind;
    return KIND_UNSUPPORTED;
}

static enum installs_type installs_type_of(const char *type)
{
    static const char *const names[] = {[INSTALLS_APPLICATION] = "application",
                                        [INSTALLS_BUNDLE] = "bundle",
                                        [INSTALLS_PLIST] = "plist",
                                        [INSTALLS_FILE] = "file"};

    for (size_t i = 1; type && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], type) == 0)
            return (enum installs_type)i;
    return INSTALLS_BAD;
}

static void decode_installs(struct decoding *d, const struct value *dict, struct pkginfo *p)
{
    const struct value *list = props_dicts(dict, "installs");

    p->installs_count = value_count(list);
    p->installs = arena_array(d->a, p->installs_count, sizeof *p->installs);
    for (size_t i = 0; i < p->installs_count; i++) {
        const struct value *from = value_at(list, i);
        struct installs_item *to = &p->installs[i];
        const char *where = arena_printf(d->a, "installs[%zu].", i);

        to->type_text = props_str(from, "type");
        to->type = installs_type_of(to->type_text);
        to->path = props_str(from, "path");
        to->bundle_id = props_str(from, "CFBundleIdentifier");
        to->bundle_name = props_str(from, "CFBundleName");
        to->short_version = version_str(d, from, where, "CFBundleShortVersionString");
        to->comparison_key = props_str(from, "version_comparison_key");
        to->expected =
            to->comparison_key ? version_str(d, from, where, to->comparison_key) : to->short_version;
        to->minimum_update_version = version_str(d, from, where, "minimum_update_version");
        to->md5 = props_str(from, "md5checksum");
    }
}

static void decode_receipts(struct decoding *d, const struct value *dict, struct pkginfo *p)
{
    const struct value *list = props_dicts(dict, "receipts");

    p->has_receipts = value_get(dict, "receipts") != NULL;
    p->receipts_count = value_count(list);
    p->receipts = arena_array(d->a, p->receipts_count, sizeof *p->receipts);
    for (size_t i = 0; i < p->receipts_count; i++) {
        const struct value *from = value_at(list, i);
        struct receipt_item *to = &p->receipts[i];
        const char *where = arena_printf(d->a, "receipts[%zu].", i);

        to->id = props_str(from, "packageid");
        to->version = version_str(d, from, where, "version");
        to->minimum_os_version = version_str(d, from, where, "minimum_os_version");
        to->optional = props_bool(from, "optional", false);
    }
}

static void decode_copies(struct decoding *d, const struct value *dict, struct pkginfo *p)
{
    const struct value *list = props_dicts(dict, "items_to_copy");

    p->copies_count = value_count(list);
    p->copies = arena_array(d->a, p->copies_count, sizeof *p->copies);
    for (size_t i = 0; i < p->copies_count; i++) {
        const struct value *from = value_at(list, i);
        p->copies[i] = (struct copy_item){.source = props_str(from, "source_item"),
                                          .destination_path = props_str(from, "destination_path"),
                                          .destination_item = props_str(from, "destination_item"),
                                          .user = props_str(from, "user"),
                                          .group = props_str(from, "group"),
                                          .mode = props_str(from, "mode")};
    }
}

static void decode_extension(struct decoding *d, const struct value *dict, struct pkginfo *p)
{
    const struct value *own = props_dict(dict, "daybreak");
    const char *stage = props_str(own, "stage");

    p->critical = props_bool(own, "critical", false);
    p->session = stage && strcmp(stage, "session") == 0;
    if (stage && !p->session && strcmp(stage, "setup") != 0)
        warn(d, arena_printf(d->a, "daybreak.stage: \"%s\" is neither setup nor session", stage));
    p->team_id = props_str(own, "team_id");
    p->require_signature = props_bool(own, "require_signature", false);
    p->user_approval = props_bool(own, "user_approval", false);
    p->profiles = props_strings(own, "profiles");
    p->urls = props_strings(own, "urls");
    p->allow_setid = props_strings(own, "allow_setid");
    p->timeout_s = props_int(own, "timeout", 0);
    p->max_attempts = props_int(own, "max_attempts", 0);
    if (p->timeout_s < 0 || p->max_attempts < 0) {
        warn(d, "daybreak: a negative timeout or max_attempts is ignored");
        p->timeout_s = p->timeout_s < 0 ? 0 : p->timeout_s;
        p->max_attempts = p->max_attempts < 0 ? 0 : p->max_attempts;
    }
    /* What asks for more proof must not vanish because it was mistyped. */
    if (value_get(own, "team_id") && !p->team_id) {
        warn(d, "daybreak.team_id: a string is needed: no package will satisfy it");
        p->team_id = "";
    }
    if (value_get(own, "require_signature") && props_bool(own, "require_signature", true) &&
        !props_bool(own, "require_signature", false)) {
        warn(d, "daybreak.require_signature: a boolean is needed: read as true");
        p->require_signature = true;
    }
}

/* Apple's software, where the pkginfo does not say: what carries an identifier of Apple's. */
static bool looks_like_apple(const struct pkginfo *p)
{
    if (p->kind == KIND_STARTOSINSTALL)
        return true;
    for (size_t i = 0; i < p->receipts_count; i++)
        if (p->receipts[i].id && text_starts(p->receipts[i].id, "com.apple."))
            return true;
    for (size_t i = 0; i < p->installs_count; i++)
        if (p->installs[i].bundle_id && text_starts(p->installs[i].bundle_id, "com.apple."))
            return true;
    return false;
}

static const struct value *environment_of(struct decoding *d, const struct value *dict)
{
    const struct value *env = props_dict(dict, "installer_environment");

    for (size_t i = 0; i < value_count(env); i++)
        if (!value_str(value_at(env, i))) {
            warn(d, arena_printf(
                        d->a, "installer_environment.%s: a string is needed, found %s: all of it is ignored",
                        value_key(env, i), value_type_name(value_at(env, i))));
            return NULL;
        }
    return env;
}

struct pkginfo *pkginfo_decode(struct arena *a, const struct value *dict, const char *catalog,
                               size_t position, const char **warning, struct err *e)
{
    struct decoding d = {.a = a};
    const char *name = props_str(dict, "name");

    *warning = NULL;
    if (!name || !name[0]) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "name: a string is needed, found %s",
                name ? "an empty one" : value_type_name(value_get(dict, "name")));
        return NULL;
    }
    const char *version = version_str(&d, dict, "", "version");
    if (!version) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "version: a string is needed, found %s",
                value_type_name(value_get(dict, "version")));
        return NULL;
    }
    struct pkginfo *p = arena_alloc(a, sizeof *p);
    p->raw = dict;
    p->catalog = catalog;
    p->position = position;
    p->name = names_nfc(a, name);
    p->version = version;
    p->display_name = props_str(dict, "display_name");
    p->description = props_str(dict, "description");

    p->type = props_str(dict, "installer_type");
    p->kind = kind_of(p->type);
    p->location = props_str(dict, "installer_item_location");
    p->hash = props_str(dict, "installer_item_hash");
    p->complete_url = props_str(dict, "PackageCompleteURL");
    p->package_url = props_str(dict, "PackageURL");
    p->package_path = props_str(dict, "package_path");
    p->uninstaller_location = props_str(dict, "uninstaller_item_location");
    p->uninstaller_hash = props_str(dict, "uninstaller_item_hash");
    p->size_kb = size_kb(dict, "installer_item_size");
    p->installed_kb = size_kb(dict, "installed_size");
    p->uninstaller_size_kb = size_kb(dict, "uninstaller_item_size");
    p->allow_untrusted = props_bool(dict, "allow_untrusted", false);
    p->precache = props_bool(dict, "precache", false);
    p->choices = props_dicts(dict, "installer_choices_xml");
    p->environment = environment_of(&d, dict);

    p->minimum_munki = version_str(&d, dict, "", "minimum_munki_version");
    p->minimum_os = version_str(&d, dict, "", "minimum_os_version");
    p->maximum_os = version_str(&d, dict, "", "maximum_os_version");
    p->condition = props_str(dict, "installable_condition");
    p->architectures = props_strings(dict, "supported_architectures");

    p->on_demand = props_bool(dict, "OnDemand", false);
    p->unattended_install =
        props_bool(dict, "unattended_install", false) || props_bool(dict, "forced_install", false);
    p->unattended_uninstall =
        props_bool(dict, "unattended_uninstall", false) || props_bool(dict, "forced_uninstall", false);
    p->uninstallable = props_bool(dict, "uninstallable", false);
    p->autoremove = props_bool(dict, "autoremove", false);
    p->installcheck = props_str(dict, "installcheck_script");
    p->uninstallcheck = props_str(dict, "uninstallcheck_script");
    p->version_script = props_str(dict, "version_script");
    p->preinstall = props_str(dict, "preinstall_script");
    p->postinstall = props_str(dict, "postinstall_script");
    p->preuninstall = props_str(dict, "preuninstall_script");
    p->postuninstall = props_str(dict, "postuninstall_script");
    p->uninstall_script = props_str(dict, "uninstall_script");
    p->uninstall_method = props_str(dict, "uninstall_method");
    p->restart_action = props_str(dict, "RestartAction");
    p->blocking = props_strings(dict, "blocking_applications");
    p->quit_script = props_str(dict, "blocking_applications_quit_script") != NULL;
    p->requires = strings_or_one(dict, "requires");
    p->update_for = strings_or_one(dict, "update_for");
    p->has_force_date = value_date(value_get(dict, "force_install_after_date"), &p->force_date);

    decode_installs(&d, dict, p);
    decode_receipts(&d, dict, p);
    decode_copies(&d, dict, p);
    decode_extension(&d, dict, p);
    p->apple_item_set = value_get(dict, "apple_item") != NULL;
    p->apple_item = props_bool(dict, "apple_item", !p->apple_item_set && looks_like_apple(p));
    *warning = d.warning;
    return p;
}

void pkginfo_split_reference(struct arena *a, const char *reference, const char **name, const char **version)
{
    static const char *const delimiters[] = {"--", "-"};

    for (size_t i = 0; i < 2; i++) {
        size_t width = strlen(delimiters[i]);
        const char *last = NULL;

        /* From the left and without overlap, as a split does: in "a---1" the pieces are "a" and "-1". */
        for (const char *at = reference; (at = strstr(at, delimiters[i])); at += width)
            last = at;
        if (last && last[width] >= '0' && last[width] <= '9') {
            *name = arena_strndup(a, reference, (size_t)(last - reference));
            *version = arena_strdup(a, last + width);
            return;
        }
    }
    *name = reference;
    *version = "";
}
