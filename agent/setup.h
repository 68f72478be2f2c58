/* setup: what a command that only decides stands on (check, why), opened in order, closed in reverse. */
#ifndef AGENT_SETUP_H
#define AGENT_SETUP_H
#include "agent/decide.h"

struct setup {
    struct arena *arena;
    struct loop *loop;
    struct target target;
    struct prefs prefs;
    struct facts facts;
    struct journal *journal; /* as it stands, for questions */
    struct decide *decide;
};

/* Returns 0, or the exit code after saying why. setup_close in both cases. */
int setup_open(struct setup *s, const struct options *o, enum target_use use, bool offline);
void setup_close(struct setup *s);

/* Say e, with a suggestion, at the top: once. */
void setup_complain(const struct err *e);
#endif
