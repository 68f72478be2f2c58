/* task: everything that a worker can be asked to do, and the cage in which it does it. */
#ifndef INSTALLER_TASK_H
#define INSTALLER_TASK_H
#include "installer/worker.h"

/* The task of that name, or NULL. */
const struct worker_task *task_find(const char *name);
#endif
