/* The archive is what Apple's tools write: "." first, then "./path"; no padding but the zeros after the
 * trailer; the gzip header says Unix, no name, no time. The inode field has 18 bits: what is above goes into
 * the device field, so that two files are never one. */
#include "installer/cpio_writer.h"
#include "core/arena.h"
#include "core/limits.h"
#include <zlib.h>

#define PIECE       (64 * LIMIT_KB)
#define INODE_BITS  18
#define TRAILER     "TRAILER!!!"
#define BLOCK       512
#define OS_UNIX     3
#define GZIP_WINDOW (15 + 16)

struct cpio_writer {
    struct xar_writer *to;
    z_stream z;
    gz_header header;
    unsigned char *in, *out;
    size_t in_len;
    uint64_t total; /* bytes of the archive so far */
};

struct cpio_writer *cpio_writer_open(struct xar_writer *w, struct err *e)
{
    struct cpio_writer *c = arena_heap(NULL, sizeof *c);
    memset(c, 0, sizeof *c);
    c->to = w;
    c->header.os = OS_UNIX;
    if (deflateInit2(&c->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "zlib cannot be started");
        free(c);
        return NULL;
    }
    deflateSetHeader(&c->z, &c->header);
    c->in = arena_heap(NULL, PIECE);
    c->out = arena_heap(NULL, PIECE);
    return c;
}

static bool flush(struct cpio_writer *c, int how, struct err *e)
{
    c->z.next_in = c->in;
    c->z.avail_in = (uInt)c->in_len;
    c->in_len = 0;
    int rc;
    do {
        c->z.next_out = c->out;
        c->z.avail_out = PIECE;
        rc = deflate(&c->z, how);
        size_t n = PIECE - c->z.avail_out;
        if (n > 0 && !xar_writer_write(c->to, c->out, n, e))
            return false;
    } while (how == Z_FINISH ? rc != Z_STREAM_END : c->z.avail_out == 0);
    return true;
}

bool cpio_writer_data(struct cpio_writer *c, const void *p, size_t n, struct err *e)
{
    const unsigned char *s = p;
    c->total += n;
    while (n > 0) {
        size_t take = PIECE - c->in_len < n ? PIECE - c->in_len : n;
        memcpy(c->in + c->in_len, s, take);
        c->in_len += take;
        s += take;
        n -= take;
        if (c->in_len == PIECE && !flush(c, Z_NO_FLUSH, e))
            return false;
    }
    return true;
}

static bool put_header(struct cpio_writer *c, const struct cpio_entry *x, const char *name, struct err *e)
{
    char head[128];
    int n = snprintf(head, sizeof head, "070707%06o%06o%06o%06o%06o%06o%06o%011llo%06o%011llo",
                     (unsigned)(x->inode >> INODE_BITS), (unsigned)(x->inode & ((1 << INODE_BITS) - 1)),
                     x->mode, x->uid, x->gid, x->links, 0u, (unsigned long long)(x->mtime > 0 ? x->mtime : 0),
                     (unsigned)strlen(name) + 1, (unsigned long long)x->size);
    if (n != 76)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: owner, time or size do not fit the archive", name);
    return cpio_writer_data(c, head, 76, e) && cpio_writer_data(c, name, strlen(name) + 1, e);
}

bool cpio_writer_entry(struct cpio_writer *c, const struct cpio_entry *entry, struct err *e)
{
    char name[LIMIT_PATH + 3];
    snprintf(name, sizeof name, ".%s%s", *entry->path ? "/" : "", entry->path);
    return put_header(c, entry, name, e);
}

bool cpio_writer_end(struct cpio_writer *c, struct err *e)
{
    static const struct cpio_entry trailer = {.links = 1};
    static const char zeros[BLOCK];
    return put_header(c, &trailer, TRAILER, e) &&
           cpio_writer_data(c, zeros, (size_t)((BLOCK - c->total % BLOCK) % BLOCK), e) &&
           flush(c, Z_FINISH, e);
}

void cpio_writer_free(struct cpio_writer *c)
{
    if (!c)
        return;
    deflateEnd(&c->z);
    free(c->in);
    free(c->out);
    free(c);
}
