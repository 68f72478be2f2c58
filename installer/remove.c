/* remove: removals.
 *
 * What a package owns is in the Bom beside its receipt, relative to InstallPrefixPath ("/", "Applications",
 * "/Applications": it depends on the writer's age). A path that the Bom of another receipt names too stays,
 * and with it every folder above it. The order is that of descending path bytes, children before parents.
 * The kind that counts is what is on the disk now, not what the Bom says. */
#include "installer/remove.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/bom_worker.h"
#include "installer/copy.h"
#include "installer/inventory.h"
#include "installer/package.h"
#include "installer/receipt.h"
#include "installer/script.h"
#include "installer/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FORGET_TIMEOUT 60000

bool remove_protected(const char *path)
{
    static const char *const roots[] = {"",
                                        "Applications",
                                        "Applications/Utilities",
                                        "Library",
                                        "System",
                                        "Users",
                                        "Users/Shared",
                                        "Volumes",
                                        "bin",
                                        "cores",
                                        "dev",
                                        "etc",
                                        "opt",
                                        "private",
                                        "private/etc",
                                        "private/tmp",
                                        "private/var",
                                        "private/var/db",
                                        "private/var/db/receipts",
                                        "private/var/log",
                                        "private/var/root",
                                        "sbin",
                                        "tmp",
                                        "usr",
                                        "usr/bin",
                                        "usr/lib",
                                        "usr/libexec",
                                        "usr/local",
                                        "usr/local/bin",
                                        "usr/sbin",
                                        "usr/share",
                                        "var"};
    static const char *const library[] = {"Application Support",
                                          "Audio",
                                          "Caches",
                                          "Components",
                                          "Daybreak",
                                          "Extensions",
                                          "Fonts",
                                          "Frameworks",
                                          "Internet Plug-Ins",
                                          "Keychains",
                                          "LaunchAgents",
                                          "LaunchDaemons",
                                          "Logs",
                                          "Managed Installs",
                                          "Managed Preferences",
                                          "PreferencePanes",
                                          "Preferences",
                                          "Printers",
                                          "PrivilegedHelperTools",
                                          "QuickLook",
                                          "Receipts",
                                          "Screen Savers",
                                          "Scripts",
                                          "Security",
                                          "StartupItems",
                                          "Updates",
                                          "WebServer"};
    char name[LIMIT_PATH + 1];

    while (*path == '/')
        path++;
    snprintf(name, sizeof name, "%s", path);
    for (size_t n = strlen(name); n && name[n - 1] == '/'; n--)
        name[n - 1] = '\0';
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (strcmp(name, roots[i]) == 0)
            return true;
    for (size_t i = 0; text_starts(name, "Library/") && i < sizeof library / sizeof library[0]; i++)
        if (strcmp(name + 8, library[i]) == 0)
            return true;
    return false;
}

/* --- what packages own ------------------------------------------------------------------------------------
 */

struct owned {
    const char *path;
    bool shared;
};

struct owners {
    const struct install_env *env;
    struct arena *a;
    const struct value *ids;
    const char *folder; /* of the receipts being read */
    bool collecting;    /* first pass: what ids own; second: what others own */
    struct owned *paths;
    size_t count, cap, found;
    bool ok;
    struct err *e;
};

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct owned *)a)->path, ((const struct owned *)b)->path);
}

static bool own(struct owners *o, const char *path)
{
    if (!o->collecting) {
        struct owned key = {path, false};
        struct owned *hit = o->count ? bsearch(&key, o->paths, o->count, sizeof key, by_path) : NULL;
        if (hit)
            hit->shared = true;
        return true;
    }
    if (o->count >= LIMIT_PAYLOAD_FILES)
        return err_set(o->e, ERR_LIMIT, CAUSE_LIMIT, "more than %d files to remove", LIMIT_PAYLOAD_FILES);
    if (o->count == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 256;
        o->paths = arena_heap(o->paths, o->cap * sizeof *o->paths);
    }
    o->paths[o->count++] = (struct owned){arena_strdup(o->a, path), false};
    return true;
}

struct owning {
    struct owners *o;
    struct arena *a;
    const char *prefix;
};

/* A path of the Bom, below the receipt's prefix; /var and its like under their true names. */
static bool own_below(void *ctx, const char *below, struct err *e)
{
    const struct owning *w = ctx;
    const char *prefix = w->prefix, *path = !*below   ? prefix
                                            : *prefix ? arena_printf(w->a, "%s/%s", prefix, below)
                                                      : below;
    for (size_t k = 0; k < 3; k++) {
        static const char *const links[] = {"var", "etc", "tmp"};
        if (strncmp(path, links[k], 3) == 0 && (path[3] == '/' || !path[3]))
            path = arena_printf(w->a, "private/%s", path);
    }
    if (strlen(path) > LIMIT_PATH)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a path in its Bom is too long");
    if (own(w->o, path))
        return true;
    *e = *w->o->e;
    return false;
}

