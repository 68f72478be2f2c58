/* cmd_pkg_info: one screen about a package: what it is, and what it installs where. Only the container's
 * table, PackageInfo and Distribution are read. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/pkgscript.h"
#include "installer/receipt.h"
#include <fcntl.h>
#include <unistd.h>

struct component {
    const char *folder; /* "" at the top */
    const struct packageinfo *info;
    bool has_payload, has_bom, has_scripts;
    const char *chosen; /* "yes", "no", or why that cannot be said */
};

struct view {
    struct arena *arena;
    const char *name;
    const struct xar *x;
    struct signature signature;
    const struct distribution *d; /* NULL: a component alone */
    struct component *components;
    size_t count;
};

static bool load(struct view *v, const char *path, struct buf *b, struct err *e)
{
    const struct xar_member *m = xar_find(v->x, path);
    buf_clear(b);
    if (!m)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "no member %s", path);
    return xar_load(v->x, m, b, e);
}

static bool has(const struct view *v, const char *folder, const char *name)
{
    return xar_find(v->x, *folder ? arena_printf(v->arena, "%s/%s", folder, name) : name) != NULL;
}

static bool add_component(struct view *v, const char *folder, struct buf *b, struct err *e)
{
    const char *path = *folder ? arena_printf(v->arena, "%s/PackageInfo", folder) : "PackageInfo";
    if (!load(v, path, b, e))
        return false;
    const struct packageinfo *info = packageinfo_decode(v->arena, buf_str(b), b->len, e);
    if (!info)
        return *folder ? err_wrap(e, "%s", folder) : false;
    v->components[v->count++] = (struct component){.folder = folder,
                                                   .info = info,
                                                   .has_payload = has(v, folder, "Payload"),
                                                   .has_bom = has(v, folder, "Bom"),
                                                   .has_scripts = has(v, folder, "Scripts"),
                                                   .chosen = "yes"};
    return true;
}

/* Which of them an install without further choices takes. */
static void mark_chosen(struct view *v)
{
    static const struct distribution_machine any = {.skip_checks = true};
    struct distribution_plan plan;
    struct err e;
    bool decided = distribution_decide(v->arena, v->d, &any, NULL, &plan, &e);
    for (size_t i = 0; i < v->count; i++) {
        v->components[i].chosen = decided ? "no" : "JavaScript decides";
        for (size_t k = 0; decided && k < plan.count; k++)
            if (strcmp(plan.refs[k]->component, v->components[i].folder) == 0)
                v->components[i].chosen = "yes";
    }
}

static bool view_package(struct view *v, struct err *e)
{
    struct buf b;
    bool ok = true;
    buf_init(&b, LIMIT_PACKAGE_XML);
    if (xar_find(v->x, "Distribution")) {
        ok = load(v, "Distribution", &b, e);
        v->d = ok ? distribution_decode(v->arena, buf_str(&b), b.len, e) : NULL;
        ok = v->d != NULL;
        v->components = arena_array(v->arena, v->d ? v->d->ref_count : 0, sizeof *v->components);
        for (size_t i = 0; ok && i < v->d->ref_count; i++)
            ok = !v->d->refs[i].component || add_component(v, v->d->refs[i].component, &b, e);
        if (ok)
            mark_chosen(v);
    } else if (xar_find(v->x, "PackageInfo")) {
        v->components = arena_array(v->arena, 1, sizeof *v->components);
        ok = add_component(v, "", &b, e);
    } else {
        ok = err_set(
            e, ERR_FORMAT, CAUSE_FORMAT,
            "a xar archive, but no package: it has neither PackageInfo nor Distribution (pkg list shows it)");
    }
    buf_release(&b);
    return ok;
}

static enum packageinfo_action conclusion(const struct view *v)
{
    enum packageinfo_action most = PACKAGEINFO_NONE;
    for (size_t i = 0; i < v->count; i++)
        if (v->components[i].info->postinstall_action > most)
            most = v->components[i].info->postinstall_action;
    for (size_t i = 0; v->d && i < v->d->ref_count; i++)
        if (v->d->refs[i].on_conclusion > most)
            most = v->d->refs[i].on_conclusion;
    return most;
}

