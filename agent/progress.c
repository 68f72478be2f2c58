/* progress: the picture of the run and its writers.
 *
 * Invariants: seq grows by one with each event and never skips; items are fixed by the plan; an item that is
 * final stays so; finished_ms is set exactly when a state is final. Progress inside a state is passed on at
 * most ten times a second an item: writers that want less thin it out themselves. */
#include "agent/progress.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

#define WRITERS_MAX     12
#define ERRORS_IN_A_ROW 5
#define TICK_MS         100

struct progress {
    struct arena *arena;
    struct loop *loop;
    struct progress_run run;
    struct progress_writer writers[WRITERS_MAX];
    int errors[WRITERS_MAX];
    pid_t readers[WRITERS_MAX]; /* who was seen reading, or 0 */
    int writer_count;
    uint64_t begun;      /* loop time */
    uint64_t *last_tick; /* per item */
};

const char *progress_state_name(enum progress_state s)
{
    static const char *const names[STATE_COUNT] = {"pending",    "waiting",    "downloading", "verifying",
                                                   "installing", "retry_wait", "success",     "skipped",
                                                   "failed",     "blocked",    "deferred",    "cancelled"};
    return (unsigned)s < STATE_COUNT ? names[s] : "pending";
}

bool progress_state_final(enum progress_state s)
{
    return s >= STATE_SUCCESS && s < STATE_COUNT;
}

static int64_t now_ms(void)
{
    time_t t;
    int ms;
    os_realtime(&t, &ms);
    return (int64_t)t * 1000 + ms;
}

