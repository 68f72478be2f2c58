/* middleware: the administrator's program that rewrites each request of the repository's (signed URLs of an
 * object store, tokens that expire).
 *
 * It gets one JSON object on standard input, {"url": "https://…", "headers": {"Name": "value"}}, and prints
 * one to standard output, of the same form: what it leaves out stays as it was. It has MIDDLEWARE_MS, exits
 * with 0, and obeys the rules of hook.h. What it prints to standard error goes to the log. Redirects are not
 * shown to it. */
#ifndef AGENT_MIDDLEWARE_H
#define AGENT_MIDDLEWARE_H
#include "agent/target.h"
#include "core/fetch.h"

#define MIDDLEWARE_MS ((uint64_t)5000)

struct middleware;

/* path: below the target's root where it is there, else of this machine. Fails with ERR_USAGE when it may not
 * be executed. a: lives as long as the session. */
struct middleware *middleware_open(struct arena *a, struct loop *l, const struct target *t, const char *path,
                                   struct err *e);
void middleware_close(struct middleware *m); /* NULL is fine; after the session */
const struct fetch_rewriter *middleware_rewriter(struct middleware *m);

/* What it printed, decoded. Fails with ERR_FORMAT. url and headers are NULL where it left them out. */
CHECKED bool middleware_decode(struct arena *a, const char *text, size_t n, const char **url,
                               const char *const **headers, struct err *e);
#endif
