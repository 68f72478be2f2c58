/* Any container: refused with a sentence, or every member is read to its end. The first byte says what the
 * rest is: 'F' the file itself; else a table of contents, a NUL and the heap, put together with true lengths
 * and a true checksum, so that what lies behind these is reached too. */
#include "core/files.h"
#include "installer/xar.h"
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_be(unsigned char *to, unsigned n, uint64_t v)
{
    while (n > 0) {
        to[--n] = (unsigned char)v;
        v >>= 8;
    }
}

static bool put(int fd, const void *p, size_t n)
{
    struct err e;
    return files_write(fd, p, n, &e);
}

static bool put_together(int fd, const uint8_t *toc, size_t toc_len, const uint8_t *heap, size_t heap_len)
{
    unsigned char head[28] = "xar!", sum[DIGEST_MAX];
    uLongf stored = compressBound((uLong)toc_len);
    unsigned char *packed = arena_heap(NULL, stored);
    bool ok = compress2(packed, &stored, toc, (uLong)toc_len, 1) == Z_OK;
    put_be(head + 4, 2, sizeof head);
    put_be(head + 6, 2, 1);
    put_be(head + 8, 8, stored);
    put_be(head + 16, 8, toc_len);
    put_be(head + 24, 4, 1);
    digest_of(DIGEST_SHA1, packed, stored, sum);
    ok = ok && put(fd, head, sizeof head) && put(fd, packed, stored) && put(fd, sum, 20) &&
         put(fd, heap, heap_len);
    free(packed);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0) {
        char name[] = "/tmp/fuzz_xar.XXXXXX";
        fd = mkstemp(name);
        unlink(name);
    }
    if (size == 0 || fd < 0 || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        return 0;
    const uint8_t *rest = data + 1, *end = data + size, *nul = memchr(rest, 0, size - 1);
    bool written = *data == 'F' ? put(fd, rest, size - 1)
                                : put_together(fd, rest, nul ? (size_t)(nul - rest) : size - 1,
                                               nul ? nul + 1 : end, nul ? (size_t)(end - nul - 1) : 0);
    if (!written)
        return 0;
    struct arena *a = arena_open();
    struct err e = {0};
    const struct xar *x = xar_open(a, fd, &e);
    if (!x && !e.text[0])
        abort();
    for (size_t i = 0; x && i < x->member_count; i++) {
        const struct xar_member *m = &x->members[i];
        e.text[0] = '\0';
        if (m->offset > x->file_size || m->length > x->file_size - m->offset || xar_find(x, m->path) != m)
            abort();
        if (!xar_check(x, m, &e) && !e.text[0])
            abort();
    }
    arena_free(a);
    return 0;
}
