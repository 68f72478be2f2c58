/* Entry 9 is 32 bytes of Finder information, two of padding, then "ATTR", four numbers that say nothing here
 * but where the data ends, flags, and the number of attributes; each is {offset in the file, length, flags,
 * length of the name, name with NUL}, the next one 4-aligned. Entry 2 is the resource fork; macOS writes one
 * of 286 bytes that says "This resource fork intentionally left blank", which is dropped. */
#include "installer/appledouble.h"
#include "core/os.h"
#include "core/text.h"
#include <fcntl.h>
#include <unistd.h>

#define HEADER         26
#define ENTRY          12
#define ENTRIES_MAX    16
#define FINDER         32
#define TABLE          34 /* after the beginning of entry 9 */
#define TABLE_HEAD     36
#define ATTRIBUTE_NAME 127 /* XATTR_MAXNAMELEN */
#define BLANK_FORK     286

struct reading {
    const unsigned char *p;
    size_t n;
    appledouble_fn *fn;
    void *ctx;
    size_t *left_out;
    struct err *e;
};

static uint32_t be(const unsigned char *p, unsigned n)
{
    uint32_t v = 0;
    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static bool bad(struct reading *r)
{
    return err_set(r->e, ERR_FORMAT, CAUSE_FORMAT, "it is no AppleDouble file as macOS writes them");
}

static bool inside(const struct reading *r, uint32_t offset, uint32_t length)
{
    return offset <= r->n && length <= r->n - offset;
}

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* May a package decide about it? */
static bool welcome(const char *name)
{
    static const char *const systems[] = {
        "com.apple.quarantine", "com.apple.macl", "com.apple.provenance", "com.apple.rootless",
        "com.apple.decmpfs",    "com.apple.acl.", "com.apple.system.",    "com.apple.lastuseddate"};
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (text_starts(name, systems[i]))
            return false;
    return true;
}

static bool give(struct reading *r, const char *name, const unsigned char *p, size_t n)
{
    if (welcome(name))
        return r->fn(r->ctx, name, p, n, r->e);
    ++*r->left_out;
    return true;
}

static bool attribute(struct reading *r, size_t *at)
{
    const unsigned char *x = r->p + *at;
    if (r->n - *at < 11)
        return bad(r);
    uint32_t offset = be(x, 4), length = be(x + 4, 4);
    size_t name_len = x[10];
    const char *name = (const char *)x + 11;
    if (name_len < 2 || name_len > ATTRIBUTE_NAME + 1 || r->n - *at - 11 < name_len ||
        name[name_len - 1] != '\0' || strlen(name) != name_len - 1 || !inside(r, offset, length) ||
        !text_utf8_valid(name, name_len - 1))
        return bad(r);
    *at += (11 + name_len + 3) & ~(size_t)3;
    if (*at > r->n)
        *at = r->n;
    return give(r, name, r->p + offset, length);
}

static bool finder(struct reading *r, uint32_t offset, uint32_t length)
{
    if (length < FINDER)
        return bad(r);
    if (!all_zero(r->p + offset, FINDER) && !give(r, "com.apple.FinderInfo", r->p + offset, FINDER))
        return false;
    if (length < TABLE + TABLE_HEAD || memcmp(r->p + offset + TABLE, "ATTR", 4) != 0)
        return true;
    unsigned count = be(r->p + offset + TABLE + TABLE_HEAD - 2, 2);
    size_t at = offset + TABLE + TABLE_HEAD;
    for (unsigned i = 0; i < count; i++)
        if (!attribute(r, &at))
            return false;
    return true;
}

static bool blank(const unsigned char *p, uint32_t n)
{
    static const char says[] = "This resource fork intentionally left blank";
    return n == BLANK_FORK && memcmp(p + 16, says, sizeof says - 1) == 0;
}

bool appledouble_read(const void *p, size_t n, appledouble_fn *fn, void *ctx, size_t *left_out, struct err *e)
{
    struct reading r = {.p = p, .n = n, .fn = fn, .ctx = ctx, .left_out = left_out, .e = e};
    if (n < HEADER || be(r.p, 4) != 0x00051607 || be(r.p + 4, 4) != 0x00020000)
        return bad(&r);
    unsigned count = be(r.p + 24, 2);
    if (count > ENTRIES_MAX || n - HEADER < (size_t)count * ENTRY)
        return bad(&r);
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *x = r.p + HEADER + (size_t)i * ENTRY;
        uint32_t id = be(x, 4), offset = be(x + 4, 4), length = be(x + 8, 4);
        if (!inside(&r, offset, length))
            return bad(&r);
        if (id == 9 && !finder(&r, offset, length))
            return false;
        if (id == 2 && length > 0 && !blank(r.p + offset, length) &&
            !give(&r, "com.apple.ResourceFork", r.p + offset, length))
            return false;
    }
    return true;
}

static bool set(void *ctx, const char *name, const void *p, size_t n, struct err *e)
{
    return os_xattr_set(*(const int *)ctx, name, p, n, e);
}

bool appledouble_apply(int dir, const char *name, const void *p, size_t n, struct err *e)
{
    size_t left_out = 0;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, "open");
    bool ok = appledouble_read(p, n, set, &fd, &left_out, e);
    close(fd);
    return ok;
}
