/* child: what it is given, what is heard of it, how it ends, and that nobody can make us wait for ever.
 *
 * The children are /bin/sh and this program itself, started again with a word. */
#include "core/arena.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *self;
static struct loop *l;
static char base[] = "/tmp/test_child.XXXXXX";
static int dir;
static struct err e;

struct heard {
    struct buf text;
    int lines, errors;
    size_t longest;
    pid_t pid;
};

static void on_line(void *ctx, bool is_stderr, const char *line)
{
    struct heard *h = ctx;
    size_t n = strlen(line);
    h->lines++;
    h->errors += is_stderr;
    h->longest = n > h->longest ? n : h->longest;
    assert_true(buf_printf(&h->text, "%s%s\n", is_stderr ? "! " : "", line));
}

static void on_start(void *ctx, pid_t pid)
{
    ((struct heard *)ctx)->pid = pid;
}

static int set_up(void **state)
{
    struct heard *h = arena_heap(NULL, sizeof *h);
    *h = (struct heard){0};
    buf_init(&h->text, 16 * LIMIT_MB);
    l = loop_open();
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    struct heard *h = *state;
    loop_free(l);
    buf_release(&h->text);
    free(h);
    return 0;
}

static struct child_spec spec_of(struct heard *h, const char *const *argv)
{
    return (struct child_spec){
        .argv = argv, .dir = -1, .timeout_ms = 60000, .line = on_line, .started = on_start, .ctx = h};
}

/* Run a shell's script to its end. */
static struct child_end sh(struct heard *h, const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    if (!child_run(l, &spec, &end, &e))
        fail_msg("%s", e.text);
    return end;
}

static void exit_codes_and_signals(void **state)
{
    char text[64];
    struct child_end end = sh(*state, "exit 0");
    assert_true(end.started && end.exit_code == 0 && end.signal == 0 && !end.timed_out);
    end = sh(*state, "exit 3");
    assert_int_equal(end.exit_code, 3);
    assert_string_equal(child_end_text(&end, text, sizeof text), "exited with 3");
    end = sh(*state, "kill -9 $$");
    assert_int_equal(end.exit_code, -1);
    assert_int_equal(end.signal, SIGKILL);
    assert_string_equal(child_end_text(&end, text, sizeof text), "killed by signal 9");
    assert_true(((struct heard *)*state)->pid > 0);
}

static void lines_are_heard_and_printable(void **state)
{
    struct heard *h = *state;
    sh(h, "echo one; printf 'cr\\r\\n\\nesc\\033[1m\\377'");
    assert_string_equal(buf_str(&h->text), "one\ncr\n\nesc\\x1b[1m\\xff\n");
    assert_int_equal(h->lines, 4);
    buf_clear(&h->text);
    sh(h, "echo two >&2; printf 'no newline' >&2");
    assert_string_equal(buf_str(&h->text), "! two\n! no newline\n");
    assert_int_equal(h->errors, 2);
}

