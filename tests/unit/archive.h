/* archive: payloads made by hand, for the tests of what reads them. */
#ifndef TESTS_UNIT_ARCHIVE_H
#define TESTS_UNIT_ARCHIVE_H
#include "installer/cpio.h"
#include "package.h"

struct archive_member {
    const char *name;
    unsigned mode; /* type bits included */
    const char *data;
    unsigned ino, nlink;
    unsigned uid, gid;
    size_t size; /* 0: that of data */
};

/* Append m as odc (newc false) or newc. */
static inline void archive_add(struct buf *b, const struct archive_member *m, bool newc)
{
    struct err e;
    size_t n = m->size > 0 ? m->size : m->data != NULL ? strlen(m->data) : 0, name = strlen(m->name) + 1;
    unsigned nlink = m->nlink > 0 ? m->nlink : 1;
    if (newc)
        assert_true(buf_printf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", m->ino,
                               m->mode, m->uid, m->gid, nlink, 1700000000u, (unsigned)n, 0, 0, 0, 0,
                               (unsigned)name, 0));
    else
        assert_true(buf_printf(b, "070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o", 0u, m->ino, m->mode,
                               m->uid, m->gid, nlink, 0u, 1700000000u, (unsigned)name, (unsigned)n));
    assert_true(buf_append(b, m->name, name, &e));
    while (newc && b->len % 4 != 0)
        assert_true(buf_append(b, "", 1, &e));
    assert_true(n == 0 || buf_append(b, m->data, n, &e));
    while (newc && b->len % 4 != 0)
        assert_true(buf_append(b, "", 1, &e));
}

static inline void archive_end(struct buf *b, bool newc)
{
    const struct archive_member trailer = {.name = "TRAILER!!!"};
    struct err e;
    archive_add(b, &trailer, newc);
    while (b->len % 512 != 0)
        assert_true(buf_append(b, "", 1, &e));
}

/* A whole archive; members end with a name NULL. */
static inline void archive_make(struct buf *b, const struct archive_member *m)
{
    buf_init(b, 256 * LIMIT_MB);
    for (; m->name != NULL; m++)
        archive_add(b, m, false);
    archive_end(b, false);
}

/* b as one gzip member, in out. */
static inline void archive_gzip(const void *p, size_t n, struct buf *out)
{
    struct err e;
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, (uLong)n);
    unsigned char *packed = malloc(room);
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = packed;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_true(buf_append(out, packed, room - z.avail_out, &e));
    deflateEnd(&z);
    free(packed);
}

/* A source that gives at most step bytes at a time. */
struct archive_source {
    const unsigned char *p;
    size_t n, at, step;
};

static inline bool archive_read(void *ctx, void *p, size_t max, size_t *got, struct err *e)
{
    struct archive_source *s = ctx;
    (void)e;
    size_t n = s->n - s->at;
    n = n < max ? n : max;
    n = n < s->step ? n : s->step;
    memcpy(p, s->p + s->at, n);
    s->at += n;
    *got = n;
    return true;
}
#endif
