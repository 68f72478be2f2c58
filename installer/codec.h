/* codec: what is compressed, decoded as a stream: members of a xar and the payloads inside them. The one door
 * to zlib's inflate, libbz2 and liblzma's decoders for packages.
 *
 * Nothing is repaired: data that is damaged, cut short or followed by something fails. Memory is constant:
 * what the library needs, for xz and lzma at most CODEC_MEMORY. */
#ifndef INSTALLER_CODEC_H
#define INSTALLER_CODEC_H
#include "core/err.h"
#include <stddef.h>
#include <stdint.h>

#define CODEC_MEMORY (128 * (uint64_t)1024 * 1024)

enum codec_kind {
    CODEC_ZLIB,
    CODEC_GZIP,  /* one member after another */
    CODEC_BZIP2, /* one stream after another, as parallel compressors write */
    CODEC_XZ,    /* one stream */
    CODEC_LZMA   /* the format before xz, which has no magic */
};

/* The next stored bytes, in place until the next call; *n 0: there are no more. */
typedef bool codec_source_fn(void *ctx, const void **piece, size_t *n, struct err *e);

struct codec;

/* NULL with *e set: the library refuses to start. */
struct codec *codec_open(enum codec_kind kind, codec_source_fn *source, void *ctx, struct err *e);

/* Up to n (not 0) decoded bytes into p. *got 0: the data ended, the format's own checks held, and nothing
 * came after it; asked again, the answer is the same. Fails with ERR_FORMAT, ERR_LIMIT or as source did; then
 * there is nothing more to be had. */
CHECKED bool codec_read(struct codec *c, void *p, size_t n, size_t *got, struct err *e);
void codec_free(struct codec *c); /* NULL is fine */
#endif
