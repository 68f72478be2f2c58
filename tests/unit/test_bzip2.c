/* bzip2: what another writer compressed comes back, in any pieces; damaged bytes are an error and no more. */
#include "installer/bzip2.h"
#include "package.h"
#include <archive.h>
#include <archive_entry.h>

static struct err e;

struct source {
    const unsigned char *p;
    size_t n, piece;
};

static bool from(void *ctx, void *p, size_t n, size_t *got, struct err *err)
{
    struct source *s = ctx;
    (void)err;
    *got = n < s->piece ? n : s->piece;
    *got = *got < s->n ? *got : s->n;
    memcpy(p, s->p, *got);
    s->p += *got;
    s->n -= *got;
    return true;
}

/* Compressed by libarchive's bzip2. Returns the length. */
static size_t compressed(const void *p, size_t n, const char *level, unsigned char *out, size_t max)
{
    size_t used = 0;
    struct archive *w = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_add_filter_bzip2(w);
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
static size_t decoded(const unsigned char *p, size_t n, size_t in_piece, size_t out_piece, unsigned char *out,
                      size_t max)
{
    struct source s = {p, n, in_piece};
    struct bzip2 *b = bzip2_open(from, &s);
    size_t total = 0, got;
    do {
        size_t want = out_piece < max - total ? out_piece : max - total;
        if (!bzip2_read(b, out + total, want ? want : 1, &got, &e)) {
            total = SIZE_MAX;
            break;
        }
        total += got;
    } while (got > 0);
    bzip2_free(b);
    return total;
}

enum { MOST = 1200000 };
static unsigned char plain[MOST], packed[MOST * 2], back[MOST + 1];

static void round_trips(void **state)
{
    static const size_t sizes[] = {0, 1, 3, 4, 5, 259, 260, 5000, 99981, 100001, 300000, MOST};
    (void)state;
    uint64_t seed = 11;
    for (int kind = 0; kind < 4; kind++)
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            size_t n = sizes[k];
            for (size_t i = 0; i < n; i++) /* chance; one byte; few bytes in runs; a short period */
                plain[i] = kind == 0   ? (unsigned char)package_chance(&seed)
                           : kind == 1 ? 'a'
                           : kind == 2 ? (unsigned char)(package_chance(&seed) % 16 == 0 || i == 0
                                                             ? package_chance(&seed) % 3
                                                             : plain[i - 1])
                                       : (unsigned char)(i % 7);
            size_t stored = compressed(plain, n, k % 2 ? "1" : "9", packed, sizeof packed);
            size_t len =
                decoded(packed, stored, k % 3 ? 100000 : 1 + k, k % 2 ? 4096 : 100000, back, sizeof back);
            if (len != n)
                fail_msg("kind %d, %zu bytes: %s", kind, n, len == SIZE_MAX ? e.text : "another length");
            assert_memory_equal(back, plain, n);
        }
}

static void damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < 600; i++)
        plain[i] = (unsigned char)"hello, hello"[i % 12];
    size_t stored = compressed(plain, 600, "9", packed, sizeof packed);
    for (size_t i = 0; i < stored; i++)
        for (int bit = 0; bit < 8; bit++) {
            packed[i] ^= (unsigned char)(1 << bit);
            size_t n = decoded(packed, stored, 100, 100, back, sizeof back);
            if (n != SIZE_MAX) { /* the level, or padding: bits that say nothing about the bytes */
                assert_int_equal(n, 600);
                assert_memory_equal(back, plain, 600);
            }
            packed[i] ^= (unsigned char)(1 << bit);
        }
    for (size_t n = 0; n < stored; n++)
        assert_int_equal(decoded(packed, n, 100, 100, back, sizeof back), SIZE_MAX);
    packed[stored] = 0;
    assert_int_equal(decoded(packed, stored + 1, 100, 100, back, sizeof back), SIZE_MAX);
    assert_non_null(strstr(e.text, "left over"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trips), cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
