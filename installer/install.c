/* install: one item, start to finish.
 *
 * preinstall_script, payload, postinstall_script, in this order. A preinstall that exits other than 0 keeps
 * the payload off with that code; a postinstall that does so is a warning, since the payload is there. A
 * script that could not run at all fails the item either way. */
#include "installer/install.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/bootitem.h"
#include "installer/copy.h"
#include "installer/flatpkg.h"
#include "installer/image.h"
#include "installer/package.h"
#include "installer/profile.h"
#include "installer/remove.h"
#include "installer/script.h"
#include "installer/worker.h"
#include "manifests/bootstrap.h"
#include <unistd.h>

#define STEP_TIMEOUT_S 3600

static uint64_t step_timeout(const struct install_env *env, const struct pkginfo *p)
{
    if (p->timeout_s > 0)
        return (uint64_t)p->timeout_s * 1000;
    return env->item_timeout_ms > 0 ? env->item_timeout_ms : STEP_TIMEOUT_S * (uint64_t)1000;
}

static const char *cache_file(const struct install_env *env, struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", env->cache_path, name);
}

/* --- the kinds --------------------------------------------------------------------------------------------
 */

static struct package_job job_of(const struct install_env *env, const struct pkginfo *p, int file,
                                 const char *name)
{
    return (struct package_job){
        .file = file,
        .name = name,
        .proved = p->hash != NULL,
        .allow_untrusted = p->allow_untrusted,
        .require_signature = p->require_signature,
        .team_id = p->team_id,
        .inside = p->package_path,
        .choices = p->choices,
        .environment = p->environment,
        .allow_setid = p->allow_setid,
        .timeout_ms = step_timeout(env, p),
    };
}

static bool package_payload(const struct install_env *env, const struct pkginfo *p, int file,
                            const char *name, struct install_outcome *out, struct err *e)
{
    const struct package_job job = job_of(env, p, file, name);
    return package_install(env, &job, out, e);
}

static bool copy_payload(const struct install_env *env, const struct pkginfo *p, int file, const char *name,
                         struct install_outcome *out, struct err *e)
{
    struct arena *a;
    struct image im;

    if (p->copies_count == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy is missing or malformed");
    a = arena_open();
    bool ok = image_open(env, file, cache_file(env, a, name), &im, e) &&
              copy_items(env, &im, p->copies, p->copies_count, out, e);
    image_close(env, &im);
    arena_free(a);
    return ok;
}

static bool no_payload(const struct install_env *env, const struct pkginfo *p, int file, const char *name,
                       struct install_outcome *out, struct err *e)
{
    (void)env;
    (void)p;
    (void)file;
    (void)name;
    (void)out;
    (void)e;
    return true;
}

static bool profile_payload(const struct install_env *env, const struct pkginfo *p, int file,
                            const char *name, struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    bool need_trusted = p->require_signature || (!p->hash && !p->allow_untrusted);
    bool ok = profile_install(env, file, cache_file(env, a, name), need_trusted, out, e);
    arena_free(a);
    return ok;
}

static bool script_payload(const struct install_env *env, const struct pkginfo *p, int file, const char *name,
                           struct install_outcome *out, struct err *e)
{
    (void)name;
    return bootitem_script(env, p, file, out, e);
}

static bool file_payload(const struct install_env *env, const struct pkginfo *p, int file, const char *name,
                         struct install_outcome *out, struct err *e)
{
    (void)name;
    (void)out;
    return bootitem_file(env, p, file, e);
}

struct kind {
    bool file; /* something is downloaded for it */
    bool (*payload)(const struct install_env *env, const struct pkginfo *p, int file, const char *name,
                    struct install_outcome *out, struct err *e);
};

static const struct kind kinds[] = {
    [KIND_PACKAGE] = {true, package_payload}, [KIND_COPY] = {true, copy_payload},
    [KIND_STAGE_OS] = {true, copy_payload},   [KIND_NOPKG] = {false, no_payload},
    [KIND_PROFILE] = {true, profile_payload}, [KIND_STARTOSINSTALL] = {true, NULL},
    [KIND_SCRIPT] = {false, script_payload},  [KIND_FILE] = {true, file_payload},
    [KIND_UNSUPPORTED] = {true, NULL},
};

/* --- scripts around it ------------------------------------------------------------------------------------
 */

/* Run one, or note that it was not run. *code: what it exited with. */
static bool around(const struct install_env *env, const struct pkginfo *p, const char *key, const char *text,
                   struct install_outcome *out, int *code, struct err *e)
{
    struct script_place where;

