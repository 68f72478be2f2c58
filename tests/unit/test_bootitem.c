/* Scripts and files of a bootstrap.json on a volume: what is laid down where, what is run, what is refused.
 */
#include "core/crypto.h"
#include "installer/bootitem.h"
#include "manifests/bootstrap.h"
#include "volume.h"

static struct bootstrap_item boot;
static struct pkginfo pkg;
static struct install_outcome out;

/* The item, and its bytes as they lie in Cache; -1 with no bytes. */
static int make(enum bootstrap_type type, const char *file, const char *bytes)
{
    unsigned char sum[DIGEST_MAX];
    char hex[65];
    boot = (struct bootstrap_item){.type = type,
                                   .stage = BOOTSTRAP_USERLAND,
                                   .file = arena_strdup(memory, file),
                                   .name = "Item",
                                   .url = bytes ? "https://h/x" : NULL};
    pkg = (struct pkginfo){.name = "Item", .version = "1", .bootstrap = &boot};
    pkg.kind = type == BOOTSTRAP_ROOTFILE || type == BOOTSTRAP_USERFILE ? KIND_FILE : KIND_SCRIPT;
    memset(&out, 0, sizeof out);
    if (!bytes)
        return -1;
    digest_of(DIGEST_SHA256, bytes, strlen(bytes), sum);
    text_hex(hex, sum, 32);
    pkg.hash = boot.hash = arena_strdup(memory, hex);
    pkg.location = "item";
    assert_true(files_replace(env.cache, "item", bytes, strlen(bytes), 0644, FILES_LAZY, &e));
    return files_open(env.cache, "item", &e);
}

static bool lay(enum bootstrap_type type, const char *file, const char *bytes)
{
    int fd = make(type, file, bytes);
    bool ok = bootitem_file(&env, &pkg, fd, &e);
    close(fd);
    return ok;
}

static void files(void **state)
{
    char why[256];
    struct buf b;
    (void)state;
    assert_true(lay(BOOTSTRAP_ROOTFILE, "/Library/a/b/c.conf", "one"));
    assert_int_equal(mode_of("Library/a/b/c.conf"), 0644);
    assert_int_equal(mode_of("Library/a/b"), 0755);
    assert_true(bootitem_is_there(volume_loop, volume, &pkg, why, sizeof why));
    assert_true(lay(BOOTSTRAP_USERFILE, "/Library/a/b/c.conf", "two")); /* replaced whole */
    assert_int_equal(mode_of("Library/a/b/c.conf"), 0755);
    buf_init(&b, 100);
    assert_true(files_read(volume, "Library/a/b/c.conf", &b, &e));
    assert_string_equal(buf_str(&b), "two");
    buf_release(&b);
    close(make(BOOTSTRAP_ROOTFILE, "/Library/a/b/c.conf", "three"));
    assert_false(bootitem_is_there(volume_loop, volume, &pkg, why, sizeof why));
    assert_non_null(strstr(why, "its SHA-256 differs"));
    close(make(BOOTSTRAP_ROOTFILE, "/Library/none", "three"));
    assert_false(bootitem_is_there(volume_loop, volume, &pkg, why, sizeof why));
    assert_non_null(strstr(why, "/Library/none is not there"));
    /* what a killed run left beside it is taken away */
    assert_true(files_replace(volume, "Library/a/.d.daybreak", "x", 1, 0644, FILES_LAZY, &e));
    assert_true(lay(BOOTSTRAP_ROOTFILE, "/Library/a/d", "four"));
    struct stat st;
    assert_false(files_stat(volume, "Library/a/.d.daybreak", &st, &e));
    assert_true(lay(BOOTSTRAP_ROOTFILE, "/var/log/x", "five"));
    assert_int_equal(mode_of("private/var/log/x"), 0644);
}

