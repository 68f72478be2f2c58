/* inventory: receipts and applications of a volume.
 *
 * Receipts are ROOT/private/var/db/receipts/ID.plist with PackageIdentifier and PackageVersion; the file's
 * name is not trusted to be the id. On a live Mac Apple's own stand in two more folders, and pkgutil knows
 * all of them; it has the last word.
 *
 * Applications are found by walking the volume, since there is neither Spotlight nor a launch database on
 * another volume. On a live Mac the data volume appears a second time below /System/Volumes: that is left
 * out, as are the insides of homes, which hold millions of files and are guarded by privacy prompts. */
#include "installer/inventory.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/receipt.h"
#include "manifests/version.h"
#include <unistd.h>

#define BUCKETS         1024
#define PKGUTIL_TIMEOUT 60000

struct known {
    struct known *next;
    const char *id, *version;
};

struct inventory {
    struct arena *a;
    struct loop *loop;
    int root;
    bool live;
    bool have_receipts, have_apps;
    struct known *receipts[BUCKETS];
    struct inventory_app *apps;
    size_t app_count, app_cap;
    size_t entries; /* seen by the walk */
};

struct inventory *inventory_open(struct loop *l, int root, bool live)
{
    struct arena *a = arena_open();
    struct inventory *inv = arena_alloc(a, sizeof *inv);
    inv->a = a;
    inv->loop = l;
    inv->root = root;
    inv->live = live;
    return inv;
}

void inventory_free(struct inventory *inv)
{
    if (inv)
        arena_free(inv->a);
}

const struct value *inventory_plist(struct arena *a, int root, const char *path, struct err *e)
{
    struct buf b;
    const struct value *v = NULL;

    int fd = files_evidence_open(root, path, e);
    if (fd < 0)
        return NULL;
    buf_init(&b, LIMIT_PLIST);
    if (files_read_fd(fd, &b, e))
        v = props_decode(a, b.data, b.len, e);
    buf_release(&b);
    close(fd);
    if (v && value_type(v) != VALUE_DICT) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a dictionary is needed, found %s", value_type_name(v));
        return NULL;
    }
    return v;
}

const char *inventory_bundle_version(const struct value *info)
{
    const char *v = props_str(info, "CFBundleShortVersionString");
    if (!v)
        v = props_str(info, "CFBundleVersion");
    return v ? v : "";
}

/* --- receipts ---------------------------------------------------------------------------------------------
 */

static struct known **slot(struct inventory *inv, const char *id)
{
    size_t h = 5381;
    for (const char *p = id; *p; p++)
        h = h * 33 + (unsigned char)*p;
    struct known **r = &inv->receipts[h % BUCKETS];
    while (*r && strcmp((*r)->id, id) != 0)
        r = &(*r)->next;
    return r;
}

static void take_receipt(struct inventory *inv, const char *id, const char *version, bool replace)
{
    struct known **r = slot(inv, id);
    if (!*r) {
        *r = arena_alloc(inv->a, sizeof **r);
        (*r)->id = arena_strdup(inv->a, id);
    } else if (!replace && version_compare(version, (*r)->version) <= 0) {
        return;
    }
    (*r)->version = arena_strdup(inv->a, version);
}

struct folder {
    struct inventory *inv;
    const char *path;
};

static bool receipt_entry(void *ctx, const char *name, const struct stat *st)
{
    struct folder *f = ctx;
    struct arena *a;
    struct err e;

    if (!text_ends(name, ".plist") || !S_ISREG(st->st_mode))
        return true;
    a = arena_open();
    const char *path = arena_printf(a, "%s/%s", f->path, name);
    const struct value *v = inventory_plist(a, f->inv->root, path, &e);
    const char *id = props_str(v, "PackageIdentifier");
    const char *version = props_str(v, "PackageVersion");
    if (!v)
        log_warn("receipt %s is not used: %s", path, e.text);
    else if (id && version)
        take_receipt(f->inv, id, version, false);
    arena_free(a);
    return true;
}

static void read_receipt_folder(struct inventory *inv, const char *path)
{
    struct folder f = {inv, path};
    struct err e;
    if (!files_list(inv->root, path, receipt_entry, &f, &e) && e.kind != ERR_NOT_FOUND)
        log_warn("receipts in %s are not used: %s", path, e.text);
}

static const char *find_bytes(const char *p, const char *end, const char *what)
{
    size_t n = strlen(what);
    for (; (size_t)(end - p) >= n; p++) {
        p = memchr(p, what[0], (size_t)(end - p));
        if (!p || (size_t)(end - p) < n)
            return NULL;
        if (memcmp(p, what, n) == 0)
            return p;
    }
    return NULL;
}

void inventory_pkgutil(struct inventory *inv, const char *text, size_t len)
{
    static const char open_tag[] = "<?xml version", close_tag[] = "</plist>";
    const char *end = text + len, *p = text;

    while ((p = find_bytes(p, end, open_tag)) != NULL) {
        const char *stop = find_bytes(p, end, close_tag);
        if (!stop)
            break;
        stop += sizeof close_tag - 1;
        struct arena *a = arena_open();
        struct err e;
        const struct value *v = props_decode(a, p, (size_t)(stop - p), &e);
        const char *id = props_str(v, "pkgid");
        const char *version = props_str(v, "pkg-version");
        if (id && version)
            take_receipt(inv, id, version, true);
        arena_free(a);
        p = stop;
    }
}

