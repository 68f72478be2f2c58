/* os on macOS.
 *
 * fsync only hands the bytes to the drive, which may keep them in its cache: F_FULLFSYNC asks the drive to
 * write them, F_BARRIERFSYNC to keep their order. Volumes that know neither (network, some FAT) answer with
 * an error, and fsync is then the best there is. Under Rosetta uname answers for the processor that is being
 * imitated; hw.optional.arm64 tells the truth. sandbox_init is deprecated and has no successor for a program
 * that confines itself without entitlements. */
#ifndef _DARWIN_C_SOURCE
#error "the Makefile compiles this file with _DARWIN_C_SOURCE"
#endif
#include "core/os.h"
#include "core/text.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libproc.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

/* <sandbox.h> marks both deprecated, and a warning is an error here. */
int sandbox_init(const char *profile, uint64_t flags, char **error);
void sandbox_free_error(char *error);

bool os_sync(int fd, enum os_sync_level level, struct err *e)
{
#if defined(F_BARRIERFSYNC)
    int how = level == OS_SYNC_MEDIUM ? F_FULLFSYNC : F_BARRIERFSYNC;
#else
    int how = F_FULLFSYNC;
    (void)level;
#endif
    if (fcntl(fd, how) != -1)
        return true;
    return fsync(fd) == 0 || err_sys(e, "cannot flush to the medium");
}

bool os_sync_volume(int fd, struct err *e)
{
    if (fsync_volume_np(fd, SYNC_VOLUME_FULLSYNC | SYNC_VOLUME_WAIT) == 0)
        return true;
    sync(); /* starts all there is; the flush that follows waits for the drive */
    return os_sync(fd, OS_SYNC_MEDIUM, e);
}

bool os_is_darwin(void)
{
    return true;
}

const char *os_self(struct arena *a)
{
    char path[PATH_MAX], real[PATH_MAX];
    uint32_t size = sizeof path;
    if (_NSGetExecutablePath(path, &size) != 0 || !realpath(path, real))
        return "/usr/local/daybreak/daybreak";
    return arena_strdup(a, real);
}

uint64_t os_process_start(pid_t pid)
{
    struct kinfo_proc info;
    size_t size = sizeof info;
    int mib[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, pid};
    if (pid <= 0 || sysctl(mib, 4, &info, &size, NULL, 0) != 0 || size < sizeof info)
        return 0;
    /* One that only waits to be reaped runs no more, but our own children have a start until we reaped them.
     */
    if (info.kp_proc.p_stat == SZOMB && info.kp_eproc.e_ppid != getpid())
        return 0;
    struct timeval start = info.kp_proc.p_starttime;
    return (uint64_t)start.tv_sec * 1000000 + (uint64_t)start.tv_usec;
}

/* What runs scripts, by the name of its file: sh, zsh, python3.12, munki-python, … */
static bool is_interpreter(const char *path)
{
    const char *name = text_basename(path);
    return text_ends(name, "sh") || strstr(name, "Python") || strstr(name, "python") ||
           strstr(name, "perl") || strstr(name, "ruby");
}

/* The second argument of process pid, or NULL. args holds: argc, the path, padding of NULs, the arguments. */
static const char *second_argument(pid_t pid, char *args, size_t size)
{
    int mib[] = {CTL_KERN, KERN_PROCARGS2, pid}, argc;
    if (sysctl(mib, 3, args, &size, NULL, 0) != 0 || size <= sizeof argc)
        return NULL;
    memcpy(&argc, args, sizeof argc);
    size_t at = sizeof argc;
    args[size - 1] = '\0';
    at += strlen(args + at);
    while (at < size && args[at] == '\0')
        at++;
    if (argc < 2 || at >= size)
        return NULL;
    at += strlen(args + at) + 1;
    return at < size ? args + at : NULL;
}

