/* session: what every run stands on, opened in the one right order and closed in reverse. */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H
#include "agent/decide.h"
#include "agent/journal.h"
#include "agent/lock.h"
#include "agent/progress.h"
#include "agent/report.h"
#include "installer/install.h"

struct session {
    struct arena *arena; /* lifetime of the run */
    struct loop *loop;
    const struct options *options;
    struct target target;
    struct prefs prefs;
    struct facts facts;
    int lock, logs;            /* descriptors, -1 when not open */
    struct lock_holder holder; /* who has the lock when we could not */
    struct journal *journal;
    struct progress *progress;
    struct report *report;
    struct install_env env;
    const char *run_type; /* as Munki names it: checkandinstallatstartup, auto, custom, manualcheck */
    int listeners[4];     /* launchd's sockets for requests */
    size_t listener_count;
    struct err refusal; /* --auto with preferences that make no sense: to be reported, nothing is done */
    bool nothing_due; /* --auto on a Mac that has completed its plan: end at once, nothing was opened further
                       */
};

/* Open everything up to the facts: target, preferences, directories, lock, log, journal, writers. Returns 0,
 * or the exit code with *e; session_close is called in both cases. 5: somebody holds the lock (holder); what
 * launchd started waits for it first, SESSION_HOLD_MS at most. Preferences that make no sense are a failure,
 * but for an automatic run a refusal that it can report: then s->refusal is set, and the defaults count. */
int session_open(struct session *s, const struct options *o, struct err *e);
/* The same up to the journal, without watchers, report and log file: for reset. */
int session_prepare(struct session *s, const struct options *o, struct err *e);
/* Open the log folder and daybreak.log, which session_open does not when nothing is due. */
CHECKED bool session_log(struct session *s, struct err *e);
/* Read the preferences again, after preflight: it may have changed them. ManagedInstallDir stays what it was
 * at the beginning. Fails with ERR_USAGE. */
CHECKED bool session_reload(struct session *s, struct err *e);
void session_close(struct session *s);

/* launchd starts what ended with another code than 0 again at once (KeepAlive): an automatic run that cannot
 * record its outcome holds for as long as the heartbeat, or until it is stopped. On other targets than / only
 * with stand-ins. */
#define SESSION_HOLD_MS ((uint64_t)900000)
void session_hold(struct session *s);
#endif
