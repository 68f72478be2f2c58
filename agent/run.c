/* run: from the lock to the last line. See the header for the order.
 *
 * The plan is made once with every download taken to arrive; what fails is given back as an answer and the
 * closing look at the machine plans again with it, so that InstallInfo.plist ends as what is really left to
 * do. Items are worked on one by one while the transfers of later ones go on in the same loop. */
#include "agent/run.h"
#include "agent/pending.h"
#include "agent/power.h"
#include "agent/restart.h"
#include "agent/run_internal.h"
#include "agent/watchers.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

#define ORPHAN_WAIT_MS (600 * (uint64_t)1000)

/* --- before the decision -------------------------------------------------------------------------------- */

struct orphans {
    struct run *run;
    int count;
};

/* A script or installer of a run that died still works: wait for it, bounded, before anything is touched. */
static void wait_for_orphan(void *ctx, pid_t pid, uint64_t start, const char *what)
{
    struct orphans *o = ctx;
    struct loop *l = o->run->s->loop;
    uint64_t until = loop_now(l) + ORPHAN_WAIT_MS;
    o->count++;
    log_warn("%s (process %ld) of a run that was cut off is still working; waiting for it", what, (long)pid);
    progress_wait(o->run->s->progress, "a script of the last run");
    while (os_process_start(pid) == start && loop_now(l) < until && loop_stops(l, NULL) == 0) {
        loop_turn(l, 200);
    }
    progress_wait(o->run->s->progress, NULL);
}