void os_processes(bool (*fn)(void *ctx, pid_t pid, const char *path), void *ctx)
{
    int count = proc_listallpids(NULL, 0);
    if (count <= 0)
        return;
    size_t room = (size_t)count + 256, args_size = 64 * 1024; /* more may have started meanwhile */
    pid_t *pids = arena_heap(NULL, room * sizeof *pids);
    char *args = arena_heap(NULL, args_size);
    count = proc_listallpids(pids, (int)(room * sizeof *pids));
    bool more = true;
    for (int i = 0; more && i < count; i++) {
        char path[PROC_PIDPATHINFO_MAXSIZE];
        if (pids[i] <= 0 || proc_pidpath(pids[i], path, sizeof path) <= 0)
            continue;
        more = fn(ctx, pids[i], path);
        const char *script = more && is_interpreter(path) ? second_argument(pids[i], args, args_size) : NULL;
        if (script && script[0] == '/')
            more = fn(ctx, pids[i], script);
    }
    free(args);
    free(pids);
}

bool os_pipe(int ends[2], struct err *e)
{
    if (pipe(ends) != 0)
        return err_sys(e, "cannot make a pipe");
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    return true;
}

short os_spawn_close_from(posix_spawn_file_actions_t *actions, int first)
{
    (void)actions; /* what they assign is kept, all else is closed */
    (void)first;
    return POSIX_SPAWN_CLOEXEC_DEFAULT;
}

uint64_t os_monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void os_random(void *p, size_t n)
{
    arc4random_buf(p, n);
}

bool os_xattr_get(int fd, const char *name, void *p, size_t *len, struct err *e)
{
    ssize_t n = fgetxattr(fd, name, p, *len, 0, 0);
    if (n < 0 && (errno == ENOATTR || errno == ENOTSUP))
        return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "attribute %s: there is none", name);
    if (n < 0)
        return err_sys(e, "attribute %s", name);
    *len = (size_t)n;
    return true;
}

bool os_xattr_set(int fd, const char *name, const void *p, size_t len, struct err *e)
{
    return fsetxattr(fd, name, p, len, 0, 0) == 0 || err_sys(e, "attribute %s", name);
}

void *os_pages(size_t n) /* there are pages of 16 KB on Apple silicon, and no larger ones to be had */
{
    return calloc(1, n);
}

void os_pages_free(void *p, size_t n)
{
    (void)n;
    free(p);
}

void os_populate(uintptr_t at, size_t n, bool write)
{
    (void)at; /* there is no such call, and pages are larger */
    (void)n;
    (void)write;
}

struct timespec os_mtime(const struct stat *st)
{
    return st->st_mtimespec;
}

struct timespec os_ctime(const struct stat *st)
{
    return st->st_ctimespec;
}

void os_boot(char out[OS_BOOT_MAX])
{
    size_t n = OS_BOOT_MAX;
    if (sysctlbyname("kern.bootsessionuuid", out, &n, NULL, 0) != 0 || n == 0 || out[n - 1] != '\0')
        out[0] = '\0';
}

void os_clear_flags(int dir, const char *name)
{
    const unsigned stops = UF_IMMUTABLE | UF_APPEND | SF_IMMUTABLE | SF_APPEND;
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || (st.st_flags & stops) == 0)
        return;
    int fd =
        openat(dir, name, O_RDONLY | O_SYMLINK | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); /* the link itself */
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0)
        (void)fchflags(fd, st.st_flags & ~stops); /* refused: the removal that follows says so */
    close(fd);
}

void os_uname_get(struct os_uname *u)
{
    struct utsname n;
    int arm = 0;
    size_t size = sizeof arm;
    *u = (struct os_uname){0};
    if (uname(&n) < 0)
        return;
    bool is_arm = sysctlbyname("hw.optional.arm64", &arm, &size, NULL, 0) == 0 && arm == 1;
    snprintf(u->node, sizeof u->node, "%.255s", n.nodename);
    snprintf(u->machine, sizeof u->machine, "%.63s", is_arm ? "arm64" : n.machine);
    snprintf(u->release, sizeof u->release, "%.127s", n.release);
    snprintf(u->version, sizeof u->version, "%.511s", n.version);
}

/* --- the cage ---------------------------------------------------------------------------------------------
 */

#define NOBODY ((uid_t)-2)

static void limit(int what, uint64_t value)
{
    struct rlimit l;
    if (value == 0 || getrlimit(what, &l) != 0)
        return;
    if (value > l.rlim_max)
        value = l.rlim_max;
    l.rlim_cur = l.rlim_max = (rlim_t)value;
    setrlimit(what, &l);
}

