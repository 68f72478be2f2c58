/* run_rows: what the plan's items become in this run: rows, and the order in which they are worked on.
 *
 * Three stages follow each other: setup, which needs nobody; session, which needs a person at the desktop;
 * and Daybreak itself, whose update replaces the program that is running. Within a stage the plan's order
 * stands, but Munki's own packages go last, since they may restart its jobs. Whatever stands on an item goes
 * after it, into a later stage if need be: so the order of the plan's requirements survives. */
#include "agent/run_internal.h"
#include "core/log.h"
#include "core/text.h"

/* --- order ---------------------------------------------------------------------------------------------- */

static bool names(struct arena *a, const struct value *references, const struct pkginfo *other)
{
    size_t n = value_str(references) != NULL ? 1 : value_count(references);
    for (size_t i = 0; i < n; i++) {
        const char *text =
            value_str(references) != NULL ? value_str(references) : value_str(value_at(references, i));
        const char *name, *version;
        if (text == NULL) {
            continue;
        }
        pkginfo_split_reference(a, text, &name, &version);
        if (strcmp(text, other->name) == 0 ||
            (strcmp(name, other->name) == 0 && (*version == '\0' || strcmp(version, other->version) == 0))) {
            return true;
        }
    }
    return false;
}

/* Does row stand on other? Of removals: what depends on an item must be gone before it. */
static bool stands_on(struct arena *a, const struct run_row *row, const struct run_row *other)
{
    const struct run_row *above = row->removal ? other : row, *below = row->removal ? row : other;
    return row->removal == other->removal &&
           (names(a, above->pkg->requires, below->pkg) || names(a, above->pkg->update_for, below->pkg));
}

const struct run_row *run_stands_on(const struct run *r, const struct run_row *row)
{
    const struct progress_run *now = progress_now(r->s->progress);
    for (const struct run_row *other = r->rows; other < row; other++) {
        enum progress_state s = now->items[other->index].state;
        bool lost = s == STATE_FAILED || s == STATE_BLOCKED || s == STATE_DEFERRED;
        if (lost && stands_on(r->s->arena, row, other)) {
            return other;
        }
    }
    return NULL;
}

bool run_held(const struct run *r, const struct run_row *row)
{
    for (const struct run_row *other = r->rows; other < row; other++) {
        if (!other->over && (other->awaits != NULL || other->held) && stands_on(r->s->arena, row, other)) {
            return true;
        }
    }
    return false;
}

static bool is_package(const struct pkginfo *p, const char *prefix, bool whole)
{
    for (size_t i = 0; i < p->receipts_count; i++) {
        const char *id = p->receipts[i].id;
        if (id != NULL && (whole ? strcmp(id, prefix) == 0 : text_starts(id, prefix))) {
            return true;
        }
    }
    return false;
}

static bool is_munkis(const struct pkginfo *p)
{
    return is_package(p, "com.googlecode.munki.", false);
}

enum { RANK_SETUP, RANK_SETUP_MUNKI, RANK_SESSION, RANK_SESSION_MUNKI, RANK_OURSELVES, RANKS };

static int rank(const struct run *r, const struct run_row *row)
{
    bool munkis = is_munkis(row->pkg);
    if (is_package(row->pkg, DAYBREAK_DOMAIN ".pkg", true)) {
        return RANK_OURSELVES;
    }
    for (int i = 0; munkis && i < r->count; i++) {
        munkis = is_munkis(r->rows[i].pkg) || !stands_on(r->s->arena, &r->rows[i], row);
    }
    return (row->session ? RANK_SESSION : RANK_SETUP) + (munkis ? 1 : 0);
}

/* Put the rows in order. The plan has what an item stands on before it, so one pass sees every rank final. */
static void order(struct run *r)
{
    struct arena *a = r->s->arena;
    struct run_row *sorted = arena_array(a, (size_t)r->count + 1, sizeof *sorted);
    int *ranks = arena_array(a, (size_t)r->count + 1, sizeof *ranks), n = 0;
    for (int i = 0; i < r->count; i++) {
        ranks[i] = rank(r, &r->rows[i]);
        for (int k = 0; k < i; k++) {
            if (ranks[k] > ranks[i] && stands_on(a, &r->rows[i], &r->rows[k])) {
                ranks[i] = ranks[k];
            }
        }
        r->rows[i].session = ranks[i] == RANK_SESSION || ranks[i] == RANK_SESSION_MUNKI;
    }
    for (int want = 0; want < RANKS; want++) {
        for (int i = 0; i < r->count; i++) {
            if (ranks[i] == want) {
                sorted[n++] = r->rows[i];
            }
        }
    }
    r->rows = sorted;
}

