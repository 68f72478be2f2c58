/* restart: what is remembered of a restart that installed software asks for, over the ends of runs and of the
 * system itself.
 *
 * state/restart holds it until the Mac has started anew: the system's boot session, the plan, how the last
 * run ended, and whether the user was asked. state/restarted lists the plans that we restarted for, newest
 * last. Where no boot session is known (another target without a stand-in for sysctl) nothing is kept. A
 * damaged file counts as none: at worst nobody restarts. */
#ifndef AGENT_RESTART_H
#define AGENT_RESTART_H
#include "agent/session.h"

enum restart_state {
    RESTART_NONE,
    RESTART_OWED,    /* asked for since the system started */
    RESTART_HAPPENED /* asked for, and the system has started anew since */
};

struct restart {
    enum restart_state state;
    char plan[65]; /* SHA-256 of the decision that asked for it */
    int code;      /* of the last run's end */
    bool asked;    /* the user, in this boot session */
};

/* Look. Asks sysctl only when something is remembered. */
void restart_look(struct session *s, struct restart *x);

/* A run has ended with code; wanted: an item of it asked for a restart, plan is its decision. What is owed
 * already stays owed. Forgets a restart that has happened. */
void restart_note(struct session *s, bool wanted, const char *plan, int code);

void restart_asked(struct session *s, struct restart *x);   /* remember that the user was asked */
bool restart_done_for(struct session *s, const char *plan); /* have we restarted for this plan before? */
CHECKED bool restart_doing(struct session *s, const char *plan, struct err *e); /* we are about to */
#endif
