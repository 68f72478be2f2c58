/* The stream is pulled: takers consume a window of decoded bytes, the window is filled by a codec, the codec
 * reads the source. Invariant: pos <= len <= WINDOW.
 *
 * pbzx: "pbzx", chunk size, then chunks {decoded length, stored length, bytes}, all numbers 64-bit big
 * endian; a chunk whose lengths are equal is stored as it is, else it is one whole xz stream. A chunk shorter
 * than the chunk size is the last; an archive that ends with a full one just ends. */
#include "installer/payload.h"
#include "core/arena.h"
#include "core/limits.h"
#include "installer/codec.h"
#include <string.h>

#define STORED       (256 * (size_t)1024)
#define WINDOW       (256 * (size_t)1024)
#define PBZX_MIN     (uint64_t)512
#define PBZX_MAX     (64 * (uint64_t)1024 * 1024)
#define RATIO_FREE   (64 * (uint64_t)1024 * 1024)
#define RATIO_BEYOND 200 /* decoded : stored, beyond twice what was claimed */

enum form { PLAIN, PACKED, PBZX }; /* PACKED: one codec from end to end */

struct payload {
    payload_read_fn *read;
    void *ctx;
    uint64_t claimed, max;

    /* stored bytes */
    unsigned char *in;
    size_t in_pos, in_len;
    bool in_end;
    uint64_t in_total;

    enum form form;
    struct codec *codec; /* PACKED: of all; PBZX: of the chunk in hand */
    bool decoded_end;
    uint64_t chunk_size, chunk_in, chunk_out; /* pbzx: still to read and to give of this chunk */
    bool chunk_raw, chunk_last;

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

/* What is left of the piece in hand, or the next one, at most max bytes of it. */
static bool next_piece(struct payload *p, uint64_t max, const void **piece, size_t *n, struct err *e)
{
    if (!fill_in(p, e))
        return false;
    *n = p->in_len - p->in_pos < max ? p->in_len - p->in_pos : (size_t)max;
    *piece = p->in + p->in_pos;
    p->in_pos += *n;
    return true;
}

static bool whole_source(void *ctx, const void **piece, size_t *n, struct err *e)
{
    return next_piece(ctx, UINT64_MAX, piece, n, e);
}

static bool chunk_source(void *ctx, const void **piece, size_t *n, struct err *e)
{
    struct payload *p = ctx;
    *n = 0;
    if (p->chunk_in == 0)
        return true;
    if (!next_piece(p, p->chunk_in, piece, n, e))
        return false;
    p->chunk_in -= *n;
    return *n > 0 || bad(e, "a pbzx chunk is cut short");
}

/* --- forms: each decode_x gives up to cap bytes; *got 0 is the end ------------------------------------- */

static bool decode_plain(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    const void *piece;
    if (!next_piece(p, cap, &piece, got, e))
        return false;
    memcpy(out, piece, *got);
    return true;
}

static bool decode_packed(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    return codec_read(p->codec, out, cap, got, e);
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
    if (!p->chunk_raw)
        p->codec = codec_open(CODEC_XZ, chunk_source, p, e);
    return p->chunk_raw || p->codec != NULL;
}

/* Up to cap bytes of the chunk in hand; the last ones only when the chunk proved whole. */
static bool chunk_bytes(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    const void *piece;
    uint64_t most = p->chunk_out < cap ? p->chunk_out : cap;
    if (p->chunk_raw) {
        if (!next_piece(p, most, &piece, got, e))
            return false;
        memcpy(out, piece, *got);
        p->chunk_in -= *got;
        p->chunk_out -= *got;
        return *got > 0 || bad(e, "a pbzx chunk is cut short");
    }
    if (most > 0 && !codec_read(p->codec, out, (size_t)most, got, e))
        return false;
    if (most > 0 && *got == 0)
        return bad(e, "a pbzx chunk does not hold what it declares");
    p->chunk_out -= *got;
    if (p->chunk_out > 0)
        return true;
    unsigned char beyond;
    size_t more;
    if (!codec_read(p->codec, &beyond, 1, &more, e))
        return false;
    if (more > 0 || p->chunk_in > 0)
        return bad(e, more > 0 ? "a pbzx chunk decodes to more than it declares"
                               : "a pbzx chunk does not hold what it declares");
    codec_free(p->codec);
    p->codec = NULL;
    return true;
}

static bool decode_pbzx(struct payload *p, unsigned char *out, size_t cap, size_t *got, struct err *e)
{
    bool more = true;
    if (p->chunk_out == 0 && !pbzx_chunk(p, &more, e))
        return false;
    return !more || chunk_bytes(p, out, cap, got, e) || err_wrap(e, "pbzx");
}

static bool begin(struct payload *p, struct err *e)
{
    static const struct {
        const char *magic;
        size_t len;
        enum codec_kind kind;
    } packed[] = {
        {"\x1f\x8b", 2, CODEC_GZIP}, {"BZh", 3, CODEC_BZIP2}, {"\xfd\x37\x7a\x58\x5a\0", 6, CODEC_XZ}};
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
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (memcmp(m, packed[i].magic, packed[i].len) == 0) {
            p->form = PACKED;
            p->codec = codec_open(packed[i].kind, whole_source, p, e);
            return p->codec != NULL;
        }
    if (memcmp(m, "pbzx", 4) == 0) {
        unsigned char head[12];
        p->form = PBZX;
        if (!take(p, head, sizeof head, e))
            return false;
        p->chunk_size = be64(head + 4);
        if (p->chunk_size < PBZX_MIN || p->chunk_size > PBZX_MAX)
            return bad(e, "the pbzx chunk size is out of range");
        return true;
    }
    if (memcmp(m, "07070", 5) == 0) {
        p->form = PLAIN;
        return true;
    }
    return bad(e, "its format is not known");
}

/* --- decoded bytes ------------------------------------------------------------------------------------ */

static bool decode(struct payload *p, struct err *e)
{
    typedef bool decode_fn(struct payload *, unsigned char *, size_t, size_t *, struct err *);
    static decode_fn *const decoders[] = {decode_plain, decode_packed, decode_pbzx};
    size_t got = 0;
    if (p->decoded_end)
        return true;
    if (!decoders[p->form](p, p->out + p->len, WINDOW - p->len, &got, e))
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
    if (!begin(p, e)) {
        payload_free(p);
        return NULL;
    }
    return p;
}

void payload_free(struct payload *p)
{
    if (p == NULL)
        return;
    codec_free(p->codec);
    free(p->in);
    free(p->out);
    free(p);
}