static bool become_nobody(void)
{
    gid_t nogroup = (gid_t)-2;
    return setgroups(1, &nogroup) == 0 && setgid(nogroup) == 0 && setuid(NOBODY) == 0 && setuid(0) != 0;
}

/* The profile's text: path in quotes, as its language wants it. False: it does not fit. */
static bool unpack_profile(char *out, size_t size, const char *path)
{
    size_t n = (size_t)snprintf(out, size,
                                "(version 1)(deny default)(allow sysctl-read)"
                                "(allow file-read* file-write* (subpath \"");
    for (; *path; path++) {
        if (n + 16 >= size || (unsigned char)*path < 0x20)
            return false;
        if (*path == '"' || *path == '\\')
            out[n++] = '\\';
        out[n++] = *path;
    }
    snprintf(out + n, size - n, "\"))");
    return true;
}

bool os_cage_enter(const struct os_cage *cage, char missing[OS_CAGE_MISSING], struct err *e)
{
    static const char parse[] = "(version 1)(deny default)(allow sysctl-read)";
    char profile[2 * PATH_MAX + 256], path[PATH_MAX], *error = NULL;
    const struct rlimit none = {0, 0};
    missing[0] = '\0';
    setrlimit(RLIMIT_CORE, &none);
    limit(RLIMIT_NOFILE, cage->unpacks ? 128 : 16);
    limit(RLIMIT_FSIZE, cage->file_size);
    limit(RLIMIT_CPU, cage->cpu_s);
    limit(RLIMIT_AS, cage->memory);
    bool known = !cage->unpacks || (fcntl(cage->directory, F_GETPATH, path) == 0 &&
                                    unpack_profile(profile, sizeof profile, path));
    if (!cage->unpacks && geteuid() == 0 && !become_nobody())
        return err_sys(e, "the worker cannot become an ordinary user");
    if (!known || sandbox_init(cage->unpacks ? profile : parse, 0, &error) != 0) {
        snprintf(missing, OS_CAGE_MISSING, "sandbox");
        if (error != NULL)
            sandbox_free_error(error);
    }
    return true;
}

bool os_peer_uid(int fd, uid_t *uid, struct err *e)
{
    gid_t gid;
    return getpeereid(fd, uid, &gid) == 0 || err_sys(e, "cannot tell who connects");
}

/* Declared by <launch.h>; the list is malloc'd by the system. */
int launch_activate_socket(const char *name, int **fds, size_t *count);

size_t os_activated_sockets(const char *name, int *fds, size_t max)
{
    int *list = NULL;
    size_t count = 0, kept = 0;
    if (launch_activate_socket(name, &list, &count) != 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (kept < max && fcntl(list[i], F_SETFL, O_NONBLOCK) == 0 &&
            fcntl(list[i], F_SETFD, FD_CLOEXEC) == 0)
            fds[kept++] = list[i];
        else
            close(list[i]);
    }
    free(list);
    return kept;
}

/* CoreFoundation is opened at run time, in a child alone, so that the program links libSystem and nothing
 * else. Types and names as in <CoreFoundation/CFPreferences.h> and <CFPropertyList.h>. */
struct cf {
    const void *(*string)(const void *allocator, const char *text, uint32_t encoding);
    void *(*dict)(const void *allocator, long capacity, const void *keys, const void *values);
    void *(*array)(const void *allocator, long capacity, const void *values);
    void (*set)(void *dict, const void *key, const void *value);
    void (*append)(void *array, const void *value);
    const void *(*app_value)(const void *key, const void *domain);
    unsigned char (*app_forced)(const void *key, const void *domain);
    const void *(*multiple)(const void *keys, const void *domain, const void *user, const void *host);
    const void *(*data)(const void *allocator, const void *plist, long format, unsigned long options,
                        const void **error);
    long (*length)(const void *data);
    const unsigned char *(*bytes)(const void *data);
    const void *key_callbacks, *value_callbacks, *array_callbacks; /* structures */
    const void *current_user, *any_user, *current_host, *any_host; /* strings */
};
#define CF_UTF8         0x08000100u
#define CF_FORMAT_XML   100
#define CF_CONSTANT(at) (*(const void *const *)(at))

