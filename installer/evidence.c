/* evidence: installs and receipts entries.
 *
 * Surprising: versions are the file's, verbatim; a version_comparison_key that is given must be a string in
 * the file, while without one CFBundleVersion stands in for a missing CFBundleShortVersionString; a file with
 * another checksum counts as older; an empty identifier or name in an entry matches no application. */
#include "installer/evidence.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/text.h"
#include "manifests/version.h"
#include <stdarg.h>
#include <unistd.h>

static void say(struct evidence *ev, const char *fmt, ...) PRINTF(2, 3);
static void say(struct evidence *ev, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ev->text, sizeof ev->text, fmt, ap);
    va_end(ap);
}

const char *evidence_order_text(int order)
{
    return order < 0 ? "older than" : order > 0 ? "newer than" : "the same as";
}

bool evidence_exists(const struct evidence *ev, const char *path, struct stat *st)
{
    return files_evidence_stat(ev->root, path, st, NULL, NULL);
}

/* Compare the plist at path with what the entry wants; where names the entry in sentences. */
static enum evidence_held hold_plist(struct evidence *ev, const struct installs_item *it, const char *where,
                                     const char *path)
{
    struct arena *a;
    struct err e;
    enum evidence_held held = EVIDENCE_ABSENT;

    if (!path || !it->expected) {
        say(ev, "%s: no %s to compare with", where, path ? "version" : "path");
        return EVIDENCE_BAD;
    }
    a = arena_open();
    const struct value *v = inventory_plist(a, ev->root, path, &e);
    const char *found = it->comparison_key ? props_str(v, it->comparison_key)
                        : v                ? inventory_bundle_version(v)
                                           : NULL;
    if (!v) {
        if (e.kind == ERR_NOT_FOUND)
            say(ev, "%s: %s is not there", where, path);
        else
            say(ev, "%s: %s cannot be read: %s", where, path, e.text);
    } else if (!found || !*found) {
        say(ev, "%s: %s states no version", where, path);
    } else if (it->minimum_update_version && version_compare(found, it->minimum_update_version) < 0) {
        say(ev, "%s: %s: %s is older than %s, which an update needs", where, path, found,
            it->minimum_update_version);
    } else {
        int order = version_compare(found, it->expected);
        held = order < 0 ? EVIDENCE_OLDER : order > 0 ? EVIDENCE_NEWER : EVIDENCE_SAME;
        say(ev, "%s: %s: %s is %s %s", where, path, found, evidence_order_text(order), it->expected);
    }
    arena_free(a);
    return held;
}

/* The Info.plist of a bundle, in a, or NULL when there is none. */
static const char *bundle_info(const struct evidence *ev, struct arena *a, const char *path)
{
    static const char *const places[] = {"Contents/Info.plist", "Resources/Info.plist"};
    struct stat st;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *info = arena_printf(a, "%s/%s", path, places[i]);
        if (evidence_exists(ev, info, &st))
            return info;
    }
    return NULL;
}

static enum evidence_held hold_bundle(struct evidence *ev, const struct installs_item *it, const char *where,
                                      const char *path)
{
    struct arena *a = arena_open();
    const char *info = path ? bundle_info(ev, a, path) : NULL;
    enum evidence_held held = EVIDENCE_ABSENT;
    if (info)
        held = hold_plist(ev, it, where, info);
    else
        say(ev, "%s: %s", where, path ? arena_printf(a, "%s is not there", path) : "no path");
    arena_free(a);
    return held;
}

static bool wanted_app(const struct inventory_app *app, const struct installs_item *it)
{
    if (app->in_home)
        return false;
    if (it->bundle_id && *it->bundle_id && strcmp(app->id, it->bundle_id) == 0)
        return true;
    return it->bundle_name && *it->bundle_name && strcmp(app->name, it->bundle_name) == 0;
}

/* Applications that are it, highest version first; equal ones in the order of their paths. */
static const struct inventory_app **find_apps(struct evidence *ev, struct arena *a,
                                              const struct installs_item *it, size_t *count)
{
    size_t all, n = 0;
    const struct inventory_app *apps = inventory_apps(ev->inventory, &all);
    const struct inventory_app **found = arena_array(a, all ? all : 1, sizeof(*found));

    for (size_t i = 0; i < all; i++) {
        if (!wanted_app(&apps[i], it))
            continue;
        size_t k = n++;
        for (; k > 0 && version_compare(found[k - 1]->version, apps[i].version) < 0; k--)
            found[k] = found[k - 1];
        found[k] = &apps[i];
    }
    *count = n;
    return found;
}

