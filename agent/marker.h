/* marker: done/ID and complete, empty files for those who watch paths (Setup Manager, Baseline, scripts). */
#ifndef AGENT_MARKER_H
#define AGENT_MARKER_H
#include "agent/progress.h"

/* In state/done; state is ROOT/Library/Daybreak, borrowed. done/ID stands exactly while the item is success
 * or skipped; complete exactly while every item of the last plan is. */
void marker_open(int state, struct progress_writer *w);
#endif
