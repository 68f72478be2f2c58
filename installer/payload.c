/* The stream is pulled: takers consume a window of decoded bytes, the window is filled by a codec, the codec
 * reads the source. Invariant: pos <= len <= WINDOW.
 *
 * pbzx: "pbzx", chunk size, then chunks {decoded length, stored length, bytes}, all numbers 64-bit big
 * endian; a chunk whose lengths are equal is stored as it is, else it is one whole xz stream. A chunk shorter
 * than the chunk size is the last; an archive that ends with a full one just ends. */
#include "installer/payload.h"
#include "core/arena.h"
#include "core/limits.h"
#include <archive.h>
#include <errno.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>

#define STORED       (256 * (size_t)1024)
#define WINDOW       (256 * (size_t)1024)
#define XZ_MEMORY    (128 * (uint64_t)1024 * 1024)
#define PBZX_MIN     (uint64_t)512
#define PBZX_MAX     (64 * (uint64_t)1024 * 1024)
#define RATIO_FREE   (64 * (uint64_t)1024 * 1024)
#define RATIO_BEYOND 200 /* decoded : stored, beyond twice what was claimed */

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_BZIP2, CODEC_XZ, CODEC_PBZX };

struct payload {
    payload_read_fn *read;
    void *ctx;
    uint64_t claimed, max;

    /* stored bytes */
    unsigned char *in;
    size_t in_pos, in_len;
    bool in_end;
    uint64_t in_total;

    /* codec */
    enum codec codec;
    bool decoded_end;
    z_stream z;
    bool z_open, z_between; /* between two gzip members */
    lzma_stream xz;
    bool xz_open;
    uint64_t chunk_size, chunk_in, chunk_out; /* pbzx: still to read and to give of this chunk */
    bool chunk_raw, chunk_last;
    struct archive *bz;
    struct err source; /* what the source said to libarchive */

    /* decoded bytes */
    unsigned char *out;
    size_t pos, len;
    uint64_t out_total;
};

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s", what);
}

/* --- stored bytes ------------------------------------------------------------------------------------- */

static bool fill_in(struct payload *p, struct err *e)
{
    if (p->in_pos < p->in_len || p->in_end)
        return true;
    p->in_pos = p->in_len = 0;
    if (!p->read(p->ctx, p->in, STORED, &p->in_len, e))
        return false;
    p->in_end = p->in_len == 0;
    p->in_total += p->in_len;
    return true;
}

/* n more stored bytes, copied to to; false also when the source ends first. */
static bool take(struct payload *p, void *to, size_t n, struct err *e)
{
    unsigned char *at = to;
    while (n > 0) {
        if (!fill_in(p, e))
            return false;
        size_t k = p->in_len - p->in_pos;
        if (k == 0)
            return bad(e, "the archive is cut short");
        if (k > n)
            k = n;
        memcpy(at, p->in + p->in_pos, k);
        p->in_pos += k;
        at += k;
        n -= k;
    }
    return true;
}

/* --- codecs: each decode_x gives up to cap bytes; *got 0 is the end ------------------------------------ */

static bool decode_none(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    if (!fill_in(p, e))
        return false;
    *got = p->in_len - p->in_pos < cap ? p->in_len - p->in_pos : cap;
    memcpy(out, p->in + p->in_pos, *got);
    p->in_pos += *got;
    return true;
}

static bool decode_gzip(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    p->z.next_out = out;
    p->z.avail_out = (uInt)cap;
    while (p->z.avail_out == cap) {
        if (!fill_in(p, e))
            return false;
        if (p->in_pos == p->in_len) {
            if (!p->z_between)
                return bad(e, "the gzip data is cut short");
            break;
        }
        if (p->z_between) { /* another member may follow, and nothing else */
            if (inflateReset(&p->z) != Z_OK)
                return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "zlib refuses to start again");
            p->z_between = false;
        }
        p->z.next_in = p->in + p->in_pos;
        p->z.avail_in = (uInt)(p->in_len - p->in_pos);
        int r = inflate(&p->z, Z_NO_FLUSH);
        p->in_pos = p->in_len - p->z.avail_in;
        if (r == Z_STREAM_END)
            p->z_between = true;
        else if (r != Z_OK)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the gzip data is damaged: %s",
                           p->z.msg != NULL ? p->z.msg : "unexpected end");
    }
    *got = cap - p->z.avail_out;
    return true;
}

