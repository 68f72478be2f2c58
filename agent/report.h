/* report: ManagedInstallReport.plist and Install.log, for the tools that read Munki's.
 *
 * The keys are Munki's; Errors, Warnings, InstallResults and RemovalResults always stand there, dates are
 * real dates. The report before is moved to Archives/ManagedInstallReport-YYYY-MM-DD-HHMMSS.plist, of which
 * the 100 newest stay. */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H
#include "manifests/plan.h"

struct report;

/* data: descriptor of ManagedInstallDir, logs: of the log folder (-1: no Install.log). Both borrowed.
 * run_type: auto, custom, manualcheck, … as Munki names runs. */
struct report *report_open(int data, int logs, const char *run_type);
void report_free(struct report *r);

void report_set(struct report *r, const char *key, const struct value *v); /* v: copied by reference, must
                                                                              live as long as r */
void report_set_text(struct report *r, const char *key, const char *text);
void report_error(struct report *r, const char *text);
void report_warning(struct report *r, const char *text);
void report_plan(struct report *r, const struct plan *plan);

struct report_result {
    const struct pkginfo *pkg;
    bool removal, unattended;
    int status; /* 0, or what Install.log calls the return code */
    int64_t seconds, kb_per_second;
    const char *signature,
        *team_id; /* of its package: "signed", "unsigned", …; "" or NULL: none was judged */
};
/* One item was worked on: a line in Install.log now, an entry in the report later. */
void report_result(struct report *r, const struct report_result *result);

/* Write it now, with EndTime. archive: move the one before away first (once a run). */
CHECKED bool report_write(struct report *r, bool archive, struct err *e);
#endif
