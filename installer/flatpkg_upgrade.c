/* A bundle's version is CFBundleShortVersionString, and CFBundleVersion where the first says nothing or says
 * the same. What stands on the volume is read as evidence is, links followed inside the root. Bundles inside
 * bundles go with the outer one. */
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/flatpkg_internal.h"
#include "installer/inventory.h"
#include "installer/receipt.h"
#include "installer/remove.h"
#include "manifests/version.h"
#include <stdio.h>

void flatpkg_upgrade_say(struct install_outcome *out, const char *fmt, ...)
{
    va_list ap;
    size_t n = strlen(out->reason);
    if (n > 0 && n + 2 < sizeof out->reason) {
        memcpy(out->reason + n, ", ", 3);
        n += 2;
    }
    va_start(ap, fmt);
    vsnprintf(out->reason + n, sizeof out->reason - n, fmt, ap);
    va_end(ap);
}

/* --- bundles ------------------------------------------------------------------------------------------ */

struct installed_bundle {
    const char *id, *short_version, *version; /* "" unknown */
};

static const char *text_or(const struct value *dict, const char *key)
{
    const char *s = props_str(dict, key);
    return s != NULL ? s : "";
}

/* What is at path now. False: nothing that says it is a bundle. */
static bool look(const struct flatpkg_work *w, const char *path, struct installed_bundle *b)
{
    static const char *const places[] = {"Contents/Info.plist", "Resources/Info.plist", "Info.plist"};
    struct err none;
    const struct value *info = NULL;
    for (size_t i = 0; info == NULL && i < sizeof places / sizeof *places; i++)
        info =
            inventory_plist(w->arena, w->env->root, arena_printf(w->arena, "%s/%s", path, places[i]), &none);
    b->id = text_or(info, "CFBundleIdentifier");
    b->short_version = text_or(info, "CFBundleShortVersionString");
    b->version = text_or(info, "CFBundleVersion");
    return info != NULL;
}

static bool is_newer(const struct installed_bundle *there, const struct record_bundle *ours)
{
    int order = *there->short_version != '\0' && *ours->short_version != '\0'
                    ? version_compare(there->short_version, ours->short_version)
                    : 0;
    if (order == 0 && *there->version != '\0' && *ours->version != '\0')
        order = version_compare(there->version, ours->version);
    return order > 0;
}

static const char *shown_version(const char *short_version, const char *version)
{
    return *short_version != '\0' ? short_version : version;
}

static const char *target_path(const struct flatpkg_work *w, const struct flatpkg_part *p, const char *path)
{
    if (*path == '\0')
        return p->is.location;
    return strcmp(p->is.location, "/") == 0 ? arena_printf(w->arena, "/%s", path)
                                            : arena_printf(w->arena, "%s/%s", p->is.location, path);
}

/* Does another bundle with rules hold this one? */
static bool is_inner(const struct flatpkg_part *p, const struct flatpkg_bundle *inner)
{
    for (const struct flatpkg_bundle *b = p->bundles; b != NULL; b = b->next) {
        size_t n = strlen(b->is.path);
        if (b != inner && strncmp(b->is.path, inner->is.path, n) == 0 &&
            (n == 0 ? *inner->is.path != '\0' : inner->is.path[n] == '/'))
            return true;
    }
    return false;
}

static bool keep_installed(struct flatpkg_work *w, const struct flatpkg_part *p,
                           const struct record_bundle *b, const char *path,
                           const struct installed_bundle *there, struct install_outcome *out, struct err *e)
{
    const char *version = shown_version(there->short_version, there->version);
    if (!files_remove(p->folder, *b->path == '\0' ? "root" : arena_printf(w->arena, "root/%s", b->path), e))
        return false;
    if (*b->path == '\0') {
        int fd = files_dir(p->folder, "root", true, 0755, e);
        if (fd < 0)
            return false;
        close(fd);
    }
    w->kept[w->kept_count++] = path;
    log_info("%s: %s stays: version %s is newer than %s", p->is.identifier, path, version,
             shown_version(b->short_version, b->version));
    flatpkg_upgrade_say(out, "%s stays, as version %s is newer", path, version);
    return true;
}

static void say_elsewhere(const struct flatpkg_work *w, struct inventory *inv, const struct record_bundle *b,
                          const char *path, struct install_outcome *out)
{
    size_t n = 0;
    const struct inventory_app *apps = inventory_apps(inv, &n);
    for (size_t i = 0; i < n; i++)
        if (*b->id != '\0' && strcmp(apps[i].id, b->id) == 0 && strcmp(apps[i].path, path) != 0) {
            flatpkg_upgrade_say(out, "installed at %s, although a copy is at %s", path, apps[i].path);
            return;
        }
    (void)w;
}

