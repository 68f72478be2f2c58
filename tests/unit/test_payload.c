/* payload: every codec gives the same bytes, in any portions; what is cut, damaged, followed or too much is
 * refused. */
#include "archive.h"
#include "installer/payload.h"
#include <lzma.h>

static struct err e;

static size_t length; /* of what comes before the zeros */

/* length bytes, appended to out, then the end; false: *e is set. */
static bool decode(const void *p, size_t n, size_t step, uint64_t claimed, uint64_t max, struct buf *out)
{
    struct archive_source source = {.p = p, .n = n, .step = step};
    struct payload *y = payload_open(archive_read, &source, claimed, max, &e);
    const void *piece;
    size_t got = 0;
    bool ok = y != NULL;
    for (size_t at = 0; ok && at < length; at += got) {
        ok = payload_take(y, length - at < 100000 ? length - at : 100000, &piece, &got, &e);
        if (ok && out != NULL)
            assert_true(buf_append(out, piece, got, &e));
    }
    ok = ok && payload_finish(y, &e);
    payload_free(y);
    return ok;
}

/* So many printable bytes, then zeros: as an archive ends. */
static void make_plain(struct buf *b, size_t size)
{
    uint64_t seed = 7;
    buf_init(b, 8 * LIMIT_MB);
    assert_true(buf_append(b, "070707", 6, &e));
    while (b->len < size) {
        uint64_t x = package_chance(&seed);
        char word[8];
        snprintf(word, sizeof word, "%06x", (unsigned)(x & 0xffff));
        assert_true(buf_append(b, word, 6, &e));
    }
    length = b->len;
    char zeros[512] = {0};
    assert_true(buf_append(b, zeros, sizeof zeros, &e));
}

static void make_xz(const void *p, size_t n, struct buf *out)
{
    size_t room = lzma_stream_buffer_bound(n), at = 0;
    unsigned char *packed = malloc(room);
    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, p, n, packed, &at, room), LZMA_OK);
    assert_true(buf_append(out, packed, at, &e));
    free(packed);
}

static void put64(struct buf *b, uint64_t v)
{
    unsigned char be[8];
    package_be(be, 8, v);
    assert_true(buf_append(b, be, 8, &e));
}

static void make_pbzx(const unsigned char *p, size_t n, size_t chunk, bool raw_too, struct buf *out)
{
    assert_true(buf_append(out, "pbzx", 4, &e));
    put64(out, chunk);
    for (size_t at = 0, i = 0; at < n; at += chunk, i++) {
        size_t k = n - at < chunk ? n - at : chunk;
        struct buf xz;
        buf_init(&xz, 8 * LIMIT_MB);
        if (raw_too && i % 2 == 1)
            assert_true(buf_append(&xz, p + at, k, &e));
        else
            make_xz(p + at, k, &xz);
        put64(out, k);
        put64(out, xz.len);
        assert_true(buf_append(out, xz.data, xz.len, &e));
        buf_release(&xz);
    }
}

enum form { RAW, GZIP, GZIP_TWICE, XZ, PBZX, PBZX_RAW, PBZX_EXACT, FORMS };

static void pack(enum form form, const struct buf *plain, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)plain->data;
    size_t half = plain->len / 2;
    buf_init(out, 8 * LIMIT_MB);
    switch (form) {
    case RAW:
        assert_true(buf_append(out, p, plain->len, &e));
        break;
    case GZIP:
        archive_gzip(p, plain->len, out);
        break;
    case GZIP_TWICE:
        archive_gzip(p, half, out);
        archive_gzip(p + half, plain->len - half, out);
        break;
    case XZ:
        make_xz(p, plain->len, out);
        break;
    case PBZX: /* three chunks and a short one */
        make_pbzx(p, plain->len, plain->len / 3 - 200, false, out);
        break;
    case PBZX_RAW: /* the last one, the 32nd, is raw and long enough to be cut */
        make_pbzx(p, plain->len, plain->len / 32 + 100, true, out);
        break;
    default:
        make_pbzx(p, plain->len, plain->len / 2, false, out);
    }
}

static void all_codecs_give_the_bytes(void **state)
{
    (void)state;
    struct buf plain, packed, got;
    make_plain(&plain, (package_whole() ? 3000 : 1000) * LIMIT_KB);
    if (plain.len % 2 != 0)
        assert_true(buf_append(&plain, "", 1, &e));
    for (enum form f = RAW; f < FORMS; f++) {
        pack(f, &plain, &packed);
        static const size_t steps[] = {SIZE_MAX, 4097, 65536};
        for (size_t i = 0; i < 3; i++) {
            buf_init(&got, 8 * LIMIT_MB);
            if (!decode(packed.data, packed.len, steps[i], 0, UINT64_MAX, &got))
                fail_msg("form %d: %s", (int)f, e.text);
            assert_int_equal(got.len, length);
            assert_memory_equal(got.data, plain.data, got.len);
            buf_release(&got);
        }
        buf_release(&packed);
    }
    buf_release(&plain);
}

