/* package: what the tests of packages share: samples, containers made by hand, reproducible chance. */
#ifndef TESTS_UNIT_PACKAGE_H
#define TESTS_UNIT_PACKAGE_H
#include "core/arena.h"
#include "core/buf.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* The folder of samples, or NULL (said aloud) when there is none. */
static inline const char *package_samples(void)
{
    static char path[1024];
    const char *shared = getenv("DAYBREAK_SHARED");
    snprintf(path, sizeof path, "%s/samples", shared ? shared : "../shared");
    if (access(path, R_OK) == 0)
        return path;
    printf("skipped: no samples at %s\n", path);
    return NULL;
}

/* Does the test run whole? In make check, which gives a SEED and not SWEEP, what is long is sampled. */
static inline bool package_whole(void)
{
    const char *sweep = getenv("SWEEP");
    return (sweep != NULL && *sweep) || getenv("SEED") == NULL;
}

/* Is the nth of many samples to be looked at? All, or a third of them by the seed. */
static inline bool package_chosen(unsigned n)
{
    return package_whole() || n % 3 == strtoul(getenv("SEED"), NULL, 10) % 3;
}

/* One number after another, from a seed: xorshift. */
static inline uint64_t package_chance(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* An unnamed file with these bytes. */
static inline int package_file(const void *p, size_t n)
{
    char name[] = "/tmp/test_package.XXXXXX";
    struct err e;
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_true(files_write(fd, p, n, &e));
    return fd;
}

static inline void package_be(unsigned char *to, unsigned n, uint64_t v)
{
    while (n > 0) {
        to[--n] = (unsigned char)v;
        v >>= 8;
    }
}

/* A xar with this table of contents, whose heap is the TOC's SHA-1 and then heap. */
static inline int package_xar(const char *toc, const void *heap, size_t heap_len)
{
    struct buf b;
    struct err e;
    unsigned char head[28] = "xar!", sum[DIGEST_MAX];
    uLongf stored = compressBound((uLong)strlen(toc));
    unsigned char *packed = malloc(stored);
    assert_int_equal(compress2(packed, &stored, (const Bytef *)toc, (uLong)strlen(toc), 9), Z_OK);
    package_be(head + 4, 2, 28);
    package_be(head + 6, 2, 1);
    package_be(head + 8, 8, stored);
    package_be(head + 16, 8, strlen(toc));
    package_be(head + 24, 4, 1);
    digest_of(DIGEST_SHA1, packed, stored, sum);
    buf_init(&b, 64 * LIMIT_MB);
    assert_true(buf_append(&b, head, sizeof head, &e) && buf_append(&b, packed, stored, &e) &&
                buf_append(&b, sum, 20, &e) && buf_append(&b, heap, heap_len, &e));
    free(packed);
    int fd = package_file(b.data, b.len);
    buf_release(&b);
    return fd;
}
#endif
