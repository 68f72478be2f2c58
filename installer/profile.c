/* profile: .mobileconfig files.
 *
 * Surprising: since macOS 11 `profiles` refuses to install and says so with a status that cannot be relied
 * on, so presence is asked again after every change; PayloadContent is a dictionary (or data) when encrypted;
 * ProfileRemovalDisallowed is the string "true" or "false" in the list of profiles; a UTF-8 byte order mark
 * may stand in front. The list's root is an empty dictionary when there is no profile. */
#include "installer/profile.h"
#include "core/child.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/tool.h"
#include "manifests/version.h"
#include <unistd.h>

#define LIST_FILE  "profiles.plist"
#define DEVICE     "_computerlevel"
#define TIMEOUT_MS 60000

/* --- the file ---------------------------------------------------------------------------------------------
 */

static bool need_str(const struct value *dict, const char *key, const char **out, struct err *e)
{
    const struct value *v = value_get(dict, key);
    *out = value_str(v);
    if (*out && **out)
        return true;
    return err_set(e, ERR_FORMAT, CAUSE_PROFILE, "%s: a string is needed, found %s", key,
                   *out ? "an empty one" : value_type_name(v));
}

/* Only its type is needed: profiles without an identifier in a payload are in use, and the system takes them.
 */
static bool check_payload(const struct value *v, size_t i, struct err *e)
{
    static const char *const keys[] = {"PayloadIdentifier", "PayloadUUID"};
    const char *s;

    if (value_type(v) != VALUE_DICT)
        return err_set(e, ERR_FORMAT, CAUSE_PROFILE, "PayloadContent[%zu]: a dictionary is needed, found %s",
                       i, value_type_name(v));
    if (!need_str(v, "PayloadType", &s, e))
        return err_wrap(e, "PayloadContent[%zu]", i);
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (value_get(v, keys[k]) && !need_str(v, keys[k], &s, e))
            return err_wrap(e, "PayloadContent[%zu]", i);
    return true;
}

static void keep_payload(struct profile_payload *p, const struct value *v)
{
    *p = (struct profile_payload){.type = props_str(v, "PayloadType"),
                                  .identifier = props_str(v, "PayloadIdentifier"),
                                  .uuid = props_str(v, "PayloadUUID"),
                                  .display_name = props_str(v, "PayloadDisplayName"),
                                  .version = props_int(v, "PayloadVersion", 1)};
}

static bool decode_dict(struct arena *a, struct profile *pr, const void *p, size_t n, struct err *e)
{
    const char *type;

    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p = (const char *)p + 3;
        n -= 3;
    }
    const struct value *d = props_decode(a, p, n, e);
    if (!d)
        return false;
    if (value_type(d) != VALUE_DICT)
        return err_set(e, ERR_FORMAT, CAUSE_PROFILE, "a dictionary is needed, found %s", value_type_name(d));
    if (!need_str(d, "PayloadType", &type, e) || !need_str(d, "PayloadIdentifier", &pr->identifier, e) ||
        !need_str(d, "PayloadUUID", &pr->uuid, e))
        return false;
    if (strcmp(type, "Configuration") != 0)
        return err_set(e, ERR_FORMAT, CAUSE_PROFILE, "PayloadType is %s, not Configuration", type);

    const struct value *content = value_get(d, "PayloadContent");
    pr->encrypted = props_bool(d, "IsEncrypted", false) || value_get(d, "EncryptedPayloadContent") ||
                    (content && value_type(content) != VALUE_ARRAY);
    if (!content && !pr->encrypted)
        return err_set(e, ERR_FORMAT, CAUSE_PROFILE, "PayloadContent: an array is needed, found nothing");
    if (pr->encrypted && content && value_type(content) != VALUE_DICT && value_type(content) != VALUE_DATA &&
        value_type(content) != VALUE_ARRAY)
        return err_set(e, ERR_FORMAT, CAUSE_PROFILE, "PayloadContent: an array is needed, found %s",
                       value_type_name(content));
    if (!pr->encrypted) {
        pr->payload_count = value_count(content);
        struct profile_payload *payloads = arena_array(a, pr->payload_count + 1, sizeof *payloads);
        for (size_t i = 0; i < pr->payload_count; i++) {
            if (!check_payload(value_at(content, i), i, e))
                return false;
            keep_payload(&payloads[i], value_at(content, i));
        }
        pr->payloads = payloads;
    }
    pr->display_name = props_str(d, "PayloadDisplayName");
    pr->organization = props_str(d, "PayloadOrganization");
    pr->description = props_str(d, "PayloadDescription");
    pr->removal_disallowed = props_bool(d, "PayloadRemovalDisallowed", false);
    pr->version = props_int(d, "PayloadVersion", 1);
    return true;
}

