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
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
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

/* What is left beyond the last large page fills one of its own, or is so little that small ones do. */
static size_t whole_pages(size_t n)
{
    const size_t left = n % OS_LARGE_PAGE, page = (size_t)sysconf(_SC_PAGESIZE);
    return left > OS_LARGE_PAGE / 4 ? n - left + OS_LARGE_PAGE : (n + page - 1) / page * page;
}

/* A large page begins at a multiple of its size: one more is asked for, and what is too much given back. */
void *os_pages(size_t n)
{
    if (n > SIZE_MAX - 2 * OS_LARGE_PAGE)
        return NULL;
    const size_t want = whole_pages(n);
    char *p = mmap(NULL, want + OS_LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    const size_t before = (OS_LARGE_PAGE - (uintptr_t)p % OS_LARGE_PAGE) % OS_LARGE_PAGE;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + want, OS_LARGE_PAGE - before);
    p += before;
    (void)madvise(p, want / OS_LARGE_PAGE * OS_LARGE_PAGE, MADV_HUGEPAGE);
    os_populate((uintptr_t)p, want, true); /* a kernel without large ones gives the small ones in one go */
    return p;
}

void os_pages_free(void *p, size_t n)
{
    munmap(p, whole_pages(n));
}

void os_populate(uintptr_t at, size_t n, bool write)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (at + page - 1) / page * page, to = (at + n) / page * page;
    /* since Linux 5.14; an older one says no */
    if (from < to)
        (void)madvise((void *)from, to - from, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

struct timespec os_mtime(const struct stat *st)
{
    return st->st_mtim;
}

struct timespec os_ctime(const struct stat *st)
{
    return st->st_ctim;
}

void os_boot(char out[OS_BOOT_MAX])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, OS_BOOT_MAX - 1);
    if (fd >= 0)
        close(fd);
    while (n > 0 && out[n - 1] == '\n')
        n--;
    out[n > 0 ? n : 0] = '\0';
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

/* --- the cage ---------------------------------------------------------------------------------------------
 *
 * Four walls, each of which may be missing in some kernel or container: a system call filter that lets
 * through a list and nothing else; landlock, which knows the directory; chroot, because landlock does not
 * keep one from chmod, chown and utimes by path; and for an ordinary user a namespace of his own, without
 * which he may not chroot. In a parse cage the filter knows no call that takes a path. */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0u
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define FILTER_MAX  256
#define NOBODY      65534
#define PARSE_FILES 16
/* one descriptor a level of the deepest payload, and some */
#define UNPACK_FILES 128

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short len;
};

static void op(struct filter *f, unsigned code, uint32_t k, unsigned jt, unsigned jf)
{
    if (f->len == FILTER_MAX)
        abort();
    f->code[f->len++] = (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, k};
}

static void answer(struct filter *f, uint32_t what)
{
    op(f, BPF_RET | BPF_K, what, 0, 0);
}

static void allow(struct filter *f, const long *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        op(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        answer(f, SECCOMP_RET_ALLOW);
    }
}

/* Allow call when its argument arg passes the jump (code, k): true goes on to jt 0. */
static void allow_if(struct filter *f, long call, unsigned arg, unsigned test, uint32_t k, bool wanted)
{
    size_t low = offsetof(struct seccomp_data, args) + 8 * arg; /* both processors are little endian */
    op(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
    op(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)low, 0, 0);
    op(f, BPF_JMP | test | BPF_K, k, wanted ? 0 : 1, wanted ? 1 : 0);
    answer(f, SECCOMP_RET_ALLOW);
    answer(f, SECCOMP_RET_ERRNO | EPERM);
}

/* What every worker needs: its descriptors, memory, time, its own end. The most frequent come first. */
static const long both[] = {
#if defined(SYS_poll)
    SYS_poll, /* gone from newer processors */
#endif
    SYS_write,
    SYS_read,
    SYS_pread64,
    SYS_close,
    SYS_fstat,
    SYS_ppoll,
    SYS_newfstatat,
    SYS_lseek,
    SYS_readv,
    SYS_writev,
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_futex,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_getrandom,
    SYS_sched_yield,
    SYS_sysinfo,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group};

/* What unpacking needs beside that. Paths lead nowhere but beneath the directory. */
static const long unpacking[] = {SYS_openat,    SYS_utimensat, SYS_fchown,    SYS_fchownat, SYS_mkdirat,
                                 SYS_symlinkat, SYS_linkat,    SYS_unlinkat,  SYS_fchmod,   SYS_fchmodat,
                                 SYS_umask,     SYS_dup,       SYS_ftruncate, SYS_fallocate};

