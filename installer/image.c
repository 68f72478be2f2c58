/* image: disk images.
 *
 * hdiutil mounts below a folder that only root can enter. -noverify: the image was proved by its hash. An
 * image with a licence asks on standard input, so "Y" is always there to be read. Warnings may surround the
 * property list; the first mount-point in system-entities is the volume.
 * 7-Zip gives an HFS volume as a folder named after it, beside nothing else; an APFS or ISO volume as its
 * content. -sns- leaves out attributes, which it would lay beside the files as "name:attribute". An absolute
 * link it leads into the folder it unpacks to (image_link undoes that), and many a harmless relative one it
 * leaves out, with status 2: those are made afterwards. */
#include "installer/image.h"
#include "core/child.h"
#include "core/files.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/archive.h"
#include "installer/archive_worker.h"
#include "installer/image_listing.h"
#include "installer/tool.h"
#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#define IMAGE_PREFIX  "image-"
#define IMAGE_TIMEOUT ((uint64_t)1800 * 1000)

bool image_is(const char *name)
{
    return image_is_disk(name) || archive_is(name);
}

bool image_is_disk(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && (strcasecmp(name + n - 4, ".dmg") == 0 || strcasecmp(name + n - 4, ".iso") == 0);
}

static bool uses_hdiutil(const struct install_env *env)
{
    return os_is_darwin() || tool_given(env->tools, TOOL_HDIUTIL);
}

static void keep_line(char *last, size_t size, const char *line)
{
    if (*line)
        snprintf(last, size, "%s", line);
}

/* --- hdiutil ----------------------------------------------------------------------------------------------
 */

static void hdiutil_line(void *ctx, bool is_stderr, const char *line)
{
    if (is_stderr)
        keep_line(ctx, 256, line);
}

static bool attach(const struct install_env *env, const char *path, struct image *im, struct err *e)
{
    static const char *const pager[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=en_US.UTF-8",
                                        "PAGER=/bin/cat", NULL};
    struct arena *a = arena_open();
    struct child_end end;
    struct buf out;
    char last[256] = "", why[64];
    bool ok = false;

    buf_init(&out, LIMIT_CHILD_OUTPUT);
    const char *tool = tool_path(a, env->tools, TOOL_HDIUTIL, e);
    if (!tool)
        goto out;
    const char *argv[] = {tool,
                          "attach",
                          path,
                          "-nobrowse",
                          "-readonly",
                          "-mountRandom",
                          arena_printf(a, "%s/%s", env->root_path, im->place),
                          "-noverify",
                          "-plist",
                          NULL};
    struct child_spec spec = {.argv = argv,
                              .env = pager,
                              .dir = -1,
                              .input = "Y\n",
                              .input_len = 2,
                              .timeout_ms = IMAGE_TIMEOUT,
                              .line = hdiutil_line,
                              .ctx = last,
                              .out = &out};
    if (!child_run(env->loop, &spec, &end, e)) {
        err_wrap(e, "hdiutil");
        goto out;
    }
    im->attached = true; /* something may be attached even where the answer cannot be read */
    if (end.exit_code != 0 || end.signal) {
        err_set(e, ERR_CHILD, CAUSE_INSTALLER, "hdiutil %s%s%s", child_end_text(&end, why, sizeof why),
                *last ? ": " : "", last);
        goto out;
    }
    const char *mount = image_listing_mount(env->loop, a, &out, e);
    if (!mount)
        goto out;
    snprintf(im->path, sizeof im->path, "%s", mount);
    im->dir = open(im->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = im->dir >= 0 || err_sys(e, "%s", im->path);
out:
    buf_release(&out);
    arena_free(a);
    return ok;
}

static bool detach(const struct install_env *env, const char *mount)
{
    struct arena *a = arena_open();
    struct child_end end;
    struct err e;
    bool done = false;

    const char *tool = tool_path(a, env->tools, TOOL_HDIUTIL, &e);
    for (int force = 0; tool && !done && force < 2; force++) {
        const char *argv[] = {tool, "detach", mount, force ? "-force" : NULL, NULL};
        struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = IMAGE_TIMEOUT};
        done = child_run(env->loop, &spec, &end, &e) && end.exit_code == 0 && !end.signal;
    }
    arena_free(a);
    return done;
}

