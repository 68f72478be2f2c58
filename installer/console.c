/* console: surprising facts. The dictionary of the key has Name and UID at its top, and again inside
 * SessionInfo for every session there is: with fast user switching others than the one in front. At the login
 * window the name is "loginwindow" or the key is not there ("No such key"). Setup Assistant runs as
 * _mbsetupuser, 248; people begin at 500. */
#include "installer/console.h"
#include "core/child.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "manifests/props.h"
#include <pwd.h>

#define QUESTION "show State:/Users/ConsoleUser\n"
enum { ASK_MS = 10000, PEOPLE_FROM = 500, SETUP_UID = 248, ARGS_MAX = 32 };

static void take(struct arena *a, char *line, const char **name, int64_t *uid)
{
    char *colon = strstr(line, " : ");
    if (!colon)
        return;
    *colon = '\0';
    if (strcmp(line, "Name") == 0)
        *name = arena_strdup(a, colon + 3);
    else if (strcmp(line, "UID") == 0)
        (void)text_int(colon + 3, 0, UINT32_MAX, uid);
}

void console_parse(struct arena *a, const char *text, struct console *c)
{
    const char *name = NULL;
    int64_t uid = 0;
    unsigned depth = 0;

    *c = (struct console){.state = CONSOLE_NOBODY};
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        char *line = text_trim(a, arena_strndup(a, text, n));
        if (text_ends(line, "{"))
            depth++;
        else if (strcmp(line, "}") == 0 && depth > 0)
            depth--;
        else if (depth == 1)
            take(a, line, &name, &uid);
    }
    if (!name || strcmp(name, "loginwindow") == 0 || strcmp(name, "root") == 0)
        return;
    if (strcmp(name, "_mbsetupuser") == 0 || uid == SETUP_UID)
        c->state = CONSOLE_SETUP;
    else if (uid >= PEOPLE_FROM)
        *c = (struct console){.state = CONSOLE_USER, .name = name, .uid = uid};
}

void console_ask(struct arena *a, struct loop *l, const char *tools, bool live, struct console *c)
{
    struct child_end end;
    struct buf out;
    struct err e;

    *c = (struct console){.state = CONSOLE_UNKNOWN};
    const char *argv[] = {tool_path_here(a, tools, live, TOOL_SCUTIL, &e), NULL};
    if (!live && !argv[0])
        return;
    buf_init(&out, LIMIT_CHILD_OUTPUT);
    struct child_spec spec = {.argv = argv,
                              .dir = -1,
                              .input = QUESTION,
                              .input_len = strlen(QUESTION),
                              .timeout_ms = ASK_MS,
                              .out = &out};
    if (!argv[0] || !child_run(l, &spec, &end, &e))
        log_warn("who is logged in could not be found out: %s", e.text);
    else
        console_parse(a, buf_str(&out), c);
    buf_release(&out);
    if (c->state == CONSOLE_USER) {
        const struct passwd *pw = live ? getpwuid((uid_t)c->uid) : NULL;
        c->home = pw ? arena_strdup(a, pw->pw_dir) : arena_printf(a, "/Users/%s", c->name);
    }
}

const char *const *console_command(struct arena *a, const char *tools, bool live, const struct console *c,
                                   const char *const *argv, struct err *e)
{
    const char **out = arena_array(a, ARGS_MAX + 8, sizeof *out);
    size_t n = 0;

    if (c->state != CONSOLE_USER) {
        err_set(e, ERR_REFUSED, CAUSE_NONE, "nobody is logged in");
        return NULL;
    }
    out[n++] = tool_path_here(a, tools, live, TOOL_LAUNCHCTL, e);
    out[n++] = "asuser";
    out[n++] = arena_printf(a, "%lld", (long long)c->uid);
    /* asuser changes the session (Mach bootstrap), not the user: that is sudo's part */
    out[n++] = tool_path_here(a, tools, live, TOOL_SUDO, e);
    out[n++] = "-u";
    out[n++] = c->name;
    out[n++] = "-H";
    if (!out[0] || !out[3])
        return NULL;
    for (size_t i = 0; argv[i] && i < ARGS_MAX; i++)
        out[n++] = argv[i];
    out[n] = NULL;
    return out;
}
