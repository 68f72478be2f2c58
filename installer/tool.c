/* tool: where tools are. */
#include "installer/tool.h"
#include "manifests/props.h"
#include <unistd.h>

static const struct {
    const char *name;     /* below --tools */
    const char *paths[4]; /* the first that is there */
    const char *missing;
} tools[] = {
    [TOOL_INSTALLER] = {"installer", {"/usr/sbin/installer"}, "packages are installed on / with it"},
    [TOOL_HDIUTIL] = {"hdiutil", {"/usr/bin/hdiutil"}, "disk images are attached with it"},
    [TOOL_PKGUTIL] = {"pkgutil", {"/usr/sbin/pkgutil"}, "receipts are forgotten with it"},
    [TOOL_PROFILES] = {"profiles", {"/usr/bin/profiles"}, "configuration profiles are listed with it"},
    [TOOL_DITTO] = {"ditto", {"/usr/bin/ditto"}, "files are copied with it"},
    [TOOL_LAUNCHCTL] = {"launchctl", {"/bin/launchctl"}, "a user's scripts are started with it"},
    [TOOL_SUDO] = {"sudo", {"/usr/bin/sudo"}, "a user's scripts are started with it"},
    [TOOL_SEVENZIP] = {"7z",
                       {"/usr/bin/7z", "/usr/bin/7zz", "/usr/local/bin/7zz"},
                       "disk images are read with it; install 7-Zip (Debian: p7zip-full or 7zip)"},
};

static const char *given_path(struct arena *a, const char *dir, enum tool t)
{
    const char *path = dir ? arena_printf(a, "%s/%s", dir, tools[t].name) : NULL;
    return path && access(path, X_OK) == 0 ? path : NULL;
}

const char *tool_path(struct arena *a, const char *dir, enum tool t, struct err *e)
{
    const char *path = given_path(a, dir, t);

    for (size_t i = 0; !path && i < 4 && tools[t].paths[i]; i++)
        if (access(tools[t].paths[i], X_OK) == 0)
            path = tools[t].paths[i];
    if (!path)
        err_set(e, ERR_NOT_FOUND, CAUSE_INSTALLER, "%s is not on this machine: %s", tools[t].paths[0],
                tools[t].missing);
    return path;
}

bool tool_given(const char *dir, enum tool t)
{
    struct arena *a = arena_open();
    bool given = given_path(a, dir, t) != NULL;
    arena_free(a);
    return given;
}

static const char *find(const char *p, size_t n, const char *what)
{
    size_t k = strlen(what);
    for (size_t i = 0; i + k <= n; i++)
        if (memcmp(p + i, what, k) == 0)
            return p + i;
    return NULL;
}

const struct value *tool_plist(struct arena *a, const char *text, size_t len, struct err *e)
{
    static const char close_tag[] = "</plist>";
    const char *from = text ? find(text, len, "<?xml") : NULL;
    const char *to = from ? find(from, len - (size_t)(from - text), close_tag) : NULL;

    if (!to) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "no property list in its output");
        return NULL;
    }
    return props_decode(a, from, (size_t)(to - from) + sizeof close_tag - 1, e);
}
