/* system: /usr/sbin/installer.
 *
 * The stream of -verboseR is lines that begin with "installer:", then "PHASE:", "STATUS:" (often empty), "%"
 * and a number with six decimals, or text after a blank. The phase is repeated before every percent line and
 * percentages may fall. With -plist some systems print warnings around the property list. */
#include "installer/system.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/console.h"
#include "installer/tool.h"
#include <sys/stat.h>
#include <unistd.h>

#define CHOICES_FILE     "choices.xml"
#define QUERY_TIMEOUT_MS 120000
#define ENVIRONMENT_MAX  64

void system_progress_init(struct system_progress *sp)
{
    memset(sp, 0, sizeof *sp);
    sp->percent = -1;
}

static bool after(const char **s, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(*s, prefix, n) != 0)
        return false;
    *s += n;
    return true;
}

enum system_said system_progress_line(struct system_progress *sp, const char *line)
{
    const char *s = line;

    if (strcmp(line, sp->last) == 0)
        return SYSTEM_NOTHING;
    snprintf(sp->last, sizeof sp->last, "%s", line);
    if (!after(&s, "installer:")) {
        snprintf(sp->text, sizeof sp->text, "%s", line);
        return SYSTEM_TEXT;
    }
    if (after(&s, "PHASE:") || after(&s, "STATUS:")) {
        while (*s == ' ')
            s++;
        snprintf(sp->text, sizeof sp->text, "%s", s);
        if (!*s || strcmp(s, sp->phase) == 0)
            return SYSTEM_NOTHING;
        snprintf(sp->phase, sizeof sp->phase, "%s", s);
        return SYSTEM_PHASE;
    }
    if (*s == '%') {
        char *end;
        double percent = strtod(s + 1, &end);
        if (end == s + 1 || !(percent >= 0 && percent <= 100) || (int)percent <= sp->percent)
            return SYSTEM_NOTHING;
        sp->percent = (int)percent;
        return SYSTEM_PERCENT;
    }
    while (*s == ' ')
        s++;
    snprintf(sp->text, sizeof sp->text, "%s", s);
    if (text_starts(s, "Error") || text_starts(s, "Cannot install") || text_starts(s, "The install failed") ||
        text_starts(s, "The upgrade failed") || text_starts(s, "Certificate used to sign")) {
        if (!*sp->error)
            snprintf(sp->error, sizeof sp->error, "%s", s);
        return SYSTEM_ERROR;
    }
    return SYSTEM_TEXT;
}

/* The fixed environment and what the pkginfo adds to it. */
static const char *const *environment(const struct install_env *where, struct arena *a,
                                      const struct value *extra)
{
    const char **env = arena_array(a, ENVIRONMENT_MAX + 6, sizeof *env);
    const char *user = "root", *home = "/var/root";
    struct console front;
    size_t n = 0;

    env[n++] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
    env[n++] = "LANG=en_US.UTF-8";
    for (size_t i = 0; i < value_count(extra) && i < ENVIRONMENT_MAX; i++) {
        const char *key = value_key(extra, i), *value = value_str(value_at(extra, i));
        if (!key || !value || !*key || strchr(key, '='))
            continue;
        if (strcmp(key, "USER") == 0 && strcmp(value, "CURRENT_CONSOLE_USER") == 0) {
            console_ask(a, where->loop, where->tools, where->live, &front);
            user = front.state == CONSOLE_USER ? front.name : "root";
            home = front.state == CONSOLE_USER ? front.home : "/var/root";
        } else if (strcmp(key, "USER") == 0)
            user = value;
        else if (strcmp(key, "HOME") == 0)
            home = value;
        else
            env[n++] = arena_printf(a, "%s=%s", key, value);
    }
    env[n++] = arena_printf(a, "USER=%s", user);
    env[n] = arena_printf(a, "HOME=%s", home);
    return env;
}

struct session {
    const struct install_env *env;
    struct system_progress progress;
};

static void installer_line(void *ctx, bool is_stderr, const char *line)
{
    struct session *s = ctx;
    (void)is_stderr;

    switch (system_progress_line(&s->progress, line)) {
    case SYSTEM_PHASE:
        log_info("installer: %s", s->progress.phase);
        break;
    case SYSTEM_ERROR:
    case SYSTEM_TEXT:
        log_info("installer: %s", s->progress.text);
        return;
    case SYSTEM_PERCENT:
        break;
    case SYSTEM_NOTHING:
        return;
    }
    if (s->env->progress)
        s->env->progress(s->env->ctx, s->progress.percent, s->progress.phase);
}

