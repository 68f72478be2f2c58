/* InstallPrefixPath is written as Apple does: "/" for the root, else without the slash in front. */
#include "installer/receipt.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "installer/packageinfo.h"
#include "manifests/props.h"
#include <fcntl.h>
#include <unistd.h>

static bool file_name(char out[LIMIT_NAME + 1], const char *identifier, const char *suffix, struct err *e)
{
    int n = snprintf(out, LIMIT_NAME + 1, "%s%s", identifier, suffix);
    if (n > 0 && n <= LIMIT_NAME && packageinfo_identifier_ok(identifier))
        return true;
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the identifier is no name for a receipt");
}

static bool move_bom(int folder, const char *name, int bom, const char *bom_name, struct err *e)
{
    if (bom_name == NULL)
        return files_remove(folder, name, e);
    int fd = files_open(bom, bom_name, e);
    if (fd < 0)
        return false;
    bool ok = os_sync(fd, OS_SYNC_ORDER, e);
    if (ok && renameat(bom, bom_name, folder, name) != 0)
        ok = err_sys(e, "cannot move the Bom to %s", name);
    close(fd);
    return ok;
}

bool receipt_write(int root, const struct receipt *r, int bom, const char *bom_name, struct err *e)
{
    char plist_name[LIMIT_NAME + 1], bom_to[LIMIT_NAME + 1];
    struct arena *a = arena_open();
    struct buf b;
    int folder = -1;
    buf_init(&b, LIMIT_PLIST);
    struct value *d = value_new_dict(a);
    value_set(a, d, "InstallDate", value_new_date(a, r->installed));
    value_set(a, d, "InstallPrefixPath", value_new_str(a, r->prefix + (r->prefix[1] != '\0')));
    value_set(a, d, "InstallProcessName", value_new_str(a, r->process));
    value_set(a, d, "PackageFileName", value_new_str(a, r->package));
    value_set(a, d, "PackageIdentifier", value_new_str(a, r->identifier));
    value_set(a, d, "PackageVersion", value_new_str(a, r->version));
    bool ok = file_name(plist_name, r->identifier, ".plist", e) &&
              file_name(bom_to, r->identifier, ".bom", e) && props_encode_binary(d, &b, e) &&
              (folder = files_dir(root, RECEIPT_FOLDER, true, 0755, e)) >= 0 &&
              move_bom(folder, bom_to, bom, bom_name, e) &&
              files_replace(folder, plist_name, b.data, b.len, 0644, FILES_DURABLE, e);
    if (folder >= 0)
        close(folder);
    buf_release(&b);
    arena_free(a);
    return ok || err_wrap(e, "receipt %s", r->identifier);
}

static const char *text(const struct value *dict, const char *key)
{
    const char *s = props_str(dict, key);
    return s != NULL ? s : "";
}

bool receipt_read(struct arena *a, int root, const char *identifier, struct receipt *r, struct err *e)
{
    char name[LIMIT_NAME + 1];
    struct buf b;
    if (!file_name(name, identifier, ".plist", e))
        return false;
    buf_init(&b, LIMIT_PLIST);
    bool ok = files_read(root, arena_printf(a, "%s/%s", RECEIPT_FOLDER, name), &b, e);
    const struct value *d = ok ? props_decode(a, b.data, b.len, e) : NULL;
    buf_release(&b);
    if (d == NULL)
        return err_wrap(e, "receipt %s", identifier);
    const char *prefix = text(d, "InstallPrefixPath");
    memset(r, 0, sizeof *r);
    r->identifier = text(d, "PackageIdentifier");
    r->version = text(d, "PackageVersion");
    r->package = text(d, "PackageFileName");
    r->process = text(d, "InstallProcessName");
    r->prefix = *prefix == '/' ? arena_strdup(a, prefix) : arena_printf(a, "/%s", prefix);
    value_date(value_get(d, "InstallDate"), &r->installed);
    return true;
}
