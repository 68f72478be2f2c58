/* bootitem: see the header.
 *
 * The temporary name beside a file is always the same, so that one left by a killed run is taken away by the
 * next. In a user's home the folders are his and he may rename them under our hands; what is written goes to
 * the folder that was opened, so at worst it ends where he moved it. */
#include "installer/bootitem.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/console.h"
#include "installer/owner.h"
#include "installer/tool.h"
#include "manifests/bootstrap.h"
#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#define SCRIPT_TIMEOUT_S 3600
#define SLICE            (4 * LIMIT_MB)

static bool is_users(const struct bootstrap_item *b)
{
    return b->type == BOOTSTRAP_USERSCRIPT || b->type == BOOTSTRAP_USERFILE;
}

/* Who is at the desktop. Of another target nobody is known: *name stays NULL, and we act as ourselves. */
static bool user_of(const struct install_env *env, struct arena *a, const char **name, uid_t *uid, gid_t *gid,
                    struct err *e)
{
    struct console now;
    *name = NULL;
    *uid = geteuid();
    *gid = getegid();
    if (!env->live && tool_given(env->tools, TOOL_LAUNCHCTL)) {
        const struct passwd *me = getpwuid(*uid); /* tried out, with tools that stand in for Apple's */
        *name = me ? arena_strdup(a, me->pw_name) : NULL;
    }
    if (!env->live)
        return true;
    console_ask(a, env->loop, env->tools, env->live, &now);
    *name = now.name;
    if (now.state != CONSOLE_USER)
        return err_set(e, ERR_REFUSED, CAUSE_SCRIPT, "nobody is at the desktop of this Mac");
    return owner_ids(*name, "staff", true, uid, gid, e);
}

/* --- scripts ----------------------------------------------------------------------------------------------
 */

static bool prove(const struct bootstrap_item *b, const struct buf *text, struct err *e)
{
    unsigned char sum[DIGEST_MAX], want[32];
    if (!b->hash) /* that it may be missing was asked before */
        return true;
    digest_of(DIGEST_SHA256, buf_str(text), text->len, sum);
    return (text_unhex(want, sizeof want, b->hash) && crypto_equal(sum, want, sizeof want)) ||
           err_set(e, ERR_TRUST, CAUSE_HASH, "%s is there, but its SHA-256 is not what the JSON says",
                   b->file);
}

/* A file that others may write proves nothing, unless its hash does. */
static bool is_roots(int fd, const struct bootstrap_item *b, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(e, "%s", b->file);
    if (b->hash || ((st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & 022)))
        return true;
    return err_set(e, ERR_REFUSED, CAUSE_SCRIPT,
                   "%s can be changed by others than root: chown root, chmod 755", b->file);
}

static bool read_text(const struct install_env *env, const struct pkginfo *p, int file, struct buf *text,
                      struct install_outcome *out, struct err *e)
{
    const struct bootstrap_item *b = p->bootstrap;
    int own = -1;
    bool ok = false;
    if (p->location) {
        ok = file >= 0 && lseek(file, 0, SEEK_SET) == 0 && files_read_fd(file, text, e);
        if (file < 0)
            err_set(e, ERR_NOT_FOUND, CAUSE_SCRIPT, "%s is not in the cache", p->location);
    } else {
        snprintf(out->step, sizeof out->step, "verify");
        own = files_open(env->root, b->file, e);
        ok = own >= 0 && is_roots(own, b, e) && files_read_fd(own, text, e) && prove(b, text, e);
    }
    if (own >= 0)
        close(own);
    snprintf(out->step, sizeof out->step, ok || p->location ? "script" : "verify");
    if (ok && strlen(buf_str(text)) != text->len)
        return err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "%s is no script: a program must come in a package",
                       text_basename(b->file));
    return ok;
}

static bool place_of(const struct install_env *env, const struct pkginfo *p, struct arena *a,
                     struct script_place *where, struct err *e)
{
    gid_t gid;
    uint64_t timeout = env->item_timeout_ms > 0 ? env->item_timeout_ms : SCRIPT_TIMEOUT_S * (uint64_t)1000;
    script_place_from(where, env, timeout);
    return !is_users(p->bootstrap) || user_of(env, a, &where->user, &where->uid, &gid, e);
}

bool bootitem_ended(const struct pkginfo *p, int code, struct install_outcome *out, struct err *e)
{
    out->code = code;
    if (p->bootstrap->stage == BOOTSTRAP_PREFLIGHT) {
        snprintf(out->reason, sizeof out->reason, "exited with %d: %s", code,
                 code == 0 ? "nothing is to be done" : "the rest is to be done");
        return true;
    }
    if (code == 0)
        return true;
    err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s exited with %d", text_basename(p->bootstrap->file), code);
    if (e)
        e->code = code;
    return false;
}

