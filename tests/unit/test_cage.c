/* cage: tried from inside. Each attempt is made by a process of its own that has entered a cage; what it may
 * not do must be refused, what it must do must work, and what it tried outside must not have happened. */
#include "core/os.h"
#include "core/text.h"
#include "volume.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { REFUSED = 0, DONE = 1, LACKING = 77, BROKEN = 99 };

static char outside[128], victim[160]; /* a folder beside the cage's directory, and a file in it */
static int directory, existing; /* the cage's directory; a descriptor of a file in the folder outside */
static pid_t sleeper;           /* a process to be signalled */

/* --- attempts: true when it was done ------------------------------------------------------------------ */

static bool reads_a_file(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 || open(victim, O_RDONLY) >= 0;
}

static bool reads_by_descriptor(void)
{
    return openat(directory, "../outside/victim", O_RDONLY) >= 0;
}

static bool lists_a_folder(void)
{
    return open("/etc", O_RDONLY | O_DIRECTORY) >= 0 || open(outside, O_RDONLY | O_DIRECTORY) >= 0;
}

static bool writes_outside(void)
{
    return open(victim, O_WRONLY | O_TRUNC) >= 0 ||
           openat(directory, "../outside/new", O_WRONLY | O_CREAT, 0600) >= 0 ||
           open("/tmp/cage-was-here", O_WRONLY | O_CREAT, 0600) >= 0;
}

static bool makes_outside(void)
{
    return mkdirat(directory, "../outside/made", 0700) == 0 ||
           symlinkat("/", directory, "../outside/link") == 0 || mkdir("/tmp/cage-was-here", 0700) == 0;
}

static bool removes_outside(void)
{
    return unlink(victim) == 0 || unlinkat(directory, "../outside/victim", 0) == 0 ||
           rename(victim, "/tmp/gone") == 0;
}

static bool links_outside(void)
{
    return linkat(AT_FDCWD, victim, directory, "stolen", 0) == 0 ||
           linkat(directory, "../outside/victim", directory, "stolen", 0) == 0 ||
           link(victim, "/tmp/stolen") == 0;
}

static bool changes_modes_outside(void)
{
    return chmod(victim, 0777) == 0 || fchmodat(directory, "../outside/victim", 0777, 0) == 0 ||
           chown(victim, 12, 12) == 0 ||
           fchownat(directory, "../outside/victim", 12, 12, AT_SYMLINK_NOFOLLOW) == 0 ||
           utimensat(AT_FDCWD, victim, NULL, 0) == 0;
}

static bool makes_a_device(void)
{
    return mknodat(directory, "device", S_IFCHR | 0600, 0x103) == 0 || mkfifoat(directory, "pipe", 0600) == 0;
}

static bool connects(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_INET6, SOCK_DGRAM, 0) >= 0 ||
           connect(fd, (const struct sockaddr *)&in, sizeof in) == 0;
}

static bool starts_a_program(void)
{
    char *const argv[] = {strdup("true"), NULL}, *const none[] = {NULL};
    pid_t pid;
    return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, none) == 0 ||
           execve("/bin/true", argv, none) == 0;
}

static bool forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool signals_another(void)
{
    return kill(sleeper, SIGKILL) == 0 || kill(sleeper, 0) == 0 || kill(getppid(), 0) == 0 ||
           kill(-1, 0) == 0;
}

static bool traces_another(void)
{
#if defined(__linux__)
    return ptrace(PTRACE_ATTACH, sleeper, NULL, NULL) == 0;
#else
    return ptrace(PT_ATTACH, sleeper, NULL, 0) == 0;
#endif
}

static bool becomes_root_again(void)
{
    return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0;
}

static bool changes_folder(void)
{
    return chdir("..") == 0 || chdir(outside) == 0 || fchdir(directory) == 0;
}

static bool raises_a_limit(void)
{
    const struct rlimit more = {1000, 1000};
    return setrlimit(RLIMIT_CORE, &more) == 0;
}

