/* Invariants: the heap lies in an unnamed temporary from its first byte on, so that nothing is left whenever
 * we end; the TOC is made last, when every sum is known. The TOC's own sum is the heap's first 20 bytes; the
 * signatures over it, RSA and then CMS, come next, where Apple's tools put them. */
#include "installer/xar_writer.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/xml.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#define SUM_SIZE  20
#define PIECE     (64 * LIMIT_KB)
#define NO_PARENT SIZE_MAX

struct member {
    const char *path, *name;
    size_t parent;
    bool directory, deflate;
    uint64_t offset, length, size;
    char archived[2 * SUM_SIZE + 1], extracted[2 * SUM_SIZE + 1];
};

struct xar_writer {
    struct arena *arena;
    int heap;
    uint64_t heap_size; /* the checksum's place included */
    time_t created;
    const struct signature_signer *signer;
    struct member *members;
    size_t count, cap;
    bool open; /* the last member is being written */
    struct digest *archived, *extracted;
    z_stream z;
    unsigned char *piece;
};

/* A file in dir that has no name any more. */
static int unnamed(int dir, struct err *e)
{
    unsigned char random[8];
    char name[32] = ".daybreak-";
    os_random(random, sizeof random);
    text_hex(name + 10, random, sizeof random);
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        err_sys(e, "create a temporary file");
    else
        unlinkat(dir, name, 0);
    return fd;
}

struct xar_writer *xar_writer_open(int dir, struct err *e)
{
    int heap = unnamed(dir, e);
    if (heap < 0)
        return NULL;
    struct xar_writer *w = arena_heap(NULL, sizeof *w);
    memset(w, 0, sizeof *w);
    w->arena = arena_open();
    w->heap = heap;
    w->heap_size = SUM_SIZE;
    w->piece = arena_heap(NULL, PIECE);
    return w;
}

void xar_writer_created(struct xar_writer *w, time_t created)
{
    w->created = created;
}

void xar_writer_sign(struct xar_writer *w, const struct signature_signer *s)
{
    w->signer = s;
    if (s)
        w->heap_size += signature_signer_rsa_size(s) + signature_signer_cms_size(s);
}

static bool to_heap(struct xar_writer *w, struct member *m, const void *p, size_t n, struct err *e)
{
    digest_write(w->archived, p, n);
    m->length += n;
    w->heap_size += n;
    return files_write(w->heap, p, n, e) || err_wrap(e, "temporary file");
}

static bool run_deflate(struct xar_writer *w, struct member *m, int flush, struct err *e)
{
    int rc;
    do {
        w->z.next_out = w->piece;
        w->z.avail_out = PIECE;
        rc = deflate(&w->z, flush);
        if (!to_heap(w, m, w->piece, PIECE - w->z.avail_out, e))
            return false;
    } while (flush == Z_FINISH ? rc != Z_STREAM_END : w->z.avail_out == 0);
    return true;
}

static void hex_sum(struct digest **d, char *out)
{
    unsigned char sum[DIGEST_MAX];
    text_hex(out, sum, digest_end(*d, sum));
    *d = NULL;
}

static bool close_member(struct xar_writer *w, struct err *e)
{
    if (!w->open)
        return true;
    struct member *m = &w->members[w->count - 1];
    w->open = false;
    bool ok = !m->deflate || m->size == 0 || run_deflate(w, m, Z_FINISH, e);
    if (m->deflate)
        deflateEnd(&w->z);
    hex_sum(&w->archived, m->archived);
    hex_sum(&w->extracted, m->extracted);
    return ok;
}

static bool add(struct xar_writer *w, const char *path, bool directory, struct err *e)
{
    if (!close_member(w, e))
        return false;
    if (w->count == LIMIT_TOC_FILES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d members", LIMIT_TOC_FILES);
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 16;
        w->members = arena_heap(w->members, w->cap * sizeof *w->members);
    }
    const char *slash = strrchr(path, '/');
    struct member *m = &w->members[w->count];
    *m = (struct member){.path = arena_strdup(w->arena, path), .parent = NO_PARENT, .directory = directory};
    m->name = m->path + (slash ? slash + 1 - path : 0);
    m->offset = w->heap_size;
    for (size_t i = 0; slash && i < w->count; i++)
        if (w->members[i].directory && strlen(w->members[i].path) == (size_t)(slash - path) &&
            strncmp(w->members[i].path, path, (size_t)(slash - path)) == 0)
            m->parent = i;
    if (slash && m->parent == NO_PARENT)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "member %s before its directory", path);
    w->count++;
    return true;
}

