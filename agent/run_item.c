/* run_item: one item of the plan, from its gates to its evidence.
 *
 * An attempt is counted by a durable intent before the step that changes the machine, so that a cut one
 * counts. Success is what the installer said and the item's own evidence confirms; where the evidence cannot
 * say yes the item is a success that is not verified. Nothing is claimed from an exit code alone. */
#include "agent/run_internal.h"
#include "agent/selfserve.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/profile.h"
#include "installer/system.h"

#define MAX_ATTEMPTS 3

bool run_stopped(const struct run *r)
{
    return r->deadline || loop_stops(r->s->loop, NULL) > 0;
}

static const char *shown(const struct pkginfo *p)
{
    return p->display_name != NULL ? p->display_name : p->name;
}

/* --- downloads ------------------------------------------------------------------------------------------ */

static void on_progress(void *ctx, enum cache_step step, uint64_t have, int64_t total)
{
    struct run_row *row = ctx;
    enum progress_state s = step == CACHE_PROVING ? STATE_VERIFYING : STATE_DOWNLOADING;
    progress_item(row->run->s->progress, row->index, s, NULL);
    if (s == STATE_DOWNLOADING) {
        progress_bytes(row->run->s->progress, row->index, have, total);
    }
}

static void on_retry(void *ctx, unsigned attempt, uint64_t wait_ms, const struct err *why)
{
    struct run_row *row = ctx;
    char reason[ERR_TEXT_MAX + 64];
    snprintf(reason, sizeof reason, "%s; next try in %llu s", why->text,
             (unsigned long long)((wait_ms + 999) / 1000));
    log_warn("%s: download attempt %u: %s", row->pkg->name, attempt, reason);
    progress_item(row->run->s->progress, row->index, STATE_RETRY_WAIT, reason);
}

static void on_done(void *ctx, const struct plan_download *answer, uint64_t bytes, bool fetched,
                    const struct err *e)
{
    struct run_row *row = ctx;
    row->job = NULL;
    row->kb_per_second = answer->kb_per_second;
    if (answer->failure == PLAN_DOWNLOAD_OK) {
        row->download = RUN_FETCHED;
        log_debug("%s: %llu bytes %s", row->pkg->name, (unsigned long long)bytes,
                  fetched ? "downloaded and proved" : "already in Cache and proved");
        progress_item(row->run->s->progress, row->index, row->awaits != NULL ? STATE_WAITING : STATE_PENDING,
                      row->awaits != NULL ? row->awaits_why : "downloaded");
        return;
    }
    row->download = RUN_NOT_FETCHED;
    if (e != NULL) {
        row->failure = *e;
    } else {
        err_set(&row->failure, ERR_NET, CAUSE_INTERNAL, "%s", answer->why);
    }
    decide_answer(row->run->decide, row->pkg, row->removal, answer);
}

static bool wants_package(const struct run_row *row)
{
    if (row->removal) {
        return row->pkg->uninstall_method != NULL &&
               strcmp(row->pkg->uninstall_method, "uninstall_package") == 0;
    }
    if (row->pkg->bootstrap != NULL && row->pkg->location == NULL) {
        return false; /* what is there already is meant */
    }
    return row->pkg->kind != KIND_NOPKG && row->pkg->kind != KIND_UNSUPPORTED &&
           row->pkg->kind != KIND_STARTOSINSTALL;
}

void run_download(struct run *r, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct run_row *row = &r->rows[i];
        if (!row->over && wants_package(row)) {
            struct cache_want want = {.pkg = row->pkg,
                                      .uninstaller = row->removal,
                                      .progress = on_progress,
                                      .retry = on_retry,
                                      .done = on_done,
                                      .ctx = row};
            row->download = RUN_FETCHING;
            row->job = cache_start(decide_cache(r->decide), &want);
        }
    }
}

/* --- endings -------------------------------------------------------------------------------------------- */