static bool judge(struct flatpkg_work *w, const struct flatpkg_part *p, const struct record_bundle *b,
                  struct inventory *inv, struct install_outcome *out, struct err *e)
{
    struct installed_bundle there;
    const char *path = target_path(w, p, b->path);
    if (!look(w, path, &there)) {
        if (b->relocate)
            say_elsewhere(w, inv, b, path, out);
        return true;
    }
    bool same = *there.id == '\0' || *b->id == '\0' || strcmp(there.id, b->id) == 0;
    if (b->strict && !same)
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER,
                       "%s: at %s is %s, and the package may take the place of %s alone", p->is.identifier,
                       path, text_printable(w->arena, there.id, strlen(there.id)), b->id);
    if (b->checked && same && is_newer(&there, b))
        return keep_installed(w, p, b, path, &there, out, e);
    if (b->replace)
        w->replace[w->replace_count++] = path;
    return true;
}

/* Is there anything but directories below the folder? */
static bool any_file(void *ctx, const char *name, const struct stat *st)
{
    int *dir = ctx, at;
    struct err none;
    if (!S_ISDIR(st->st_mode)) {
        *dir = -1; /* found */
        return false;
    }
    at = files_dir(*dir, name, false, 0, &none);
    if (at < 0)
        return true;
    int below = at;
    bool listed = files_list(at, ".", any_file, &below, &none);
    close(at);
    if (!listed || below >= 0)
        return true;
    *dir = -1;
    return false;
}

static bool anything_left(const struct flatpkg_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct err none;
        int root = w->parts[i].is.has_payload ? files_dir(w->parts[i].folder, "root", false, 0, &none) : -1;
        int found = root;
        if (root < 0)
            continue;
        bool listed = files_list(root, ".", any_file, &found, &none);
        close(root);
        if (!listed || found < 0)
            return true;
    }
    return false;
}

bool flatpkg_upgrade_judge(struct flatpkg_work *w, struct install_outcome *out, struct err *e)
{
    bool ok = true;
    struct inventory *inv = inventory_open(w->env->loop, w->env->root, w->env->live);
    w->replace = arena_array(w->arena, w->replace_count + 1, sizeof *w->replace);
    w->kept = arena_array(w->arena, w->kept_count + 1, sizeof *w->kept);
    w->replace_count = w->kept_count = 0;
    for (size_t i = 0; i < w->count && ok; i++) {
        const struct flatpkg_part *p = &w->parts[i];
        for (const struct flatpkg_bundle *b = p->bundles; b != NULL && ok && p->is.has_payload; b = b->next)
            ok = is_inner(p, b) || judge(w, p, &b->is, inv, out, e);
    }
    inventory_free(inv);
    if (ok && w->kept_count > 0 && !anything_left(w))
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "a newer version is installed: %s", out->reason);
    return ok;
}

bool flatpkg_upgrade_kept(const struct flatpkg_work *w, const struct flatpkg_part *p, const char *id)
{
    for (const struct flatpkg_bundle *b = p->bundles; b != NULL; b = b->next) {
        const char *path = strcmp(b->is.id, id) == 0 ? target_path(w, p, b->is.path) : NULL;
        for (size_t i = 0; path != NULL && i < w->kept_count; i++)
            if (strcmp(w->kept[i], path) == 0)
                return true;
    }
    return false;
}

/* --- what the version before leaves -------------------------------------------------------------------- */

bool flatpkg_upgrade_obsolete(const struct flatpkg_work *w, size_t *left, struct err *e)
{
    struct value *ids = value_new_array(w->arena);
    struct remove_claim *claims = arena_array(w->arena, w->count + 1, sizeof *claims);
    size_t n = 0;
    *left = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct flatpkg_part *p = &w->parts[i];
        if (!p->is.has_bom)
            continue; /* what it owns is not known */
        claims[n++] = (struct remove_claim){.dir = p->folder, .bom = "bom", .prefix = p->is.location};
        if (p->installed)
            value_append(w->arena, ids, value_new_str(w->arena, p->is.identifier));
    }
    return value_count(ids) == 0 || remove_obsolete(w->env, ids, claims, n, w->kept, w->kept_count, left, e);
}
