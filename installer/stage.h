/* stage: what the unpacking worker does with a flat package: by the plan (plan.h) that inspect left, unpack
 * payloads and scripts, prove them and hold them against the Bom, report by records. No table is parsed here.
 *
 * Descriptors: WORKER_FIRST the package, then the staging directory, then the plan. The directory gets, for
 * each component in order of installation, N/root (the payload), N/scripts and N/bom, N counting from 0;
 * whatever the component has of them. Nothing there may be used before the worker has said it is done:
 * members are proved at their ends. A lock on the file "lock" there, where one exists, is held while the
 * worker lives. */
#ifndef INSTALLER_STAGE_H
#define INSTALLER_STAGE_H
#include "core/buf.h"

/* The work that request asks for. In the worker only: it speaks through worker_send. */
CHECKED bool stage_work(const struct buf *request, struct err *e);
#endif
