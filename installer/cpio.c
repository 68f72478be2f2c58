/* cpio odc: 76 octal digits, name with NUL, data, no padding. Eleven digits hold sizes below 8 GiB. nlink is
 * no link count: directories and AppleDouble members carry what the writer pleased. newc: 110 hexadecimal
 * digits, name and data padded to 4. Both end with a member named TRAILER!!!, then zeros.
 * Invariant: left and then pad bytes are what lies before the next header. */
#include "installer/cpio.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/text.h"

#define ODC_HEADER   76
#define NEWC_HEADER  110
#define TRAILER      "TRAILER!!!"
#define APPLE_DOUBLE "\x00\x05\x16\x07"

struct cpio {
    struct payload *payload;
    uint64_t left, members;
    size_t pad;
    bool done, behind_file; /* behind_file: the member before is one, and path is its name */
    char path[LIMIT_PATH + 1], link[LIMIT_PATH + 1];
};

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s", what);
}

bool cpio_data(struct cpio *c, const void **piece, size_t *n, struct err *e)
{
    *n = 0;
    if (c->left == 0)
        return true;
    if (!payload_take(c->payload, c->left, piece, n, e))
        return false;
    c->left -= *n;
    return true;
}

static bool skip_member(struct cpio *c, struct err *e)
{
    const void *piece;
    const unsigned char *padding;
    size_t n;
    do {
        if (!cpio_data(c, &piece, &n, e))
            return false;
    } while (n > 0);
    if (!payload_peek(c->payload, c->pad, &padding, e))
        return false;
    payload_consume(c->payload, c->pad);
    c->pad = 0;
    return true;
}

static uint64_t digits(const unsigned char *s, size_t n, unsigned bits, bool *ok)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = s[i], d = 16;
        if (c >= '0' && c <= '9')
            d = c - '0';
        else if (c >= 'a' && c <= 'f')
            d = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            d = c - 'A' + 10;
        if (d >> bits != 0)
            *ok = false;
        v = v << bits | (d & 15);
    }
    return v;
}

struct header {
    uint64_t mode, name_size;
    size_t size, pad; /* of the header; what pads the name */
};

/* A file of 8 GB or more does not fit the size field. Writers that do not notice leave its low bits there:
 * the next header is then looked for in the middle of its data. */
static bool no_header(const struct cpio *c, struct err *e)
{
    char shown[256];
    if (!c->behind_file)
        return bad(e, "there is no cpio header where one must be");
    text_printable_into(shown, sizeof shown, c->path, strlen(c->path));
    return err_set(
        e, ERR_FORMAT, CAUSE_FORMAT,
        "there is no cpio header behind \"%s\": it is damaged, or that file is one of 8 GB or more, "
        "which does not fit",
        shown);
}

static bool read_header(struct cpio *c, struct cpio_member *m, struct header *h, struct err *e)
{
    const unsigned char *b;
    if (!payload_peek(c->payload, ODC_HEADER, &b, e))
        return false;
    bool ok = true, newc = b[5] == '1' || b[5] == '2';
    if (memcmp(b, "07070", 5) != 0 || (!newc && b[5] != '7'))
        return no_header(c, e);
    if (newc) {
        if (!payload_peek(c->payload, NEWC_HEADER, &b, e))
            return false;
        m->ino = digits(b + 6, 8, 4, &ok);
        h->mode = digits(b + 14, 8, 4, &ok);
        m->uid = (unsigned)digits(b + 22, 8, 4, &ok);
        m->gid = (unsigned)digits(b + 30, 8, 4, &ok);
        m->nlink = (unsigned)digits(b + 38, 8, 4, &ok);
        m->mtime = (int64_t)digits(b + 46, 8, 4, &ok);
        m->size = digits(b + 54, 8, 4, &ok);
        m->dev = digits(b + 62, 8, 4, &ok) << 32 | digits(b + 70, 8, 4, &ok);
        h->name_size = digits(b + 94, 8, 4, &ok);
        h->size = NEWC_HEADER;
        h->pad = (size_t)(-(NEWC_HEADER + h->name_size) & 3);
        c->pad = (size_t)(-m->size & 3);
    } else {
        m->dev = digits(b + 6, 6, 3, &ok);
        m->ino = digits(b + 12, 6, 3, &ok);
        h->mode = digits(b + 18, 6, 3, &ok);
        m->uid = (unsigned)digits(b + 24, 6, 3, &ok);
        m->gid = (unsigned)digits(b + 30, 6, 3, &ok);
        m->nlink = (unsigned)digits(b + 36, 6, 3, &ok);
        m->mtime = (int64_t)digits(b + 48, 11, 3, &ok);
        h->name_size = digits(b + 59, 6, 3, &ok);
        m->size = digits(b + 65, 11, 3, &ok);
        h->size = ODC_HEADER;
        h->pad = 0;
        c->pad = 0;
    }
    if (!ok)
        return bad(e, "a cpio header holds something that is no digit");
    m->mode = (unsigned)(h->mode & 07777);
    return true;
}

static bool bad_name(struct err *e, const char *name, size_t n, const char *why)
{
    char shown[256];
    text_printable_into(shown, sizeof shown, name, n);
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the name \"%s\" %s", shown, why);
}

