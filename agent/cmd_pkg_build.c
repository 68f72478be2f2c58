/* cmd_pkg_build: a component of a folder, or a product of components. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/text.h"
#include "installer/build.h"
#include <fcntl.h>
#include <unistd.h>

/* SOURCE_DATE_EPOCH, or -1. */
static bool epoch(time_t *t, struct err *e)
{
    int64_t v;
    const char *s = getenv("SOURCE_DATE_EPOCH");
    *t = -1;
    if (!s || !*s)
        return true;
    if (!text_int(s, 0, UINT32_MAX, &v))
        return err_set(e, ERR_USAGE, CAUSE_NONE,
                       "SOURCE_DATE_EPOCH is no number of seconds since 1970: \"%s\"", s);
    *t = (time_t)v;
    return true;
}

/* The directory of an option; -1 when it was not given. */
static bool open_folder(const char *option, const char *path, int *fd, struct err *e)
{
    *fd = -1;
    if (!path)
        return true;
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 || err_sys(e, "%s %s", option, path);
}

static bool make_component(const struct cmd_pkg_options *o, time_t t, struct build_result *r, struct err *e)
{
    if (!o->identifier || !o->version)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--identifier and --version are needed");
    if (o->title || o->min_os)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "%s is for products (--component)",
                       o->title ? "--title" : "--min-os");
    struct build_component c = {.payload = -1,
                                .scripts = -1,
                                .identifier = o->identifier,
                                .version = o->version,
                                .install_location = o->install_location,
                                .preserve_owner = o->preserve_owner,
                                .time = t};
    bool ok = open_folder("--payload", o->payload, &c.payload, e) &&
              open_folder("--scripts", o->scripts, &c.scripts, e) &&
              build_component(&c, o->operands[0], r, e);
    if (c.payload >= 0)
        close(c.payload);
    if (c.scripts >= 0)
        close(c.scripts);
    return ok;
}

static bool make_product(const struct cmd_pkg_options *o, time_t t, struct build_result *r, struct err *e)
{
    if (o->payload || o->scripts || o->install_location)
        return err_set(e, ERR_USAGE, CAUSE_NONE,
                       "a product is made of components alone: no --payload, --scripts, "
                       "--install-location beside --component");
    const struct build_product p = {.components = o->components,
                                    .component_count = o->component_count,
                                    .title = o->title,
                                    .identifier = o->identifier,
                                    .version = o->version,
                                    .min_os = o->min_os,
                                    .time = t};
    return build_product(&p, o->operands[0], r, e);
}

int cmd_pkg_build(const struct cmd_pkg_options *o)
{
    struct err e;
    struct build_result r = {0};
    time_t t;
    bool ok = epoch(&t, &e);
    if (ok && !o->payload && !o->scripts && o->component_count == 0)
        ok = err_set(&e, ERR_USAGE, CAUSE_NONE, "give --payload, --scripts or --component");
    ok = ok && (o->component_count > 0 ? make_product(o, t, &r, &e) : make_component(o, t, &r, &e));
    if (!ok)
        return cmd_pkg_fail(o->operands[0], &e, e.kind == ERR_USAGE ? EXIT_USAGE : EXIT_PREFLIGHT);
    if (o->json) {
        json_t *j = json_object();
        json_object_set_new(j, "schema", json_integer(1));
        json_object_set_new(j, "path", json_string(o->operands[0]));
        json_object_set_new(j, "files", json_integer((json_int_t)r.files));
        json_object_set_new(j, "bytes", json_integer((json_int_t)r.bytes));
        json_object_set_new(j, "size", json_integer((json_int_t)r.size));
        return tojson_print(j) ? EXIT_DONE : EXIT_PREFLIGHT;
    }
    if (!o->quiet) {
        char bytes[32], size[32];
        printf("%s: %llu files, %s, as a package %s\n", o->operands[0], (unsigned long long)r.files,
               cmd_pkg_size(bytes, r.bytes), cmd_pkg_size(size, r.size));
    }
    return EXIT_DONE;
}
