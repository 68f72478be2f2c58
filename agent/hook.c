/* hook: the file is looked at through the descriptor of its folder, and started by its path: an interpreter
 * opens it by name again, so that the folder, too, must be root's alone. */
#include "agent/hook.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

#define PLACE "usr/local/daybreak"
enum { ARGS_MAX = 64 };

static bool alone(const struct stat *st, const char *what, struct err *e)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return err_set(e, ERR_REFUSED, CAUSE_SCRIPT, "%s belongs to user %ld: chown root:wheel", what,
                       (long)st->st_uid);
    if ((st->st_mode & 022) != 0)
        return err_set(e, ERR_REFUSED, CAUSE_SCRIPT, "%s can be written by others (mode %04o): chmod go-w",
                       what, (unsigned)(st->st_mode & 07777));
    return true;
}

bool hook_allowed(int dir, const char *name, struct err *e)
{
    struct stat st, folder;
    if (!files_stat(dir, name, &st, e))
        return false;
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_REFUSED, CAUSE_SCRIPT, "it is not a regular file");
    if ((st.st_mode & S_IXUSR) == 0)
        return err_set(e, ERR_REFUSED, CAUSE_SCRIPT, "it is not executable: chmod 755");
    if (fstat(dir, &folder) != 0)
        return err_sys(e, "its folder");
    return alone(&st, "it", e) && alone(&folder, "its folder", e);
}

const char *hook_folder(struct arena *a, const struct target *t)
{
    if (!t->live)
        return PLACE;
    const char *self = os_self(a);
    const char *name = text_basename(self);
    return arena_strndup(a, self, (size_t)(name - self));
}

struct telling {
    const struct hook_env *env;
    const char *what;
};

static void line(void *ctx, bool is_stderr, const char *text)
{
    const struct telling *t = ctx;
    (void)is_stderr;
    log_info("%s: %s", t->what, text);
}

static void started(void *ctx, pid_t pid)
{
    const struct telling *t = ctx;
    if (t->env->started != NULL)
        t->env->started(t->env->ctx, pid, t->what);
}

bool hook_exec(const struct hook_env *env, const char *const *argv, const char *what, int *code,
               struct err *e)
{
    struct telling t = {env, what};
    struct arena *a = arena_open();
    const char *copy[ARGS_MAX + 1], *name, *home = getenv("HOME"), *user = getenv("USER");
    const char *const vars[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin",
                                "LANG=en_US.UTF-8",
                                arena_printf(a, "HOME=%s", home != NULL ? home : "/"),
                                arena_printf(a, "USER=%s", user != NULL ? user : "root"),
                                arena_printf(a, "DAYBREAK_ROOT=%s", env->target->root_path),
                                NULL};
    struct child_end end;
    char text[64];
    bool ok = false;
    size_t n = 0;
    *code = -1;
    int dir = files_parent(env->target->root, argv[0], false, &name, e);
    if (dir < 0 || !hook_allowed(dir, name, e)) {
        err_wrap(e, "%s %s", what, argv[0]);
        goto out;
    }
    for (; argv[n] != NULL; n++) {
        if (n == ARGS_MAX) {
            err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: more than %d arguments", what, ARGS_MAX);
            goto out;
        }
        copy[n] = argv[n];
    }
    copy[n] = NULL;
    copy[0] = target_path(a, env->target, argv[0]);
    struct child_spec spec = {.argv = copy,
                              .env = env->target->live ? NULL : vars,
                              .dir = -1,
                              .timeout_ms = env->timeout_ms,
                              .line = line,
                              .started = started,
                              .ctx = &t};
    if (!child_run(env->loop, &spec, &end, e)) {
        if (e->kind == ERR_TIMEOUT)
            err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "no end after %llu s; it was ended",
                    (unsigned long long)(env->timeout_ms / 1000));
        err_wrap(e, "%s", what);
    } else if (end.signal != 0) {
        err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s: %s", what, child_end_text(&end, text, sizeof text));
        e->code = -end.signal;
    } else {
        *code = end.exit_code;
        ok = true;
    }
out:
    if (dir >= 0)
        close(dir);
    arena_free(a);
    return ok;
}

bool hook_run(const struct hook_env *env, const char *name, const char *run_type, enum hook_end *end,
              int *code, struct err *e)
{
    struct arena *a = arena_open();
    const char *path = arena_printf(a, "/%s/%s", hook_folder(a, env->target), name);
    const char *argv[] = {path, run_type, NULL};
    struct stat st;
    bool ok = true;
    *end = HOOK_ABSENT;
    *code = 0;
    if (!files_stat(env->target->root, path, &st, e)) {
        if (e->kind != ERR_NOT_FOUND) {
            log_warn("%s is not executed: %s", name, e->text);
            *end = HOOK_REFUSED;
        }
    } else if (!env->run_scripts) {
        log_info("%s is not executed: scripts are skipped", name);
        *end = HOOK_SKIPPED;
    } else {
        log_info("%s: %s %s", name, path, run_type);
        ok = hook_exec(env, argv, name, code, e);
        *end = HOOK_RAN;
        if (!ok && (e->kind == ERR_REFUSED || e->kind == ERR_NOT_FOUND)) {
            log_warn("not executed: %s", e->text);
            *end = HOOK_REFUSED;
            ok = true;
        }
    }
    arena_free(a);
    return ok;
}