static void output_is_capped(void **state)
{
    struct heard *h = *state;
    sh(h, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo short");
    assert_int_equal(h->longest, LIMIT_CHILD_LINE);
    assert_non_null(strstr(buf_str(&h->text), "\nshort\n"));
    assert_int_equal(h->lines, 2);
    h->lines = 0;
    buf_clear(&h->text);
    sh(h, "i=0; while [ $i -lt 300 ]; do printf '%08190d\\n' $i; i=$((i+1)); done; exit 0");
    assert_in_range(h->lines, LIMIT_CHILD_OUTPUT / 8191, LIMIT_CHILD_OUTPUT / 8191 + 2);
    assert_non_null(strstr(buf_str(&h->text), "more bytes of output were dropped"));
}

static void output_goes_to_a_buffer_up_to_its_maximum(void **state)
{
    const char *argv[] = {"/bin/sh", "-c", "printf 'a\\0b\\n12345'; echo unheard >&2", NULL};
    struct child_spec spec = spec_of(*state, argv);
    struct child_end end;
    struct buf b;
    buf_init(&b, 6);
    spec.out = &b;
    spec.line = NULL;
    assert_true(child_run(l, &spec, &end, &e));
    assert_int_equal(b.len, 6);
    assert_memory_equal(b.data, "a\0b\n12", 6);
    buf_release(&b);
}

static void environment_is_exact(void **state)
{
    struct heard *h = *state;
    setenv("DAYBREAK_TEST_LEAK", "1", 1);
    sh(h, "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sed 's/=.*//' | sort | tr '\\n' ' '; echo; "
          "pwd; echo $PATH");
    assert_non_null(strstr(buf_str(&h->text), "HOME LANG PATH USER \n/\n/usr/bin:/bin:/usr/sbin:/sbin\n"));
    buf_clear(&h->text);
    const char *argv[] = {"/usr/bin/env", NULL}, *env[] = {"ONLY=this", NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    spec.env = env;
    assert_true(child_run(l, &spec, &end, &e));
    assert_string_equal(buf_str(&h->text), "ONLY=this\n");
    unsetenv("DAYBREAK_TEST_LEAK");
}

static void directory_is_the_childs_alone(void **state)
{
    struct heard *h = *state;
    char before[1024], after[1024];
    const char *argv[] = {"/bin/sh", "-c", "pwd -P", NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    assert_non_null(getcwd(before, sizeof before));
    spec.dir = dir;
    assert_true(child_run(l, &spec, &end, &e));
    assert_non_null(getcwd(after, sizeof after));
    assert_string_equal(before, after);
    char *real = realpath(base, NULL);
    assert_true(text_starts(buf_str(&h->text), real));
    free(real);
}

static void input_is_given_or_empty(void **state)
{
    struct heard *h = *state;
    struct child_end end = sh(h, "cat; echo end");
    assert_int_equal(end.exit_code, 0);
    assert_string_equal(buf_str(&h->text), "end\n");
    buf_clear(&h->text);
    const size_t n = 300000; /* more than a pipe holds */
    char *much = arena_heap(NULL, n);
    memset(much, 'i', n);
    const char *argv[] = {"/bin/sh", "-c", "wc -c", NULL};
    struct child_spec spec = spec_of(h, argv);
    spec.input = much;
    spec.input_len = n;
    assert_true(child_run(l, &spec, &end, &e));
    assert_non_null(strstr(buf_str(&h->text), "300000\n"));
    argv[2] = "exit 4"; /* one that does not want it */
    assert_true(child_run(l, &spec, &end, &e));
    assert_int_equal(end.exit_code, 4);
    spec.input = "";
    spec.input_len = 0;
    argv[2] = "wc -c";
    assert_true(child_run(l, &spec, &end, &e));
    free(much);
}

/* The child's side: which descriptors are open, and what the passed ones say. */
static int list_descriptors(void)
{
    for (int fd = 0; fd < 256; fd++) {
        char text[16] = "";
        if (fcntl(fd, F_GETFD) < 0)
            continue;
        if (fd > 2 && pread(fd, text, sizeof text - 1, 0) < 0)
            text[0] = '\0';
        printf("%d:%s ", fd, text);
    }
    printf("\n");
    return 0;
}

static int file_saying(const char *text)
{
    const char name[] = "said";
    assert_true(files_replace(dir, name, text, strlen(text), 0644, FILES_LAZY, &e));
    int fd = files_open(dir, name, &e);
    assert_true(fd >= 0);
    return fd;
}

static void descriptors_are_passed_and_no_others(void **state)
{
    struct heard *h = *state;
    const char *argv[] = {self, "descriptors", NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    int low[3], leak = fcntl(STDERR_FILENO, F_DUPFD, 40); /* without close-on-exec, on purpose */
    for (int i = 0; i < 3; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        low[i] = file_saying(text);
    }
    /* in every order: sources that are targets of others, or of themselves, must not disturb each other */
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
        int fds[3];
        char want[64];
        for (int i = 0; i < 3; i++)
            fds[i] = low[orders[o][i]];
        spec.fds = fds;
        spec.fd_count = 3;
        buf_clear(&h->text);
        assert_true(child_run(l, &spec, &end, &e));
        snprintf(want, sizeof want, "0: 1: 2: 3:%c 4:%c 5:%c \n", 'a' + orders[o][0], 'a' + orders[o][1],
                 'a' + orders[o][2]);
        assert_string_equal(buf_str(&h->text), want);
    }
    int twice[] = {low[0], low[0]};
    spec.fds = twice;
    spec.fd_count = 2;
    buf_clear(&h->text);
    assert_true(child_run(l, &spec, &end, &e));
    assert_string_equal(buf_str(&h->text), "0: 1: 2: 3:a 4:a \n");
    for (int i = 0; i < 3; i++)
        close(low[i]);
    close(leak);
}

static void write_script(const char *name, const char *text, mode_t mode, char path[256])
{
    assert_true(files_replace(dir, name, text, strlen(text), mode, FILES_LAZY, &e));
    snprintf(path, 256, "%s/%s", base, name);
}

static void what_cannot_start_is_explained(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *want;
    } rows[] = {{"#!/no/such/python -u\n", 0755, "its interpreter /no/such/python does not exist"},
                {"#! /no/such/zsh\r\n", 0755, "its interpreter /no/such/zsh does not exist"},
                {"#!/bin/sh\n", 0644, "it is not executable"},
                {"echo no first line\n", 0755, "no #! line names an interpreter"},
                {"\x7f"
                 "ELF nonsense",
                 0755, "no program for this machine"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[256], text[64];
        write_script("script", rows[i].text, rows[i].mode, path);
        const char *argv[] = {path, NULL};
        struct child_spec spec = spec_of(*state, argv);
        struct child_end end;
        assert_false(child_run(l, &spec, &end, &e));
        assert_int_equal(e.kind, ERR_CHILD);
        assert_int_equal(e.code, -1000);
        assert_int_equal(e.cause, CAUSE_SCRIPT);
        if (!strstr(e.text, rows[i].want) || !strstr(e.text, path))
            fail_msg("%s", e.text);
        assert_false(end.started);
        assert_string_equal(child_end_text(&end, text, sizeof text), "could not be started");
    }
    const char *argv[] = {"/no/such/tool", NULL};
    struct child_spec spec = spec_of(*state, argv);
    struct child_end end;
    assert_false(child_run(l, &spec, &end, &e));
    assert_int_equal(e.code, -1000);
    assert_non_null(strstr(e.text, "/no/such/tool"));
    argv[0] = "sh";
    assert_false(child_run(l, &spec, &end, &e));
    assert_int_equal(e.kind, ERR_INTERNAL);
    argv[0] = "/bin/sh";
    spec.timeout_ms = 0;
    assert_false(child_run(l, &spec, &end, &e));
    assert_int_equal(e.kind, ERR_INTERNAL);
    assert_null(child_start(l, &spec, &e));
}

static bool gone(pid_t pid)
{
    return os_process_start(pid) == 0;
}

/* Turn the loop until pid is gone; a minute is for ever. */
static void wait_until_gone(pid_t pid)
{
    uint64_t start = loop_now(l);
    while (!gone(pid) && loop_now(l) - start < 60000)
        loop_turn(l, 10);
    assert_true(gone(pid));
}

static void a_timeout_ends_the_group(void **state)
{
    struct heard *h = *state;
    /* a grandchild in the same group that would go on; its pid is what we hear */
    const char *argv[] = {"/bin/sh", "-c", "tail -f /dev/null & echo $!; wait", NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    char text[64];
    spec.timeout_ms = 300;
    uint64_t start = loop_now(l);
    assert_false(child_run(l, &spec, &end, &e));
    assert_int_equal(e.kind, ERR_TIMEOUT);
    assert_int_equal(e.cause, CAUSE_TIMEOUT);
    assert_true(end.timed_out);
    assert_int_equal(end.signal, SIGTERM);
    assert_string_equal(child_end_text(&end, text, sizeof text), "timed out");
    assert_true(loop_now(l) - start >= 300);
    assert_true(loop_now(l) - start < 4000);
    long grandchild = strtol(buf_str(&h->text), NULL, 10);
    if (grandchild > 0)
        wait_until_gone((pid_t)grandchild);
}

static void who_ignores_sigterm_is_killed(void **state)
{
    const char *argv[] = {"/bin/sh", "-c", "trap '' TERM; while :; do tail -f /dev/null; done", NULL};
    struct child_spec spec = spec_of(*state, argv);
    struct child_end end;
    spec.timeout_ms = 2000; /* until then the shell has set its trap, on a busy machine too */
    uint64_t start = loop_now(l);
    assert_false(child_run(l, &spec, &end, &e));
    assert_int_equal(e.kind, ERR_TIMEOUT);
    assert_int_equal(end.signal, SIGKILL);
    assert_true(loop_now(l) - start >= 5000);
    assert_true(loop_now(l) - start < 30000);
}

static void a_grandchild_with_the_pipe_does_not_hold_us(void **state)
{
    struct heard *h = *state;
    uint64_t start = loop_now(l);
    struct child_end end = sh(h, "tail -f /dev/null & echo $!; exit 7");
    assert_int_equal(end.exit_code, 7);
    assert_false(end.timed_out);
    assert_true(loop_now(l) - start < 20000);
    long grandchild = strtol(buf_str(&h->text), NULL, 10);
    assert_true(grandchild > 0);
    assert_false(gone((pid_t)grandchild)); /* it was none of our business */
    kill((pid_t)grandchild, SIGKILL);
}

static void stop_at_start(void *ctx, pid_t pid)
{
    on_start(ctx, pid);
    loop_stop(l);
}

static void a_second_stop_leaves_the_child_alone(void **state)
{
    struct heard *h = *state;
    const char *argv[] = {"/bin/sh", "-c", "tail -f /dev/null", NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    loop_stop(l);
    struct child_end one = sh(h, "exit 5"); /* the first is no reason not to wait */
    assert_int_equal(one.exit_code, 5);
    spec.started = stop_at_start;
    assert_false(child_run(l, &spec, &end, &e));
    assert_int_equal(e.kind, ERR_STOPPED);
    assert_int_equal(e.cause, CAUSE_STOPPED);
    assert_true(end.started);
    assert_false(gone(h->pid));
    kill(-h->pid, SIGKILL);
    h->pid = 0;
    assert_false(child_run(l, &spec, &end, &e)); /* and nothing is begun any more */
    assert_int_equal(e.kind, ERR_STOPPED);
    assert_false(end.started);
    assert_int_equal(h->pid, 0);
}

static void children_run_side_by_side(void **state)
{
    struct heard *h = *state;
    const char *argv[] = {"/bin/sh", "-c", "echo x; exit 9", NULL},
               *lazy[] = {"/bin/sh", "-c", "exec tail -f /dev/null", NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child *many[5];
    struct child_end end;
    for (int i = 0; i < 5; i++)
        assert_non_null(many[i] = child_start(l, &spec, &e));
    for (int i = 0; i < 5; i++) {
        while (!child_done(many[i]))
            loop_turn(l, 1000);
        child_free(many[i], &end);
        assert_int_equal(end.exit_code, 9);
    }
    assert_int_equal(h->lines, 5);
    spec.argv = lazy;
    for (int group = 0; group < 2;
         group++) { /* freed while running: killed and reaped, in our group or its own */
        spec.in_group = group;
        struct child *c = child_start(l, &spec, &e);
        assert_non_null(c);
        assert_int_equal(getpgid(h->pid) == getpgrp(), group);
        assert_true(os_process_start(h->pid) > 0);
        if (group)
            child_kill(c);
        child_free(c, &end);
        assert_int_equal(end.signal, SIGKILL);
        assert_true(gone(h->pid));
    }
    child_free(NULL, NULL);
}

static void signals_are_as_a_program_expects(void **state)
{
    /* we ignore SIGPIPE; a child must not inherit that */
    struct child_end end = sh(*state, "kill -PIPE $$; exit 0");
    assert_int_equal(end.signal, SIGPIPE);
    end = sh(*state, "kill -TERM $$; exit 0");
    assert_int_equal(end.signal, SIGTERM);
}

static bool see(void *ctx, pid_t pid, const char *path)
{
    int *seen = ctx;
    if (pid == getpid() && strcmp(path, self) == 0)
        *seen |= 1;
    if (text_ends(path, "/managedsoftwareupdate"))
        *seen |= 2;
    return true;
}

static void processes_are_seen(void **state)
{
    struct heard *h = *state;
    char path[256];
    write_script("managedsoftwareupdate", "#!/bin/sh\necho ready\nread line <&3\n", 0755, path);
    const char *argv[] = {path, NULL};
    struct child_spec spec = spec_of(h, argv);
    struct child_end end;
    int waits[2], seen = 0;
    assert_true(os_pipe(waits, &e));
    spec.fds = &waits[0];
    spec.fd_count = 1;
    struct child *c = child_start(l, &spec, &e);
    assert_non_null(c);
    while (h->lines == 0 && !child_done(c))
        loop_turn(l, 1000);
    os_processes(see, &seen);
    assert_int_equal(seen, 3);
    close(waits[1]);
    close(waits[0]);
    while (!child_done(c))
        loop_turn(l, 1000);
    child_free(c, &end);
    assert_int_equal(end.signal, 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "descriptors") == 0)
        return list_descriptors();
    self = realpath(argv[0], NULL);
    if (!self || !mkdtemp(base) || (dir = files_root(base, false, &e)) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exit_codes_and_signals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_are_heard_and_printable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_is_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_goes_to_a_buffer_up_to_its_maximum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(environment_is_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(directory_is_the_childs_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_is_given_or_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_are_passed_and_no_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_start_is_explained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_timeout_ends_the_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_ignores_sigterm_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_grandchild_with_the_pipe_does_not_hold_us, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_stop_leaves_the_child_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(children_run_side_by_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals_are_as_a_program_expects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_are_seen, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests_name("child", tests, NULL, NULL);
    int top = files_root("/tmp", false, &e);
    if (!files_remove(top, text_basename(base), &e))
        print_error("%s\n", e.text);
    return failed;
}
