/* webhook: the final report of each run to the administrator's server (ReportURL), once, sooner or later.
 *
 * A report is status.json's object with `machine` (serial_number, hostname, hardware_uuid, model, os_vers)
 * added, POSTed as application/json with ReportHeaders and an Idempotency-Key, the run's UUID. It is queued
 * in STATE/reports before it is sent and leaves the queue when the server has taken it (any 2xx, or 409: it
 * had it before) or will never take it (400, 413, 415, 422). Everything else is for a later run. The queue
 * holds WEBHOOK_QUEUE reports; the oldest go first. Nothing here fails a run. */
#ifndef AGENT_WEBHOOK_H
#define AGENT_WEBHOOK_H
#include "agent/network.h"
#include "agent/progress.h"

#define WEBHOOK_QUEUE   20
#define WEBHOOK_MAX_MS  ((uint64_t)30000) /* for all of the queue in one run */
#define WEBHOOK_REPORTS "reports"         /* below the state folder; 0700 */

/* Queue the report of a run that has ended. Does nothing without ReportURL. */
void webhook_queue(const struct network *n, const struct progress_run *run);

/* Send what is queued, oldest first, until the first that the server cannot be asked about. */
void webhook_send(const struct network *n);
#endif
