/* doctor: what could keep a run from doing its job, looked for one by one, with a cause and a remedy each. It
 * changes nothing on the target and executes only Apple's tools. Each examination says at least one finding.
 */
#ifndef AGENT_DOCTOR_H
#define AGENT_DOCTOR_H
#include "agent/network.h"
#include <jansson.h>

enum doctor_state {
    DOCTOR_OK,
    DOCTOR_NOTE,   /* worth knowing; no fault by itself */
    DOCTOR_PROBLEM /* something is wrong: exit 1 */
};

struct doctor_finding {
    struct doctor_finding *next;
    enum doctor_state state;
    const char *check;  /* "repository", "clock", … */
    const char *cause;  /* one sentence naming the thing */
    const char *remedy; /* one sentence, or "" */
};

struct doctor {
    struct arena *a;
    struct loop *loop;
    const struct options *options;
    struct target target; /* as far as it could be opened: descriptors may be -1 */
    struct prefs prefs;
    struct facts facts;
    bool has_prefs, has_facts; /* they could be read */
    struct keychain keychain;
    struct doctor_finding *first, **last;
    int problems;
};

/* Everything, into a doctor whose arena, loop, options and target are there. */
void doctor_examine(struct doctor *d);
json_t *doctor_json(const struct doctor *d); /* the caller's reference; schema 1 */

void doctor_say(struct doctor *d, enum doctor_state state, const char *check, const char *remedy,
                const char *fmt, ...) PRINTF(5, 6);

/* Ask one of Apple's tools: argv[0] is its place, looked up in --tools where that is given. Returns its exit
 * status, or -1 (not started, timed out: *e). out may be NULL. */
int doctor_ask(struct doctor *d, const char *const *argv, struct buf *out, struct err *e);
bool doctor_has_tools(const struct doctor *d); /* this Mac's own /, or stand-ins are given */

/* --- doctor_here.c --- */
void doctor_preferences(struct doctor *d); /* secrets, keys without effect, disagreeing domains, profile */
void doctor_folders(struct doctor *d);     /* ours: kind, owner, mode, room */
void doctor_state(struct doctor *d);       /* lock, last run, attempts, reports that wait */
/* --- doctor_mac.c --- */
void doctor_hooks(struct doctor *d);   /* hooks, conditions, middleware, hand-off */
void doctor_program(struct doctor *d); /* job, signature, Full Disk Access */
void doctor_clock(struct doctor *d);
/* --- doctor_net.c --- */
void doctor_network(struct doctor *d); /* proxy, repository, manifest, catalogs, mirrors, report server */
#endif