static bool runs_new_code(void)
{
    void *page = NULL;
    return posix_memalign(&page, 4096, 4096) == 0 && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool opens_many_files(void)
{
    int n = 0;
    while (n < 1000 && dup(existing) >= 0)
        n++;
    return n == 1000;
}

/* --- what must work ------------------------------------------------------------------------------------ */

static bool works_with_memory_and_descriptors(void)
{
    char byte;
    char *p = malloc(3 << 20);
    struct stat st;
    struct timespec t;
    bool ok = p != NULL && pread(existing, &byte, 1, 0) == 1 && byte == 'v' && fstat(existing, &st) == 0 &&
              clock_gettime(CLOCK_MONOTONIC, &t) == 0;
    if (p != NULL)
        memset(p, 1, 3 << 20);
    free(p);
    os_random(&byte, 1);
    return ok;
}

static bool works_beneath_its_directory(void)
{
    struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
    struct stat st;
    bool ok = mkdirat(directory, "d", 0700) == 0;
    int d = openat(directory, "d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    int fd = openat(d, "f", O_WRONLY | O_CREAT | O_EXCL, 0600);
    ok = ok && write(fd, "hello", 5) == 5 && fchmod(fd, 0640) == 0 && futimens(fd, times) == 0 &&
         close(fd) == 0 && linkat(d, "f", directory, "hard", 0) == 0 &&
         symlinkat("/etc/passwd", d, "l") == 0 && utimensat(d, "l", times, AT_SYMLINK_NOFOLLOW) == 0 &&
         unlinkat(directory, "hard", 0) == 0 && fstatat(d, "f", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         (st.st_mode & 07777) == 0640;
    return ok && (geteuid() != 0 || (fchownat(d, "l", 12, 13, AT_SYMLINK_NOFOLLOW) == 0 &&
                                     (fd = openat(d, "f", O_WRONLY)) >= 0 && fchown(fd, 12, 13) == 0));
}

/* --- rows ----------------------------------------------------------------------------------------------- */

struct row {
    const char *name;
    bool (*attempt)(void);
};

static const struct row never[] = {
    {"read a file", reads_a_file},
    {"read through ..", reads_by_descriptor},
    {"list a folder", lists_a_folder},
    {"write outside", writes_outside},
    {"make outside", makes_outside},
    {"remove outside", removes_outside},
    {"link from outside", links_outside},
    {"change modes outside", changes_modes_outside},
    {"make a device", makes_a_device},
    {"connect", connects},
    {"start a program", starts_a_program},
    {"fork", forks},
    {"signal", signals_another},
    {"trace", traces_another},
    {"become root again", becomes_root_again},
    {"change its folder", changes_folder},
    {"raise a limit", raises_a_limit},
    {"run new code", runs_new_code},
    {"open many files", opens_many_files},
};

/* What one process makes of one attempt in a cage. user: not as root. */
static int in_cage(bool unpacks, bool user, bool (*attempt)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct os_cage cage = {
            .unpacks = unpacks, .directory = directory, .cpu_s = 20, .file_size = 1 << 20};
        char missing[OS_CAGE_MISSING];
        if (user && geteuid() == 0 && (setgid(4711) != 0 || setuid(4711) != 0))
            _exit(BROKEN);
        if (!os_cage_enter(&cage, missing, &e))
            _exit(BROKEN);
        if (*missing != '\0')
            _exit(LACKING);
        _exit(attempt() ? DONE : REFUSED);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool cage_up(void)
{
    snprintf(outside, sizeof outside, "%s/outside", volume_path);
    snprintf(victim, sizeof victim, "%s/victim", outside);
    assert_true(files_remove(volume, "in", &e) && files_remove(volume, "outside", &e));
    put("outside/victim", "v");
    directory = files_dir(volume, "in", true, 0777, &e);
    existing = files_open(volume, "outside/victim", &e);
    return directory >= 0 && existing >= 0 && fchmod(directory, 0777) == 0 && chmod(volume_path, 0755) == 0;
}

static void try_all(bool unpacks, bool user)
{
    int ends[2];
    char byte;
    assert_true(os_pipe(ends, &e));
    sleeper = fork();
    if (sleeper == 0) { /* as long as this process lives */
        close(ends[1]);
        _exit((int)read(ends[0], &byte, 1));
    }
    close(ends[0]);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        assert_true(cage_up());
        int what = in_cage(unpacks, user, never[i].attempt);
        struct stat st;
        bool untouched = stat(victim, &st) == 0 && st.st_size == 1 && st.st_nlink == 1 &&
                         (st.st_mode & 07777) == 0644 && st.st_uid == geteuid() &&
                         access("/tmp/cage-was-here", F_OK) != 0;
        close(directory);
        close(existing);
        if (what == LACKING) {
            print_message("skipped: this system lacks walls of the cage\n");
            break;
        }
        if (what != REFUSED || !untouched)
            fail_msg("%s cage%s: could %s (%d)", unpacks ? "unpack" : "parse", user ? ", ordinary user" : "",
                     never[i].name, what);
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
    assert_true(WIFEXITED(status));
}

static void the_parse_cage_holds(void **state)
{
    (void)state;
    try_all(false, false);
    try_all(false, true);
}

static void the_unpack_cage_holds(void **state)
{
    (void)state;
    try_all(true, false);
    try_all(true, true);
}

static bool opens_in_its_directory(void)
{
    return openat(directory, "new", O_WRONLY | O_CREAT, 0600) >= 0;
}

static void what_is_needed_works(void **state)
{
    (void)state;
    for (int user = 0; user < 2; user++) {
        assert_true(cage_up());
        int parse = in_cage(false, user, works_with_memory_and_descriptors),
            no_file = in_cage(false, user, opens_in_its_directory),
            unpack = in_cage(true, user, works_with_memory_and_descriptors),
            beneath = in_cage(true, user, works_beneath_its_directory);
        close(directory);
        close(existing);
        if (parse == LACKING || unpack == LACKING)
            skip();
        assert_int_equal(parse, DONE);
        assert_int_equal(no_file, REFUSED);
        assert_int_equal(unpack, DONE);
        assert_int_equal(beneath, DONE);
    }
}

static bool spins(void)
{
    volatile unsigned long i = 0;
    while (i + 1 != 0)
        i++;
    return true;
}

static bool writes_too_much(void)
{
    static char piece[1 << 16];
    int fd = openat(directory, "big", O_WRONLY | O_CREAT | O_EXCL, 0600);
    for (int i = 0; i < 32; i++)
        if (write(fd, piece, sizeof piece) != (ssize_t)sizeof piece)
            return false;
    return true;
}

static void limits_end_it(void **state)
{
    (void)state;
    assert_true(cage_up());
    int much = in_cage(true, false, writes_too_much);
    assert_true(much == 128 + SIGXFSZ || much == LACKING);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char missing[OS_CAGE_MISSING];
        if (!os_cage_enter(&(struct os_cage){.cpu_s = 1}, missing, &e))
            _exit(BROKEN);
        _exit(spins() ? DONE : REFUSED);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL));
    close(directory);
    close(existing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parse_cage_holds),
        cmocka_unit_test(the_unpack_cage_holds),
        cmocka_unit_test(what_is_needed_works),
        cmocka_unit_test(limits_end_it),
    };
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
