/* walk: invariants.
 *
 * After walk_normal a path has only names: each directory on the way is opened by its own name without
 * following a link. Linux answers such an open of a link with ENOTDIR, which would read as "not there": it is
 * told apart and becomes ELOOP, so that a planted link never looks like an absence. */
#include "core/walk.h"
#include "core/os.h"
#include "core/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

bool walk_is_private(const char *name)
{
    return strcmp(name, "var") == 0 || strcmp(name, "etc") == 0 || strcmp(name, "tmp") == 0;
}

bool walk_component(const char **p, char name[LIMIT_NAME + 1])
{
    errno = 0;
    for (;;) {
        while (**p == '/')
            ++*p;
        size_t n = strcspn(*p, "/");
        if (n == 0)
            return false;
        if (n > LIMIT_NAME) {
            errno = ENAMETOOLONG;
            return false;
        }
        bool dot = n == 1 && **p == '.';
        memcpy(name, *p, n);
        name[n] = '\0';
        *p += n;
        if (!dot)
            return true;
    }
}

bool walk_join(char out[LIMIT_PATH + 1], const char *name)
{
    size_t at = strlen(out), n = strlen(name), slash = at > 0;
    if (at + slash + n > LIMIT_PATH) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (slash)
        out[at++] = '/';
    memcpy(out + at, name, n + 1);
    return true;
}

bool walk_normal(char out[LIMIT_PATH + 1], const char *path, struct err *e)
{
    char name[LIMIT_NAME + 1];
    const char *p = path;
    out[0] = '\0';
    while (walk_component(&p, name)) {
        if (strcmp(name, "..") == 0)
            return err_set(e, ERR_REFUSED, CAUSE_FORMAT, "%s: a path must not hold \"..\"", path);
        if (out[0] == '\0' && walk_is_private(name))
            memcpy(out, "private", sizeof "private");
        if (!walk_join(out, name))
            return err_sys(e, "%s", path);
    }
    return errno == 0 || err_sys(e, "%s", path);
}

/* Open directory name in fd, telling a link from something that is no directory. -1 with errno. */
int walk_dir_at(int fd, const char *name)
{
    int sub = openat(fd, name, OPEN_DIR);
    struct stat st;
    if (sub < 0 && errno == ENOTDIR) {
        bool link = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        errno = link ? ELOOP : ENOTDIR;
    }
    return sub;
}

/* Make directory name in fd with exactly mode, or take the one that is there. -1 with errno. The mode is
 * right from the first moment wherever the umask lets it: who is killed before a second step leaves a
 * directory that nobody will ever mend. */
static int make_dir_at(int fd, const char *name, mode_t mode)
{
    struct stat st;
    bool made = mkdirat(fd, name, mode) == 0;
    if (!made && errno != EEXIST)
        return -1;
    int sub = walk_dir_at(fd, name);
    if (sub >= 0 && made &&
        (fstat(sub, &st) < 0 || ((st.st_mode & 07777) != mode && fchmod(sub, mode) < 0))) {
        int saved = errno;
        close(sub);
        errno = saved;
        return -1;
    }
    return sub;
}

/* Open directory path, which is in normal form, below dir. -1 with errno. */
int walk_dir(int dir, const char *path, bool create, mode_t mode)
{
    char name[LIMIT_NAME + 1];
    const char *p = path;
    int fd = openat(dir, ".", OPEN_DIR);
    while (fd >= 0 && walk_component(&p, name)) {
        int sub = walk_dir_at(fd, name);
        if (sub < 0 && errno == ENOENT && create)
            sub = make_dir_at(fd, name, *p ? 0755 : mode);
        int saved = errno;
        close(fd);
        errno = saved;
        fd = sub;
    }
    return fd;
}

/* The parent of path; norm receives the normal form, *last points at its last component. Without a component
 * (path is dir itself) the parent is dir and the name ".". */
int walk_parent(int dir, const char *path, bool create, char norm[LIMIT_PATH + 1], const char **last,
                struct err *e)
{
    if (!walk_normal(norm, path, e))
        return -1;
    char above[LIMIT_PATH + 1] = "";
    const char *slash = strrchr(norm, '/');
    *last = slash ? slash + 1 : norm[0] ? norm : ".";
    if (slash)
        memcpy(above, norm, (size_t)(slash - norm));
    int fd = walk_dir(dir, above, create, 0755);
    if (fd < 0)
        err_sys(e, "%s", path);
    return fd;
}

bool walk_is_root(const char *name, const char *path, struct err *e)
{
    if (strcmp(name, ".") != 0)
        return false;
    err_set(e, ERR_REFUSED, CAUSE_INTERNAL, "\"%s\" names the root itself", path);
    return true;
}

/* Open name in fd for reading if it is a regular file. O_NONBLOCK: a fifo must not make us wait. */
int walk_regular(int fd, const char *name, const char *path, struct err *e)
{
    struct stat st;
    int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) {
        err_sys(e, "%s", path);
        return -1;
    }
    if (fstat(file, &st) < 0) {
        err_sys(e, "%s", path);
    } else if (S_ISREG(st.st_mode)) {
        return file;
    } else {
        err_set(e, ERR_SYS, CAUSE_INTERNAL, "%s: not a regular file", path);
    }
    close(file);
    return -1;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool skipped(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* All names in directory fd, sorted; the array has *count elements. */
char **walk_names(struct arena *a, int fd, size_t *count, struct err *e)
{
    size_t room = 64, n = 0;
    char **names = arena_array(a, room, sizeof *names);
    int own = openat(fd, ".", OPEN_DIR); /* closedir closes its own, and the offset is its own too */
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (!d) {
        err_sys(e, "cannot list");
        if (own >= 0)
            close(own);
        return NULL;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(d)); errno = 0) {
        if (skipped(entry->d_name))
            continue;
        if (n == LIMIT_PAYLOAD_FILES) {
            err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d entries", LIMIT_PAYLOAD_FILES);
            closedir(d);
            return NULL;
        }
        if (n == room) {
            char **more = arena_array(a, room *= 2, sizeof *names);
            memcpy(more, names, n * sizeof *names);
            names = more;
        }
        names[n++] = arena_strdup(a, entry->d_name);
    }
    bool ok = errno == 0 || err_sys(e, "cannot list");
    closedir(d);
    if (!ok)
        return NULL;
    qsort(names, n, sizeof *names, by_bytes);
    *count = n;
    return names;
}

void walk_random_name(char *out, size_t size, const char *before)
{
    unsigned char r[8];
    char digits[2 * sizeof r + 1];
    os_random(r, sizeof r);
    text_hex(digits, r, sizeof r);
    snprintf(out, size, "%s%s", before, digits);
}
