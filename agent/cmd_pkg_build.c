/* cmd_pkg_build: a component of a folder, or a product of components. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/limits.h"
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

/* Who signs; NULL and true when nobody is asked to. */
static bool open_signer(const struct cmd_pkg_options *o, struct signature_signer **s, struct err *e)
{
    struct buf key, chain;
    *s = NULL;
    if (!o->sign && !o->chain)
        return true;
    if (!o->sign || !o->chain)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--sign and --chain go together");
    buf_init(&key, LIMIT_MB);
    buf_init(&chain, LIMIT_MB);
    if (cmd_pkg_read("--sign", o->sign, &key, e) && cmd_pkg_read("--chain", o->chain, &chain, e)) {
        *s = signature_signer_open(buf_str(&key), key.len, buf_str(&chain), chain.len, e);
        if (!*s)
            err_wrap(e, "--sign %s --chain %s", o->sign, o->chain);
    }
    buf_release(&key);
    buf_release(&chain);
    return *s != NULL;
}

static bool make_component(const struct cmd_pkg_options *o, const struct signature_signer *s, time_t t,
                           struct build_result *r, struct err *e)
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
                                .time = t,
                                .signer = s};
    bool ok = open_folder("--payload", o->payload, &c.payload, e) &&
              open_folder("--scripts", o->scripts, &c.scripts, e) &&
              build_component(&c, o->operands[0], r, e);
    if (c.payload >= 0)
        close(c.payload);
    if (c.scripts >= 0)
        close(c.scripts);
    return ok;
}

static bool make_product(const struct cmd_pkg_options *o, const struct signature_signer *s, time_t t,
                         struct build_result *r, struct err *e)
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
                                    .time = t,
                                    .signer = s};
    return build_product(&p, o->operands[0], r, e);
}

int cmd_pkg_build(const struct cmd_pkg_options *o)
{
    struct err e;
    struct build_result r = {0};
    time_t t;
    struct signature_signer *signer = NULL;
    bool ok = epoch(&t, &e);
    if (ok && !o->payload && !o->scripts && o->component_count == 0)
        ok = err_set(&e, ERR_USAGE, CAUSE_NONE, "give --payload, --scripts or --component");
    ok = ok && open_signer(o, &signer, &e) &&
         (o->component_count > 0 ? make_product(o, signer, t, &r, &e) : make_component(o, signer, t, &r, &e));
    signature_signer_free(signer);
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