/* --- rows ----------------------------------------------------------------------------------------------- */

static const char *kind_name(const struct pkginfo *p)
{
    static const char *const names[] = {"package", "copy",    "stage_os_installer",
                                        "nopkg",   "profile", "startosinstall",
                                        "script",  "file",    "unsupported"};
    return names[p->kind];
}

bool run_lists(const struct value *array, const char *name)
{
    return array != NULL && value_has_str(array, name);
}

static struct progress_item face(const struct run *r, const struct pkginfo *p)
{
    bool session = p->session || run_lists(r->plan->session_items, p->name);
    return (struct progress_item){.name = p->name,
                                  .display_name = p->display_name,
                                  .version = p->version,
                                  .kind = kind_name(p),
                                  .stage = session ? "session" : "setup",
                                  .bytes_total = p->size_kb > 0 ? p->size_kb * 1024 : -1};
}

static bool worked_on(const struct run *r, const struct pkginfo *p)
{
    struct journal_item known = journal_item(r->s->journal, p->name);
    return known.outcome == JOURNAL_FAILED || known.outcome == JOURNAL_BLOCKED ||
           known.outcome == JOURNAL_DEFERRED || known.outcome == JOURNAL_CUT;
}

/* --only-failed: what did not make it last time, and what that requires. */
static void keep_only_failed(struct run *r, bool *keep)
{
    struct arena *a = r->s->arena;
    for (size_t i = 0; i < r->plan->item_count; i++) {
        keep[i] = worked_on(r, r->plan->items[i].pkg);
    }
    for (size_t i = r->plan->item_count; i-- > 0;) { /* requirements stand before their dependents */
        const struct value *requires = r->plan->items[i].pkg->requires;
        size_t n = value_str(requires) != NULL ? 1 : value_count(requires);
        for (size_t k = 0; keep[i] && k < n; k++) {
            const char *text =
                value_str(requires) != NULL ? value_str(requires) : value_str(value_at(requires, k));
            const char *name, *version;
            if (text == NULL) {
                continue;
            }
            pkginfo_split_reference(a, text, &name, &version);
            for (size_t j = 0; j < i; j++) {
                const char *other = r->plan->items[j].pkg->name;
                keep[j] = keep[j] || strcmp(other, name) == 0 || strcmp(other, text) == 0;
            }
        }
    }
}

struct problem { /* an entry of problem_items as a row of its own */
    const char *name, *version, *note;
    enum cause cause;
};

/* What the plan says of an item that it cannot install: the download, where one was tried; else the note. */
static enum cause problem_cause(const struct run *r, const struct value *entry, const char *note)
{
    enum cause tried =
        decide_failed_by(r->decide, props_str(entry, "name"), props_str(entry, "version_to_install"));
    if (tried != CAUSE_NONE) {
        return tried;
    }
    if (strstr(note, "disk space") != NULL) {
        return CAUSE_DISK;
    }
    if (strstr(note, "ntegrity") != NULL) {
        return CAUSE_HASH;
    }
    if (text_starts(note, "Download failed (")) { /* and none was tried: the pkginfo says not of what */
        return CAUSE_FORMAT;
    }
    return CAUSE_DEPENDENCY;
}

static void warn_of_unknown(const struct options *o, const struct progress_item *items, int n)
{
    for (size_t k = 0; k < o->force_count; k++) {
        int i = 0;
        while (i < n && (items[i].name == NULL || strcmp(items[i].name, o->force[k]) != 0)) {
            i++;
        }
        if (i == n) {
            log_warn("--force %s: nothing of that name is in the plan: daybreak why %s", o->force[k],
                     o->force[k]);
        }
    }
}