/* --- for people --- */

static void field(const struct view *v, unsigned indent, const char *label, const char *value)
{
    printf("%*s%-*s%s\n", (int)indent, "", (int)(18 - indent), label,
           text_printable(v->arena, value, strlen(value)));
}

static const char *joined(struct arena *a, const struct packageinfo_names *n)
{
    const char *s = "";
    for (size_t i = 0; i < n->count && i < 8; i++)
        s = arena_printf(a, "%s%s%s", s, i ? ", " : "", n->names[i]);
    return s;
}

static void print_product(const struct view *v)
{
    const struct distribution *d = v->d;
    if (*d->title)
        field(v, 2, "Title", d->title);
    if (d->product_id)
        field(v, 2, "Product",
              arena_printf(v->arena, "%s %s", d->product_id, d->product_version ? d->product_version : ""));
    if (d->architectures.count > 0)
        field(v, 2, "Processors", joined(v->arena, &d->architectures));
    for (size_t i = 0; i < d->os_count; i++)
        field(v, 2, "macOS",
              arena_printf(v->arena, "%s%s%s%s", d->os[i].min ? d->os[i].min : "",
                           d->os[i].min ? " and later" : "", d->os[i].before ? " before " : "",
                           d->os[i].before ? d->os[i].before : ""));
    for (size_t i = 0; i < d->ref_count; i++)
        if (d->refs[i].must_close.count > 0)
            field(v, 2, "Must close", joined(v->arena, &d->refs[i].must_close));
    if (d->scripted_check)
        field(v, 2, "Checks",
              arena_printf(v->arena, "%s: only Apple's installer can judge", d->scripted_check));
}

/* What happens to a bundle that is there. */
static const char *rules(const struct view *v, const struct packageinfo *i, const char *id)
{
    return arena_printf(v->arena, "%s%s%s",
                        packageinfo_names(&i->version_checked, id) ? ", not over a newer one" : "",
                        packageinfo_names(&i->replace, id) ? ", replaced whole" : "",
                        packageinfo_names(&i->strict, id) ? ", only over the same identifier" : "");
}

static void print_component(const struct view *v, const struct component *c)
{
    const struct packageinfo *i = c->info;
    char size[32];
    printf("\n  %s %s\n", i->identifier, text_printable(v->arena, i->version, strlen(i->version)));
    if (*c->folder)
        field(v, 4, "Folder", c->folder);
    if (c->has_payload) {
        field(v, 4, "Installs into", i->install_location);
        field(v, 4, "Payload",
              arena_printf(v->arena, "%llu files, %s", (unsigned long long)i->number_of_files,
                           cmd_pkg_size(size, i->install_kbytes * 1024)));
    } else {
        field(v, 4, "Payload", "none");
    }
    if (i->script_count == 0)
        field(v, 4, "Scripts", "none");
    for (size_t k = 0; k < i->script_count; k++) {
        const struct packageinfo_script *x = &i->scripts[k];
        bool same = strcmp(x->kind, x->file) == 0;
        field(v, 4, k ? "" : "Scripts",
              arena_printf(v->arena, "%s%s%s%s%s%s, at most %u s", x->kind, same ? "" : " (",
                           same ? "" : x->file, same ? "" : ")", x->component_id ? " of " : "",
                           x->component_id ? x->component_id : "",
                           x->timeout_s ? x->timeout_s : PKGSCRIPT_TIMEOUT_S));
    }
    field(v, 4, "Receipt",
          arena_printf(v->arena, "%s/%s.plist%s", RECEIPT_FOLDER, i->identifier,
                       c->has_bom ? " and .bom" : ", without Bom"));
    for (size_t k = 0; k < i->bundle_count && k < 8; k++)
        field(v, 4, k ? "" : "Bundles",
              arena_printf(v->arena, "%s %s (%s)%s", i->bundles[k].id,
                           *i->bundles[k].short_version ? i->bundles[k].short_version : i->bundles[k].version,
                           *i->bundles[k].path ? i->bundles[k].path : ".", rules(v, i, i->bundles[k].id)));
    if (i->bundle_count > 8)
        field(v, 4, "", arena_printf(v->arena, "and %zu more", i->bundle_count - 8));
    if (i->must_close.count > 0)
        field(v, 4, "Must close", joined(v->arena, &i->must_close));
    if (strcmp(c->chosen, "yes") != 0)
        field(v, 4, "By default", strcmp(c->chosen, "no") == 0 ? "not installed" : c->chosen);
}

