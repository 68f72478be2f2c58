/* bzip2: decodes one bzip2 stream. A part of xar: some packages hold their PackageInfo that way. */
#ifndef INSTALLER_BZIP2_H
#define INSTALLER_BZIP2_H
#include "core/err.h"
#include <stddef.h>

/* Where compressed bytes come from: up to n into p, *got 0 at the end. */
typedef bool bzip2_source_fn(void *ctx, void *p, size_t n, size_t *got, struct err *e);

struct bzip2; /* at most 5 MB */

struct bzip2 *bzip2_open(bzip2_source_fn *source, void *ctx);

/* Up to n decoded bytes into p; *got 0: the stream ended, its sums held, and nothing came after it. Fails
 * with ERR_FORMAT or as the source did. */
CHECKED bool bzip2_read(struct bzip2 *b, void *p, size_t n, size_t *got, struct err *e);
void bzip2_free(struct bzip2 *b); /* NULL is fine */
#endif
