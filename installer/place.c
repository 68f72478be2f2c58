/* One walk serves both passes: the first looks at every staged thing and at what stands at its place, the
 * second renames. Invariants: target is -1 exactly where the directory does not exist yet, which only the
 * first pass meets (the second renames such a directory whole and does not go in); path is the absolute path
 * on the target, for messages and rules. */
#include "installer/place.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SETID   06000u
#define OPENDIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct walk {
    const struct place *place;
    bool move;
    unsigned depth;
    size_t len;
    char path[2 * LIMIT_PATH + 4];
    struct err *e;
};

struct level { /* one directory of the walk */
    struct walk *w;
    int staged, target;
    bool ok;
};

static const char *const linked[] = {"var", "etc", "tmp"};

static bool is_linked(const char *name)
{
    for (size_t i = 0; i < sizeof linked / sizeof *linked; i++)
        if (strcmp(linked[i], name) == 0)
            return true;
    return false;
}

static bool make_link(int root, const char *name, struct err *e)
{
    char to[16];
    snprintf(to, sizeof to, "private/%s", name);
    return symlinkat(to, root, name) == 0 || errno == EEXIST || err_sys(e, "cannot make the link %s", name);
}

static bool refuse(struct walk *w, const char *why)
{
    char shown[512];
    text_printable_into(shown, sizeof shown, w->path, w->len);
    return err_set(w->e, ERR_REFUSED, CAUSE_INSTALLER, "%s %s", shown, why);
}

static bool failed(struct walk *w, const char *doing)
{
    char shown[512];
    text_printable_into(shown, sizeof shown, w->path, w->len);
    return err_sys(w->e, "cannot %s %s", doing, shown);
}

static bool keeps_setid(const struct walk *w)
{
    for (size_t i = 0; i < w->place->keep_setid_count; i++)
        if (strcmp(w->place->keep_setid[i], w->path) == 0)
            return true;
    return false;
}

static bool owner_protected(const char *path)
{
    static const char *const never[] = {"/", "/System", "/Library", "/Users", "/private"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strcmp(never[i], path) == 0)
            return true;
    return false;
}

/* What the worker staged is not believed to be harmless. */
static bool inspect(struct walk *w, const struct stat *st)
{
    bool plain = S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode);
    if (plain && (S_ISLNK(st->st_mode) || (st->st_mode & SETID) == 0 || keeps_setid(w)))
        return true;
    char shown[512];
    text_printable_into(shown, sizeof shown, w->path, w->len);
    return err_set(w->e, ERR_TRUST, CAUSE_INSTALLER,
                   "the staging folder holds a special file or a set-id bit for %s", shown);
}

static bool directory(struct walk *w, int staged, const char *name, const struct stat *st, int target,
                      const char *target_name);

/* Put the directory name of staged into place as a whole. */
static bool rename_directory(struct walk *w, int staged, const char *name, const struct stat *st, int target,
                             const char *target_name)
{
    /* a directory's parent entry changes: without root that takes leave to write in it */
    bool locked = (st->st_mode & S_IRWXU) != S_IRWXU;
    if (w->place->undo != NULL && !undo_new(w->place->undo, w->path, w->e))
        return false;
    if (locked && fchmodat(staged, name, (st->st_mode & 07777) | S_IRWXU, 0) != 0)
        return failed(w, "prepare");
    if (renameat(staged, name, target, target_name) != 0)
        return failed(w, "move into place");
    if (locked && fchmodat(target, target_name, st->st_mode & 07777, 0) != 0)
        return failed(w, "set the mode of");
    return true;
}

/* A file or link. */
static bool leaf(struct walk *w, int staged, const char *name, int target, const char *target_name)
{
    struct stat there;
    struct undo *undo = w->place->undo;
    if (target < 0)
        return true;
    bool is_there = fstatat(target, target_name, &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_there && errno != ENOENT)
        return failed(w, "look at");
    if (is_there && S_ISDIR(there.st_mode))
        return refuse(w, "is a directory where the package has a file");
    if (!w->move)
        return true;
    if (undo != NULL &&
        (is_there ? !undo_old(undo, target, target_name, w->path, w->e) : !undo_new(undo, w->path, w->e)))
        return false;
    return renameat(staged, name, target, target_name) == 0 || failed(w, "move into place");
}

static bool visit(void *ctx, const char *name, const struct stat *st)
{
    struct level *l = ctx;
    struct walk *w = l->w;
    size_t len = w->len, n = strlen(name), at = len > 1 ? len : 0;
    int target = l->target, private = -1;
    l->ok = false;
    if (at + n + 2 > sizeof w->path)
        return err_set(w->e, ERR_LIMIT, CAUSE_LIMIT, "a path of the package is too long");
    w->path[at] = '/';
    memcpy(w->path + at + 1, name, n + 1);
    w->len = at + 1 + n;
    if (len == 1 && S_ISDIR(st->st_mode) && is_linked(name)) {
        /* read: through the link that every Mac has */
        private = files_dir(w->place->root, "private", w->move, 0755, w->e);
        if (private < 0 && w->e->kind != ERR_NOT_FOUND)
            return false;
        target = private;
    }
    if (!w->move && !inspect(w, st))
        goto out;
    if (S_ISDIR(st->st_mode))
        l->ok = directory(w, l->staged, name, st, target, name);
    else
        l->ok = leaf(w, l->staged, name, target, name);
    if (l->ok && private >= 0 && w->move)
        l->ok = make_link(w->place->root, name, w->e);
out:
    if (private >= 0)
        close(private);
    w->len = len;
    w->path[len] = '\0';
    return l->ok;
}

