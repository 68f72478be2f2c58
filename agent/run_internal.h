/* run_internal: the state of one run, shared by the files run*.c and nobody else. */
#ifndef AGENT_RUN_INTERNAL_H
#define AGENT_RUN_INTERNAL_H
#include "agent/run.h"
#include "agent/session.h"

enum run_download { RUN_NO_DOWNLOAD, RUN_FETCHING, RUN_FETCHED, RUN_NOT_FETCHED };

struct run_row { /* one item of the plan that is worked on */
    struct run *run;
    const struct pkginfo *pkg;
    const struct value *entry; /* its dictionary in InstallInfo */
    bool removal, critical, session;
    int index; /* its row in progress */
    enum run_download download;
    struct cache_job *job;
    int64_t kb_per_second;
    struct err failure; /* of the download */
    bool over;          /* final */
};

struct run {
    struct session *s;
    struct decide *decide;
    const struct plan *plan;
    struct run_row *rows;
    int count;
    bool deadline; /* RunDeadline passed */
    uint64_t deadline_timer;
};

/* --- run_item.c: one item, from its gates to its evidence --- */
void run_download_all(struct run *r); /* start every download, in plan order */
void run_row_work(struct run *r, struct run_row *row);
void run_row_cancel(struct run *r, struct run_row *row);
/* Who is at the desktop of this Mac; NULL: nobody (Setup Assistant and the login window are nobody). */
const char *run_console_user(const struct run *r);
bool run_has_profile(struct run *r, const char *identifier);

/* --- run_around.c: hooks and hand-off --- */
CHECKED bool run_preflight(struct run *r, struct err *e); /* ERR_USAGE: preferences changed to nonsense */
void run_postflight(struct run *r);
void run_tell_server(struct run *r);   /* of a run that has ended: ReportURL */
bool run_handoff(struct run *r);       /* after success; false: it failed, which was said and reported */
bool run_stopped(const struct run *r); /* a signal came or the deadline passed: no new step */
#endif
