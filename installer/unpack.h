/* unpack: the members of a payload as files below one private, empty directory.
 *
 * Nothing is ever opened through a link, overwritten, or made outside the directory; what is there was made
 * by this archive. Refused: a name twice (also when only case or Unicode form differs, as on a Mac), a parent
 * that is a file or link. Dropped and counted: set-id and sticky bits of files, set-id bits of directories,
 * but on paths that may keep them; AppleDouble members. Directories get their modes and times at the end.
 * Nothing is flushed: that is one call per volume for the caller. */
#ifndef INSTALLER_UNPACK_H
#define INSTALLER_UNPACK_H
#include "installer/cpio.h"

struct unpack_rules {
    bool owners;                   /* set uid and gid as the archive says; else all is ours */
    bool private_files;            /* Scripts: modes without group and others, owner may always read */
    const char *location;          /* "/", "/usr/local": put before paths when asking keep_setid */
    const char *const *keep_setid; /* absolute paths */
    size_t keep_setid_count;
    void (*tick)(void *ctx); /* at least once a megabyte and every few hundred members; may be NULL */
    void *ctx;
};

struct unpack_count {
    uint64_t members, bytes; /* laid out; the root itself is not counted */
    uint64_t setid_dropped, apple_double_dropped;
};

struct unpack;

/* dir is borrowed; rules are too. The umask is 0 until unpack_free: one at a time, in a process of its own.
 */
struct unpack *unpack_open(int dir, const struct unpack_rules *rules);
void unpack_free(struct unpack *u); /* NULL is fine */

/* All of c. ERR_FORMAT, ERR_LIMIT, ERR_SPACE, ERR_SYS; what was made so far stays for the caller to remove.
 */
CHECKED bool unpack_all(struct unpack *u, struct cpio *c, struct err *e);

/* Does what the Bom says of the file path hold: size (its low 32 bits) and checksum? One that was not
 * unpacked, or is no file, passes. ERR_FORMAT names it. */
CHECKED bool unpack_expect(const struct unpack *u, const char *path, uint32_t size, uint32_t sum,
                           struct err *e);

const struct unpack_count *unpack_counted(const struct unpack *u);
#endif
