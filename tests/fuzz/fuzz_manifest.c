/* Any bytes: no property list, or a repository and a Mac in one dictionary, of which a plan is made twice,
 * with catalogs as trees and as bytes: the same both times, and whole. Keys: manifests, catalogs (by name;
 * the first manifest is the primary one), installed (name: version), receipts (id: version), facts,
 * self_serve, local, downloads (name: what fails).
 */
#include "core/limits.h"
#include "manifests/plan.h"
#include "manifests/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct value *part(void *self, const char *section, const char *name)
{
    return value_get(value_get(self, section), name);
}

static bool manifest(void *self, const char *name, const struct value **dict, struct err *e)
{
    *dict = part(self, "manifests", name);
    return *dict || err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, "no such manifest");
}

static struct arena *bytes_in; /* catalogs are given as bytes, in this arena; NULL: as trees */
static struct arena *trees_in;

static bool catalog(void *self, const char *name, const struct outline **items, struct err *e)
{
    const struct value *array = part(self, "catalogs", name);
    struct buf bytes;
    if (!array)
        return err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, "no such catalog");
    if (!bytes_in)
        return (*items = outline_of(trees_in, array, e)) != NULL;
    buf_init(&bytes, LIMIT_PLIST);
    if (props_encode(array, &bytes, e))
        *items = outline_decode(bytes_in, arena_strndup(bytes_in, buf_str(&bytes), bytes.len), bytes.len, e);
    else
        *items = outline_of(bytes_in, array, e); /* nested too deep to be written */
    buf_release(&bytes);
    return *items != NULL;
}

static const char *installed_version(void *self, const struct pkginfo *p)
{
    return value_str(part(self, "installed", p->name));
}

static enum plan_state installed(void *self, const struct pkginfo *p)
{
    const char *version = installed_version(self, p);
    int order = version ? version_compare(version, p->version) : -1;
    return p->on_demand || order < 0 ? PLAN_ABSENT : order > 0 ? PLAN_NEWER : PLAN_THIS;
}

static bool some_version(void *self, const struct pkginfo *p)
{
    return !p->on_demand && installed_version(self, p);
}

static const char *receipt_version(void *self, const char *id)
{
    return value_str(part(self, "receipts", id));
}

static bool is_executable(void *self, const char *path)
{
    (void)self;
    return path[1] == 'x';
}

static struct plan_download download(void *self, const struct pkginfo *p, bool uninstaller)
{
    const char *why = value_str(part(self, "downloads", p->name));
    (void)uninstaller;
    return (struct plan_download){why ? PLAN_DOWNLOAD_FAILED : PLAN_DOWNLOAD_OK, why, 0};
}

static int64_t free_kb(void *self)
{
    return props_int(self, "free", 1000000);
}

static int64_t cached_kb(void *self, const char *location, bool *complete)
{
    (void)self;
    *complete = location[0] == 'c';
    return 10;
}

static const struct plan *make(struct arena *a, const struct value *v, struct err *e)
{
    const struct world w = {.self = (void *)(uintptr_t)v,
                            .manifest = manifest,
                            .catalog = catalog,
                            .installed = installed,
                            .some_version = some_version,
                            .evidence = some_version,
                            .installed_version = installed_version,
                            .receipt_version = receipt_version,
                            .is_executable = is_executable,
                            .download = download,
                            .free_kb = free_kb,
                            .cached_kb = cached_kb};
    const struct value *manifests = props_dict(v, "manifests");
    const struct plan_input in = {.primary = value_key(manifests, 0),
                                  .manifest = value_at(manifests, 0),
                                  .facts = props_dict(v, "facts"),
                                  .arch = "arm64",
                                  .os_version = "15.4",
                                  .munki_version = "7.0.4",
                                  .higher_os_optional = true,
                                  .local_only_name = "local",
                                  .local_only = props_dict(v, "local"),
                                  .self_serve = value_get(v, "self_serve")};
    return value_count(manifests) > 0 ? plan_make(a, &in, &w, e) : NULL;
}

static void encode(const struct plan *p, struct buf *out)
{
    struct err e = {0};

    buf_init(out, LIMIT_PLIST);
    if (!props_encode(p->install_info, out, &e) && e.kind != ERR_LIMIT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0};
    const struct value *v = props_decode(a, data, size, &e);
    trees_in = a;
    bytes_in = NULL;
    const struct plan *p = v ? make(a, v, &e) : NULL;

    if (p) {
        bytes_in = a;
        const struct plan *again = make(a, v, &e);
        struct buf one, other;
        if (!again)
            abort();
        encode(p, &one);
        encode(again, &other);
        if (one.len != other.len || memcmp(buf_str(&one), buf_str(&other), one.len) != 0)
            abort();
        for (size_t i = 0; i < p->item_count; i++)
            if (!p->items[i].pkg || !p->items[i].entry)
                abort();
        buf_release(&one);
        buf_release(&other);
    }
    arena_free(a);
    return 0;
}
