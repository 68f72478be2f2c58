/* files_remove: invariants.
 *
 * The number of descriptors and of nested calls is bounded whatever the depth of the tree: a directory that
 * lies too deep is first moved up to the tree's own directory, under a name of ours, and met again there. */
#include "core/files.h"
#include "core/os.h"
#include "core/walk.h"
#include <errno.h>
#include <fcntl.h>

enum { REMOVE_DEPTH = 24 };

struct removal {
    int top;   /* the tree's own directory: where what is too deep is moved */
    dev_t dev; /* its volume */
    const char *path;
};

static bool remove_one(struct removal *r, int fd, const char *name, unsigned depth, struct err *e);

/* Remove what is in fd. Some systems skip entries while others are removed, and more may be moved up into
 * the top: look again until there is nothing. */
static bool empty_dir(struct removal *r, int fd, unsigned depth, struct err *e)
{
    for (;;) {
        struct arena *a = arena_open();
        size_t count = 0;
        char **names = walk_names(a, fd, &count, e);
        bool ok = names || err_wrap(e, "%s", r->path);
        for (size_t i = 0; ok && i < count; i++)
            ok = remove_one(r, fd, names[i], depth, e);
        arena_free(a);
        if (!ok || count == 0)
            return ok;
    }
}

/* Open directory name for removal, its owner's rights added where we are that owner. -1 with errno. */
static int open_doomed(int fd, const char *name)
{
    os_clear_flags(fd, name);
    int sub = walk_dir_at(fd, name);
    /* Only for an ordinary user: root never gets EACCES here, and this call would follow a link. */
    if (sub < 0 && errno == EACCES && geteuid() != 0 && fchmodat(fd, name, 0700, 0) == 0)
        sub = walk_dir_at(fd, name);
    if (sub >= 0 && geteuid() != 0)
        (void)!fchmod(sub, 0700);
    return sub;
}

static bool remove_one(struct removal *r, int fd, const char *name, unsigned depth, struct err *e)
{
    char moved[LIMIT_NAME + 1];
    struct stat st;
    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || err_sys(e, "cannot remove %s in %s", name, r->path);
    if (!S_ISDIR(st.st_mode)) {
        os_clear_flags(fd, name);
        return unlinkat(fd, name, 0) == 0 || errno == ENOENT ||
               err_sys(e, "cannot remove %s in %s", name, r->path);
    }
    if (st.st_dev != r->dev)
        return err_set(e, ERR_REFUSED, CAUSE_INTERNAL,
                       "cannot remove %s: another volume is mounted at %s in it", r->path, name);
    if (depth == REMOVE_DEPTH) {
        os_clear_flags(fd, name);
        walk_random_name(moved, sizeof moved, WALK_TEMP);
        return renameat(fd, name, r->top, moved) == 0 || err_sys(e, "cannot move %s in %s", name, r->path);
    }
    int sub = open_doomed(fd, name);
    if (sub < 0)
        return err_sys(e, "cannot open %s in %s", name, r->path);
    if (depth == 0)
        r->top = sub;
    bool ok = fstat(sub, &st) == 0 && st.st_dev == r->dev;
    if (!ok)
        err_set(e, ERR_REFUSED, CAUSE_INTERNAL, "cannot remove %s: %s in it was replaced meanwhile", r->path,
                name);
    ok = ok && empty_dir(r, sub, depth + 1, e);
    close(sub);
    return ok && (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
                  err_sys(e, "cannot remove %s in %s", name, r->path));
}

bool files_remove(int dir, const char *path, struct err *e)
{
    char norm[LIMIT_PATH + 1];
    const char *name;
    struct err why;
    struct stat st;
    int fd = walk_parent(dir, path, false, norm, &name, &why);
    if (fd < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return true;
        if (e)
            *e = why;
        return false;
    }
    bool ok = !walk_is_root(name, path, e) && (fstat(fd, &st) == 0 || err_sys(e, "%s", path));
    struct removal r = {.top = -1, .dev = ok ? st.st_dev : 0, .path = path};
    ok = ok && remove_one(&r, fd, name, 0, e);
    close(fd);
    return ok;
}

struct sweep {
    int fd;
    bool ok;
    struct err *e;
};

static bool sweep_one(void *ctx, const char *name, const struct stat *st)
{
    struct sweep *s = ctx;
    size_t n = strlen(WALK_TEMP);
    if (S_ISREG(st->st_mode) && strncmp(name, WALK_TEMP, n) == 0 &&
        strspn(name + n, "0123456789abcdef") == WALK_TEMP_DIGITS && name[n + WALK_TEMP_DIGITS] == '\0')
        s->ok = unlinkat(s->fd, name, 0) == 0 || err_sys(s->e, "cannot remove %s", name);
    return s->ok;
}

bool files_sweep(int dir, const char *path, struct err *e)
{
    struct err why;
    int fd = files_dir(dir, path, false, 0, &why);
    if (fd < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return true;
        if (e)
            *e = why;
        return false;
    }
    struct sweep s = {.fd = fd, .ok = true, .e = e};
    bool ok = files_list(fd, "", sweep_one, &s, e) && s.ok;
    close(fd);
    return ok;
}