static void journal_it(struct run *r, struct run_row *row, enum journal_outcome outcome, const char *message)
{
    struct err e;
    if (!journal_result(r->s->journal, row->pkg->name, row->pkg->version, row->removal, outcome, message,
                        &e)) {
        log_warn("%s", e.text);
    }
}

/* What the journal knows of the item stays as it is: it was not touched. */
static void give_up(struct run *r, struct run_row *row, const char *step, const struct err *e)
{
    enum cause cause = e->cause == CAUSE_NONE ? CAUSE_INTERNAL : e->cause;
    row->over = true;
    report_error(r->s->report, arena_printf(r->s->arena, "%s: %s: %s", shown(row->pkg), step, e->text));
    progress_fail(r->s->progress, row->index, STATE_FAILED, step,
                  e); /* first: the screen says it only once */
    log_error("%s: %s", step, e->text);
    log_info("try: %s", err_suggestion(cause));
}

static void fail(struct run *r, struct run_row *row, const char *step, const struct err *e)
{
    journal_it(r, row, JOURNAL_FAILED, e->text);
    give_up(r, row, step, e);
}

static void block(struct run *r, struct run_row *row, const struct run_row *by)
{
    run_row_block(r, row, arena_printf(r->s->arena, "needs %s, which failed in this run", shown(by->pkg)));
}

static void drop_download(struct run_row *row);

void run_row_block(struct run *r, struct run_row *row, const char *why)
{
    struct err e;
    drop_download(row);
    row->over = true;
    err_set(&e, ERR_INTERNAL, CAUSE_DEPENDENCY, "%s", why);
    report_warning(r->s->report, arena_printf(r->s->arena, "%s: %s", shown(row->pkg), e.text));
    journal_it(r, row, JOURNAL_BLOCKED, e.text);
    progress_fail(r->s->progress, row->index, STATE_BLOCKED, "dependencies", &e);
    log_warn("%s", e.text);
}

static void defer(struct run *r, struct run_row *row, const char *reason)
{
    row->over = true;
    log_info("deferred: %s", reason);
    journal_it(r, row, JOURNAL_DEFERRED, reason);
    progress_item(r->s->progress, row->index, STATE_DEFERRED, reason);
}

static void drop_download(struct run_row *row)
{
    if (row->job != NULL) {
        cache_cancel(row->job);
        row->job = NULL;
    }
}

void run_row_cancel(struct run *r, struct run_row *row)
{
    drop_download(row);
    if (!row->over) {
        row->over = true;
        progress_item(r->s->progress, row->index, STATE_CANCELLED,
                      r->deadline ? "the deadline for the whole run passed" : "stopped before its turn");
    }
}

/* --- gates ---------------------------------------------------------------------------------------------- */

/* Why it must not be touched now, or NULL. */
static const char *not_now(struct run *r, struct run_row *row)
{
    struct arena *a = r->s->arena;
    const struct pkginfo *p = row->pkg;
    const char *app = NULL;
    bool forced = false, restarts = p->restart_action != NULL && strcmp(p->restart_action, "None") != 0;
    for (size_t i = 0; i < r->s->options->force_count; i++) {
        forced = forced || strcmp(r->s->options->force[i], p->name) == 0;
    }
    if (row->session && !run_user_there(r, row)) {
        return "waits for a user's session: next login";
    }
    if (!forced && install_blocked(&r->s->env, p, &app)) {
        return arena_printf(a, "%s is open%s", app,
                            p->quit_script
                                ? "; blocking_applications_quit_script is not run, because nothing "
                                  "is ever quit from here"
                                : "");
    }
    if (r->s->options->automatic && journal_completed(r->s->journal) && run_console_user(r) != NULL) {
        bool due = p->has_force_date && p->force_date < r->s->facts.now + r->s->facts.tz_offset_s;
        bool quiet = row->removal ? p->unattended_uninstall : p->unattended_install;
        if (!quiet && !due) {
            return "needs somebody's consent: it is not unattended";
        }
        if (restarts) {
            return "needs a restart, and somebody is logged in";
        }
    }
    return NULL;
}

