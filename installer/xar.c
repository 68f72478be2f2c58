/* Invariants: every read is a pread of a range that the TOC check found inside the file; what a reader hands
 * out is proved only when its end is reached.
 *
 * Checksum kind 3 is ambiguous: Apple means SHA-256 (header of 28 bytes), another fork "see the name in the
 * longer header". Apple's reader takes the heap to start at 28 + TOC whatever the header's size, so a longer
 * header is accepted only in that named form and with nothing else in it. "application/x-gzip" is a zlib
 * stream. Bytes after the last region (a stapled ticket, left-overs) are covered by no checksum. */
#include "installer/xar.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/codec.h"
#include "installer/xar_toc.h"
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

#define HEADER_SIZE 28
#define HEADER_MAX  128
#define PIECE       (64 * LIMIT_KB)
#define TOC_RATIO   200 /* beyond 1 MB */

/* --- header and table of contents --- */

struct header {
    unsigned size;
    uint64_t stored, plain;
    enum digest_kind kind;
};

static uint64_t be(const unsigned char *p, unsigned n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static bool named_kind(const unsigned char *p, size_t n, enum digest_kind *kind)
{
    const unsigned char *end = memchr(p, 0, n);
    if (!end)
        return false;
    for (const unsigned char *q = end; q < p + n; q++)
        if (*q)
            return false;
    *kind = digest_named((const char *)p);
    return *kind != DIGEST_NONE;
}

static bool read_header(int fd, uint64_t file_size, struct header *h, struct err *e)
{
    static const enum digest_kind kinds[] = {DIGEST_NONE, DIGEST_SHA1, DIGEST_MD5, DIGEST_SHA256,
                                             DIGEST_SHA512};
    unsigned char b[HEADER_MAX];
    if (file_size < HEADER_SIZE)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "not a flat package: %s",
                       file_size ? "too short" : "the file is empty");
    if (!files_read_at(fd, 0, b, HEADER_SIZE, e))
        return false;
    if (memcmp(b, "xar!", 4) != 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "not a flat package: it does not begin with \"xar!\"");
    h->size = (unsigned)be(b + 4, 2);
    unsigned version = (unsigned)be(b + 6, 2), kind = (unsigned)be(b + 24, 4);
    h->stored = be(b + 8, 8);
    h->plain = be(b + 16, 8);
    if (version != 1)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "xar version %u is not known", version);
    if (h->size == HEADER_SIZE) {
        if (kind >= sizeof kinds / sizeof kinds[0])
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "checksum kind %u is not known", kind);
        h->kind = kinds[kind];
    } else if (h->size < 32 || h->size > HEADER_MAX || h->size % 4 != 0 || h->size > file_size || kind != 3 ||
               !files_read_at(fd, 0, b, h->size, e) ||
               !named_kind(b + HEADER_SIZE, h->size - HEADER_SIZE, &h->kind)) {
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the header has %u bytes and no known checksum name",
                       h->size);
    }
    if (h->stored > LIMIT_TOC_STORED || h->plain > LIMIT_TOC ||
        (h->plain > LIMIT_MB && h->plain / TOC_RATIO > h->stored))
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT,
                       "the table of contents claims %llu bytes, %llu unpacked, which is too much",
                       (unsigned long long)h->stored, (unsigned long long)h->plain);
    if (h->stored > file_size - h->size)
        return err_set(e, ERR_FORMAT, CAUSE_SIZE, "the file ends within its table of contents");
    return true;
}

static bool inflate_toc(unsigned char *p, const struct header *h, struct xar_toc *toc, struct err *e)
{
    z_stream z = {0};
    bool ok = false;
    int rc = inflateInit(&z);
    unsigned char *out = arena_heap(NULL, PIECE);
    z.next_in = p;
    z.avail_in = (uInt)h->stored;
    while (rc == Z_OK) {
        z.next_out = out;
        z.avail_out = PIECE;
        rc = inflate(&z, Z_NO_FLUSH);
        if (z.total_out > h->plain)
            break;
        if ((rc == Z_OK || rc == Z_STREAM_END) && !xar_toc_write(toc, out, PIECE - z.avail_out, e))
            goto out;
    }
    if (rc != Z_STREAM_END || z.avail_in > 0 || z.total_out != h->plain)
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s",
                rc == Z_STREAM_END || rc == Z_OK ? "its length is not the one in the header"
                                                 : "damaged (zlib)");
    else
        ok = true;
out:
    inflateEnd(&z);
    free(out);
    return ok;
}

