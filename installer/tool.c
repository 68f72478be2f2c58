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
    [TOOL_LAUNCHCTL] = {"launchctl", {"/bin/launchctl"}, "a user's session is entered with it"},
    [TOOL_SUDO] = {"sudo", {"/usr/bin/sudo"}, "a user's session is entered with it"},
    [TOOL_SEVENZIP] = {"7z",
                       {"/usr/bin/7z", "/usr/bin/7zz", "/usr/local/bin/7zz"},
                       "disk images are read with it; install 7-Zip (Debian: p7zip-full or 7zip)"},
    [TOOL_SCUTIL] = {"scutil", {"/usr/sbin/scutil"}, "it knows who is logged in"},
    [TOOL_CAFFEINATE] = {"caffeinate", {"/usr/bin/caffeinate"}, "the Mac is kept awake with it"},
    [TOOL_PMSET] = {"pmset", {"/usr/bin/pmset"}, "it knows the battery"},
    [TOOL_SYSCTL] = {"sysctl", {"/usr/sbin/sysctl"}, "it tells one start of the system from the next"},
    [TOOL_OSASCRIPT] = {"osascript", {"/usr/bin/osascript"}, "the user is asked with it"},
    [TOOL_SHUTDOWN] = {"shutdown", {"/sbin/shutdown"}, "the Mac is restarted with it"},
    [TOOL_OPEN] = {"open", {"/usr/bin/open"}, "a profile is shown to the user with it"},
    [TOOL_SOFTWAREUPDATE] = {"softwareupdate", {"/usr/sbin/softwareupdate"}, "Rosetta is installed with it"},
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

const char *tool_path_here(struct arena *a, const char *dir, bool live, enum tool t, struct err *e)
{
    if (live || tool_given(dir, t))
        return tool_path(a, dir, t, e);
    err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "%s is asked only on a Mac's own /", tools[t].name);
    return NULL;
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
