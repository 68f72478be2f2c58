/* libarchive repairs what it can and knows many more formats: only two are asked for, and whatever it says
 * about a member is checked again here. Every regular file counts as one that others may link to, numbered by
 * its path. */
#include "installer/archive.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/archive_library.h"
#include "installer/codec.h"
#include "installer/pathset.h"
#include <errno.h>
#include <strings.h>
#include <unistd.h>

#define PIECE    (64 * (size_t)1024)
#define RESOURCE "__MACOSX/"
#define MAGIC    "\x00\x05\x16\x07"

struct archive_source {
    const struct archive_library *lib;
    struct archive *la;
    int fd;
    struct codec *codec;           /* a tar that is packed; else NULL */
    unsigned char *stored, *plain; /* its bytes before and after */
    struct err why;                /* what the codec or the file said to libarchive */
    unsigned char *piece;
    size_t pending; /* bytes of piece that were read to look at them */
    bool in_member;
    uint64_t left, total, max, members;
    struct pathset seen;
    char path[LIMIT_PATH + 1], link[LIMIT_PATH + 1], first[LIMIT_PATH + 1];
};

bool archive_is(const char *name)
{
    static const char *const ends[] = {".zip", ".tar",    ".tgz",     ".tbz",
                                       ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strcasecmp(name + n - k, ends[i]) == 0)
            return true;
    }
    return false;
}

static bool bad(struct err *e, const char *path, const char *why)
{
    char shown[256];
    text_printable_into(shown, sizeof shown, path, strlen(path));
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "\"%s\" %s", shown, why);
}

static bool failed(struct archive_source *a, struct err *e)
{
    char shown[256];
    const char *why = a->lib->error_string(a->la);
    if (a->why.kind != ERR_NONE) {
        *e = a->why;
        return false;
    }
    if (why == NULL)
        why = "it ends where it should go on";
    text_printable_into(shown, sizeof shown, why, strlen(why));
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the archive is damaged: %s", shown);
}

static bool stored_bytes(void *ctx, const void **piece, size_t *n, struct err *e)
{
    struct archive_source *a = ctx;
    ssize_t got;
    do
        got = read(a->fd, a->stored, PIECE);
    while (got < 0 && errno == EINTR);
    *piece = a->stored;
    *n = got > 0 ? (size_t)got : 0;
    return got >= 0 || err_sys(e, "read");
}

static la_ssize_t plain_bytes(struct archive *la, void *ctx, const void **piece)
{
    struct archive_source *a = ctx;
    size_t n;
    *piece = a->plain;
    if (codec_read(a->codec, a->plain, PIECE, &n, &a->why))
        return (la_ssize_t)n;
    a->lib->set_error(la, EIO, "%s", a->why.text);
    return ARCHIVE_FATAL;
}

/* Is it packed as a whole, and how? *kind is set then. */
static bool is_packed(int fd, enum codec_kind *kind)
{
    static const struct {
        const char *magic;
        size_t n;
        enum codec_kind kind;
    } packed[] = {
        {"\x1f\x8b", 2, CODEC_GZIP}, {"BZh", 3, CODEC_BZIP2}, {"\xfd\x37\x7a\x58\x5a\0", 6, CODEC_XZ}};
    char head[6];
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head)
        return false;
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (memcmp(head, packed[i].magic, packed[i].n) == 0) {
            *kind = packed[i].kind;
            return true;
        }
    return false;
}

static bool start(struct archive_source *a, struct err *e)
{
    enum codec_kind kind;
    bool packed = is_packed(a->fd, &kind);
    if (a->la == NULL || a->lib->read_support_format_tar(a->la) != ARCHIVE_OK ||
        (!packed && a->lib->read_support_format_zip(a->la) != ARCHIVE_OK))
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "libarchive refuses to start");
    if (lseek(a->fd, 0, SEEK_SET) != 0)
        return err_sys(e, "seek");
    if (packed && (a->codec = codec_open(kind, stored_bytes, a, e)) == NULL)
        return false;
    int r = packed ? a->lib->read_open(a->la, a, NULL, plain_bytes, NULL)
                   : a->lib->read_open_fd(a->la, a->fd, PIECE);
    if (r == ARCHIVE_OK)
        return true;
    return a->why.kind != ERR_NONE
               ? failed(a, e)
               : err_set(e, ERR_FORMAT, CAUSE_FORMAT, "it is neither a zip nor a tar archive");
}

void archive_prepare(void)
{
    (void)archive_library();
}

struct archive_source *archive_source_open(int fd, uint64_t max, struct err *e)
{
    struct archive_source *a = arena_heap(NULL, sizeof *a);
    memset(a, 0, sizeof *a);
    a->fd = fd;
    a->max = max;
    a->piece = arena_heap(NULL, PIECE);
    a->stored = arena_heap(NULL, PIECE);
    a->plain = arena_heap(NULL, PIECE);
    a->lib = archive_library();
    a->la = a->lib->read_new();
    if (start(a, e))
        return a;
    archive_source_free(a);
    return NULL;
}

void archive_source_free(struct archive_source *a)
{
    if (a == NULL)
        return;
    a->lib->read_free(a->la);
    pathset_release(&a->seen);
    codec_free(a->codec);
    free(a->piece);
    free(a->stored);
    free(a->plain);
    free(a);
}

static bool fill(struct archive_source *a, struct err *e)
{
    la_ssize_t n = a->lib->read_data(a->la, a->piece, PIECE);
    if (n < 0)
        return failed(a, e);
    a->pending = (size_t)n;
    a->total += a->pending;
    if (a->pending > a->left || (a->pending == 0 && a->left > 0))
        return bad(e, a->path, "does not hold as many bytes as the archive says");
    a->left -= a->pending;
    return a->total <= a->max || err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it unpacks to more than %llu bytes",
                                         (unsigned long long)a->max);
}

