/* Invariant: what is derived (date, os_vers_*, os_build_last_component, machine_type, applications) is put in
 * last and always wins, as in Munki; everything else may be laid over by admin conditions, and os_vers_* and
 * os_build_last_component are derived from what was laid over.
 * `date` is true time plus the offset from UTC, so that literals written with Z compare as local clock time.
 * os_build_last_component is an integer where it is one, as documented, else a string ("5264n"). */
#include "agent/facts.h"

#include "agent/conditions.h"
#include "agent/machine.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

/* The newest macOS this version knows, for a root that says nothing of itself. */
static const struct machine assumed = {
    .arch = "arm64",
    .darwin_version = "25.1.0",
    .os_version = "26.1",
    .os_build = "25B78",
    .machine_model = "Mac16,1",
    .board_id = "<none>",
    .device_id = "J604AP",
    .product_name = "MacBook Pro (14-inch, 2024)",
    .ibridge = "NO IBRIDGE CHIP",
    .laptop = true,
};

/* --- the facts file ------------------------------------------------------------------------------------ */

static bool check_given(const struct value *given, const char *path, struct err *e)
{
    static const struct {
        const char *key;
        enum value_type type;
    } known[] = {
        {"hostname", VALUE_STRING},       {"arch", VALUE_STRING},
        {"os_vers", VALUE_STRING},        {"os_build_number", VALUE_STRING},
        {"darwin_version", VALUE_STRING}, {"machine_model", VALUE_STRING},
        {"munki_version", VALUE_STRING},  {"ipv4_address", VALUE_ARRAY},
        {"ipv6_address", VALUE_ARRAY},    {"serial_number", VALUE_STRING},
        {"product_name", VALUE_STRING},   {"ibridge_model_name", VALUE_STRING},
        {"board_id", VALUE_STRING},       {"device_id", VALUE_STRING},
        {"machine_type", VALUE_STRING},   {"hardware_uuid", VALUE_STRING},
        {"script_results", VALUE_DICT},   {"date", VALUE_DATE},
        {"tz_offset_seconds", VALUE_INT}, {"available_disk_space_kb", VALUE_INT},
        {"conditions", VALUE_DICT},       {"console_user", VALUE_STRING},
    };
    enum { KNOWN = sizeof known / sizeof known[0] };
    const char *names[KNOWN + 1];
    for (size_t n = 0; n < KNOWN; n++)
        names[n] = known[n].key;
    names[KNOWN] = NULL;
    for (size_t i = 0; i < value_count(given); i++) {
        const char *key = value_key(given, i);
        const struct value *v = value_at(given, i);
        size_t n = 0;
        while (n < KNOWN && strcmp(known[n].key, key) != 0)
            n++;
        if (n == KNOWN) {
            const char *near = options_nearest(key, names);
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--facts %s: unknown key %s%s%s", path, key,
                           near != NULL ? ": did you mean " : "", near != NULL ? near : "");
        }
        if (value_type(v) != known[n].type)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--facts %s: %s: found %s where another type is needed",
                           path, key, value_type_name(v));
    }
    const char *arch = props_str(given, "arch"), *type = props_str(given, "machine_type");
    if (arch != NULL && strcmp(arch, "arm64") != 0 && strcmp(arch, "x86_64") != 0 &&
        strcmp(arch, "i386") != 0)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--facts %s: arch: %s is neither arm64 nor x86_64", path,
                       arch);
    if (type != NULL && strcmp(type, "laptop") != 0 && strcmp(type, "desktop") != 0)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--facts %s: machine_type: %s is neither laptop nor desktop",
                       path, type);
    return true;
}

/* --- loading ------------------------------------------------------------------------------------------- */

static const char *first(const char *a, const char *b, const char *c)
{
    return a != NULL ? a : b != NULL ? b : c;
}