static bool xz_begin(struct payload *p, struct err *e)
{
    if (lzma_stream_decoder(&p->xz, XZ_MEMORY, 0) != LZMA_OK)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "liblzma refuses to start");
    p->xz_open = true;
    return true;
}

/* One step of the xz decoder over at most in_max stored bytes. */
static bool xz_step(struct payload *p, unsigned char *out, size_t cap, uint64_t in_max, size_t *got,
                    bool *end, struct err *e)
{
    size_t avail = p->in_len - p->in_pos;
    if (avail > in_max)
        avail = (size_t)in_max;
    p->xz.next_in = p->in + p->in_pos;
    p->xz.avail_in = avail;
    p->xz.next_out = out;
    p->xz.avail_out = cap;
    lzma_ret r = lzma_code(&p->xz, avail == 0 ? LZMA_FINISH : LZMA_RUN);
    p->in_pos += avail - p->xz.avail_in;
    *got = cap - p->xz.avail_out;
    *end = r == LZMA_STREAM_END;
    if (r == LZMA_OK || r == LZMA_STREAM_END)
        return true;
    if (r == LZMA_MEMLIMIT_ERROR)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "the xz data needs more than 128 MB to decode");
    return bad(e, r == LZMA_BUF_ERROR ? "the xz data is cut short" : "the xz data is damaged");
}

static bool decode_xz(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    for (*got = 0; *got == 0;) {
        if (!fill_in(p, e))
            return false;
        if (!p->xz_open) { /* after a whole stream */
            if (p->in_pos == p->in_len)
                return true;
            return bad(e, "something follows the xz data");
        }
        bool end;
        if (!xz_step(p, out, cap, UINT64_MAX, got, &end, e))
            return false;
        if (end) {
            lzma_end(&p->xz);
            p->xz_open = false;
        }
    }
    return true;
}

static uint64_t be64(const unsigned char *b)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | b[i];
    return v;
}

/* Read a chunk's header. *more false: the stream ended where it may. */
static bool pbzx_chunk(struct payload *p, bool *more, struct err *e)
{
    if (!fill_in(p, e))
        return false;
    if (p->in_pos == p->in_len) {
        *more = false;
        return true;
    }
    if (p->chunk_last)
        return bad(e, "something follows the last pbzx chunk");
    unsigned char head[16];
    if (!take(p, head, sizeof head, e))
        return false;
    p->chunk_out = be64(head);
    p->chunk_in = be64(head + 8);
    p->chunk_raw = p->chunk_in == p->chunk_out;
    p->chunk_last = p->chunk_out < p->chunk_size;
    if (p->chunk_out == 0 || p->chunk_out > p->chunk_size || p->chunk_in == 0 ||
        p->chunk_in > p->chunk_out + 65536)
        return bad(e, "a pbzx chunk has impossible lengths");
    *more = true;
    return p->chunk_raw || xz_begin(p, e);
}