/* The contents of the directory name of staged into the open directory target (-1: not there). */
static bool contents(struct walk *w, int staged, const char *name, int target)
{
    struct level l = {.w = w, .target = target, .ok = true};
    if (++w->depth > LIMIT_PAYLOAD_DEPTH)
        return refuse(w, "is too deep");
    l.staged = openat(staged, name, OPENDIR);
    if (l.staged < 0) {
        /* without root a directory may be closed to ourselves: then nothing in it is ours to worry about */
        if (errno == EACCES && !w->move && !w->place->owners) {
            w->depth--;
            return true;
        }
        return failed(w, "open the staged");
    }
    bool listed = files_list(l.staged, ".", visit, &l, w->e);
    close(l.staged);
    w->depth--;
    return listed && l.ok;
}

static bool replaces_whole(const struct walk *w)
{
    for (size_t i = 0; w->place->undo != NULL && i < w->place->replace_count; i++)
        if (strcmp(w->place->replace[i], w->path) == 0)
            return true;
    return false;
}

static bool directory(struct walk *w, int staged, const char *name, const struct stat *st, int target,
                      const char *target_name)
{
    struct stat there;
    if (target < 0)
        return contents(w, staged, name, -1);
    if (fstatat(target, target_name, &there, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT)
            return failed(w, "look at");
        return w->move ? rename_directory(w, staged, name, st, target, target_name)
                       : contents(w, staged, name, -1);
    }
    if (S_ISLNK(there.st_mode))
        return refuse(w, "is a link where the package has a directory: links are not followed");
    if (!S_ISDIR(there.st_mode))
        return refuse(w, "is a file where the package has a directory");
    if (replaces_whole(w)) {
        if (!w->move)
            return contents(w, staged, name, -1);
        return undo_old(w->place->undo, target, target_name, w->path, w->e) &&
               rename_directory(w, staged, name, st, target, target_name);
    }
    if (w->move && (st->st_mode & S_IRWXU) != S_IRWXU && fchmodat(staged, name, S_IRWXU, 0) != 0)
        return failed(w, "prepare");
    int fd = openat(target, target_name, OPENDIR);
    if (fd < 0)
        return failed(w, "open");
    bool ok = contents(w, staged, name, fd);
    if (ok && w->move && w->place->overwrite_permissions && !owner_protected(w->path)) {
        if (w->place->undo != NULL && !undo_mode(w->place->undo, w->path, &there, w->e))
            ok = false;
        else if (w->place->owners && fchown(fd, st->st_uid, st->st_gid) != 0)
            ok = failed(w, "set the owner of");
        else if (fchmod(fd, st->st_mode & 07777) != 0)
            ok = failed(w, "set the mode of");
    }
    close(fd);
    return ok;
}

/* The directories above the location that are not there yet will be made. */
static bool remember_parents(const struct place *p, struct err *e)
{
    char path[LIMIT_PATH + 2];
    for (const char *s = strchr(p->location + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
        struct stat st;
        struct err why;
        snprintf(path, sizeof path, "%.*s", (int)(s - p->location), p->location);
        if (!files_stat(p->root, path, &st, &why) && !undo_directory(p->undo, path, e))
            return false;
    }
    return true;
}

static bool walk(const struct place *p, bool move, struct err *e)
{
    struct walk w = {.place = p, .move = move, .e = e};
    struct stat st;
    const char *name = NULL;
    w.len = strlen(p->location);
    if (w.len == 0 || p->location[0] != '/' || w.len > LIMIT_PATH)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the install location is no absolute path");
    memcpy(w.path, p->location, w.len + 1);
    if (fstatat(p->staged, p->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(&w, "look at the staged");
    if (!S_ISDIR(st.st_mode))
        return refuse(&w, "is staged as something else than a directory");
    if (!move && !inspect(&w, &st))
        return false;
    if (w.len == 1)
        return contents(&w, p->staged, p->name, p->root);
    struct err why = {.kind = ERR_NONE};
    if (move && p->undo != NULL && !remember_parents(p, e))
        return false;
    int parent = files_parent(p->root, p->location, move, &name, &why);
    if (parent < 0 && (move || why.kind != ERR_NOT_FOUND)) {
        *e = why;
        return err_wrap(e, "install location %s", p->location);
    }
    bool ok = directory(&w, p->staged, p->name, &st, parent, name);
    if (parent >= 0)
        close(parent);
    char top[4] = {0};
    if (w.len >= 4 && (w.path[4] == '\0' || w.path[4] == '/'))
        memcpy(top, w.path + 1, 3);
    return ok && move && is_linked(top) ? make_link(p->root, top, e) : ok;
}

bool place_check(const struct place *p, struct err *e)
{
    return walk(p, false, e);
}

bool place_move(const struct place *p, struct err *e)
{
    return walk(p, true, e);
}

bool place_links(int root, struct err *e)
{
    for (size_t i = 0; i < sizeof linked / sizeof *linked; i++)
        if (!make_link(root, linked[i], e))
            return false;
    return true;
}