bool run_has_profile(struct run *r, const char *identifier)
{
    struct err e;
    bool present = false;
    if (!profile_present(&r->s->env, identifier, &present, &e)) {
        log_warn("profile %s: %s", identifier, e.text);
    }
    return present;
}

static bool profiles_there(struct run *r, struct run_row *row)
{
    struct err e;
    for (size_t i = 0; i < value_count(row->pkg->profiles); i++) {
        const char *id = value_str(value_at(row->pkg->profiles, i));
        if (id != NULL && !run_has_profile(r, id)) {
            if (run_await(r, row, id, arena_printf(r->s->arena, "configuration profile %s", id))) {
                return false;
            }
            if (row->critical) {
                err_set(&e, ERR_TIMEOUT, CAUSE_PROFILE, "configuration profile %s is not on this Mac", id);
                fail(r, row, "profiles", &e);
            } else {
                defer(r, row, arena_printf(r->s->arena, "waits for configuration profile %s", id));
            }
            return false;
        }
    }
    return true;
}

static int attempts_max(const struct run *r, const struct pkginfo *p)
{
    if (p->max_attempts > 0) {
        return (int)(p->max_attempts > 1000 ? 1000 : p->max_attempts);
    }
    return r->s->prefs.max_attempts > 0 ? (int)r->s->prefs.max_attempts : MAX_ATTEMPTS;
}

static bool tries_left(struct run *r, struct run_row *row)
{
    struct journal_item known = journal_item(r->s->journal, row->pkg->name);
    int max = attempts_max(r, row->pkg);
    struct err e;
    for (size_t i = 0; i < r->s->options->force_count; i++) {
        if (strcmp(r->s->options->force[i], row->pkg->name) == 0 && known.attempts > 0) {
            if (!journal_reset(r->s->journal, row->pkg->name, &e)) {
                log_warn("%s", e.text);
            }
            known.attempts = 0;
        }
    }
    bool same = strcmp(known.version, row->pkg->version) == 0 && known.removal == row->removal;
    int before = same ? known.attempts : 0;
    if (before >= max) {
        err_set(&e, ERR_REFUSED, CAUSE_LOOP, "%s %s: %d attempts so far, the last one %s%s; not tried again",
                row->pkg->name, row->pkg->version, before,
                known.outcome == JOURNAL_CUT ? "was cut off while it worked" : "failed: ",
                known.outcome == JOURNAL_CUT ? ""
                                             : (known.message != NULL ? known.message : "no reason kept"));
        progress_attempt(r->s->progress, row->index, before, max);
        give_up(r, row, "attempts", &e);
        return false;
    }
    progress_attempt(r->s->progress, row->index, before + 1, max);
    return true;
}

/* --- the step ------------------------------------------------------------------------------------------- */

static void on_install(void *ctx, int percent, const char *phase)
{
    struct session *s = ctx;
    int current = progress_now(s->progress)->current;
    if (current >= 0) {
        progress_percent(s->progress, current, percent, phase);
    }
}

/* The proved file, fetched again once when what lay in Cache had changed since. -1: *e. */
static int open_package(struct run *r, struct run_row *row, struct err *e)
{
    progress_item(r->s->progress, row->index, STATE_VERIFYING, NULL);
    return cache_open_proved(decide_cache(r->decide), row->pkg, row->removal, e);
}

