/* Invariants: walked by descriptors, no link followed, and a file is opened again only as the one that was
 * seen. Paths are compared as if '/' sorted first, so that a directory's contents follow it at once. */
#include "installer/build_tree.h"
#include "core/limits.h"
#include "core/text.h"
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define FILE_MAX ((off_t)1 << 33) /* the archive's size field has eleven octal digits */

struct walk {
    struct arena *arena;
    struct build_item *items;
    size_t count, cap;
    struct err *e;
};

static bool refuse(struct walk *w, const char *path, const char *why)
{
    return err_set(w->e, ERR_REFUSED, CAUSE_INSTALLER, "%s: %s", text_printable(w->arena, path, strlen(path)),
                   why);
}

static bool judge(struct walk *w, const struct build_item *it)
{
    if (!text_utf8_valid(it->path, strlen(it->path)))
        return refuse(w, it->path, "the name is not UTF-8");
    for (const char *p = it->path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return refuse(w, it->path, "the name has a control character");
    if (strlen(it->path) > LIMIT_PATH - 2)
        return refuse(w, it->path, "the path is too long");
    if (!S_ISREG(it->st.st_mode) && !S_ISDIR(it->st.st_mode) && !S_ISLNK(it->st.st_mode))
        return refuse(w, it->path, "a package holds files, directories and links, not this");
    if (S_ISREG(it->st.st_mode) && it->st.st_size >= FILE_MAX)
        return refuse(w, it->path, "files of 8 GB and more do not fit a package's archive");
    return true;
}

static bool read_link(struct walk *w, int dir, const char *name, struct build_item *it)
{
    char target[LIMIT_PATH + 2];
    ssize_t n = readlinkat(dir, name, target, sizeof target);
    if (n < 0)
        return err_sys(w->e, "%s", it->path);
    if (n == 0 || n > LIMIT_PATH)
        return refuse(w, it->path, "the link's target is too long");
    it->link = arena_strndup(w->arena, target, (size_t)n);
    it->st.st_size = n;
    return true;
}

static struct build_item *add(struct walk *w, const char *path)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 256;
        w->items = arena_heap(w->items, w->cap * sizeof *w->items);
    }
    struct build_item *it = &w->items[w->count++];
    memset(it, 0, sizeof *it);
    it->path = arena_strdup(w->arena, path);
    return it;
}

/* Takes over fd. */
static bool walk(struct walk *w, int fd, const char *path, unsigned depth)
{
    if (depth > LIMIT_PAYLOAD_DEPTH) {
        close(fd);
        return refuse(w, path, "too many directories within each other");
    }
    DIR *d = fdopendir(fd);
    if (!d) {
        err_sys(w->e, "%s", path);
        close(fd);
        return false;
    }
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(d))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (w->count == LIMIT_PAYLOAD_FILES) {
            ok = err_set(w->e, ERR_LIMIT, CAUSE_LIMIT, "more than %d files", LIMIT_PAYLOAD_FILES);
            break;
        }
        struct build_item *it = add(w, *path ? arena_printf(w->arena, "%s/%s", path, name) : name);
        if (fstatat(dirfd(d), name, &it->st, AT_SYMLINK_NOFOLLOW) != 0) {
            ok = err_sys(w->e, "%s", it->path);
        } else if (!judge(w, it)) {
            ok = false;
        } else if (S_ISLNK(it->st.st_mode)) {
            ok = read_link(w, dirfd(d), name, it);
        } else if (S_ISDIR(it->st.st_mode)) {
            const char *below = it->path;
            int child = openat(dirfd(d), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            ok = child >= 0 ? walk(w, child, below, depth + 1) : err_sys(w->e, "%s", below);
        }
    }
    closedir(d);
    return ok;
}

static int by_path(const void *a, const void *b)
{
    const char *x = ((const struct build_item *)a)->path, *y = ((const struct build_item *)b)->path;
    while (*x && *x == *y)
        x++, y++;
    unsigned char cx = *x == '/' ? 1 : (unsigned char)*x, cy = *y == '/' ? 1 : (unsigned char)*y;
    return cx < cy ? -1 : cx > cy;
}

