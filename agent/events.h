/* events: events.jsonl, the append-only stream of everything that happened; one JSON object a line. */
#ifndef AGENT_EVENTS_H
#define AGENT_EVENTS_H
#include "agent/progress.h"

/* Append to dir/events.jsonl (0644; begun anew, the old one kept as .1, when it is over LIMIT_LOG_FILE).
 * dir: descriptor of the log folder, borrowed. */
CHECKED bool events_open(int dir, struct progress_writer *w, struct err *e);
/* The same lines on a descriptor, for run --json (borrowed). */
void events_stream(int fd, struct progress_writer *w);
#endif
