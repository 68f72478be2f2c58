/* fetch_transfer: one request of a caller's, from its first try to its end. Part of fetch.
 *
 * fetch decides when a transfer may act; this decides what it does: which URL it asks for what, whether a
 * redirect is followed, what an answer or a failure leads to. Each function leaves it in one of the states.
 */
#ifndef CORE_FETCH_TRANSFER_H
#define CORE_FETCH_TRANSFER_H
#include "core/fetch_curl.h"
#include "core/fetch_local.h"
#include "core/fetch_reply.h"

enum fetch_state { QUEUED, RUNNING, WAITING, ENDED };

struct transfer {
    struct fetch *f; /* whose list it is on */
    struct transfer *prev, *next;
    struct loop *loop;
    const struct fetch_policy *p;
    struct fetch_curl *curl;
    struct arena *memory;
    struct fetch_request r;  /* urls are ours, have is not used */
    struct fetch_place home; /* whose credentials the session has */
    enum fetch_state state;

    struct fetch_validator copy; /* for a conditional request */
    bool has_copy;
    struct fetch_validator v; /* of what the sink holds, in the end of the answer */

    void *job;                    /* of the rewriter's, while it thinks */
    const char *const *rewritten; /* headers it gave for this hop, or NULL */

    size_t url;     /* index of the mirror in hand */
    const char *at; /* URL of this hop */
    struct fetch_place place;
    unsigned hops, attempt;
    bool whole; /* the part did not fit: ask for everything */

    struct fetch_hop *hop;
    struct fetch_local file;
    struct fetch_asked asked;
    struct fetch_reply reply;
    enum fetch_verdict verdict;
    bool connected, judged;
    uint64_t due;    /* RUNNING: give up; WAITING: try again */
    uint64_t marked; /* bytes when due was last put off */
    uint64_t discarded;
    int64_t total;

    struct err fault; /* why this hop was cut short; then why the last try failed */
    bool faulted;
    struct err worst;  /* of the mirrors tried so far */
    uint64_t farthest; /* most bytes that the sink ever held */
    uint64_t wait_ms, told, told_at;
    bool tell_retry, ok;
    enum fetch_answer answer;
};

/* QUEUED: the next try, of the URL in hand. */
void fetch_transfer_try(struct transfer *t);

/* RUNNING, and due has come: a slice of a file, or too late. */
void fetch_transfer_due(struct transfer *t);

/* The try has failed: WAITING for the next, QUEUED for the next mirror, or ENDED; so always when stopped. */
void fetch_transfer_failed(struct transfer *t, const struct err *why);

void fetch_transfer_hang_up(struct transfer *t);

/* fetch.c: something happened to a transfer outside of fetch's own turn. */
void fetch_settled(struct fetch *f);
#endif
