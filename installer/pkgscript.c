/* The script is executed by its path, as its interpreter opens it by name again; every folder above it is
 * root's or ours, and the last one 0700. Which variables there are is known from what Apple's installer hands
 * to scripts; DSTROOT and $2, DSTVOLUME and $3 are the same. */
#include "installer/pkgscript.h"
#include "core/child.h"
#include "core/files.h"
#include "core/log.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVIRONMENT_MAX 128

struct running {
    const struct pkgscript *s;
};

static void line(void *ctx, bool is_stderr, const char *text)
{
    const struct pkgscript *s = ((struct running *)ctx)->s;
    (void)is_stderr;
    log_info("%s: %s: %s", s->identifier, s->kind, text);
}

static void started(void *ctx, pid_t pid)
{
    const struct pkgscript *s = ((struct running *)ctx)->s;
    if (s->env->child_started != NULL)
        s->env->child_started(s->env->ctx, pid, s->kind);
}

/* Is the variable of entry ("NAME=…") among the added ones? */
static bool replaced(const struct pkgscript *s, const char *entry)
{
    size_t n = strcspn(entry, "=") + 1;
    for (size_t i = 0; s->environment != NULL && s->environment[i] != NULL; i++)
        if (strncmp(s->environment[i], entry, n) == 0)
            return true;
    return false;
}

static const char *const *environment(const struct pkgscript *s, struct arena *a, const char *package,
                                      const char *destination)
{
    const char *ours[] = {
        "PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/libexec",
        "LANG=en_US.UTF-8",
        "SHELL=/bin/sh",
        "USER=root",
        "LOGNAME=root",
        "HOME=/var/root",
        "COMMAND_LINE_INSTALL=1",
        arena_printf(a, "PACKAGE_PATH=%s", package),
        arena_printf(a, "SCRIPT_NAME=%s", s->kind),
        arena_printf(a, "DSTROOT=%s", destination),
        arena_printf(a, "DSTVOLUME=%s", s->env->root_path),
        arena_printf(a, "INSTALLER_TEMP=%s", s->temp_path),
        arena_printf(a, "INSTALLER_SECURE_TEMP=%s", s->temp_path),
        arena_printf(a, "SHARED_INSTALLER_TEMP=%s", s->temp_path),
        arena_printf(a, "TMPDIR=%s", s->temp_path),
        arena_printf(a, "INSTALLER_PAYLOAD_DIR=%s", s->payload_path),
        arena_printf(a, "INSTALL_PKG_SESSION_ID=%s", s->identifier),
    };
    size_t n = 0, count = sizeof ours / sizeof *ours;
    const char **env = arena_array(a, ENVIRONMENT_MAX + 1, sizeof *env);
    for (size_t i = 0; i < count; i++)
        if (!replaced(s, ours[i]))
            env[n++] = ours[i];
    for (size_t i = 0; s->environment != NULL && s->environment[i] != NULL && n < ENVIRONMENT_MAX; i++)
        env[n++] = s->environment[i];
    return env;
}

static bool failed(const struct pkgscript *s, const struct child_end *end, int *code, struct err *e)
{
    char how[64];
    *code = end->signal != 0 ? -end->signal : end->exit_code;
    err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s: the %s script %s", s->identifier, s->kind,
            child_end_text(end, how, sizeof how));
    e->code = *code;
    return false;
}

bool pkgscript_run(const struct pkgscript *s, int *code, struct err *e)
{
    struct arena *a = arena_open();
    struct child_end end = {.started = false};
    struct running r = {.s = s};
    struct stat st;
    const char *root = s->env->root_path;
    bool whole = strcmp(root, "/") == 0;
    const char *destination =
        strcmp(s->location, "/") == 0 ? root : arena_printf(a, "%s%s", whole ? "" : root, s->location);
    const char *package = arena_printf(a, "%s/%s", s->env->cache_path, s->package);
    const char *argv[] = {
        arena_printf(a, "%s/%s", s->folder_path, s->file), package, destination, root, "/", NULL};
    struct child_spec spec = {.argv = argv,
                              .env = environment(s, a, package, destination),
                              .dir = s->folder,
                              .timeout_ms = (s->timeout_s > 0 ? s->timeout_s : PKGSCRIPT_TIMEOUT_S) * 1000,
                              .line = line,
                              .started = started,
                              .ctx = &r};
    bool ok = false;
    *code = -1000;
    if (!files_stat(s->folder, s->file, &st, e) || !S_ISREG(st.st_mode)) {
        err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "%s: the %s script is no file in the package", s->identifier,
                s->kind);
    } else if (!child_run(s->env->loop, &spec, &end, e)) {
        if (e->kind != ERR_STOPPED)
            e->cause = e->kind == ERR_TIMEOUT ? CAUSE_TIMEOUT : CAUSE_SCRIPT;
        err_wrap(e, "%s: the %s script", s->identifier, s->kind);
    } else {
        ok = end.exit_code == 0;
        *code = 0;
        if (!ok)
            failed(s, &end, code, e);
    }
    arena_free(a);
    return ok;
}
