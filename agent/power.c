/* power: surprising facts. `caffeinate -u` would make -w useless, and -d would keep the display on for
 * nobody: idle sleep (-i), the disk's (-m) and, on mains alone, all sleep (-s) are what an installation needs
 * held. A closed lid sleeps all the same: the next run goes on from there. */
#include "agent/power.h"
#include "core/child.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/tool.h"

#define HELD_MS ((uint64_t)8 * 86400 * 1000) /* longer than any RunDeadline */
enum { ASK_MS = 10000 };

struct child *power_hold(struct loop *l, const char *tools, bool live)
{
    struct arena *a = arena_open();
    struct child *held = NULL;
    struct err e;
    const char *argv[] = {tool_path_here(a, tools, live, TOOL_CAFFEINATE, &e),
                          "-i",
                          "-m",
                          "-s",
                          "-w",
                          arena_printf(a, "%ld", (long)getpid()),
                          NULL};
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = HELD_MS};
    if (argv[0] != NULL)
        held = child_start(l, &spec, &e);
    if (held == NULL && live)
        log_warn("the Mac is not kept awake: %s", e.text);
    arena_free(a);
    return held;
}

void power_release(struct child *held)
{
    struct child_end end;
    if (held != NULL)
        child_free(held, &end);
}

const char *power_battery_parse(struct arena *a, const char *text)
{
    const char *percent = strchr(text, '%'), *from = percent;
    if (strstr(text, "'Battery Power'") == NULL)
        return NULL;
    while (from != NULL && from > text && from[-1] >= '0' && from[-1] <= '9')
        from--;
    return from == percent ? "" : arena_strndup(a, from, (size_t)(percent - from) + 1);
}

const char *power_battery(struct arena *a, struct loop *l, const char *tools, bool live)
{
    struct child_end end;
    struct buf out;
    struct err e;
    const char *argv[] = {tool_path_here(a, tools, live, TOOL_PMSET, &e), "-g", "batt", NULL};
    const char *charge = NULL;
    if (argv[0] == NULL)
        return NULL;
    buf_init(&out, LIMIT_CHILD_OUTPUT);
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = ASK_MS, .out = &out};
    if (child_run(l, &spec, &end, &e))
        charge = power_battery_parse(a, buf_str(&out));
    else
        log_debug("battery: %s", e.text);
    buf_release(&out);
    return charge;
}