static bool cf_open(struct cf *cf, struct err *e)
{
    static const char path[] = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation";
    static const struct {
        const char *name;
        size_t at;
    } names[] = {
        {"CFStringCreateWithCString", offsetof(struct cf, string)},
        {"CFDictionaryCreateMutable", offsetof(struct cf, dict)},
        {"CFArrayCreateMutable", offsetof(struct cf, array)},
        {"CFDictionarySetValue", offsetof(struct cf, set)},
        {"CFArrayAppendValue", offsetof(struct cf, append)},
        {"CFPreferencesCopyAppValue", offsetof(struct cf, app_value)},
        {"CFPreferencesAppValueIsForced", offsetof(struct cf, app_forced)},
        {"CFPreferencesCopyMultiple", offsetof(struct cf, multiple)},
        {"CFPropertyListCreateData", offsetof(struct cf, data)},
        {"CFDataGetLength", offsetof(struct cf, length)},
        {"CFDataGetBytePtr", offsetof(struct cf, bytes)},
        {"kCFTypeDictionaryKeyCallBacks", offsetof(struct cf, key_callbacks)},
        {"kCFTypeDictionaryValueCallBacks", offsetof(struct cf, value_callbacks)},
        {"kCFTypeArrayCallBacks", offsetof(struct cf, array_callbacks)},
        {"kCFPreferencesCurrentUser", offsetof(struct cf, current_user)},
        {"kCFPreferencesAnyUser", offsetof(struct cf, any_user)},
        {"kCFPreferencesCurrentHost", offsetof(struct cf, current_host)},
        {"kCFPreferencesAnyHost", offsetof(struct cf, any_host)},
    };
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "%s: %s", path, dlerror());
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *symbol = dlsym(library, names[i].name);
        if (!symbol)
            return err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "%s: no %s", path, names[i].name);
        memcpy((char *)cf + names[i].at, &symbol,
               sizeof symbol); /* POSIX: dlsym's answer is a function too */
    }
    /* these are variables that hold strings */
    cf->current_user = CF_CONSTANT(cf->current_user);
    cf->any_user = CF_CONSTANT(cf->any_user);
    cf->current_host = CF_CONSTANT(cf->current_host);
    cf->any_host = CF_CONSTANT(cf->any_host);
    return true;
}

/* level: values that the system has for domain, or NULL; into place under name. */
static void cf_keep(const struct cf *cf, void *place, const char *name, const void *values)
{
    if (values)
        cf->set(place, cf->string(NULL, name, CF_UTF8), values);
}

/* Nothing is released: the process that calls this ends right after. */
bool os_preferences(const char *const *domains, size_t domain_count, const char *const *keys,
                    size_t key_count, bool (*out)(void *ctx, const void *p, size_t n), void *ctx,
                    struct err *e)
{
    struct cf cf;
    if (!cf_open(&cf, e))
        return false;
    void *all = cf.array(NULL, 0, cf.array_callbacks);
    for (size_t d = 0; d < domain_count; d++) {
        const void *domain = cf.string(NULL, domains[d], CF_UTF8);
        void *place = cf.dict(NULL, 0, cf.key_callbacks, cf.value_callbacks);
        void *managed = cf.dict(NULL, 0, cf.key_callbacks, cf.value_callbacks);
        for (size_t k = 0; k < key_count; k++) {
            const void *key = cf.string(NULL, keys[k], CF_UTF8);
            const void *value = cf.app_forced(key, domain) ? cf.app_value(key, domain) : NULL;
            if (value)
                cf.set(managed, key, value);
        }
        cf_keep(&cf, place, "domain", domain);
        cf_keep(&cf, place, "managed", managed);
        if (geteuid() == 0) { /* the current user is root: its own, on this Mac and on any */
            cf_keep(&cf, place, "byhost", cf.multiple(NULL, domain, cf.current_user, cf.current_host));
            cf_keep(&cf, place, "root", cf.multiple(NULL, domain, cf.current_user, cf.any_host));
        }
        cf_keep(&cf, place, "local", cf.multiple(NULL, domain, cf.any_user, cf.current_host));
        cf.append(all, place);
    }
    const void *data = cf.data(NULL, all, CF_FORMAT_XML, 0, NULL);
    if (!data)
        return err_set(e, ERR_FORMAT, CAUSE_NONE, "the preferences are no property list");
    return out(ctx, cf.bytes(data), (size_t)cf.length(data)) || err_sys(e, "cannot write");
}
