/* options: what is accepted, what it means, and what a wrong word gets for an answer. */
#include "agent/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static int nothing(struct options *o)
{
    (void)o;
    return 0;
}

static int raw(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static const struct options_command table[] = {
    {"run", OPTIONS_TARGET | OPTIONS_RUN, 0, 0, "daybreak run", "", "", nothing, NULL},
    {"check", OPTIONS_TARGET | OPTIONS_CHECK, 0, 0, "daybreak check", "", "", nothing, NULL},
    {"status", OPTIONS_TARGET | OPTIONS_STATUS, 0, 0, "daybreak status", "", "", nothing, NULL},
    {"why", OPTIONS_TARGET, 1, 1, "daybreak why ITEM", "", "", nothing, NULL},
    {"config", OPTIONS_TARGET, 0, 0, "daybreak config", "", "", nothing, NULL},
    {"pkg", OPTIONS_RAW, 0, 0, "daybreak pkg", "", "", NULL, raw},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};

static struct arena *a;
static struct options o;
static const struct options_command *command;
static int rest;
static struct err e;

/* Parse words split at spaces; a word may be empty ("--id="). */
static bool parse(const char *line)
{
    char *words = arena_strdup(a, line), *argv[32];
    int argc = 0;
    static char name[] = "daybreak";
    argv[argc++] = name;
    for (char *w = words; *w != '\0';) {
        argv[argc++] = w;
        w += strcspn(w, " ");
        if (*w == ' ')
            *w++ = '\0';
    }
    argv[argc] = NULL;
    memset(&e, 0, sizeof e);
    char **kept = arena_array(a, (size_t)argc + 1, sizeof *kept);
    memcpy(kept, argv, ((size_t)argc + 1) * sizeof *kept);
    return options_parse(a, argc, kept, table, &o, &command, &rest, &e);
}

static void accepted(void **state)
{
    (void)state;
    assert_true(parse("--root /tmp/x// run -vv --auto --force Firefox --force=Zoom --id lab"));
    assert_string_equal(o.command, "run");
    assert_string_equal(o.root, "/tmp/x");
    assert_true(o.root_given && o.automatic && !o.run_scripts && !o.live);
    assert_int_equal(o.verbosity, 2);
    assert_int_equal(o.force_count, 2);
    assert_string_equal(o.force[1], "Zoom");
    assert_null(o.force[2]);
    assert_string_equal(o.id, "lab");

    assert_true(parse("check --scripts run --root /r --output - --json"));
    assert_true(o.run_scripts && o.json);
    assert_string_equal(o.output, "-");

    assert_true(parse("why --root /r -- --odd"));
    assert_int_equal(o.operand_count, 1);
    assert_string_equal(o.operands[0], "--odd");

    assert_true(parse("config"));
    assert_string_equal(o.root, "/");
    assert_true(o.run_scripts); /* the default for / */
}

static void relative_paths_become_absolute(void **state)
{
    (void)state;
    assert_true(parse("run --root there --prefs p.plist"));
    assert_int_equal(o.root[0], '/');
    assert_int_equal(o.prefs[0], '/');
}

static void munki_flags(void **state)
{
    (void)state;
    assert_true(parse("--checkonly -v --id x"));
    assert_string_equal(o.command, "run");
    assert_true(o.checkonly);
    assert_true(parse("-a"));
    assert_string_equal(o.command, "run");
    assert_true(o.automatic);
    assert_true(parse("--manualcheck -m"));
    assert_true(o.checkonly && !o.installonly);
    assert_true(parse("--installwithnologout --munkistatusoutput"));
    assert_true(o.installonly && !o.checkonly);
    assert_true(parse("--id x --installonly --munkipkgsonly"));
    assert_true(o.installonly);
    assert_true(parse("--show-config"));
    assert_string_equal(o.command, "config");
    assert_true(parse("-V"));
    assert_true(o.version);
    assert_null(command);
}

static void raw_commands_keep_their_words(void **state)
{
    (void)state;
    assert_true(parse("pkg verify --strange X"));
    assert_string_equal(command->name, "pkg");
    assert_int_equal(rest, 1);
}

static void help_needs_no_operands(void **state)
{
    (void)state;
    assert_true(parse("why --help"));
    assert_true(o.help);
    assert_true(parse(""));
    assert_null(command);
}

static void refused(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"chekc", "did you mean check?"},
        {"zzzzzzzzzz", "daybreak --help"},
        {"run --chekonly", "did you mean --checkonly?"},
        {"run --verbos", "did you mean --verbose?"},
        {"run -x", "unknown option -x"},
        {"check --auto", "daybreak check does not take --auto"},
        {"run --output x", "does not take --output"},
        {"status --force X", "does not take --force"},
        {"run --id", "--id needs a value"},
        {"run --id=", "--id needs a name"},
        {"run --root=", "--root needs a path"},
        {"run --json=yes", "--json takes no value"},
        {"run --scripts maybe", "run or skip"},
        {"run --repo ftp://x", "https, http or file"},
        {"run --checkonly --installonly", "exclude each other"},
        {"run --dry-run --checkonly", "--dry-run excludes"},
        {"run -q -v", "exclude each other"},
        {"run --tools /t", "targets other than /"},
        {"run --clock /t", "targets other than /"},
        {"run now", "one word too many"},
        {"why", "daybreak why ITEM"},
        {"why a b", "one word too many"},
        {"--root /x", "needs a command"},
        {"check --show-config", "unknown option --show-config"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (parse(cases[i].line))
            fail_msg("\"%s\" was accepted", cases[i].line);
        assert_int_equal(e.kind, ERR_USAGE);
        if (strstr(e.text, cases[i].says) == NULL)
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].line, e.text, cases[i].says);
    }
}

