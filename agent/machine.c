/* Surprising facts: ioreg -a answers with one dictionary for a class and an array for -r; strings of the
 * device tree come as data with a NUL at their end; under Rosetta uname says x86_64 and only the kernel's
 * version string says ARM64. */
#include "agent/machine.h"

#include "agent/plistfile.h"
#include "core/child.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

enum { ASK_MS = 30000 };

/* The table of tools that are asked. */
static const char *const ask_model[] = {"/usr/sbin/sysctl", "-n", "hw.model", NULL};
static const char *const ask_expert[] = {"/usr/sbin/ioreg",        "-a", "-r", "-d", "1", "-c",
                                         "IOPlatformExpertDevice", NULL};
static const char *const ask_product[] = {"/usr/sbin/ioreg", "-a", "-r", "-d", "1", "-n", "product", NULL};
static const char *const ask_battery[] = {"/usr/sbin/ioreg",   "-a", "-r", "-d", "1", "-c",
                                          "AppleSmartBattery", NULL};
static const char *const ask_network[] = {"/usr/sbin/system_profiler", "-xml", "SPNetworkDataType", NULL};
static const char *const ask_bridge[] = {"/usr/sbin/system_profiler", "-xml", "SPiBridgeDataType", NULL};

static bool ask(struct arena *a, struct loop *l, const char *tools, const char *const *argv, struct buf *out)
{
    enum { ARGS_MAX = 12 };
    const char *copy[ARGS_MAX];
    struct err e;
    struct child_end end;
    size_t n = 0;
    for (; argv[n] != NULL && n + 1 < ARGS_MAX; n++)
        copy[n] = argv[n];
    copy[n] = NULL;
    if (tools != NULL)
        copy[0] = arena_printf(a, "%s/%s", tools, text_basename(argv[0]));
    struct child_spec spec = {.argv = copy, .dir = -1, .timeout_ms = ASK_MS, .out = out};
    if (!child_run(l, &spec, &end, &e)) {
        log_warn("facts: %s: %s", copy[0], e.text);
        return false;
    }
    if (end.exit_code != 0) {
        char text[64];
        log_warn("facts: %s %s", copy[0], child_end_text(&end, text, sizeof text));
        return false;
    }
    return true;
}

/* The first dictionary of what a tool answered; NULL when it has none. */
static const struct value *ask_dict(struct arena *a, struct loop *l, const char *tools,
                                    const char *const *argv)
{
    struct err e;
    struct buf out;
    const struct value *v = NULL;
    buf_init(&out, LIMIT_CHILD_OUTPUT);
    if (ask(a, l, tools, argv, &out) && out.len > 0) {
        v = props_decode(a, out.data, out.len, &e);
        if (v == NULL)
            log_warn("facts: %s: %s", argv[0], e.text);
        else if (value_type(v) == VALUE_ARRAY)
            v = value_count(v) > 0 ? value_at(v, 0) : NULL;
    }
    buf_release(&out);
    return v;
}

/* A string, or data that holds one. */
static const char *tree_string(struct arena *a, const struct value *dict, const char *key)
{
    const struct value *v = value_get(dict, key);
    if (value_str(v) != NULL)
        return value_str(v);
    size_t n = 0;
    const char *p = value_data(v, &n);
    if (p == NULL)
        return NULL;
    while (n > 0 && p[n - 1] == '\0')
        n--;
    return n > 0 && text_utf8_valid(p, n) && memchr(p, '\0', n) == NULL ? arena_strndup(a, p, n) : NULL;
}

void machine_uname(struct arena *a, struct machine *m)
{
    struct os_uname u;
    os_uname_get(&u);
    bool rosetta = strcmp(u.machine, "x86_64") == 0 && strstr(u.version, "ARM64") != NULL;
    m->hostname = arena_strdup(a, u.node);
    m->arch = arena_strdup(a, rosetta ? "arm64" : u.machine);
    m->darwin_version = arena_strdup(a, u.release);
}

bool machine_system(struct arena *a, int root, struct machine *m)
{
    struct err e;
    const struct value *v =
        plistfile_dict(a, root, "System/Library/CoreServices/SystemVersion.plist", LIMIT_MB, &e);
    const char *version = props_str(v, "ProductVersion");
    if (version == NULL) {
        if (v != NULL || e.kind != ERR_NOT_FOUND)
            log_warn("facts: %s", v == NULL ? e.text : "SystemVersion.plist has no ProductVersion");
        return false;
    }
    size_t n = strlen(version);
    bool zero = text_ends(version, ".0") && strchr(version, '.') != version + n - 2;
    m->os_version = arena_strndup(a, version, zero ? n - 2 : n);
    m->os_build = props_str(v, "ProductBuildVersion");
    return true;
}

static const struct value *addresses(struct arena *a, const struct value *report, const char *family)
{
    struct value *all = value_new_array(a);
    const struct value *items = props_array(report, "_items");
    for (size_t i = 0; i < value_count(items); i++) {
        const struct value *list = props_array(props_dict(value_at(items, i), family), "Addresses");
        for (size_t n = 0; n < value_count(list); n++)
            if (value_str(value_at(list, n)) != NULL)
                value_append(a, all, value_at(list, n));
    }
    return all;
}

static const struct value *identify(struct arena *a, struct loop *l, const char *tools, struct machine *m)
{
    const struct value *expert = ask_dict(a, l, tools, ask_expert);
    m->serial = tree_string(a, expert, "IOPlatformSerialNumber");
    m->hardware_id = tree_string(a, expert, "IOPlatformUUID");
    return expert;
}

void machine_identity(struct arena *a, struct loop *l, const char *tools, struct machine *m)
{
    (void)identify(a, l, tools, m);
}

void machine_ask(struct arena *a, struct loop *l, const char *tools, struct machine *m)
{
    struct buf out;
    buf_init(&out, LIMIT_CHILD_LINE);
    if (ask(a, l, tools, ask_model, &out) && out.len > 0)
        m->machine_model = text_trim(a, buf_str(&out));
    buf_release(&out);

    const struct value *expert = identify(a, l, tools, m);
    m->board_id = tree_string(a, expert, "board-id");
    m->device_id = tree_string(a, expert, "target-sub-type");
    m->product_name = tree_string(a, ask_dict(a, l, tools, ask_product), "product-name");
    m->laptop = props_bool(ask_dict(a, l, tools, ask_battery), "BatteryInstalled", false);
    m->battery_known = true;

    const struct value *network = ask_dict(a, l, tools, ask_network);
    m->ipv4 = addresses(a, network, "IPv4");
    m->ipv6 = addresses(a, network, "IPv6");
    const struct value *bridges = props_array(ask_dict(a, l, tools, ask_bridge), "_items");
    m->ibridge = value_count(bridges) > 0 ? props_str(value_at(bridges, 0), "ibridge_model_name") : NULL;
}
