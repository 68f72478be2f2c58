/* Invariants: the output is written beside its name and renamed when it is whole; files are read once, hashed
 * for the Bom while they pass into the payload.
 *
 * What is left to chance by other writers is fixed here, so that the same input gives the same bytes: order,
 * inode numbers, times (the files' own, or the one given; the container's is the newest of them). A payload's
 * top directory is 0755 whatever the folder it was built from, and overwrite-permissions is false: a package
 * must not change the mode of / or /usr/local because a build folder happened to be 0700. */
#include "installer/build.h"
#include "core/buf.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/bom.h"
#include "installer/build_output.h"
#include "installer/build_tree.h"
#include "installer/cpio_writer.h"
#include "installer/packageinfo.h"
#include "installer/xml.h"
#include "manifests/props.h"
#include <unistd.h>

#define PIECE      (64 * LIMIT_KB)
#define ID_MAX     0777777u /* what an archive's owner field holds */
#define INFO_PLIST "/Contents/Info.plist"

struct making {
    struct arena *arena;
    const struct build_component *c;
    struct xar_writer *w;
    struct build_tree tree;
    struct bom_item *bom;
    uint64_t bytes, kbytes;
    unsigned char *piece;
};

static bool put_member(struct xar_writer *w, const char *path, const struct buf *b, struct err *e)
{
    return xar_writer_file(w, path, true, e) && xar_writer_write(w, buf_str(b), b->len, e);
}

static time_t time_of(const struct making *m, const struct build_item *it)
{
    time_t t = m->c->time >= 0 ? m->c->time : it->st.st_mtime;
    return t < 0 ? 0 : t > UINT32_MAX ? (time_t)UINT32_MAX : t;
}

static unsigned mode_of(const struct making *m, const struct build_item *it, bool scripts)
{
    unsigned mode = (unsigned)it->st.st_mode;
    if (S_ISLNK(it->st.st_mode))
        return 0120755;
    if (scripts || (!*it->path && !m->c->preserve_owner))
        return (mode & (unsigned)S_IFMT) | 0755;
    return mode & ((unsigned)S_IFMT | 07777);
}

/* The contents of a file into the archive; its sum to *sum. */
static bool put_contents(struct making *m, struct cpio_writer *cpio, int dir, const struct build_item *it,
                         uint32_t *sum, struct err *e)
{
    int fd = build_tree_open(dir, it, e);
    if (fd < 0)
        return false;
    uint64_t total = 0, size = (uint64_t)it->st.st_size;
    bool ok = true;
    while (ok && total < size) {
        ssize_t n = pread(fd, m->piece, size - total < PIECE ? (size_t)(size - total) : PIECE, (off_t)total);
        if (n <= 0) {
            ok = n < 0 ? err_sys(e, "%s", it->path)
                       : err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "%s changed while it was read", it->path);
            break;
        }
        *sum = bom_sum(*sum, m->piece, (size_t)n);
        total += (uint64_t)n;
        ok = cpio_writer_data(cpio, m->piece, (size_t)n, e);
    }
    *sum = bom_sum_end(*sum, total);
    close(fd);
    return ok;
}

static bool put_item(struct making *m, struct cpio_writer *cpio, int dir, const struct build_item *it,
                     unsigned links, struct bom_item *bom, bool scripts, struct err *e)
{
    bool owner = m->c->preserve_owner && !scripts;
    struct cpio_entry x = {.path = it->path,
                           .mode = mode_of(m, it, scripts),
                           .uid = owner ? (unsigned)it->st.st_uid : 0,
                           .gid = owner ? (unsigned)it->st.st_gid : 0,
                           .links = links,
                           .inode = it->first,
                           .mtime = time_of(m, it),
                           .size = S_ISDIR(it->st.st_mode) ? 0 : (uint64_t)it->st.st_size};
    if (x.uid > ID_MAX || x.gid > ID_MAX)
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER,
                       "%s belongs to %u:%u, which does not fit a package (try --ownership recommended)",
                       *it->path ? it->path : "the payload's folder", x.uid, x.gid);
    uint32_t sum = 0;
    if (!cpio_writer_entry(cpio, &x, e))
        return false;
    if (it->link) {
        sum = bom_sum_end(bom_sum(0, it->link, strlen(it->link)), strlen(it->link));
        if (!cpio_writer_data(cpio, it->link, strlen(it->link), e))
            return false;
    } else if (S_ISREG(it->st.st_mode) && !put_contents(m, cpio, dir, it, &sum, e)) {
        return false;
    }
    *bom = (struct bom_item){.path = it->path,
                             .link = it->link,
                             .type = it->link                  ? BOM_LINK
                                     : S_ISDIR(it->st.st_mode) ? BOM_DIRECTORY
                                                               : BOM_FILE,
                             .mode = (uint16_t)x.mode,
                             .uid = x.uid,
                             .gid = x.gid,
                             .mtime = (uint32_t)x.mtime,
                             .size = (uint32_t)x.size,
                             .sum = sum};
    return true;
}

