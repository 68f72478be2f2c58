/* pace: how often launchd's starts become runs. A Mac that cannot finish its plan tries again at once twice,
 * then after pauses that grow, and at most so many times a day; one that has finished keeps its interval.
 * What people ask for (a bare run, a granted request) is never held back.
 *
 * state/runs holds the starts of automatic runs of the last day, a line each. A damaged file counts as empty;
 * times in the future (the clock was wrong) are dropped. */
#ifndef AGENT_PACE_H
#define AGENT_PACE_H
#include "core/err.h"
#include <stdint.h>
#include <time.h>

struct pace_rule {
    int64_t max_a_day; /* MaxRunsPerDay */
    int64_t interval;  /* seconds between two runs; 0: pauses that grow with the number of runs */
};

/* Seconds until the next run may begin: 0 is now. */
int64_t pace_wait(int state, const struct pace_rule *rule, time_t now);
/* Has an automatic run begun in the last day? */
bool pace_ran(int state, time_t now);
/* A run begins. */
CHECKED bool pace_note(int state, time_t now, struct err *e);

/* The pause after so many unfinished runs within a day, in seconds: 0, 0, 15 min, 30 min, 1 h, … 4 h. */
int64_t pace_pause(size_t runs);
#endif