/* The checksum that the TOC speaks of against the one computed; says in x how much that proves. */
static bool prove_toc(struct xar *x, const struct header *h, const struct xar_toc_checksum *sum,
                      struct err *e)
{
    bool none = !sum->present || strcasecmp(sum->style, "none") == 0;
    if (none && h->kind != DIGEST_NONE)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "header and table of contents differ about the checksum");
    if (none) {
        x->unproven = "the table of contents has no checksum";
        return true;
    }
    enum digest_kind kind = digest_named(sum->style);
    if (kind == DIGEST_NONE || kind != h->kind)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "header and table of contents differ about the checksum");
    if (sum->size != digest_size(kind))
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the checksum is %llu bytes long",
                       (unsigned long long)sum->size);
    unsigned char stored[DIGEST_MAX];
    x->toc_sum_offset = x->heap + sum->offset;
    if (!files_read_at(x->fd, (off_t)x->toc_sum_offset, stored, digest_size(kind), e))
        return false;
    return crypto_equal(stored, x->toc.sum, digest_size(kind)) ||
           err_set(e, ERR_TRUST, CAUSE_HASH, "the checksum does not match: altered or damaged");
}

/* The stored table of contents, summed but not decoded: to be freed. NULL: *e is set. */
static unsigned char *weigh(struct xar *x, int fd, struct header *h, struct err *e)
{
    struct stat st;
    memset(x, 0, sizeof *x);
    if (fstat(fd, &st) != 0) {
        err_sys(e, "fstat");
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "not a flat package: no regular file");
        return NULL;
    }
    x->fd = fd;
    x->file_size = (uint64_t)st.st_size;
    if (!read_header(fd, x->file_size, h, e))
        return NULL;
    x->header_size = h->size;
    x->heap = h->size + h->stored;
    x->toc.kind = h->kind;
    if (h->kind == DIGEST_MD5)
        x->unproven = "the checksum of the table of contents is MD5, which proves nothing";
    unsigned char *stored = arena_heap(NULL, (size_t)h->stored + 1);
    if (!files_read_at(fd, (off_t)h->size, stored, (size_t)h->stored, e)) {
        free(stored);
        return NULL;
    }
    if (h->kind != DIGEST_NONE)
        digest_of(h->kind, stored, (size_t)h->stored, x->toc.sum);
    return stored;
}

bool xar_weigh(struct xar *x, int fd, struct err *e)
{
    struct header h = {0};
    unsigned char *stored = weigh(x, fd, &h, e);
    free(stored);
    return stored != NULL;
}

struct xar *xar_open(struct arena *a, int fd, struct err *e)
{
    struct xar *x = arena_alloc(a, sizeof *x);
    struct header h = {0};
    struct xar_toc_checksum sum;
    unsigned char *stored = weigh(x, fd, &h, e);
    if (stored == NULL)
        return NULL;
    struct xar_toc *toc = xar_toc_open(a, x->heap, x->file_size);
    bool ok = inflate_toc(stored, &h, toc, e) && xar_toc_finish(toc, x, &sum, e) && prove_toc(x, &h, &sum, e);
    if (!ok)
        err_wrap(e, "table of contents");
    xar_toc_free(toc);
    free(stored);
    return ok ? x : NULL;
}

const struct xar_member *xar_find(const struct xar *x, const char *path)
{
    for (size_t i = 0; i < x->member_count; i++)
        if (strcmp(x->members[i].path, path) == 0)
            return &x->members[i];
    return NULL;
}

/* --- members --- */

struct xar_reader {
    const struct xar *x;
    const struct xar_member *m;
    enum xar_encoding encoding; /* XAR_STORED when the stored bytes are wanted */
    bool decode, ended, failed;
    uint64_t stored, decoded; /* bytes so far */
    struct digest *archived, *extracted;
    unsigned char *piece; /* stored bytes on their way to a decoder */
    struct codec *codec;
};

/* The next stored bytes, hashed as they pass. *got 0: there are no more. */
static bool next_stored(struct xar_reader *r, void *p, size_t n, size_t *got, struct err *e)
{
    uint64_t left = r->m->length - r->stored;
    *got = n < left ? n : (size_t)left;
    if (*got == 0)
        return true;
    if (!files_read_at(r->x->fd, (off_t)(r->m->offset + r->stored), p, *got, e))
        return false;
    if (r->archived)
        digest_write(r->archived, p, *got);
    r->stored += *got;
    return true;
}

static bool next_piece(void *ctx, const void **piece, size_t *n, struct err *e)
{
    struct xar_reader *r = ctx;
    *piece = r->piece;
    return next_stored(r, r->piece, PIECE, n, e);
}

struct xar_reader *xar_reader_open(const struct xar *x, const struct xar_member *m, bool decode,
                                   struct err *e)
{
    if (m->directory) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s is a directory", m->path);
        return NULL;
    }
    if (decode && m->encoding == XAR_OTHER) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: the encoding %s is not supported", m->path,
                m->encoding_name);
        return NULL;
    }
    struct xar_reader *r = arena_heap(NULL, sizeof *r);
    memset(r, 0, sizeof *r);
    r->x = x;
    r->m = m;
    r->decode = decode;
    r->encoding = decode && m->length > 0 ? m->encoding : XAR_STORED;
    if (m->archived.kind != DIGEST_NONE)
        r->archived = digest_open(m->archived.kind);
    /* one sum serves for both when the bytes are the same */
    if (decode && m->extracted.kind != DIGEST_NONE &&
        (r->encoding != XAR_STORED || m->extracted.kind != m->archived.kind))
        r->extracted = digest_open(m->extracted.kind);
    if (r->encoding == XAR_STORED)
        return r;
    static const enum codec_kind kinds[] = {
        [XAR_ZLIB] = CODEC_ZLIB, [XAR_BZIP2] = CODEC_BZIP2, [XAR_XZ] = CODEC_XZ, [XAR_LZMA] = CODEC_LZMA};
    r->piece = arena_heap(NULL, PIECE);
    r->codec = codec_open(kinds[r->encoding], next_piece, r, e);
    if (r->codec == NULL) {
        err_wrap(e, "%s", m->path);
        xar_reader_free(r);
        return NULL;
    }
    return r;
}

