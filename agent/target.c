/* Whatever we write lies below a descriptor opened here; nothing else in the agent opens a directory by an
 * absolute path. Munki's directory is told from ours by device and inode, because names can be links. */
#include "agent/target.h"

#include "core/files.h"
#include "core/log.h"
#include "core/os.h"

#include <errno.h>
#include <fcntl.h>

static const char munki_program[] = "usr/local/munki/managedsoftwareupdate";

static bool any_entry(void *ctx, const char *name, const struct stat *st)
{
    (void)name;
    (void)st;
    *(bool *)ctx = true;
    return false;
}

/* A Mac's three links, so that what is installed below an empty root finds /var, /etc and /tmp. */
static bool furnish(int root, struct err *e)
{
    static const char *const names[] = {"var", "etc", "tmp"};
    bool used = false;
    if (!files_list(root, "", any_entry, &used, e))
        return false;
    if (used)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char link[32];
        snprintf(link, sizeof link, "private/%s", names[i]);
        int fd = files_dir(root, link, true, 0755, e);
        if (fd < 0)
            return false;
        close(fd);
        if (symlinkat(link, root, names[i]) != 0 && errno != EEXIST)
            return err_sys(e, "link /%s", names[i]);
    }
    return true;
}

static void clear(struct target *t)
{
    memset(t, 0, sizeof *t);
    t->root = t->data = t->manifests = t->catalogs = t->cache = t->state = -1;
    t->opened = true;
}

/* Only what works on a target may make it; looking at one that is not there is an error. */
static bool makes(const struct options *o)
{
    return !o->dry_run && o->command != NULL &&
           (strcmp(o->command, "run") == 0 || strcmp(o->command, "check") == 0);
}

bool target_open(struct arena *a, const struct options *o, struct target *t, struct err *e)
{
    struct stat st;
    clear(t);
    bool elsewhere = strcmp(o->root, "/") != 0;
    if (!elsewhere && !os_is_darwin())
        return err_set(e, ERR_USAGE, CAUSE_NONE, "on this system a target is needed: give --root DIR");
    t->root_path = arena_strdup(a, o->root);
    t->live = o->live;
    t->root = files_root(o->root, elsewhere && makes(o), e);
    if (t->root < 0 || (elsewhere && makes(o) && !furnish(t->root, e))) {
        target_close(t);
        return err_wrap(e, "--root %s", o->root);
    }
    t->munki = files_stat(t->root, munki_program, &st, &(struct err){0}) && S_ISREG(st.st_mode);
    return true;
}

static bool same_dir(int root, const char *path, int dir)
{
    struct stat a, b;
    return files_evidence_stat(root, path, &a, NULL, NULL) && fstat(dir, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static bool same_path(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "/");
        b += strspn(b, "/");
        size_t n = strcspn(a, "/");
        if (n != strcspn(b, "/") || strncmp(a, b, n) != 0)
            return false;
        if (n == 0)
            return true;
        a += n;
        b += n;
    }
}

static bool refuse_munki(const char *path, struct err *e)
{
    return err_set(e, ERR_REFUSED, CAUSE_NONE,
                   "ManagedInstallDir %s is Munki's own directory: each of the two needs its own", path);
}

static bool trusted(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(e, "%s", path);
    if (st.st_uid != 0 || (st.st_mode & 022) != 0)
        return err_set(e, ERR_REFUSED, CAUSE_NONE,
                       "%s: others than root may write there: chown root:wheel, chmod 755", path);
    return true;
}

static bool open_one(struct target *t, const char *base, const char *name, bool create, mode_t mode, int *fd,
                     struct arena *a, struct err *e)
{
    const char *path = name == NULL ? base : arena_printf(a, "%s/%s", base, name);
    struct err why;
    *fd = files_dir(t->root, path, create, mode, &why);
    if (*fd >= 0)
        return true;
    if (!create && why.kind == ERR_NOT_FOUND)
        return true;
    if (e != NULL)
        *e = why;
    return err_wrap(e, "%s", path);
}

/* Caches come back by themselves: Time Machine need not keep them. Best effort. */
static void exclude_from_backup(struct arena *a, int fd)
{
    struct err e;
    struct buf plist;
    buf_init(&plist, 1024);
    if (!props_encode_binary(value_new_str(a, "com.apple.backupd"), &plist, &e) ||
        !os_xattr_set(fd, "com.apple.metadata:com_apple_backup_excludeItem", plist.data, plist.len, &e))
        log_debug("Cache stays in backups: %s", e.text);
    buf_release(&plist);
}

bool target_dirs(struct arena *a, const struct options *o, const struct prefs *p, enum target_use use,
                 struct target *t, struct err *e)
{
    const char *path = p->managed_install_dir;
    bool shared = strcmp(o->root, "/") != 0 && o->prefs != NULL;
    bool make = use != TARGET_READ;
    t->data_path = path;
    if (!shared && (same_path(path, p->munki_dir) || same_path(path, "/Library/Managed Installs")))
        return refuse_munki(path, e);
    if (!open_one(t, path, NULL, make, 0755, &t->data, a, e))
        return false;
    if (t->data < 0)
        return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "%s is not there: nothing was decided on this Mac yet",
                       path);
    if (!shared &&
        (same_dir(t->root, p->munki_dir, t->data) || same_dir(t->root, "/Library/Managed Installs", t->data)))
        return refuse_munki(path, e);
    if (t->live && make && !trusted(t->data, path, e))
        return false;
    if (!open_one(t, path, "manifests", make, 0755, &t->manifests, a, e) ||
        !open_one(t, path, "catalogs", make, 0755, &t->catalogs, a, e) ||
        !open_one(t, path, "Cache", use == TARGET_RUN, 0700, &t->cache, a, e))
        return false;
    if (use == TARGET_RUN && t->live)
        exclude_from_backup(a, t->cache);
    if (use == TARGET_CHECK)
        return true;
    return open_one(t, TARGET_STATE, NULL, use == TARGET_RUN, 0755, &t->state, a, e);
}

const char *target_path(struct arena *a, const struct target *t, const char *path)
{
    path += strspn(path, "/");
    return arena_printf(a, "%s%s%s", t->root_path, strcmp(t->root_path, "/") == 0 ? "" : "/", path);
}

void target_close(struct target *t)
{
    int *const fds[] = {&t->root, &t->data, &t->manifests, &t->catalogs, &t->cache, &t->state};
    if (!t->opened)
        return;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}
