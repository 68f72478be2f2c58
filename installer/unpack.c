/* Invariants: stack[0] is the directory given; stack[k] the open descriptor of the first ends[k] bytes of
 * here, each opened from the one below with O_NOFOLLOW, so no path is ever walked twice or through a link.
 * Members come sorted by directory as a rule, which makes the stack a cache that nearly always hits.
 *
 * Every path unpacked has an entry in paths, where two names that a Mac takes for one meet.
 *
 * Hard links: several files with one (dev, ino) and nlink > 1; the data is with the first, the last, or all.
 * Writers number inodes in 18 bits, so the pair alone proves nothing: sizes must agree, and where both carry
 * data, its checksum. */
#include "installer/unpack.h"
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/bom.h"
#include "installer/pathset.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TICK_BYTES   (1024 * (uint64_t)1024)
#define TICK_MEMBERS 256
#define SETID        06000u

struct directory { /* to be finished at the end */
    struct directory *before;
    const char *path;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    int64_t mtime;
};

struct inode { /* a file that others may link to; path NULL: free */
    uint64_t dev, ino, size;
    const char *path;
    unsigned mode;
    uint32_t sum;
};

struct unpack {
    const struct unpack_rules *rules;
    struct unpack_count count;
    struct arena *arena;
    mode_t umask;

    int stack[LIMIT_PAYLOAD_DEPTH + 1];
    size_t ends[LIMIT_PAYLOAD_DEPTH + 1];
    unsigned depth;
    char here[LIMIT_PATH + 1];

    struct pathset paths;
    struct inode *inodes;
    size_t inode_cap, inode_used;
    struct directory *last;

    bool probed; /* default_uid and default_gid are what new files get without fchown */
    uid_t default_uid;
    gid_t default_gid;
    uint64_t tick_bytes, seen_members;
};

static bool refuse(struct err *e, const char *path, const char *why)
{
    char shown[256];
    text_printable_into(shown, sizeof shown, path, strlen(path));
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "\"%s\" %s", shown, why);
}

static bool failed(struct err *e, const char *path)
{
    char shown[256];
    if (errno == EEXIST)
        return refuse(e, path, "is in the archive twice");
    if (errno == ENOTDIR || errno == ELOOP)
        return refuse(e, path, "lies beneath a file or link of the same archive");
    text_printable_into(shown, sizeof shown, path, strlen(path));
    return err_sys(e, "cannot unpack \"%s\"", shown);
}

/* --- directories -------------------------------------------------------------------------------------- */

static void pop_to(struct unpack *u, unsigned depth)
{
    while (u->depth > depth)
        close(u->stack[u->depth--]);
    u->here[u->ends[depth]] = '\0';
}

/* Make the directory of path's first n bytes, which its parent's descriptor says is not there. */
static bool make_implied(struct unpack *u, const char *path, size_t n, const char *name, struct err *e)
{
    bool fresh;
    struct pathset_entry *s = pathset_note(&u->paths, path, n, &fresh);
    if (!fresh)
        return refuse(e, path, "lies in a directory whose name differs from another's only in case or form");
    s->type = PATHSET_DIRECTORY;
    s->implied = true;
    return mkdirat(u->stack[u->depth], name, 0755) == 0 || failed(e, path);
}

/* Make the stack end at the directory of path's first n bytes. */
static bool enter(struct unpack *u, const char *path, size_t n, bool make, struct err *e)
{
    unsigned k = u->depth;
    while (k > 0 && (u->ends[k] > n || memcmp(u->here, path, u->ends[k]) != 0 ||
                     (u->ends[k] < n && path[u->ends[k]] != '/')))
        k--;
    pop_to(u, k);
    while (u->ends[u->depth] < n) {
        char name[LIMIT_NAME + 1];
        size_t from = u->ends[u->depth] + (u->depth > 0), to = from;
        while (to < n && path[to] != '/')
            to++;
        memcpy(name, path + from, to - from);
        name[to - from] = '\0';
        int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        int fd = openat(u->stack[u->depth], name, flags);
        if (fd < 0 && errno == ENOENT && make) {
            if (!make_implied(u, path, to, name, e))
                return false;
            fd = openat(u->stack[u->depth], name, flags);
        }
        if (fd < 0)
            return failed(e, path);
        u->depth++;
        u->stack[u->depth] = fd;
        u->ends[u->depth] = to;
        memcpy(u->here, path, to);
        u->here[to] = '\0';
    }
    return true;
}