static void ask_pkgutil(struct inventory *inv)
{
    static const char *const argv[] = {"/usr/sbin/pkgutil", "--regexp", "--pkg-info-plist", ".*", NULL};
    struct buf out;
    struct child_end end;
    struct err e;

    buf_init(&out, LIMIT_PLIST);
    struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = PKGUTIL_TIMEOUT, .out = &out};
    if (!child_run(inv->loop, &spec, &end, &e))
        log_warn("pkgutil gave no receipts, the receipts' folder alone counts: %s", e.text);
    else if (out.len)
        inventory_pkgutil(inv, out.data, out.len);
    buf_release(&out);
}

const char *inventory_receipt(struct inventory *inv, const char *package_id)
{
    if (!inv->have_receipts) {
        inv->have_receipts = true;
        read_receipt_folder(inv, RECEIPT_FOLDER);
        if (inv->live) {
            read_receipt_folder(inv, "Library/Apple/System/Library/Receipts");
            read_receipt_folder(inv, "System/Library/Receipts");
            ask_pkgutil(inv);
        }
    }
    struct known *r = *slot(inv, package_id);
    return r ? r->version : NULL;
}

/* --- applications -----------------------------------------------------------------------------------------
 */

static bool left_out(const struct inventory *inv, const char *path)
{
    static const char *const always[] = {"Volumes", "tmp", "Network", "net",           "home",
                                         "cores",   "dev", "private", "System/Volumes"};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (strcmp(path, always[i]) == 0)
            return true;
    if (inv->live && text_starts(path, "Users/") && !text_starts(path, "Users/Shared")) {
        const char *inside = strchr(path + 6, '/');
        return inside && strcmp(inside, "/Applications") != 0 && !text_starts(inside, "/Applications/");
    }
    return false;
}

static void take_app(struct inventory *inv, const char *path)
{
    static const char *const places[] = {"Contents/Info.plist", "Resources/Info.plist"};
    struct arena *a = arena_open();
    const struct value *info = NULL;
    struct err e;

    for (size_t i = 0; !info && i < sizeof places / sizeof places[0]; i++)
        info = inventory_plist(a, inv->root, arena_printf(a, "%s/%s", path, places[i]), &e);

    if (inv->app_count == inv->app_cap) {
        size_t cap = inv->app_cap ? inv->app_cap * 2 : 64;
        struct inventory_app *more = arena_array(inv->a, cap, sizeof *more);
        if (inv->app_count)
            memcpy(more, inv->apps, inv->app_count * sizeof *more);
        inv->apps = more;
        inv->app_cap = cap;
    }
    struct inventory_app *app = &inv->apps[inv->app_count++];
    const char *id = props_str(info, "CFBundleIdentifier");
    const char *name = props_str(info, "CFBundleName");
    const char *file = text_basename(path);
    app->path = arena_printf(inv->a, "/%s", path);
    app->id = arena_strdup(inv->a, id ? id : "");
    app->name = name && *name ? arena_strdup(inv->a, name) : arena_strndup(inv->a, file, strlen(file) - 4);
    app->version = arena_strdup(inv->a, inventory_bundle_version(info));
    app->in_home = text_starts(path, "Users") && !text_starts(path, "Users/Shared");
    arena_free(a);
}

struct walk {
    struct inventory *inv;
    struct arena *a;
    const char *path; /* "" for the root */
    const char **below;
    size_t count, cap;
};

static bool walk_entry(void *ctx, const char *name, const struct stat *st)
{
    struct walk *w = ctx;

    if (++w->inv->entries > LIMIT_SCAN_ENTRIES)
        return false;
    if (!S_ISDIR(st->st_mode) || strlen(w->path) + 1 + strlen(name) > LIMIT_PATH - 32)
        return true;
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 32;
        const char **more = arena_array(w->a, cap, sizeof *more);
        for (size_t i = 0; i < w->count; i++)
            more[i] = w->below[i];
        w->below = more;
        w->cap = cap;
    }
    w->below[w->count++] = *w->path ? arena_printf(w->a, "%s/%s", w->path, name) : arena_strdup(w->a, name);
    return true;
}

static void walk_folder(struct inventory *inv, const char *path, unsigned depth)
{
    struct walk w = {.inv = inv, .a = arena_open(), .path = path};
    struct err e;

    if (!files_list(inv->root, path, walk_entry, &w, &e))
        log_debug("applications below /%s are not seen: %s", path, e.text);
    for (size_t i = 0; i < w.count && inv->app_count < LIMIT_APPS; i++) {
        const char *sub = w.below[i], *name = text_basename(sub);
        if (strlen(name) > 4 && text_ends(name, ".app"))
            take_app(inv, sub);
        else if (depth < LIMIT_SCAN_DEPTH && !left_out(inv, sub))
            walk_folder(inv, sub, depth + 1);
    }
    arena_free(w.a);
    if (inv->loop)
        loop_turn(inv->loop, 0);
}

const struct inventory_app *inventory_apps(struct inventory *inv, size_t *count)
{
    if (!inv->have_apps) {
        inv->have_apps = true;
        walk_folder(inv, "", 1);
        if (inv->entries > LIMIT_SCAN_ENTRIES || inv->app_count == LIMIT_APPS)
            log_warn("the search for applications stopped at %zu applications, %zu files", inv->app_count,
                     inv->entries);
    }
    *count = inv->app_count;
    return inv->apps;
}