bool xar_writer_directory(struct xar_writer *w, const char *path, struct err *e)
{
    return add(w, path, true, e);
}

bool xar_writer_file(struct xar_writer *w, const char *path, bool compress, struct err *e)
{
    if (!add(w, path, false, e))
        return false;
    w->z = (z_stream){0};
    if (compress && deflateInit(&w->z, Z_BEST_COMPRESSION) != Z_OK)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "zlib cannot be started");
    w->members[w->count - 1].deflate = compress;
    w->archived = digest_open(DIGEST_SHA1);
    w->extracted = digest_open(DIGEST_SHA1);
    w->open = true;
    return true;
}

bool xar_writer_write(struct xar_writer *w, const void *p, size_t n, struct err *e)
{
    struct member *m = &w->members[w->count - 1];
    const unsigned char *s = p;
    digest_write(w->extracted, p, n);
    m->size += n;
    if (!m->deflate)
        return to_heap(w, m, p, n, e);
    unsigned char in[4096]; /* zlib wants to be given what it may change, though it does not */
    while (n > 0) {
        size_t take = n < sizeof in ? n : sizeof in;
        memcpy(in, s, take);
        w->z.next_in = in;
        w->z.avail_in = (uInt)take;
        if (!run_deflate(w, m, Z_NO_FLUSH, e))
            return false;
        s += take;
        n -= take;
    }
    return true;
}

/* --- the table of contents --- */

static bool too_long(struct err *e)
{
    return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "the table of contents is too long");
}

static bool put_data(struct buf *b, const struct member *m)
{
    return buf_printf(b,
                      "<data><length>%llu</length><offset>%llu</offset><size>%llu</size>"
                      "<encoding style=\"application/%s\"/>"
                      "<extracted-checksum style=\"sha1\">%s</extracted-checksum>"
                      "<archived-checksum style=\"sha1\">%s</archived-checksum></data>",
                      (unsigned long long)m->length, (unsigned long long)m->offset,
                      (unsigned long long)m->size, m->deflate ? "x-gzip" : "octet-stream", m->extracted,
                      m->archived);
}

static bool put_members(const struct xar_writer *w, struct buf *b, size_t parent, struct err *e)
{
    for (size_t i = parent == NO_PARENT ? 0 : parent + 1; i < w->count; i++) {
        const struct member *m = &w->members[i];
        if (m->parent != parent)
            continue;
        if (!buf_printf(b, "<file id=\"%zu\">", i + 1) || (!m->directory && m->size > 0 && !put_data(b, m)) ||
            !buf_printf(b, "<type>%s</type><mode>%s</mode><name>%s</name>",
                        m->directory ? "directory" : "file", m->directory ? "0755" : "0644",
                        xml_escape(w->arena, m->name)))
            return too_long(e);
        if (m->directory && !put_members(w, b, i, e))
            return false;
        if (!buf_printf(b, "</file>\n"))
            return too_long(e);
    }
    return true;
}

static bool put_signature(const struct xar_writer *w, struct buf *b, const char *element, const char *style,
                          size_t offset, size_t size, struct err *e)
{
    const struct xar_cert *certs;
    size_t n = signature_signer_certs(w->signer, &certs);
    bool ok = buf_printf(b,
                         "<%s style=\"%s\"><offset>%zu</offset><size>%zu</size>"
                         "<KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data>\n",
                         element, style, offset, size);
    for (size_t i = 0; ok && i < n; i++)
        ok = buf_printf(b, "<X509Certificate>%s</X509Certificate>\n",
                        text_base64(w->arena, certs[i].der, certs[i].len));
    ok = ok && buf_printf(b, "</X509Data></KeyInfo></%s>\n", element);
    return ok || too_long(e);
}