static const char *day(const struct view *v, int64_t t)
{
    char text[32];
    text_utc(text, (time_t)t, -1);
    return arena_strdup(v->arena, text);
}

static void print_view(const struct view *v)
{
    char size[32];
    printf("%s\n", text_printable(v->arena, v->name, strlen(v->name)));
    field(v, 2, "Kind",
          v->d ? arena_printf(v->arena, "product of %zu component%s", v->count, v->count == 1 ? "" : "s")
               : "component");
    if (v->d)
        print_product(v);
    field(v, 2, "Size", cmd_pkg_size(size, v->x->file_size));
    const struct signature *s = &v->signature;
    field(v, 2, "Signature",
          s->status == SIGNATURE_UNSIGNED
              ? "none"
              : arena_printf(v->arena, "%s: %s", signature_status_name(s->status), s->why));
    if (*s->team_id)
        field(v, 2, "Team ID", s->team_id);
    if (s->timestamp > 0)
        field(v, 2, "Timestamp", day(v, s->timestamp));
    if (s->notarized)
        field(v, 2, "Notarized", day(v, s->notarized_at));
    if (v->x->unproven)
        field(v, 2, "Unproven", v->x->unproven);
    if (conclusion(v) != PACKAGEINFO_NONE)
        field(v, 2, "Afterwards", packageinfo_action_name(conclusion(v)));
    for (size_t i = 0; i < v->count; i++)
        print_component(v, &v->components[i]);
}

/* --- for programs --- */

static json_t *text_or_null(const char *s)
{
    json_t *j = s ? json_string(s) : NULL;
    return j ? j : json_null();
}

static json_t *names(const struct packageinfo_names *n)
{
    json_t *j = json_array();
    for (size_t i = 0; i < n->count; i++)
        json_array_append_new(j, text_or_null(n->names[i]));
    return j;
}

static json_t *component_json(const struct component *c)
{
    const struct packageinfo *i = c->info;
    json_t *j = json_object(), *bundles = json_array(), *scripts = json_array();
    json_object_set_new(j, "identifier", json_string(i->identifier));
    json_object_set_new(j, "version", text_or_null(i->version));
    json_object_set_new(j, "folder", text_or_null(c->folder));
    json_object_set_new(j, "install_location", text_or_null(i->install_location));
    json_object_set_new(j, "payload", json_boolean(c->has_payload));
    json_object_set_new(j, "bom", json_boolean(c->has_bom));
    json_object_set_new(j, "files", json_integer((json_int_t)i->number_of_files));
    json_object_set_new(j, "install_kbytes", json_integer((json_int_t)i->install_kbytes));
    for (size_t k = 0; k < i->script_count; k++) {
        json_t *x = json_object();
        json_object_set_new(x, "kind", json_string(i->scripts[k].kind));
        json_object_set_new(x, "file", text_or_null(i->scripts[k].file));
        json_object_set_new(x, "bundle", text_or_null(i->scripts[k].component_id));
        json_object_set_new(
            x, "timeout",
            json_integer(i->scripts[k].timeout_s ? i->scripts[k].timeout_s : PKGSCRIPT_TIMEOUT_S));
        json_array_append_new(scripts, x);
    }
    json_object_set_new(j, "scripts", scripts);
    json_object_set_new(j, "must_close", names(&i->must_close));
    json_object_set_new(j, "postinstall_action", json_string(packageinfo_action_name(i->postinstall_action)));
    json_object_set_new(j, "chosen", json_string(c->chosen));
    for (size_t k = 0; k < i->bundle_count; k++) {
        json_t *b = json_object();
        json_object_set_new(b, "path", text_or_null(i->bundles[k].path));
        json_object_set_new(b, "id", text_or_null(i->bundles[k].id));
        json_object_set_new(b, "short_version", text_or_null(i->bundles[k].short_version));
        json_object_set_new(b, "version", text_or_null(i->bundles[k].version));
        json_object_set_new(b, "version_checked",
                            json_boolean(packageinfo_names(&i->version_checked, i->bundles[k].id)));
        json_object_set_new(b, "replaced", json_boolean(packageinfo_names(&i->replace, i->bundles[k].id)));
        json_object_set_new(b, "strict", json_boolean(packageinfo_names(&i->strict, i->bundles[k].id)));
        json_object_set_new(b, "relocatable",
                            json_boolean(packageinfo_names(&i->relocate, i->bundles[k].id)));
        json_array_append_new(bundles, b);
    }
    json_object_set_new(j, "bundles", bundles);
    return j;
}

