/* bom_worker: the paths of a Bom, read by a worker without rights: a receipt's Bom once came with a package.
 */
#ifndef INSTALLER_BOM_WORKER_H
#define INSTALLER_BOM_WORKER_H
#include "installer/bom.h"
#include "installer/worker.h"

/* Called for each path, "" for the root; borrowed. False with *e set ends it. */
typedef bool bom_path_fn(void *ctx, const char *path, struct err *e);

/* All paths in file (read from its current offset). Fails as bom_decode and worker_run do, or as fn did. */
CHECKED bool bom_paths(struct loop *l, int file, bom_path_fn *fn, void *ctx, struct err *e);

CHECKED bool bom_work(const struct buf *request, struct err *e); /* the worker's side */
#endif