/* The tree as the archive member; fills bom (an item for each of the tree's). */
static bool put_archive(struct making *m, const char *member, int dir, const struct build_tree *tree,
                        struct bom_item *bom, bool scripts, struct err *e)
{
    unsigned *links = arena_array(m->arena, tree->count, sizeof *links);
    for (size_t i = 0; i < tree->count; i++)
        links[tree->items[i].first]++;
    if (!xar_writer_file(m->w, member, false, e))
        return false;
    struct cpio_writer *cpio = cpio_writer_open(m->w, e);
    bool ok = cpio != NULL;
    for (size_t i = 0; ok && i < tree->count; i++)
        ok = put_item(m, cpio, dir, &tree->items[i], links[tree->items[i].first], &bom[i], scripts, e);
    ok = ok && cpio_writer_end(cpio, e);
    cpio_writer_free(cpio);
    return ok;
}

static bool put_payload(struct making *m, struct err *e)
{
    if (!build_tree_read(m->arena, m->c->payload, &m->tree, e))
        return false;
    m->bom = arena_array(m->arena, m->tree.count, sizeof *m->bom);
    if (!put_archive(m, "Payload", m->c->payload, &m->tree, m->bom, false, e))
        return false;
    for (size_t i = 0; i < m->tree.count; i++)
        if (S_ISREG(m->tree.items[i].st.st_mode) && m->tree.items[i].first == i) {
            m->bytes += (uint64_t)m->tree.items[i].st.st_size;
            m->kbytes += ((uint64_t)m->tree.items[i].st.st_size + 1023) / 1024;
        }
    struct buf b;
    buf_init(&b, LIMIT_BOM);
    bool ok = bom_encode(m->bom, m->tree.count, &b, e) && put_member(m->w, "Bom", &b, e);
    buf_release(&b);
    return ok;
}

static bool has_script(const struct build_tree *tree, const char *name)
{
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->items[i].path, name) == 0)
            return S_ISREG(tree->items[i].st.st_mode);
    return false;
}

static bool put_scripts(struct making *m, struct build_tree *tree, struct err *e)
{
    if (!build_tree_read(m->arena, m->c->scripts, tree, e))
        return err_wrap(e, "scripts");
    if (!has_script(tree, "preinstall") && !has_script(tree, "postinstall"))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL,
                       "the scripts' folder has neither a file preinstall nor a file postinstall");
    struct bom_item *unused = arena_array(m->arena, tree->count, sizeof *unused);
    return put_archive(m, "Scripts", m->c->scripts, tree, unused, true, e) || err_wrap(e, "scripts");
}

/* An Info.plist of the payload that names a bundle: its element. One that cannot be read is no bundle. */
static bool put_bundle(struct making *m, const struct build_item *it, struct buf *b, struct err *e)
{
    struct buf plist;
    struct err ignored;
    struct arena *a = arena_open();
    int fd = build_tree_open(m->c->payload, it, &ignored);
    buf_init(&plist, LIMIT_MB);
    const struct value *v = NULL;
    if (fd >= 0 && files_read_fd(fd, &plist, &ignored))
        v = props_decode(a, buf_str(&plist), plist.len, &ignored);
    const char *id = props_str(v, "CFBundleIdentifier"), *version = props_str(v, "CFBundleVersion"),
               *shown = props_str(v, "CFBundleShortVersionString");
    bool ok = true;
    if (id && packageinfo_version_ok(id)) {
        ok = buf_printf(b, "    <bundle path=\"./%s\" id=\"%s\"",
                        xml_escape(a, arena_strndup(a, it->path, strlen(it->path) - strlen(INFO_PLIST))),
                        xml_escape(a, id)) &&
             (!shown || !packageinfo_version_ok(shown) ||
              buf_printf(b, " CFBundleShortVersionString=\"%s\"", xml_escape(a, shown))) &&
             (!version || !packageinfo_version_ok(version) ||
              buf_printf(b, " CFBundleVersion=\"%s\"", xml_escape(a, version))) &&
             buf_printf(b, "/>\n");
        if (!ok)
            err_set(e, ERR_LIMIT, CAUSE_LIMIT, "too many bundles for one package");
    }
    if (fd >= 0)
        close(fd);
    buf_release(&plist);
    arena_free(a);
    return ok;
}