bool cpio_name(char out[LIMIT_PATH + 1], const char *name, size_t len, struct err *e)
{
    const char *s = name, *end = name + len;
    if (len > 0 && name[0] == '/')
        return bad_name(e, name, len, "is absolute");
    bool plain = true;
    for (size_t i = 0; i < len; i++) {
        unsigned char b = (unsigned char)name[i];
        if (b < 0x20 || b == 0x7f)
            return bad_name(e, name, len, "holds a control byte");
        plain = plain && b < 0x80;
    }
    if (!plain && !text_utf8_valid(name, len))
        return bad_name(e, name, len, "is not UTF-8");
    if (len == 1 && name[0] == '.') {
        out[0] = '\0';
        return true;
    }
    if (len > 2 && s[0] == '.' && s[1] == '/')
        s += 2;
    if ((size_t)(end - s) > LIMIT_PATH)
        return bad_name(e, name, len, "is too long");
    unsigned depth = 0;
    for (const char *at = s; at <= end; depth++) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t n = (size_t)((slash != NULL ? slash : end) - at);
        if (n == 0)
            return bad_name(e, name, len, "has an empty component");
        if (n <= 2 && memcmp(at, "..", n) == 0)
            return bad_name(e, name, len, "has a component \".\" or \"..\"");
        if (n > LIMIT_NAME)
            return bad_name(e, name, len, "has a component that is too long");
        at += n + 1;
    }
    if (depth > LIMIT_PAYLOAD_DEPTH)
        return bad_name(e, name, len, "is too deep");
    memcpy(out, s, (size_t)(end - s));
    out[end - s] = '\0';
    return true;
}

static bool read_link(struct cpio *c, struct cpio_member *m, struct err *e)
{
    if (m->size == 0 || m->size > LIMIT_PATH)
        return bad_name(e, c->path, strlen(c->path), "is a link whose target is empty or too long");
    const unsigned char *target;
    size_t n = (size_t)m->size;
    if (!payload_peek(c->payload, n, &target, e))
        return false;
    memcpy(c->link, target, n);
    c->link[n] = '\0';
    payload_consume(c->payload, n);
    if (strlen(c->link) != n)
        return bad_name(e, c->path, strlen(c->path), "is a link whose target holds a NUL");
    m->link = c->link;
    m->size = 0;
    c->left = 0;
    return true;
}

static bool is_apple_double(struct cpio *c, const struct cpio_member *m, bool *yes, struct err *e)
{
    const unsigned char *magic;
    *yes = false;
    if (m->size < 4 || !text_starts(text_basename(m->path), "._"))
        return true;
    if (!payload_peek(c->payload, 4, &magic, e))
        return false;
    *yes = memcmp(magic, APPLE_DOUBLE, 4) == 0;
    return true;
}

bool cpio_next(struct cpio *c, struct cpio_member *m, bool *end, struct err *e)
{
    struct header h = {0};
    *end = c->done;
    if (c->done)
        return true;
    memset(m, 0, sizeof *m);
    if (!skip_member(c, e) || !read_header(c, m, &h, e))
        return false;
    if (h.name_size < 2 || h.name_size > LIMIT_PATH + 3)
        return bad(e, "a cpio member has a name of impossible length");
    size_t n = (size_t)h.name_size;
    const unsigned char *header;
    if (!payload_peek(c->payload, h.size + n + h.pad, &header, e))
        return false;
    const char *name = (const char *)header + h.size;
    if (name[n - 1] != '\0' || memchr(name, '\0', n - 1) != NULL)
        return bad_name(e, name, n - 1, "does not end where it says");
    if (strcmp(name, TRAILER) == 0) {
        payload_consume(c->payload, h.size + n + h.pad);
        c->pad = 0;
        *end = c->done = true;
        return payload_finish(c->payload, e);
    }
    if (!cpio_name(c->path, name, n - 1, e))
        return false;
    payload_consume(c->payload, h.size + n + h.pad);
    c->left = m->size;
    c->behind_file = (h.mode & 0170000) == 0100000;
    m->path = c->path;
    m->link = "";
    if (++c->members > LIMIT_PAYLOAD_FILES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it holds more than %d files", LIMIT_PAYLOAD_FILES);
    switch (h.mode & 0170000) {
    case 0100000:
        m->type = CPIO_FILE;
        return is_apple_double(c, m, &m->apple_double, e);
    case 0040000:
        m->type = CPIO_DIRECTORY;
        if (m->size != 0)
            return bad_name(e, c->path, strlen(c->path), "is a directory that holds data");
        return true;
    case 0120000:
        m->type = CPIO_LINK;
        return read_link(c, m, e);
    case 0060000:
    case 0020000:
        return bad_name(e, c->path, strlen(c->path), "is a device");
    case 0010000:
        return bad_name(e, c->path, strlen(c->path), "is a pipe");
    case 0140000:
        return bad_name(e, c->path, strlen(c->path), "is a socket");
    default:
        return bad_name(e, c->path, strlen(c->path), "is of no known type");
    }
}

struct cpio *cpio_open(struct payload *p)
{
    struct cpio *c = arena_heap(NULL, sizeof *c);
    memset(c, 0, sizeof *c);
    c->payload = p;
    return c;
}

void cpio_free(struct cpio *c)
{
    free(c);
}
