/* fetch_reply: what a server's answer means for the bytes we have. Pure: no socket, no clock, no sink.
 *
 * Header lines go in as they come; when they are complete, judge says what to do with the body. By RFC 9110
 * (conditional requests 13, ranges 14, Retry-After 10.2.3). Part of fetch; nobody else needs it. */
#ifndef CORE_FETCH_REPLY_H
#define CORE_FETCH_REPLY_H
#include "core/fetch.h"
#include <time.h>

/* What was asked. */
struct fetch_asked {
    const struct fetch_validator *have; /* of the copy or of the part, or NULL */
    uint64_t from;                      /* a Range from this byte; 0: the whole */
    bool conditional;                   /* only if it is not have */
    bool compress;                      /* a Content-Encoding is welcome */
};

/* What was answered. */
struct fetch_reply {
    int status;               /* of the last response: 1xx are followed by another one */
    bool complete;            /* its headers are all there */
    size_t bytes;             /* of headers, all responses of this request together */
    struct fetch_validator v; /* length: of the whole body */
    int64_t first, last;      /* of Content-Range, or -1 */
    char encoding[32];        /* Content-Encoding, "" for none or identity */
    char retry_after[64];
};

enum fetch_verdict {
    REPLY_BODY,      /* what follows is the whole body */
    REPLY_REST,      /* what follows goes behind the part */
    REPLY_WHOLE,     /* nothing follows: the part was the whole body already */
    REPLY_UNCHANGED, /* nothing follows: the copy is current */
    REPLY_REDIRECT,  /* ask where Location says */
    REPLY_RESTART,   /* ask again, for the whole: the part does not fit what the server has */
    REPLY_FAULT      /* *e says what: NET is worth another try, everything else is not */
};

void fetch_reply_clear(struct fetch_reply *r);

/* One line with or without its CR LF; the empty one completes. ERR_LIMIT beyond LIMIT_HTTP_HEADER. */
CHECKED bool fetch_reply_line(struct fetch_reply *r, const char *line, size_t n, struct err *e);

enum fetch_verdict fetch_reply_judge(const struct fetch_reply *r, const struct fetch_asked *asked,
                                     struct err *e);

/* May v stand in If-Range (a strong ETag, else a date)? Points to the value, or NULL. */
const char *fetch_reply_if_range(const struct fetch_validator *v);

/* Milliseconds the server asks us to wait (seconds or a date, at most LIMIT_RETRY_AFTER_S); 0 for none. */
uint64_t fetch_reply_wait_ms(const struct fetch_reply *r, time_t now);
#endif