struct profile *profile_decode(struct arena *a, const void *p, size_t n, struct err *e)
{
    struct profile *pr = arena_alloc(a, sizeof *pr);
    const unsigned char *bytes = p;
    char signer[256] = "";
    unsigned char *content = NULL;
    size_t len = 0;

    pr->signer = "";
    if (n > LIMIT_PROFILE) {
        err_set(e, ERR_LIMIT, CAUSE_LIMIT, "longer than %zu bytes", (size_t)LIMIT_PROFILE);
        return NULL;
    }
    if (n == 0 || bytes[0] != 0x30) /* a DER SEQUENCE is the only thing that begins so */
        return decode_dict(a, pr, p, n, e) ? pr : NULL;

    if (!crypto_cms_open(p, n, &content, &len, signer, sizeof signer, &pr->trusted, e)) {
        if (e && e->kind == ERR_TRUST)
            e->cause = CAUSE_SIGNATURE;
        return NULL;
    }
    pr->is_signed = true;
    pr->signer = text_printable(a, signer, strlen(signer));
    bool ok = len <= LIMIT_PROFILE ? decode_dict(a, pr, content, len, e)
                                   : err_set(e, ERR_LIMIT, CAUSE_LIMIT, "its content is too long");
    free(content);
    return ok ? pr : NULL;
}

/* --- what is there ----------------------------------------------------------------------------------------
 */

static bool asks_tool(const struct install_env *env)
{
    return env->live || tool_given(env->tools, TOOL_PROFILES);
}

/* Run `profiles` with argv[1…]; out may be NULL. A non-zero end is told in *end alone. */
static bool run_profiles(const struct install_env *env, const char **argv, struct buf *out,
                         struct child_end *end, struct err *e)
{
    struct arena *a = arena_open();
    struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = TIMEOUT_MS, .out = out};

    argv[0] = tool_path(a, env->tools, TOOL_PROFILES, e);
    bool ok = argv[0] && child_run(env->loop, &spec, end, e);
    arena_free(a);
    return ok || err_wrap(e, "profiles");
}

/* The list, in a; a dictionary, empty when nothing is known. */
static const struct value *list(const struct install_env *env, struct arena *a, struct err *e)
{
    const struct value *v = NULL;
    struct buf b;

    buf_init(&b, LIMIT_PLIST);
    if (asks_tool(env)) {
        const char *argv[] = {NULL, "-C", "-o", "stdout-xml", NULL};
        struct child_end end;
        if (run_profiles(env, argv, &b, &end, e))
            v = tool_plist(a, b.data, b.len, e);
    } else if (!files_read(env->state, LIST_FILE, &b, e)) {
        if (!e || e->kind == ERR_NOT_FOUND)
            v = value_new_dict(a);
    } else {
        v = props_decode(a, b.data, b.len, e);
    }
    buf_release(&b);
    if (v && value_type(v) != VALUE_DICT) {
        err_set(e, ERR_FORMAT, CAUSE_PROFILE, "a dictionary is needed, found %s", value_type_name(v));
        v = NULL;
    }
    if (!v)
        err_wrap(e, "the list of profiles");
    return v;
}

const struct value *profile_list(const struct install_env *env, struct arena *a, struct err *e)
{
    if (!asks_tool(env) && env->state < 0)
        return value_new_array(a); /* nothing ran here yet */
    const struct value *v = list(env, a, e), *device = v ? props_array(v, DEVICE) : NULL;
    return v && !device ? value_new_array(a) : device;
}

static const struct value *find(const struct value *device, const char *identifier)
{
    for (size_t i = 0; i < value_count(device); i++) {
        const char *id = props_str(value_at(device, i), "ProfileIdentifier");
        if (id && strcmp(id, identifier) == 0)
            return value_at(device, i);
    }
    return NULL;
}

bool profile_present(const struct install_env *env, const char *identifier, bool *present, struct err *e)
{
    struct arena *a = arena_open();
    struct err why = {.kind = ERR_NONE};
    const struct value *v = list(env, a, &why);

    *present = v && find(props_array(v, DEVICE), identifier) != NULL;
    arena_free(a);
    if (!v && e) {
        *e = why;
        e->cause = CAUSE_PROFILE;
    }
    return v != NULL;
}

