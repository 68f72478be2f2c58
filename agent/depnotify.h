/* depnotify: DEPNotify's control file: "Status: …" and "Command: …" lines.
 *
 * The bar is DeterminateManual, one step for each item that ends; the Continue command is the last Command
 * of a run, because any later one would undo it. */
#ifndef AGENT_DEPNOTIFY_H
#define AGENT_DEPNOTIFY_H
#include "agent/progress.h"

/* The control file at path below root, made anew (0644). */
CHECKED bool depnotify_open(int root, const char *path, struct progress_writer *w, struct err *e);
#endif
