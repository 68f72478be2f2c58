/* cpio: the members of a payload, one after the other.
 *
 * POSIX.1 odc, which packages use, and SVR4 newc. Nothing is repaired: every field, name and length must be
 * exactly what the format says. Names come out clean: relative, no "." or ".." or empty component, UTF-8
 * without control bytes, within LIMIT_NAME, LIMIT_PATH and LIMIT_PAYLOAD_DEPTH. Only files, directories and
 * symbolic links exist; anything else is refused. */
#ifndef INSTALLER_CPIO_H
#define INSTALLER_CPIO_H
#include "core/limits.h"
#include "installer/payload.h"

struct cpio;

struct cpio *cpio_open(struct payload *p); /* p is borrowed */
void cpio_free(struct cpio *c);            /* NULL is fine */

enum cpio_type { CPIO_FILE, CPIO_DIRECTORY, CPIO_LINK };

struct cpio_member {
    enum cpio_type type;
    const char *path; /* "" is the root itself */
    const char *link; /* target of a CPIO_LINK, never empty, else "" */
    unsigned mode;    /* 07777 at most */
    unsigned uid, gid, nlink;
    uint64_t dev, ino; /* an identity only together with nlink > 1: writers number members as they like */
    int64_t mtime;
    uint64_t size;     /* of a CPIO_FILE's data */
    bool apple_double; /* "._name" that begins as AppleDouble: attributes of name, no file */
};

/* The next member; what was not read of the last one is passed over. At the end *end is true, and the whole
 * payload has been read and proved by its codec. Strings live until the next call. */
CHECKED bool cpio_next(struct cpio *c, struct cpio_member *m, bool *end, struct err *e);

/* The next piece of the member's data, in place; *n 0 when there is no more. Lives until the next call. */
CHECKED bool cpio_data(struct cpio *c, const void **piece, size_t *n, struct err *e);

/* name (n bytes, no NUL inside) as a clean path, by the rules above; or ERR_FORMAT with what is wrong. */
CHECKED bool cpio_name(char out[LIMIT_PATH + 1], const char *name, size_t n, struct err *e);
#endif
