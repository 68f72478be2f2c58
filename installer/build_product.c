/* A component is copied member by member through the reader, which proves it on the way. Every choice is
 * installed, none is offered; both architectures are named, because a product that names none makes Apple
 * silicon ask for Rosetta. */
#include "core/buf.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/build_output.h"
#include "installer/packageinfo.h"
#include "installer/xar.h"
#include "installer/xml.h"
#include <fcntl.h>
#include <unistd.h>

#define PIECE (64 * LIMIT_KB)

struct part { /* a component inside the product */
    const struct packageinfo *info;
    const char *folder;
};

struct making {
    struct arena *arena;
    const struct build_product *p;
    struct xar_writer *w;
    struct part *parts;
    size_t count;
    time_t newest;
    char *piece;
};

static bool copy_member(struct making *m, const struct xar *x, const struct xar_member *member,
                        const char *folder, struct err *e)
{
    const char *path = arena_printf(m->arena, "%s/%s", folder, member->path);
    if (member->directory)
        return xar_writer_directory(m->w, path, e);
    struct xar_reader *r = xar_reader_open(x, member, true, e);
    bool ok = r && xar_writer_file(m->w, path, member->encoding != XAR_STORED, e);
    size_t got = 1;
    while (ok && got > 0)
        ok = xar_reader_read(r, m->piece, PIECE, &got, e) &&
             (got == 0 || xar_writer_write(m->w, m->piece, got, e));
    xar_reader_free(r);
    return ok;
}

static const char *folder_for(struct making *m, const char *path)
{
    const char *name = text_basename(path);
    size_t n = text_ends(name, ".pkg") ? strlen(name) - 4 : strlen(name);
    const char *folder = arena_printf(m->arena, "%.*s.pkg", (int)n, name);
    for (unsigned k = 2;; k++) {
        bool taken = false;
        for (size_t i = 0; i < m->count; i++)
            taken =
                taken || strcmp(text_fold(m->arena, m->parts[i].folder), text_fold(m->arena, folder)) == 0;
        if (!taken)
            return folder;
        folder = arena_printf(m->arena, "%.*s-%u.pkg", (int)n, name, k);
    }
}

static const struct packageinfo *read_info(struct making *m, const struct xar *x, struct err *e)
{
    const struct xar_member *member = xar_find(x, "PackageInfo");
    const struct packageinfo *info = NULL;
    struct buf b;
    if (!member || xar_find(x, "Distribution")) {
        err_set(e, ERR_USAGE, CAUSE_INTERNAL, "not a component package");
        return NULL;
    }
    if (x->unproven) {
        err_set(e, ERR_REFUSED, CAUSE_HASH, "%s", x->unproven);
        return NULL;
    }
    buf_init(&b, LIMIT_PACKAGE_XML);
    if (xar_load(x, member, &b, e))
        info = packageinfo_decode(m->arena, buf_str(&b), b.len, e);
    buf_release(&b);
    for (size_t i = 0; info && i < m->count; i++)
        if (strcmp(m->parts[i].info->identifier, info->identifier) == 0) {
            err_set(e, ERR_USAGE, CAUSE_INTERNAL, "a second component called %s", info->identifier);
            return NULL;
        }
    return info;
}

static void note_time(struct making *m, const struct xar *x)
{
    time_t t;
    if (x->created && strlen(x->created) >= 19 &&
        text_parse_utc(arena_printf(m->arena, "%.19sZ", x->created), &t) && t > m->newest)
        m->newest = t;
}

static bool add_component(struct making *m, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, "%s", path);
    const struct xar *x = xar_open(m->arena, fd, e);
    const struct packageinfo *info = x ? read_info(m, x, e) : NULL;
    bool ok = info && (packageinfo_version_ok(text_basename(path)) ||
                       err_set(e, ERR_USAGE, CAUSE_INTERNAL, "the file's name cannot stand in a package"));
    const char *folder = ok ? folder_for(m, path) : NULL;
    ok = ok && xar_writer_directory(m->w, folder, e);
    for (size_t i = 0; ok && i < x->member_count; i++)
        ok = copy_member(m, x, &x->members[i], folder, e);
    if (ok) {
        note_time(m, x);
        m->parts[m->count++] = (struct part){info, folder};
    }
    close(fd);
    return ok || err_wrap(e, "%s", path);
}

static const char *conclusion(enum packageinfo_action action)
{
    static const char *const names[] = {"none", "RequireLogout", "RequireRestart", "RequireShutdown"};
    return names[action];
}