static void no_link_is_followed(void **state)
{
    char outside[] = "/tmp/test_bootitem.XXXXXX";
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(outside));
    assert_int_equal(symlinkat(outside, volume, "away"), 0);
    assert_int_equal(symlinkat("elsewhere", volume, "link"), 0);
    assert_int_equal(mkdirat(volume, "folder", 0755), 0);
    assert_false(lay(BOOTSTRAP_ROOTFILE, "/away/f", "x"));
    assert_false(lay(BOOTSTRAP_ROOTFILE, "/away/new/f", "x"));
    assert_false(lay(BOOTSTRAP_ROOTFILE, "/link", "x"));
    assert_non_null(strstr(e.text, "/link is there and is no file"));
    assert_false(lay(BOOTSTRAP_ROOTFILE, "/folder", "x"));
    assert_int_equal(rmdir(outside), 0); /* nothing came to be in it */
    assert_false(files_stat(volume, "elsewhere", &st, &e));
    assert_false(files_stat(volume, ".link.daybreak", &st, &e));
}

static bool run(int fd)
{
    bool ok = bootitem_script(&env, &pkg, fd, &out, &e);
    if (fd >= 0)
        close(fd);
    return ok;
}

static void scripts(void **state)
{
    (void)state;
    assert_true(run(make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "#!/bin/sh\ntouch \"$DAYBREAK_ROOT/ran\"\n")));
    assert_int_equal(mode_of("ran") & 0400, 0400);
    assert_false(run(make(BOOTSTRAP_USERSCRIPT, "/L/s.sh", "#!/bin/sh\nexit 3\n")));
    assert_int_equal(out.code, 3);
    assert_int_equal(e.code, 3);
    assert_string_equal(e.text, "s.sh exited with 3");
    assert_string_equal(out.step, "script");
    int fd = make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "#!/bin/sh\nexit 3\n");
    boot.stage = BOOTSTRAP_PREFLIGHT; /* whose every exit is an answer */
    assert_true(run(fd));
    assert_int_equal(out.code, 3);
    assert_false(run(make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "#!/bin/sh\nkill -9 $$\n")));
    assert_int_equal(out.code, -1);
    assert_false(run(make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "no interpreter")));
    make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "x");
    pkg.location = "item";
    assert_false(run(-1));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void what_is_there_already(void **state)
{
    static const char text[] = "#!/bin/sh\nexit 0\n";
    (void)state;
    assert_true(files_replace(volume, "Library/l.sh", text, strlen(text), 0755, FILES_LAZY, &e));
    make(BOOTSTRAP_ROOTSCRIPT, "/Library/l.sh", NULL);
    assert_true(run(-1)); /* root's alone */
    assert_int_equal(fchmodat(volume, "Library/l.sh", 0777, 0), 0);
    assert_false(run(-1));
    assert_non_null(strstr(e.text, "can be changed by others than root"));
    assert_string_equal(out.step, "verify");
    boot.hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_false(run(-1));
    assert_int_equal(e.cause, CAUSE_HASH);
    int fd = make(BOOTSTRAP_ROOTSCRIPT, "/Library/l.sh", text); /* the right hash is enough */
    close(fd);
    pkg.location = NULL;
    assert_true(run(-1));
    make(BOOTSTRAP_ROOTSCRIPT, "/Library/none.sh", NULL);
    assert_false(run(-1));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void not_waited_for(void **state)
{
    int code = -1, fd = make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "#!/bin/sh\nexit 4\n");
    (void)state;
    struct script *s = bootitem_start(&env, &pkg, fd, &out, &e);
    assert_non_null(s);
    close(fd);
    while (!script_done(s))
        loop_turn(volume_loop, 1000);
    assert_true(script_end(s, &code, &e));
    assert_int_equal(code, 4);
    assert_false(bootitem_ended(&pkg, code, &out, &e));
    assert_int_equal(out.code, 4);
    fd = make(BOOTSTRAP_ROOTSCRIPT, "/L/s.sh", "#!/no/such/interpreter\n");
    assert_null(bootitem_start(&env, &pkg, fd, &out, &e));
    assert_int_equal(e.cause, CAUSE_SCRIPT);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),          cmocka_unit_test(no_link_is_followed),
        cmocka_unit_test(scripts),        cmocka_unit_test(what_is_there_already),
        cmocka_unit_test(not_waited_for),
    };
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
