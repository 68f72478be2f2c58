/* cmd_pkg_list: every file of every component, read by the worker. A xar that is no package: its members. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/text.h"
#include "installer/flatpkg.h"
#include <fcntl.h>
#include <unistd.h>

struct listing {
    struct arena *arena;
    json_t *components, *members, *entries; /* entries: of the component in hand; NULL: for people */
    const char *location;                   /* of the component in hand, "" for "/" */
    size_t count;
};

static void on_component(void *ctx, const struct flatpkg_component *c)
{
    struct listing *l = ctx;
    l->location = strcmp(c->location, "/") == 0 ? "" : arena_strdup(l->arena, c->location);
    l->count++;
    if (!l->components) {
        printf("%s%s %s%s%s\n", l->count > 1 ? "\n" : "", c->identifier, c->version, *c->folder ? "  " : "",
               c->folder);
        return;
    }
    json_t *j = json_object();
    l->entries = json_array();
    json_object_set_new(j, "identifier", json_string(c->identifier));
    json_object_set_new(j, "version", json_string(c->version));
    json_object_set_new(j, "folder", json_string(c->folder));
    json_object_set_new(j, "install_location", json_string(c->location));
    json_object_set_new(j, "entries", l->entries);
    json_array_append_new(l->components, j);
}

static void mode_text(char out[11], const struct flatpkg_entry *m)
{
    static const char letters[] = "rwxrwxrwx";
    out[0] = m->type;
    for (unsigned i = 0; i < 9; i++)
        out[1 + i] = m->mode >> (8 - i) & 1 ? letters[i] : '-';
    if (m->mode & 04000)
        out[3] = m->mode & 0100 ? 's' : 'S';
    if (m->mode & 02000)
        out[6] = m->mode & 010 ? 's' : 'S';
    if (m->mode & 01000)
        out[9] = m->mode & 01 ? 't' : 'T';
    out[10] = '\0';
}

static void on_payload(const struct listing *l, const struct flatpkg_entry *m)
{
    if (!l->components) {
        char mode[11];
        mode_text(mode, m);
        printf("%s %5u %5u %12llu %s/%s%s%s\n", mode, m->uid, m->gid, (unsigned long long)m->size,
               l->location, m->path, *m->link ? m->type == 'l' ? " -> " : " = " : "", m->link);
        return;
    }
    const char type[2] = {m->type, '\0'};
    json_t *j = json_object();
    json_object_set_new(j, "type", json_string(type));
    json_object_set_new(j, "mode", json_integer((json_int_t)m->mode));
    json_object_set_new(j, "uid", json_integer((json_int_t)m->uid));
    json_object_set_new(j, "gid", json_integer((json_int_t)m->gid));
    json_object_set_new(j, "mtime", json_integer((json_int_t)m->mtime));
    json_object_set_new(j, "size", json_integer((json_int_t)m->size));
    json_object_set_new(j, "path", json_string(m->path));
    json_object_set_new(j, "link", *m->link ? json_string(m->link) : json_null());
    json_object_set_new(j, "apple_double", json_boolean(m->apple_double));
    json_array_append_new(l->entries, j);
}

/* A member of a xar that is no package. */
static void on_member(struct listing *l, const struct flatpkg_entry *m)
{
    if (!l->components) {
        printf("%c %12llu %s\n", m->type, (unsigned long long)m->size, m->path);
        return;
    }
    const char type[2] = {m->type, '\0'};
    json_t *j = json_object();
    if (!l->members)
        l->members = json_array();
    json_object_set_new(j, "type", json_string(type));
    json_object_set_new(j, "size", json_integer((json_int_t)m->size));
    json_object_set_new(j, "path", json_string(m->path));
    json_array_append_new(l->members, j);
}

static void on_entry(void *ctx, const struct flatpkg_entry *m)
{
    struct listing *l = ctx;
    if (l->count == 0)
        on_member(l, m);
    else
        on_payload(l, m);
}

static bool list_package(const struct cmd_pkg_options *o, int fd, struct err *e)
{
    struct loop *loop = loop_open();
    struct flatpkg_options fo = {.name = text_basename(o->operands[0]), .proved = true};
    struct flatpkg_summary sum;
    struct listing l = {.arena = o->arena, .location = "", .components = o->json ? json_array() : NULL};
    const struct flatpkg_visitor v = {on_component, on_entry, &l};
    bool ok = flatpkg_list(loop, fd, &fo, true, &v, &sum, e);
    if (ok && o->json) {
        json_t *root = json_object();
        json_object_set_new(root, "schema", json_integer(1));
        json_object_set(root, "components", l.components);
        if (l.members)
            json_object_set(root, "members", l.members);
        ok = tojson_print(root) || err_set(e, ERR_SYS, CAUSE_DISK, "standard output cannot be written");
    }
    json_decref(l.components);
    json_decref(l.members);
    loop_free(loop);
    return ok;
}

int cmd_pkg_list(const struct cmd_pkg_options *o)
{
    struct err e;
    int fd = open(o->operands[0], O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 ? list_package(o, fd, &e) : err_sys(&e, "%s: open", o->operands[0]);
    if (fd >= 0)
        close(fd);
    return ok ? EXIT_DONE : cmd_pkg_fail(NULL, &e, EXIT_PREFLIGHT);
}
