/* cache: what lies in Cache is proved before it is believed; the rules about hashes; what is kept. And
 * selfserve, target: the other things that lie on the volume. */
#include "agent/cache.h"
#include "agent/selfserve.h"
#include "core/crypto.h"
#include "ground.h"

#define CACHE "root/Library/Daybreak/Cache/"

static struct repo *repo;
static struct cache *cache;

static void open_all(void)
{
    o.repo = arena_printf(memory, "file://%s/repo", ground_path);
    ground_open();
    repo = repo_open(memory, loop, &o, &prefs, &facts, &target, false, &e);
    if (repo == NULL)
        fail_msg("%s", e.text);
    cache = cache_open(memory, loop, repo, &prefs, &target);
}

static int down(void **state)
{
    cache_free(cache);
    repo_free(repo);
    cache = NULL;
    repo = NULL;
    return ground_down(state);
}

static const char *sum_of(const char *text)
{
    unsigned char sum[DIGEST_MAX];
    char *hex = arena_alloc(memory, 65);
    digest_of(DIGEST_SHA256, text, strlen(text), sum);
    text_hex(hex, sum, 32);
    return hex;
}

static const struct pkginfo *item(const char *location, const char *hash)
{
    struct value *d = value_new_dict(memory);
    const char *warning;
    value_set(memory, d, "name", value_new_str(memory, "X"));
    value_set(memory, d, "version", value_new_str(memory, "1"));
    value_set(memory, d, "installer_item_location", value_new_str(memory, location));
    value_set(memory, d, "installer_item_hash", value_new_str(memory, hash));
    struct pkginfo *p = pkginfo_decode(memory, d, "c", 0, &warning, &e);
    assert_non_null(p);
    return p;
}

struct end {
    bool done, fetched;
    struct plan_download answer;
    uint64_t bytes;
    char why[ERR_TEXT_MAX];
};

static void done(void *ctx, const struct plan_download *answer, uint64_t bytes, bool fetched,
                 const struct err *why)
{
    struct end *end = ctx;
    assert_false(end->done);
    end->done = true;
    end->answer = *answer;
    end->bytes = bytes;
    end->fetched = fetched;
    snprintf(end->why, sizeof end->why, "%s", why != NULL ? why->text : "");
}

static struct cache_job *want(const struct pkginfo *p, struct end *end)
{
    memset(end, 0, sizeof *end);
    return cache_start(cache, &(struct cache_want){.pkg = p, .done = done, .ctx = end});
}

static struct end got(const struct pkginfo *p)
{
    struct end end;
    want(p, &end);
    assert_false(end.done); /* never from within the call */
    while (!end.done)
        loop_turn(loop, 1000);
    return end;
}

static void fetches_proves_and_keeps(void **state)
{
    bool complete;
    (void)state;
    open_all();
    ground_put("repo/pkgs/apps/a.pkg", "the package");
    const struct pkginfo *p = item("apps/a.pkg", sum_of("the package"));
    struct end end = got(p);
    assert_int_equal(end.answer.failure, PLAN_DOWNLOAD_OK);
    assert_true(end.fetched);
    assert_int_equal(end.bytes, 11);
    assert_true(files_remove(ground, "repo/pkgs", &e)); /* from now on the cache must do */
    end = got(p);
    assert_int_equal(end.answer.failure, PLAN_DOWNLOAD_OK);
    assert_false(end.fetched);
    cache_kb(cache, "apps/a.pkg", &complete);
    assert_true(complete);
    int fd = cache_open_proved(cache, p, false, &e);
    assert_true(fd >= 0);
    close(fd);
}

