/* files: invariants.
 *
 * A path is walked by core/walk.h, so that no link on the way is followed; what is then done is done to a
 * name in an open directory. A file that replaces another is complete, and on the medium where that was asked
 * for, before it takes the name. */
#include "core/files.h"
#include "core/os.h"
#include "core/text.h"
#include "core/walk.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

enum { TRIES = 16 };

int files_root(const char *path, bool create, struct err *e)
{
    char part[LIMIT_PATH + 1];
    size_t n = strlen(path);
    if (path[0] != '/' || n > LIMIT_PATH) {
        err_set(e, ERR_USAGE, CAUSE_INTERNAL, "%s: the root must be an absolute path of at most %d bytes",
                path, LIMIT_PATH);
        return -1;
    }
    for (size_t i = 1; create && i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EISDIR && errno != EROFS) {
            err_sys(e, "cannot make directory %s", part);
            return -1;
        }
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err_sys(e, "%s", path);
    return fd;
}

int files_dir(int dir, const char *path, bool create, mode_t mode, struct err *e)
{
    char norm[LIMIT_PATH + 1];
    if (!walk_normal(norm, path, e))
        return -1;
    int fd = walk_dir(dir, norm, create, mode);
    if (fd < 0)
        err_sys(e, "directory %s", path);
    return fd;
}

int files_parent(int dir, const char *path, bool create, const char **name, struct err *e)
{
    char norm[LIMIT_PATH + 1];
    const char *last;
    *name = text_basename(path);
    if (**name == '\0' || strcmp(*name, ".") == 0) {
        err_set(e, ERR_REFUSED, CAUSE_INTERNAL, "\"%s\" names no file", path);
        return -1;
    }
    return walk_parent(dir, path, create, norm, &last, e);
}

/* --- reading -------------------------------------------------------------------------------------------- */

int files_open(int dir, const char *path, struct err *e)
{
    char norm[LIMIT_PATH + 1];
    const char *name;
    int fd = walk_parent(dir, path, false, norm, &name, e);
    if (fd < 0)
        return -1;
    int file = walk_regular(fd, name, path, e);
    close(fd);
    return file;
}

bool files_read_fd(int fd, struct buf *out, struct err *e)
{
    char some[16384];
    for (;;) {
        ssize_t n = read(fd, some, sizeof some);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "cannot read");
        if (n == 0)
            return true;
        if (!buf_append(out, some, (size_t)n, e))
            return false;
    }
}

bool files_read(int dir, const char *path, struct buf *out, struct err *e)
{
    int fd = files_open(dir, path, e);
    if (fd < 0)
        return false;
    bool ok = files_read_fd(fd, out, e) || err_wrap(e, "%s", path);
    close(fd);
    return ok;
}

bool files_read_at(int fd, off_t at, void *to, size_t n, struct err *e)
{
    char *p = to;
    while (n > 0) {
        ssize_t some = pread(fd, p, n, at);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return err_sys(e, "cannot read");
        if (some == 0)
            return err_set(e, ERR_FORMAT, CAUSE_SIZE, "the file ends too early");
        p += some;
        at += some;
        n -= (size_t)some;
    }
    return true;
}

const char *files_map(int dir, const char *path, size_t max, struct stat *st, int *keep, struct err *e)
{
    void *p = MAP_FAILED;
    int fd = files_open(dir, path, e);
    if (fd < 0)
        return NULL;
    if (fstat(fd, st) != 0)
        err_sys(e, "%s", path);
    else if ((uintmax_t)st->st_size > max)
        err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: longer than %zu bytes", path, max);
    else if (st->st_size == 0)
        p = NULL;
    else if ((p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        err_sys(e, "%s", path);
    if (keep != NULL && p != MAP_FAILED)
        *keep = fd;
    else
        close(fd);
    return p == MAP_FAILED ? NULL : p == NULL ? "" : p;
}

void files_unmap(const char *p, size_t n)
{
    if (p != NULL && n > 0)
        munmap((void *)(uintptr_t)p, n);
}

bool files_stat(int dir, const char *path, struct stat *st, struct err *e)
{
    char norm[LIMIT_PATH + 1];
    const char *name;
    int fd = walk_parent(dir, path, false, norm, &name, e);
    if (fd < 0)
        return false;
    bool ok = fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) == 0 || err_sys(e, "%s", path);
    close(fd);
    return ok;
}

bool files_list(int dir, const char *path, files_entry_fn *fn, void *ctx, struct err *e)
{
    int fd = files_dir(dir, path, false, 0, e);
    if (fd < 0)
        return false;
    struct arena *a = arena_open();
    size_t count = 0;
    char **names = walk_names(a, fd, &count, e);
    bool ok = names || err_wrap(e, "directory %s", path);
    for (size_t i = 0; ok && i < count; i++) {
        struct stat st;
        if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
            if (!fn(ctx, names[i], &st))
                break;
        } else if (errno != ENOENT) { /* gone meanwhile: as if it had not been listed */
            ok = err_sys(e, "%s/%s", path, names[i]);
        }
    }
    arena_free(a);
    close(fd);
    return ok;
}