/* --- 7-Zip ------------------------------------------------------------------------------------------------
 */

/* Keep the line for the one who reads them: not this process. */
static void seven_line(void *ctx, bool is_stderr, const char *line)
{
    struct buf *lines = ctx;
    bool kept = buf_printf(lines, "%c%s\n", is_stderr ? 'E' : 'O', line);
    (void)kept; /* what is over the maximum are names of files that went well */
}

/* Make the links that were left out. Whoever reads the folder follows no link out of it. */
static bool make_links(int place, const struct image_listing *u, struct err *e)
{
    for (const struct image_listing_link *l = u->links; l; l = l->next) {
        const char *name;
        struct stat st;
        int dir = files_parent(place, l->path, false, &name, e);
        if (dir < 0)
            return false;
        bool ok = (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
                   (S_ISREG(st.st_mode) && st.st_size == 0 && unlinkat(dir, name, 0) == 0)) &&
                  symlinkat(l->target, dir, name) == 0;
        if (!ok)
            err_sys(e, "link %s", l->path);
        close(dir);
        if (!ok)
            return false;
    }
    return true;
}

struct single {
    char name[256];
    size_t count;
};

static bool single_entry(void *ctx, const char *name, const struct stat *st)
{
    struct single *s = ctx;
    if (S_ISDIR(st->st_mode) && s->count++ == 0)
        snprintf(s->name, sizeof s->name, "%s", name);
    return true;
}

static bool unpack(const struct install_env *env, int fd, int place, struct image *im, struct err *e)
{
    struct arena *a = arena_open();
    struct image_listing u;
    struct buf lines;
    struct single s = {.count = 0};
    struct child_end end;
    char why[64];
    bool ok = false;

    buf_init(&lines, IMAGE_LISTING_MAX);
    const char *tool = tool_path(a, env->tools, TOOL_SEVENZIP, e);
    if (!tool)
        goto out;
    const char *folder = arena_printf(a, "%s/%s", env->root_path, im->place);
    const char *argv[] = {tool,        "x", "-y", "-bd", "-sns-", arena_printf(a, "-o%s", folder),
                          "/dev/fd/3", NULL};
    struct child_spec spec = {.argv = argv,
                              .dir = -1,
                              .fds = &fd,
                              .fd_count = 1,
                              .timeout_ms = IMAGE_TIMEOUT,
                              .line = seven_line,
                              .ctx = &lines};
    if (!child_run(env->loop, &spec, &end, e)) {
        err_wrap(e, "7-Zip");
        goto out;
    }
    if (!image_listing_seven(env->loop, a, &lines, &u, e)) {
        err_wrap(e, "7-Zip");
        goto out;
    }
    bool only_links = end.exit_code == 2 && u.links && !*u.error;
    if ((end.exit_code != 0 || end.signal) && !only_links) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "it is no disk image that 7-Zip can read: %s",
                *u.error ? u.error : child_end_text(&end, why, sizeof why));
        goto out;
    }
    if (!make_links(place, &u, e))
        goto out;
    if (u.hfs && !files_list(place, "", single_entry, &s, e))
        goto out;
    snprintf(im->path, sizeof im->path, "%s%s%s", folder, s.count == 1 ? "/" : "",
             s.count == 1 ? s.name : "");
    im->dir = openat(place, s.count == 1 ? s.name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ok = im->dir >= 0 || err_sys(e, "%s", im->path);
out:
    buf_release(&lines);
    arena_free(a);
    return ok;
}

/* --- archives --------------------------------------------------------------------------------------------
 */