    *code = 0;
    if (!text)
        return true;
    if (!env->run_scripts) {
        out->scripts_skipped = true;
        return true;
    }
    script_place_from(&where, env, step_timeout(env, p));
    return script_run(&where, key, text, NULL, code, e);
}

static bool before(const struct install_env *env, const struct pkginfo *p, const char *step, const char *key,
                   const char *text, struct install_outcome *out, struct err *e)
{
    snprintf(out->step, sizeof out->step, "%s", step);
    if (!around(env, p, key, text, out, &out->code, e))
        return false;
    if (out->code == 0)
        return true;
    err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s exited with %d", key, out->code);
    if (e)
        e->code = out->code;
    return false;
}

static bool afterwards(const struct install_env *env, const struct pkginfo *p, const char *step,
                       const char *key, const char *text, struct install_outcome *out, struct err *e)
{
    int code;

    snprintf(out->step, sizeof out->step, "%s", step);
    if (!around(env, p, key, text, out, &code, e)) {
        out->code = -1;
        return false;
    }
    if (code != 0) {
        size_t n = strlen(out->reason);
        log_warn("%s exited with %d", key, code);
        snprintf(out->reason + n, sizeof out->reason - n, "%s%s exited with %d", n ? "; " : "", key, code);
    }
    return true;
}

/* --- gates ------------------------------------------------------------------------------------------------
 */

/* True: open, or *e says why it cannot be told (out->end is INSTALL_OK then and false is returned). */
static bool profiles_there(const struct install_env *env, const struct pkginfo *p,
                           struct install_outcome *out, struct err *e)
{
    bool present;

    for (size_t i = 0; i < value_count(p->profiles); i++) {
        const char *id = value_str(value_at(p->profiles, i));
        if (!id)
            continue;
        if (!profile_present(env, id, &present, e))
            return false;
        if (!present) {
            out->end = INSTALL_WAITING;
            snprintf(out->reason, sizeof out->reason, "waiting for profile %s", id);
            return true;
        }
    }
    return true;
}

static bool may_install(const struct pkginfo *p, int file, struct install_outcome *out, struct err *e)
{
    out->code = -99;
    if (p->bootstrap && p->bootstrap->refusal)
        return err_set(e, ERR_REFUSED, p->bootstrap->refusal_cause, "%s", p->bootstrap->refusal);
    if (!kinds[p->kind].payload)
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "installer_type %s is not supported",
                       p->type ? p->type : "startosinstall");
    if (kinds[p->kind].file && file < 0)
        return err_set(e, ERR_NOT_FOUND, CAUSE_INSTALLER, "its installer item is not in the cache");
    if (kinds[p->kind].file && p->kind != KIND_PACKAGE &&
        (p->team_id || (p->require_signature && p->kind != KIND_PROFILE)))
        return err_set(e, ERR_TRUST, CAUSE_SIGNATURE,
                       "%s asks for a signed package, and installer_type %s brings none",
                       p->team_id ? "team_id" : "require_signature", p->type ? p->type : "");
    out->code = 0;
    return true;
}

static bool asks_restart(const struct pkginfo *p)
{
    static const char *const asks[] = {"RequireRestart", "RecommendRestart", "RequireShutdown"};
    for (size_t i = 0; p->restart_action && i < sizeof asks / sizeof asks[0]; i++)
        if (strcmp(p->restart_action, asks[i]) == 0)
            return true;
    return false;
}

static bool finish(bool ok, struct install_outcome *out)
{
    if (!ok && out->code == 0)
        out->code = -1;
    if (ok)
        out->step[0] = '\0';
    return ok;
}

/* --- the two that the run calls ---------------------------------------------------------------------------
 */