static enum evidence_held hold_application(struct evidence *ev, const struct installs_item *it,
                                           const char *where)
{
    struct arena *a;
    struct stat st;
    size_t n;
    bool older = false;

    if (it->path) {
        a = arena_open();
        const char *info = arena_printf(a, "%s/Contents/Info.plist", it->path);
        enum evidence_held held = EVIDENCE_ABSENT;
        if (!evidence_exists(ev, it->path, &st)) /* on a new Mac, nearly always */
            say(ev, "%s: %s is not there", where, it->path);
        else if (!evidence_exists(ev, info, &st))
            say(ev, "%s: %s is not there", where, info);
        else
            held = hold_plist(ev, it, where, info);
        arena_free(a);
        return held;
    }
    if (!(it->bundle_id && *it->bundle_id) && !(it->bundle_name && *it->bundle_name)) {
        say(ev, "%s: an application without path, CFBundleIdentifier and CFBundleName", where);
        return EVIDENCE_BAD;
    }
    a = arena_open();
    const struct inventory_app **apps = find_apps(ev, a, it, &n);
    enum evidence_held held = EVIDENCE_ABSENT;
    for (size_t i = 0; i < n && held != EVIDENCE_SAME && held != EVIDENCE_NEWER && held != EVIDENCE_BAD;
         i++) {
        held = hold_bundle(ev, it, where, apps[i]->path);
        older = older || held == EVIDENCE_OLDER;
    }
    if (n == 0)
        say(ev, "%s: no application %s on this volume", where,
            it->bundle_id && *it->bundle_id ? it->bundle_id : it->bundle_name);
    else if (held == EVIDENCE_ABSENT && older)
        held = EVIDENCE_OLDER;
    arena_free(a);
    return held;
}

static void turn(void *loop)
{
    loop_turn(loop, 0);
}

static enum evidence_held hold_file(struct evidence *ev, const struct installs_item *it, const char *where)
{
    unsigned char sum[DIGEST_MAX];
    char hex[2 * DIGEST_MAX + 1] = "";
    struct stat st;
    struct err e;

    if (!it->path) {
        say(ev, "%s: a file without path", where);
        return EVIDENCE_BAD;
    }
    if (!evidence_exists(ev, it->path, &st)) {
        say(ev, "%s: %s is not there", where, it->path);
        return EVIDENCE_ABSENT;
    }
    if (!it->md5) {
        say(ev, "%s: %s is there", where, it->path);
        return EVIDENCE_SAME;
    }
    int fd = S_ISREG(st.st_mode) ? files_evidence_open(ev->root, it->path, &e) : -1;
    if (fd >= 0) {
        if (fstat(fd, &st) == 0 &&
            digest_fd(DIGEST_MD5, fd, 0, (uint64_t)st.st_size, sum, ev->loop ? turn : NULL, ev->loop, &e))
            text_hex(hex, sum, digest_size(DIGEST_MD5));
        close(fd);
    }
    bool same = strcmp(hex, it->md5) == 0;
    say(ev, "%s: %s %s", where, it->path, same ? "is as it should be" : "has another MD5 checksum");
    return same ? EVIDENCE_SAME : EVIDENCE_OLDER;
}

enum evidence_held evidence_install(struct evidence *ev, const struct pkginfo *p, size_t i)
{
    const struct installs_item *it = &p->installs[i];
    char where[32];

    snprintf(where, sizeof where, "installs[%zu]", i);
    switch (it->type) {
    case INSTALLS_APPLICATION:
        return hold_application(ev, it, where);
    case INSTALLS_BUNDLE:
        return hold_bundle(ev, it, where, it->path);
    case INSTALLS_PLIST:
        return hold_plist(ev, it, where, it->path);
    case INSTALLS_FILE:
        return hold_file(ev, it, where);
    case INSTALLS_BAD:
        break;
    }
    if (it->type_text)
        say(ev, "%s: type \"%s\" is none that Munki knows", where, it->type_text);
    else
        say(ev, "%s: type is missing, or no text", where);
    return EVIDENCE_BAD;
}

enum evidence_held evidence_receipt(struct evidence *ev, const struct pkginfo *p, size_t i)
{
    const struct receipt_item *r = &p->receipts[i];

    if (r->optional) {
        say(ev, "receipts[%zu]: %s is optional", i, r->id ? r->id : "an entry");
        return EVIDENCE_SAME;
    }
    if (r->minimum_os_version && r->minimum_os_version[0] && ev->os_version &&
        version_compare(ev->os_version, r->minimum_os_version) < 0) {
        say(ev, "receipts[%zu]: %s belongs to macOS %s, this is %s", i, r->id ? r->id : "an entry",
            r->minimum_os_version, ev->os_version);
        return EVIDENCE_SAME;
    }
    if (!r->id || !r->version) {
        say(ev, "receipts[%zu]: no %s", i, r->id ? "version" : "packageid");
        return EVIDENCE_BAD;
    }
    const char *found = inventory_receipt(ev->inventory, r->id);
    if (!found) {
        say(ev, "receipts[%zu]: no receipt of %s", i, r->id);
        return EVIDENCE_ABSENT;
    }
    int order = version_compare(found, r->version);
    say(ev, "receipts[%zu]: %s: %s is %s %s", i, r->id, found, evidence_order_text(order), r->version);
    return order < 0 ? EVIDENCE_OLDER : order > 0 ? EVIDENCE_NEWER : EVIDENCE_SAME;
}

const char *evidence_version(struct evidence *ev, struct arena *a, const struct installs_item *it,
                             bool *found)
{
    const char *info = it->path;
    struct err e;
    size_t n;

    /* Whether a bundle is installed is seen in Resources too; which version it has, with Munki, is not. */
    if (info && (it->type == INSTALLS_APPLICATION || it->type == INSTALLS_BUNDLE))
        info = arena_printf(a, "%s/Contents/Info.plist", it->path);
    const struct value *v = info ? inventory_plist(a, ev->root, info, &e) : NULL;
    *found = v != NULL;
    if (v || it->type != INSTALLS_APPLICATION)
        return props_str(v, "CFBundleShortVersionString");
    const struct inventory_app **apps = find_apps(ev, a, it, &n);
    *found = n > 0;
    return n ? apps[0]->version : NULL;
}