static void recover(struct run *r)
{
    struct orphans o = {.run = r};
    struct err e;
    journal_orphans(r->s->journal, wait_for_orphan, &o);
    if (!journal_children_gone(r->s->journal, &e)) {
        log_warn("%s", e.text);
    }
    install_recover(&r->s->env);
    static const char *const places[] = {TARGET_STATE, "private/var/db/receipts", NULL};
    for (const char *const *at = places; *at != NULL; at++) {
        if (!files_sweep(r->s->target.root, *at, &e)) {
            log_warn("%s: %s", *at, e.text);
        }
    }
    if (!files_sweep(r->s->target.data, "", &e)) {
        log_warn("%s: %s", r->s->target.data_path, e.text);
    }
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void report_facts(struct run *r)
{
    struct session *s = r->s;
    unsigned long long bytes;
    struct err e;
    const char *manifest = decide_manifest(r->decide);
    if (manifest != NULL) {
        report_set_text(s->report, "ManifestName", manifest);
    }
    report_set(s->report, "MachineInfo", s->facts.machine_info);
    report_set(s->report, "Conditions", s->facts.report);
    const char *user = run_console_user(r);
    report_set_text(s->report, "ConsoleUser", user != NULL ? user : "<None>");
    if (files_free(s->target.root, &bytes, &e)) {
        report_set(s->report, "AvailableDiskSpace", value_new_int(s->arena, (int64_t)(bytes / 1024)));
    }
}

static void write_report(struct run *r, bool archive)
{
    struct err e;
    if (!report_write(r->s->report, archive, &e)) {
        log_warn("%s", e.text);
    }
}

static bool row_done(void *ctx, const struct plan_item *item)
{
    const struct run *r = ctx;
    for (int i = 0; i < r->count; i++) {
        const struct run_row *row = &r->rows[i];
        if (row->pkg == item->pkg && row->removal == item->removal) {
            enum progress_state st = progress_now(r->s->progress)->items[row->index].state;
            return st == STATE_SUCCESS || st == STATE_SKIPPED;
        }
    }
    return false;
}

/* Look again, now that everything was tried: what is left is what InstallInfo.plist must say. */
static void settle(struct run *r)
{
    struct err e;
    if (r->s->options->installonly) {
        if (!pending_write(r->s->arena, r->s->target.data, r->plan, row_done, r, &e)) {
            log_warn("%s", e.text);
        }
        return;
    }
    decide_look_again(r->decide);
    if (decide_make(r->decide, &e) == NULL) {
        log_warn("InstallInfo.plist stays as it was: %s", e.text);
        return;
    }
    if (!decide_write(r->decide, NULL, &e)) {
        log_warn("%s", e.text);
    }
    decide_clean(r->decide);
}

static int outcome(struct run *r, const char **result)
{
    const struct progress_run *now = progress_now(r->s->progress);
    int which = 0, failed = 0, critical = 0, pending = 0;
    for (int i = 0; i < now->count; i++) {
        enum progress_state st = now->items[i].state;
        failed += st == STATE_FAILED || st == STATE_BLOCKED;
        pending += st == STATE_DEFERRED || st == STATE_WAITING;
        if ((st == STATE_FAILED || st == STATE_BLOCKED) &&
            run_lists(r->plan->critical_items, now->items[i].name)) {
            critical++;
        }
    }
    for (int i = 0; i < r->count; i++) {
        enum progress_state st = now->items[r->rows[i].index].state;
        critical += r->rows[i].critical && (st == STATE_FAILED || st == STATE_BLOCKED);
    }
    if (r->deadline) {
        *result = "deadline";
        return EXIT_DEADLINE;
    }
    if (loop_stops(r->s->loop, &which) > 0) {
        *result = "stopped";
        return 128 + which;
    }
    if (failed > 0) {
        bool any = false;
        for (int i = 0; i < now->count; i++) {
            any = any || now->items[i].state == STATE_SUCCESS || now->items[i].state == STATE_SKIPPED;
        }
        *result = critical > 0 || !any ? "failed" : "partial";
        return critical > 0 ? EXIT_CRITICAL : EXIT_ITEMS;
    }
    *result = "ok";
    return pending > 0 || now->reboot ? EXIT_PENDING : EXIT_DONE;
}

static const char *result_of(int code)
{
    switch (code) {
    case EXIT_UNAVAILABLE:
        return "unavailable";
    case EXIT_DEADLINE:
        return "deadline";
    case EXIT_SIGINT:
    case EXIT_SIGTERM:
        return "stopped";
    case EXIT_TRUST:
    case EXIT_PREFLIGHT:
        return "refused";
    default:
        return "failed";
    }
}

/* The run ends before there is a plan: said everywhere, and the code that it ends with. */
static int end_early(struct run *r, int code, const char *step, const struct err *e)
{
    int which = 0;
    if (loop_stops(r->s->loop, &which) > 0) {
        code = 128 + which;
    }
    log_error("%s", e->text);
    report_error(r->s->report, e->text);
    if (err_suggestion(e->cause)[0] != '\0') {
        log_info("try: %s", err_suggestion(e->cause));
    }
    write_report(r, true);
    progress_run_fail(r->s->progress, step, e);
    progress_end(r->s->progress, result_of(code), code);
    return code;
}

static int no_decision(struct run *r, const struct err *e)
{
    return end_early(r, decide_exit_code(e), "decision", e);
}

/* What must come before anything can be decided did not come: the next start looks again. */
static int still_waiting(struct run *r, const struct err *e)
{
    log_warn("%s", e->text);
    report_warning(r->s->report, e->text);
    write_report(r, true);
    progress_run_fail(r->s->progress, "preferences", e);
    progress_end(r->s->progress, "unavailable", EXIT_PENDING);
    return EXIT_PENDING;
}

/* Preflight says no. */
static int refused(struct run *r, const struct err *e)
{
    return e->kind == ERR_USAGE ? end_early(r, EXIT_USAGE, "preferences", e)
                                : end_early(r, EXIT_PREFLIGHT, "preflight", e);
}

/* --- the three kinds of run ----------------------------------------------------------------------------- */

static void on_deadline(void *ctx)
{
    struct run *r = ctx;
    r->deadline = true;
    log_error("the deadline for the whole run (RunDeadline) passed; no new step is begun");
}

static bool required_profiles(struct run *r, struct err *e)
{
    for (size_t i = 0; i < value_count(r->plan->required_profiles); i++) {
        const struct value *want = value_at(r->plan->required_profiles, i);
        const char *id = props_str(want, "identifier");
        uint64_t until = loop_now(r->s->loop) + (uint64_t)props_int(want, "timeout", 0) * 1000;
        if (id == NULL) {
            log_warn("manifest: required_profiles[%zu] has no identifier", i);
            continue;
        }
        while (!run_has_profile(r, id) && loop_now(r->s->loop) < until && !run_stopped(r)) {
            progress_wait(r->s->progress, arena_printf(r->s->arena, "configuration profile %s", id));
            loop_turn(r->s->loop, 1000);
        }
        progress_wait(r->s->progress, NULL);
        if (run_has_profile(r, id)) {
            continue;
        }
        if (props_bool(want, "critical", false)) {
            return err_set(e, ERR_TIMEOUT, CAUSE_PROFILE,
                           "required configuration profile %s is not on this Mac", id);
        }
        log_warn("required configuration profile %s is not on this Mac; going on without it", id);
        report_warning(r->s->report, arena_printf(r->s->arena, "profile %s is missing", id));
    }
    return true;
}

static int install_all(struct run *r)
{
    struct session *s = r->s;
    struct err e;
    const char *result;
    unsigned char sum[DIGEST_MAX];
    struct buf b;
    buf_init(&b, LIMIT_PLIST);
    if (props_encode(r->plan->install_info, &b, &e)) {
        digest_of(DIGEST_SHA256, b.data, b.len, sum);
        text_hex(r->digest, sum, 32);
    }
    buf_release(&b);
    if (!journal_run(s->journal, progress_now(s->progress)->run, r->digest, &e)) {
        return no_decision(r, &e);
    }
    if (!required_profiles(r, &e)) {
        run_rows(r);
        for (int i = 0; i < r->count; i++) {
            run_row_cancel(r, &r->rows[i]);
        }
        log_error("%s", e.text);
        report_error(s->report, e.text);
        write_report(r, true);
        progress_run_fail(s->progress, "profiles", &e);
        progress_end(s->progress, "failed", EXIT_CRITICAL);
        return EXIT_CRITICAL;
    }
    run_rows(r);
    watchers_check(s->target.root, &s->prefs, &s->facts, progress_now(s->progress));
    write_report(r, true);
    run_restart_owed(r);
    if (decide_is_bootstrap(r->decide)) {
        run_bootstrap(r);
    } else {
        progress_phase(s->progress, "setup");
        run_download(r, 0, r->count);
    }
    for (int i = 0; i < r->count && !run_stopped(r) && !decide_is_bootstrap(r->decide); i++) {
        if (r->rows[i].session) {
            if (i == 0 || !r->rows[i - 1].session) {
                run_profiles(r, true, true); /* nobody is waited for while something else can be done */
            }
            progress_phase(s->progress, "session"); /* said once: session rows stand together */
        }
        run_row_work(r, &r->rows[i]);
        run_profiles(r, false, false);
    }
    run_profiles(r, true, false);
    bool stopped = run_stopped(r);
    for (int i = 0; i < r->count; i++) {
        run_row_cancel(r, &r->rows[i]);
    }
    if (!stopped) {
        settle(r);
    }
    int code = outcome(r, &result);
    if (code == EXIT_DONE && !s->options->only_failed && !run_handoff(r)) {
        code = EXIT_ITEMS;
        result = "partial";
    }
    if (code == EXIT_DONE && !s->options->only_failed && !journal_complete(s->journal, &e)) {
        log_warn("%s", e.text);
    }
    if (progress_now(s->progress)->reboot) {
        report_set(s->report, "RestartRequired", value_new_bool(s->arena, true));
    }
    for (int i = 0; i < r->count; i++) {
        const char *action = r->rows[i].pkg->restart_action;
        if (progress_now(s->progress)->items[r->rows[i].index].state == STATE_SUCCESS && action != NULL &&
            strcmp(action, "RequireLogout") == 0) {
            report_set(s->report, "LogoutRequired", value_new_bool(s->arena, true));
        }
    }
    if (!journal_end(s->journal, code, &e)) {
        log_warn("%s", e.text);
    }
    write_report(r, false);
    progress_end(s->progress, result, code);
    return code;
}

static int check_only(struct run *r)
{
    const char *result;
    run_rows(r);
    write_report(r, true);
    decide_clean(r->decide);
    int code = outcome(r, &result);
    progress_end(r->s->progress, result, code);
    return code;
}

static int work(struct run *r)
{
    struct session *s = r->s;
    const struct options *o = s->options;
    struct err e;
    struct decide_config c = {.loop = s->loop,
                              .options = o,
                              .target = &s->target,
                              .prefs = &s->prefs,
                              .facts = &s->facts,
                              .journal = s->journal,
                              .offline = o->installonly};
    if (s->prefs.run_deadline_s > 0) {
        r->deadline_timer = loop_after(s->loop, (uint64_t)s->prefs.run_deadline_s * 1000, on_deadline, r);
    }
    recover(r);
    run_wait_turn(r);
    if (!run_preflight(r, &e)) {
        return refused(r, &e);
    }
    if (!run_wait_preferences(r, &e)) {
        return e.kind == ERR_TIMEOUT ? still_waiting(r, &e) : refused(r, &e);
    }
    r->decide = decide_open(s->arena, &c, &e);
    if (r->decide == NULL) {
        return no_decision(r, &e);
    }
    s->env.facts = s->facts.all;
    for (size_t i = 0; i < journal_count(s->journal); i++) {
        struct journal_item known = journal_at(s->journal, i);
        if (known.outcome == JOURNAL_CUT && !known.removal) {
            decide_force(r->decide, known.name, known.version); /* half done: its evidence may lie */
        }
    }
    r->plan = run_wait_plan(r, &e);
    if (r->plan != NULL && o->installonly && !decide_is_bootstrap(r->decide)) {
        r->plan = pending_plan(s->arena, decide_repo(r->decide), s->target.data, r->plan, &e);
    }
    report_facts(r);
    if (r->plan == NULL) {
        return no_decision(r, &e);
    }
    for (size_t i = 0; i < r->plan->warning_count; i++) {
        report_warning(s->report, r->plan->warnings[i]);
    }
    report_plan(s->report, r->plan);
    progress_manifest(s->progress, decide_manifest(r->decide),
                      repo_trust_name(repo_trust(decide_repo(r->decide))));
    if (!o->installonly) {
        decide_make_way(r->decide);
    }
    if (!o->installonly && (!decide_write(r->decide, NULL, &e) || !decide_write_self_serve(r->decide, &e))) {
        return no_decision(r, &e);
    }
    return o->checkonly ? check_only(r) : install_all(r);
}

static void note_battery(struct run *r)
{
    struct session *s = r->s;
    const char *charge = power_battery(s->arena, s->loop, s->options->tools, s->target.live);
    if (charge != NULL) {
        const char *text = arena_printf(s->arena, "this Mac runs on its battery%s%s",
                                        *charge != '\0' ? ", charged to " : "", charge);
        log_warn("%s", text);
        progress_note(s->progress, -1, text);
    }
}

/* The last line of a run in the log: what a technician looks for first. */
static void log_end(const struct progress_run *now, int code)
{
    char names[400] = "";
    int done = 0;
    size_t n = 0;
    for (int i = 0; i < now->count; i++) {
        const struct progress_item *it = &now->items[i];
        bool ok = it->state == STATE_SUCCESS || it->state == STATE_SKIPPED;
        done += ok;
        if (!ok && n < sizeof names - 1) {
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s %s",
                                  n > 0 ? ", " : "; not done: ", it->name, progress_state_name(it->state));
        }
    }
    log_info("ended with %d: %s; %d of %d items are done%s%s", code, err_exit_meaning(code), done, now->count,
             names, now->reboot ? "; a restart is pending" : "");
}