/* Seconds east of UTC at time t, from the offset that local time is written with. */
static long local_offset(time_t t)
{
    char text[32];
    text_local(text, t, -1);
    size_t n = strlen(text);
    int64_t hours, minutes;
    if (n < 6 || text[n - 3] != ':' || (text[n - 6] != '+' && text[n - 6] != '-'))
        return 0;
    text[n - 3] = '\0';
    if (!text_int(text + n - 5, 0, 99, &hours) || !text_int(text + n - 2, 0, 59, &minutes))
        return 0;
    long seconds = (long)(hours * 3600 + minutes * 60);
    return text[n - 6] == '-' ? -seconds : seconds;
}

bool facts_load(struct arena *a, const struct options *o, const struct target *t, struct loop *l,
                struct facts *f, struct err *e)
{
    struct machine m = {0};
    const struct value *g = NULL;
    int64_t n;
    int ms;
    memset(f, 0, sizeof *f);
    if (o->facts != NULL) {
        g = options_plist(a, "facts", o->facts, e);
        if (g == NULL || !check_given(g, o->facts, e))
            return false;
    }
    f->given = g;
    machine_uname(a, &m);
    bool system = machine_system(a, t->root, &m);
    if (t->live) {
        machine_ask(a, l, NULL, &m);
    } else {
        const char *hostname = m.hostname, *version = m.os_version, *build = m.os_build;
        if (os_is_darwin() && props_str(g, "serial_number") == NULL)
            machine_ask(a, l, NULL, &m);
        const char *serial = m.serial;
        m = assumed;
        m.hostname = hostname;
        m.serial = serial;
        if (system) {
            m.os_version = version;
            m.os_build = build;
        } else if (props_str(g, "os_vers") == NULL) {
            log_warn("%s has no system: the Mac is taken for macOS %s, %s, laptop", t->root_path,
                     m.os_version, m.arch);
        }
    }
    f->hostname = first(props_str(g, "hostname"), m.hostname, "");
    f->arch = first(props_str(g, "arch"), m.arch, "arm64");
    f->os_version = first(props_str(g, "os_vers"), m.os_version, assumed.os_version);
    f->os_build = first(props_str(g, "os_build_number"), m.os_build, "");
    f->serial = first(props_str(g, "serial_number"), m.serial, "UNKNOWN");
    f->machine_type = first(props_str(g, "machine_type"), m.laptop ? "laptop" : "desktop", NULL);
    f->machine_model = first(props_str(g, "machine_model"), m.machine_model, "UNKNOWN");
    f->darwin_version = first(props_str(g, "darwin_version"), m.darwin_version, "");
    f->munki_version = first(props_str(g, "munki_version"), FACTS_MUNKI_VERSION, NULL);
    f->product_name = first(props_str(g, "product_name"), m.product_name, "Intel Mac");
    f->hardware_id = first(props_str(g, "hardware_uuid"), m.hardware_id, f->serial);
    f->x86_64_capable = strcmp(f->arch, "x86_64") == 0;
    f->disk_kb = props_int(g, "available_disk_space_kb", -1);
    f->script_results = props_dict(g, "script_results");
    f->console_user = t->live ? NULL : props_str(g, "console_user");
    os_realtime(&f->now, &ms);
    (void)value_date(value_get(g, "date"), &f->now);
    f->tz_offset_s = value_int(value_get(g, "tz_offset_seconds"), &n) ? (long)n : local_offset(f->now);