static bool distribution(struct making *m, struct buf *b)
{
    struct arena *a = m->arena;
    const struct build_product *p = m->p;
    if (!buf_printf(
            b,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<installer-gui-script minSpecVersion=\"1\">\n"
            "    <title>%s</title>\n    <options customize=\"never\" require-scripts=\"false\" "
            "hostArchitectures=\"x86_64,arm64\"/>\n    <choices-outline>\n",
            xml_escape(a, p->title ? p->title : m->parts[0].info->identifier)))
        return false;
    for (size_t i = 0; i < m->count; i++)
        if (!buf_printf(b, "        <line choice=\"%s\"/>\n", xml_escape(a, m->parts[i].info->identifier)))
            return false;
    if (!buf_printf(b, "    </choices-outline>\n"))
        return false;
    if (p->min_os && !buf_printf(b,
                                 "    <volume-check>\n        <allowed-os-versions>\n            <os-version "
                                 "min=\"%s\"/>\n        </allowed-os-versions>\n    </volume-check>\n",
                                 xml_escape(a, p->min_os)))
        return false;
    for (size_t i = 0; i < m->count; i++) {
        const struct packageinfo *info = m->parts[i].info;
        const char *id = xml_escape(a, info->identifier);
        if (!buf_printf(
                b,
                "    <choice id=\"%s\" visible=\"false\">\n        <pkg-ref id=\"%s\"/>\n    </choice>\n"
                "    <pkg-ref id=\"%s\" version=\"%s\" onConclusion=\"%s\" installKBytes=\"%llu\">#%s"
                "</pkg-ref>\n",
                id, id, id, xml_escape(a, info->version), conclusion(info->postinstall_action),
                (unsigned long long)info->install_kbytes, text_percent(a, m->parts[i].folder, "")))
            return false;
    }
    return (!p->identifier || buf_printf(b, "    <product id=\"%s\" version=\"%s\"/>\n",
                                         xml_escape(a, p->identifier), xml_escape(a, p->version))) &&
           buf_printf(b, "</installer-gui-script>\n");
}

static bool put_distribution(struct making *m, struct err *e)
{
    struct buf b;
    buf_init(&b, LIMIT_PACKAGE_XML);
    bool ok = distribution(m, &b) || err_set(e, ERR_LIMIT, CAUSE_LIMIT, "the Distribution is too long");
    ok =
        ok && xar_writer_file(m->w, "Distribution", true, e) && xar_writer_write(m->w, buf_str(&b), b.len, e);
    buf_release(&b);
    return ok;
}

static bool check(const struct build_product *p, struct err *e)
{
    if (p->component_count == 0 || p->component_count > LIMIT_COMPONENTS)
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "a product has 1 to %d components", LIMIT_COMPONENTS);
    if (!p->identifier != !p->version)
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "identifier and version go together");
    if (p->identifier && (!packageinfo_identifier_ok(p->identifier) || !packageinfo_version_ok(p->version)))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "identifier or version cannot be");
    if (p->min_os && (p->min_os[0] < '0' || p->min_os[0] > '9' || !packageinfo_version_ok(p->min_os)))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "\"%s\" is no version of macOS", p->min_os);
    if (p->title && !packageinfo_version_ok(p->title))
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "the title must be one short line");
    return true;
}

bool build_product(const struct build_product *p, const char *out, struct build_result *result, struct err *e)
{
    if (!check(p, e))
        return false;
    struct making m = {.arena = arena_open(), .p = p, .piece = arena_heap(NULL, PIECE)};
    struct build_output o;
    bool ok = build_output_open(m.arena, out, &o, e);
    m.parts = arena_array(m.arena, p->component_count, sizeof *m.parts);
    m.w = ok ? xar_writer_open(o.dir, e) : NULL;
    ok = m.w != NULL;
    if (ok)
        xar_writer_sign(m.w, p->signer);
    for (size_t i = 0; ok && i < p->component_count; i++)
        ok = add_component(&m, p->components[i], e);
    if (ok && put_distribution(&m, e)) {
        *result = (struct build_result){.files = 0};
        for (size_t i = 0; i < m.count; i++) {
            result->files += m.parts[i].info->number_of_files;
            result->bytes += m.parts[i].info->install_kbytes * 1024;
        }
        xar_writer_created(m.w, p->time >= 0 ? p->time : m.newest);
        ok = build_output_publish(&o, m.w, result, e);
    } else {
        ok = false;
    }
    xar_writer_free(m.w);
    build_output_close(&o);
    free(m.piece);
    arena_free(m.arena);
    return ok;
}