static bool own_bom(struct owners *o, struct arena *a, const char *prefix, int dir, const char *file)
{
    struct owning w = {o, a, prefix};
    int fd = files_open(dir, file, o->e);
    bool ok = fd >= 0 && bom_paths(o->env->loop, fd, own_below, &w, o->e);
    if (fd >= 0)
        close(fd);
    return ok;
}

static const char *stem(struct arena *a, const char *folder, const char *name, const char *extension)
{
    return arena_printf(a, "%s/%.*s%s", folder, (int)(strlen(name) - 6), name, extension);
}

/* "/", "Applications", "/Applications/", "./": without slashes around it. */
static const char *clean_prefix(struct arena *a, const char *prefix)
{
    char *at = arena_strdup(a, prefix ? prefix : "");
    while (*at == '/' || (*at == '.' && (at[1] == '/' || !at[1])))
        at++;
    for (size_t n = strlen(at); n && at[n - 1] == '/'; n--)
        at[n - 1] = '\0';
    return at;
}

static bool own_receipt(void *ctx, const char *name, const struct stat *st)
{
    struct owners *o = ctx;
    struct arena *a;
    struct err why;

    if (!S_ISREG(st->st_mode) || !text_ends(name, ".plist"))
        return true;
    a = arena_open();
    const struct value *v = inventory_plist(a, o->env->root, arena_printf(a, "%s/%s", o->folder, name), &why);
    const char *id = props_str(v, "PackageIdentifier");
    if (id && value_has_str(o->ids, id) == o->collecting) {
        const char *at = clean_prefix(a, props_str(v, "InstallPrefixPath"));
        const char *file = stem(a, o->folder, name, ".bom");
        struct stat there;
        if (!files_stat(o->env->root, file, &there, &why))
            log_warn("receipt %s has no Bom: what it owns is not known", id);
        else
            o->ok = own_bom(o, a, at, o->env->root, file) || err_wrap(o->e, "%s", file);
        o->found += o->collecting ? 1 : 0;
    }
    arena_free(a);
    return o->ok;
}

static bool read_receipts(struct owners *o, const char *folder)
{
    struct err why;
    o->folder = folder;
    if (!files_list(o->env->root, folder, own_receipt, o, &why) && why.kind != ERR_NOT_FOUND) {
        if (o->e)
            *o->e = why;
        return false;
    }
    return o->ok;
}

/* --- taking it off ----------------------------------------------------------------------------------------
 */

static bool is_bundle(const char *path)
{
    static const char *const extensions[] = {".app",        ".framework",   ".plugin",   ".kext",
                                             ".pkg",        ".mpkg",        ".prefPane", ".bundle",
                                             ".component",  ".qlgenerator", ".saver",    ".service",
                                             ".mdimporter", ".appex",       ".xpc",      ".systemextension"};
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (text_ends(path, extensions[i]))
            return true;
    return false;
}

struct content {
    size_t count;
    bool ds_store;
};

static bool count_entry(void *ctx, const char *name, const struct stat *st)
{
    struct content *c = ctx;
    (void)st;
    c->count++;
    c->ds_store = c->ds_store || strcmp(name, ".DS_Store") == 0;
    return c->count < 2;
}

/* True: gone, or never there. */
static bool take(const struct install_env *env, const char *path)
{
    struct content in = {0, false};
    struct arena *a;
    struct stat st;
    struct err e;
    const char *name;
    bool gone = false;

    if (remove_protected(path))
        return true;
    if (!files_stat(env->root, path, &st, &e))
        return e.kind == ERR_NOT_FOUND;
    if (!S_ISDIR(st.st_mode)) {
        gone = (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) && files_remove(env->root, path, &e);
    } else if (is_bundle(path)) {
        gone = files_remove(env->root, path, &e);
    } else if (files_list(env->root, path, count_entry, &in, &e)) {
        a = arena_open();
        if (in.count == 1 && in.ds_store &&
            files_remove(env->root, arena_printf(a, "%s/.DS_Store", path), &e))
            in.count = 0;
        arena_free(a);
        int parent = in.count == 0 ? files_parent(env->root, path, false, &name, &e) : -1;
        if (parent >= 0) {
            os_clear_flags(parent, name);
            gone = unlinkat(parent, name, AT_REMOVEDIR) == 0;
            close(parent);
        }
    }
    if (!gone)
        log_debug("/%s stays", path);
    return gone;
}

