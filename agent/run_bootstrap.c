/* run_bootstrap: the items of a bootstrap.json in their order: what preflight says, what fail_policy makes of
 * a failure, and scripts that nobody waits for.
 *
 * Invariants: nothing of the rest is downloaded before preflight has answered. A failure that ends the rest
 * is critical, so that the run ends with 3; what was not begun because of it is blocked and tried by the next
 * run. A script that goes on by itself is waited for at the end: its exit is an item's outcome like any
 * other, and a run that is over has no children. */
#include "agent/run_internal.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/bootitem.h"

static const struct bootstrap_item *item_of(const struct run_row *row)
{
    return row->pkg->bootstrap;
}

static enum progress_state state_of(const struct run *r, const struct run_row *row)
{
    return progress_now(r->s->progress)->items[row->index].state;
}

bool run_bootstrap_allowed(const struct run *r, const struct run_row *row, struct err *e)
{
    if (row->pkg->kind != KIND_SCRIPT || row->pkg->location != NULL ||
        cache_hash_allowed(decide_cache(r->decide), row->pkg, false))
        return true;
    return err_set(e, ERR_TRUST, CAUSE_HASH,
                   "%s has no hash in " BOOTSTRAP_NAME ": add hash, or allow it with AllowMissingHash",
                   text_basename(item_of(row)->file));
}

/* --- scripts that nobody waits for ---------------------------------------------------------------------- */

int run_bootstrap_working(const struct run *r)
{
    int n = 0;
    for (int i = 0; i < r->count; i++)
        n += r->rows[i].script != NULL;
    return n;
}

bool run_bootstrap_starts(struct run *r, struct run_row *row, int package, struct install_outcome *out,
                          struct err *e)
{
    if (row->pkg->kind != KIND_SCRIPT || !item_of(row)->donotwait || !r->s->env.run_scripts ||
        item_of(row)->stage == BOOTSTRAP_PREFLIGHT) /* its answer is needed */
        return false;
    row->script = bootitem_start(&r->s->env, row->pkg, package, out, e);
    if (row->script != NULL) {
        log_info("it goes on by itself");
        row->over = true;
    }
    return true;
}

static void ended(struct run *r, struct run_row *row)
{
    struct install_outcome out = {.end = INSTALL_OK};
    struct err e;
    int code = 0;
    log_item(row->pkg->name);
    snprintf(out.step, sizeof out.step, "script");
    bool ok = script_end(row->script, &code, &e);
    row->script = NULL;
    if (!ok)
        out.code = code;
    run_row_finish(r, row, ok && bootitem_ended(row->pkg, code, &out, &e), &out, &e);
    log_item(NULL);
}

/* Those that have ended; with all, everyone: until it has ended, or a second signal says not to wait. */
static void reap(struct run *r, bool all)
{
    for (int i = 0; i < r->count; i++) {
        struct run_row *row = &r->rows[i];
        while (all && row->script != NULL && !script_done(row->script) && loop_stops(r->s->loop, NULL) < 2)
            loop_turn(r->s->loop, 1000);
        if (row->script != NULL && (all || script_done(row->script)))
            ended(r, row);
    }
}

/* --- what a failure means ------------------------------------------------------------------------------- */

static bool did_not_come(const struct run *r, const struct run_row *row)
{
    const struct progress_item *p = &progress_now(r->s->progress)->items[row->index];
    return row->download == RUN_NOT_FETCHED || (p->has_failure && strcmp(p->failure.step, "verify") == 0);
}

/* Does the failure of row end the rest? */
static bool ends_the_rest(const struct run *r, const struct run_row *row)
{
    enum progress_state st = state_of(r, row);
    if (st != STATE_FAILED)
        return false;
    switch (item_of(row)->policy) {
    case BOOTSTRAP_FAILABLE:
        return false;
    case BOOTSTRAP_NO_OPTION:
        return true;
    case BOOTSTRAP_FAILABLE_EXECUTION:
        break;
    }
    return did_not_come(r, row);
}

/* The first row so far whose failure ends the rest, or NULL; it is critical then. */
static struct run_row *stopper(struct run *r)
{
    for (int i = 0; i < r->count; i++)
        if (ends_the_rest(r, &r->rows[i])) {
            r->rows[i].critical = true;
            return &r->rows[i];
        }
    return NULL;
}

static void block_rest(struct run *r, const struct run_row *by)
{
    const char *policy = item_of(by)->policy == BOOTSTRAP_NO_OPTION
                             ? "its fail_policy is failure_is_not_an_option"
                             : "what does not arrive ends the rest (fail_policy failable would not)";
    for (int i = 0; i < r->count; i++) {
        struct run_row *row = &r->rows[i];
        if (row->over)
            continue;
        log_item(row->pkg->name);
        run_row_block(r, row,
                      arena_printf(r->s->arena, "not begun: %s failed, and %s", by->pkg->name, policy));
        log_item(NULL);
    }
}

/* --- stages --------------------------------------------------------------------------------------------- */

/* What the rows before end have said: all must have exited with 0 for nothing to be done. */
static enum bootstrap_answer preflight(const struct run *r, int end)
{
    enum bootstrap_answer answer = BOOTSTRAP_OVER;
    for (int i = 0; i < end; i++) {
        if (state_of(r, &r->rows[i]) != STATE_SUCCESS)
            return BOOTSTRAP_NOT_ASKED;
        if (r->rows[i].code != 0)
            answer = BOOTSTRAP_GO_ON;
    }
    return end > 0 ? answer : BOOTSTRAP_NOT_ASKED;
}

static void leave_out_rest(struct run *r, int from)
{
    log_info("preflight says that nothing is to be done");
    for (int i = from; i < r->count; i++) {
        r->rows[i].over = true;
        progress_item(r->s->progress, r->rows[i].index, STATE_SKIPPED,
                      "preflight says that nothing is to be done");
    }
}

static void enter(struct run *r, const struct run_row *row)
{
    static const char *const phases[] = {"preflight", "setup", "session"};
    progress_phase(r->s->progress, phases[item_of(row)->stage]);
}

void run_bootstrap(struct run *r)
{
    int early = 0;
    struct run_row *by = NULL;
    while (early < r->count && item_of(&r->rows[early])->stage == BOOTSTRAP_PREFLIGHT)
        early++;
    run_download(r, 0, early);
    for (int i = 0; i < r->count && by == NULL && !run_stopped(r); i++) {
        if (i == early && preflight(r, early) == BOOTSTRAP_OVER) {
            leave_out_rest(r, early);
            break;
        }
        if (i == early)
            run_download(r, early, r->count);
        enter(r, &r->rows[i]);
        run_row_work(r, &r->rows[i]);
        reap(r, false);
        by = stopper(r);
    }
    decide_preflight(r->decide, preflight(r, early));
    if (by != NULL)
        block_rest(r, by);
    reap(r, true);
    (void)stopper(r); /* one that went on by itself */
}
