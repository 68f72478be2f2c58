/* copy: from an image onto the volume.
 *
 * The private folder stands beside the destination because only there a rename is sure to stay on one volume.
 * What is under way is written to STATE/copying (private folder, destination) before it begins: after a cut
 * the old thing is put back if nothing stands in its place. Set-id bits of the image are never kept: only a
 * mode of the pkginfo can give them. The walk uses plain descriptors, because names inside an image ("etc",
 * "tmp") mean themselves there. */
#include "installer/copy.h"
#include "core/child.h"
#include "core/files.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/owner.h"
#include "installer/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RECORD        "copying"
#define PRIVATE       ".daybreak-"
#define SLICE         (256 * 1024)
#define DITTO_TIMEOUT ((uint64_t)3600 * 1000)

/* --- what the pkginfo says --------------------------------------------------------------------------------
 */

bool copy_destination(const struct copy_item *item, char *to, struct err *e)
{
    const char *given = item->destination_item && *item->destination_item ? item->destination_item : NULL;
    const char *name_from = given ? given : item->source;
    const char *dir = item->destination_path && *item->destination_path ? item->destination_path : NULL;
    char name[LIMIT_NAME + 1];
    size_t len, dir_len = dir ? strlen(dir) : 0;

    if (!item->source || !*item->source)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: an entry without source_item");
    len = strlen(name_from);
    while (len > 1 && name_from[len - 1] == '/')
        len--;
    size_t from = len;
    while (from > 0 && name_from[from - 1] != '/')
        from--;
    if (!dir && given && from > 0) {
        dir = given;
        dir_len = from;
    }
    if (!dir)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: %s has no destination_path",
                       item->source);
    if (len == from || len - from > LIMIT_NAME)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: %s has no name to be copied to",
                       item->source);
    memcpy(name, name_from + from, len - from);
    name[len - from] = '\0';
    while (dir_len && dir[0] == '/') {
        dir++;
        dir_len--;
    }
    while (dir_len && dir[dir_len - 1] == '/')
        dir_len--;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: %s has no name to be copied to",
                       item->source);
    if (dir_len + 1 + strlen(name) > LIMIT_PATH - 64)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "items_to_copy: the destination of %s is too long",
                       item->source);
    snprintf(to, LIMIT_PATH + 1, "%.*s%s%s", (int)dir_len, dir, dir_len ? "/" : "", name);
    return true;
}

/* --- the copy ---------------------------------------------------------------------------------------------
 */

struct copier {
    const struct install_env *env;
    const struct image *image;
    const char *mode; /* expression */
    uid_t uid;
    gid_t gid;
    uint64_t files, left_out;
    char *slice;
    struct err *e;
};

static bool copy_entry(struct copier *c, int from, const char *name, int to, const char *to_name,
                       unsigned depth);

static bool copy_file(struct copier *c, int from, const char *name, int to, const char *to_name)
{
    struct stat st;
    bool ok = false;
    ssize_t n;
    int out = -1;

    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0)
        return err_sys(c->e, "%s", name);
    if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(c->e, ERR_FORMAT, CAUSE_FORMAT, "%s changed its kind while it was copied", name);
        goto out;
    }
    out = openat(to, to_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0) {
        err_sys(c->e, "%s", name);
        goto out;
    }
    while ((n = read(in, c->slice, SLICE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_sys(c->e, "reading %s", name);
            goto out;
        }
        if (!files_write(out, c->slice, (size_t)n, c->e)) {
            err_wrap(c->e, "%s", name);
            goto out;
        }
        loop_turn(c->env->loop, 0);
    }
    struct timespec times[2] = {os_mtime(&st), os_mtime(&st)};
    ok = fchmod(out, st.st_mode & 0777) == 0 && futimens(out, times) == 0;
    if (!ok)
        err_sys(c->e, "%s", name);
out:
    if (out >= 0)
        close(out);
    close(in);
    return ok;
}

static bool copy_link(struct copier *c, int from, const char *name, int to, const char *to_name)
{
    char target[LIMIT_PATH + 2];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);

    if (n < 0)
        return err_sys(c->e, "%s", name);
    if ((size_t)n > LIMIT_PATH)
        return err_set(c->e, ERR_LIMIT, CAUSE_LIMIT, "the target of link %s is too long", name);
    target[n] = '\0';
    return symlinkat(image_link(c->env, c->image, target), to, to_name) == 0 || err_sys(c->e, "%s", name);
}