    struct value *info = value_new_dict(a);
    value_set(a, info, "hostname", value_new_str(a, f->hostname));
    value_set(a, info, "arch", value_new_str(a, f->arch));
    if (f->x86_64_capable)
        value_set(a, info, "x86_64_capable", value_new_bool(a, true));
    value_set(a, info, "os_vers", value_new_str(a, f->os_version));
    value_set(a, info, "os_build_number", value_new_str(a, f->os_build));
    value_set(a, info, "machine_model", value_new_str(a, f->machine_model));
    value_set(a, info, "munki_version", value_new_str(a, f->munki_version));
    const struct value *ipv4 = props_array(g, "ipv4_address"), *ipv6 = props_array(g, "ipv6_address");
    const struct value *none = value_new_array(a);
    value_set(a, info, "ipv4_address", ipv4 != NULL ? ipv4 : m.ipv4 != NULL ? m.ipv4 : none);
    value_set(a, info, "ipv6_address", ipv6 != NULL ? ipv6 : m.ipv6 != NULL ? m.ipv6 : none);
    value_set(a, info, "serial_number", value_new_str(a, f->serial));
    value_set(a, info, "product_name", value_new_str(a, f->product_name));
    value_set(a, info, "ibridge_model_name",
              value_new_str(a, first(props_str(g, "ibridge_model_name"), m.ibridge, "NO IBRIDGE CHIP")));
    value_set(a, info, "board_id", value_new_str(a, first(props_str(g, "board_id"), m.board_id, "<none>")));
    value_set(a, info, "device_id",
              value_new_str(a, first(props_str(g, "device_id"), m.device_id, "<none>")));
    f->machine_info = info;
    return true;
}

bool facts_identity(struct arena *a, const struct options *o, const struct target *t, struct loop *l,
                    struct facts *f, struct err *e)
{
    struct machine m = {0};
    if (!t->live || o->facts != NULL)
        return facts_load(a, o, t, l, f, e);
    machine_identity(a, l, NULL, &m);
    memset(f, 0, sizeof *f);
    f->serial = first(NULL, m.serial, "UNKNOWN");
    f->hardware_id = first(NULL, m.hardware_id, f->serial);
    return true;
}

/* --- the whole ----------------------------------------------------------------------------------------- */

static void overlay(struct arena *a, struct value *all, const struct value *over)
{
    for (size_t i = 0; i < value_count(over); i++)
        value_set(a, all, value_key(over, i), value_at(over, i));
}

static void derive(struct arena *a, struct value *all, const struct facts *f)
{
    static const char *const parts[] = {"os_vers_major", "os_vers_minor", "os_vers_patch"};
    const char *version = props_str(all, "os_vers"), *build = props_str(all, "os_build_number");
    const char *p = first(version, f->os_version, NULL);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t n = strcspn(p, ".");
        int64_t number = 0;
        (void)text_int(arena_strndup(a, p, n), 0, 100000, &number);
        value_set(a, all, parts[i], value_new_int(a, number));
        p += n + (p[n] == '.');
    }
    const char *last = first(build, f->os_build, NULL);
    for (const char *c = last; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            last = c + 1;
    int64_t number;
    value_set(a, all, "os_build_last_component",
              text_int(last, 0, INT64_MAX, &number) ? value_new_int(a, number) : value_new_str(a, last));
    value_set(a, all, "date", value_new_date(a, f->now + (time_t)f->tz_offset_s));
    value_set(a, all, "machine_type", value_new_str(a, f->machine_type));
}

bool facts_complete(struct arena *a, const struct options *o, const struct prefs *p, const struct target *t,
                    struct loop *l, struct detect *d, struct facts *f, struct err *e)
{
    struct value *all = value_new_dict(a);
    overlay(a, all, f->machine_info);
    if (o->run_scripts && t->data >= 0) {
        const struct conditions_place place = {.loop = l,
                                               .target = t,
                                               .munki_dir = p->munki_dir,
                                               .timeout_ms = (uint64_t)p->hook_timeout_s * 1000};
        const struct value *said;
        if (!conditions_run(a, &place, &said, e))
            return err_wrap(e, "conditions");
        overlay(a, all, said);
    }
    overlay(a, all, props_dict(f->given, "conditions"));
    derive(a, all, f);
    f->report = value_copy(a, all);
    value_set(a, all, "applications", detect_applications(d, a));
    f->all = all;
    return true;
}
