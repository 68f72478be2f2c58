/* One loop drives three libraries that all work the same way: hand in a piece, hand in room, take one step.
 * Invariant: in and in_len are what the source gave and the library has not taken. */
#include "installer/codec.h"
#include "core/arena.h"
#include <bzlib.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#if defined(HAVE_ISAL)
#include <isa-l/igzip_lib.h>
#endif

#define STEP ((size_t)1 << 30) /* zlib and libbz2 count in 32 bits */

enum state {
    RUNNING,
    BETWEEN, /* a member or stream has ended: another may follow, and nothing else */
    ENDED,
    FAILED
};

struct codec {
    enum codec_kind kind;
    codec_source_fn *source;
    void *ctx;
    enum state state;
    const unsigned char *in;
    size_t in_len;
    bool in_end;
    union {
        z_stream z;
        bz_stream bz;
        lzma_stream xz;
#if defined(HAVE_ISAL)
        struct inflate_state *fast; /* gzip: what payloads are packed with, nearly all of the work */
#endif
    } u;
};

static const char *const names[] = {"zlib", "gzip", "bzip2", "xz", "lzma"};

static bool begin(struct codec *c, struct err *e)
{
    bool ok = false;
    lzma_stream fresh = LZMA_STREAM_INIT;
    switch (c->kind) {
    case CODEC_ZLIB:
        ok = inflateInit(&c->u.z) == Z_OK;
        break;
    case CODEC_GZIP:
#if defined(HAVE_ISAL)
        c->u.fast = arena_heap(NULL, sizeof *c->u.fast);
        isal_inflate_init(c->u.fast);
        c->u.fast->crc_flag = ISAL_GZIP;
        ok = true;
#else
        ok = inflateInit2(&c->u.z, 15 + 16) == Z_OK;
#endif
        break;
    case CODEC_BZIP2:
        ok = BZ2_bzDecompressInit(&c->u.bz, 0, 0) == BZ_OK;
        break;
    case CODEC_XZ:
        c->u.xz = fresh;
        ok = lzma_stream_decoder(&c->u.xz, CODEC_MEMORY, 0) == LZMA_OK;
        break;
    case CODEC_LZMA:
        c->u.xz = fresh;
        ok = lzma_alone_decoder(&c->u.xz, CODEC_MEMORY) == LZMA_OK;
        break;
    }
    return ok || err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the %s decoder refuses to start", names[c->kind]);
}

static void end(struct codec *c)
{
    switch (c->kind) {
    case CODEC_GZIP:
#if defined(HAVE_ISAL)
        free(c->u.fast);
        break;
#endif
    case CODEC_ZLIB:
        inflateEnd(&c->u.z);
        break;
    case CODEC_BZIP2:
        BZ2_bzDecompressEnd(&c->u.bz);
        break;
    case CODEC_XZ:
    case CODEC_LZMA:
        lzma_end(&c->u.xz);
        break;
    }
}

struct codec *codec_open(enum codec_kind kind, codec_source_fn *source, void *ctx, struct err *e)
{
    struct codec *c = arena_heap(NULL, sizeof *c);
    memset(c, 0, sizeof *c);
    c->kind = kind;
    c->source = source;
    c->ctx = ctx;
    if (begin(c, e))
        return c;
    free(c);
    return NULL;
}

void codec_free(struct codec *c)
{
    if (c == NULL)
        return;
    end(c);
    free(c);
}

static bool fill(struct codec *c, struct err *e)
{
    const void *piece = NULL;
    if (c->in_len > 0 || c->in_end)
        return true;
    if (!c->source(c->ctx, &piece, &c->in_len, e))
        return false;
    c->in = piece;
    c->in_end = c->in_len == 0;
    return true;
}

static bool bad(const struct codec *c, struct err *e, const char *how)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the %s data is %s", names[c->kind], how);
}

static void take(struct codec *c, size_t left)
{
    if (left < c->in_len) /* there may be no piece at all */
        c->in += c->in_len - left;
    c->in_len = left;
}

static bool step_zlib(struct codec *c, void *p, size_t n, size_t *got, bool *over, struct err *e)
{
    size_t in = c->in_len < STEP ? c->in_len : STEP, rest = c->in_len - in;
    z_const Bytef *next = (z_const Bytef *)(uintptr_t)c->in; /* inflate does not write there */
    c->u.z.next_in = next;
    c->u.z.avail_in = (uInt)in;
    c->u.z.next_out = p;
    c->u.z.avail_out = (uInt)n;
    int r = inflate(&c->u.z, Z_NO_FLUSH);
    take(c, rest + c->u.z.avail_in);
    *got = n - c->u.z.avail_out;
    *over = r == Z_STREAM_END;
    if (r == Z_OK || r == Z_STREAM_END || (r == Z_BUF_ERROR && in == 0))
        return true;
    return c->u.z.msg == NULL ? bad(c, e, "damaged")
                              : err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the %s data is damaged: %s",
                                        names[c->kind], c->u.z.msg);
}

