/* request: somebody without root asks the daemon for a run, by connecting to a socket that launchd made.
 *
 * The daemon reads nothing; it logs who asked, answers one line and closes. A user gets one run in ten
 * minutes, six a day; the rest are told when to ask again. */
#ifndef AGENT_REQUEST_H
#define AGENT_REQUEST_H
#include "core/err.h"
#include <time.h>

#define REQUEST_SOCKET "private/var/run/" DAYBREAK_DOMAIN ".request" /* below the target's root */
#define REQUEST_NAME   "Request"                                     /* in the job's Sockets */

/* Ask, and read the line of answer (without its newline). ERR_NOT_FOUND: no daemon listens there. */
CHECKED bool request_ask(const char *root_path, char answer[256], struct err *e);

/* Answer everybody who waits at listener (a listening socket, not blocking); returns how many were granted.
 * state: descriptor of the state folder, where requests are counted. busy: a run is under way already. */
int request_answer(int state, int listener, time_t now, bool busy);
#endif
