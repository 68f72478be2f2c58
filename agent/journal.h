/* journal: what this Mac went through, so that a run cut at any instant is finished by the next.
 *
 * state/journal, append-only text, a record a line: check (8 hex digits of the SHA-256 of the rest), kind
 * and fields, separated by tabs, control bytes and "%" as %XX. Loaded as the longest valid prefix; the torn
 * tail is cut off. Rewritten compactly when it grows over 64 KiB. Reality decides, the journal only counts:
 * an attempt is counted by its durable intent before the install step; success, another version and
 * `daybreak reset` bring it back to 0. Belongs to one machine: another machine's is archived. */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H
#include "core/arena.h"
#include <stdint.h>
#include <sys/types.h>

struct journal;

enum journal_outcome {
    JOURNAL_NONE, /* never tried, or forgotten by reset */
    JOURNAL_CUT,  /* an intent without an end: the run died during the step */
    JOURNAL_OK,
    JOURNAL_FAILED, /* also refused */
    JOURNAL_BLOCKED,
    JOURNAL_DEFERRED
};

struct journal_item {
    const char *name, *version;
    bool removal;
    int attempts; /* of this version, since the last success or reset */
    enum journal_outcome outcome;
    const char *message; /* of the failure, or NULL */
};

/* Open under the lock. hardware_id: names this machine. */
struct journal *journal_open(int state, const char *hardware_id, struct err *e);
/* As it stands, without the lock and changing nothing, for questions only: no record may be added. Empty
 * where there is none, it cannot be read, or it is another machine's. */
struct journal *journal_peek(int state, const char *hardware_id);
void journal_free(struct journal *j);

/* What is known of an item; zeroed with outcome NONE when nothing is. Borrowed until the next record. */
struct journal_item journal_item(const struct journal *j, const char *name);
/* All items, i from 0 to journal_count - 1. */
size_t journal_count(const struct journal *j);
struct journal_item journal_at(const struct journal *j, size_t i);

/* A new step on name: attempts of another version are forgotten, this one counts from now on. Durable. */
CHECKED bool journal_intent(struct journal *j, const char *name, const char *version, bool removal,
                            struct err *e);
CHECKED bool journal_result(struct journal *j, const char *name, const char *version, bool removal,
                            enum journal_outcome outcome, const char *message, struct err *e);
CHECKED bool journal_reset(struct journal *j, const char *name, struct err *e); /* NULL: all */

/* A foreign child at work (installer, script), and its end. */
CHECKED bool journal_child(struct journal *j, pid_t pid, uint64_t start, const char *what, struct err *e);
CHECKED bool journal_children_gone(struct journal *j, struct err *e); /* all of them have ended */
/* Children that a dead run left: call fn for each that still lives. */
void journal_orphans(struct journal *j, void (*fn)(void *ctx, pid_t pid, uint64_t start, const char *what),
                     void *ctx);

/* Has this Mac ever completed its plan? */
bool journal_completed(const struct journal *j);
CHECKED bool journal_complete(struct journal *j, struct err *e);
CHECKED bool journal_run(struct journal *j, const char *run, const char *plan_digest, struct err *e);
CHECKED bool journal_end(struct journal *j, int exit_code, struct err *e);
#endif