/* The open parent of path; *name its last component. -1: *e is set. */
static int parent_of(struct unpack *u, const char *path, const char **name, struct err *e)
{
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (!enter(u, path, slash != NULL ? (size_t)(slash - path) : 0, true, e))
        return -1;
    return u->stack[u->depth];
}

/* --- modes -------------------------------------------------------------------------------------------- */

static bool keeps_setid(const struct unpack *u, const char *path)
{
    const struct unpack_rules *r = u->rules;
    size_t n = r->keep_setid_count > 0 ? strlen(r->location) : 0;
    if (n == 1)
        n = 0; /* "/" */
    for (size_t i = 0; i < r->keep_setid_count; i++) {
        const char *s = r->keep_setid[i];
        if (strncmp(s, r->location, n) == 0 && s[n] == '/' && strcmp(s + n + 1, path) == 0)
            return true;
    }
    return false;
}

/* The mode m gets, dropped bits counted. */
static mode_t mode_for(struct unpack *u, const struct cpio_member *m)
{
    bool dir = m->type == CPIO_DIRECTORY;
    unsigned mode = m->mode;
    if (u->rules->private_files)
        return (mode_t)((mode & 0700) | (dir ? 0700u : 0400u));
    if ((mode & SETID) != 0 && !keeps_setid(u, m->path)) {
        mode &= ~SETID;
        u->count.setid_dropped++;
    }
    return (mode_t)(dir ? mode : mode & ~01000u);
}

/* fd was just made with the permission bits of mode: set what that could not. */
static bool finish_file(struct unpack *u, const struct cpio_member *m, int fd, mode_t mode)
{
    if (!u->probed) {
        struct stat st;
        if (fstat(fd, &st) != 0)
            return false;
        u->default_uid = st.st_uid;
        u->default_gid = st.st_gid;
        u->probed = true;
    }
    if (u->rules->owners && (m->uid != u->default_uid || m->gid != u->default_gid) &&
        fchown(fd, (uid_t)m->uid, (gid_t)m->gid) != 0)
        return false;
    if ((mode & SETID) != 0 && fchmod(fd, mode) != 0)
        return false;
    struct timespec times[2] = {{.tv_sec = (time_t)m->mtime}, {.tv_sec = (time_t)m->mtime}};
    return futimens(fd, times) == 0;
}

/* --- files -------------------------------------------------------------------------------------------- */

static void tick(struct unpack *u, size_t n)
{
    u->tick_bytes += n;
    if (u->rules->tick != NULL && u->tick_bytes >= TICK_BYTES) {
        u->tick_bytes = 0;
        u->rules->tick(u->rules->ctx);
    }
}

