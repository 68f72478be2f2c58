/* prefs: which of several places wins, what never counts, and how a wrong value is named. */
#include "ground.h"

#define MANAGED "root/Library/Managed Preferences/"
#define ROOT    "root/private/var/root/Library/Preferences/"
#define LOCAL   "root/Library/Preferences/"

static bool load(void)
{
    struct stat st;
    if (!files_stat(ground, "root", &st, &e))
        ground_put("root/there", "");
    target_close(&target);
    if (!target_open(memory, &o, &target, &e))
        fail_msg("%s", e.text);
    return prefs_load(memory, &o, target.root, loop, &prefs, &e);
}

static void loads(void)
{
    if (!load())
        fail_msg("%s", e.text);
}

static const struct prefs_entry *entry(const char *key)
{
    for (size_t i = 0; i < prefs.entry_count; i++)
        if (strcmp(prefs.entries[i].key, key) == 0)
            return &prefs.entries[i];
    fail_msg("no %s", key);
    return NULL;
}

static void refuses(const char *says)
{
    if (load())
        fail_msg("accepted, where it should say %s", says);
    assert_int_equal(e.kind, ERR_USAGE);
    if (strstr(e.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", e.text, says);
}

static void defaults(void **state)
{
    (void)state;
    loads();
    assert_null(prefs.repo_url);
    assert_string_equal(prefs.managed_install_dir, "/Library/Daybreak");
    assert_string_equal(prefs.munki_dir, "/Library/Managed Installs");
    assert_int_equal(prefs.verification, PREFS_VERIFY_STRICT);
    assert_int_equal(prefs.redirects, FETCH_REDIRECT_NONE);
    assert_int_equal(prefs.munki_wait_s, 1800);
    assert_int_equal(prefs.max_attempts, 3);
    assert_int_equal(prefs.logging_level, 1);
    assert_int_equal(prefs.download_attempts, 0);
    assert_null(prefs.headers[0]);
    assert_null(prefs.mirrors[0]);
    assert_false(prefs.managed_seen);
    for (size_t i = 1; i < prefs.entry_count; i++)
        assert_true(strcmp(prefs.entries[i - 1].key, prefs.entries[i].key) < 0);
}

static void order(void **state)
{
    static const char *const files[] = {
        /* weakest first */
        LOCAL "ManagedInstalls.plist",
        LOCAL "io.daybreak.plist",
        ROOT "ManagedInstalls.plist",
        ROOT "io.daybreak.plist",
        ROOT "ByHost/ManagedInstalls.AAAA-BB.plist",
        ROOT "ByHost/io.daybreak.AAAA-BB.plist",
        MANAGED "ManagedInstalls.plist",
        MANAGED "root/ManagedInstalls.plist",
        MANAGED "io.daybreak.plist",
    };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        ground_put(files[i], arena_printf(memory, DICT(KEY("ClientIdentifier", STR("from%zu"))), i));
        loads();
        assert_string_equal(prefs.client_identifier, arena_printf(memory, "from%zu", i));
    }
    const struct prefs_entry *p = entry("ClientIdentifier");
    assert_int_equal(p->source, PREFS_MANAGED);
    assert_true(p->forced);
    assert_string_equal(p->domain, "io.daybreak");
    assert_string_equal(value_str(p->other), "from7");
    assert_true(prefs.managed_seen);
    o.id = "option";
    loads();
    assert_string_equal(prefs.client_identifier, "option");
    assert_int_equal(entry("ClientIdentifier")->source, PREFS_OPTION);
    assert_string_equal(value_str(entry("ClientIdentifier")->other), "from8");
}

static void prefs_file_stands_alone(void **state)
{
    (void)state;
    ground_put(MANAGED "io.daybreak.plist", DICT(KEY("ClientIdentifier", STR("managed"))));
    ground_put("p.plist", DICT(KEY("ManagedInstallDir", STR("/Library/Managed Installs"))
                                   KEY("PackageVerificationMode", STR("NONE"))));
    o.prefs = ground_at("p.plist");
    loads();
    assert_null(prefs.client_identifier);
    assert_string_equal(prefs.managed_install_dir, "/Library/Managed Installs");
    assert_int_equal(prefs.verification, PREFS_VERIFY_NONE);
    o.prefs = ground_at("gone.plist");
    refuses("--prefs");
}

static void not_inherited_from_munki(void **state)
{
    (void)state;
    ground_put(LOCAL "ManagedInstalls.plist",
               DICT(KEY("ManagedInstallDir", STR("/Munki/Here"))
                        KEY("SoftwareRepoURL", STR("http://munki/repo"))
                            KEY("PackageVerificationMode", STR("hash")) KEY("LastCheckDate", STR("odd"))
                                KEY("OfOtherTools", STR("x")) KEY("LogFile", STR("/x.log"))));
    loads();
    assert_string_equal(prefs.managed_install_dir, "/Library/Daybreak");
    assert_string_equal(prefs.munki_dir, "/Munki/Here");
    assert_null(prefs.repo_url);
    assert_int_equal(prefs.verification, PREFS_VERIFY_STRICT);
    assert_int_equal(entry("PackageVerificationMode")->source, PREFS_DEFAULT);
    /* no repository wherever it stands */
    ground_put(MANAGED "ManagedInstalls.plist", DICT(KEY("SoftwareRepoURL", STR("http://munki/repo"))));
    loads();
    assert_null(prefs.repo_url);
}

static void only_managed_or_root_only(void **state)
{
    struct stat st;
    (void)state;
    ground_put(LOCAL "io.daybreak.plist",
               DICT(KEY("AllowInsecureRepo", "<true/>") KEY("PackageVerificationMode", STR("none"))));
    loads();
    assert_false(prefs.allow_insecure_repo);
    assert_int_equal(prefs.verification, PREFS_VERIFY_STRICT);
    assert_int_equal(chmod(ground_at(LOCAL "io.daybreak.plist"), 0600), 0);
    assert_true(files_stat(ground, LOCAL "io.daybreak.plist", &st, &e));
    loads();
    assert_true(prefs.allow_insecure_repo);
    assert_int_equal(prefs.verification, PREFS_VERIFY_NONE);
    ground_put(MANAGED "ManagedInstalls.plist", DICT(KEY("PackageVerificationMode", STR("hash"))));
    loads();
    assert_int_equal(prefs.verification, PREFS_VERIFY_HASH); /* forced: the profile wins */
}

static void allow_missing_hash(void **state)
{
    (void)state;
    ground_put(MANAGED "io.daybreak.plist", DICT(KEY("AllowMissingHash", "<true/>")));
    loads();
    assert_int_equal(prefs.verification, PREFS_VERIFY_HASH);
}

static void wrong_values(void **state)
{
    static const struct {
        const char *plist, *says;
    } cases[] = {
        {DICT(KEY("LoggingLevel", STR("2"))), "LoggingLevel: an integer is needed, found string"},
        {DICT(KEY("MaxAttempts", "<integer>0</integer>")), "MaxAttempts: 0 is outside 1 to 100"},
        {DICT(KEY("SoftwareRepoURL", "<integer>0</integer>")), "SoftwareRepoURL: a URL is needed"},
        {DICT(KEY("ManagedInstallDir", STR("Library"))), "ManagedInstallDir: an absolute path"},
        {DICT(KEY("AdditionalHttpHeaders", ARRAY("<true/>"))), "AdditionalHttpHeaders: an array of strings"},
        {DICT(KEY("FollowHTTPRedirects", STR("some"))), "FollowHTTPRedirects: some is none of its values"},
        {DICT(KEY("PackageVerificationMode", STR("sha1"))), "PackageVerificationMode: sha1"},
        {DICT(KEY("AfterSuccess", STR("party"))), "AfterSuccess: party"},
        {DICT(KEY("SoftwareRepoUrl", STR("x"))), "unknown key SoftwareRepoUrl: did you mean SoftwareRepoURL"},
        {"{ old = style; }", "preferences /Library/Managed Preferences/io.daybreak.plist"},
        {PLIST("<array/>"), "a dictionary is needed, found array"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ground_put(MANAGED "io.daybreak.plist", cases[i].plist);
        refuses(cases[i].says);
    }
    ground_put(MANAGED "io.daybreak.plist", DICT(KEY("PayloadUUID", STR("x"))));
    loads();
}

static void secrets(void **state)
{
    (void)state;
    ground_put(MANAGED "io.daybreak.plist",
               DICT(KEY("SecretsFile", STR("/private/etc/secrets.plist"))
                        KEY("AdditionalHttpHeaders", ARRAY(STR("Authorization: Basic dXNlcjpwdw==")))));
    refuses("SecretsFile /private/etc/secrets.plist: not there");
    ground_put(
        "root/private/etc/secrets.plist",
        DICT(KEY("AdditionalHttpHeaders", ARRAY(STR(" X-Key :  a:b ") STR("nonsense") STR("Empty:")))));
    refuses("chmod 600");
    assert_int_equal(chmod(ground_at("root/private/etc/secrets.plist"), 0600), 0);
    loads();
    assert_string_equal(prefs.headers[0], "X-Key: a:b");
    assert_null(prefs.headers[1]);
    assert_int_equal(entry("AdditionalHttpHeaders")->source, PREFS_SECRETS);
    assert_false(entry("AdditionalHttpHeaders")->readable);
    assert_non_null(entry("AdditionalHttpHeaders")->other);
    ground_put("root/private/etc/secrets.plist", DICT(KEY("SoftwareRepoURL", STR("https://x"))));
    assert_int_equal(chmod(ground_at("root/private/etc/secrets.plist"), 0600), 0);
    refuses("SoftwareRepoURL does not belong there");
}

static void derived(void **state)
{
    (void)state;
    ground_put(MANAGED "ManagedInstalls.plist",
               DICT(KEY("DownloadRetries", "<integer>4</integer>")
                        KEY("DownloadRetrySleepSeconds", "<integer>7</integer>")
                            KEY("IgnoreSystemProxies", "<integer>1</integer>")
                                KEY("FollowHTTPRedirects", STR("https"))
                                    KEY("AdditionalHttpHeaders", ARRAY(STR("A: b")))));
    loads();
    assert_int_equal(prefs.download_attempts, 5);
    assert_int_equal(prefs.download_backoff_ms, 7000);
    assert_string_equal(prefs.proxy_url, "");
    assert_int_equal(prefs.redirects, FETCH_REDIRECT_HTTPS);
    assert_true(entry("AdditionalHttpHeaders")->secret);
    assert_true(entry("AdditionalHttpHeaders")->readable); /* a profile: every local user can read it */
}

/* A stand-in for the child that asks the system: prints body, ends with code. */
static void system_says(const char *body, int code)
{
    o.tools = ground_at("tools");
    const char *script = arena_printf(
        memory, "#!/bin/sh\n[ \"$1\" = --preferences ] || exit 9\ncat <<'EOF'\n%s\nEOF\nexit %d\n", body,
        code);
    if (!files_replace(ground, "tools/preferences", script, strlen(script), 0755, FILES_LAZY, &e))
        fail_msg("%s", e.text);
}

#define PLACE(name, body) KEY(name, "<dict>" body "</dict>")
#define ID(value)         KEY("ClientIdentifier", STR(value))

static void the_system_knows_better(void **state)
{
    (void)state;
    ground_put(LOCAL "io.daybreak.plist", DICT(ID("stale file") KEY("MunkiWait", "<integer>5</integer>")));
    system_says(PLIST(ARRAY("<dict>" KEY("domain", STR("io.daybreak")) PLACE("managed", "") PLACE("root", "")
                                PLACE("byhost", "") PLACE("local", ID("just written")) "</dict>")),
                0);
    loads();
    assert_string_equal(prefs.client_identifier, "just written");
    assert_string_equal(entry("ClientIdentifier")->path, "/Library/Preferences/io.daybreak.plist");
    assert_int_equal(prefs.munki_wait_s, 1800); /* the file has it, the system no longer */
    assert_false(prefs.managed_seen);
}

/* A profile counts before its file is there; a key that is misspelt in the file is still found. */
static void what_a_profile_forces(void **state)
{
    (void)state;
    ground_put(ROOT "io.daybreak.plist", DICT(ID("root's")));
    system_says(PLIST(ARRAY("<dict>" KEY("domain", STR("ManagedInstalls")) PLACE(
                    "managed", ID("munki's")) "</dict>"
                                              "<dict>" KEY("domain", STR("io.daybreak"))
                                                  PLACE("managed", ID("forced")) "</dict>")),
                0);
    loads();
    assert_string_equal(prefs.client_identifier, "forced");
    assert_true(entry("ClientIdentifier")->forced);
    assert_string_equal(value_str(entry("ClientIdentifier")->other), "munki's");
    assert_true(prefs.managed_seen);
    ground_put(MANAGED "io.daybreak.plist", DICT(ID("older") KEY("ClientIdentifer", STR("x"))));
    refuses("did you mean ClientIdentifier");
}

/* What it did not tell (root's own, to others) is read from files; no answer: all is. */
static void the_files_are_the_fallback(void **state)
{
    static const char *const answers[] = {
        "", "no property list", DICT(ID("x")), PLIST(ARRAY(STR("x"))),
        PLIST(ARRAY("<dict>" KEY("domain", STR("io.daybreak")) KEY("local", STR("x")) "</dict>"))};
    (void)state;
    ground_put(ROOT "io.daybreak.plist", DICT(ID("file")));
    ground_put(LOCAL "io.daybreak.plist", DICT(ID("weaker")));
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        system_says(answers[i], 0);
        loads();
        assert_string_equal(prefs.client_identifier, "file");
    }
    const char *told =
        PLIST(ARRAY("<dict>" KEY("domain", STR("io.daybreak")) PLACE("local", ID("told")) "</dict>"));
    system_says(told, 1); /* it ended badly: what it printed counts for nothing */
    loads();
    assert_string_equal(value_str(entry("ClientIdentifier")->other), "weaker");
    system_says(told, 0);
    loads();
    assert_string_equal(prefs.client_identifier, "file");
    assert_string_equal(value_str(entry("ClientIdentifier")->other), "told");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ground_up, ground_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(order),
        TEST(prefs_file_stands_alone),
        TEST(not_inherited_from_munki),
        TEST(only_managed_or_root_only),
        TEST(allow_missing_hash),
        TEST(wrong_values),
        TEST(secrets),
        TEST(derived),
        TEST(the_system_knows_better),
        TEST(what_a_profile_forces),
        TEST(the_files_are_the_fallback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
