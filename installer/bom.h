/* bom: the bill of materials of a package or receipt: every path with type, owner, mode, size and sum.
 *
 * Format: BOMStore, big-endian; blocks behind an index, trees of (parent id, name) leaves. */
#ifndef INSTALLER_BOM_H
#define INSTALLER_BOM_H
#include "core/arena.h"
#include "core/buf.h"
#include <stdint.h>

enum bom_type { BOM_FILE = 1, BOM_DIRECTORY = 2, BOM_LINK = 3, BOM_DEVICE = 4 };

struct bom_entry {
    const char *name;               /* last component; "." for the root of the tree */
    const struct bom_entry *parent; /* NULL for the root */
    const char *link;               /* target, or NULL unless a link */
    enum bom_type type;
    bool twin;     /* the "._" half of an AppleDouble pair: size, sum and mode are not its own */
    uint16_t mode; /* type bits included */
    uint32_t uid, gid, mtime;
    uint32_t size; /* low 32 bits */
    uint32_t sum;  /* bom_sum of a file's bytes; of a link's target */
};

struct bom {
    const struct bom_entry *entries; /* the root first, a parent always before its children */
    size_t count;
};

/* Decode at most LIMIT_BOM bytes. Names are single components; cycles, orphans and overlong paths are
 * refused. NULL: ERR_FORMAT ("Bom: …") or ERR_LIMIT. In a; memory is proportional to n. */
const struct bom *bom_decode(struct arena *a, const void *p, size_t n, struct err *e);

/* Path of entry without "./" and leading '/' ("" for the root). out holds LIMIT_PATH + 1 bytes. */
void bom_path(const struct bom_entry *entry, char *out);

/* One path to be written. */
struct bom_item {
    const char *path; /* "" for the root, "a/b" below it; borrowed until bom_encode returns */
    const char *link; /* target of a link, or NULL */
    enum bom_type type;
    uint16_t mode; /* type bits included */
    uint32_t uid, gid, mtime;
    uint64_t size;
    uint32_t sum;
};

/* Append the Bom of these items, in any order, to out (at most LIMIT_BOM). The root is made (0755, 0:0)
 * when not given; parents must be. The same items give the same bytes. ERR_INTERNAL: an item twice, or
 * without its parent; ERR_LIMIT. */
CHECKED bool bom_encode(const struct bom_item *items, size_t count, struct buf *out, struct err *e);

/* The checksum a Bom uses (POSIX cksum): start with 0, bom_sum over the bytes, bom_sum_end with their
 * number. */
uint32_t bom_sum(uint32_t sum, const void *p, size_t n);
uint32_t bom_sum_tables(uint32_t sum, const void *p, size_t n); /* the same, always without ISA-L */
uint32_t bom_sum_end(uint32_t sum, uint64_t total);
#endif
