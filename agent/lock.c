/* lock: see the header. fcntl locks are not inherited, so no child can keep a dead run's lock. */
#include "agent/lock.h"
#include "core/files.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>

static int open_lock(int state, struct err *e)
{
    struct stat st;
    int fd = openat(state, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_sys(e, "lock");
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || fchmod(fd, 0600) != 0) {
        close(fd);
        err_set(e, ERR_REFUSED, CAUSE_INTERNAL, "lock is not a regular file of its own");
        return -1;
    }
    return fd;
}

/* The three numbers of state/holder; false when it is not there or damaged. */
static bool read_holder(int state, struct lock_holder *h, uint64_t *start)
{
    struct buf b;
    struct err e;
    int64_t n[3] = {0};
    buf_init(&b, 128);
    bool ok = files_read(state, "holder", &b, &e) && b.len > 0;
    char *p = b.data;
    for (int i = 0; ok && i < 3; i++) {
        char *end = strpbrk(p, " \n");
        ok = end != NULL;
        if (ok) {
            *end = '\0';
            ok = text_int(p, 0, INT64_MAX / 2, &n[i]);
            p = end + 1;
        }
    }
    buf_release(&b);
    ok = ok && n[0] > 0 && n[0] <= INT32_MAX;
    *h = ok ? (struct lock_holder){(pid_t)n[0], (time_t)n[1]} : (struct lock_holder){0};
    *start = (uint64_t)n[2];
    return ok;
}

static bool ask(int state, int fd, struct lock_holder *h, struct err *e)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct lock_holder told;
    uint64_t start;
    if (fcntl(fd, F_GETLK, &fl) != 0) {
        return err_sys(e, "lock");
    }
    *h = (struct lock_holder){0};
    if (fl.l_type == F_UNLCK) {
        return true;
    }
    if (fl.l_pid <= 0) { /* never to be taken for a process: a signal to it would go to everybody */
        return err_set(e, ERR_SYS, CAUSE_INTERNAL,
                       "lock is held by something that is no process of this system");
    }
    h->pid = fl.l_pid;
    if (read_holder(state, &told, &start) && told.pid == h->pid) {
        h->since = told.since;
    }
    return true;
}

int lock_take(int state, struct lock_holder *holder, struct err *e)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    *holder = (struct lock_holder){0};
    int fd = open_lock(state, e);
    if (fd < 0) {
        return -1;
    }
    if (fcntl(fd, F_SETLK, &fl) != 0) {
        if (errno != EACCES && errno != EAGAIN) {
            err_sys(e, "lock");
        } else if (ask(state, fd, holder, e)) {
            err_set(e, ERR_REFUSED, CAUSE_NONE, "another run holds the lock (process %ld)",
                    (long)holder->pid);
        }
        close(fd);
        return -1;
    }
    return fd;
}

bool lock_tell(int state, struct err *e)
{
    char text[96];
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    int n = snprintf(text, sizeof text, "%ld %lld %llu\n", (long)getpid(), (long long)now,
                     (unsigned long long)os_process_start(getpid()));
    return files_replace(state, "holder", text, (size_t)n, 0644, FILES_LAZY, e);
}

bool lock_who(int state, struct lock_holder *holder, struct err *e)
{
    uint64_t start;
    *holder = (struct lock_holder){0};
    int fd = openat(state, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) {
        if (read_holder(state, holder, &start) && (start == 0 || os_process_start(holder->pid) != start)) {
            *holder = (struct lock_holder){0};
        }
        return true;
    }
    if (fd < 0) {
        return errno == ENOENT ? true : err_sys(e, "lock");
    }
    bool ok = ask(state, fd, holder, e);
    close(fd);
    return ok;
}
