/* run_around: what stands around the work: preflight before it, the hand-off when it is done, postflight in
 * every case. A postflight's failure changes nothing any more; a failed hand-off is a failure of the run, and
 * the plan does not count as completed, so that the next run tries it again. The report to the
 * administrator's server goes out last: it can cost half a minute. */
#include "agent/handoff.h"
#include "agent/run_internal.h"
#include "agent/webhook.h"
#include "core/files.h"
#include "core/log.h"

static void child_started(void *ctx, pid_t pid, const char *what)
{
    struct session *s = ctx;
    s->env.child_started(s->env.ctx, pid, what);
}

static struct hook_env hook_env(struct run *r, int64_t timeout_s)
{
    struct session *s = r->s;
    return (struct hook_env){.loop = s->loop,
                             .target = &s->target,
                             .run_scripts = s->options->run_scripts,
                             .timeout_ms = (uint64_t)timeout_s * 1000,
                             .started = child_started,
                             .ctx = s};
}

static void children_gone(struct run *r)
{
    struct err e;
    if (!journal_children_gone(r->s->journal, &e))
        log_warn("%s", e.text);
}

bool run_preflight(struct run *r, struct err *e)
{
    struct hook_env env = hook_env(r, r->s->prefs.hook_timeout_s);
    enum hook_end end;
    int code;
    bool ok = hook_run(&env, "preflight", r->s->run_type, &end, &code, e);
    children_gone(r);
    if (ok && end == HOOK_RAN && code != 0) {
        ok = err_set(e, ERR_CHILD, CAUSE_SCRIPT, "preflight exited with %d: nothing is done in this run",
                     code);
        e->code = code;
    }
    return ok && (end != HOOK_RAN || session_reload(r->s, e));
}

void run_postflight(struct run *r)
{
    struct hook_env env = hook_env(r, r->s->prefs.hook_timeout_s);
    struct err e;
    enum hook_end end;
    int code;
    if (!hook_run(&env, "postflight", r->s->run_type, &end, &code, &e))
        log_warn("%s", e.text);
    else if (code != 0)
        log_warn("postflight exited with %d", code);
    children_gone(r);
}

bool run_handoff(struct run *r)
{
    struct session *s = r->s;
    const struct value *own = s->prefs.handoff;
    struct hook_env env = hook_env(r, s->prefs.item_timeout_s);
    struct handoff h;
    struct err e;
    bool skipped = false;
    bool ok = handoff_decode(s->arena, own != NULL ? own : r->plan->handoff, &h, &e) ||
              err_wrap(&e, "%s", own != NULL ? "HandOff" : "daybreak.handoff of the manifest");
    if (ok && h.kind != HANDOFF_NONE) {
        progress_phase(s->progress, "final");
        ok = handoff_do(&h, &env, &skipped, &e);
        children_gone(r);
    }
    if (!ok) {
        log_error("%s", e.text);
        report_error(s->report, e.text);
    } else if (h.kind == HANDOFF_BOOTSTRAP && !skipped && run_console_user(r) != NULL) {
        log_warn("hand-off to munki-bootstrap: Munki serves that only at the login window, and somebody is "
                 "logged in");
    }
    return ok;
}

/* The uninstaller ends our job (launchctl bootout), which waits for us: so it is started last and left alone.
 * Only on a Mac's own /, or in a test that has stand-ins: its paths are this machine's. */
void run_remove_ourselves(struct run *r)
{
    struct session *s = r->s;
    struct err e;
    const char *name, *path = arena_printf(s->arena, "%s/uninstall.sh", hook_folder(s->arena, &s->target));
    const char *argv[] = {target_path(s->arena, &s->target, path), "--after-success", NULL};
    const char *env[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin",
                         arena_printf(s->arena, "DAYBREAK_ROOT=%s", s->target.root_path), NULL};
    const struct child_spec spec = {
        .argv = argv, .env = s->target.live ? NULL : env, .dir = -1, .timeout_ms = 600000};
    if (s->prefs.after_success != PREFS_AFTER_REMOVE || !s->options->automatic || s->options->checkonly ||
        !journal_completed(s->journal) || !(s->target.live || s->options->tools != NULL) ||
        !s->options->run_scripts || (s->logs < 0 && !session_log(s, &e))) {
        return;
    }
    int dir = files_parent(s->target.root, path, false, &name, &e);
    bool ok = dir >= 0 && hook_allowed(dir, name, &e);
    if (dir >= 0) {
        close(dir);
    }
    struct child *c = ok ? child_start(s->loop, &spec, &e) : NULL;
    if (c == NULL) {
        log_warn("AfterSuccess is remove, but Daybreak stays: %s: %s", path, e.text);
        return;
    }
    log_info("everything is done: Daybreak is taken off this Mac (AfterSuccess is remove)");
    child_leave(c);
}

void run_tell_server(struct run *r)
{
    struct session *s = r->s;
    struct keychain keychain = {0};
    struct network n = {s->arena, s->loop, s->options, &s->prefs, &s->facts, &s->target, &keychain};
    if (r->decide != NULL)
        n = *repo_network(decide_repo(r->decide)); /* it has asked already */
    webhook_queue(&n, progress_now(s->progress));
    webhook_send(&n);
}
