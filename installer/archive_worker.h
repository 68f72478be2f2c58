/* archive_worker: an archive laid out in a folder, by a worker that may write beneath it alone. */
#ifndef INSTALLER_ARCHIVE_WORKER_H
#define INSTALLER_ARCHIVE_WORKER_H
#include "core/buf.h"
#include "core/loop.h"
#include <stdint.h>

/* All of file below directory, which is empty; at most max bytes. What was made of one that fails stays for
 * the caller to remove. Fails as archive and unpack do, or worker_run. */
CHECKED bool archive_unpack(struct loop *l, int file, int directory, uint64_t max, uint64_t timeout_ms,
                            struct err *e);

CHECKED bool archive_work(const struct buf *request, struct err *e); /* the worker's side */
#endif