static bool filter_calls(const struct os_cage *cage)
{
    static struct filter f;
    f.len = 0;
    op(&f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    op(&f, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    answer(&f, SECCOMP_RET_KILL_PROCESS);
    op(&f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    if (cage->unpacks) {
        allow(&f, unpacking, sizeof unpacking / sizeof *unpacking);
        allow_if(&f, SYS_fcntl, 1, BPF_JEQ, F_SETLK, true);
    }
    allow(&f, both, sizeof both / sizeof *both);
    allow_if(&f, SYS_mmap, 2, BPF_JSET, PROT_EXEC, false);
    allow_if(&f, SYS_mprotect, 2, BPF_JSET, PROT_EXEC, false);
    allow_if(&f, SYS_tgkill, 0, BPF_JEQ, (uint32_t)getpid(), true); /* abort and raise */
    answer(&f, SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {.len = f.len, .filter = f.code};
    return OUR_ARCH != 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* Landlock by its numbers: headers are often older than kernels. */
#define LANDLOCK_CREATE 444 /* the same on every processor */
#define LANDLOCK_ADD    445
#define LANDLOCK_ENTER  446
enum {
    LANDLOCK_EXECUTE = 1 << 0,
    LANDLOCK_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11, /* devices, sockets, pipes */
    LANDLOCK_ABI_1 = (1 << 13) - 1,
    LANDLOCK_REFER = 1 << 13, /* hard links from one directory to another: from version 2 */
    LANDLOCK_TRUNCATE = 1 << 14,
    LANDLOCK_IOCTL = 1 << 15
};

static bool enter_landlock(const struct os_cage *cage)
{
    struct {
        uint64_t files, net, scoped;
    } rules = {.files = LANDLOCK_ABI_1};
    struct {
        uint64_t allowed;
        int32_t fd;
        uint32_t none;
    } beneath;
    long abi = syscall(LANDLOCK_CREATE, NULL, 0, 1);
    if (abi < 2) /* version 1 forbids all links between directories */
        return false;
    rules.files |= LANDLOCK_REFER | (abi >= 3 ? LANDLOCK_TRUNCATE : 0) | (abi >= 5 ? LANDLOCK_IOCTL : 0);
    rules.net = 3;    /* bind and connect TCP */
    rules.scoped = 3; /* abstract sockets, signals */
    int set = (int)syscall(LANDLOCK_CREATE, &rules, abi >= 6 ? 24 : abi >= 4 ? 16 : 8, 0);
    if (set < 0)
        return false;
    beneath.allowed = rules.files & ~(uint64_t)(LANDLOCK_EXECUTE | LANDLOCK_SPECIAL | LANDLOCK_IOCTL);
    beneath.fd = cage->directory;
    beneath.none = 0;
    bool ok = (!cage->unpacks || syscall(LANDLOCK_ADD, set, 1, &beneath, 0) == 0) &&
              syscall(LANDLOCK_ENTER, set, 0) == 0;
    close(set);
    return ok;
}

static void limit(int what, uint64_t value)
{
    struct rlimit l;
    if (value == 0 || getrlimit((__rlimit_resource_t)what, &l) != 0)
        return;
    if (l.rlim_max != RLIM_INFINITY && value > l.rlim_max)
        value = l.rlim_max;
    l.rlim_cur = l.rlim_max = (rlim_t)value;
    setrlimit((__rlimit_resource_t)what, &l);
}

static void set_limits(const struct os_cage *cage)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    limit(RLIMIT_NOFILE, cage->unpacks ? UNPACK_FILES : PARSE_FILES);
    limit(RLIMIT_FSIZE, cage->file_size);
    limit(RLIMIT_CPU, cage->cpu_s);
    if (!SANITIZED)
        limit(RLIMIT_AS, cage->memory);
}

/* Keep these of the capabilities that root has. */
static bool keep_capabilities(uint32_t which)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].effective = data[0].permitted = which;
    return syscall(SYS_capset, &head, data) == 0;
}

static bool become_nobody(void)
{
    return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
           setresuid(NOBODY, NOBODY, NOBODY) == 0 && setuid(0) != 0;
}

static void lack(char missing[OS_CAGE_MISSING], const char *what)
{
    size_t n = strlen(missing);
    snprintf(missing + n, OS_CAGE_MISSING - n, "%s%s", n > 0 ? ", " : "", what);
}

bool os_cage_enter(const struct os_cage *cage, char missing[OS_CAGE_MISSING], struct err *e)
{
    const uint32_t owners = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID;
    bool root = geteuid() == 0;
    missing[0] = '\0';
    set_limits(cage);
    if (cage->unpacks) {
        if ((!root && unshare(CLONE_NEWUSER) != 0) || fchdir(cage->directory) != 0 || chroot(".") != 0)
            lack(missing, "chroot");
        if (!keep_capabilities(root ? owners : 0) && root)
            return err_sys(e, "the worker cannot give up the rights of root");
    } else if (root && !become_nobody()) {
        return err_sys(e, "the worker cannot become an ordinary user");
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        lack(missing, "no_new_privs");
    if (!enter_landlock(cage))
        lack(missing, "landlock");
    if (!filter_calls(cage))
        lack(missing, "seccomp");
    return true;
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
