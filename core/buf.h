/* buf: growable bytes that never grow past a maximum fixed at the start. */
#ifndef CORE_BUF_H
#define CORE_BUF_H
#include "core/err.h"
#include <stddef.h>

struct buf {
    char *data; /* NULL until something is appended; then data[len] is always NUL */
    size_t len, cap, max;
};

void buf_init(struct buf *b, size_t max); /* max: of len, in bytes */
void buf_release(struct buf *b);          /* frees; b may be initialised again */
void buf_clear(struct buf *b);            /* len = 0, keeps the memory */

/* Fail with ERR_LIMIT, b unchanged, when the result would be longer than max. */
CHECKED bool buf_append(struct buf *b, const void *p, size_t n, struct err *e);
CHECKED bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3); /* false: over max, unchanged */

/* The contents as a string ("" when empty). Borrowed until the next change. */
const char *buf_str(const struct buf *b);
#endif
