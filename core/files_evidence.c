/* files_evidence: invariants.
 *
 * Links are read and followed here, name by name, never by the system: so the root's descriptor is the top of
 * the world for an absolute target, and ".." above it stays there. var, etc and tmp at the root are rewritten
 * in targets as they are in paths. */
#include "core/files.h"
#include "core/walk.h"
#include <errno.h>
#include <fcntl.h>

enum { LINKS_MAX = 40 };

struct place {
    int fd;                    /* the directory reached */
    char path[LIMIT_PATH + 1]; /* its path below the root */
};

static void leave(struct place *at, int dir)
{
    if (at->fd >= 0 && at->fd != dir)
        close(at->fd);
}

/* Go to path below the root: dir itself is borrowed for "". errno on failure; the place is then still one
 * that can be left. */
static bool go(struct place *at, int dir, const char *path)
{
    int fd = *path == '\0' ? dir : walk_dir(dir, path, false, 0);
    if (fd < 0)
        return false;
    leave(at, dir);
    at->fd = fd;
    if (path != at->path)
        snprintf(at->path, sizeof at->path, "%s", path);
    return true;
}

static bool go_up(struct place *at, int dir)
{
    char *slash = strrchr(at->path, '/');
    *(slash ? slash : at->path) = '\0';
    return go(at, dir, at->path);
}

static bool go_down(struct place *at, int dir, const char *name)
{
    int sub = walk_dir_at(at->fd, name);
    if (sub < 0 || !walk_join(at->path, name)) {
        if (sub >= 0)
            close(sub);
        return false;
    }
    leave(at, dir);
    at->fd = sub;
    return true;
}

/* Put what the link name says in front of the rest of the way. */
static bool read_link(struct place *at, const char *name, char rest[2 * LIMIT_PATH + 2])
{
    char whole[2 * LIMIT_PATH + 2];
    ssize_t n = readlinkat(at->fd, name, whole, LIMIT_PATH + 1);
    if (n < 0)
        return false;
    size_t left = strlen(rest);
    if (n > LIMIT_PATH || (size_t)n + 1 + left >= sizeof whole) {
        errno = ENAMETOOLONG;
        return false;
    }
    whole[n] = '/';
    memcpy(whole + n + 1, rest, left + 1);
    memcpy(rest, whole, (size_t)n + left + 2);
    return true;
}

/* Follow path to what it finally names: name in at->fd, looked at in *st. False with errno. */
static bool resolve(struct place *at, int dir, const char *norm, char name[LIMIT_NAME + 1], struct stat *st)
{
    char rest[2 * LIMIT_PATH + 2];
    const char *p = rest;
    int links = 0;
    snprintf(rest, sizeof rest, "%s", norm);
    snprintf(name, LIMIT_NAME + 1, ".");
    if (!go(at, dir, ""))
        return false;
    bool more = walk_component(&p, name);
    if (!more)
        return errno == 0 && fstatat(at->fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
    for (;;) {
        if (strcmp(name, "..") == 0) {
            if (!go_up(at, dir))
                return false;
            snprintf(name, LIMIT_NAME + 1, ".");
        } else if (at->path[0] == '\0' && walk_is_private(name) && !go_down(at, dir, "private")) {
            return false;
        }
        if (fstatat(at->fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
            return false;
        if (S_ISLNK(st->st_mode)) {
            if (++links > LINKS_MAX) {
                errno = ELOOP;
                return false;
            }
            memmove(rest, p, strlen(p) + 1);
            if (!read_link(at, name, rest) || (rest[0] == '/' && !go(at, dir, "")))
                return false;
            p = rest;
            snprintf(name, LIMIT_NAME + 1, ".");
        }
        char next[LIMIT_NAME + 1];
        if (!walk_component(&p, next)) {
            /* a link whose target was only a directory above, or nothing: the place itself is meant */
            return errno == 0 && fstatat(at->fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
        }
        if (strcmp(name, ".") != 0 && !go_down(at, dir, name))
            return false;
        memcpy(name, next, strlen(next) + 1);
    }
}

static bool evidence(struct place *at, int dir, const char *path, char name[LIMIT_NAME + 1], struct stat *st,
                     struct err *e)
{
    char norm[LIMIT_PATH + 1];
    *at = (struct place){.fd = -1};
    if (!walk_normal(norm, path, e))
        return false;
    if (resolve(at, dir, norm, name, st))
        return true;
    err_sys(e, "%s", path);
    leave(at, dir);
    return false;
}

bool files_evidence_stat(int dir, const char *path, struct stat *st, char *out_path, struct err *e)
{
    struct place at;
    char name[LIMIT_NAME + 1];
    if (!evidence(&at, dir, path, name, st, e))
        return false;
    bool ok = strcmp(name, ".") == 0 || walk_join(at.path, name) || err_sys(e, "%s", path);
    if (ok && out_path)
        snprintf(out_path, LIMIT_PATH + 1, "%s", at.path);
    leave(&at, dir);
    return ok;
}

int files_evidence_open(int dir, const char *path, struct err *e)
{
    struct place at;
    struct stat st;
    char name[LIMIT_NAME + 1];
    if (!evidence(&at, dir, path, name, &st, e))
        return -1;
    int file = walk_regular(at.fd, name, path, e);
    leave(&at, dir);
    return file;
}
