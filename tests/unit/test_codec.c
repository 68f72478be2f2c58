/* codec: what another writer compressed comes back, in any pieces; damaged bytes are an error and no more. */
#include "installer/codec.h"
#include "package.h"
#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

static struct err e;

struct source {
    const unsigned char *p;
    size_t n, piece;
};

static bool from(void *ctx, const void **piece, size_t *n, struct err *err)
{
    struct source *s = ctx;
    (void)err;
    *n = s->piece < s->n ? s->piece : s->n;
    *piece = s->p;
    s->p += *n;
    s->n -= *n;
    return true;
}

static const struct {
    enum codec_kind kind;
    int (*filter)(struct archive *);
} kinds[] = {{CODEC_ZLIB, NULL},
             {CODEC_GZIP, archive_write_add_filter_gzip},
             {CODEC_BZIP2, archive_write_add_filter_bzip2},
             {CODEC_XZ, archive_write_add_filter_xz},
             {CODEC_LZMA, archive_write_add_filter_lzma}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Compressed by libarchive, or zlib itself. Returns the length. */
static size_t compressed(size_t kind, const void *p, size_t n, const char *level, unsigned char *out,
                         size_t max)
{
    size_t used = 0;
    if (!kinds[kind].filter) {
        uLongf len = max;
        assert_int_equal(compress2(out, &len, p, n, level[0] - '0'), Z_OK);
        return len;
    }
    struct archive *w = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(kinds[kind].filter(w), ARCHIVE_OK);
    assert_int_equal(archive_write_set_filter_option(w, NULL, "compression-level", level), ARCHIVE_OK);
    archive_write_set_format_raw(w);
    archive_write_set_bytes_in_last_block(w, 1);
    assert_int_equal(archive_write_open_memory(w, out, max, &used), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(w, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(w, p, n), (la_ssize_t)n);
    archive_entry_free(entry);
    assert_int_equal(archive_write_close(w), ARCHIVE_OK);
    archive_write_free(w);
    return used;
}

/* Decoded into out; the length, or SIZE_MAX with e set. */
static size_t decoded(size_t kind, const unsigned char *p, size_t n, size_t in_piece, size_t out_piece,
                      unsigned char *out, size_t max)
{
    struct source s = {p, n, in_piece};
    struct codec *c = codec_open(kinds[kind].kind, from, &s, &e);
    size_t total = 0, got;
    assert_non_null(c);
    do {
        size_t want = out_piece < max - total ? out_piece : max - total;
        if (!codec_read(c, out + total, want ? want : 1, &got, &e)) {
            total = SIZE_MAX;
            break;
        }
        total += got;
    } while (got > 0);
    struct err again;
    if (total == SIZE_MAX)
        assert_false(codec_read(c, out, 1, &got, &again)); /* no second opinion */
    else
        assert_true(codec_read(c, out, 1, &got, &again) && got == 0);
    codec_free(c);
    return total;
}

enum { MOST = 1200000 };
static unsigned char plain[MOST], packed[MOST * 2], back[MOST + 1];

static void round_trips(void **state)
{
    static const size_t sizes[] = {0, 1, 3, 4, 5, 259, 260, 5000, 99981, 100001, MOST};
    (void)state;
    uint64_t seed = 11;
    for (size_t c = 0; c < KINDS; c++)
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            size_t n = sizes[k];
            for (size_t i = 0; i < n; i++) /* chance; one byte; few bytes in runs; a short period */
                plain[i] = k % 4 == 0   ? (unsigned char)package_chance(&seed)
                           : k % 4 == 1 ? 'a'
                           : k % 4 == 2 ? (unsigned char)(package_chance(&seed) % 16 == 0 || i == 0
                                                              ? package_chance(&seed) % 3
                                                              : plain[i - 1])
                                        : (unsigned char)(i % 7);
            size_t stored = compressed(c, plain, n, k % 2 ? "1" : "6", packed, sizeof packed);
            size_t len =
                decoded(c, packed, stored, k % 3 ? 100000 : 1 + k, k % 2 ? 4096 : 100000, back, sizeof back);
            if (len != n)
                fail_msg("kind %zu, %zu bytes: %s", c, n, len == SIZE_MAX ? e.text : "another length");
            assert_memory_equal(back, plain, n);
        }
}

/* Which bits say nothing about the bytes differs; that none of them gives other bytes is what counts. lzma
 * has no checksum: there only the length is sure. */
static void damaged(void **state)
{
    (void)state;
    for (size_t c = 0; c < KINDS; c++) {
        for (size_t i = 0; i < 600; i++)
            plain[i] = (unsigned char)"hello, hello"[i % 12];
        size_t stored = compressed(c, plain, 600, "6", packed, sizeof packed), refused = 0, tried = 0;
        for (size_t i = 0; i < stored; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                if (!package_chosen((unsigned)i * 8 + bit))
                    continue;
                tried++;
                packed[i] ^= (unsigned char)(1u << bit);
                size_t n = decoded(c, packed, stored, 100, 100, back, sizeof back);
                if (n != SIZE_MAX && kinds[c].kind != CODEC_LZMA) {
                    assert_int_equal(n, 600);
                    assert_memory_equal(back, plain, 600);
                }
                refused += n == SIZE_MAX;
                packed[i] ^= (unsigned char)(1u << bit);
            }
        assert_true(refused > tried / 4);
        for (size_t n = 0; n < stored && kinds[c].kind != CODEC_LZMA; n++)
            assert_int_equal(decoded(c, packed, n, 100, 100, back, sizeof back), SIZE_MAX);
        packed[stored] = 0;
        assert_int_equal(decoded(c, packed, stored + 1, 100, 100, back, sizeof back), SIZE_MAX);
    }
}

/* Parallel compressors write streams one after another; xz and lzma take one. */
static void several_streams(void **state)
{
    (void)state;
    for (size_t c = 0; c < KINDS; c++) {
        size_t one = compressed(c, "one", 3, "6", packed, sizeof packed);
        size_t two = compressed(c, "two", 3, "6", packed + one, sizeof packed - one);
        size_t n = decoded(c, packed, one + two, 7, 100, back, sizeof back);
        if (kinds[c].kind == CODEC_GZIP || kinds[c].kind == CODEC_BZIP2) {
            assert_int_equal(n, 6);
            assert_memory_equal(back, "onetwo", 6);
        } else {
            assert_int_equal(n, SIZE_MAX);
            assert_non_null(strstr(e.text, "something follows"));
        }
    }
}

/* A decoder that reads ahead gives back what is behind its member, wherever the pieces are cut. */
static void streams_in_every_cut(void **state)
{
    (void)state;
    static const size_t rooms[] = {1, 2, 5, 1000};
    for (size_t i = 0; i < 300; i++)
        plain[i] = (unsigned char)(i * i % 251);
    for (size_t c = 0; c < KINDS; c++) {
        if (kinds[c].kind != CODEC_GZIP && kinds[c].kind != CODEC_BZIP2)
            continue;
        size_t n = compressed(c, plain, 300, "6", packed, sizeof packed);
        n += compressed(c, plain, 3, "6", packed + n, sizeof packed - n);
        n += compressed(c, plain, 0, "6", packed + n, sizeof packed - n);
        n += compressed(c, plain + 3, 297, "1", packed + n, sizeof packed - n);
        const size_t next = kinds[c].kind == CODEC_GZIP ? 1 : 41; /* bzip2 takes megabytes for each */
        for (size_t piece = 1; piece <= n; piece += next)
            for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
                if (!package_chosen((unsigned)(piece + k)))
                    continue;
                assert_int_equal(decoded(c, packed, n, piece, rooms[k], back, sizeof back), 600);
                assert_memory_equal(back, plain, 300);
                assert_memory_equal(back + 300, plain, 300);
            }
        memcpy(packed + n, "garbage", 7);
        for (size_t piece = 1; piece <= n + 7; piece += next)
            for (size_t more = 1; more <= 7; more++)
                if (package_chosen((unsigned)(piece + more)))
                    assert_int_equal(decoded(c, packed, n + more, piece, 1000, back, sizeof back), SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trips), cmocka_unit_test(damaged),
                                       cmocka_unit_test(several_streams),
                                       cmocka_unit_test(streams_in_every_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