static bool put_packageinfo(struct making *m, const struct build_tree *scripts, struct err *e)
{
    struct arena *a = m->arena;
    const struct build_component *c = m->c;
    struct buf b;
    buf_init(&b, LIMIT_PACKAGE_XML);
    bool ok =
        buf_printf(&b,
                   "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<pkg-info overwrite-permissions=\"false\" "
                   "relocatable=\"false\" identifier=\"%s\" postinstall-action=\"none\" version=\"%s\" "
                   "format-version=\"2\" generator-version=\"daybreak-%s\" install-location=\"%s\" "
                   "auth=\"root\">\n",
                   xml_escape(a, c->identifier), xml_escape(a, c->version), DAYBREAK_VERSION,
                   xml_escape(a, c->install_location ? c->install_location : "/"));
    if (ok && c->payload >= 0)
        ok = buf_printf(&b, "    <payload numberOfFiles=\"%zu\" installKBytes=\"%llu\"/>\n", m->tree.count,
                        (unsigned long long)m->kbytes);
    for (size_t i = 0; ok && i < m->tree.count; i++)
        if (S_ISREG(m->tree.items[i].st.st_mode) && text_ends(m->tree.items[i].path, INFO_PLIST) &&
            !put_bundle(m, &m->tree.items[i], &b, e)) {
            buf_release(&b);
            return false;
        }
    ok = ok && buf_printf(&b, "    <bundle-version/>\n    <upgrade-bundle/>\n    <update-bundle/>\n"
                              "    <atomic-update-bundle/>\n    <strict-identifier/>\n    <relocate/>\n");
    if (ok && c->scripts >= 0)
        ok = buf_printf(
            &b, "    <scripts>\n%s%s    </scripts>\n",
            has_script(scripts, "preinstall") ? "        <preinstall file=\"./preinstall\"/>\n" : "",
            has_script(scripts, "postinstall") ? "        <postinstall file=\"./postinstall\"/>\n" : "");
    ok = ok && buf_printf(&b, "</pkg-info>\n");
    if (!ok)
        err_set(e, ERR_LIMIT, CAUSE_LIMIT, "too many bundles for one package");
    /* what we write must be what we would read */
    ok = ok && packageinfo_decode(a, buf_str(&b), b.len, e) && put_member(m->w, "PackageInfo", &b, e);
    buf_release(&b);
    return ok;
}

static bool check_component(const struct build_component *c, struct err *e)
{
    if (!packageinfo_identifier_ok(c->identifier))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL,
                       "the identifier must be letters, digits, '.', '-' and '_', such as org.example.tool");
    if (!packageinfo_version_ok(c->version))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "the version must be one short line");
    if (c->install_location && (*c->install_location != '/' || !packageinfo_version_ok(c->install_location)))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "the install location must be an absolute path");
    if (c->payload < 0 && c->scripts < 0)
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "neither a payload nor scripts: nothing to make");
    return true;
}

bool build_component(const struct build_component *c, const char *out, struct build_result *result,
                     struct err *e)
{
    if (!check_component(c, e))
        return false;
    struct making m = {.arena = arena_open(), .c = c};
    struct build_tree scripts = {.items = NULL, .count = 0};
    struct build_output o;
    bool ok = build_output_open(m.arena, out, &o, e);
    m.piece = arena_heap(NULL, PIECE);
    m.w = ok ? xar_writer_open(o.dir, e) : NULL;
    if (m.w)
        xar_writer_sign(m.w, c->signer);
    ok = m.w && (c->payload < 0 || put_payload(&m, e)) && (c->scripts < 0 || put_scripts(&m, &scripts, e)) &&
         put_packageinfo(&m, &scripts, e);
    if (ok) {
        time_t newest = m.tree.newest > scripts.newest ? m.tree.newest : scripts.newest;
        xar_writer_created(m.w, c->time >= 0 ? c->time : newest);
        *result = (struct build_result){.files = m.tree.count, .bytes = m.bytes};
        ok = build_output_publish(&o, m.w, result, e);
    }
    xar_writer_free(m.w);
    build_output_close(&o);
    free(m.piece);
    arena_free(m.arena);
    return ok;
}