static json_t *product_json(const struct distribution *d)
{
    json_t *j = json_object(), *os = json_array();
    json_object_set_new(j, "title", text_or_null(d->title));
    json_object_set_new(j, "identifier", text_or_null(d->product_id));
    json_object_set_new(j, "version", text_or_null(d->product_version));
    json_object_set_new(j, "architectures", names(&d->architectures));
    for (size_t i = 0; i < d->os_count; i++) {
        json_t *range = json_object();
        json_object_set_new(range, "min", text_or_null(d->os[i].min));
        json_object_set_new(range, "before", text_or_null(d->os[i].before));
        json_array_append_new(os, range);
    }
    json_object_set_new(j, "os", os);
    json_object_set_new(j, "scripted_check", text_or_null(d->scripted_check));
    return j;
}

static bool print_json(const struct view *v)
{
    json_t *j = json_object(), *components = json_array();
    json_object_set_new(j, "schema", json_integer(1));
    json_object_set_new(j, "name", text_or_null(v->name));
    json_object_set_new(j, "kind", json_string(v->d ? "product" : "component"));
    json_object_set_new(j, "bytes", json_integer((json_int_t)v->x->file_size));
    json_object_set_new(j, "created", text_or_null(v->x->created));
    json_object_set_new(j, "has_signature", json_boolean(v->x->signature_count > 0));
    json_object_set_new(j, "status", json_string(signature_status_name(v->signature.status)));
    json_object_set_new(j, "message", json_string(v->signature.why));
    cmd_pkg_signature_json(&v->signature, j);
    json_object_set_new(j, "unproven", text_or_null(v->x->unproven));
    json_object_set_new(j, "conclusion", json_string(packageinfo_action_name(conclusion(v))));
    json_object_set_new(j, "product", v->d ? product_json(v->d) : json_null());
    for (size_t i = 0; i < v->count; i++)
        json_array_append_new(components, component_json(&v->components[i]));
    json_object_set_new(j, "components", components);
    return tojson_print(j);
}

int cmd_pkg_info(const struct cmd_pkg_options *o)
{
    struct err e;
    struct view v = {.arena = o->arena, .name = text_basename(o->operands[0])};
    int fd = open(o->operands[0], O_RDONLY | O_CLOEXEC);
    int code = EXIT_DONE;
    if (fd < 0)
        err_sys(&e, "open");
    else if (cmd_pkg_confine(&e))
        v.x = xar_open(o->arena, fd, &e);
    const struct signature_policy apple = {.at = -1};
    if (!v.x || !signature_judge(v.x, &apple, &v.signature, &e) || !view_package(&v, &e))
        code = cmd_pkg_fail(o->operands[0], &e, EXIT_PREFLIGHT);
    else if (o->json)
        code = print_json(&v) ? EXIT_DONE : EXIT_PREFLIGHT;
    else
        print_view(&v);
    if (fd >= 0)
        close(fd);
    return code;
}
