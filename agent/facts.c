/* Invariant: what is derived (date, os_vers_*, os_build_last_component, machine_type, applications) is put in
 * last and always wins, as in Munki; everything else may be laid over by admin conditions.
 * `date` is true time plus the offset from UTC, so that literals written with Z compare as local clock time.
 * os_build_last_component is an integer where it is one, as documented, else a string ("5264n"). */
#include "agent/facts.h"

#include "agent/hook.h"
#include "agent/machine.h"
#include "agent/plistfile.h"
#include "core/child.h"
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
        {"conditions", VALUE_DICT},
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
            log_info("%s has no system: the Mac is taken for macOS %s, %s, laptop", t->root_path,
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

/* --- condition scripts --------------------------------------------------------------------------------- */

struct scripts {
    struct arena *a;
    const char **names;
    size_t count, room;
};

static bool add_script(void *ctx, const char *name, const struct stat *st)
{
    struct scripts *s = ctx;
    if (name[0] == '.' || !S_ISREG(st->st_mode))
        return true;
    if (s->count == s->room) {
        const char **more = arena_array(s->a, s->room * 2 + 16, sizeof *more);
        if (s->count > 0)
            memcpy(more, s->names, s->count * sizeof *more);
        s->names = more;
        s->room = s->room * 2 + 16;
    }
    s->names[s->count++] = arena_strdup(s->a, name);
    return true;
}

static void condition_line(void *ctx, bool is_stderr, const char *line)
{
    (void)is_stderr;
    log_info("condition %s: %s", (const char *)ctx, line);
}

static void run_conditions(struct arena *a, const struct target *t, struct loop *l, uint64_t timeout_ms)
{
    static const char *const places[] = {"usr/local/daybreak/conditions", "usr/local/munki/conditions"};
    struct scripts s = {.a = a};
    struct err e;
    int dir = -1;
    const char *place = NULL;
    for (size_t i = 0; dir < 0 && i < sizeof places / sizeof places[0]; i++) {
        place = places[i];
        dir = files_dir(t->root, place, false, 0, &e);
        if (dir < 0 && e.kind != ERR_NOT_FOUND)
            log_warn("conditions: /%s: %s", place, e.text);
    }
    if (dir < 0)
        return;
    if (!files_list(dir, "", add_script, &s, &e))
        log_warn("conditions: /%s: %s", place, e.text);
    for (size_t i = 0; i < s.count; i++) {
        char root[LIMIT_PATH + 32];
        struct child_end end;
        if (!hook_allowed(dir, s.names[i], &e)) {
            log_warn("condition %s is not executed: %s", s.names[i], e.text);
            continue;
        }
        snprintf(root, sizeof root, "DAYBREAK_ROOT=%s", t->root_path);
        const char *argv[] = {target_path(a, t, arena_printf(a, "%s/%s", place, s.names[i])), NULL};
        const char *env[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=en_US.UTF-8", root, NULL};
        union {
            const char *name;
            void *ctx;
        } line = {s.names[i]};
        struct child_spec spec = {.argv = argv,
                                  .env = env,
                                  .dir = -1,
                                  .timeout_ms = timeout_ms,
                                  .line = condition_line,
                                  .ctx = line.ctx};
        if (!child_run(l, &spec, &end, &e))
            log_warn("condition %s: %s", s.names[i], e.text);
    }
    close(dir);
}

/* What the scripts left in ConditionalItems.plist, or NULL. Munki's scripts write below its directory. */
static const struct value *read_conditions(struct arena *a, const struct target *t)
{
    static const char name[] = "ConditionalItems.plist";
    struct err e;
    const struct value *v = plistfile_dict(a, t->data, name, LIMIT_PLIST, &e);
    if (v == NULL) {
        if (e.kind != ERR_NOT_FOUND)
            log_warn("conditions: %s", e.text);
        return NULL;
    }
    if (!files_remove(t->data, name, &e))
        log_warn("conditions: %s", e.text);
    return v;
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
    const char *p = f->os_version;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t n = strcspn(p, ".");
        int64_t number = 0;
        (void)text_int(arena_strndup(a, p, n), 0, 100000, &number);
        value_set(a, all, parts[i], value_new_int(a, number));
        p += n + (p[n] == '.');
    }
    const char *last = f->os_build;
    for (const char *c = f->os_build; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            last = c + 1;
    int64_t build;
    value_set(a, all, "os_build_last_component",
              text_int(last, 0, INT64_MAX, &build) ? value_new_int(a, build) : value_new_str(a, last));
    value_set(a, all, "date", value_new_date(a, f->now + (time_t)f->tz_offset_s));
    value_set(a, all, "machine_type", value_new_str(a, f->machine_type));
}

bool facts_complete(struct arena *a, const struct options *o, const struct target *t, struct loop *l,
                    struct detect *d, uint64_t script_ms, struct facts *f, struct err *e)
{
    struct value *all = value_new_dict(a);
    overlay(a, all, f->machine_info);
    if (o->run_scripts && t->data >= 0) {
        if (!files_remove(t->data, "ConditionalItems.plist", e))
            return err_wrap(e, "conditions");
        run_conditions(a, t, l, script_ms);
        overlay(a, all, read_conditions(a, t));
    }
    overlay(a, all, props_dict(f->given, "conditions"));
    derive(a, all, f);
    f->report = value_copy(a, all);
    value_set(a, all, "applications", detect_applications(d, a));
    f->all = all;
    return true;
}
