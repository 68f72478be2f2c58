/* watchfile: see the header. A file that vanished is made again (0644). */
#include "agent/watchfile.h"
#include "core/arena.h"
#include "core/files.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>

#define LINE_MAX_BYTES 1024

struct watchfile {
    struct arena *arena;
    int dir; /* of the file */
    const char *name;
    int fd;
    dev_t dev;
    ino_t ino;
    off_t size; /* after our last line: a smaller file was cut by its reader */
};

static bool reopen(struct watchfile *w, struct err *e)
{
    struct stat st;
    int fd =
        openat(w->dir, w->name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd < 0) {
        return err_sys(e, "%s", w->name);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
        close(fd); /* a second name, planted where everybody may write, could be any file of root's */
        return err_set(e, ERR_REFUSED, CAUSE_DISK, "%s is not a regular file with this one name", w->name);
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = fd;
    w->dev = st.st_dev;
    w->ino = st.st_ino;
    w->size = st.st_size;
    return true;
}

struct watchfile *watchfile_open(int root, const char *path, enum watchfile_start start, struct err *e)
{
    struct arena *a = arena_open();
    struct watchfile *w = arena_alloc(a, sizeof *w);
    const char *name;
    struct stat st;
    w->arena = a;
    w->fd = -1;
    w->dir = files_parent(root, path, true, &name, e);
    if (w->dir < 0) {
        err_wrap(e, "%s", path);
        goto fail;
    }
    w->name = arena_strdup(a, name);
    if (start != WATCHFILE_APPEND && fstatat(w->dir, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))) {
        char *old = arena_printf(a, "%s.1", w->name);
        int rc = start == WATCHFILE_ROTATE && S_ISREG(st.st_mode) ? renameat(w->dir, w->name, w->dir, old)
                                                                  : unlinkat(w->dir, w->name, 0);
        if (rc != 0) {
            err_sys(e, "%s", path);
            goto fail;
        }
    }
    if (!reopen(w, e)) {
        err_wrap(e, "%s", path);
        goto fail;
    }
    return w;
fail:
    watchfile_free(w);
    return NULL;
}

void watchfile_free(struct watchfile *w)
{
    if (w == NULL) {
        return;
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->dir >= 0) {
        close(w->dir);
    }
    arena_free(w->arena);
}

static ssize_t write_once(int fd, const char *p, size_t n)
{
    ssize_t r;
    do {
        r = write(fd, p, n);
    } while (r < 0 && errno == EINTR);
    return r;
}

bool watchfile_line(struct watchfile *w, const char *line, bool *reopened)
{
    char out[LINE_MAX_BYTES + 1];
    struct stat st;
    size_t n = 0;
    if (reopened != NULL) {
        *reopened = false;
    }
    for (; line[n] != '\0' && n < LINE_MAX_BYTES - 1; n++) {
        unsigned char c = (unsigned char)line[n];
        out[n] = c < 0x20 || c == 0x7f ? ' ' : line[n];
    }
    if (line[n] != '\0') {
        while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80) {
            n--; /* not in the middle of a character */
        }
    }
    out[n++] = '\n';
    if (fstatat(w->dir, w->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != w->dev ||
        st.st_ino != w->ino) {
        if (!reopen(w, NULL)) {
            return false;
        }
        if (reopened != NULL) {
            *reopened = true;
        }
    } else if (st.st_size < w->size && reopened != NULL) {
        *reopened = true;
    }
    ssize_t r = write_once(w->fd, out, n);
    if (r >= 0 && (size_t)r < n) {
        if (r > 0 && write_once(w->fd, "\n", 1) != 1) {
            return false;
        }
        r = write_once(w->fd, out, n);
    }
    w->size = fstat(w->fd, &st) == 0 ? st.st_size : 0;
    return r == (ssize_t)n;
}