bool profile_installable(const struct install_env *env)
{
    const char *os = props_str(env->facts, "os_vers");
    return os && version_compare(os, "11") < 0;
}

/* --- changes to the list of another target ----------------------------------------------------------------
 */

static void set_text(struct arena *a, struct value *dict, const char *key, const char *text)
{
    if (text)
        value_set(a, dict, key, value_new_str(a, text));
}

static struct value *items_of(struct arena *a, const struct profile *pr)
{
    struct value *items = value_new_array(a);

    for (size_t i = 0; i < pr->payload_count; i++) {
        const struct profile_payload *p = &pr->payloads[i];
        struct value *item = value_new_dict(a);
        set_text(a, item, "PayloadType", p->type);
        set_text(a, item, "PayloadIdentifier", p->identifier);
        set_text(a, item, "PayloadUUID", p->uuid);
        value_set(a, item, "PayloadVersion", value_new_int(a, p->version));
        set_text(a, item, "PayloadDisplayName", p->display_name);
        value_append(a, items, item);
    }
    return items;
}

static struct value *entry_of(struct arena *a, const struct profile *pr)
{
    struct value *entry = value_new_dict(a);
    char utc[32], date[64];
    time_t now;
    int ms;

    os_realtime(&now, &ms);
    text_utc(utc, now, -1); /* YYYY-MM-DDTHH:MM:SSZ */
    snprintf(date, sizeof date, "%.10s %.8s +0000", utc, utc + 11);
    value_set(a, entry, "ProfileIdentifier", value_new_str(a, pr->identifier));
    value_set(a, entry, "ProfileUUID", value_new_str(a, pr->uuid));
    value_set(a, entry, "ProfileType", value_new_str(a, "Configuration"));
    value_set(a, entry, "ProfileVersion", value_new_int(a, pr->version));
    value_set(a, entry, "ProfileDisplayName", value_new_str(a, pr->display_name));
    value_set(a, entry, "ProfileDescription", value_new_str(a, pr->description));
    value_set(a, entry, "ProfileOrganization", value_new_str(a, pr->organization));
    value_set(a, entry, "ProfileInstallDate", value_new_str(a, date));
    value_set(a, entry, "ProfileRemovalDisallowed",
              value_new_str(a, pr->removal_disallowed ? "true" : "false"));
    value_set(a, entry, "ProfileVerificationState",
              value_new_str(a, !pr->is_signed ? "unsigned"
                               : pr->trusted  ? "verified"
                                              : "unverified"));
    value_set(a, entry, "ProfileItems", items_of(a, pr));
    return entry;
}

/* Write the list without identifier, and with entry (or NULL) at its end. */
static bool write_list(const struct install_env *env, struct arena *a, const char *identifier,
                       const struct value *entry, struct err *e)
{
    const struct value *old = list(env, a, e);
    struct buf b;

    if (!old)
        return false;
    const struct value *device = props_array(old, DEVICE);
    struct value *now = value_new_array(a), *all = value_copy(a, old);
    for (size_t i = 0; i < value_count(device); i++) {
        const char *id = props_str(value_at(device, i), "ProfileIdentifier");
        if (!id || strcmp(id, identifier) != 0)
            value_append(a, now, value_at(device, i));
    }
    if (entry)
        value_append(a, now, entry);
    value_set(a, all, DEVICE, now);
    buf_init(&b, LIMIT_PLIST);
    bool ok = props_encode(all, &b, e) &&
              files_replace(env->state, LIST_FILE, b.data, b.len, 0644, FILES_DURABLE, e);
    buf_release(&b);
    return ok || err_wrap(e, LIST_FILE);
}

/* --- install and remove -----------------------------------------------------------------------------------
 */

static bool check_now(const struct install_env *env, const char *identifier, bool wanted,
                      const struct child_end *end, const struct buf *said, struct err *e)
{
    struct arena *a;
    bool present, ok;
    char why[64];

    if (!profile_present(env, identifier, &present, e))
        return false;
    if (present == wanted)
        return true;
    a = arena_open();
    const char *text = text_trim(a, text_printable(a, buf_str(said), said->len));
    ok = err_set(e, ERR_CHILD, CAUSE_PROFILE, "profiles %s and %s is %s%s%.200s",
                 child_end_text(end, why, sizeof why), identifier,
                 wanted ? "not there" : "still there (one that MDM installed only MDM can remove)",
                 *text ? ": " : "", text);
    arena_free(a);
    if (e)
        e->code = end->exit_code;
    return ok;
}

