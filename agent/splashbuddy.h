/* splashbuddy: the lines of SplashBuddy 1.1 to 1.3.3, which a later rewrite's looser matcher takes too.
 *
 * "Sat Oct  4 10:00:01 mac01 daybreak[312]: Installing Firefox-131.0.pkg..." and its like: exactly one
 * hyphen, a name of [A-Za-z0-9._ ], a version of [A-Za-z0-9._]. A removal has no row there and writes
 * nothing. */
#ifndef AGENT_SPLASHBUDDY_H
#define AGENT_SPLASHBUDDY_H
#include "agent/progress.h"

#define SPLASHBUDDY_READER "/SplashBuddy.app/Contents/MacOS/SplashBuddy"

/* The log at path below root, made before anything is written (SplashBuddy must find it). An own log is
 * begun anew, the old one kept as NAME.1, unless reading (a SplashBuddy runs) or it is Jamf's jamf.log. */
CHECKED bool splashbuddy_open(int root, const char *path, bool reading, struct progress_writer *w,
                              struct err *e);

/* The name and the version as a row of SplashBuddy must spell them. out holds 65 bytes. */
void splashbuddy_name(char out[65], const char *display_name);
void splashbuddy_version(char out[65], const char *version);
#endif