static void what_is_cut_or_longer_is_refused(void **state)
{
    (void)state;
    struct buf plain, packed;
    /* beyond the window that it is decoded through; every cut decodes all that comes before it */
    make_plain(&plain, (package_whole() ? 3000 : 300) * LIMIT_KB);
    for (enum form f = GZIP; f < FORMS; f++) {
        pack(f, &plain, &packed);
        for (size_t cut = 1; cut < 40; cut++)
            if (decode(packed.data, packed.len - cut, SIZE_MAX, 0, UINT64_MAX, NULL))
                fail_msg("form %d without its last %zu bytes", (int)f, cut);
        for (size_t n = 0; n < packed.len; n += packed.len / 37)
            assert_false(decode(packed.data, n, SIZE_MAX, 0, UINT64_MAX, NULL));
        if (f != PBZX_EXACT) { /* there another chunk may begin */
            assert_true(buf_append(&packed, "x", 1, &e));
            assert_false(decode(packed.data, packed.len, SIZE_MAX, 0, UINT64_MAX, NULL));
            assert_int_equal(e.kind, ERR_FORMAT);
        }
        buf_release(&packed);
    }
    buf_release(&plain);
}

static void every_flipped_byte_is_harmless(void **state)
{
    (void)state;
    struct buf plain, packed;
    buf_init(&plain, LIMIT_MB);
    for (int i = 0; i < 100; i++)
        assert_true(buf_printf(&plain, "07070 %d ", i));
    length = plain.len;
    for (enum form f = GZIP; f < FORMS; f++) {
        pack(f, &plain, &packed);
        for (size_t i = 0; i < packed.len; i++) {
            packed.data[i] = (char)(packed.data[i] ^ 0x55);
            (void)!decode(packed.data, packed.len, SIZE_MAX, 0, UINT64_MAX, NULL);
            packed.data[i] = (char)(packed.data[i] ^ 0x55);
        }
        buf_release(&packed);
    }
    buf_release(&plain);
}

static void bombs_are_refused(void **state)
{
    (void)state;
    size_t n = 80 * LIMIT_MB; /* up to 64 MB any ratio is let pass */
    unsigned char *ones = malloc(n);
    struct buf packed;
    memset(ones, '0', n);
    memcpy(ones, "070707", 6);
    length = n + 1;
    buf_init(&packed, 8 * LIMIT_MB);
    archive_gzip(ones, n, &packed);
    assert_false(decode(packed.data, packed.len, SIZE_MAX, 1024, UINT64_MAX, NULL));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_false(decode(packed.data, packed.len, SIZE_MAX, n, 70 * LIMIT_MB, NULL));
    assert_int_equal(e.kind, ERR_LIMIT);
    /* honest about its size: that it is dull is no crime, only that it ends too early */
    assert_false(decode(packed.data, packed.len, SIZE_MAX, n, UINT64_MAX, NULL));
    assert_int_equal(e.kind, ERR_FORMAT);
    buf_release(&packed);
    free(ones);
}

static void formats_are_told_apart(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "07", "AA01xxxxxxxx", "pbzzxxxxxxxx", "PK\3\4xxxxxxxx", "YAA1xxxxxxxx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(decode(bad[i], strlen(bad[i]), SIZE_MAX, 0, UINT64_MAX, NULL));
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    decode("YAA1xxxxxxxx", 12, SIZE_MAX, 0, UINT64_MAX, NULL);
    assert_non_null(strstr(e.text, "Apple Archive"));
    /* chunk sizes: zero, small, huge; a chunk longer than it may be; a stored length out of reason */
    static const uint64_t chunks[][3] = {{0, 8, 8},          {8, 8, 8},    {UINT64_MAX, 8, 8},
                                         {1024, 1025, 1025}, {1024, 0, 0}, {1024, 8, UINT64_MAX},
                                         {1024, 8, 0}};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        struct buf b;
        buf_init(&b, 4096);
        assert_true(buf_append(&b, "pbzx", 4, &e));
        for (size_t k = 0; k < 3; k++)
            put64(&b, chunks[i][k]);
        char rest[2000] = "07070";
        assert_true(buf_append(&b, rest, sizeof rest, &e));
        assert_false(decode(b.data, b.len, SIZE_MAX, 0, UINT64_MAX, NULL));
        assert_int_equal(e.kind, ERR_FORMAT);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_codecs_give_the_bytes),      cmocka_unit_test(what_is_cut_or_longer_is_refused),
        cmocka_unit_test(every_flipped_byte_is_harmless), cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(formats_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