static bool unarchive(const struct install_env *env, int fd, int place, struct image *im, struct err *e)
{
    unsigned long long room;
    if (!files_free(place, &room, e) || !archive_unpack(env->loop, fd, place, room, IMAGE_TIMEOUT, e))
        return false;
    snprintf(im->path, sizeof im->path, "%s/%s", env->root_path, im->place);
    im->dir = openat(place, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return im->dir >= 0 || err_sys(e, "%s", im->path);
}

/* --- all of them
 * ---------------------------------------------------------------------------------------------
 */

struct leftovers {
    const struct install_env *env;
    const char *folder; /* "" for the state folder itself, else a place: its entries are mount points */
};

static bool leftover(void *ctx, const char *name, const struct stat *st)
{
    const struct leftovers *l = ctx;
    const struct install_env *env = l->env;
    struct err e;

    if (!S_ISDIR(st->st_mode))
        return true;
    struct arena *a = arena_open();
    if (*l->folder) {
        detach(env, arena_printf(a, "%s/%s/%s", env->root_path, l->folder, name));
    } else if (text_starts(name, IMAGE_PREFIX)) {
        const char *place = arena_printf(a, "%s/%s", INSTALL_STATE, name);
        struct leftovers inner = {env, place};
        if (uses_hdiutil(env) && !files_list(env->root, place, leftover, &inner, &e))
            log_warn("%s: %s", place, e.text);
        if (!files_remove(env->root, place, &e))
            log_warn("%s is left of an earlier run and could not be removed: %s", place, e.text);
    }
    arena_free(a);
    return true;
}

bool image_open(const struct install_env *env, int fd, const char *path, struct image *im, struct err *e)
{
    memset(im, 0, sizeof *im);
    im->dir = -1;
    int place = files_temp_dir(env->root, INSTALL_STATE, IMAGE_PREFIX, im->place, sizeof im->place, e);
    if (place < 0)
        return err_wrap(e, "%s", text_basename(path));
    bool ok = archive_is(path)    ? unarchive(env, fd, place, im, e)
              : uses_hdiutil(env) ? attach(env, path, im, e)
                                  : unpack(env, fd, place, im, e);
    close(place);
    return ok || err_wrap(e, "%s", text_basename(path));
}

void image_close(const struct install_env *env, struct image *im)
{
    struct err e;

    if (im->dir >= 0)
        close(im->dir);
    im->dir = -1;
    if (im->attached && *im->path && !detach(env, im->path))
        log_warn("the disk image at %s could not be detached", im->path);
    if (im->attached && !*im->path &&
        *im->place) { /* hdiutil did not say where: every folder is a mount point */
        struct leftovers inner = {env, im->place};
        if (!files_list(env->root, im->place, leftover, &inner, &e))
            log_warn("%s: %s", im->place, e.text);
    }
    im->attached = false;
    if (*im->place && !files_remove(env->root, im->place, &e))
        log_warn("%s could not be removed: %s", im->place, e.text);
    im->place[0] = '\0';
}

const char *image_link(const struct install_env *env, const struct image *im, const char *target)
{
    size_t n = strlen(env->root_path), k = strlen(im->place);

    if (im->attached || strncmp(target, env->root_path, n) != 0 || target[n] != '/' ||
        strncmp(target + n + 1, im->place, k) != 0 || target[n + 1 + k] != '/')
        return target;
    return target + n + 1 + k;
}

bool image_lacks(const char *what, struct err *e)
{
    if (e && e->kind == ERR_NOT_FOUND)
        e->cause = CAUSE_INSTALLER;
    return err_wrap(e, "%s", what);
}

void image_recover(const struct install_env *env)
{
    struct leftovers l = {env, ""};
    struct err e;
    if (!files_list(env->root, INSTALL_STATE, leftover, &l, &e) && e.kind != ERR_NOT_FOUND)
        log_warn("%s: %s", INSTALL_STATE, e.text);
}
