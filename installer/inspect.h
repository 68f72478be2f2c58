/* inspect: what the worker without rights does with a flat package: prove its table of contents, read
 * PackageInfo, Distribution and Bom, choose components, report by records, leave a plan (plan.h).
 *
 * Descriptors: WORKER_FIRST the package, the next the file of the plan (LIST: none). LIST reads payloads too,
 * since nothing is made of them. */
#ifndef INSTALLER_INSPECT_H
#define INSTALLER_INSPECT_H
#include "core/buf.h"

/* The work that request (record.h) asks for. In the worker only: it speaks through worker_send. */
CHECKED bool inspect_work(const struct buf *request, struct err *e);
void inspect_prepare(void); /* what the libraries need before the cage closes */
#endif