#if defined(HAVE_ISAL)
static bool step_fast(struct codec *c, void *p, size_t n, size_t *got, bool *over, struct err *e)
{
    struct inflate_state *s = c->u.fast;
    size_t in = c->in_len < STEP ? c->in_len : STEP, rest = c->in_len - in;
    s->next_in = (uint8_t *)(uintptr_t)c->in; /* it does not write there */
    s->avail_in = (uint32_t)in;
    s->next_out = p;
    s->avail_out = (uint32_t)n;
    int r = isal_inflate(s);
    *over = s->block_state == ISAL_BLOCK_FINISH;
    /* what it took ahead into its bit buffer lies behind the member, and so in this piece */
    size_t ahead = *over && s->read_in_length > 0 ? (size_t)s->read_in_length / 8 : 0;
    take(c, rest + s->avail_in + (ahead <= in - s->avail_in ? ahead : 0));
    *got = n - s->avail_out;
    return r == ISAL_DECOMP_OK || r == ISAL_END_INPUT || bad(c, e, "damaged");
}
#endif

static bool step_bzip2(struct codec *c, void *p, size_t n, size_t *got, bool *over, struct err *e)
{
    size_t in = c->in_len < STEP ? c->in_len : STEP, rest = c->in_len - in;
    c->u.bz.next_in = (char *)(uintptr_t)c->in; /* nor does this one */
    c->u.bz.avail_in = (unsigned)in;
    c->u.bz.next_out = p;
    c->u.bz.avail_out = (unsigned)n;
    int r = BZ2_bzDecompress(&c->u.bz);
    take(c, rest + c->u.bz.avail_in);
    *got = n - c->u.bz.avail_out;
    *over = r == BZ_STREAM_END;
    return r == BZ_OK || r == BZ_STREAM_END || bad(c, e, "damaged");
}

static bool step_lzma(struct codec *c, void *p, size_t n, size_t *got, bool *over, struct err *e)
{
    c->u.xz.next_in = c->in;
    c->u.xz.avail_in = c->in_len;
    c->u.xz.next_out = p;
    c->u.xz.avail_out = n;
    lzma_ret r = lzma_code(&c->u.xz, c->in_end ? LZMA_FINISH : LZMA_RUN);
    take(c, c->u.xz.avail_in);
    *got = n - c->u.xz.avail_out;
    *over = r == LZMA_STREAM_END;
    if (r == LZMA_OK || r == LZMA_STREAM_END || (r == LZMA_BUF_ERROR && c->in_end))
        return true;
    if (r == LZMA_MEMLIMIT_ERROR)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "the %s data needs more than 128 MB to decode",
                       names[c->kind]);
    return bad(c, e, "damaged");
}

/* After the end of a member: begin the next, end, or refuse what follows. */
static bool go_on(struct codec *c, struct err *e)
{
    if (!fill(c, e))
        return false;
    if (c->in_end) {
        c->state = ENDED;
        return true;
    }
    if ((c->kind != CODEC_GZIP || c->in[0] != 0x1f) && (c->kind != CODEC_BZIP2 || c->in[0] != 'B'))
        return err_set(e, ERR_FORMAT, CAUSE_SIZE, "something follows the %s data", names[c->kind]);
    end(c);
    memset(&c->u, 0, sizeof c->u);
    c->state = RUNNING;
    return begin(c, e);
}

static bool some(struct codec *c, void *p, size_t n, size_t *got, struct err *e)
{
    typedef bool step_fn(struct codec *, void *, size_t, size_t *, bool *, struct err *);
#if defined(HAVE_ISAL)
    static step_fn *const steps[] = {step_zlib, step_fast, step_bzip2, step_lzma, step_lzma};
#else
    static step_fn *const steps[] = {step_zlib, step_zlib, step_bzip2, step_lzma, step_lzma};
#endif
    while (*got == 0 && c->state != ENDED) {
        bool over = false;
        if (c->state == BETWEEN) {
            if (!go_on(c, e))
                return false;
            continue;
        }
        if (!fill(c, e) || !steps[c->kind](c, p, n, got, &over, e))
            return false;
        if (over)
            c->state = BETWEEN;
        else if (*got == 0 && c->in_end)
            return bad(c, e, "cut short");
    }
    return true;
}

bool codec_read(struct codec *c, void *p, size_t n, size_t *got, struct err *e)
{
    *got = 0;
    if (c->state == FAILED)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the %s data is read after a failure",
                       names[c->kind]);
    if (some(c, p, n < STEP ? n : STEP, got, e))
        return true;
    c->state = FAILED;
    *got = 0;
    return false;
}
