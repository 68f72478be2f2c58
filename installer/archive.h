/* archive: zip and tar archives, plain or packed as gzip, bzip2 or xz, as members for unpack. The one door to
 * libarchive, which runs in the worker alone.
 *
 * Names follow cpio's rules; devices, pipes and sockets are refused. Links between files of a tar lead only
 * to members that came before. What macOS puts below "__MACOSX" in a zip is what AppleDouble members are
 * elsewhere. Owners are not handed on. */
#ifndef INSTALLER_ARCHIVE_H
#define INSTALLER_ARCHIVE_H
#include "installer/unpack.h"

bool archive_is(
    const char *name); /* by its name: .zip .tar .tgz .tbz .txz .tar.gz .tar.bz2 .tar.xz, any case */

void archive_prepare(void); /* opens libarchive, which a cage would not allow */

struct archive_source;

/* fd is borrowed, and read from its beginning. max: refuse more bytes than that. NULL: *e is set. */
struct archive_source *archive_source_open(int fd, uint64_t max, struct err *e);
void archive_source_free(struct archive_source *a); /* NULL is fine */
struct unpack_source archive_source_members(struct archive_source *a);
#endif