struct level {
    struct copier *c;
    int from, to;
    unsigned depth;
    bool ok;
};

static bool copy_one(void *ctx, const char *name, const struct stat *st)
{
    struct level *l = ctx;
    (void)st;
    l->ok = copy_entry(l->c, l->from, name, l->to, name, l->depth + 1);
    return l->ok;
}

static bool copy_folder(struct copier *c, int from, const char *name, int to, const char *to_name,
                        unsigned depth)
{
    struct level l = {.c = c, .depth = depth, .ok = true, .from = -1, .to = -1};
    struct stat st;
    bool ok = false;

    l.from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (l.from < 0 || fstat(l.from, &st) != 0 || mkdirat(to, to_name, 0700) != 0 ||
        (l.to = openat(to, to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
        err_sys(c->e, "%s", name);
        goto out;
    }
    if (!files_list(l.from, "", copy_one, &l, c->e) || !l.ok)
        goto out;
    struct timespec times[2] = {os_mtime(&st), os_mtime(&st)};
    ok = fchmod(l.to, st.st_mode & 0777) == 0 && futimens(l.to, times) == 0;
    if (!ok)
        err_sys(c->e, "%s", name);
out:
    if (l.from >= 0)
        close(l.from);
    if (l.to >= 0)
        close(l.to);
    return ok;
}

static bool copy_entry(struct copier *c, int from, const char *name, int to, const char *to_name,
                       unsigned depth)
{
    struct stat st;

    if (depth > LIMIT_PAYLOAD_DEPTH || ++c->files > LIMIT_PAYLOAD_FILES)
        return err_set(c->e, ERR_LIMIT, CAUSE_LIMIT, "%s: too many or too deeply nested files", name);
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(c->e, "%s", name);
    if (S_ISREG(st.st_mode))
        return copy_file(c, from, name, to, to_name);
    if (S_ISDIR(st.st_mode))
        return copy_folder(c, from, name, to, to_name, depth);
    if (S_ISLNK(st.st_mode))
        return copy_link(c, from, name, to, to_name);
    c->left_out++; /* sockets, devices: no application has them */
    return true;
}

/* --- owner and mode ---------------------------------------------------------------------------------------
 */

static bool own_entry(struct copier *c, int dir, const char *name);

static bool own_one(void *ctx, const char *name, const struct stat *st)
{
    struct level *l = ctx;
    (void)st;
    l->ok = own_entry(l->c, l->to, name);
    return l->ok;
}

/* chown -R, chmod -R: children first, so that a folder that loses its bits is already done. */
static bool own_entry(struct copier *c, int dir, const char *name)
{
    struct level l = {.c = c, .ok = true};
    struct stat st;
    mode_t mode;
    bool ok = false;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(c->e, "%s", name);
    if (S_ISLNK(st.st_mode))
        return !c->env->as_root || fchownat(dir, name, c->uid, c->gid, AT_SYMLINK_NOFOLLOW) == 0 ||
               err_sys(c->e, "%s", name);
    if (!owner_mode(c->mode, st.st_mode & 0777, S_ISDIR(st.st_mode), &mode, c->e))
        return false;
    l.to = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (l.to < 0 && fchmodat(dir, name, 0700, 0) == 0) /* unreadable in the image, and we are not root */
        l.to = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (l.to < 0)
        return err_sys(c->e, "%s", name);
    if (S_ISDIR(st.st_mode) && (!files_list(l.to, "", own_one, &l, c->e) || !l.ok))
        goto out;
    ok = (!c->env->as_root || fchown(l.to, c->uid, c->gid) == 0) && fchmod(l.to, mode) == 0;
    if (!ok)
        err_sys(c->e, "%s", name);
out:
    close(l.to);
    return ok;
}

/* --- staging and moving -----------------------------------------------------------------------------------
 */

static bool ditto(const struct install_env *env, const char *from, const char *to, struct err *e)
{
    struct arena *a = arena_open();
    struct child_end end;
    char why[64];
    bool ok = false;

    const char *tool = tool_path(a, env->tools, TOOL_DITTO, e);
    if (tool) {
        const char *argv[] = {tool, "--noqtn", from, to, NULL};
        struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = DITTO_TIMEOUT};
        ok = child_run(env->loop, &spec, &end, e);
        if (ok && (end.exit_code != 0 || end.signal))
            ok = err_set(e, ERR_CHILD, CAUSE_INSTALLER, "ditto %s", child_end_text(&end, why, sizeof why));
    }
    arena_free(a);
    return ok;
}

/* The parent of to, with what is missing made after the nearest folder that is there. */
static bool make_parent(const struct install_env *env, const char *parent, struct err *e)
{
    char path[LIMIT_PATH + 1];
    struct stat st = {.st_mode = 0755};
    struct err ignored;
    size_t len = strlen(parent);

    snprintf(path, sizeof path, "%s", parent);
    while (len > 0 && !files_stat(env->root, path, &st, &ignored)) {
        while (len > 0 && path[len - 1] != '/')
            len--;
        while (len > 0 && path[len - 1] == '/')
            len--;
        path[len] = '\0';
    }
    if (len == 0 && fstat(env->root, &st) != 0)
        return err_sys(e, "the target volume");
    while (len < strlen(parent)) {
        len += parent[len] == '/' ? 1 : 0;
        len += strcspn(parent + len, "/");
        memcpy(path, parent, len);
        path[len] = '\0';
        int dir = files_dir(env->root, path, true, st.st_mode & 07777, e);
        if (dir < 0)
            return false;
        bool ok =
            (!env->as_root || fchown(dir, st.st_uid, st.st_gid) == 0) && fchmod(dir, st.st_mode & 07777) == 0;
        close(dir);
        if (!ok)
            return err_sys(e, "%s", path);
    }
    return true;
}

static bool swap(const struct install_env *env, const char *folder, const char *to, struct err *e)
{
    char fresh[LIMIT_PATH + 64], old[LIMIT_PATH + 64];
    struct stat st;
    struct err why, ignored;

    snprintf(fresh, sizeof fresh, "%s/new", folder);
    snprintf(old, sizeof old, "%s/old", folder);
    bool replaced = files_stat(env->root, to, &st, &why);
    if (!replaced && why.kind != ERR_NOT_FOUND) {
        if (e)
            *e = why;
        return false;
    }
    if (replaced && !files_rename(env->root, to, old, e))
        return false;
    if (files_rename(env->root, fresh, to, e))
        return true;
    if (replaced && !files_rename(env->root, old, to, &ignored))
        log_error("/%s could not be put back from %s: %s", to, old, ignored.text);
    return false;
}

static bool record(const struct install_env *env, const char *folder, const char *to, struct err *e)
{
    char text[2 * LIMIT_PATH + 8];
    int n = snprintf(text, sizeof text, "%s\n%s\n", folder, to);
    return files_replace(env->state, RECORD, text, (size_t)n, 0600, FILES_DURABLE, e);
}

/* Fill folder/new (folder is open as dir) with source of the image. */
static bool stage(struct copier *c, const char *source, int dir, const char *folder)
{
    const char *name;

    if (os_is_darwin()) { /* ditto knows what else belongs to a file there: attributes, compression, clones */
        struct arena *a = arena_open();
        bool done = ditto(c->env, arena_printf(a, "%s/%s", c->image->path, source),
                          arena_printf(a, "%s/%s/new", c->env->root_path, folder), c->e);
        arena_free(a);
        return done;
    }
    int parent = files_parent(c->image->dir, source, false, &name, c->e);
    if (parent < 0)
        return false;
    bool ok = copy_entry(c, parent, name, dir, "new", 1);
    close(parent);
    return ok;
}

static bool copy_item(struct copier *c, const struct copy_item *item)
{
    const struct install_env *env = c->env;
    char to[LIMIT_PATH + 1], source[LIMIT_PATH + 1], parent[LIMIT_PATH + 1], folder[LIMIT_PATH + 1] = "";
    struct stat st;
    struct err ignored;
    bool ok = false, recorded = false;
    int dir = -1;

    c->mode = item->mode && *item->mode ? item->mode : "o-w,go+rX";
    if (!copy_destination(item, to, c->e) ||
        !owner_ids(item->user, item->group, env->live, &c->uid, &c->gid, c->e))
        return false;
    if (!files_evidence_stat(c->image->dir, item->source, &st, source, c->e))
        return image_lacks("source_item in the image", c->e);
    snprintf(parent, sizeof parent, "%.*s", (int)(strlen(to) - strlen(text_basename(to))), to);
    if (!make_parent(env, parent, c->e))
        return err_wrap(c->e, "/%s", to);
    dir = files_temp_dir(env->root, parent, PRIVATE, folder, sizeof folder, c->e);
    recorded = dir >= 0 && record(env, folder, to, c->e);
    if (!recorded) {
        err_wrap(c->e, "/%s", to);
        goto out;
    }
    if (!stage(c, source, dir, folder) || !own_entry(c, dir, "new") || !os_sync_volume(dir, c->e)) {
        err_wrap(c->e, "copying %s", item->source);
        goto out;
    }
    ok = swap(env, folder, to, c->e);
    if (ok)
        log_info("copied %s to /%s", item->source, to);
    else
        err_wrap(c->e, "moving %s to /%s", item->source, to);
out:
    if (dir >= 0)
        close(dir);
    if (recorded)
        copy_recover(env);
    else if (dir >= 0 && !files_remove(env->root, folder, &ignored))
        log_warn("/%s could not be removed: %s", folder, ignored.text);
    return ok;
}

bool copy_items(const struct install_env *env, const struct image *from, const struct copy_item *items,
                size_t count, struct install_outcome *out, struct err *e)
{
    struct copier c = {.env = env, .image = from, .e = e};
    char to[LIMIT_PATH + 1];
    mode_t mode;
    bool ok = true;

    if (count == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy is missing or malformed");
    for (size_t i = 0; i < count; i++)
        if (!copy_destination(&items[i], to, e) ||
            (items[i].mode && *items[i].mode && !owner_mode(items[i].mode, 0644, false, &mode, e)))
            return false;
    c.slice = arena_heap(NULL, SLICE);
    for (size_t i = 0; i < count && ok; i++) {
        if (env->progress)
            env->progress(env->ctx, (int)(i * 100 / count), "Copying files…");
        ok = copy_item(&c, &items[i]);
    }
    free(c.slice);
    if (ok && c.left_out)
        snprintf(out->reason, sizeof out->reason, "%llu sockets or devices of the image were left out",
                 (unsigned long long)c.left_out);
    return ok;
}

void copy_recover(const struct install_env *env)
{
    char old[LIMIT_PATH + 64];
    struct buf b;
    struct stat st;
    struct err e;

    buf_init(&b, 4 * LIMIT_KB);
    if (!files_read(env->state, RECORD, &b, &e)) {
        if (e.kind != ERR_NOT_FOUND)
            log_warn("%s: %s", RECORD, e.text);
        goto out;
    }
    char *folder = b.data, *end = b.data ? strchr(b.data, '\n') : NULL;
    char *to = end ? end + 1 : NULL;
    char *end_to = to ? strchr(to, '\n') : NULL;
    if (!end || !end_to) {
        log_warn("%s is not what we wrote; it is removed", RECORD);
    } else {
        *end = *end_to = '\0';
        if (!text_starts(text_basename(folder), PRIVATE) || strlen(folder) > LIMIT_PATH)
            goto out;
        snprintf(old, sizeof old, "%s/old", folder);
        if (files_stat(env->root, old, &st, &e) && !files_stat(env->root, to, &st, &e) &&
            e.kind == ERR_NOT_FOUND) {
            if (!files_rename(env->root, old, to, &e)) {
                log_error("/%s could not be put back from /%s: %s", to, old, e.text);
                goto out;
            }
            log_warn("/%s was put back: a copy onto it did not come to its end", to);
        }
        if (!files_remove(env->root, folder, &e)) {
            log_warn("/%s could not be removed: %s", folder, e.text);
            goto out;
        }
    }
    if (!files_remove(env->state, RECORD, &e))
        log_warn("%s: %s", RECORD, e.text);
out:
    buf_release(&b);
}
