/* pathset: the paths of one archive, as a Mac tells them apart: case and Unicode form do not count.
 *
 * Each path takes 40 bytes: it is kept as 128 bits of a hash of its folded form. Two paths whose hashes are
 * equal by accident would be taken for one: that refuses a package, it never accepts one. */
#ifndef INSTALLER_PATHSET_H
#define INSTALLER_PATHSET_H
#include "core/err.h"
#include <stddef.h>
#include <stdint.h>

enum pathset_type { PATHSET_FILE, PATHSET_DIRECTORY, PATHSET_LINK };

struct pathset_entry {
    uint64_t key[2]; /* key[0] 0: free */
    uint64_t size;   /* of a file, with its Bom checksum, when checked */
    uint32_t sum;
    uint8_t type; /* enum pathset_type */
    bool implied; /* a directory made because something lies in it */
    bool checked;
};

struct pathset {
    struct pathset_entry *table;
    size_t cap, used;
};

void pathset_release(struct pathset *s); /* one that is all zero is empty */

/* The entry of path (n bytes of valid UTF-8, "" the root): a new one (*fresh, zero but for its key), or the
 * one that a Mac would take for the same. Lives until the next pathset_note. */
struct pathset_entry *pathset_note(struct pathset *s, const char *path, size_t n, bool *fresh);

/* The same, never new: NULL when there is none. */
struct pathset_entry *pathset_find(const struct pathset *s, const char *path, size_t n);

/* Put back an entry that was copied, changed, and may have moved meanwhile. */
void pathset_store(struct pathset *s, const struct pathset_entry *e);
#endif
