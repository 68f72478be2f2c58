/* cmd_pkg: the verbs as they are called: exit codes, and what --json says. */
#include "agent/cmd.h"
#include "core/text.h"
#include "installer/install.h"
#include "installer/xar_writer.h"
#include "package.h"
#include <jansson.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct err e;
static char base[] = "/tmp/test_cmd_pkg.XXXXXX";
static int dir;

/* Run "pkg …" with standard output into a file; *out is what it printed. */
static int run(char out[8192], const char *const *words)
{
    char *argv[20];
    int argc = 0, fd = package_file("", 0), status;
    for (; words[argc]; argc++)
        argv[argc] = strdup(words[argc]);
    argv[argc] = NULL;
    fflush(stdout);
    pid_t pid = fork(); /* what parses confines itself */
    if (pid == 0) {
        dup2(fd, STDOUT_FILENO);
        int ended = cmd_pkg(argc, argv);
        fflush(stdout);
        _exit(ended);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ssize_t n = pread(fd, out, 8191, 0);
    out[n > 0 ? n : 0] = '\0';
    close(fd);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return code;
}

#define RUN(out, ...) run(out, (const char *const[]){"pkg", __VA_ARGS__, NULL})

static json_t *object(const char *s)
{
    json_t *j = json_loads(s, 0, NULL);
    if (!j)
        fail_msg("no JSON: %s", s);
    assert_int_equal(json_integer_value(json_object_get(j, "schema")), 1);
    return j;
}

static const char *string(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void usage(void **state)
{
    char out[8192];
    (void)state;
    assert_int_equal(RUN(out, "--help"), 0);
    assert_non_null(strstr(out, "verify"));
    assert_int_equal(RUN(out, "build", "--help"), 0);
    assert_non_null(strstr(out, "--install-location"));
    assert_int_equal(run(out, (const char *const[]){"pkg", NULL}), 200);
    assert_int_equal(RUN(out, "inof"), 200);
    assert_int_equal(RUN(out, "info"), 200);
    assert_int_equal(RUN(out, "info", "a", "b"), 200);
    assert_int_equal(RUN(out, "info", "--expand", "a"), 200);
    assert_int_equal(RUN(out, "build", "--payload"), 200);
    assert_int_equal(RUN(out, "build", "x.pkg"), 200);
    assert_int_equal(RUN(out, "build", "--payload", base, "x.pkg"), 200);
    assert_int_equal(RUN(out, "build", "--ownership=mine", "--payload", base, "x.pkg"), 200);
    assert_int_equal(RUN(out, "build", "--json=yes", "x.pkg"), 200);
    assert_int_equal(RUN(out, "info", "/nowhere.pkg"), 1);
    assert_int_equal(RUN(out, "verify", "/nowhere.pkg"), 1);
}

static void built_seen_proved(void **state)
{
    char out[8192], payload[256], package[256], product[256];
    (void)state;
    snprintf(payload, sizeof payload, "%s/payload", base);
    snprintf(package, sizeof package, "%s/a.pkg", base);
    snprintf(product, sizeof product, "%s/b.pkg", base);
    assert_int_equal(mkdir(payload, 0700), 0);
    assert_int_equal(RUN(out, "build", "--payload", payload, "--identifier", "org.example.a", "--version=1.5",
                         "--install-location", "/opt", package, "--json"),
                     0);
    json_t *j = object(out);
    assert_int_equal(json_integer_value(json_object_get(j, "files")), 1);
    json_decref(j);
    assert_int_equal(RUN(out, "build", "-q", "--component", package, "--title", "T", product), 0);
    assert_string_equal(out, "");
    assert_int_equal(RUN(out, "build", "--component", package, "--payload", payload, product), 200);

    assert_int_equal(RUN(out, "info", "--json", product), 0);
    j = object(out);
    assert_string_equal(string(j, "kind"), "product");
    assert_string_equal(string(json_object_get(j, "product"), "title"), "T");
    const json_t *c = json_array_get(json_object_get(j, "components"), 0);
    assert_string_equal(string(c, "identifier"), "org.example.a");
    assert_string_equal(string(c, "version"), "1.5");
    assert_string_equal(string(c, "install_location"), "/opt");
    assert_string_equal(string(c, "chosen"), "yes");
    json_decref(j);
    assert_int_equal(RUN(out, "info", package), 0);
    assert_non_null(strstr(out, "org.example.a 1.5"));
    assert_non_null(strstr(out, "/opt"));

    assert_int_equal(RUN(out, "verify", product), 0);
    assert_non_null(strstr(out, "intact (5 members), unsigned"));
    assert_int_equal(RUN(out, "verify", "--require-signature", product), 1);
    assert_int_equal(RUN(out, "verify", "--team-id", "ABCDE12345", product), 1);
    int fd = open(package, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(files_write(fd, "junk", 4, &e));
    close(fd);
    assert_int_equal(RUN(out, "verify", package), 0); /* what is behind the heap belongs to nobody */
    assert_int_equal(truncate(package, 700), 0);
    assert_int_equal(RUN(out, "verify", "--json", package), 1);
    j = object(out);
    assert_false(json_is_true(json_object_get(j, "intact")));
    assert_string_equal(string(j, "status"), "invalid");
    json_decref(j);
}

static void signed_is_judged(void **state)
{
    char out[8192], path[2048], ca[2048];
    const char *samples = package_samples();
    (void)state;
    if (!samples)
        skip();
    snprintf(path, sizeof path, "%s/synthetic/signed/ok-sha256.pkg", samples);
    snprintf(ca, sizeof ca, "%s/synthetic/signed/ca/root.pem", samples);
    assert_int_equal(RUN(out, "verify", path), 1); /* Apple does not vouch for it */
    assert_non_null(strstr(out, "untrusted"));
    assert_int_equal(RUN(out, "verify", path, "--ca", ca, "--team-id", "ABCDE12345"), 0);
    assert_int_equal(RUN(out, "verify", path, "--ca", ca, "--team-id", "ZZZZZ99999"), 1);
    assert_int_equal(RUN(out, "verify", path, "--ca", "/nowhere.pem"), EXIT_USAGE);
    assert_int_equal(RUN(out, "verify", path, "--ca", path), EXIT_USAGE);
    assert_int_equal(RUN(out, "verify", path, "--at", "yesterday"), EXIT_USAGE);
    assert_int_equal(RUN(out, "verify", path, "--ca", ca, "--at", "2050-01-01", "--json"), 1);
    json_t *j = object(out);
    assert_true(json_is_true(json_object_get(j, "intact")));
    assert_string_equal(string(j, "status"), "expired");
    assert_string_equal(string(j, "team_id"), "ABCDE12345");
    assert_int_equal(json_array_size(json_object_get(j, "chain")), 3);
    json_decref(j);
    assert_int_equal(RUN(out, "info", path, "--json"), 0);
    j = object(out);
    assert_string_equal(string(j, "status"), "untrusted");
    json_decref(j);
    snprintf(path, sizeof path, "%s/pkgs/Homebrew__brew__container.pkg", samples);
    assert_int_equal(RUN(out, "list", path), 0);
    assert_non_null(strstr(out, "FAKE_PACKAGE"));
    assert_int_equal(RUN(out, "info", path), 1);
}

/* A container at base/name.pkg of files with these paths; those that end in '/' are folders. */
static const char *container(const char *name, const char *const *paths)
{
    static char path[128];
    int below = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct xar_writer *w = xar_writer_open(below, &e);
    snprintf(path, sizeof path, "%s/%s.pkg", base, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(w != NULL && fd >= 0);
    for (; *paths != NULL; paths++) {
        char info[160], folder[64];
        size_t n = strlen(*paths);
        snprintf(folder, sizeof folder, "%.*s", (int)n - 1, *paths);
        snprintf(info, sizeof info, "<pkg-info identifier=\"com.example%zu\" version=\"1\"/>", n);
        assert_true((*paths)[n - 1] == '/' ? xar_writer_directory(w, folder, &e)
                                           : xar_writer_file(w, *paths, false, &e) &&
                                                 xar_writer_write(w, info, strlen(info), &e));
    }
    assert_true(xar_writer_commit(w, fd, &e));
    xar_writer_free(w);
    close(fd);
    close(below);
    return path;
}

/* The listing is written as it comes: with nothing, one or several of each it is one object all the same. */
static void listings_are_one_object(void **state)
{
    (void)state;
    static const char *const none[] = {NULL}, *const members[] = {"a/", "a/b", "c", NULL},
                             *const one[] = {"PackageInfo", NULL}, *const two[] = {"Distribution",   "a/",
                                                                                   "a/PackageInfo",  "bb/",
                                                                                   "bb/PackageInfo", NULL};
    static const struct {
        const char *name, *const *paths;
        size_t components, members;
    } rows[] = {{"none", none, 0, 0}, {"members", members, 0, 3}, {"one", one, 1, 0}, {"two", two, 2, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[8192];
        assert_int_equal(RUN(out, "list", container(rows[i].name, rows[i].paths), "--json"), 0);
        json_t *j = object(out);
        const json_t *components = json_object_get(j, "components");
        assert_int_equal(json_array_size(components), rows[i].components);
        assert_int_equal(json_array_size(json_object_get(j, "members")), rows[i].members);
        for (size_t k = 0; k < rows[i].components; k++) {
            assert_true(text_starts(string(json_array_get(components, k), "identifier"), "com.example"));
            assert_true(json_is_array(json_object_get(json_array_get(components, k), "entries")));
        }
        assert_true(json_is_null(json_object_get(j, "refused")) &&
                    json_is_integer(json_object_get(j, "files")));
        json_decref(j);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(usage), cmocka_unit_test(built_seen_proved),
                                       cmocka_unit_test(signed_is_judged),
                                       cmocka_unit_test(listings_are_one_object)};
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return install_worker(argv[2]);
    if (!mkdtemp(base))
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    dir = files_root("/tmp", false, &e);
    if (!files_remove(dir, text_basename(base), &e))
        rc = 1;
    close(dir);
    return rc;
}
