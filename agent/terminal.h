/* terminal: the view of a run for the person at the keyboard.
 *
 * On a terminal: a line for each item that ended, and below them a bar for each transfer and each step in
 * hand, redrawn in place. Elsewhere: plain lines, one for each change worth telling. Colour only on a
 * terminal and never with NO_COLOR. */
#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H
#include "agent/progress.h"

/* fd: standard output. quiet: only failures and the end. It also takes over the log's lines for the
 * terminal, until it is closed. */
void terminal_open(struct loop *l, int fd, bool quiet, struct progress_writer *w);
#endif