bool install_item(const struct install_env *env, const struct pkginfo *p, int package,
                  const char *package_name, struct install_outcome *out, struct err *e)
{
    const struct kind *kind = &kinds[p->kind];

    memset(out, 0, sizeof *out);
    snprintf(out->step, sizeof out->step, "install");
    if (!may_install(p, package, out, e) || !profiles_there(env, p, out, e))
        return finish(false, out);
    if (out->end == INSTALL_WAITING)
        return finish(true, out);
    if (p->kind == KIND_PROFILE && !profile_installable(env)) {
        /* MDM brings it or not: nothing of this item may run before it is there */
        if (!kind->payload(env, p, package, package_name, out, e))
            return finish(false, out);
        if (out->end == INSTALL_WAITING)
            return finish(true, out);
    }
    if (!env->run_scripts &&
        (p->kind == KIND_SCRIPT || (p->kind == KIND_NOPKG && (p->preinstall || p->postinstall)))) {
        out->end = INSTALL_SKIPPED_SCRIPTS;
        out->scripts_skipped = true;
        return finish(true, out);
    }
    if (p->kind == KIND_PACKAGE && p->preinstall && env->run_scripts) {
        const struct package_job job = job_of(env, p, package, package_name);
        if (!package_judge(env, &job, out, e))
            return finish(false, out);
    }
    if (!before(env, p, "preinstall", "preinstall_script", p->preinstall, out, e))
        return finish(false, out);
    snprintf(out->step, sizeof out->step, "install");
    if (!kind->payload(env, p, package, package_name, out, e))
        return finish(false, out);
    out->restart = out->restart || asks_restart(p);
    return finish(afterwards(env, p, "postinstall", "postinstall_script", p->postinstall, out, e), out);
}

bool install_remove(const struct install_env *env, const struct pkginfo *p, const struct value *entry,
                    int uninstaller, const char *uninstaller_name, struct install_outcome *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    if (!before(env, p, "preuninstall", "preuninstall_script", p->preuninstall, out, e) ||
        !remove_item(env, p, entry, uninstaller, uninstaller_name, out, e))
        return finish(false, out);
    if (out->end == INSTALL_SKIPPED_SCRIPTS)
        return finish(true, out);
    out->restart = out->restart || asks_restart(p);
    return finish(afterwards(env, p, "postuninstall", "postuninstall_script", p->postuninstall, out, e), out);
}

/* --- before a run -----------------------------------------------------------------------------------------
 */

static bool stale_entry(void *ctx, const char *name, const struct stat *st)
{
    const struct install_env *env = ctx;
    struct err e;
    (void)st;
    if ((text_starts(name, SCRIPT_PREFIX) || text_starts(name, "choices-")) &&
        !files_remove(env->state, name, &e))
        log_warn("%s is left of an earlier run and could not be removed: %s", name, e.text);
    return true;
}

void install_recover(const struct install_env *env)
{
    struct install_env copy = *env;
    struct err e;

    flatpkg_recover(env);
    copy_recover(env);
    image_recover(env);
    if (!files_list(env->state, "", stale_entry, &copy, &e))
        log_warn("%s: %s", INSTALL_STATE, e.text);
}

struct running {
    const char **names;
    size_t count;
    const char *blocks;
};

/* A name that begins with '/' is a path; one that ends in .app any executable inside; else a last component,
 * of an executable or of the application around it. */
static bool is_running(const char *name, const char *path, struct arena *a)
{
    if (name[0] == '/')
        return strcmp(name, path) == 0;
    if (text_ends(name, ".app"))
        return strstr(path, arena_printf(a, "/%s/Contents/MacOS/", name)) != NULL;
    return text_ends(path, arena_printf(a, "/%s", name)) ||
           strstr(path, arena_printf(a, "/%s.app/Contents/MacOS/", name)) != NULL;
}

static bool look_at_process(void *ctx, pid_t pid, const char *path)
{
    struct running *r = ctx;
    struct arena *a = arena_open();
    (void)pid;
    for (size_t i = 0; i < r->count && !r->blocks; i++)
        if (is_running(r->names[i], path, a))
            r->blocks = r->names[i];
    arena_free(a);
    return r->blocks == NULL;
}

bool install_blocked(const struct install_env *env, const struct pkginfo *p, const char **name)
{
    static char blocking[LIMIT_NAME + 1];
    struct running r = {.names = NULL};
    struct arena *a;

    if (!env->live)
        return false;
    a = arena_open();
    size_t most = p->blocking ? value_count(p->blocking) : p->installs_count;
    r.names = arena_array(a, most + 1, sizeof *r.names);
    for (size_t i = 0; i < most; i++) {
        const char *s = p->blocking                                   ? value_str(value_at(p->blocking, i))
                        : p->installs[i].type == INSTALLS_APPLICATION ? p->installs[i].path
                                                                      : NULL;
        if (s && !p->blocking)
            s = text_basename(s);
        if (s && *s)
            r.names[r.count++] = s;
    }
    if (r.count)
        os_processes(look_at_process, &r);
    if (r.blocks) {
        snprintf(blocking, sizeof blocking, "%s", r.blocks);
        *name = blocking;
    }
    arena_free(a);
    return r.blocks != NULL;
}

int install_worker(const char *kind)
{
    return worker_main(kind);
}