static void make_uuid(char out[37])
{
    unsigned char b[16];
    char hex[33];
    os_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4, RFC 4122 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    text_hex(hex, b, sizeof b);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* A copy without control bytes: names and versions come from outside, and watchers and terminals obey them.
 */
static const char *keep(struct progress *p, const char *s)
{
    return s != NULL ? text_printable(p->arena, s, strlen(s)) : NULL;
}

struct progress *progress_open(struct loop *l, const char *trigger)
{
    struct arena *a = arena_open();
    struct progress *p = arena_alloc(a, sizeof *p);
    p->arena = a;
    p->loop = l;
    make_uuid(p->run.run);
    p->run.trigger = arena_strdup(a, trigger);
    p->run.state = "running";
    p->run.phase = "preflight";
    p->run.current = -1;
    p->begun = loop_now(l);
    return p;
}

void progress_add(struct progress *p, struct progress_writer w)
{
    if (p->writer_count < WRITERS_MAX) {
        p->writers[p->writer_count++] = w;
    } else if (w.close != NULL) {
        w.close(w.self);
    }
}

void progress_free(struct progress *p)
{
    if (p == NULL) {
        return;
    }
    for (int i = 0; i < p->writer_count; i++) {
        if (p->writers[i].close != NULL) {
            p->writers[i].close(p->writers[i].self);
        }
    }
    arena_free(p->arena);
}

const struct progress_run *progress_now(const struct progress *p)
{
    return &p->run;
}

static void count_up(struct progress *p)
{
    int done = 0;
    for (int i = 0; i < p->run.count; i++) {
        const struct progress_item *it = &p->run.items[i];
        if (progress_state_final(it->state)) {
            done += 100;
        } else if (it->state == STATE_INSTALLING) {
            done += 50 + (it->pct > 0 ? it->pct / 2 : 0);
        } else if (it->state == STATE_DOWNLOADING && it->pct > 0) {
            done += it->pct / 2;
        }
    }
    p->run.percent = p->run.count > 0 ? done / p->run.count : 0;
}

static void account(struct progress *p, int i, bool ok)
{
    struct progress_writer *w = &p->writers[i];
    if (ok) {
        p->errors[i] = 0;
    } else if (++p->errors[i] >= ERRORS_IN_A_ROW) {
        log_warn("%s cannot be written; it is left out for the rest of this run", w->name);
        if (w->close != NULL) {
            w->close(w->self);
        }
        w->emit = NULL;
        w->close = NULL;
    }
}

static void tell(struct progress *p, enum progress_type type, int index, const char *text)
{
    p->run.updated_ms = now_ms();
    count_up(p);
    struct progress_event ev = {.type = type,
                                .seq = ++p->run.seq,
                                .ms = p->run.updated_ms,
                                .mono_ms = loop_now(p->loop) - p->begun,
                                .index = index,
                                .text = text};
    for (int i = 0; i < p->writer_count; i++) {
        struct progress_writer *w = &p->writers[i];
        if (w->emit == NULL) {
            continue;
        }
        account(p, i, w->emit(w->self, &p->run, &ev));
    }
}

struct look {
    const struct progress *p;
    const char *below;
    pid_t other[WRITERS_MAX]; /* a reader that was not there before */
    bool known[WRITERS_MAX];  /* the one that was, still is */
};

static bool look_at(void *ctx, pid_t pid, const char *path)
{
    struct look *l = ctx;
    for (int i = 0; i < l->p->writer_count && text_starts(path, l->below); i++) {
        const struct progress_writer *w = &l->p->writers[i];
        if (w->reader != NULL && text_ends(path, w->reader)) {
            l->known[i] = l->known[i] || pid == l->p->readers[i];
            l->other[i] = pid != l->p->readers[i] ? pid : l->other[i];
        }
    }
    return true;
}

void progress_look(struct progress *p, const char *below)
{
    struct look l = {.p = p, .below = below};
    os_processes(look_at, &l);
    for (int i = 0; i < p->writer_count; i++) {
        const struct progress_writer *w = &p->writers[i];
        if (l.known[i]) {
            continue;
        }
        p->readers[i] = l.other[i];
        if (l.other[i] != 0 && w->emit != NULL && w->resync != NULL && p->run.items != NULL) {
            log_debug("the reader of %s has started", w->name);
            account(p, i, w->resync(w->self, &p->run, now_ms()));
        }
    }
}

void progress_begin(struct progress *p)
{
    p->run.started_ms = now_ms();
    tell(p, EVENT_RUN_BEGIN, -1, NULL);
}

void progress_manifest(struct progress *p, const char *manifest, const char *trust)
{
    p->run.manifest = keep(p, manifest);
    p->run.trust = keep(p, trust);
}

void progress_plan(struct progress *p, const struct progress_item *items, int count)
{
    p->run.items = arena_array(p->arena, (size_t)count + 1, sizeof *p->run.items);
    p->last_tick = arena_array(p->arena, (size_t)count + 1, sizeof *p->last_tick);
    p->run.count = count;
    for (int i = 0; i < count; i++) {
        struct progress_item *it = &p->run.items[i];
        *it = items[i];
        it->name = keep(p, it->name);
        it->display_name = keep(p, it->display_name != NULL ? it->display_name : it->name);
        it->version = keep(p, it->version != NULL ? it->version : "");
        it->kind = keep(p, it->kind);
        it->stage = keep(p, it->stage);
        it->reason = keep(p, it->reason);
        it->pct = -1;
        if (it->bytes_total == 0) {
            it->bytes_total = -1;
        }
        if (progress_state_final(it->state)) {
            it->finished_ms = now_ms();
        }
    }
    progress_make_ids(p->arena, p->run.items, count);
    tell(p, EVENT_PLAN, -1, NULL);
}

void progress_phase(struct progress *p, const char *phase)
{
    if (strcmp(p->run.phase, phase) != 0) {
        p->run.phase = keep(p, phase);
        tell(p, EVENT_PHASE, -1, p->run.phase);
    }
}

void progress_wait(struct progress *p, const char *what)
{
    if ((what == NULL) == (p->run.waiting_for == NULL) &&
        (what == NULL || strcmp(what, p->run.waiting_for) == 0)) {
        return;
    }
    p->run.waiting_for = keep(p, what);
    p->run.state = what != NULL ? "waiting" : "running";
    char text[300];
    snprintf(text, sizeof text, "waiting for %s", what != NULL ? what : "nothing any more");
    /* or the log has an hour in it that nobody can explain */
    log_info("%s", what != NULL ? text : "the wait is over");
    tell(p, EVENT_NOTE, -1, text);
}

static void set_state(struct progress *p, struct progress_item *it, enum progress_state s)
{
    if (it->started_ms == 0 && s != STATE_PENDING && s != STATE_BLOCKED && s != STATE_CANCELLED) {
        it->started_ms = now_ms();
    }
    if (it->state != s) {
        it->pct = s == STATE_SUCCESS || s == STATE_SKIPPED ? 100 : -1;
    }
    it->state = s;
    it->finished_ms = progress_state_final(s) ? now_ms() : 0;
    int index = (int)(it - p->run.items);
    if (progress_state_final(s)) {
        if (p->run.current == index) {
            p->run.current = -1;
        }
    } else if (s == STATE_INSTALLING || s == STATE_VERIFYING || p->run.current < 0) {
        p->run.current = index;
    }
}

void progress_item(struct progress *p, int index, enum progress_state s, const char *reason)
{
    struct progress_item *it = &p->run.items[index];
    bool same_reason = (reason == NULL && it->reason == NULL) ||
                       (reason != NULL && it->reason != NULL && strcmp(reason, it->reason) == 0);
    if (it->state == s && same_reason) {
        return;
    }
    it->reason = keep(p, reason);
    set_state(p, it, s);
    tell(p, EVENT_ITEM_STATE, index, it->reason);
}

static bool tick(struct progress *p, int index)
{
    uint64_t now = loop_now(p->loop);
    if (p->last_tick[index] != 0 && now - p->last_tick[index] < TICK_MS) {
        return false;
    }
    p->last_tick[index] = now;
    return true;
}

void progress_bytes(struct progress *p, int index, uint64_t have, int64_t total)
{
    struct progress_item *it = &p->run.items[index];
    it->bytes = have;
    it->bytes_total = total > 0 ? total : it->bytes_total;
    if (it->state == STATE_DOWNLOADING) {
        it->pct = it->bytes_total > 0 ? (int)(have * 100 / (uint64_t)it->bytes_total) : -1;
        it->pct = it->pct > 100 ? 100 : it->pct;
    }
    if (tick(p, index)) {
        tell(p, EVENT_ITEM_PROGRESS, index, NULL);
    }
}

void progress_percent(struct progress *p, int index, int percent, const char *phase)
{
    struct progress_item *it = &p->run.items[index];
    it->pct = percent < -1 ? -1 : percent > 100 ? 100 : percent;
    if (tick(p, index)) {
        tell(p, EVENT_ITEM_PROGRESS, index, phase);
    }
}

void progress_attempt(struct progress *p, int index, int attempt, int max)
{
    p->run.items[index].attempt = attempt;
    p->run.items[index].attempts_max = max;
}

void progress_success(struct progress *p, int index, bool verified, const char *reason)
{
    struct progress_item *it = &p->run.items[index];
    it->verified = verified;
    it->has_failure = false;
    progress_item(p, index, STATE_SUCCESS, reason);
}

void progress_fail(struct progress *p, int index, enum progress_state s, const char *step,
                   const struct err *e)
{
    struct progress_item *it = &p->run.items[index];
    it->has_failure = true;
    it->failure.step = keep(p, step);
    it->failure.cause = e->cause == CAUSE_NONE ? CAUSE_INTERNAL : e->cause;
    it->failure.message = keep(p, e->text);
    it->failure.code = e->code;
    it->reason = NULL;
    set_state(p, it, s);
    tell(p, EVENT_ITEM_STATE, index, it->failure.message);
}

void progress_note(struct progress *p, int index, const char *text)
{
    tell(p, EVENT_NOTE, index, text);
}

void progress_reboot(struct progress *p)
{
    if (!p->run.reboot) {
        p->run.reboot = true;
        tell(p, EVENT_REBOOT, -1, NULL);
    }
}

void progress_run_fail(struct progress *p, const char *step, const struct err *e)
{
    p->run.has_failure = true;
    p->run.failure = (struct progress_failure){
        .step = keep(p, step), .cause = e->cause, .message = keep(p, e->text), .code = e->code};
}

void progress_end(struct progress *p, const char *result, int exit_code)
{
    p->run.state = "finished";
    p->run.waiting_for = NULL;
    p->run.result = keep(p, result);
    p->run.exit_code = exit_code;
    p->run.current = -1;
    p->run.phase = "final";
    p->run.finished_ms = now_ms();
    tell(p, EVENT_RUN_END, -1, p->run.failure.message);
}

void progress_make_ids(struct arena *a, struct progress_item *items, int count)
{
    for (int i = 0; i < count; i++) {
        char id[65];
        size_t n = 0;
        for (const char *s = items[i].name; *s != '\0' && n < 64; s++) {
            char c = *s;
            if (c >= 'A' && c <= 'Z') {
                c = (char)(c - 'A' + 'a');
            }
            bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            if (plain) {
                id[n++] = c;
            } else if (n == 0 || id[n - 1] != '-') {
                id[n++] = '-';
            }
        }
        if (n == 0) {
            id[n++] = '-';
        }
        id[n] = '\0';
        char *unique = arena_strdup(a, id);
        for (int k = 2, clash = 1; clash; k++) {
            clash = 0;
            for (int j = 0; j < i && !clash; j++) {
                clash = strcmp(items[j].id, unique) == 0;
            }
            if (clash) {
                char tail[16];
                int t = snprintf(tail, sizeof tail, "-%d", k);
                size_t room = 64 - (size_t)t;
                unique = arena_printf(a, "%.*s%s", (int)(n < room ? n : room), id, tail);
            }
        }
        items[i].id = unique;
    }
}