static void wrong_bytes(void **state)
{
    (void)state;
    open_all();
    ground_put("repo/pkgs/a.pkg", "something else");
    const struct pkginfo *p = item("a.pkg", sum_of("the package"));
    struct end end = got(p);
    assert_int_equal(end.answer.failure, PLAN_DOWNLOAD_HASH);
    assert_false(ground_has(CACHE "a.pkg"));
    assert_false(ground_has(CACHE "a.pkg.download"));
    /* a cached file that was changed is fetched again … */
    ground_put("repo/pkgs/a.pkg", "the package");
    ground_put(CACHE "a.pkg", "the pAckage");
    end = got(p);
    assert_int_equal(end.answer.failure, PLAN_DOWNLOAD_OK);
    assert_true(end.fetched);
    /* … and never handed out */
    ground_put(CACHE "a.pkg", "the pAckage");
    assert_int_equal(cache_open_proved(cache, p, false, &e), -1);
    assert_int_equal(e.kind, ERR_TRUST);
    assert_int_equal(e.cause, CAUSE_HASH);
    assert_false(ground_has(CACHE "a.pkg"));
}

static void rules_about_hashes(void **state)
{
    (void)state;
    open_all();
    ground_put("repo/pkgs/a.pkg", "the package");
    char *upper = arena_strdup(memory, sum_of("the package"));
    for (char *c = upper; *c != '\0'; c++)
        if (*c >= 'a')
            *c = (char)(*c - 'a' + 'A');
    const char *const wrong[] = {"N/A", upper, "abc"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(got(item("a.pkg", wrong[i])).answer.failure, PLAN_DOWNLOAD_HASH);
    const struct pkginfo *none = item("a.pkg", "");
    assert_false(cache_hash_allowed(cache, none, false));
    struct end end = got(none);
    assert_int_equal(end.answer.failure, PLAN_DOWNLOAD_HASH);
    assert_non_null(strstr(end.why, "AllowMissingHash"));
    prefs.verification = PREFS_VERIFY_HASH;
    assert_int_equal(got(none).answer.failure, PLAN_DOWNLOAD_OK);
    assert_int_equal(got(item("a.pkg", "N/A")).answer.failure, PLAN_DOWNLOAD_HASH);
    prefs.verification = PREFS_VERIFY_NONE;
    assert_int_equal(got(item("a.pkg", "N/A")).answer.failure, PLAN_DOWNLOAD_OK);
}

static void not_there(void **state)
{
    (void)state;
    open_all();
    assert_int_equal(got(item("gone.pkg", sum_of(""))).answer.failure, PLAN_DOWNLOAD_FAILED);
    assert_int_equal(got(item("a/..", sum_of(""))).answer.failure, PLAN_DOWNLOAD_FAILED);
    assert_int_equal(got(item("../../x.pkg", sum_of(""))).answer.failure, PLAN_DOWNLOAD_FAILED);
}

static void one_name_twice(void **state)
{
    struct end one, two, three;
    (void)state;
    open_all();
    ground_put("repo/pkgs/a.pkg", "the package");
    const struct pkginfo *p = item("a.pkg", sum_of("the package"));
    want(p, &one);
    struct cache_job *second = want(p, &two);
    want(p, &three);
    cache_cancel(second);
    while (!one.done || !three.done)
        loop_turn(loop, 1000);
    assert_true(one.fetched);
    assert_false(three.fetched);
    assert_int_equal(three.answer.failure, PLAN_DOWNLOAD_OK);
    assert_false(two.done);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(cache_name("apps/Foo#1.dmg"), "Foo#1.dmg");
    assert_string_equal(cache_name("a%41.pkg"), "a%41.pkg");
    assert_null(cache_name(NULL));
    assert_null(cache_name(""));
    assert_null(cache_name("apps/"));
    assert_null(cache_name("apps/.."));
    assert_null(cache_name(".validators"));
    assert_null(cache_name("x.download"));
}

static struct value *names_list(const char *key, const char *name)
{
    struct value *list = value_new_array(memory), *entry = value_new_dict(memory);
    value_set(memory, entry, key, value_new_str(memory, name));
    value_append(memory, list, entry);
    return list;
}

static void clean_up(void **state)
{
    static const char *const kept[] = {"keep.pkg", "part.pkg.download", "un.pkg", "pre.pkg"};
    static const char *const gone[] = {"old.pkg", "keep.pkg.download", "old.pkg.download", "part.pkg",
                                       "opt.pkg"};
    struct value *info = value_new_dict(memory), *optional = value_new_array(memory);
    (void)state;
    open_all();
    value_set(memory, info, "managed_installs", names_list("installer_item", "keep.pkg"));
    value_set(memory, info, "removals", names_list("uninstaller_item", "un.pkg"));
    value_set(memory, info, "problem_items", names_list("partial_installer_item", "part.pkg"));
    for (size_t i = 0; i < 2; i++) {
        struct value *entry = value_new_dict(memory);
        value_set(memory, entry, "installer_item_location",
                  value_new_str(memory, i ? "p/pre.pkg" : "p/opt.pkg"));
        value_set(memory, entry, "precache", value_new_bool(memory, i == 1));
        value_append(memory, optional, entry);
    }
    value_set(memory, info, "optional_installs", optional);
    for (size_t i = 0; i < 4; i++)
        ground_put(arena_printf(memory, CACHE "%s", kept[i]), "x");
    for (size_t i = 0; i < 5; i++)
        ground_put(arena_printf(memory, CACHE "%s", gone[i]), "x");
    const struct plan plan = {.install_info = info};
    cache_clean(cache, &plan);
    for (size_t i = 0; i < 4; i++)
        if (!ground_has(arena_printf(memory, CACHE "%s", kept[i])))
            fail_msg("%s is gone", kept[i]);
    for (size_t i = 0; i < 5; i++)
        if (ground_has(arena_printf(memory, CACHE "%s", gone[i])))
            fail_msg("%s is there", gone[i]);
}

/* --- selfserve ------------------------------------------------------------------------------------------ */

#define DROP   "root/Users/Shared/.SelfServeManifest"
#define SYSTEM "root/Library/Daybreak/manifests/SelfServeManifest"

static struct selfserve self;

static void drop_wins_and_is_taken_over(void **state)
{
    (void)state;
    ground_open();
    ground_put(SYSTEM, DICT(KEY("managed_installs", ARRAY(STR("Old")))));
    selfserve_read(memory, &target, &prefs, &self);
    assert_true(value_has_str(props_array(self.dict, "managed_installs"), "Old"));
    assert_true(selfserve_write(&target, &self, NULL, &e));
    ground_put(DROP, DICT(KEY("managed_installs", ARRAY(STR("New"))) KEY("kept", STR("x"))));
    selfserve_read(memory, &target, &prefs, &self);
    assert_true(value_has_str(props_array(self.dict, "managed_installs"), "New"));
    assert_true(ground_has(DROP)); /* looking writes nothing */
    assert_true(selfserve_write(&target, &self, NULL, &e));
    assert_false(ground_has(DROP));
    selfserve_read(memory, &target, &prefs, &self);
    assert_string_equal(props_str(self.dict, "kept"), "x");
}

static void a_bad_drop_is_thrown_away(void **state)
{
    (void)state;
    ground_open();
    ground_put(SYSTEM, DICT(KEY("managed_installs", ARRAY(STR("Old")))));
    ground_put("root/secret", DICT(KEY("managed_installs", ARRAY(STR("Secret")))));
    for (int i = 0; i < 3; i++) {
        if (i == 0) {
            ground_put(DROP, "rubbish");
        } else if (i == 1) {
            ground_put(DROP, DICT(KEY("managed_installs", ARRAY("<integer>1</integer>"))));
        } else {
            assert_int_equal(symlink("../../secret", ground_at(DROP)), 0);
        }
        selfserve_read(memory, &target, &prefs, &self);
        assert_true(self.drop_there && !self.from_drop);
        assert_true(value_has_str(props_array(self.dict, "managed_installs"), "Old"));
        assert_true(selfserve_write(&target, &self, NULL, &e));
        assert_false(ground_has(DROP));
        assert_true(ground_has("root/secret"));
    }
}

static void munki_keeps_its_own(void **state)
{
    (void)state;
    ground_put("root/usr/local/munki/managedsoftwareupdate", "x");
    ground_put("root/Library/Managed Installs/manifests/SelfServeManifest",
               DICT(KEY("managed_installs", ARRAY(STR("Munki")))));
    ground_put(DROP, DICT(KEY("managed_installs", ARRAY(STR("New")))));
    ground_open();
    selfserve_read(memory, &target, &prefs, &self);
    assert_true(value_has_str(props_array(self.dict, "managed_installs"), "Munki"));
    assert_true(selfserve_write(&target, &self, self.dict, &e));
    assert_true(ground_has(DROP));
    assert_false(ground_has(SYSTEM));
}

static void fulfilled_wishes_are_forgotten(void **state)
{
    (void)state;
    ground_open();
    assert_true(selfserve_fulfilled(&target, "Tool", false, &e)); /* no manifest: nothing to forget */
    assert_false(ground_has(SYSTEM));
    ground_put(SYSTEM, DICT(KEY("managed_installs", ARRAY(STR("Tool") STR("Other")))
                                KEY("managed_uninstalls", ARRAY(STR("Tool"))) KEY("kept", STR("x"))));
    assert_true(selfserve_fulfilled(&target, "Tool", false, &e));
    selfserve_read(memory, &target, &prefs, &self);
    assert_int_equal(value_count(props_array(self.dict, "managed_installs")), 1);
    assert_true(value_has_str(props_array(self.dict, "managed_installs"), "Other"));
    assert_true(value_has_str(props_array(self.dict, "managed_uninstalls"), "Tool"));
    assert_true(selfserve_fulfilled(&target, "Tool", true, &e));
    selfserve_read(memory, &target, &prefs, &self);
    assert_int_equal(value_count(props_array(self.dict, "managed_uninstalls")), 0);
    assert_string_equal(props_str(self.dict, "kept"), "x");
}

/* --- target --------------------------------------------------------------------------------------------- */

static void directories(void **state)
{
    struct stat st;
    (void)state;
    ground_open();
    assert_true(files_stat(ground, "root/Library/Daybreak/Cache", &st, &e));
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(ground_has("root/Library/Daybreak/catalogs"));
    assert_true(files_stat(ground, "root/tmp", &st, &e)); /* an empty root gets a Mac's links */
    assert_true(target.state >= 0 && !target.munki && !target.live);
}

static void looking_makes_nothing(void **state)
{
    (void)state;
    o.command = "why";
    assert_false(target_open(memory, &o, &target, &e));
    assert_false(ground_has("root"));
    ground_put("root/x", "");
    assert_true(target_open(memory, &o, &target, &e));
    assert_true(prefs_load(memory, &o, target.root, NULL, &prefs, &e));
    assert_false(target_dirs(memory, &o, &prefs, TARGET_READ, &target, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_false(ground_has("root/Library"));
}

static void munkis_directory_is_refused(void **state)
{
    static const char *const spelled[] = {"/Library/Managed Installs", "//Library//Managed Installs/",
                                          "/Library/Alias"};
    (void)state;
    ground_put("root/Library/Managed Installs/x", "");
    ground_put("root/Library/Preferences/ManagedInstalls.plist",
               DICT(KEY("ManagedInstallDir", STR("/Library/Alias"))));
    for (size_t i = 0; i < 3; i++) {
        ground_put("root/Library/Managed Preferences/io.daybreak.plist",
                   arena_printf(memory, DICT(KEY("ManagedInstallDir", STR("%s"))), spelled[i]));
        assert_true(target_open(memory, &o, &target, &e));
        assert_true(prefs_load(memory, &o, target.root, NULL, &prefs, &e));
        assert_false(target_dirs(memory, &o, &prefs, TARGET_RUN, &target, &e));
        assert_non_null(strstr(e.text, "Munki's own"));
        target_close(&target);
    }
    ground_put("p.plist", DICT(KEY("ManagedInstallDir", STR("/Library/Managed Installs"))));
    o.prefs = ground_at("p.plist");
    ground_open(); /* under another root with --prefs it may be shared */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ground_up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fetches_proves_and_keeps),
        TEST(wrong_bytes),
        TEST(rules_about_hashes),
        TEST(not_there),
        TEST(one_name_twice),
        TEST(names),
        TEST(clean_up),
        TEST(drop_wins_and_is_taken_over),
        TEST(a_bad_drop_is_thrown_away),
        TEST(munki_keeps_its_own),
        TEST(fulfilled_wishes_are_forgotten),
        TEST(directories),
        TEST(looking_makes_nothing),
        TEST(munkis_directory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