static bool forget_entry(void *ctx, const char *name, const struct stat *st)
{
    struct owners *o = ctx;
    struct arena *a;
    struct err why;

    if (!S_ISREG(st->st_mode) || !text_ends(name, ".plist"))
        return true;
    a = arena_open();
    const char *file = arena_printf(a, "%s/%s", o->folder, name);
    const char *id = props_str(inventory_plist(a, o->env->root, file, &why), "PackageIdentifier");
    /* the Bom last: a receipt without one would look like a package that owns nothing */
    if (id && value_has_str(o->ids, id) &&
        (!files_remove(o->env->root, file, &why) ||
         !files_remove(o->env->root, stem(a, o->folder, name, ".bom"), &why)))
        log_warn("receipt %s could not be forgotten: %s", id, why.text);
    arena_free(a);
    return true;
}

static void forget(struct owners *o)
{
    struct arena *a = arena_open();
    struct child_end end;
    struct err why;

    if (!o->env->live && !tool_given(o->env->tools, TOOL_PKGUTIL)) {
        o->folder = RECEIPT_FOLDER;
        if (!files_list(o->env->root, RECEIPT_FOLDER, forget_entry, o, &why))
            log_warn("%s: %s", RECEIPT_FOLDER, why.text);
    } else {
        const char *tool = tool_path(a, o->env->tools, TOOL_PKGUTIL, &why);
        for (size_t i = 0; tool && i < value_count(o->ids); i++) {
            const char *argv[] = {tool, "--forget", value_str(value_at(o->ids, i)), NULL};
            struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = FORGET_TIMEOUT};
            if (!child_run(o->env->loop, &spec, &end, &why))
                log_warn("pkgutil --forget %s: %s", argv[2], why.text);
        }
    }
    arena_free(a);
}

/* What the receipts of o->ids own, each path once, in order. */
static bool collect(struct owners *o)
{
    size_t n = 0;
    o->collecting = true;
    if (!read_receipts(o, RECEIPT_FOLDER))
        return false;
    if (o->count)
        qsort(o->paths, o->count, sizeof *o->paths, by_path);
    for (size_t i = 0; i < o->count; i++) /* one of each, so that bsearch marks the one that counts */
        if (n == 0 || strcmp(o->paths[n - 1].path, o->paths[i].path) != 0)
            o->paths[n++] = o->paths[i];
    o->count = n;
    o->collecting = false;
    return true;
}

/* Mark what other receipts own too. */
static bool mark_shared(struct owners *o)
{
    return read_receipts(o, RECEIPT_FOLDER) &&
           (!o->env->live || (read_receipts(o, "Library/Apple/System/Library/Receipts") &&
                              read_receipts(o, "System/Library/Receipts")));
}

static void take_all(struct owners *o, const char *phase, size_t *left)
{
    const struct install_env *env = o->env;
    for (size_t i = o->count; i-- > 0;) {
        if (!o->paths[i].shared && !take(env, o->paths[i].path))
            ++*left;
        if (phase && env->progress && i % 64 == 0)
            env->progress(env->ctx, (int)((o->count - i) * 100 / o->count), phase);
        if (i % 256 == 0)
            loop_turn(env->loop, 0);
    }
}

bool remove_packages(const struct install_env *env, const struct value *ids, size_t *left, int *code,
                     struct err *e)
{
    struct owners o = {.env = env, .a = arena_open(), .ids = ids, .ok = true, .e = e};
    bool ok = false;

    *left = 0;
    *code = -2;
    if (value_count(ids) == 0) {
        err_set(e, ERR_FORMAT, CAUSE_INSTALLER, "removepackages without packages");
        goto out;
    }
    *code = -4;
    if (!collect(&o))
        goto out;
    if (o.found == 0) {
        err_set(e, ERR_NOT_FOUND, CAUSE_INSTALLER, "there is no receipt of %s",
                value_str(value_at(ids, 0)) ? value_str(value_at(ids, 0)) : "these packages");
        goto out;
    }
    if (!mark_shared(&o))
        goto out;
    take_all(&o, "Removing files…", left);
    forget(&o);
    *code = 0;
    ok = true;
out:
    free(o.paths);
    arena_free(o.a);
    return ok;
}

/* Is path (relative) one of the absolute paths of list, or below it? */
static bool below_any(const char *path, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(list[i] + 1);
        if (strncmp(path, list[i] + 1, n) == 0 && (path[n] == '\0' || path[n] == '/'))
            return true;
    }
    return false;
}

