/* cmd_pkg_list: every file of every component, read by the worker. A xar that is no package: its members.
 *
 * A small package may list a million files: nothing of the listing is kept. As JSON it is written as it
 * comes, an entry a line. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/text.h"
#include "installer/flatpkg.h"
#include <fcntl.h>
#include <unistd.h>

struct listing {
    struct arena *arena;
    bool json, begun, members; /* of the JSON: something is written; the array in hand is that of members */
    const char *location;      /* of the component in hand, "" for "/" */
    size_t count, entries;     /* components; what the array in hand holds */
};

/* --- the listing as JSON: one object, its arrays open while they are filled ----------------------------- */

static void begin(struct listing *l)
{
    if (!l->begun)
        printf("{\n  \"schema\": 1,\n  \"components\": [");
    l->begun = true;
}

/* One more entry of the array in hand; takes over j. */
static void write_entry(struct listing *l, json_t *j)
{
    printf("%s\n      ", l->entries++ > 0 ? "," : "");
    (void)json_dumpf(j, stdout, 0); /* what cannot be written shows at the end */
    json_decref(j);
}

static void end_component(const struct listing *l)
{
    if (l->count > 0)
        printf("%s]}", l->entries > 0 ? "\n    " : "");
}

static void begin_component(struct listing *l, const struct flatpkg_component *c)
{
    json_t *j = json_object();
    begin(l);
    end_component(l);
    json_object_set_new(j, "identifier", json_string(c->identifier));
    json_object_set_new(j, "version", json_string(c->version));
    json_object_set_new(j, "folder", json_string(c->folder));
    json_object_set_new(j, "install_location", json_string(c->location));
    char *text = json_dumps(j, 0);
    printf("%s\n    %.*s, \"entries\": [", l->count > 0 ? "," : "", (int)strlen(text) - 1, text);
    free(text);
    json_decref(j);
    l->entries = 0;
}

static void begin_members(struct listing *l)
{
    begin(l);
    printf("],\n  \"members\": [");
    l->members = true;
}

/* refused: why an install would not take it; NULL: it would. False: it could not be written. */
static bool finish(struct listing *l, const struct flatpkg_summary *sum, const char *refused)
{
    json_t *why = refused != NULL ? json_string(refused) : json_null();
    begin(l);
    if (l->members) {
        printf("\n  ],\n");
    } else {
        end_component(l);
        printf("%s],\n", l->count > 0 ? "\n  " : "");
    }
    printf("  \"files\": %llu,\n  \"bytes\": %llu,\n  \"refused\": ", (unsigned long long)sum->files,
           (unsigned long long)sum->bytes);
    bool ok = json_dumpf(why, stdout, JSON_ENCODE_ANY) == 0 && printf("\n}\n") > 0 && fflush(stdout) == 0 &&
              !ferror(stdout);
    json_decref(why);
    return ok;
}

/* --- what comes ----------------------------------------------------------------------------------------- */

static void on_component(void *ctx, const struct flatpkg_component *c)
{
    struct listing *l = ctx;
    l->location = strcmp(c->location, "/") == 0 ? "" : arena_strdup(l->arena, c->location);
    if (l->json)
        begin_component(l, c);
    l->count++;
    if (!l->json)
        printf("%s%s %s%s%s\n", l->count > 1 ? "\n" : "", c->identifier, c->version, *c->folder ? "  " : "",
               c->folder);
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

static void on_payload(struct listing *l, const struct flatpkg_entry *m)
{
    if (!l->json) {
        char mode[11];
        mode_text(mode, m);
        printf("%s %5u %5u %12llu %s/%s%s%s%s%s\n", mode, m->uid, m->gid, (unsigned long long)m->size,
               l->location, m->path, *m->link ? m->type == 'l' ? " -> " : " = " : "", m->link,
               *m->refused ? "   REFUSED: " : "", m->refused);
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
    json_object_set_new(j, "refused", *m->refused ? json_string(m->refused) : json_null());
    json_object_set_new(j, "apple_double", json_boolean(m->apple_double));
    write_entry(l, j);
}

/* A member of a xar that is no package. */
static void on_member(struct listing *l, const struct flatpkg_entry *m)
{
    if (!l->json) {
        printf("%c %12llu %s\n", m->type, (unsigned long long)m->size, m->path);
        return;
    }
    const char type[2] = {m->type, '\0'};
    json_t *j = json_object();
    if (!l->members)
        begin_members(l);
    json_object_set_new(j, "type", json_string(type));
    json_object_set_new(j, "size", json_integer((json_int_t)m->size));
    json_object_set_new(j, "path", json_string(m->path));
    write_entry(l, j);
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
    struct flatpkg_summary sum = {0};
    struct listing l = {.arena = o->arena, .location = "", .json = o->json};
    const struct flatpkg_visitor v = {on_component, on_entry, &l};
    bool ok = flatpkg_list(loop, fd, &fo, true, &v, &sum, e);
    if (o->json && (ok || l.begun)) {
        if (!finish(&l, &sum, ok ? NULL : e->text))
            ok = err_set(e, ERR_SYS, CAUSE_DISK, "standard output cannot be written");
    } else if (ok) {
        char size[32];
        printf("\n%llu files, folders and links, %s\n", (unsigned long long)sum.files,
               cmd_pkg_size(size, sum.bytes));
    }
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
