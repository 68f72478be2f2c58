/* console: who sits at this Mac, by what scutil prints; and commands for that person. */
#include "installer/console.h"
#include "tests/unit/ground.h"

#define SESSION(name, uid)                                                                                   \
    "<dictionary> {\n  GID : 20\n  Name : " name "\n  SessionInfo : <array> {\n    0 : <dictionary> {\n"     \
    "      Name : other\n      UID : 777\n      kCGSSessionOnConsoleKey : TRUE\n    }\n  }\n  UID : " uid    \
    "\n}\n"

static void who_sits_there(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum console_state is;
        const char *name;
        int64_t uid;
    } rows[] = {
        {"  No such key\n", CONSOLE_NOBODY, NULL, 0},
        {"", CONSOLE_NOBODY, NULL, 0},
        {"<dictionary> {\n", CONSOLE_NOBODY, NULL, 0},
        {"}\n}\n<dictionary> {\n  Name : x\n", CONSOLE_NOBODY, NULL, 0},
        {SESSION("loginwindow", "0"), CONSOLE_NOBODY, NULL, 0},
        {SESSION("root", "0"), CONSOLE_NOBODY, NULL, 0},
        {SESSION("daemon", "1"), CONSOLE_NOBODY, NULL, 0},
        {SESSION("_mbsetupuser", "248"), CONSOLE_SETUP, NULL, 0},
        {SESSION("renamed", "248"), CONSOLE_SETUP, NULL, 0},
        {SESSION("anna", "501"), CONSOLE_USER, "anna", 501},
        {SESSION("anna", "nonsense"), CONSOLE_NOBODY, NULL, 0},
        {SESSION("anna", "99999999999"), CONSOLE_NOBODY, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct console c;
        console_parse(memory, rows[i].text, &c);
        assert_int_equal(c.state, rows[i].is);
        assert_int_equal(c.uid, rows[i].uid);
        assert_true(rows[i].name == NULL ? c.name == NULL : strcmp(c.name, rows[i].name) == 0);
    }
}

static void only_a_stand_in_is_asked_elsewhere(void **state)
{
    (void)state;
    struct console c;
    const char *const argv[] = {"/bin/echo", "a word", NULL};
    console_ask(memory, loop, NULL, false, &c);
    assert_int_equal(c.state, CONSOLE_UNKNOWN);
    assert_null(console_command(memory, NULL, false, &c, argv, &e));
    assert_int_equal(e.kind, ERR_REFUSED);
    const char *tool = "#!/bin/sh\nread -r a b\n[ \"$a $b\" = 'show State:/Users/ConsoleUser' ] || exit 1\n"
                       "printf '<dictionary> {\\n  Name : anna\\n  UID : 501\\n}\\n'\n";
    ground_put("scutil", tool);
    assert_int_equal(fchmodat(ground, "scutil", 0755, 0), 0);
    console_ask(memory, loop, ground_path, false, &c);
    assert_int_equal(c.state, CONSOLE_USER);
    assert_string_equal(c.home, "/Users/anna");
    assert_null(
        console_command(memory, ground_path, false, &c, argv, &e)); /* never this machine's own sudo */
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    ground_put("launchctl", "#!/bin/sh\n");
    ground_put("sudo", "#!/bin/sh\n");
    assert_int_equal(fchmodat(ground, "launchctl", 0755, 0) + fchmodat(ground, "sudo", 0755, 0), 0);
    const char *const *all = console_command(memory, ground_path, false, &c, argv, &e);
    static const char *const want[] = {NULL,   "asuser", "501",       NULL,    "-u",
                                       "anna", "-H",     "/bin/echo", "a word"};
    assert_non_null(all);
    assert_string_equal(all[0], ground_at("launchctl"));
    assert_string_equal(all[3], ground_at("sudo"));
    for (size_t i = 0; i < 9; i++) {
        if (want[i] != NULL)
            assert_string_equal(all[i], want[i]);
    }
    assert_null(all[9]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_sits_there, ground_up, ground_down),
        cmocka_unit_test_setup_teardown(only_a_stand_in_is_asked_elsewhere, ground_up, ground_down),
    };
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
