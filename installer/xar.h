/* xar: the container of a flat package: a header, a table of contents (TOC, zlib'd XML), a heap of bytes.
 *
 * xar_open proves and decodes the TOC at once and keeps nothing but the table: memory is proportional to the
 * TOC. Members are then read from the same descriptor, always with pread: the descriptor stays the caller's,
 * its offset is not touched, and several readers may be open at a time. A struct xar lives in its arena.
 *
 * What a caller may rely on after xar_open: the TOC matches its checksum and the header's idea of it; every
 * region (checksum, signatures, members) lies inside the file and overlaps no other;
 * names are single components without '/', "..", control bytes or invalid UTF-8; no two siblings have names
 * that a Mac takes for one; there is nothing but files and directories. Format: xar(1) of Apple. */
#ifndef INSTALLER_XAR_H
#define INSTALLER_XAR_H
#include "core/arena.h"
#include "core/buf.h"
#include "core/crypto.h"
#include <stdint.h>

enum xar_encoding {
    XAR_STORED, /* application/octet-stream */
    XAR_ZLIB,   /* application/x-gzip, which is really zlib */
    XAR_BZIP2,  /* application/x-bzip2 */
    XAR_XZ,     /* application/x-xz */
    XAR_LZMA,   /* application/x-lzma */
    XAR_OTHER   /* listed, but reading it fails with ERR_FORMAT naming it */
};

struct xar_sum {
    enum digest_kind kind; /* DIGEST_NONE: the TOC gives none */
    unsigned char sum[DIGEST_MAX];
};

struct xar_member {
    const char *path; /* from the top, "a.pkg/Payload" */
    const char *name; /* its last component */
    bool directory;
    uint64_t offset; /* of the stored bytes, from the start of the file */
    uint64_t length; /* stored bytes */
    uint64_t size;   /* decoded bytes */
    enum xar_encoding encoding;
    const char *encoding_name; /* as the TOC has it; "application/octet-stream" when it says nothing */
    struct xar_sum archived, extracted; /* over the stored, over the decoded bytes */
    unsigned mode;                      /* permission bits as written; 0 when absent. Not to be trusted */
};

struct xar_cert {
    const unsigned char *der;
    size_t len;
};

/* A signature element, undecided: where its bytes are and which certificates stand beside it, leaf first as
 * a rule. What they are worth is for installer/signature to say. */
struct xar_signature {
    const char *style; /* "RSA", "CMS" */
    bool extended;     /* an x-signature element */
    uint64_t offset;   /* from the start of the file */
    uint64_t size;     /* of the slot; a CMS is padded with zeros */
    const struct xar_cert *certs;
    size_t cert_count;
};

struct xar {
    int fd;                  /* borrowed */
    uint64_t file_size;      /* when opened */
    unsigned header_size;    /* 28; larger only with a named checksum (64 as a rule): never trust a
                              * signature then, Apple's own reader sees another heap */
    uint64_t heap;           /* where it starts */
    uint64_t trailing;       /* bytes after the last region: a stapled ticket, or left over */
    struct xar_sum toc;      /* sum of the compressed TOC, computed here; equals the one in the heap */
    uint64_t toc_sum_offset; /* from the start of the file; the bytes a signature signs */
    const char *created;     /* creation-time as written, or NULL */
    const char *unproven;    /* NULL: the TOC's checksum proves the TOC and, through it, all members. Else
                              * a sentence that says why not (md5, none, a member without checksum): such a
                              * container is good only where the whole file was proved by other means */
    const struct xar_member *members; /* in TOC order, a directory before what is in it */
    size_t member_count;
    const struct xar_signature *signatures;
    size_t signature_count;
};

/* The header, and the checksum of the table of contents, of which nothing is decoded: for who must not read
 * anybody's XML. Of x, which is cleared, fd, file_size, header_size, heap and toc are set, and unproven where
 * the kind of the checksum alone gives reason. Fails as xar_open does. */
CHECKED bool xar_weigh(struct xar *x, int fd, struct err *e);

/* Fails with ERR_FORMAT (no xar, damaged, hostile), ERR_TRUST with cause hash (the TOC does not match its
 * checksum), ERR_LIMIT or ERR_SYS. The text does not name the file. */
struct xar *xar_open(struct arena *a, int fd, struct err *e);

/* The member of exactly this path, or NULL. */
const struct xar_member *xar_find(const struct xar *x, const char *path);

struct xar_reader; /* one member being read */

/* A reader of the decoded bytes of file m (decode false: the stored ones, extracted checksum not looked at).
 * x must outlive it. NULL: *e is set. */
struct xar_reader *xar_reader_open(const struct xar *x, const struct xar_member *m, bool decode,
                                   struct err *e);

/* Up to n bytes into p. *got 0 means the end, and only there are the bytes proved: sizes and both checksums
 * held, nothing left over. On failure (ERR_TRUST with cause hash or size, ERR_FORMAT, ERR_SYS) everything
 * read so far must be thrown away. The text begins with the member's path. */
CHECKED bool xar_reader_read(struct xar_reader *r, void *p, size_t n, size_t *got, struct err *e);

uint64_t xar_reader_stored(const struct xar_reader *r); /* stored bytes consumed so far, for progress */
void xar_reader_free(struct xar_reader *r);             /* NULL is fine; not reaching the end is fine */

/* The whole decoded member, proved, appended to out; ERR_LIMIT when out's maximum is passed. */
CHECKED bool xar_load(const struct xar *x, const struct xar_member *m, struct buf *out, struct err *e);

/* Read member m to its end and throw the bytes away: its checksums hold, or *e says what does not. An
 * encoding that is not supported is checked by its archived checksum alone. */
CHECKED bool xar_check(const struct xar *x, const struct xar_member *m, struct err *e);
#endif