/* --- the whole ------------------------------------------------------------------------------------------ */

int run_all(const struct options *o)
{
    struct session s;
    struct run r = {.s = &s};
    struct child *awake = NULL;
    struct err e = {.kind = ERR_NONE};
    int code = session_open(&s, o, &e);
    if (code == EXIT_LOCKED && s.holder.pid != 0) {
        code = run_attach(&s, o);
    } else if (code != 0) {
        log_error("%s", e.text);
        session_hold(&s);
    } else if (!s.nothing_due) {
        progress_begin(s.progress);
        awake = power_hold(s.loop, o->tools, s.target.live);
        note_battery(&r);
        code = s.refusal.kind != ERR_NONE ? refused(&r, &s.refusal) : work(&r);
        run_postflight(&r);
        run_tell_server(&r);
        power_release(awake);
        log_end(progress_now(s.progress), code);
        if (r.deadline_timer != 0) {
            loop_cancel(s.loop, r.deadline_timer);
        }
        if (!o->checkonly) {
            restart_note(&s, progress_now(s.progress)->reboot, r.digest, code);
            run_restart(&r);
            if (code == EXIT_DONE) {
                run_remove_ourselves(&r);
            }
        }
        decide_free(r.decide);
        if (o->automatic) {
            code = 0; /* it is recorded: launchd restarts what exits non-zero */
        }
    }
    if (code == 0 && s.nothing_due) {
        run_restart(&r);
        run_remove_ourselves(&r);
    }
    session_close(&s);
    return code;
}
