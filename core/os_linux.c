/* os on Linux, where Daybreak is developed and where it looks into packages for other machines.
 *
 * /proc/PID/stat holds the command's name in parentheses, and the name may itself hold parentheses and
 * spaces: fields are counted from the last ')'. A process that ended stays there until it is reaped. */
#ifndef _GNU_SOURCE
#error "the Makefile compiles this file with _GNU_SOURCE"
#endif
#include "core/os.h"
#include "core/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

bool os_sync(int fd, enum os_sync_level level, struct err *e)
{
    int r = level == OS_SYNC_MEDIUM ? fsync(fd) : fdatasync(fd);
    return r == 0 || err_sys(e, "cannot flush to the medium");
}

bool os_sync_volume(int fd, struct err *e)
{
    return syncfs(fd) == 0 || err_sys(e, "cannot flush the volume");
}

bool os_is_darwin(void)
{
    return false;
}

const char *os_self(struct arena *a)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    return n > 0 && (size_t)n < sizeof path ? arena_strndup(a, path, (size_t)n)
                                            : "/usr/local/daybreak/daybreak";
}

/* The first bytes of /proc/PID/name, with a NUL behind; their number, or 0. */
static size_t proc_read(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

uint64_t os_process_start(pid_t pid)
{
    char stat[1024], state;
    long parent;
    unsigned long long start;
    if (pid <= 0 || proc_read(pid, "stat", stat, sizeof stat) == 0)
        return 0;
    const char *p = strrchr(stat, ')');
    if (!p ||
        sscanf(p + 1, " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
               &state, &parent, &start) != 3)
        return 0;
    /* One that only waits to be reaped runs no more, but our own children have a start until we reaped them.
     */
    if ((state == 'Z' || state == 'X') && parent != (long)getpid())
        return 0;
    return start ? start : 1;
}

/* What runs scripts, by the name of its file: sh, zsh, python3.12, munki-python, … */
static bool is_interpreter(const char *path)
{
    const char *name = text_basename(path);
    return text_ends(name, "sh") || strstr(name, "python") || strstr(name, "perl") || strstr(name, "ruby");
}

void os_processes(bool (*fn)(void *ctx, pid_t pid, const char *path), void *ctx)
{
    DIR *d = opendir("/proc");
    if (!d)
        return;
    bool more = true;
    for (struct dirent *entry; more && (entry = readdir(d));) {
        int64_t pid;
        char name[64], exe[4096], args[8192];
        if (!text_int(entry->d_name, 1, INT32_MAX, &pid))
            continue;
        snprintf(name, sizeof name, "/proc/%ld/exe", (long)pid);
        ssize_t n = readlink(name, exe, sizeof exe - 1);
        if (n <= 0)
            continue;
        exe[n] = '\0';
        more = fn(ctx, (pid_t)pid, exe);
        if (!more || !is_interpreter(exe))
            continue;
        size_t len = proc_read((pid_t)pid, "cmdline", args, sizeof args), at = strlen(args) + 1;
        if (at < len && args[at] == '/')
            more = fn(ctx, (pid_t)pid, args + at);
    }
    closedir(d);
}

bool os_pipe(int ends[2], struct err *e)
{
    return pipe2(ends, O_CLOEXEC) == 0 || err_sys(e, "cannot make a pipe");
}

short os_spawn_close_from(posix_spawn_file_actions_t *actions, int first)
{
#if __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(actions, first);
#else
    (void)actions;
    (void)first;
#endif
    return 0;
}

uint64_t os_monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void os_realtime(time_t *seconds, int *ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *seconds = t.tv_sec;
    *ms = (int)(t.tv_nsec / 1000000);
}

void os_random(void *p, size_t n)
{
    unsigned char *u = p;
    while (n > 0) {
        ssize_t got = getrandom(u, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        u += got;
        n -= (size_t)got;
    }
}

/* Ordinary programs may only use the name space "user.". */
static void xattr_name(char out[256], const char *name)
{
    snprintf(out, 256, "%s%s", text_starts(name, "user.") ? "" : "user.", name);
}

bool os_xattr_get(int fd, const char *name, void *p, size_t *len, struct err *e)
{
    char full[256];
    xattr_name(full, name);
    ssize_t n = fgetxattr(fd, full, p, *len);
    if (n < 0 && (errno == ENODATA || errno == ENOTSUP))
        return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "attribute %s: there is none", name);
    if (n < 0)
        return err_sys(e, "attribute %s", name);
    *len = (size_t)n;
    return true;
}

bool os_xattr_set(int fd, const char *name, const void *p, size_t len, struct err *e)
{
    char full[256];
    xattr_name(full, name);
    return fsetxattr(fd, full, p, len, 0) == 0 || err_sys(e, "attribute %s", name);
}

struct timespec os_mtime(const struct stat *st)
{
    return st->st_mtim;
}

void os_clear_flags(int dir, const char *name)
{
    (void)dir;
    (void)name;
}

void os_uname_get(struct os_uname *u)
{
    struct utsname n;
    *u = (struct os_uname){0};
    if (uname(&n) < 0)
        return;
    snprintf(u->node, sizeof u->node, "%s", n.nodename);
    snprintf(u->machine, sizeof u->machine, "%.63s", n.machine);
    snprintf(u->release, sizeof u->release, "%s", n.release);
    snprintf(u->version, sizeof u->version, "%s", n.version);
}

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0u
#endif

#define REFUSE(nr)                                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

void os_confine(const char **missing)
{
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#if defined(__x86_64__)
        /* the other numbering of the same calls on this processor (x32) */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
#endif
        REFUSE(SYS_execve),
        REFUSE(SYS_execveat),
        REFUSE(SYS_socket),
        REFUSE(SYS_socketpair),
        REFUSE(SYS_connect),
        REFUSE(SYS_bind),
#if !defined(__SANITIZE_ADDRESS__)
        REFUSE(SYS_ptrace), /* by which a sanitized build looks for leaks at its end */
#endif
        REFUSE(SYS_process_vm_writev),
        REFUSE(SYS_mount),
        REFUSE(SYS_kill),
        REFUSE(SYS_tkill),
#if defined(SYS_io_uring_setup)
        REFUSE(SYS_io_uring_setup), /* it would do what is refused above by another way */
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    const struct rlimit none = {0, 0};
    *missing = "";
    setrlimit(RLIMIT_CORE, &none);
    if (OUR_ARCH == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        *missing = "seccomp";
}

bool os_peer_uid(int fd, uid_t *uid, struct err *e)
{
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return err_sys(e, "cannot tell who connects");
    *uid = who.uid;
    return true;
}

size_t os_activated_sockets(const char *name, int *fds, size_t max)
{
    (void)name;
    (void)fds;
    (void)max;
    return 0;
}

bool os_preferences(const char *const *domains, size_t domain_count, const char *const *keys,
                    size_t key_count, bool (*out)(void *ctx, const void *p, size_t n), void *ctx,
                    struct err *e)
{
    (void)domains;
    (void)domain_count;
    (void)keys;
    (void)key_count;
    (void)out;
    (void)ctx;
    return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "this system has no preferences to ask");
}