static int by_inode(const void *a, const void *b)
{
    const struct build_item *x = *(const struct build_item *const *)a,
                            *y = *(const struct build_item *const *)b;
    if (x->st.st_dev != y->st.st_dev)
        return x->st.st_dev < y->st.st_dev ? -1 : 1;
    if (x->st.st_ino != y->st.st_ino)
        return x->st.st_ino < y->st.st_ino ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void find_links(struct walk *w)
{
    struct build_item **linked = arena_heap(NULL, (w->count + 1) * sizeof(struct build_item *));
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        w->items[i].first = i;
        if (S_ISREG(w->items[i].st.st_mode) && w->items[i].st.st_nlink > 1)
            linked[n++] = &w->items[i];
    }
    qsort(linked, n, sizeof *linked, by_inode);
    for (size_t i = 1; i < n; i++)
        if (linked[i]->st.st_dev == linked[i - 1]->st.st_dev &&
            linked[i]->st.st_ino == linked[i - 1]->st.st_ino)
            linked[i]->first = linked[i - 1]->first;
    free(linked);
}

struct folded {
    const char *key;
    const struct build_item *item;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct folded *)a)->key, ((const struct folded *)b)->key);
}

static bool find_twins(struct walk *w)
{
    bool ok = true;
    struct arena *keys = arena_open();
    struct folded *f = arena_heap(NULL, w->count * sizeof *f);
    for (size_t i = 0; i < w->count; i++) {
        const char *key = text_fold(keys, w->items[i].path);
        f[i] = (struct folded){key ? key : w->items[i].path, &w->items[i]};
    }
    qsort(f, w->count, sizeof *f, by_key);
    for (size_t i = 1; i < w->count && ok; i++)
        if (strcmp(f[i - 1].key, f[i].key) == 0)
            ok = refuse(w, f[i].item->path,
                        arena_printf(w->arena, "the same name as %s on a Mac", f[i - 1].item->path));
    free(f);
    arena_free(keys);
    return ok;
}

bool build_tree_read(struct arena *a, int dir, struct build_tree *tree, struct err *e)
{
    struct walk w = {.arena = a, .e = e};
    struct build_item *root = add(&w, "");
    bool ok = false;
    if (fstat(dir, &root->st) != 0) {
        err_sys(e, "fstat");
        goto out;
    }
    /* a descriptor of its own: reading a directory moves the offset */
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        err_sys(e, "open");
        goto out;
    }
    if (!walk(&w, fd, "", 0))
        goto out;
    qsort(w.items, w.count, sizeof *w.items, by_path);
    find_links(&w);
    if (!find_twins(&w))
        goto out;
    struct build_item *items = arena_array(a, w.count, sizeof *items);
    memcpy(items, w.items, w.count * sizeof *items);
    *tree = (struct build_tree){.items = items, .count = w.count};
    for (size_t i = 0; i < w.count; i++)
        if (items[i].st.st_mtime > tree->newest)
            tree->newest = items[i].st.st_mtime;
    ok = true;
out:
    free(w.items);
    return ok;
}

int build_tree_open(int dir, const struct build_item *item, struct err *e)
{
    struct stat st;
    int at = fcntl(dir, F_DUPFD_CLOEXEC, 0), fd;
    char part[LIMIT_NAME + 1];
    const char *p = item->path;
    while (at >= 0 && strchr(p, '/')) {
        size_t n = strcspn(p, "/");
        snprintf(part, sizeof part, "%.*s", (int)n, p);
        fd = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = fd;
        p += n + 1;
    }
    fd = at < 0 ? -1 : openat(at, p, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_sys(e, "%s", item->path);
    } else if (st.st_dev != item->st.st_dev || st.st_ino != item->st.st_ino ||
               st.st_size != item->st.st_size) {
        err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "%s changed while it was read", item->path);
    } else {
        close(at);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    if (at >= 0)
        close(at);
    return -1;
}
