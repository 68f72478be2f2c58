/* bench: the rooms of the program, timed from outside by bench.py. It calls what the program calls.
 *
 *   bench install PACKAGE ROOT        the native engine: prove, unpack, place, receipts
 *   bench download URL DIR NAME SHA   fetch into DIR/NAME, proved by its SHA-256
 *   bench inflate CPIO.GZ             the bound: inflate and SHA-1, nothing else
 *   bench bound CPIO.GZ DIR           the bound: inflate, SHA-1, Bom sums, create; nothing is checked
 *   bench hash FILE                   the bound: SHA-256, nothing else
 *   bench plist FILE                  the peer: plist_from_memory of the whole file
 *   bench peak FILE COMMAND …         run it; the peak memory of its largest process goes into FILE
 *
 * peak is a program of its own because a process begins with the peak of whoever started it: this one's is
 * small. */
#include "core/fetch.h"
#include "core/files.h"
#include "core/text.h"
#include "installer/flatpkg.h"
#include "installer/unpack.h"
#include "installer/worker.h"
#include <fcntl.h>
#include <plist/plist.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

extern char **environ;

static int fail(const struct err *e)
{
    fprintf(stderr, "bench: %s\n", e->text);
    return 1;
}

static int install(char **argv)
{
    struct err e;
    struct install_outcome out = {.end = INSTALL_OK};
    struct loop *l = loop_open();
    int root = files_root(argv[1], true, &e);
    int state = root < 0 ? -1 : files_dir(root, "Library/Daybreak", true, 0755, &e);
    int package = open(argv[0], O_RDONLY | O_CLOEXEC);
    if (state < 0 || package < 0) {
        return fail(&e);
    }
    struct install_env env = {.loop = l,
                              .root = root,
                              .root_path = argv[1],
                              .as_root = geteuid() == 0,
                              .state = state,
                              .cache = -1,
                              .cache_path = "/"};
    struct flatpkg_options o = {.name = "bench.pkg"};
    bool ok = flatpkg_install(&env, package, &o, &out, &e);
    loop_free(l);
    return ok ? 0 : fail(&e);
}

static int download(char **argv)
{
    struct err e;
    struct loop *l = loop_open();
    struct fetch_policy policy = {.user_agent = "bench", .proxy = ""};
    struct sink_want want = {.size_max = (uint64_t)8 << 30, .size = -1, .digest = DIGEST_SHA256};
    enum fetch_answer answer;
    int dir = files_root(argv[1], true, &e);
    struct fetch *f = fetch_open(l, &policy, &e);
    if (dir < 0 || f == NULL || !text_unhex(want.sum, 32, argv[3])) {
        return fail(&e);
    }
    struct sink *to = sink_file(dir, argv[2], &want, &e);
    if (to == NULL || !fetch_get(f, argv[0], to, &answer, NULL, true, &e) || !sink_commit(to, NULL, &e)) {
        return fail(&e);
    }
    fetch_free(f);
    loop_free(l);
    return 0;
}

static int inflate_only(char **argv)
{
    static unsigned char in[256 * 1024], out[256 * 1024];
    unsigned char sum[DIGEST_MAX];
    z_stream z = {0};
    struct digest *d = digest_open(DIGEST_SHA1);
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC), rc = Z_OK;
    if (fd < 0 || inflateInit2(&z, 15 + 32) != Z_OK) {
        return 1;
    }
    for (ssize_t n; rc == Z_OK && (n = read(fd, in, sizeof in)) > 0;) {
        digest_write(d, in, (size_t)n);
        z.next_in = in;
        z.avail_in = (uInt)n;
        do {
            z.next_out = out;
            z.avail_out = sizeof out;
            rc = inflate(&z, Z_NO_FLUSH);
        } while (rc == Z_OK && z.avail_out == 0);
    }
    inflateEnd(&z);
    digest_end(d, sum);
    close(fd);
    return rc == Z_STREAM_END ? 0 : 1;
}

struct source {
    int fd;
    struct digest *d;
};

static bool read_source(void *ctx, void *p, size_t max, size_t *got, struct err *e)
{
    struct source *s = ctx;
    ssize_t n = read(s->fd, p, max);
    *got = n > 0 ? (size_t)n : 0;
    digest_write(s->d, p, *got);
    return n >= 0 || err_sys(e, "read");
}

static int bound(char **argv)
{
    struct err e;
    unsigned char sum[DIGEST_MAX];
    struct source s = {open(argv[0], O_RDONLY | O_CLOEXEC), digest_open(DIGEST_SHA1)};
    const struct unpack_rules rules = {.owners = geteuid() == 0, .location = "/"};
    int dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct payload *p = payload_open(read_source, &s, UINT64_MAX, UINT64_MAX, &e);
    if (s.fd < 0 || dir < 0 || p == NULL) {
        return 1;
    }
    struct cpio *c = cpio_open(p);
    struct unpack *u = unpack_open(dir, &rules);
    const struct unpack_source members = unpack_source_cpio(c);
    bool ok = unpack_all(u, &members, &e);
    unpack_free(u);
    cpio_free(c);
    payload_free(p);
    digest_end(s.d, sum);
    return ok ? 0 : fail(&e);
}

static int peak(char **argv)
{
    struct rusage used;
    pid_t pid;
    int status;
    if (posix_spawn(&pid, argv[1], NULL, NULL, argv + 1, environ) != 0 || waitpid(pid, &status, 0) != pid ||
        getrusage(RUSAGE_CHILDREN, &used) != 0) {
        return 1;
    }
    FILE *f = fopen(argv[0], "w");
    if (f == NULL || fprintf(f, "%ld\n", used.ru_maxrss) < 0 || fclose(f) != 0) {
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int hash(char **argv)
{
    struct err e;
    struct stat st;
    unsigned char sum[DIGEST_MAX];
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return 1;
    }
    return digest_fd(DIGEST_SHA256, fd, 0, (uint64_t)st.st_size, sum, NULL, NULL, &e) ? 0 : fail(&e);
}

static int plist(char **argv)
{
    struct stat st;
    plist_t p = NULL;
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return 1;
    }
    char *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return 1;
    }
    plist_from_memory(bytes, (uint32_t)st.st_size, &p);
    return p != NULL ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*fn)(char **argv);
    } table[] = {
        {"install", 2, install}, {"download", 4, download}, {"inflate", 1, inflate_only},
        {"bound", 2, bound},     {"hash", 1, hash},         {"plist", 1, plist},
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0) {
        return worker_main(argv[2]);
    }
    if (argc > 3 && strcmp(argv[1], "peak") == 0) {
        return peak(argv + 2);
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (argc == table[i].args + 2 && strcmp(argv[1], table[i].name) == 0) {
            return table[i].fn(argv + 2);
        }
    }
    fprintf(stderr,
            "usage: bench install PACKAGE ROOT | download URL DIR NAME SHA | inflate F | hash F | plist F\n");
    return 2;
}
