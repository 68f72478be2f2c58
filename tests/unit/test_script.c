/* script: text to program, and everything that keeps a script from running. */
#include "installer/script.h"
#include "volume.h"

static struct script_place place;
static char said[1024];

static int up(void **state)
{
    int rc = volume_up(state);
    script_place_from(&place, &env, 10000);
    return rc;
}

static bool count_scripts(void *ctx, const char *name, const struct stat *st)
{
    (void)st;
    *(int *)ctx += text_starts(name, SCRIPT_PREFIX);
    return true;
}

static int left_over(void)
{
    int n = 0;
    assert_true(files_list(volume, INSTALL_STATE, count_scripts, &n, &e));
    return n;
}

static bool run(const char *text, int *code)
{
    struct buf out;
    buf_init(&out, 1000);
    bool ok = script_run(&place, "postinstall_script", text, &out, code, &e);
    snprintf(said, sizeof said, "%s", buf_str(&out));
    buf_release(&out);
    assert_int_equal(left_over(), 0);
    return ok;
}

static void runs(void **state)
{
    int code;
    (void)state;
    assert_true(run("#!/bin/sh\nexit 7\n", &code));
    assert_int_equal(code, 7);
    assert_true(run("#!/bin/sh\necho \"$#:$(basename \"$0\"):$DAYBREAK_ROOT:$PWD\"; cat\n", &code));
    assert_string_equal(said, arena_printf(memory, "0:postinstall_script:%s:/\n", volume_path));
    assert_true(
        run("#!/bin/sh\nls -ld \"$(dirname \"$0\")\" | cut -c1-10; ls -l \"$0\" | cut -c1-10\n", &code));
    assert_string_equal(said, "drwx------\n-rwx------\n");
    assert_true(
        run("#!/bin/sh\nenv | cut -d= -f1 | sort | grep -v -e PWD -e _ -e SHLVL | tr '\\n' ' '\n", &code));
    assert_string_equal(said, "HOME LANG PATH USER ");
}

static void line_endings(void **state)
{
    int code;
    (void)state;
    assert_true(run("#!/bin/sh\r\nx=5\r\nexit $x\r\n", &code));
    assert_int_equal(code, 5);
    assert_true(run("#!/bin/sh\rx=6\rexit $x\r", &code));
    assert_int_equal(code, 6);
}

static void proves_nothing(void **state)
{
    int code;
    (void)state;
    assert_false(run("echo no shebang\n", &code));
    assert_int_equal(code, -1);
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_int_equal(e.cause, CAUSE_SCRIPT);
    assert_false(run("", &code));
    assert_false(run("#!\n", &code));
    assert_false(run("#!sh\nexit 0\n", &code));
    assert_non_null(strstr(e.text, "absolute path"));
    assert_false(run("#! /usr/bin/no-such-thing -x\n", &code));
    assert_int_equal(e.code, -1000);
    assert_non_null(strstr(e.text, "/usr/bin/no-such-thing"));
    assert_false(run("#!/bin/sh\nkill -TERM $$\n", &code));
    assert_int_equal(e.code, -15);
    assert_int_equal(code, -1);
    char *long_text = arena_alloc(memory, LIMIT_SCRIPT_TEXT + 2);
    memset(long_text, '#', LIMIT_SCRIPT_TEXT + 1);
    assert_false(run(long_text, &code));
    assert_int_equal(e.kind, ERR_LIMIT);
}

static void times_out(void **state)
{
    int code;
    (void)state;
    place.timeout_ms = 50;
    assert_false(run("#!/bin/sh\nexec tail -f /dev/null\n", &code));
    assert_int_equal(e.kind, ERR_TIMEOUT);
    assert_int_equal(e.cause, CAUSE_SCRIPT);
    place.timeout_ms = 10000;
}

static void programs_of_the_volume(void **state)
{
    int code;
    (void)state;
    put_mode("usr/local/bin/uninstall", "#!/bin/sh\nexit 3\n", 0755);
    link_to("uninstall", "usr/local/bin/link");
    put("usr/local/bin/data", "x");
    assert_true(script_run_file(&place, "/usr/local/bin/uninstall", &code, &e));
    assert_int_equal(code, 3);
    assert_true(script_run_file(&place, "/usr/local/bin/link", &code, &e));
    assert_int_equal(code, 3);
    assert_false(script_run_file(&place, "/usr/local/bin/data", &code, &e));
    assert_false(script_run_file(&place, "/bin/sh", &code, &e)); /* not on this volume */
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void leaves_no_state_behind(void **state)
{
    struct stat st;
    int code;
    (void)state;
    int bare = files_dir(volume, "bare", true, 0755, &e);
    struct script_place there_is = place;
    there_is.root = bare;
    there_is.root_path = arena_printf(memory, "%s/bare", volume_path);
    assert_true(script_run(&there_is, "k", "#!/bin/sh\nexit 0\n", NULL, &code, &e));
    assert_false(files_stat(bare, "Library", &st, &e));
    close(bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs),
        cmocka_unit_test(line_endings),
        cmocka_unit_test(proves_nothing),
        cmocka_unit_test(times_out),
        cmocka_unit_test(programs_of_the_volume),
        cmocka_unit_test(leaves_no_state_behind),
    };
    return cmocka_run_group_tests(tests, up, volume_down);
}
