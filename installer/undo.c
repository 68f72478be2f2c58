/* A line of the file: a letter, numbers where it has some, a space, the path.
 *   n PATH            made          d PATH      directory made on the way
 *   o N PATH          kept as N     m MODE UID GID PATH
 * A line whose act did not follow (the process died between) does no harm: what was not made is not there,
 * what was not kept has no file N. A last line without its newline was never acted upon. */
#include "installer/undo.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME      "undo"
#define KEPT      "kept"
#define FILE_MAX  (LIMIT_PAYLOAD_FILES * (size_t)(LIMIT_PATH + 64))
#define NUMBER    24
#define DISCARDED "new-"

struct undo {
    int folder, fd, kept;
    unsigned long next;
};

struct undo *undo_open(int folder, struct err *e)
{
    struct undo *u = arena_heap(NULL, sizeof *u);
    *u = (struct undo){.folder = folder, .kept = -1};
    u->fd = openat(folder, NAME, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (u->fd < 0 || mkdirat(folder, KEPT, 0700) != 0 ||
        (u->kept = openat(folder, KEPT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
        err_sys(e, "cannot prepare to take the move back");
        undo_free(u);
        return NULL;
    }
    return u;
}

void undo_free(struct undo *u)
{
    if (u == NULL)
        return;
    if (u->fd >= 0)
        close(u->fd);
    if (u->kept >= 0)
        close(u->kept);
    free(u);
}

static bool say(struct undo *u, const char *what, const char *path, struct err *e)
{
    char line[2 * LIMIT_PATH + 128];
    int n = snprintf(line, sizeof line, "%s %s\n", what, path);
    if (n < 0 || (size_t)n >= sizeof line || strchr(path, '\n') != NULL)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a path of the package is too long");
    return files_write(u->fd, line, (size_t)n, e);
}

bool undo_new(struct undo *u, const char *path, struct err *e)
{
    return say(u, "n", path, e);
}

bool undo_directory(struct undo *u, const char *path, struct err *e)
{
    return say(u, "d", path, e);
}

bool undo_mode(struct undo *u, const char *path, const struct stat *st, struct err *e)
{
    char what[64];
    snprintf(what, sizeof what, "m %o %lu %lu", (unsigned)st->st_mode & 07777, (unsigned long)st->st_uid,
             (unsigned long)st->st_gid);
    return say(u, what, path, e);
}

bool undo_old(struct undo *u, int dir, const char *name, const char *path, struct err *e)
{
    char what[NUMBER + 4], *number = what + 2;
    struct stat st;
    snprintf(what, sizeof what, "o %lu", u->next++);
    if (!say(u, what, path, e))
        return false;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(e, "%s", path);
    /* a second name keeps the first where it is until it is replaced in one step */
    if (!S_ISDIR(st.st_mode) && linkat(dir, name, u->kept, number, 0) == 0)
        return true;
    return renameat(dir, name, u->kept, number) == 0 || err_sys(e, "cannot set %s aside", path);
}

bool undo_done(struct undo *u, struct err *e)
{
    return unlinkat(u->folder, NAME, 0) == 0 || err_sys(e, "the record of the move cannot be closed");
}

/* --- taking it back ----------------------------------------------------------------------------------- */

struct back {
    int root, kept;
    bool any;
};

static bool put_back(struct back *b, const char *number, const char *path, struct err *e)
{
    struct stat st, now;
    const char *name;
    char discarded[NUMBER + sizeof DISCARDED];
    if (b->kept < 0 || fstatat(b->kept, number, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return b->kept < 0 || errno == ENOENT || err_sys(e, "%s", path);
    int dir = files_parent(b->root, path, true, &name, e);
    if (dir < 0)
        return false;
    bool there = fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0, ok = true;
    snprintf(discarded, sizeof discarded, DISCARDED "%s", number);
    if (there && (S_ISDIR(now.st_mode) || S_ISDIR(st.st_mode)))
        ok = renameat(dir, name, b->kept, discarded) == 0;
    ok = (ok && renameat(b->kept, number, dir, name) == 0) || err_sys(e, "cannot put %s back", path);
    b->any = b->any || ok;
    close(dir);
    return ok;
}

static bool take_away(struct back *b, const char *path, bool empty_only, struct err *e)
{
    struct stat st;
    const char *name;
    if (!files_stat(b->root, path, &st, e))
        return e->kind == ERR_NOT_FOUND;
    b->any = true;
    if (!empty_only)
        return files_remove(b->root, path, e);
    int dir = files_parent(b->root, path, false, &name, e);
    if (dir < 0)
        return false;
    bool ok = unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST ||
              err_sys(e, "%s", path);
    close(dir);
    return ok;
}

static bool restore_mode(struct back *b, char *rest, struct err *e)
{
    char *end;
    unsigned long mode = strtoul(rest, &end, 8), uid = strtoul(end, &end, 10), gid = strtoul(end, &end, 10);
    int fd = *end == ' ' ? files_dir(b->root, end + 1, false, 0, e) : -1;
    if (fd < 0)
        return *end == ' ' && e->kind == ERR_NOT_FOUND;
    bool ok = (geteuid() != 0 || fchown(fd, (uid_t)uid, (gid_t)gid) == 0) && fchmod(fd, (mode_t)mode) == 0;
    close(fd);
    b->any = true;
    return ok || err_sys(e, "cannot restore the mode of %s", end + 1);
}

static bool take_back(struct back *b, char *line, struct err *e)
{
    char kind = line[0], *path = line + 2;
    if (kind == '\0' || line[1] != ' ')
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "its record is damaged");
    if (kind == 'm')
        return restore_mode(b, path, e);
    if (kind != 'o')
        return take_away(b, path, kind == 'd', e);
    const char *number = path;
    if (!(path = strchr(path, ' ')) || path - number >= NUMBER || strspn(number, "0123456789") == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "its record is damaged");
    *path++ = '\0';
    return put_back(b, number, path, e);
}

bool undo_roll_back(int root, int folder, bool *any, struct err *e)
{
    struct back b = {.root = root};
    struct err first = {.kind = ERR_NONE}, why = {.kind = ERR_NONE};
    struct buf record;
    *any = false;
    buf_init(&record, FILE_MAX);
    bool ok = files_read(folder, NAME, &record, &why);
    if (!ok && why.kind == ERR_NOT_FOUND) {
        buf_release(&record);
        return true;
    }
    if (!ok)
        first = why;
    b.kept = openat(folder, KEPT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    size_t end = ok ? record.len : 0;
    while (end > 0 && record.data[end - 1] != '\n')
        end--; /* not acted upon */
    while (end > 0) {
        size_t from = --end;
        record.data[end] = '\0';
        while (from > 0 && record.data[from - 1] != '\n')
            from--;
        why.kind = ERR_NONE;
        if (!take_back(&b, record.data + from, &why) && first.kind == ERR_NONE)
            first = why;
        end = from;
    }
    if (first.kind == ERR_NONE && unlinkat(folder, NAME, 0) != 0)
        err_sys(&first, "its record cannot be removed");
    if (b.kept >= 0)
        close(b.kept);
    buf_release(&record);
    *any = b.any;
    if (first.kind == ERR_NONE)
        return true;
    *e = first;
    return err_wrap(e, "taking the move back");
}