bool files_free(int dir, unsigned long long *bytes, struct err *e)
{
    struct statvfs v;
    if (fstatvfs(dir, &v) < 0)
        return err_sys(e, "cannot ask for free space");
    *bytes = (unsigned long long)v.f_bavail * v.f_frsize;
    return true;
}

/* --- writing -------------------------------------------------------------------------------------------- */

bool files_write(int fd, const void *p, size_t n, struct err *e)
{
    const char *at = p;
    while (n > 0) {
        ssize_t k = write(fd, at, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(e, "cannot write");
        at += k;
        n -= (size_t)k;
    }
    return true;
}

/* Create name in fd exclusively with exactly mode. -1 with errno. */
static int create_at(int fd, const char *name, mode_t mode)
{
    int file = openat(fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0700);
    if (file >= 0 && fchmod(file, mode) < 0) {
        int saved = errno;
        unlinkat(fd, name, 0);
        close(file);
        errno = saved;
        return -1;
    }
    return file;
}

int files_create(int dir, const char *path, mode_t mode, struct err *e)
{
    char norm[LIMIT_PATH + 1];
    const char *name;
    int fd = walk_parent(dir, path, false, norm, &name, e);
    if (fd < 0)
        return -1;
    int file = create_at(fd, name, mode);
    if (file < 0)
        err_sys(e, "cannot create %s", path);
    close(fd);
    return file;
}

bool files_replace(int dir, const char *path, const void *p, size_t n, mode_t mode, enum files_sync sync,
                   struct err *e)
{
    char norm[LIMIT_PATH + 1], temp[LIMIT_NAME + 1];
    const char *name;
    int fd = walk_parent(dir, path, true, norm, &name, e), file = -1;
    bool ok = false, made = false;
    if (fd < 0 || walk_is_root(name, path, e))
        goto out;
    for (int i = 0; file < 0 && i < TRIES; i++) {
        walk_random_name(temp, sizeof temp, WALK_TEMP);
        file = create_at(fd, temp, mode);
        if (file < 0 && errno != EEXIST)
            break;
    }
    if (file < 0) {
        err_sys(e, "cannot create a file beside %s", path);
        goto out;
    }
    made = true;
    if (!files_write(file, p, n, e) || (sync == FILES_DURABLE && !os_sync(file, OS_SYNC_MEDIUM, e))) {
        err_wrap(e, "%s", path);
        goto out;
    }
    if (renameat(fd, temp, fd, name) < 0) {
        err_sys(e, "cannot replace %s", path);
        goto out;
    }
    made = false;
    ok = sync == FILES_LAZY || os_sync(fd, OS_SYNC_MEDIUM, e) || err_wrap(e, "directory of %s", path);
out:
    if (made)
        unlinkat(fd, temp, 0);
    if (file >= 0)
        close(file);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool files_rename(int dir, const char *from, const char *to, struct err *e)
{
    char norm_from[LIMIT_PATH + 1], norm_to[LIMIT_PATH + 1];
    const char *name_from, *name_to;
    int fd_to = -1, fd_from = walk_parent(dir, from, false, norm_from, &name_from, e);
    bool ok = false;
    if (fd_from < 0 || walk_is_root(name_from, from, e))
        goto out;
    fd_to = walk_parent(dir, to, true, norm_to, &name_to, e);
    if (fd_to < 0 || walk_is_root(name_to, to, e))
        goto out;
    ok = renameat(fd_from, name_from, fd_to, name_to) == 0 || err_sys(e, "cannot rename %s to %s", from, to);
out:
    if (fd_to >= 0)
        close(fd_to);
    if (fd_from >= 0)
        close(fd_from);
    return ok;
}

int files_temp_dir(int dir, const char *above, const char *prefix, char *out, size_t size, struct err *e)
{
    char norm[LIMIT_PATH + 1], name[LIMIT_NAME + 1];
    int made = -1;
    if (!walk_normal(norm, above, e))
        return -1;
    int fd = walk_dir(dir, norm, true, 0755);
    if (fd < 0) {
        err_sys(e, "directory %s", above);
        return -1;
    }
    for (int i = 0; i < TRIES; i++) {
        walk_random_name(name, sizeof name, prefix);
        if (mkdirat(fd, name, 0700) == 0) {
            made = walk_dir_at(fd, name);
            break;
        }
        if (errno != EEXIST)
            break;
    }
    if (made < 0)
        err_sys(e, "cannot make a temporary directory in %s", above);
    close(fd);
    int n = snprintf(out, size, "%s%s%s", norm, norm[0] ? "/" : "", name);
    if (made >= 0 && (n < 0 || (size_t)n >= size)) {
        err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: too long a path for a temporary directory", above);
        close(made);
        return -1;
    }
    return made;
}