static struct inode *inode_slot(struct inode *table, size_t cap, uint64_t dev, uint64_t ino)
{
    size_t i = (size_t)((dev * 31 + ino) * 0x9e3779b97f4a7c15u >> 32) & (cap - 1);
    while (table[i].path != NULL && (table[i].dev != dev || table[i].ino != ino))
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static struct inode *inode_of(struct unpack *u, const struct cpio_member *m)
{
    if ((u->inode_used + 1) * 4 > u->inode_cap * 3) {
        size_t cap = u->inode_cap == 0 ? 64 : u->inode_cap * 2;
        struct inode *table = arena_heap(NULL, cap * sizeof *table);
        memset(table, 0, cap * sizeof *table);
        for (size_t i = 0; i < u->inode_cap; i++)
            if (u->inodes[i].path != NULL)
                *inode_slot(table, cap, u->inodes[i].dev, u->inodes[i].ino) = u->inodes[i];
        free(u->inodes);
        u->inodes = table;
        u->inode_cap = cap;
    }
    return inode_slot(u->inodes, u->inode_cap, m->dev, m->ino);
}

/* Make path's parent's entry name one more link to first. */
static bool link_to(struct unpack *u, const struct inode *first, const char *path, struct err *e)
{
    const char *name, *first_name;
    int dir = parent_of(u, first->path, &first_name, e);
    if (dir < 0)
        return false;
    int from = dup(dir);
    if (from < 0)
        return failed(e, path);
    dir = parent_of(u, path, &name, e);
    bool ok = dir >= 0 && (linkat(from, first_name, dir, name, 0) == 0 || failed(e, path));
    close(from);
    return ok;
}

/* The data of m into fd; size and sum into s. */
static bool write_data(struct unpack *u, struct cpio *c, const struct cpio_member *m, int fd,
                       struct pathset_entry *s, struct err *e)
{
    const void *piece;
    size_t n;
    uint32_t sum = 0;
    for (;;) {
        if (!cpio_data(c, &piece, &n, e))
            return false;
        if (n == 0)
            break;
        if (!files_write(fd, piece, n, e))
            return err_wrap(e, "%s", m->path);
        sum = bom_sum(sum, piece, n);
        u->count.bytes += n;
        tick(u, n);
    }
    s->size = m->size;
    s->sum = bom_sum_end(sum, m->size);
    s->checked = true;
    return true;
}

static bool new_file(struct unpack *u, struct cpio *c, const struct cpio_member *m, mode_t mode,
                     struct pathset_entry *s, struct err *e)
{
    const char *name;
    int dir = parent_of(u, m->path, &name, e);
    if (dir < 0)
        return false;
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
    if (fd < 0)
        return failed(e, m->path);
    bool ok = write_data(u, c, m, fd, s, e);
    if (ok && !finish_file(u, m, fd, mode))
        ok = failed(e, m->path);
    if (close(fd) != 0 && ok)
        ok = failed(e, m->path);
    return ok;
}

/* The data that follows the first of several links, which had none: all of them share it. */
static bool late_data(struct unpack *u, struct cpio *c, const struct cpio_member *m, struct inode *first,
                      struct pathset_entry *s, struct err *e)
{
    const char *name;
    if (!link_to(u, first, m->path, e))
        return false;
    int dir = parent_of(u, m->path, &name, e);
    if (dir < 0)
        return false;
    int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(e, m->path);
    bool ok = write_data(u, c, m, fd, s, e);
    if (ok && !finish_file(u, m, fd, (mode_t)first->mode))
        ok = failed(e, m->path);
    if (close(fd) != 0 && ok)
        ok = failed(e, m->path);
    first->size = s->size;
    first->sum = s->sum;
    struct pathset_entry *f = pathset_find(&u->paths, first->path, strlen(first->path));
    if (f != NULL)
        f->checked = false; /* its Bom entry may tell either size */
    return ok;
}

static bool linked_file(struct unpack *u, struct cpio *c, const struct cpio_member *m, mode_t mode,
                        struct pathset_entry *s, struct err *e)
{
    struct inode *first = inode_of(u, m);
    if (first->path == NULL) {
        if (!new_file(u, c, m, mode, s, e))
            return false;
        *first = (struct inode){.dev = m->dev,
                                .ino = m->ino,
                                .size = m->size,
                                .path = arena_strdup(u->arena, m->path),
                                .mode = mode,
                                .sum = s->sum};
        u->inode_used++;
        return true;
    }
    if ((first->mode & 0777) != (mode & 0777))
        return new_file(u, c, m, mode, s, e);
    if (first->mode != mode) { /* only one of the names may keep its set-id bits: then none does */
        const char *name;
        int dir = parent_of(u, first->path, &name, e);
        if (dir < 0)
            return false;
        if (fchmodat(dir, name, first->mode & 0777, 0) != 0)
            return failed(e, first->path);
        u->count.setid_dropped++;
        first->mode &= 0777;
    }
    if (m->size == 0) {
        s->size = first->size;
        s->sum = first->sum;
        return link_to(u, first, m->path, e);
    }
    if (first->size == 0)
        return late_data(u, c, m, first, s, e);
    if (!new_file(u, c, m, (mode_t)first->mode, s, e))
        return false;
    if (s->size != first->size || s->sum != first->sum)
        return true; /* a number used again, no link */
    const char *name;
    int dir = parent_of(u, m->path, &name, e);
    if (dir < 0)
        return false;
    if (unlinkat(dir, name, 0) != 0)
        return failed(e, m->path);
    return link_to(u, first, m->path, e);
}

/* --- members ------------------------------------------------------------------------------------------ */

static void remember_directory(struct unpack *u, const struct cpio_member *m, mode_t mode)
{
    struct directory *d = arena_alloc(u->arena, sizeof *d);
    *d = (struct directory){.before = u->last,
                            .path = arena_strdup(u->arena, m->path),
                            .mode = mode,
                            .uid = (uid_t)m->uid,
                            .gid = (gid_t)m->gid,
                            .mtime = m->mtime};
    u->last = d;
}

static bool directory(struct unpack *u, const struct cpio_member *m, struct pathset_entry *s, bool fresh,
                      struct err *e)
{
    const char *name;
    mode_t mode = mode_for(u, m);
    s->type = PATHSET_DIRECTORY;
    s->implied = false;
    remember_directory(u, m, mode);
    if (m->path[0] == '\0')
        return true;
    int dir = parent_of(u, m->path, &name, e);
    if (dir < 0)
        return false;
    if (fresh)
        return mkdirat(dir, name, 0700) == 0 || failed(e, m->path);
    /* it was implied before: under this very spelling? */
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return refuse(e, m->path, "differs from another directory only in case or form");
    return true;
}

static bool symbolic_link(struct unpack *u, const struct cpio_member *m, struct err *e)
{
    const char *name;
    int dir = parent_of(u, m->path, &name, e);
    if (dir < 0)
        return false;
    if (symlinkat(m->link, dir, name) != 0)
        return failed(e, m->path);
    if (u->rules->owners && fchownat(dir, name, (uid_t)m->uid, (gid_t)m->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(e, m->path);
    struct timespec times[2] = {{.tv_sec = (time_t)m->mtime}, {.tv_sec = (time_t)m->mtime}};
    if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(e, m->path);
    return true;
}

static bool member(struct unpack *u, struct cpio *c, const struct cpio_member *m, struct err *e)
{
    bool fresh;
    if (++u->seen_members % TICK_MEMBERS == 0)
        tick(u, TICK_BYTES);
    if (m->apple_double) {
        u->count.apple_double_dropped++;
        return true;
    }
    u->count.members += m->path[0] != '\0';
    struct pathset_entry *s = pathset_note(&u->paths, m->path, strlen(m->path), &fresh);
    if (m->path[0] == '\0' && m->type != CPIO_DIRECTORY)
        return refuse(e, ".", "is no directory");
    if (!fresh && !(m->type == CPIO_DIRECTORY && s->implied))
        return refuse(e, m->path,
                      "is in the archive twice, or differs from another name only in case or form");
    switch (m->type) {
    case CPIO_DIRECTORY:
        return directory(u, m, s, fresh, e);
    case CPIO_LINK:
        s->type = PATHSET_LINK;
        return symbolic_link(u, m, e);
    case CPIO_FILE:
        break;
    }
    /* parents that are made on the way enter the table, and may move it: work on a copy */
    struct pathset_entry file = *s;
    file.type = PATHSET_FILE;
    mode_t mode = mode_for(u, m);
    bool ok = m->nlink > 1 ? linked_file(u, c, m, mode, &file, e) : new_file(u, c, m, mode, &file, e);
    pathset_store(&u->paths, &file);
    return ok;
}

/* Owners, modes and times of directories: now that nothing is made in them any more. Last made, first
 * finished: a parent comes after its children. */
static bool finish_directories(struct unpack *u, struct err *e)
{
    for (const struct directory *d = u->last; d != NULL; d = d->before) {
        struct timespec times[2] = {{.tv_sec = (time_t)d->mtime}, {.tv_sec = (time_t)d->mtime}};
        if (!enter(u, d->path, strlen(d->path), false, e))
            return false;
        int fd = u->stack[u->depth];
        if (u->rules->owners && fchown(fd, d->uid, d->gid) != 0)
            return failed(e, d->path);
        if (fchmod(fd, d->mode) != 0 || futimens(fd, times) != 0)
            return failed(e, d->path);
    }
    return true;
}

bool unpack_all(struct unpack *u, struct cpio *c, struct err *e)
{
    struct cpio_member m;
    bool end;
    for (;;) {
        if (!cpio_next(c, &m, &end, e))
            return false;
        if (end)
            return finish_directories(u, e);
        if (!member(u, c, &m, e))
            return false;
    }
}

bool unpack_expect(const struct unpack *u, const char *path, uint32_t size, uint32_t sum, struct err *e)
{
    const struct pathset_entry *s = pathset_find(&u->paths, path, strlen(path));
    if (s == NULL || s->type != PATHSET_FILE || !s->checked)
        return true;
    if (size != (uint32_t)s->size)
        return refuse(e, path, "has another size than the Bom says");
    return sum == s->sum || refuse(e, path, "has another checksum than the Bom says");
}

/* --- life --------------------------------------------------------------------------------------------- */

struct unpack *unpack_open(int dir, const struct unpack_rules *rules)
{
    struct unpack *u = arena_heap(NULL, sizeof *u);
    memset(u, 0, sizeof *u);
    u->rules = rules;
    u->arena = arena_open();
    u->stack[0] = dir;
    u->umask = umask(0);
    return u;
}

void unpack_free(struct unpack *u)
{
    if (u == NULL)
        return;
    pop_to(u, 0);
    umask(u->umask);
    pathset_release(&u->paths);
    free(u->inodes);
    arena_free(u->arena);
    free(u);
}

const struct unpack_count *unpack_counted(const struct unpack *u)
{
    return &u->count;
}