static bool decode_pbzx(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    for (*got = 0; *got == 0;) {
        bool more = true, end = false;
        if (p->chunk_out == 0 && p->chunk_in == 0 && !pbzx_chunk(p, &more, e))
            return false;
        if (!more)
            return true;
        if (!fill_in(p, e))
            return false;
        if (p->in_pos == p->in_len && p->chunk_in > 0)
            return bad(e, "a pbzx chunk is cut short");
        if (p->chunk_raw) {
            size_t n = p->in_len - p->in_pos < cap ? p->in_len - p->in_pos : cap;
            *got = n < p->chunk_out ? n : (size_t)p->chunk_out;
            memcpy(out, p->in + p->in_pos, *got);
            p->in_pos += *got;
            p->chunk_in -= *got;
            p->chunk_out -= *got;
            continue;
        }
        size_t before = p->in_pos, room = cap < p->chunk_out + 1 ? cap : (size_t)p->chunk_out + 1;
        if (!xz_step(p, out, room, p->chunk_in, got, &end, e))
            return false;
        p->chunk_in -= p->in_pos - before;
        if (*got > p->chunk_out)
            return bad(e, "a pbzx chunk decodes to more than it declares");
        p->chunk_out -= *got;
        if (end) {
            lzma_end(&p->xz);
            p->xz_open = false;
            if (p->chunk_in != 0 || p->chunk_out != 0)
                return bad(e, "a pbzx chunk does not hold what it declares");
        } else if (p->chunk_in == 0 && *got == 0) {
            return bad(e, "a pbzx chunk is cut short");
        }
    }
    return true;
}

static la_ssize_t bz_read(struct archive *a, void *ctx, const void **piece)
{
    struct payload *p = ctx;
    if (!fill_in(p, &p->source)) {
        archive_set_error(a, EIO, "%s", p->source.text);
        return ARCHIVE_FATAL;
    }
    *piece = p->in + p->in_pos;
    size_t n = p->in_len - p->in_pos;
    p->in_pos = p->in_len;
    return (la_ssize_t)n;
}

static bool bz_failed(struct payload *p, struct err *e)
{
    if (p->source.kind != ERR_NONE) {
        *e = p->source;
        return false;
    }
    const char *why = archive_error_string(p->bz);
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the bzip2 data is damaged: %s",
                   why != NULL ? why : "unexpected end");
}

static bool bz_begin(struct payload *p, struct err *e)
{
    struct archive_entry *entry;
    p->bz = archive_read_new();
    if (p->bz == NULL || archive_read_support_filter_bzip2(p->bz) != ARCHIVE_OK ||
        archive_read_support_format_raw(p->bz) != ARCHIVE_OK)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "libarchive has no bzip2");
    if (archive_read_open(p->bz, p, NULL, bz_read, NULL) != ARCHIVE_OK ||
        archive_read_next_header(p->bz, &entry) != ARCHIVE_OK)
        return bz_failed(p, e);
    return true;
}

static bool decode_bzip2(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    la_ssize_t n = archive_read_data(p->bz, out, cap);
    if (n < 0)
        return bz_failed(p, e);
    *got = (size_t)n;
    return true;
}

static bool begin_codec(struct payload *p, struct err *e)
{
    static const struct {
        const char *magic, *name;
    } unsupported[] = {{"pbzz", "pbzz"}, {"pbz4", "pbz4"},          {"pbze", "pbze"},
                       {"pbzb", "pbzb"}, {"AA01", "Apple Archive"}, {"YAA1", "Apple Archive"}};
    if (!fill_in(p, e))
        return false;
    const unsigned char *m = p->in;
    if (p->in_len < 6)
        return bad(e, "the archive is empty or cut short");
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (memcmp(m, unsupported[i].magic, 4) == 0)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "it is packed as %s, which is not supported",
                           unsupported[i].name);
    if (m[0] == 0x1f && m[1] == 0x8b) {
        p->codec = CODEC_GZIP;
        if (inflateInit2(&p->z, 15 + 16) != Z_OK)
            return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "zlib refuses to start");
        p->z_open = true;
        return true;
    }
    if (memcmp(m, "BZh", 3) == 0) {
        p->codec = CODEC_BZIP2;
        return bz_begin(p, e);
    }
    if (memcmp(m,
               "\xfd"
               "7zXZ\0",
               6) == 0) {
        p->codec = CODEC_XZ;
        return xz_begin(p, e);
    }
    if (memcmp(m, "pbzx", 4) == 0) {
        unsigned char head[12];
        p->codec = CODEC_PBZX;
        if (!take(p, head, sizeof head, e))
            return false;
        p->chunk_size = be64(head + 4);
        if (p->chunk_size < PBZX_MIN || p->chunk_size > PBZX_MAX)
            return bad(e, "the pbzx chunk size is out of range");
        return true;
    }
    if (memcmp(m, "07070", 5) == 0) {
        p->codec = CODEC_NONE;
        return true;
    }
    return bad(e, "its format is not known");
}