/* Build the rows: what is there already, what is to be done, what cannot be done. */
void run_rows(struct run *r)
{
    struct arena *a = r->s->arena;
    const struct plan *plan = r->plan;
    size_t broken_count, problems = value_count(plan->problem_items);
    const struct decide_broken *broken = decide_broken(r->decide, &broken_count);
    size_t all = plan->present_count + plan->item_count + problems + broken_count;
    struct progress_item *items = arena_array(a, all + 1, sizeof *items);
    bool *keep = arena_array(a, plan->item_count + 1, sizeof *keep);
    int n = 0, failed_from;
    r->rows = arena_array(a, plan->item_count + 1, sizeof *r->rows);
    for (size_t i = 0; i < plan->present_count; i++) {
        bool sick = false;
        for (size_t b = 0; b < broken_count; b++) {
            sick = sick || strcmp(broken[b].name, plan->present[i]->name) == 0;
        }
        if (!sick) {
            items[n] = face(r, plan->present[i]);
            items[n].state = STATE_SKIPPED;
            items[n].verified = true;
            items[n++].reason =
                plan->present_reasons != NULL ? plan->present_reasons[i] : "already installed";
        }
    }
    for (size_t i = 0; i < plan->item_count; i++) {
        keep[i] = true;
    }
    if (r->s->options->only_failed) {
        keep_only_failed(r, keep);
    }
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct plan_item *item = &plan->items[i];
        bool again = false; /* InstallInfo may repeat an item that two requirements update: done once */
        for (int k = 0; k < r->count && !item->removal; k++) {
            again = again || (!r->rows[k].removal && r->rows[k].pkg == item->pkg);
        }
        if (again) {
            continue;
        }
        items[n] = face(r, item->pkg);
        items[n].removal = item->removal;
        if (!keep[i]) { /* --only-failed: still to do, but not now; the plan is not complete without it */
            items[n++].reason = "left out of this run";
            continue;
        }
        r->rows[r->count++] = (struct run_row){
            .run = r,
            .pkg = item->pkg,
            .entry = item->entry,
            .removal = item->removal,
            .critical = item->pkg->critical || run_lists(plan->critical_items, item->pkg->name),
            .session = item->pkg->session || run_lists(plan->session_items, item->pkg->name),
            .index = n++};
    }
    failed_from = n;
    for (size_t i = 0; i < problems; i++) {
        const struct value *entry = value_at(plan->problem_items, i);
        items[n++] = (struct progress_item){.name = props_str(entry, "name"),
                                            .display_name = props_str(entry, "display_name"),
                                            .version = props_str(entry, "version_to_install"),
                                            .kind = "package",
                                            .stage = "setup"};
    }
    for (size_t i = 0; i < broken_count; i++) {
        items[n++] = (struct progress_item){
            .name = broken[i].name, .version = broken[i].version, .kind = "package", .stage = "setup"};
    }
    if (!decide_is_bootstrap(r->decide)) { /* a bootstrap.json has an order of its own */
        order(r);
    }
    for (int i = 0; i < r->count; i++) {
        items[r->rows[i].index].stage = r->rows[i].session ? "session" : "setup";
    }
    warn_of_unknown(r->s->options, items, n);
    log_info("plan: %d item%s, %d to do", n, n == 1 ? "" : "s", r->count);
    progress_plan(r->s->progress, items, n);
    for (size_t i = 0; i < problems; i++) {
        const char *note = props_str(value_at(plan->problem_items, i), "note");
        struct err e;
        enum cause cause = problem_cause(r, value_at(plan->problem_items, i), note != NULL ? note : "");
        err_set(&e, ERR_INTERNAL, cause, "%s", note != NULL ? note : "it cannot be installed");
        progress_fail(r->s->progress, failed_from + (int)i,
                      cause == CAUSE_DEPENDENCY ? STATE_BLOCKED : STATE_FAILED, "decision", &e);
        log_error("%s: %s", items[failed_from + (int)i].name, e.text);
        report_error(r->s->report, arena_printf(a, "%s: %s", items[failed_from + (int)i].name, e.text));
    }
    for (size_t i = 0; i < broken_count; i++) {
        struct err e;
        err_set(&e, ERR_CHILD, CAUSE_SCRIPT, "%s", broken[i].sentence);
        progress_fail(r->s->progress, failed_from + (int)(problems + i), STATE_FAILED, "check script", &e);
        log_error("%s: %s", broken[i].name, e.text);
        report_error(r->s->report, arena_printf(a, "%s: %s", broken[i].name, e.text));
    }
}