static void conclude(struct run *r, struct run_row *row, const struct install_outcome *out)
{
    struct err e;
    const struct pkginfo *p = row->pkg;
    bool scripts = p->preinstall != NULL || p->postinstall != NULL || p->kind == KIND_NOPKG ||
                   p->kind == KIND_PACKAGE || row->removal;
    bool verifiable = row->removal ? !p->on_demand : detect_verifiable(decide_detect(r->decide), p);
    const char *reason = out->scripts_skipped     ? "scripts skipped"
                         : out->reason[0] != '\0' ? out->reason
                                                  : NULL;
    bool verified = verifiable && run_evidence(r, row, scripts && r->s->options->run_scripts);
    if (verifiable && !verified && !out->scripts_skipped) {
        const char *why = row->removal ? "it is still there" : detect_reason(decide_detect(r->decide), p);
        err_set(&e, ERR_INTERNAL, CAUSE_POSTCONDITION, "the installer reported success, but %s",
                why != NULL && *why != '\0' ? why : "its evidence says it is not installed");
        fail(r, row, "evidence", &e);
        return;
    }
    row->over = true;
    log_info("%s%s%s%s", row->removal ? "removed" : "installed",
             verified ? " and verified" : ", not verifiable", reason != NULL ? ": " : "",
             reason != NULL ? reason : "");
    journal_it(r, row, JOURNAL_OK, NULL);
    if ((row->removal || p->on_demand) && !selfserve_fulfilled(&r->s->target, p->name, row->removal, &e)) {
        log_warn("%s", e.text);
    }
    progress_success(r->s->progress, row->index, verified, reason);
    if (out->restart) {
        progress_reboot(r->s->progress);
    }
}

/* The journal forgets the children of this step; they have ended, unless a script goes on meanwhile. */
static void children_gone(struct run *r)
{
    struct err e;
    if (run_bootstrap_working(r) == 0 && !journal_children_gone(r->s->journal, &e)) {
        log_warn("%s", e.text);
    }
}

