/* Any PackageInfo: refused with a sentence, or names and paths that stay where they belong. */
#include "core/limits.h"
#include "installer/packageinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0};
    const struct packageinfo *i = packageinfo_decode(a, data, size, &e);
    if (!i && !e.text[0])
        abort();
    if (i && (!packageinfo_identifier_ok(i->identifier) || *i->install_location != '/' ||
              strstr(i->install_location, "/../")))
        abort();
    for (size_t k = 0; i && k < i->script_count; k++)
        if (*i->scripts[k].file == '/' || strncmp(i->scripts[k].file, "../", 3) == 0)
            abort();
    arena_free(a);
    return 0;
}