static bool install_old(const struct install_env *env, struct arena *a, const struct profile *pr,
                        const char *path, struct err *e)
{
    const char *argv[] = {NULL, "-I", "-F", path, NULL};
    struct child_end end;
    struct buf out;

    if (!asks_tool(env))
        return write_list(env, a, pr->identifier, entry_of(a, pr), e);
    buf_init(&out, 4 * LIMIT_KB);
    bool ok = run_profiles(env, argv, &out, &end, e) && check_now(env, pr->identifier, true, &end, &out, e);
    buf_release(&out);
    return ok;
}

static bool judge(const struct profile *pr, bool need_trusted, struct install_signature *s, struct err *e)
{
    s->is_signed = pr->is_signed && pr->trusted;
    snprintf(s->status, sizeof s->status, "%s",
             !pr->is_signed ? "unsigned"
             : pr->trusted  ? "signed"
                            : "untrusted");
    if (pr->is_signed)
        snprintf(s->why, sizeof s->why, "signed by %.120s%s", pr->signer,
                 pr->trusted ? "" : ", whose chain is unknown here or has expired");
    else
        snprintf(s->why, sizeof s->why, "unsigned");
    if (need_trusted && !s->is_signed)
        return err_set(e, ERR_TRUST, CAUSE_SIGNATURE, "a trusted signature is asked for, and it is %s",
                       s->why);
    if (pr->is_signed && !pr->trusted)
        log_warn("profile %s is %s", pr->identifier, s->why);
    return true;
}

/* A payload that is refused when a user brings it, or "". What is encrypted cannot be looked into. */
static const char *mdm_only(const struct profile *pr)
{
    static const char *const types[] = {
        "com.apple.TCC.configuration-profile-policy", "com.apple.system-extension-policy",
        "com.apple.syspolicy.kernel-extension-policy", "com.apple.servicemanagement"};
    for (size_t i = 0; i < pr->payload_count; i++)
        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++)
            if (strcmp(pr->payloads[i].type, types[k]) == 0)
                return types[k];
    return pr->encrypted ? "(encrypted)" : "";
}

bool profile_install(const struct install_env *env, int file, const char *path, bool need_trusted,
                     struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    struct profile *pr = NULL;
    bool ok = false, present = false;

    pr = profile_read(env->loop, a, file, e);
    if (!pr) {
        err_wrap(e, "profile %s", text_basename(path));
        goto out;
    }
    if (!judge(pr, need_trusted, &out->signature, e)) {
        err_wrap(e, "profile %s", pr->identifier);
        goto out;
    }
    if (profile_installable(env)) {
        ok = install_old(env, a, pr, path, e) || err_wrap(e, "profile %s", pr->identifier);
        goto out;
    }
    if (!profile_present(env, pr->identifier, &present, e))
        goto out;
    ok = true;
    if (!present) {
        snprintf(out->awaits.identifier, sizeof out->awaits.identifier, "%s", pr->identifier);
        snprintf(out->awaits.uuid, sizeof out->awaits.uuid, "%s", pr->uuid);
        snprintf(out->awaits.mdm_only, sizeof out->awaits.mdm_only, "%s", mdm_only(pr));
        out->end = INSTALL_WAITING;
        snprintf(out->reason, sizeof out->reason,
                 "waiting for MDM to install profile %s: since macOS 11 nobody else can do so silently",
                 pr->identifier);
    }
out:
    arena_free(a);
    return ok;
}

bool profile_remove(const struct install_env *env, const char *identifier, struct err *e)
{
    const char *argv[] = {NULL, "-R", "-p", identifier, NULL};
    struct arena *a = arena_open();
    struct child_end end;
    struct buf out;
    bool present, ok = false;

    buf_init(&out, 4 * LIMIT_KB);
    if (!profile_present(env, identifier, &present, e))
        goto out;
    if (!present)
        ok = true;
    else if (asks_tool(env))
        ok = run_profiles(env, argv, &out, &end, e) && check_now(env, identifier, false, &end, &out, e);
    else if (profile_installable(env))
        ok = write_list(env, a, identifier, NULL, e);
    else
        err_set(e, ERR_REFUSED, CAUSE_PROFILE, "profile %s can only be removed by MDM since macOS 11",
                identifier);
out:
    buf_release(&out);
    arena_free(a);
    return ok;
}