bool bootitem_script(const struct install_env *env, const struct pkginfo *p, int file,
                     struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    struct script_place where;
    struct buf text;
    int code = -1;
    buf_init(&text, LIMIT_SCRIPT_TEXT);
    bool ok = read_text(env, p, file, &text, out, e) && place_of(env, p, a, &where, e) &&
              script_run(&where, text_basename(p->bootstrap->file), buf_str(&text), NULL, &code, e) &&
              bootitem_ended(p, code, out, e);
    if (!ok && out->code == 0)
        out->code = code;
    buf_release(&text);
    arena_free(a);
    return ok;
}

struct script *bootitem_start(const struct install_env *env, const struct pkginfo *p, int file,
                              struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    struct script_place where;
    struct script *s = NULL;
    struct buf text;
    memset(out, 0, sizeof *out);
    buf_init(&text, LIMIT_SCRIPT_TEXT);
    if (read_text(env, p, file, &text, out, e) && place_of(env, p, a, &where, e))
        s = script_start(&where, text_basename(p->bootstrap->file), buf_str(&text), e);
    buf_release(&text);
    arena_free(a); /* of a user's name: the command line has been made */
    return s;
}

/* --- files ------------------------------------------------------------------------------------------------
 */

/* Make the folders above path; those that were not there become uid's. */
static bool make_folders(int root, const char *path, bool give, uid_t uid, gid_t gid, struct err *e)
{
    struct arena *a = arena_open();
    struct stat st;
    bool ok = true;
    for (const char *slash = strchr(path + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        const char *folder = arena_strndup(a, path, (size_t)(slash - path));
        if (files_stat(root, folder, &st, e))
            continue;
        int fd = e->kind == ERR_NOT_FOUND ? files_dir(root, folder, true, 0755, e) : -1;
        ok = fd >= 0 && (!give || fchown(fd, uid, gid) == 0 || err_sys(e, "%s: chown", folder));
        if (fd >= 0)
            close(fd);
    }
    arena_free(a);
    return ok;
}

static bool copy_all(const struct install_env *env, int from, int to, struct err *e)
{
    char *slice = arena_heap(NULL, SLICE);
    ssize_t n = lseek(from, 0, SEEK_SET) == 0 ? 1 : -1;
    bool ok = true;
    while (n > 0 && ok && (n = read(from, slice, SLICE)) > 0) {
        ok = files_write(to, slice, (size_t)n, e);
        loop_turn(env->loop, 0);
    }
    free(slice);
    return n < 0 ? err_sys(e, "its file in Cache") : ok;
}

bool bootitem_file(const struct install_env *env, const struct pkginfo *p, int file, struct err *e)
{
    const struct bootstrap_item *b = p->bootstrap;
    struct arena *a = arena_open();
    const char *user, *name, *part = NULL;
    struct stat st;
    struct err ignored;
    uid_t uid = 0;
    gid_t gid = 0;
    int dir = -1, fd = -1;
    bool users = is_users(b), ok = false;
    if ((users && !user_of(env, a, &user, &uid, &gid, e)) ||
        !make_folders(env->root, b->file, users && env->as_root, uid, gid, e))
        goto out;
    dir = files_parent(env->root, b->file, false, &name, e);
    if (dir < 0)
        goto out;
    if (files_stat(dir, name, &st, &ignored) && !S_ISREG(st.st_mode)) {
        err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "%s is there and is no file", b->file);
        goto out;
    }
    part = arena_printf(a, ".%s.daybreak", name);
    if (!files_remove(dir, part, e) || (fd = files_create(dir, part, 0600, e)) < 0 ||
        !copy_all(env, file, fd, e))
        goto out;
    if ((env->as_root && fchown(fd, uid, gid) != 0) || fchmod(fd, users ? 0755 : 0644) != 0) {
        err_sys(e, "%s: owner and mode", b->file);
        goto out;
    }
    if (!os_sync(fd, OS_SYNC_MEDIUM, e))
        goto out;
    ok = renameat(dir, part, dir, name) == 0 || err_sys(e, "%s", b->file);
    ok = ok && os_sync(dir, OS_SYNC_MEDIUM, e);
out:
    if (fd >= 0)
        close(fd);
    if (!ok && dir >= 0 && part)
        unlinkat(dir, part, 0);
    if (dir >= 0)
        close(dir);
    arena_free(a);
    return ok;
}

static void turn(void *ctx)
{
    loop_turn(ctx, 0);
}

bool bootitem_is_there(struct loop *l, int root, const struct pkginfo *p, char *why, size_t size)
{
    const struct bootstrap_item *b = p->bootstrap;
    unsigned char sum[DIGEST_MAX], want[32];
    struct stat st;
    struct err e;
    int fd = files_open(root, b->file, &e);
    bool ok = fd >= 0 && fstat(fd, &st) == 0 &&
              digest_fd(DIGEST_SHA256, fd, 0, (uint64_t)st.st_size, sum, turn, l, &e);
    bool same =
        ok && b->hash && text_unhex(want, sizeof want, b->hash) && crypto_equal(sum, want, sizeof want);
    snprintf(why, size, "%s %s", b->file,
             same     ? "is there, with the right SHA-256"
             : ok     ? "is another file: its SHA-256 differs"
             : fd < 0 ? "is not there"
                      : "cannot be read");
    if (fd >= 0)
        close(fd);
    return same;
}
