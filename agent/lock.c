/* lock: see the header. fcntl locks are not inherited, so no child can keep a dead run's lock. */
#include "agent/lock.h"
#include "core/files.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static int open_lock(int state, struct err *e)
{
    struct stat st;
    int fd = openat(state, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        err_sys(e, "lock");
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
        close(fd);
        err_set(e, ERR_REFUSED, CAUSE_INTERNAL, "lock is not a regular file of its own");
        return -1;
    }
    return fd;
}

static void read_since(int fd, struct lock_holder *h)
{
    char text[64] = "";
    int64_t since;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    h->since = 0;
    if (n > 0) {
        text[n] = '\0';
        char *space = strchr(text, ' ');
        char *end = space != NULL ? strchr(space, '\n') : NULL;
        if (end != NULL) {
            *end = '\0';
            if (text_int(space + 1, 0, INT64_MAX / 2, &since)) {
                h->since = (time_t)since;
            }
        }
    }
}

static bool ask(int fd, struct lock_holder *h, struct err *e)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &fl) != 0) {
        return err_sys(e, "lock");
    }
    h->pid = fl.l_type == F_UNLCK ? 0 : fl.l_pid;
    read_since(fd, h);
    return true;
}

int lock_take(int state, struct lock_holder *holder, struct err *e)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[64];
    time_t now;
    int ms;
    *holder = (struct lock_holder){0};
    int fd = open_lock(state, e);
    if (fd < 0) {
        return -1;
    }
    if (fcntl(fd, F_SETLK, &fl) != 0) {
        if (errno != EACCES && errno != EAGAIN) {
            err_sys(e, "lock");
        } else if (ask(fd, holder, e)) {
            err_set(e, ERR_REFUSED, CAUSE_NONE, "another run holds the lock (process %ld)",
                    (long)holder->pid);
        }
        close(fd);
        return -1;
    }
    os_realtime(&now, &ms);
    int n = snprintf(text, sizeof text, "%ld %lld\n", (long)getpid(), (long long)now);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        err_sys(e, "lock");
        close(fd);
        return -1;
    }
    return fd;
}

bool lock_who(int state, struct lock_holder *holder, struct err *e)
{
    *holder = (struct lock_holder){0};
    int fd = openat(state, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? true : err_sys(e, "lock");
    }
    bool ok = ask(fd, holder, e);
    close(fd);
    return ok;
}