/* Is the file in Cache another item's too? Then it stays. */
static bool needed_again(const struct run *r, const struct run_row *row, const char *name)
{
    for (const struct run_row *later = row + 1; later < r->rows + r->count; later++) {
        const char *other =
            wants_package(later) && !later->over
                ? cache_name(later->removal ? later->pkg->uninstaller_location : later->pkg->location)
                : NULL;
        if (other != NULL && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

static const char *package_name(const struct run_row *row)
{
    const char *location = row->removal ? row->pkg->uninstaller_location : row->pkg->location;
    return wants_package(row) ? cache_name(location) : NULL;
}

void run_row_finish(struct run *r, struct run_row *row, bool ok, const struct install_outcome *out,
                    const struct err *e)
{
    struct session *s = r->s;
    const char *name = package_name(row);
    struct report_result result = {.pkg = row->pkg,
                                   .removal = row->removal,
                                   .unattended = row->removal ? row->pkg->unattended_uninstall
                                                              : row->pkg->unattended_install,
                                   .seconds = (int64_t)((loop_now(s->loop) - row->began_ms) / 1000),
                                   .kb_per_second = row->kb_per_second,
                                   .signature = out->signature.status,
                                   .team_id = out->signature.team_id};
    if (out->signature.status[0] != '\0')
        log_info("signature: %s%s%s", out->signature.status,
                 strcmp(out->signature.status, out->signature.why) != 0 ? ": " : "",
                 strcmp(out->signature.status, out->signature.why) != 0 ? out->signature.why : "");
    row->code = out->code;
    if (ok) {
        conclude(r, row, out);
        ok = progress_now(s->progress)->items[row->index].state == STATE_SUCCESS;
        result.status = ok ? 0 : -1;
        if (ok && name != NULL && !needed_again(r, row, name) &&
            !(row->pkg->precache && row->pkg->on_demand)) {
            cache_remove(decide_cache(r->decide), name);
        }
    } else {
        result.status = out->code != 0 ? out->code : -1;
        fail(r, row, out->step[0] != '\0' ? out->step : "install", e);
    }
    report_result(s->report, &result);
}

/* Nothing of it was executed. Of a script that ends what is known of it: the next run may execute it. */
static void skipped(struct run *r, struct run_row *row)
{
    struct err e;
    row->over = true;
    if (row->pkg->kind != KIND_SCRIPT) {
        journal_it(r, row, JOURNAL_OK, NULL);
    } else if (!journal_reset(r->s->journal, row->pkg->name, &e)) {
        log_warn("%s", e.text);
    }
    progress_item(r->s->progress, row->index, STATE_SKIPPED, "scripts skipped");
}

static void step(struct run *r, struct run_row *row)
{
    struct session *s = r->s;
    const struct pkginfo *p = row->pkg;
    struct install_outcome out = {.end = INSTALL_OK};
    struct err e = {.kind = ERR_NONE};
    int package = -1;
    const char *why;
    bool ok;
    if (!run_bootstrap_allowed(r, row, &e)) {
        fail(r, row, "verify", &e);
        return;
    }
    if (wants_package(row) && (package = open_package(r, row, &e)) < 0) {
        fail(r, row, "verify", &e);
        return;
    }
    bool waits = p->kind == KIND_PROFILE && !row->removal && !profile_installable(&s->env);
    if (!waits && !journal_intent(s->journal, p->name, p->version, row->removal, &e)) {
        fail(r, row, "journal", &e);
        goto out;
    }
    if (!waits) {
        log_info("%s %s %s", row->removal ? "removing" : "installing", shown(p), p->version);
        progress_item(s->progress, row->index, STATE_INSTALLING, NULL);
    }
    s->env.progress = on_install;
    row->began_ms = loop_now(s->loop);
    if (run_bootstrap_starts(r, row, package, &out, &e)) {
        if (row->script == NULL) {
            run_row_finish(r, row, false, &out, &e);
        }
        goto out;
    }
    ok = row->removal ? install_remove(&s->env, p, row->entry, package, package_name(row), &out, &e)
                      : install_item(&s->env, p, package, package_name(row), &out, &e);
    children_gone(r);
    if (ok && out.end == INSTALL_WAITING) {
        why = waits ? run_await_mdm(r, row, &out, package) : arena_strdup(s->arena, out.reason);
        if (!run_await(r, row, row->awaits != NULL ? row->awaits : "", why)) {
            row->awaits = NULL;
            if (row->critical) {
                err_set(&e, ERR_TIMEOUT, CAUSE_PROFILE, "%s", why);
                fail(r, row, "profile", &e);
            } else {
                defer(r, row, why);
            }
        }
    } else if (ok && out.end == INSTALL_SKIPPED_SCRIPTS) {
        skipped(r, row);
    } else {
        run_row_finish(r, row, ok, &out, &e);
    }
out:
    if (package >= 0) {
        close(package);
    }
}

void run_row_work(struct run *r, struct run_row *row)
{
    const struct run_row *by;
    const char *why;
    log_item(row->pkg->name);
    if (!row->over && row->removal && r->s->target.munki) {
        drop_download(row);
        row->over = true;
        log_info("the removal is left to Munki, which is installed here");
        progress_item(r->s->progress, row->index, STATE_SKIPPED, "left to Munki");
    }
    if (!row->over && (by = run_stands_on(r, row)) != NULL) {
        drop_download(row);
        if (progress_now(r->s->progress)->items[by->index].state == STATE_DEFERRED) {
            defer(r, row, arena_printf(r->s->arena, "needs %s, which is deferred", shown(by->pkg)));
        } else {
            block(r, row, by);
        }
    }
    row->held = !row->over && run_held(r, row);
    if (row->held) {
        log_item(NULL);
        return;
    }
    if (!row->over && !tries_left(r, row)) {
        drop_download(row);
    }
    if (!row->over && (why = not_now(r, row)) != NULL) {
        drop_download(row);
        defer(r, row, why);
    }
    if (!row->over && !profiles_there(r, row) && row->over) {
        drop_download(row);
    }
    if (row->awaits != NULL) {
        log_item(NULL);
        return;
    }
    while (!row->over && row->download == RUN_FETCHING && !run_stopped(r)) {
        loop_turn(r->s->loop, 1000);
    }
    if (!row->over && row->download == RUN_NOT_FETCHED) {
        bool proof = row->failure.cause == CAUSE_HASH || row->failure.cause == CAUSE_SIZE;
        fail(r, row, proof ? "verify" : "download", &row->failure);
    }
    if (!row->over && !run_stopped(r) && !run_wait_munki(r, row)) {
        defer(r, row, "managedsoftwareupdate is still running");
    }
    if (!row->over && !run_stopped(r)) {
        step(r, row);
    }
    log_item(NULL);
}
