/* payload: the decoded bytes of a Payload or Scripts archive, as a stream.
 *
 * The codec (gzip, bzip2, xz, pbzx or none) is told by the first bytes. Nothing is repaired: a stream that is
 * damaged, cut or followed by something fails. Memory is constant: half a megabyte and what the codec needs
 * (xz: at most 128 MB). What the bytes mean is cpio's to say. */
#ifndef INSTALLER_PAYLOAD_H
#define INSTALLER_PAYLOAD_H
#include "core/err.h"
#include <stddef.h>
#include <stdint.h>

struct payload;

/* Give up to max bytes of the stored archive; *got 0 is its end. */
typedef bool payload_read_fn(void *ctx, void *p, size_t max, size_t *got, struct err *e);

/* Begin. Fails with ERR_FORMAT when the codec is unknown (known ones that are not supported are named).
 * claimed: what its package says it decodes to, 0 unknown: far beyond that a high compression is taken for a
 * bomb. max: refuse an archive that decodes to more. */
struct payload *payload_open(payload_read_fn *read, void *ctx, uint64_t claimed, uint64_t max, struct err *e);
void payload_free(struct payload *p); /* NULL is fine */

/* Bytes are handed out in place: they live until the next call. Fail with ERR_FORMAT (damaged, or the stream
 * ends first), ERR_LIMIT, or as read did. */

/* The next n bytes (at most PAYLOAD_PEEK_MAX) in a row, not consumed. */
#define PAYLOAD_PEEK_MAX ((size_t)64 * 1024)
CHECKED bool payload_peek(struct payload *p, size_t n, const unsigned char **bytes, struct err *e);
void payload_consume(struct payload *p, size_t n); /* of what was peeked at */

/* The next piece, at least one byte and at most max (not 0), consumed. */
CHECKED bool payload_take(struct payload *p, uint64_t max, const void **piece, size_t *n, struct err *e);

/* Nothing but zeros must come to the very end of the stream, and of the stored bytes: so the codec's own
 * checks are made too. */
CHECKED bool payload_finish(struct payload *p, struct err *e);

bool payload_over(const struct payload *p); /* it failed because it is more than max */
#endif
