/* run_internal: the state of one run, shared by the files run*.c and nobody else. */
#ifndef AGENT_RUN_INTERNAL_H
#define AGENT_RUN_INTERNAL_H
#include "agent/run.h"
#include "agent/session.h"
#include "installer/console.h"
#include "manifests/bootstrap.h"

enum run_download { RUN_NO_DOWNLOAD, RUN_FETCHING, RUN_FETCHED, RUN_NOT_FETCHED };

struct run_row { /* one item of the plan that is worked on */
    struct run *run;
    const struct pkginfo *pkg;
    const struct value *entry; /* its dictionary in InstallInfo */
    bool removal, critical;
    bool session; /* needs a person at the desktop, itself or through what it stands on */
    int index;    /* its row in progress */
    enum run_download download;
    struct cache_job *job;
    int64_t kb_per_second;
    struct err failure; /* of the download */
    bool over;          /* final */

    /* run_profile.c */
    const char *awaits, *awaits_uuid, *awaits_why; /* the profile that is waited for; NULL: none */
    bool held;                                     /* what it stands on waits for one */
    bool forwarded, shown;                         /* MDM was asked for it; the user was */

    /* of a bootstrap.json */
    uint64_t began_ms;     /* of the step */
    int code;              /* what a script exited with */
    struct script *script; /* it is at work, and nobody waits for it */
};

struct run {
    struct session *s;
    struct decide *decide;
    const struct plan *plan;
    struct run_row *rows;
    int count;
    char digest[65]; /* SHA-256 of the decision, in hex */
    bool deadline;   /* RunDeadline passed */
    uint64_t deadline_timer;
    struct console console;  /* as it was when last asked */
    uint64_t profiles_until; /* until when items wait for profiles; 0: none has yet */
    bool profiles_given_up;  /* that is over */
    uint64_t user_until;     /* until when items wait for a user's session; 0: none has yet */
};

/* --- run_rows.c: what is worked on, in which order --- */
void run_rows(struct run *r); /* make the rows of r->plan, and tell progress of them */
/* The first earlier row that this one stands on and that did not make it, or NULL. */
const struct run_row *run_stands_on(const struct run *r, const struct run_row *row);
/* Does it stand on one that waits for a profile? */
bool run_held(const struct run *r, const struct run_row *row);
bool run_lists(const struct value *array, const char *name); /* array may be NULL */

/* --- run_stage.c: who is at this Mac, asked anew each time --- */
const struct console *run_console(struct run *r);
const char *run_console_user(struct run *r); /* the name of the person at the desktop; NULL: nobody */
/* Is a person there for row? An automatic run waits for one, at most UserWait for all its items together. On
 * a target where nobody can be asked: yes. */
bool run_user_there(struct run *r, struct run_row *row);
/* Munki and we never install at the same time. False: it took longer than MunkiWait. */
bool run_wait_munki(struct run *r, struct run_row *row);

/* --- run_item.c: one item, from its gates to its evidence --- */
/* Start the downloads of the rows from on, up to to, in plan order. */
void run_download(struct run *r, int from, int to);
void run_row_work(struct run *r, struct run_row *row);
void run_row_cancel(struct run *r, struct run_row *row);
bool run_has_profile(struct run *r, const char *identifier);

/* The step of row has ended (ok, or *e): its outcome is judged, journaled, reported. */
void run_row_finish(struct run *r, struct run_row *row, bool ok, const struct install_outcome *out,
                    const struct err *e);
void run_row_block(struct run *r, struct run_row *row, const char *why);

/* --- run_profile.c: items that wait for a configuration profile --- */
/* Put row aside until the profile is there. False: there was time enough, it must be deferred or fail. */
bool run_await(struct run *r, struct run_row *row, const char *identifier, const char *reason);
/* row is a profile that MDM has to bring (out: INSTALL_WAITING; file: its proved bytes): ask for it where the
 * administrator wants that. The whole reason, for run_await. */
const char *run_await_mdm(struct run *r, struct run_row *row, const struct install_outcome *out, int file);
/* Work on those whose profile has come. wait: until all have or the time is over, then all are ended;
 * for_a_person: only until somebody is at the desktop, and nothing is ended. */
void run_profiles(struct run *r, bool wait, bool for_a_person);

/* --- run_evidence.c --- */
bool run_evidence(struct run *r, struct run_row *row, bool something_ran);

/* --- run_bootstrap.c: all items of a bootstrap.json, in place of run_row_work for each --- */
void run_bootstrap(struct run *r);
/* Of a file that is there already: may it be used without a hash? */
CHECKED bool run_bootstrap_allowed(const struct run *r, const struct run_row *row, struct err *e);
/* donotwait: start the script of row and say so by true (row->script; NULL: *out and *e say why not). */
bool run_bootstrap_starts(struct run *r, struct run_row *row, int package, struct install_outcome *out,
                          struct err *e);
int run_bootstrap_working(const struct run *r); /* how many scripts go on meanwhile */

/* --- run_wait.c: what an automatic run waits for; a technician's never does --- */
void run_wait_turn(struct run *r);
/* ERR_USAGE: preferences that make no sense; ERR_TIMEOUT: a profile that was here does not come back. */
CHECKED bool run_wait_preferences(struct run *r, struct err *e);
const struct plan *run_wait_plan(struct run *r, struct err *e); /* as decide_make */

/* --- run_around.c: hooks and hand-off --- */
CHECKED bool run_preflight(struct run *r, struct err *e); /* ERR_USAGE: preferences changed to nonsense */
void run_postflight(struct run *r);
void run_tell_server(struct run *r); /* of a run that has ended: ReportURL */
bool run_handoff(struct run *r);     /* after success; false: it failed, which was said and reported */
/* AfterSuccess remove, the plan completed: start the package's uninstaller, which outlives us. */
void run_remove_ourselves(struct run *r);
bool run_stopped(const struct run *r); /* a signal came or the deadline passed: no new step */

/* --- run_restart.c: RestartPolicy --- */
void run_restart_owed(struct run *r); /* a restart that an earlier run asked for is still pending: say so */
void run_restart(struct run *r);      /* at the very end: restart this Mac, if that may be now */

/* --- run_attach.c: somebody holds the lock (s->holder). With a terminal: show that run until it ends, and
 * end with its code; else 5 --- */
int run_attach(struct session *s, const struct options *o);
#endif
