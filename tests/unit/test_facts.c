/* facts: where each comes from, what is derived, and who wins. machine: what the tools' answers mean. */
#include "agent/conditions.h"
#include "agent/machine.h"
#include "ground.h"

static struct detect *evidence(void)
{
    const struct detect_config c = {
        .loop = loop,
        .root = target.root,
        .root_path = target.root_path,
        .os_version = facts.os_version,
        .script_timeout_ms = 10000,
    };
    return detect_open(&c);
}

static void complete(void)
{
    struct detect *d = evidence();
    if (!facts_complete(memory, &o, &prefs, &target, loop, d, &facts, &e))
        fail_msg("%s", e.text);
    detect_free(d);
}

static void says(const char *key, const char *value)
{
    const char *s = props_str(facts.all, key);
    if (s == NULL || strcmp(s, value) != 0)
        fail_msg("%s is %s, not %s", key, s != NULL ? s : "absent", value);
}

static void refuses(const char *what)
{
    assert_true(target_open(memory, &o, &target, &e));
    if (facts_load(memory, &o, &target, loop, &facts, &e))
        fail_msg("accepted, where it should say %s", what);
    assert_int_equal(e.kind, ERR_USAGE);
    if (strstr(e.text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", e.text, what);
    target_close(&target);
}

static void nothing_known(void **state)
{
    (void)state;
    ground_open();
    complete();
    says("arch", "arm64");
    says("machine_type", "laptop");
    says("munki_version", FACTS_MUNKI_VERSION);
    says("serial_number", "UNKNOWN");
    assert_int_equal(props_int(facts.all, "os_vers_major", 0), 26);
    assert_null(value_get(facts.all, "x86_64_capable"));
    assert_int_equal(facts.disk_kb, -1);
    assert_null(facts.script_results);
}

static void system_of_the_root(void **state)
{
    (void)state;
    ground_put("root/System/Library/CoreServices/SystemVersion.plist",
               DICT(KEY("ProductVersion", STR("14.4.0")) KEY("ProductBuildVersion", STR("23E214"))));
    ground_open();
    complete();
    says("os_vers", "14.4");
    says("os_build_number", "23E214");
    assert_int_equal(props_int(facts.all, "os_build_last_component", 0), 214);
    assert_int_equal(props_int(facts.all, "os_vers_minor", 0), 4);
    assert_int_equal(props_int(facts.all, "os_vers_patch", -1), 0);
}

static void the_file_wins_key_by_key(void **state)
{
    time_t t;
    (void)state;
    ground_put("f.plist",
               DICT(KEY("os_vers", STR("10.13.6")) KEY("arch", STR("x86_64"))
                        KEY("hostname", STR("mac01.example.com")) KEY("os_build_number", STR("24A5264n")) KEY(
                            "machine_type", STR("desktop")) KEY("date", "<date>2026-03-02T12:00:00Z</date>")
                            KEY("tz_offset_seconds", "<integer>-3600</integer>")
                                KEY("available_disk_space_kb", "<integer>900</integer>")
                                    KEY("ipv4_address", ARRAY(STR("10.0.0.5")))
                                        KEY("conditions",
                                            "<dict>" KEY("site", STR("lab")) KEY("hostname", STR("other"))
                                                KEY("machine_type", STR("toaster")) "</dict>")));
    o.facts = ground_at("f.plist");
    ground_open();
    complete();
    says("os_vers", "10.13.6");
    says("site", "lab");
    says("hostname", "other");       /* conditions lie over what is built in … */
    says("machine_type", "desktop"); /* … but not over what is derived */
    says("os_build_last_component", "5264n");
    assert_true(props_bool(facts.all, "x86_64_capable", false));
    assert_true(value_date(value_get(facts.all, "date"), &t));
    assert_int_equal(t, facts.now - 3600);
    assert_string_equal(facts.hostname, "mac01.example.com"); /* the manifest's name is the machine's */
    assert_int_equal(facts.disk_kb, 900);
    assert_null(value_get(facts.report, "applications"));
    assert_non_null(value_get(facts.all, "applications"));
    assert_null(value_get(facts.machine_info, "site"));
    assert_string_equal(facts.hardware_id, facts.serial);
}

/* An admin's os_vers is what the predicates see, whole and in parts; what is held against minimum_os_version
 * stays the machine's. */
static void derived_from_what_was_laid_over(void **state)
{
    (void)state;
    ground_put("f.plist", DICT(KEY("os_vers", STR("14.5")) KEY("os_build_number", STR("23F79"))
                                   KEY("conditions", "<dict>" KEY("os_vers", STR("99.3.1"))
                                                         KEY("os_build_number", STR("99A7")) "</dict>")));
    o.facts = ground_at("f.plist");
    ground_open();
    complete();
    says("os_vers", "99.3.1");
    assert_int_equal(props_int(facts.all, "os_vers_major", 0), 99);
    assert_int_equal(props_int(facts.all, "os_vers_minor", 0), 3);
    assert_int_equal(props_int(facts.all, "os_vers_patch", 0), 1);
    assert_int_equal(props_int(facts.all, "os_build_last_component", 0), 7);
    assert_string_equal(facts.os_version, "14.5");
}

static void wrong_files(void **state)
{
    static const struct {
        const char *plist, *says;
    } cases[] = {
        {DICT(KEY("os_vers", "<real>10.13</real>")), "os_vers"},
        {DICT(KEY("arch", STR("ppc"))), "arch: ppc"},
        {DICT(KEY("machine_type", STR("phone"))), "machine_type: phone"},
        {DICT(KEY("os_verz", STR("1"))), "unknown key os_verz: did you mean os_vers"},
        {DICT(KEY("date", STR("today"))), "date: found string"},
        {PLIST("<array/>"), "a dictionary is needed"},
        {"<html></html>", "--facts"},
    };
    (void)state;
    o.facts = ground_at("f.plist");
    refuses("--facts");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ground_put("f.plist", cases[i].plist);
        refuses(cases[i].says);
    }
}

static void script(const char *path, const char *text, mode_t mode)
{
    ground_put(path, text);
    assert_int_equal(chmod(ground_at(path), mode), 0);
}

static void condition_scripts(void **state)
{
    (void)state;
    static const char folder[] = "root/usr/local/munki/conditions/";
    script(arena_printf(memory, "%sb.sh", folder),
           "#!/bin/sh\nsed -e 's/first/second/' \"$DAYBREAK_ROOT/Library/Daybreak/ConditionalItems.plist\" "
           "> \"$DAYBREAK_ROOT/x\" && mv \"$DAYBREAK_ROOT/x\" "
           "\"$DAYBREAK_ROOT/Library/Daybreak/ConditionalItems.plist\"\nexit 3\n",
           0755);
    script(arena_printf(memory, "%sa.sh", folder),
           "#!/bin/sh\necho '" DICT(KEY("lab", STR("first")) KEY(
               "os_vers_major",
               "<integer>1</integer>")) "' "
                                        "> \"$DAYBREAK_ROOT/Library/Daybreak/ConditionalItems.plist\"\n",
           0755);
    script(arena_printf(memory, "%s.hidden", folder), "#!/bin/sh\ntouch \"$DAYBREAK_ROOT/bad\"\n", 0755);
    script(arena_printf(memory, "%sopen.sh", folder), "#!/bin/sh\ntouch \"$DAYBREAK_ROOT/bad\"\n", 0777);
    script(arena_printf(memory, "%splain.sh", folder), "#!/bin/sh\ntouch \"$DAYBREAK_ROOT/bad\"\n", 0644);
    ground_put("root/Library/Daybreak/ConditionalItems.plist", DICT(KEY("stale", "<true/>")));
    o.run_scripts = true;
    log_levels(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR);
    ground_open();
    complete();
    says("lab", "second"); /* in the order of their names; exit codes do not matter */
    assert_int_equal(props_int(facts.all, "os_vers_major", 0), 26);
    assert_null(value_get(facts.all, "stale"));
    assert_false(ground_has("root/bad"));
    assert_false(ground_has("root/Library/Daybreak/ConditionalItems.plist"));
}

/* Munki's scripts write where Munki's preference says. The file is Munki's: it is read when the scripts
 * changed it, and never removed. */
static void conditions_of_munkis_scripts(void **state)
{
    (void)state;
    static const char theirs[] = "root/Library/Managed Installs/ConditionalItems.plist";
    o.run_scripts = true;
    log_levels(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR);
    ground_put(theirs, DICT(KEY("stale", "<true/>")));
    script("root/usr/local/munki/conditions/a.sh", "#!/bin/sh\nexit 0\n", 0755);
    ground_open();
    complete();
    assert_null(value_get(facts.all, "stale")); /* nobody wrote it today */
    script("root/usr/local/munki/conditions/a.sh",
           "#!/bin/sh\nd=\"$DAYBREAK_ROOT/Library/Managed Installs\"\n"
           "sed -e 's/stale/fresh/' \"$d/ConditionalItems.plist\" >\"$d/x\" && mv \"$d/x\" "
           "\"$d/ConditionalItems.plist\"\n"
           "echo '" DICT(
               KEY("ours", "<true/>")) "' >\"$DAYBREAK_ROOT/Library/Daybreak/ConditionalItems.plist\"\n",
           0755);
    complete();
    assert_true(props_bool(facts.all, "fresh", false));
    assert_true(props_bool(facts.all, "ours", false));
    assert_true(ground_has(theirs));
    script("root/usr/local/munki/conditions/a.sh",
           "#!/bin/sh\necho '<html>' >\"$DAYBREAK_ROOT/Library/Managed Installs/ConditionalItems.plist\"\n",
           0755);
    complete();
    assert_null(value_get(facts.all, "fresh"));
}

static void a_condition_script_has_its_time(void **state)
{
    (void)state;
    const struct value *said;
    script("root/usr/local/daybreak/conditions/a", "#!/bin/sh\nexec tail -f /dev/null\n", 0755);
    script("root/usr/local/daybreak/conditions/b",
           "#!/bin/sh\necho '" DICT(
               KEY("after", "<true/>")) "' >\"$DAYBREAK_ROOT/Library/Daybreak/ConditionalItems.plist\"\n",
           0755);
    log_levels(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR);
    ground_open();
    const struct conditions_place place = {.loop = loop, .target = &target, .timeout_ms = 2000};
    assert_true(conditions_run(memory, &place, &said, &e));
    assert_true(props_bool(said, "after", false)); /* the next one is asked all the same */
}

static void scripts_skipped(void **state)
{
    (void)state;
    script("root/usr/local/munki/conditions/a.sh", "#!/bin/sh\ntouch \"$DAYBREAK_ROOT/bad\"\n", 0755);
    ground_open();
    complete();
    assert_false(ground_has("root/bad"));
}

static void machine_by_tools(void **state)
{
    struct machine m = {0};
    (void)state;
    script("tools/sysctl", "#!/bin/sh\necho Mac14,9\n", 0755);
    script(
        "tools/ioreg",
        "#!/bin/sh\ncase \"$*\" in\n"
        "*IOPlatformExpertDevice*) cat <<'END'\n" PLIST(ARRAY(
            "<dict>" KEY("IOPlatformSerialNumber", STR("C02XYZ")) KEY("IOPlatformUUID", STR("AAAA-BBBB")) KEY(
                "target-sub-type",
                "<data>SjQxNHNBUAA=</data>") "</dict>")) "END\n;;\n"
                                                         "*product*) cat <<'END'\n" PLIST(ARRAY("<dict>" KEY(
                                                             "product-name", "<data>TWFjQm9vayBQcm8A</"
                                                                             "data>") "</dict>")) "END\n;;"
                                                                                                  "\n"
                                                                                                  "*AppleS"
                                                                                                  "martBat"
                                                                                                  "tery*) "
                                                                                                  ";;"
                                                                                                  "\nesac"
                                                                                                  "\n",
        0755);
    script("tools/system_profiler",
           "#!/bin/sh\ncase \"$*\" in\n*SPNetworkDataType*) cat <<'END'\n" PLIST(ARRAY("<dict>" KEY(
               "_items",
               ARRAY("<dict>" KEY(
                   "IPv4",
                   "<dict>" KEY(
                       "Addresses",
                       ARRAY(STR(
                           "10.1.2.3"))) "</dict>") "</dict><dict></dict>")) "</dict>")) "END\n;;\n*) exit "
                                                                                         "1;;\nesac\n",
           0755);
    machine_uname(memory, &m);
    machine_ask(memory, loop, ground_at("tools"), &m);
    assert_string_equal(m.machine_model, "Mac14,9");
    assert_string_equal(m.serial, "C02XYZ");
    assert_string_equal(m.hardware_id, "AAAA-BBBB");
    assert_string_equal(m.device_id, "J414sAP");
    assert_string_equal(m.product_name, "MacBook Pro");
    assert_null(m.board_id);
    assert_null(m.ibridge);
    assert_false(m.laptop);
    assert_int_equal(value_count(m.ipv4), 1);
    assert_string_equal(value_str(value_at(m.ipv4, 0)), "10.1.2.3");
    assert_int_equal(value_count(m.ipv6), 0);
    assert_non_null(m.hostname);
}

static void machine_without_tools(void **state)
{
    struct machine m = {0};
    (void)state;
    machine_ask(memory, loop, ground_at("none"), &m);
    assert_null(m.serial);
    assert_null(m.machine_model);
    assert_int_equal(value_count(m.ipv4), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ground_up, ground_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_known),
        TEST(system_of_the_root),
        TEST(the_file_wins_key_by_key),
        TEST(wrong_files),
        TEST(derived_from_what_was_laid_over),
        TEST(condition_scripts),
        TEST(scripts_skipped),
        TEST(conditions_of_munkis_scripts),
        TEST(a_condition_script_has_its_time),
        TEST(machine_by_tools),
        TEST(machine_without_tools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
