/* What a killed install left. Its worker may still be at work: it holds the lock of its folder as long as it
 * lives, and ends by itself when it finds nobody listening. */
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "installer/flatpkg.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RECOVER_TRIES 100 /* of 50 ms: how long a killed run's worker may take to notice */

struct leftovers {
    const struct install_env *env;
    int folder;
};

/* Wait until no worker holds the lock of the staging folder name. */
static void wait_for_worker(const struct leftovers *l, const char *name)
{
    char path[LIMIT_NAME + 8];
    snprintf(path, sizeof path, "%s/lock", name);
    int fd = openat(l->folder, path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    for (int i = 0; fd >= 0 && i < RECOVER_TRIES && fcntl(fd, F_SETLK, &lock) != 0; i++) {
        if (errno != EACCES && errno != EAGAIN)
            break;
        loop_turn(l->env->loop, 50);
    }
    if (fd >= 0)
        close(fd);
}

static bool recover_one(void *ctx, const char *name, const struct stat *st)
{
    const struct leftovers *l = ctx;
    struct err e = {.kind = ERR_NONE};
    if (S_ISDIR(st->st_mode))
        wait_for_worker(l, name);
    if (files_remove(l->folder, name, &e))
        log_info("removed %s/%s, left by a run that was cut", FLATPKG_STAGING, name);
    else
        log_warn("cannot remove %s/%s: %s", FLATPKG_STAGING, name, e.text);
    return true;
}

void flatpkg_recover(const struct install_env *env)
{
    struct err e = {.kind = ERR_NONE};
    struct leftovers l = {.env = env, .folder = files_dir(env->state, FLATPKG_STAGING, false, 0, &e)};
    if (l.folder >= 0) {
        if (!files_list(l.folder, ".", recover_one, &l, &e))
            log_warn("cannot list %s: %s", FLATPKG_STAGING, e.text);
        close(l.folder);
    } else if (e.kind != ERR_NOT_FOUND) {
        log_warn("cannot open %s: %s", FLATPKG_STAGING, e.text);
    }
}
