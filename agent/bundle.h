/* bundle: one archive (tar, gzip) with everything that a colleague needs to find out what happened, and
 * nothing that a colleague must not see.
 *
 * Logs with their older generations, status, events, journal, the decision, the report, cached manifests, the
 * effective preferences, doctor's findings, a list of what lies in our folders. Every text is redacted:
 * values of secret preferences, user and password of URLs, queries of URLs, what follows "Authorization:".
 * What could not be read is named in missing.txt. */
#ifndef AGENT_BUNDLE_H
#define AGENT_BUNDLE_H
#include "agent/doctor.h"

/* Write it to fd. d has been examined. */
CHECKED bool bundle_write(int fd, struct doctor *d, struct err *e);

/* text, up to its NUL, without secrets, appended to out. Fails with ERR_LIMIT. */
CHECKED bool bundle_redact(const char *text, struct buf *out, struct err *e);
#endif
