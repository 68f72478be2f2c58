/* flat: whole packages made by hand, for the tests of what installs them. */
#ifndef TESTS_UNIT_FLAT_H
#define TESTS_UNIT_FLAT_H
#include "archive.h"
#include "installer/bom.h"
#include "installer/flatpkg.h"
#include "installer/xar_writer.h"
#include "volume.h"

struct part {
    const char *folder, *identifier, *attributes;
    const struct archive_member *payload, *scripts;
    const char *more;    /* inside scripts, or where there are none inside pkg-info */
    const char *bundles; /* inside pkg-info */
    const char *version; /* NULL: 1.5 */
    bool bom;            /* with a Bom: the payload must name its folders */
};

static inline bool flat_seen(void *ctx, const char *name, const struct stat *st)
{
    (void)name;
    (void)st;
    *(bool *)ctx = true;
    return false;
}

/* Nothing is left of what was being installed. */
static inline bool staging_is_empty(void)
{
    bool found = false;
    struct err ignored;
    return !files_list(env.state, FLATPKG_STAGING, flat_seen, &found, &ignored) || !found;
}

static inline void add_text(struct xar_writer *w, const char *folder, const char *name, const void *p,
                            size_t n)
{
    const char *path = *folder ? arena_printf(memory, "%s/%s", folder, name) : name;
    if (!xar_writer_file(w, path, false, &e) || !xar_writer_write(w, p, n, &e))
        fail_msg("%s", e.text);
}

static inline void add_archive(struct xar_writer *w, const char *folder, const char *name,
                               const struct archive_member *m)
{
    struct buf plain, packed;
    archive_make(&plain, m);
    buf_init(&packed, 8 * LIMIT_MB);
    archive_gzip(plain.data, plain.len, &packed);
    add_text(w, folder, name, packed.data, packed.len);
    buf_release(&plain);
    buf_release(&packed);
}

static inline void add_bom(struct xar_writer *w, const char *folder, const struct archive_member *m)
{
    struct bom_item items[64];
    size_t n = 0;
    struct buf b;
    for (; m->name != NULL; m++) {
        const char *path = text_starts(m->name, "./")  ? m->name + 2
                           : strcmp(m->name, ".") == 0 ? ""
                                                       : m->name;
        size_t len = m->size > 0 ? m->size : m->data ? strlen(m->data) : 0;
        bool link = (m->mode & 0170000) == 0120000;
        assert_true(n < 64);
        items[n++] = (struct bom_item){.path = path,
                                       .link = link ? m->data : NULL,
                                       .type = link                            ? BOM_LINK
                                               : (m->mode & 0170000) == 040000 ? BOM_DIRECTORY
                                                                               : BOM_FILE,
                                       .mode = (uint16_t)m->mode,
                                       .uid = m->uid,
                                       .gid = m->gid,
                                       .size = len,
                                       .sum = bom_sum_end(bom_sum(0, m->data ? m->data : "", len), len)};
    }
    buf_init(&b, LIMIT_MB);
    if (!bom_encode(items, n, &b, &e))
        fail_msg("%s", e.text);
    add_text(w, folder, "Bom", b.data, b.len);
    buf_release(&b);
}

static inline void add_part(struct xar_writer *w, const struct part *p)
{
    const char *info =
        arena_printf(memory,
                     "<?xml version=\"1.0\"?><pkg-info format-version=\"2\" identifier=\"%s\" "
                     "version=\"%s\" %s>%s%s%s%s%s%s</pkg-info>",
                     p->identifier, p->version ? p->version : "1.5", p->attributes ? p->attributes : "",
                     p->payload ? "<payload numberOfFiles=\"1\" installKBytes=\"1\"/>" : "",
                     p->scripts ? "<scripts>" : "", p->scripts ? p->more : "", p->scripts ? "</scripts>" : "",
                     !p->scripts && p->more ? p->more : "", p->bundles ? p->bundles : "");
    if (*p->folder)
        assert_true(xar_writer_directory(w, p->folder, &e));
    if (p->payload)
        add_archive(w, p->folder, "Payload", p->payload);
    if (p->bom)
        add_bom(w, p->folder, p->payload);
    if (p->scripts)
        add_archive(w, p->folder, "Scripts", p->scripts);
    add_text(w, p->folder, "PackageInfo", info, strlen(info));
}

static inline int make_package(const struct part *parts, size_t count, const char *distribution)
{
    int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct xar_writer *w = xar_writer_open(dir, &e);
    int fd = package_file("", 0);
    if (distribution)
        add_text(w, "", "Distribution", distribution, strlen(distribution));
    for (size_t i = 0; i < count; i++)
        add_part(w, &parts[i]);
    if (!xar_writer_commit(w, fd, &e))
        fail_msg("%s", e.text);
    xar_writer_free(w);
    close(dir);
    return fd;
}
#endif
