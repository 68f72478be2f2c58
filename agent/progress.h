/* progress: what happened, once, and everybody who watches told in their own words.
 *
 * The run calls progress_*; progress keeps the one picture of the run (struct progress_run) and hands each
 * change to every writer: status.json, events.jsonl, SplashBuddy, DEPNotify, swiftDialog, done markers, the
 * terminal. A writer that fails never fails the run: after a few errors in a row it is left out, with a note.
 * Nothing here decides anything. */
#ifndef AGENT_PROGRESS_H
#define AGENT_PROGRESS_H
#include "core/arena.h"
#include "core/loop.h"
#include <stdint.h>

enum progress_state {
    STATE_PENDING,
    STATE_WAITING,
    STATE_DOWNLOADING,
    STATE_VERIFYING,
    STATE_INSTALLING,
    STATE_RETRY_WAIT,
    STATE_SUCCESS,
    STATE_SKIPPED,
    STATE_FAILED,
    STATE_BLOCKED,
    STATE_DEFERRED,
    STATE_CANCELLED,
    STATE_COUNT
};
const char *progress_state_name(enum progress_state s); /* "retry_wait" */
bool progress_state_final(enum progress_state s);       /* nothing more happens to it in this run */

struct progress_failure {
    const char *step; /* download, verify, preinstall, install, postinstall, evidence, remove, … */
    enum cause cause;
    const char *message; /* one sentence naming the thing */
    int code;
};

struct progress_item {
    const char *id;   /* stable, [a-z0-9-]{1,64}: progress_make_ids */
    const char *name; /* Munki name */
    const char *display_name, *version;
    bool removal;
    const char *kind;  /* package copy nopkg profile … */
    const char *stage; /* setup session */
    enum progress_state state;
    int pct;             /* -1 unknown */
    uint64_t bytes;      /* of the download */
    int64_t bytes_total; /* -1 unknown */
    int attempt, attempts_max;
    int64_t started_ms, finished_ms; /* Unix milliseconds, 0: not yet */
    bool verified;                   /* its own evidence said yes */
    const char *reason;              /* why skipped, deferred or waiting; or NULL */
    bool has_failure;
    struct progress_failure failure;
};

struct progress_run {
    char run[37];                     /* UUID */
    const char *trigger;              /* auto manual */
    const char *state;                /* waiting running finished */
    const char *waiting_for, *result; /* or NULL */
    int exit_code;
    const char *phase; /* preflight setup session final */
    int64_t started_ms, updated_ms, finished_ms;
    const char *manifest, *trust; /* or NULL */
    int percent;
    int current; /* index, or -1 */
    bool reboot;
    bool has_failure; /* of the run itself, before or besides its items; a cause of none is no class of its
                         own */
    struct progress_failure failure;
    struct progress_item *items;
    int count;
    uint64_t seq; /* of the last event */
};

enum progress_type {
    EVENT_RUN_BEGIN,
    EVENT_PLAN,
    EVENT_PHASE,
    EVENT_ITEM_STATE,
    EVENT_ITEM_PROGRESS,
    EVENT_NOTE,
    EVENT_REBOOT,
    EVENT_RUN_END
};

struct progress_event {
    enum progress_type type;
    uint64_t seq;
    int64_t ms;       /* Unix milliseconds */
    uint64_t mono_ms; /* since the run began */
    int index;        /* of the item, or -1 */
    const char *text; /* detail; or NULL */
};

/* One of those who are told. emit formats at once: nothing in r or ev lives on. Returns false when it could
 * not write; five times in a row and it is closed and left out. */
struct progress_writer {
    const char *name;
    void *self;
    bool (*emit)(void *self, const struct progress_run *r, const struct progress_event *ev);
    void (*close)(void *self);
    /* Its reader has begun, or begun anew: say what holds now, at ms. Told only of runs that have a plan.
     * NULL: whoever begins sees all by itself. */
    bool (*resync)(void *self, const struct progress_run *r, int64_t ms);
    const char *reader; /* how the path of the reader's program ends; NULL: not looked for */
};

struct progress;

/* trigger: auto or manual. The run's UUID is fresh. */
struct progress *progress_open(struct loop *l, const char *trigger);
void progress_add(struct progress *p, struct progress_writer w); /* before progress_begin; takes w over */
void progress_free(struct progress *p);                          /* closes all writers */
const struct progress_run *progress_now(const struct progress *p);

/* Look for the writers' readers among the programs that run and whose path begins with below; who has started
 * since the last look is told what holds now. */
void progress_look(struct progress *p, const char *below);

void progress_begin(struct progress *p);
void progress_manifest(struct progress *p, const char *manifest, const char *trust);
/* The rows, in plan order, fixed from here on; strings are copied, ids are made. */
void progress_plan(struct progress *p, const struct progress_item *items, int count);
void progress_phase(struct progress *p, const char *phase);
void progress_wait(struct progress *p, const char *what); /* the run waits for what; NULL: it goes on */

/* An item's change of state. reason may be NULL; the same state and reason again is not an event. */
void progress_item(struct progress *p, int index, enum progress_state s, const char *reason);
void progress_bytes(struct progress *p, int index, uint64_t have, int64_t total);
void progress_percent(struct progress *p, int index, int percent, const char *phase);
void progress_attempt(struct progress *p, int index, int attempt, int max); /* not an event by itself */
void progress_success(struct progress *p, int index, bool verified, const char *reason);
void progress_fail(struct progress *p, int index, enum progress_state s, const char *step,
                   const struct err *e);

void progress_note(struct progress *p, int index, const char *text);
void progress_reboot(struct progress *p);
/* Why the run as a whole does not come to its plan, before progress_end: no repository, no decision, … */
void progress_run_fail(struct progress *p, const char *step, const struct err *e);
void progress_end(struct progress *p, const char *result, int exit_code);

/* Unique ids for names (product 4): lower-case ASCII, every run of other bytes one '-', at most 64. */
void progress_make_ids(struct arena *a, struct progress_item *items, int count);
#endif