static bool put_signatures(const struct xar_writer *w, struct buf *b, struct err *e)
{
    if (!w->signer)
        return true;
    size_t rsa = signature_signer_rsa_size(w->signer), cms = signature_signer_cms_size(w->signer);
    return put_signature(w, b, "signature", "RSA", SUM_SIZE, rsa, e) &&
           put_signature(w, b, "x-signature", "CMS", SUM_SIZE + rsa, cms, e);
}

/* Both over the sum, to fd. */
static bool write_signatures(const struct xar_writer *w, int fd, const unsigned char *sum, struct err *e)
{
    if (!w->signer)
        return true;
    size_t rsa = signature_signer_rsa_size(w->signer), cms = signature_signer_cms_size(w->signer);
    unsigned char *both = arena_heap(NULL, rsa + cms);
    bool ok = signature_signer_sign(w->signer, DIGEST_SHA1, sum, both, both + rsa, e) &&
              files_write(fd, both, rsa + cms, e);
    free(both);
    return ok;
}

static bool make_toc(const struct xar_writer *w, struct buf *b, struct err *e)
{
    char created[32];
    text_utc(created, w->created, -1);
    created[19] = '\0'; /* Apple's writer gives UTC without saying so */
    if (!buf_printf(b,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xar>\n<toc>\n<checksum style=\"sha1\">"
                    "<offset>0</offset><size>%d</size></checksum>\n<creation-time>%s</creation-time>\n",
                    SUM_SIZE, created))
        return too_long(e);
    return put_signatures(w, b, e) && put_members(w, b, NO_PARENT, e) &&
           (buf_printf(b, "</toc>\n</xar>\n") || too_long(e));
}

static void put_be(unsigned char *to, unsigned n, uint64_t v)
{
    while (n > 0) {
        to[--n] = (unsigned char)v;
        v >>= 8;
    }
}

static bool copy_heap(const struct xar_writer *w, int fd, struct err *e)
{
    uint64_t at = 0, n = w->heap_size - SUM_SIZE;
    if (w->signer)
        n -= signature_signer_rsa_size(w->signer) + signature_signer_cms_size(w->signer);
    while (at < n) {
        ssize_t got = pread(w->heap, w->piece, PIECE, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_sys(e, "temporary file: read");
        if (!files_write(fd, w->piece, (size_t)got, e))
            return false;
        at += (uint64_t)got;
    }
    return true;
}

bool xar_writer_commit(struct xar_writer *w, int fd, struct err *e)
{
    struct buf toc;
    unsigned char head[28] = "xar!", sum[DIGEST_MAX];
    buf_init(&toc, LIMIT_TOC);
    bool ok = close_member(w, e) && make_toc(w, &toc, e);
    uLongf stored = compressBound((uLong)toc.len);
    unsigned char *packed = arena_heap(NULL, stored);
    if (ok &&
        compress2(packed, &stored, (const Bytef *)buf_str(&toc), (uLong)toc.len, Z_BEST_COMPRESSION) != Z_OK)
        ok = err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the table of contents cannot be compressed");
    if (ok) {
        put_be(head + 4, 2, sizeof head);
        put_be(head + 6, 2, 1);
        put_be(head + 8, 8, stored);
        put_be(head + 16, 8, toc.len);
        put_be(head + 24, 4, 1); /* SHA-1 */
        digest_of(DIGEST_SHA1, packed, stored, sum);
        ok = files_write(fd, head, sizeof head, e) && files_write(fd, packed, stored, e) &&
             files_write(fd, sum, SUM_SIZE, e) && write_signatures(w, fd, sum, e) && copy_heap(w, fd, e);
    }
    free(packed);
    buf_release(&toc);
    return ok;
}

void xar_writer_free(struct xar_writer *w)
{
    if (!w)
        return;
    if (w->open && w->members[w->count - 1].deflate)
        deflateEnd(&w->z);
    digest_free(w->archived);
    digest_free(w->extracted);
    close(w->heap);
    free(w->members);
    free(w->piece);
    arena_free(w->arena);
    free(w);
}