/* --- decoded bytes ------------------------------------------------------------------------------------ */

static bool decode(struct payload *p, struct err *e)
{
    typedef bool decode_fn(struct payload *, unsigned char *, size_t, size_t *, struct err *);
    static decode_fn *const decoders[] = {decode_none, decode_gzip, decode_bzip2, decode_xz, decode_pbzx};
    size_t got = 0;
    if (p->decoded_end)
        return true;
    if (!decoders[p->codec](p, p->out + p->len, WINDOW - p->len, &got, e))
        return false;
    p->decoded_end = got == 0;
    p->len += got;
    p->out_total += got;
    if (p->out_total > p->max)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it unpacks to more than %llu bytes",
                       (unsigned long long)p->max);
    if (p->out_total <= RATIO_FREE)
        return true;
    bool beyond = (p->out_total - RATIO_FREE) / 2 > p->claimed;
    uint64_t ratio = beyond ? RATIO_BEYOND : LIMIT_INFLATE_RATIO;
    if (p->out_total / ratio <= p->in_total)
        return true;
    return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it unpacks to more than %llu times its size%s",
                   (unsigned long long)ratio, beyond ? ", and to more than it claims" : "");
}

bool payload_over(const struct payload *p)
{
    return p->out_total > p->max;
}

/* Have n bytes in a row at pos. False at the end of the archive too. */
static bool need(struct payload *p, size_t n, struct err *e)
{
    if (p->len - p->pos >= n)
        return true;
    memmove(p->out, p->out + p->pos, p->len - p->pos);
    p->len -= p->pos;
    p->pos = 0;
    while (p->len < n) {
        if (!decode(p, e))
            return false;
        if (p->decoded_end)
            return bad(e, "the archive is cut short");
    }
    return true;
}

bool payload_peek(struct payload *p, size_t n, const unsigned char **bytes, struct err *e)
{
    if (!need(p, n, e))
        return false;
    *bytes = p->out + p->pos;
    return true;
}

void payload_consume(struct payload *p, size_t n)
{
    p->pos += n;
}

bool payload_take(struct payload *p, uint64_t max, const void **piece, size_t *n, struct err *e)
{
    if (!need(p, 1, e))
        return false;
    *n = p->len - p->pos;
    if (*n > max)
        *n = (size_t)max;
    *piece = p->out + p->pos;
    p->pos += *n;
    return true;
}

bool payload_finish(struct payload *p, struct err *e)
{
    for (;;) {
        for (; p->pos < p->len; p->pos++)
            if (p->out[p->pos] != 0)
                return bad(e, "something follows the end of the archive");
        if (p->decoded_end)
            break;
        p->pos = p->len = 0;
        if (!decode(p, e))
            return false;
    }
    if (!fill_in(p, e))
        return false;
    if (p->in_pos < p->in_len)
        return bad(e, "something follows the compressed data");
    return true;
}

/* --- life --------------------------------------------------------------------------------------------- */

struct payload *payload_open(payload_read_fn *read, void *ctx, uint64_t claimed, uint64_t max, struct err *e)
{
    struct payload *p = arena_heap(NULL, sizeof *p);
    memset(p, 0, sizeof *p);
    p->read = read;
    p->ctx = ctx;
    p->claimed = claimed;
    p->max = max;
    p->in = arena_heap(NULL, STORED);
    p->out = arena_heap(NULL, WINDOW);
    p->xz = (lzma_stream)LZMA_STREAM_INIT;
    if (!begin_codec(p, e)) {
        payload_free(p);
        return NULL;
    }
    return p;
}

void payload_free(struct payload *p)
{
    if (p == NULL)
        return;
    if (p->z_open)
        inflateEnd(&p->z);
    lzma_end(&p->xz);
    if (p->bz != NULL)
        archive_read_free(p->bz);
    free(p->in);
    free(p->out);
    free(p);
}
