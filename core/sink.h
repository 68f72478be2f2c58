/* sink: where bytes go. write any number of times, then exactly one of commit or abort.
 *
 * Nothing bears its final name before commit, and commit happens only when size and digest, where they are
 * known, are right and the bytes are on the medium. The part of an aborted resumable file stays for the next
 * time. */
#ifndef CORE_SINK_H
#define CORE_SINK_H
#include "core/buf.h"
#include "core/crypto.h"
#include <stdint.h>
#include <sys/types.h>

struct sink;

struct sink_want {
    uint64_t size_max;             /* refuse more; mandatory */
    int64_t size;                  /* exact size, or -1 */
    enum digest_kind digest;       /* DIGEST_NONE: not known */
    unsigned char sum[DIGEST_MAX]; /* when digest is not NONE */
    bool keep_part;                /* abort leaves the part so that a later transfer can resume */
};

/* Into memory; b is the caller's and bounded by its own maximum. */
struct sink *sink_memory(struct buf *b);

/* Into dir/name by way of dir/name.download, mode 0644. With keep_part an existing part is read
 * through the digest first; sink_have then says how much is there. */
struct sink *sink_file(int dir, const char *name, const struct sink_want *want, struct err *e);

uint64_t sink_have(const struct sink *s); /* bytes so far, a kept part included */
CHECKED bool sink_write(struct sink *s, const void *p, size_t n, struct err *e);
CHECKED bool sink_restart(struct sink *s, struct err *e); /* forget everything written so far */

/* Prove, make durable, give the final name. The sink is gone either way; on failure (ERR_TRUST with cause
 * hash or size; ERR_SYS; ERR_SPACE) nothing bears the final name, and a part that failed its proof is
 * removed. sum, when not NULL, gets the SHA-256 (or want's digest). */
CHECKED bool sink_commit(struct sink *s, unsigned char sum[DIGEST_MAX], struct err *e);
void sink_abort(struct sink *s);
#endif
