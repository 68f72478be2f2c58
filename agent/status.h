/* status: status.json, the truth for scripts and management systems; and the reading of it.
 *
 * Replaced atomically, at most twice a second, and always at the end. Schema 1: docs/daybreak.8, FILES. */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H
#include "agent/progress.h"
#include <jansson.h>

/* Write state/status.json from now on. state: descriptor of ROOT/Library/Daybreak (borrowed). */
void status_open(struct loop *l, int state, struct progress_writer *w);

/* The run as a JSON object of schema 1. The caller owns the reference. */
json_t *status_json(const struct progress_run *r);

/* Read state/status.json. NULL with ERR_NOT_FOUND when this Mac never ran, ERR_FORMAT when it is damaged. */
json_t *status_read(int state, struct err *e);
#endif
