/* unpack: the members of a payload as files below one private, empty directory.
 *
 * Nothing is ever opened through a link, overwritten, or made outside the directory; what is there was made
 * by this archive. Refused: a name twice (also when only case or Unicode form differs, as on a Mac), a parent
 * that is a file or link. Dropped and counted: set-id and sticky bits of files, set-id bits of directories,
 * but on paths that may keep them; AppleDouble members, unless what they hold is kept as
 * attributes of the file they belong to. Directories get their modes and times at the end.
 * Nothing is flushed: that is one call per volume for the caller. */
#ifndef INSTALLER_UNPACK_H
#define INSTALLER_UNPACK_H
#include "installer/bom.h"
#include "installer/cpio.h"

struct unpack_rules {
    bool owners;                   /* set uid and gid as the archive says; else all is ours */
    bool attributes;               /* AppleDouble members become extended attributes */
    bool private_files;            /* Scripts: modes without group and others, owner may always read */
    const char *location;          /* "/", "/usr/local": put before paths when asking keep_setid */
    const char *const *keep_setid; /* absolute paths */
    size_t keep_setid_count;
    /* called for each member before it is made; false with *e set refuses it. May be NULL */
    bool (*claim)(void *ctx, const struct cpio_member *m, struct err *e);
    void (*tick)(void *ctx); /* at least once a megabyte and every few hundred members; may be NULL */
    void *ctx;
};

struct unpack_count {
    uint64_t members, bytes; /* laid out; the root itself is not counted */
    uint64_t setid_dropped;
    uint64_t apple_double_dropped; /* of them nothing was kept */
    uint64_t apple_double_kept;
};

struct unpack;

/* dir is borrowed; rules are too. The umask is 0 until unpack_free: one at a time, in a process of its own.
 */
struct unpack *unpack_open(int dir, const struct unpack_rules *rules);
void unpack_free(struct unpack *u); /* NULL is fine */

/* Where members come from; see cpio_next and cpio_data. */
struct unpack_source {
    bool (*next)(void *ctx, struct cpio_member *m, bool *end, struct err *e);
    bool (*data)(void *ctx, const void **piece, size_t *n, struct err *e);
    void *ctx;
};
struct unpack_source unpack_source_cpio(struct cpio *c);

/* All of them. ERR_FORMAT, ERR_LIMIT, ERR_SPACE, ERR_SYS; what was made so far stays for the caller to
 * remove.
 */
CHECKED bool unpack_all(struct unpack *u, const struct unpack_source *c, struct err *e);

/* Is what was unpacked what the Bom says of path: is it there, of that type, a file of that size (its low 32
 * bits) and checksum, a link to there? ERR_FORMAT names it. Not to be asked about "." and AppleDouble twins,
 * about which Boms say odd things. */
CHECKED bool unpack_expect(const struct unpack *u, const char *path, enum bom_type type, uint32_t size,
                           uint32_t sum, struct err *e);
/* Were that many paths all? */
CHECKED bool unpack_named(const struct unpack *u, size_t named, struct err *e);

/* The paths that were unpacked, with sizes and checksums. */
struct pathset;
const struct pathset *unpack_paths(const struct unpack *u);

const struct unpack_count *unpack_counted(const struct unpack *u);
#endif
