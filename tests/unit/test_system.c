/* system: the lines of Apple's installer, and its command line through a stand-in. */
#include "installer/system.h"
#include "volume.h"

static void transcript(void **state)
{
    static const struct {
        const char *line;
        enum system_said said;
        int percent;
        const char *phase;
    } rows[] = {
        {"installer: Package name is NAME", SYSTEM_TEXT, -1, ""},
        {"installer: Installing at base path /", SYSTEM_TEXT, -1, ""},
        {"installer:PHASE:Preparing for installation…", SYSTEM_PHASE, -1, "Preparing for installation…"},
        {"installer:PHASE:Preparing the disk…", SYSTEM_PHASE, -1, "Preparing the disk…"},
        {"installer:STATUS:", SYSTEM_NOTHING, -1, "Preparing the disk…"},
        {"installer:%4.533645", SYSTEM_PERCENT, 4, "Preparing the disk…"},
        {"installer:PHASE:Writing files…", SYSTEM_PHASE, 4, "Writing files…"},
        {"installer:%7.514941", SYSTEM_PERCENT, 7, "Writing files…"},
        {"installer:PHASE:Writing files…", SYSTEM_NOTHING, 7, "Writing files…"},
        {"installer:%61.860724", SYSTEM_PERCENT, 61, "Writing files…"},
        {"installer:%50.000000", SYSTEM_NOTHING, 61, "Writing files…"},
        {"installer:%nonsense", SYSTEM_NOTHING, 61, "Writing files…"},
        {"installer:%900", SYSTEM_NOTHING, 61, "Writing files…"},
        {"installer:STATUS:Running installer actions…", SYSTEM_PHASE, 61, "Running installer actions…"},
        {"installer:%100.000000", SYSTEM_PERCENT, 100, "Running installer actions…"},
        {"installer:PHASE:The software was successfully installed.", SYSTEM_PHASE, 100,
         "The software was successfully installed."},
        {"installer: The install was successful.", SYSTEM_TEXT, 100,
         "The software was successfully installed."},
        {"2026-11-24 something else", SYSTEM_TEXT, 100, "The software was successfully installed."},
        {"", SYSTEM_TEXT, 100, "The software was successfully installed."},
    };
    struct system_progress sp;
    (void)state;
    system_progress_init(&sp);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum system_said said = system_progress_line(&sp, rows[i].line);
        if (said != rows[i].said || sp.percent != rows[i].percent || strcmp(sp.phase, rows[i].phase) != 0)
            fail_msg("%s: %d %d %s", rows[i].line, said, sp.percent, sp.phase);
    }
}

static void errors(void **state)
{
    static const char *const lines[] = {
        "installer: The install failed. (The Installer encountered an error.)",
        "installer: Error - the package path specified was invalid: '/x'.",
        "installer: Cannot install on volume / because it is disabled.",
        "installer: Certificate used to sign package is not trusted. Use -allowUntrusted to override."};
    struct system_progress sp;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        system_progress_init(&sp);
        assert_int_equal(system_progress_line(&sp, lines[i]), SYSTEM_ERROR);
        assert_string_equal(sp.error, lines[i] + 11);
    }
}

static int last_percent;
static char phases[512];

static void on_progress(void *ctx, int percent, const char *phase)
{
    (void)ctx;
    last_percent = percent;
    size_t n = strlen(phases);
    snprintf(phases + n, sizeof phases - n, "%d %s|", percent, phase);
}

static const char stand_in[] =
    "#!/bin/sh\nd=${0%/*}\necho \"$*\" >>\"$d/args\"\nenv >\"$d/env\"\n"
    "case $1 in -query) echo 'a warning'; cat \"$d/restart\"; exit 0;; esac\n"
    "for a; do [ \"$p\" = -applyChoiceChangesXML ] && cp \"$a\" \"$d/choices\"; p=$a; done\n"
    "echo 'installer:PHASE:Writing files…'; echo 'installer:%40.5'; echo 'installer:%100.0'\n"
    "[ -e \"$d/fail\" ] && { echo 'installer: The install failed. (It broke.)'; exit 1; }; exit 0\n";

static void command_line(void **state)
{
    struct install_outcome out = {.code = 0};
    struct system_options o = {.timeout_ms = 10000};
    (void)state;
    put_mode("tools/installer", stand_in, 0755);
    put("tools/restart", plist("<key>RestartAction</key><string>None</string>"));
    env.tools = arena_printf(memory, "%s/tools", volume_path);
    env.progress = on_progress;
    assert_true(system_install(&env, "/cache/x.pkg", &o, &out, &e));
    assert_false(out.restart);
    assert_string_equal(text_of("tools/args"), "-query RestartAction -pkg /cache/x.pkg -plist\n"
                                               "-verboseR -pkg /cache/x.pkg -target /\n");
    assert_string_equal(phases, "-1 Writing files…|40 Writing files…|100 Writing files…|");
    assert_int_equal(last_percent, 100);

    put("tools/args", "");
    put("tools/restart", plist("<key>RestartAction</key><string>RequireRestart</string>"));
    o.allow_untrusted = true;
    o.choices =
        dict("<key>a</key><array><dict><key>choiceIdentifier</key><string>c1</string></dict></array>");
    o.choices = value_get(o.choices, "a");
    o.environment =
        dict("<key>FOO</key><string>bar</string><key>USER</key><string>CURRENT_CONSOLE_USER</string>"
             "<key>BAD=KEY</key><string>x</string>");
    assert_true(system_install(&env, "/cache/x.pkg", &o, &out, &e));
    assert_true(out.restart);
    assert_non_null(strstr(text_of("tools/args"), "-plist -allowUntrusted\n"));
    assert_non_null(strstr(text_of("tools/args"), "choices.xml -allowUntrusted\n"));
    assert_non_null(strstr(text_of("tools/choices"), "choiceIdentifier"));
    assert_non_null(strstr(text_of("tools/env"), "FOO=bar\n"));
    assert_non_null(strstr(text_of("tools/env"), "USER="));
    assert_null(strstr(text_of("tools/env"), "BAD"));
}

static void failure(void **state)
{
    struct install_outcome out = {.code = 0};
    struct system_options o = {.timeout_ms = 10000};
    (void)state;
    put("tools/fail", "");
    assert_false(system_install(&env, "/cache/x.pkg", &o, &out, &e));
    assert_string_equal(e.text, "installer exited with 1: The install failed. (It broke.)");
    assert_int_equal(out.code, 1);
    assert_int_equal(e.cause, CAUSE_INSTALLER);
    assert_false(out.restart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transcript),
        cmocka_unit_test(errors),
        cmocka_unit_test(command_line),
        cmocka_unit_test(failure),
    };
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