static bool some(struct xar_reader *r, void *p, size_t n, size_t *got, struct err *e)
{
    return r->codec != NULL ? codec_read(r->codec, p, n, got, e) : next_stored(r, p, n, got, e);
}

static bool same(struct digest **d, const struct xar_sum *want, const char *which, struct err *e)
{
    unsigned char sum[DIGEST_MAX];
    if (!*d)
        return true;
    size_t n = digest_end(*d, sum);
    *d = NULL;
    return crypto_equal(sum, want->sum, n) ||
           err_set(e, ERR_TRUST, CAUSE_HASH, "the %s checksum does not match: altered or damaged", which);
}

static bool prove_end(struct xar_reader *r, struct err *e)
{
    const struct xar_member *m = r->m;
    if (r->stored != m->length)
        return err_set(e, ERR_FORMAT, CAUSE_SIZE, "bytes are left over after the compressed stream");
    if (r->decode && r->decoded != m->size)
        return err_set(e, ERR_TRUST, CAUSE_SIZE, "%llu bytes instead of %llu", (unsigned long long)r->decoded,
                       (unsigned long long)m->size);
    if (!same(&r->archived, &m->archived, "archived", e) ||
        !same(&r->extracted, &m->extracted, "extracted", e))
        return false;
    return !r->decode || r->encoding != XAR_STORED || m->extracted.kind != m->archived.kind ||
           memcmp(m->archived.sum, m->extracted.sum, digest_size(m->archived.kind)) == 0 ||
           err_set(e, ERR_TRUST, CAUSE_HASH, "stored as it is, but with two different checksums");
}

bool xar_reader_read(struct xar_reader *r, void *p, size_t n, size_t *got, struct err *e)
{
    *got = 0;
    if (r->ended || n == 0)
        return true;
    if (r->failed)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "%s: read after a failure", r->m->path);
    bool ok = some(r, p, n, got, e);
    if (ok && *got > 0) {
        r->decoded += *got;
        if (r->decode && r->decoded > r->m->size)
            ok = err_set(e, ERR_TRUST, CAUSE_SIZE, "more than the %llu bytes that the table of contents says",
                         (unsigned long long)r->m->size);
        else if (r->extracted)
            digest_write(r->extracted, p, *got);
    } else if (ok) {
        ok = prove_end(r, e);
        r->ended = ok;
    }
    if (!ok) {
        r->failed = true;
        *got = 0;
        err_wrap(e, "%s", r->m->path);
    }
    return ok;
}

uint64_t xar_reader_stored(const struct xar_reader *r)
{
    return r->stored;
}

void xar_reader_free(struct xar_reader *r)
{
    if (!r)
        return;
    digest_free(r->archived);
    digest_free(r->extracted);
    codec_free(r->codec);
    free(r->piece);
    free(r);
}

/* Every byte of m to out, or nowhere when out is NULL. */
static bool read_all(const struct xar *x, const struct xar_member *m, bool decode, struct buf *out,
                     struct err *e)
{
    struct xar_reader *r = xar_reader_open(x, m, decode, e);
    if (!r)
        return false;
    char *piece = arena_heap(NULL, PIECE);
    size_t got = 0;
    bool ok;
    do {
        ok = xar_reader_read(r, piece, PIECE, &got, e);
        if (ok && got > 0 && out && !buf_append(out, piece, got, e))
            ok = err_wrap(e, "%s", m->path);
    } while (ok && got > 0);
    free(piece);
    xar_reader_free(r);
    return ok;
}

/* Twice through the stored bytes: a decoder sees none before all of them are proved. */
bool xar_load(const struct xar *x, const struct xar_member *m, struct buf *out, struct err *e)
{
    uint64_t most = (uint64_t)out->max + out->max / 8 + LIMIT_KB; /* what cannot be packed grows by so much */
    if (m->length > most)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: larger than %zu bytes", m->path, out->max);
    bool once = m->encoding == XAR_STORED || m->archived.kind == DIGEST_NONE;
    return (once || read_all(x, m, false, NULL, e)) && read_all(x, m, true, out, e);
}

bool xar_check(const struct xar *x, const struct xar_member *m, struct err *e)
{
    return m->directory || read_all(x, m, m->encoding != XAR_OTHER, NULL, e);
}