static void tools_and_clock_elsewhere(void **state)
{
    (void)state;
    assert_true(parse("run --root /r --tools /t --clock /c"));
    assert_string_equal(o.tools, "/t");
    assert_string_equal(o.clock, "/c");
}

static void distances(void **state)
{
    static const char *const names[] = {"Firefox", "Fonts", "Zoom", NULL};
    (void)state;
    assert_int_equal(options_distance("", "abc"), 3);
    assert_int_equal(options_distance("kitten", "Sitting"), 3);
    assert_int_equal(options_distance("ABC", "abc"), 0);
    assert_string_equal(options_nearest("firefix", names), "Firefox");
    assert_null(options_nearest("Illustrator", names));
}

static void plists(void **state)
{
    char path[] = "/tmp/test_options.XXXXXX";
    static const char good[] = "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>a</key><true/>"
                               "</dict></plist>";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, good, sizeof good - 1), (ssize_t)sizeof good - 1);
    const struct value *v = options_plist(a, "facts", path, &e);
    assert_non_null(v);
    assert_true(props_bool(v, "a", false));
    assert_int_equal(ftruncate(fd, 5), 0);
    assert_null(options_plist(a, "facts", path, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.text, "--facts /tmp/test_options."));
    close(fd);
    unlink(path);
    assert_null(options_plist(a, "facts", path, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_null(options_plist(a, "facts", "/tmp", &e));
    assert_non_null(strstr(e.text, "not a regular file"));
}

static int up(void **state)
{
    (void)state;
    a = arena_open();
    return 0;
}

static int down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(relative_paths_become_absolute),
        cmocka_unit_test(munki_flags),
        cmocka_unit_test(raw_commands_keep_their_words),
        cmocka_unit_test(help_needs_no_operands),
        cmocka_unit_test(refused),
        cmocka_unit_test(tools_and_clock_elsewhere),
        cmocka_unit_test(distances),
        cmocka_unit_test(plists),
    };
    return cmocka_run_group_tests(tests, up, down);
}