static void installer_started(void *ctx, pid_t pid)
{
    const struct session *s = ctx;
    if (s->env->child_started)
        s->env->child_started(s->env->ctx, pid, "installer");
}

/* Does the package ask for a restart? A query that fails is a warning: the install itself decides. */
static bool asks_restart(const struct install_env *env, struct arena *a, const char *tool, const char *path,
                         const struct system_options *o)
{
    const char *argv[] = {tool, "-query", "RestartAction", "-pkg", path, "-plist", NULL, NULL};
    struct buf out;
    struct child_end end;
    struct err e;
    const struct value *v = NULL;

    if (o->allow_untrusted)
        argv[6] = "-allowUntrusted";
    buf_init(&out, LIMIT_CHILD_OUTPUT);
    struct child_spec spec = {.argv = argv,
                              .env = environment(env, a, o->environment),
                              .dir = -1,
                              .timeout_ms = QUERY_TIMEOUT_MS,
                              .out = &out};
    if (!child_run(env->loop, &spec, &end, &e) || !(v = tool_plist(a, out.data, out.len, &e)))
        log_warn("%s: whether it asks for a restart could not be found out: %s", text_basename(path), e.text);
    buf_release(&out);
    const char *action = props_str(v, "RestartAction");
    return action && (strcmp(action, "RequireRestart") == 0 || strcmp(action, "RecommendRestart") == 0);
}

static bool run_installer(const struct install_env *env, struct arena *a, const char *tool, const char *path,
                          const char *choices, const struct system_options *o, struct install_outcome *out,
                          struct err *e)
{
    const char *argv[10] = {tool, "-verboseR", "-pkg", path, "-target", "/"};
    struct session s = {.env = env};
    struct child_end end;
    char why[64];
    size_t n = 6;

    if (choices) {
        argv[n++] = "-applyChoiceChangesXML";
        argv[n++] = choices;
    }
    if (o->allow_untrusted)
        argv[n] = "-allowUntrusted";
    system_progress_init(&s.progress);
    struct child_spec spec = {
        .argv = argv,
        .env = environment(env, a, o->environment),
        .dir = -1,
        .timeout_ms = o->timeout_ms,
        .line = installer_line,
        .started = installer_started,
        .ctx = &s,
    };
    out->code = -1;
    if (!child_run(env->loop, &spec, &end, e)) {
        if (e && e->kind == ERR_CHILD)
            e->cause = CAUSE_INSTALLER;
        return err_wrap(e, "installer");
    }
    out->code = end.signal ? -end.signal : end.exit_code;
    if (end.exit_code == 0 && !end.signal)
        return true;
    child_end_text(&end, why, sizeof why);
    err_set(e, ERR_CHILD, CAUSE_INSTALLER, "installer %s%s%s", why, *s.progress.error ? ": " : "",
            s.progress.error);
    if (e)
        e->code = out->code;
    return false;
}

bool system_install(const struct install_env *env, const char *path, const struct system_options *o,
                    struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    const char *choices = NULL;
    char folder[256] = "";
    struct err ignored;
    struct buf b;
    int dir = -1;
    bool ok = false;

    buf_init(&b, LIMIT_MB);
    out->code = -1;
    const char *tool = tool_path(a, env->tools, TOOL_INSTALLER, e);
    if (!tool)
        goto out;
    if (o->choices) {
        dir = files_temp_dir(env->root, INSTALL_STATE, "choices-", folder, sizeof folder, e);
        if (dir < 0 || !props_encode(o->choices, &b, e) ||
            !files_replace(dir, CHOICES_FILE, b.data, b.len, 0600, FILES_LAZY, e)) {
            err_wrap(e, "installer_choices_xml");
            goto out;
        }
        choices = arena_printf(a, "%s/%s/%s", env->root_path, folder, CHOICES_FILE);
    }
    bool restart = asks_restart(env, a, tool, path, o);
    ok = run_installer(env, a, tool, path, choices, o, out, e);
    out->restart = ok && (out->restart || restart);
out:
    if (dir >= 0)
        close(dir);
    if (*folder && !files_remove(env->root, folder, &ignored))
        log_warn("%s could not be removed: %s", folder, ignored.text);
    buf_release(&b);
    arena_free(a);
    return ok;
}