bool remove_obsolete(const struct install_env *env, const struct value *ids,
                     const struct remove_claim *claims, size_t count, const char *const *keep,
                     size_t keep_count, size_t *left, struct err *e)
{
    struct owners o = {.env = env, .a = arena_open(), .ids = ids, .ok = true, .e = e};
    bool ok = collect(&o) && mark_shared(&o);
    for (size_t i = 0; ok && i < count; i++) {
        struct arena *a = arena_open();
        ok = own_bom(&o, a, clean_prefix(a, claims[i].prefix), claims[i].dir, claims[i].bom);
        arena_free(a);
    }
    for (size_t i = 0; i < o.count; i++)
        o.paths[i].shared = o.paths[i].shared || below_any(o.paths[i].path, keep, keep_count);
    *left = 0;
    if (ok)
        take_all(&o, NULL, left);
    free(o.paths);
    arena_free(o.a);
    return ok;
}

/* --- the methods ------------------------------------------------------------------------------------------
 */

static bool by_receipts(const struct install_env *env, const struct value *entry, struct install_outcome *out,
                        struct err *e)
{
    size_t left;
    if (!remove_packages(env, props_strings(entry, "packages"), &left, &out->code, e))
        return false;
    if (left)
        snprintf(out->reason, sizeof out->reason, "%zu files or folders stayed, because they are not empty",
                 left);
    return true;
}

static bool copied_items(const struct install_env *env, const struct pkginfo *p, struct err *e)
{
    char path[LIMIT_PATH + 1];

    if (p->copies_count == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy is missing or malformed");
    for (size_t i = 0; i < p->copies_count; i++) {
        struct copy_item item = p->copies[i];
        if (!item.source || !*item.source) /* what is removed needs no source */
            item.source = item.destination_item;
        if (!copy_destination(&item, path, e))
            return false;
        if (remove_protected(path))
            return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "/%s is a folder of the system", path);
        if (!files_remove(env->root, path, e))
            return err_wrap(e, "/%s", path);
        log_info("removed /%s", path);
    }
    return true;
}

static uint64_t step_timeout(const struct install_env *env, const struct pkginfo *p)
{
    if (p->timeout_s > 0)
        return (uint64_t)p->timeout_s * 1000;
    return env->item_timeout_ms > 0 ? env->item_timeout_ms : SCRIPT_TIMEOUT_MS;
}

static bool by_script(const struct install_env *env, const struct pkginfo *p, const char *program,
                      struct install_outcome *out, struct err *e)
{
    struct script_place where;

    if (!env->run_scripts) {
        out->end = INSTALL_SKIPPED_SCRIPTS;
        out->scripts_skipped = true;
        return true;
    }
    if (!program && !p->uninstall_script)
        return err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "uninstall_script is missing");
    script_place_from(&where, env, step_timeout(env, p));
    if (program ? !script_run_file(&where, program, &out->code, e)
                : !script_run(&where, "uninstall_script", p->uninstall_script, NULL, &out->code, e))
        return false;
    if (out->code == 0)
        return true;
    err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s exited with %d", program ? program : "uninstall_script",
            out->code);
    if (e)
        e->code = out->code;
    return false;
}

bool remove_item(const struct install_env *env, const struct pkginfo *p, const struct value *entry,
                 int uninstaller, const char *uninstaller_name, struct install_outcome *out, struct err *e)
{
    const char *method = props_str(entry, "uninstall_method");

    if (!method)
        method = p->uninstall_method ? p->uninstall_method : "";
    snprintf(out->step, sizeof out->step, "remove");
    if (strcmp(method, "removepackages") == 0)
        return by_receipts(env, entry, out, e);
    if (strcmp(method, "remove_copied_items") == 0)
        return copied_items(env, p, e);
    if (strcmp(method, "uninstall_script") == 0)
        return by_script(env, p, NULL, out, e);
    if (method[0] == '/')
        return by_script(env, p, method, out, e);
    if (strcmp(method, "uninstall_package") == 0) {
        if (uninstaller < 0) {
            out->code = -99;
            return err_set(e, ERR_NOT_FOUND, CAUSE_INSTALLER, "its uninstaller package is not in the cache");
        }
        struct package_job job = {
            .file = uninstaller,
            .name = uninstaller_name,
            .proved = p->uninstaller_hash != NULL,
            .allow_untrusted = p->allow_untrusted,
            .environment = p->environment,
            .timeout_ms = step_timeout(env, p),
        };
        return package_install(env, &job, out, e);
    }
    out->code = -99;
    return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "uninstall_method \"%s\" is not supported", method);
}
