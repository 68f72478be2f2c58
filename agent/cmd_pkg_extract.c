/* cmd_pkg_extract: the payloads as an install into an empty root would leave them, unpacked by the worker. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/text.h"
#include "installer/flatpkg.h"
#include <fcntl.h>
#include <unistd.h>

int cmd_pkg_extract(const struct cmd_pkg_options *o)
{
    struct err e;
    struct flatpkg_summary sum = {0};
    const char *dir = o->operands[1];
    int fd = open(o->operands[0], O_RDONLY | O_CLOEXEC);
    bool ok = false;
    if (fd < 0) {
        err_sys(&e, "%s", o->operands[0]);
    } else {
        struct loop *loop = loop_open();
        struct flatpkg_options fo = {.name = text_basename(o->operands[0])};
        ok = flatpkg_extract(loop, fd, &fo, dir, o->expand, &sum, &e);
        loop_free(loop);
        close(fd);
    }
    if (!ok)
        return cmd_pkg_fail(NULL, &e, e.kind == ERR_USAGE ? EXIT_USAGE : EXIT_PREFLIGHT);
    if (sum.setid_dropped > 0)
        fprintf(stderr, "daybreak: set-id bits dropped: %llu\n", (unsigned long long)sum.setid_dropped);
    if (o->json) {
        json_t *j = json_object();
        json_object_set_new(j, "schema", json_integer(1));
        json_object_set_new(j, "path", json_string(dir));
        json_object_set_new(j, "components", json_integer((json_int_t)sum.components));
        json_object_set_new(j, "files", json_integer((json_int_t)sum.files));
        json_object_set_new(j, "bytes", json_integer((json_int_t)sum.bytes));
        json_object_set_new(j, "setid_dropped", json_integer((json_int_t)sum.setid_dropped));
        json_object_set_new(j, "apple_double_dropped", json_integer((json_int_t)sum.apple_double_dropped));
        json_object_set_new(j, "has_signature", json_boolean(sum.has_signature));
        return tojson_print(j) ? EXIT_DONE : EXIT_PREFLIGHT;
    }
    if (!o->quiet) {
        char size[32];
        printf("%s: %llu files, %s\n", dir, (unsigned long long)sum.files, cmd_pkg_size(size, sum.bytes));
        if (sum.apple_double_dropped > 0)
            printf("%llu AppleDouble files (attributes of others) were left out\n",
                   (unsigned long long)sum.apple_double_dropped);
    }
    return EXIT_DONE;
}
