/* run: bring this Mac to what its manifest says, and say what happened.
 *
 * run_all is the command: lock, journal recovered, preferences, facts, decision, then item by item in plan
 * order: gates, download (several ahead), proof, install, evidence, receipt; at the end a fresh look at the
 * machine, InstallInfo, report and status. Every exit code of docs/daybreak.8 comes out of here. */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H
#include "agent/options.h"

int run_all(const struct options *o);
#endif