static bool data(void *ctx, const void **piece, size_t *n, struct err *e)
{
    struct archive_source *a = ctx;
    *n = 0;
    if (!a->in_member || (a->pending == 0 && a->left == 0))
        return true;
    if (a->pending == 0 && !fill(a, e))
        return false;
    *piece = a->piece;
    *n = a->pending;
    a->pending = 0;
    return true;
}

/* As text of the archive: the UTF-8 that libarchive knows of, else the bytes. */
static const char *either(const char *utf8, const char *raw)
{
    return utf8 != NULL ? utf8 : raw;
}

/* name without the slashes that folders end with, by the rules of cpio. */
static bool clean(const char *name, char out[LIMIT_PATH + 1], struct err *e)
{
    if (name == NULL)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a member has no name that can be read");
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        n--;
    return cpio_name(out, name, n, e);
}

static uint64_t number_of(const char *path)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++)
        h = (h ^ *p) * 0x100000001b3u;
    return h;
}

static bool describe(struct archive_source *a, struct archive_entry *x, struct cpio_member *m, struct err *e)
{
    const char *hard = either(a->lib->entry_hardlink_utf8(x), a->lib->entry_hardlink(x));
    const char *link = either(a->lib->entry_symlink_utf8(x), a->lib->entry_symlink(x));
    int64_t size = a->lib->entry_size_is_set(x) ? a->lib->entry_size(x) : 0, mtime = a->lib->entry_mtime(x);
    memset(m, 0, sizeof *m);
    m->path = a->path;
    m->link = "";
    m->mode = (unsigned)a->lib->entry_perm(x) & 0777;
    m->nlink = 1;
    m->mtime = mtime > 0 ? mtime : 0;
    if (hard != NULL) {
        if (!clean(hard, a->first, e))
            return false;
        if (pathset_find(&a->seen, a->first, strlen(a->first)) == NULL)
            return bad(e, a->path, "is a link to a file that did not come before it");
        m->type = CPIO_FILE;
        m->nlink = 2;
        m->ino = number_of(a->first);
        return true;
    }
    switch (a->lib->entry_filetype(x)) {
    case AE_IFREG:
        if (size < 0)
            return bad(e, a->path, "has an impossible size");
        m->type = CPIO_FILE;
        m->size = a->left = (uint64_t)size;
        m->nlink = 2;
        m->ino = number_of(a->path);
        return true;
    case AE_IFDIR:
        m->type = CPIO_DIRECTORY;
        if (m->mode == 0)
            m->mode = 0755; /* a zip from elsewhere */
        return true;
    case AE_IFLNK:
        if (link == NULL || *link == '\0' || strlen(link) > LIMIT_PATH)
            return bad(e, a->path, "is a link whose target is empty or too long");
        m->type = CPIO_LINK;
        snprintf(a->link, sizeof a->link, "%s", link);
        m->link = a->link;
        return true;
    default:
        return bad(e, a->path, "is no file, folder or link");
    }
}

static bool look_for_twin(struct archive_source *a, struct cpio_member *m, bool resource, struct err *e)
{
    if (m->type != CPIO_FILE || !text_starts(text_basename(a->path), "._"))
        return true;
    if (m->size >= 4 && !fill(a, e))
        return false;
    m->apple_double = resource || (a->pending >= 4 && memcmp(a->piece, MAGIC, 4) == 0);
    if (m->apple_double)
        m->nlink = 1;
    return true;
}

/* The rest of what is packed is read too: its checksum is at the end. */
static bool finish(struct archive_source *a, struct err *e)
{
    size_t n = 1;
    while (a->codec != NULL && n > 0)
        if (!codec_read(a->codec, a->plain, PIECE, &n, e))
            return false;
    return a->members > 0 || err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the archive is empty");
}

static bool next(void *ctx, struct cpio_member *m, bool *end, struct err *e)
{
    struct archive_source *a = ctx;
    struct archive_entry *x;
    for (;;) {
        const void *piece;
        size_t n;
        bool fresh;
        do { /* what was not read is read now: it is proved on the way */
            if (!data(a, &piece, &n, e))
                return false;
        } while (n > 0);
        a->in_member = false;
        int r = a->lib->read_next_header(a->la, &x);
        *end = r == ARCHIVE_EOF;
        if (*end)
            return finish(a, e);
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return failed(a, e);
        if (++a->members > LIMIT_PAYLOAD_FILES)
            return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it holds more than %d files", LIMIT_PAYLOAD_FILES);
        const char *name = either(a->lib->entry_pathname_utf8(x), a->lib->entry_pathname(x));
        bool resource = name != NULL && text_starts(name, RESOURCE);
        if (resource && (a->lib->entry_filetype(x) != AE_IFREG || !text_starts(text_basename(name), "._")))
            continue;
        if (!clean(resource ? name + sizeof RESOURCE - 1 : name, a->path, e))
            return false;
        a->left = a->pending = 0;
        a->in_member = true;
        if (!describe(a, x, m, e))
            return false;
        if (m->type == CPIO_FILE)
            (void)pathset_note(&a->seen, a->path, strlen(a->path), &fresh);
        return look_for_twin(a, m, resource, e);
    }
}

struct unpack_source archive_source_members(struct archive_source *a)
{
    return (struct unpack_source){.next = next, .data = data, .ctx = a};
}
