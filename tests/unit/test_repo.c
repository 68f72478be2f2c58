/* repo, over file: (what a server says is fetch's affair and tested there): the manifest chain, what is kept,
 * what is refused, URLs. */
#include "agent/repo.h"
#include "agent/repourl.h"
#include "agent/validators.h"
#include "core/crypto.h"
#include "ground.h"

static struct repo *repo;
static const struct value *dict;
static const char *name;

static struct repo *opened(bool offline)
{
    struct repo *r = repo_open(memory, loop, &o, &prefs, &facts, &target, offline, &e);
    if (r == NULL)
        fail_msg("%s", e.text);
    return r;
}

static void open_all(void)
{
    ground_put("f.plist", DICT(KEY("hostname", STR("mac01.example.com")) KEY("serial_number", STR("C02X"))));
    o.facts = ground_at("f.plist");
    if (o.repo == NULL)
        o.repo = arena_printf(memory, "file://%s/repo", ground_path);
    ground_open();
    repo = opened(false);
}

static int down(void **state)
{
    repo_free(repo);
    repo = NULL;
    return ground_down(state);
}

#define MANIFEST(x) DICT(KEY("catalogs", ARRAY(STR(x))))

static void chain(void **state)
{
    static const char *const names[] = {"site_default", "C02X", "mac01", "mac01.example.com"};
    (void)state;
    open_all();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ground_put(arena_printf(memory, "repo/manifests/%s", names[i]), MANIFEST("p"));
        repo_free(repo);
        repo = opened(false);
        assert_true(repo_primary(repo, &name, &dict, &e));
        assert_string_equal(name, names[i]);
        assert_true(ground_has(arena_printf(memory, "root/Library/Daybreak/manifests/%s", names[i])));
    }
}

static void nothing_for_this_mac(void **state)
{
    (void)state;
    open_all();
    assert_false(repo_primary(repo, &name, &dict, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "none of mac01.example.com, mac01, C02X, site_default"));
}

static void a_given_identifier_stands_alone(void **state)
{
    (void)state;
    o.id = "lab/room 1";
    open_all();
    ground_put("repo/manifests/site_default", MANIFEST("p"));
    assert_false(repo_primary(repo, &name, &dict, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    ground_put("repo/manifests/lab/room 1", MANIFEST("q"));
    repo_free(repo);
    repo = opened(false);
    assert_true(repo_primary(repo, &name, &dict, &e));
    assert_string_equal(name, "lab/room 1");
}

static void a_bad_manifest_stops_the_chain(void **state)
{
    (void)state;
    open_all();
    ground_put("repo/manifests/site_default", MANIFEST("p"));
    ground_put("repo/manifests/mac01.example.com", "not a plist");
    assert_false(repo_primary(repo, &name, &dict, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_true(text_starts(e.text, "manifest mac01.example.com: "));
}

static void bad_bytes_never_replace_the_cached_file(void **state)
{
    static const char *const bad[] = {"<!DOCTYPE html><html></html>", "garbage", PLIST("<array/>"), ""};
    struct buf b;
    (void)state;
    open_all();
    ground_put("repo/manifests/m", MANIFEST("p"));
    assert_true(repo_manifest(repo, "m", &dict, &e));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ground_put("repo/manifests/m", bad[i]);
        repo_free(repo);
        repo = opened(false);
        assert_false(repo_manifest(repo, "m", &dict, &e));
        assert_true(text_starts(e.text, "manifest m: "));
        assert_int_equal(e.kind, i == 0 ? ERR_NET : ERR_FORMAT);
        buf_init(&b, LIMIT_MB);
        assert_true(files_read(target.manifests, "m", &b, &e));
        assert_string_equal(buf_str(&b), MANIFEST("p"));
        buf_release(&b);
    }
}

static void once_in_a_run(void **state)
{
    const struct outline *items, *again;
    (void)state;
    open_all();
    ground_put("repo/catalogs/p", PLIST("<array/>"));
    assert_true(repo_catalog(repo, "p", &items, &e));
    ground_put("repo/catalogs/p", "gone bad");
    assert_true(repo_catalog(repo, "p", &again, &e));
    assert_ptr_equal(items, again);
    assert_false(repo_catalog(repo, "q", &items, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    ground_put("repo/catalogs/q", PLIST("<array/>"));
    assert_false(repo_catalog(repo, "q", &items, &e));
    ground_put("repo/catalogs/r", DICT(""));
    assert_false(repo_catalog(repo, "r", &items, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
}

static void a_touched_cache_is_not_believed(void **state)
{
    (void)state;
    open_all();
    ground_put("repo/manifests/m", MANIFEST("p"));
    assert_true(repo_manifest(repo, "m", &dict, &e));
    repo_free(repo); /* saves the validators */
    ground_put("root/Library/Daybreak/manifests/m", MANIFEST("evil"));
    repo = opened(false);
    assert_true(repo_manifest(repo, "m", &dict, &e));
    assert_true(value_has_str(props_array(dict, "catalogs"), "p"));
}

static void offline(void **state)
{
    (void)state;
    open_all();
    ground_put("repo/manifests/m", MANIFEST("p"));
    assert_true(repo_manifest(repo, "m", &dict, &e));
    repo_free(repo);
    assert_true(files_remove(ground, "repo", &e));
    repo = opened(true);
    assert_true(repo_manifest(repo, "m", &dict, &e));
    assert_false(repo_manifest(repo, "other", &dict, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void names(void **state)
{
    static const char *const bad[] = {"",       "/x",      "x/",   "a//b", "../x",
                                      "a/../b", ".hidden", "a\nb", "\xff", "."};
    (void)state;
    open_all();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(repourl_good_name(bad[i]));
        assert_false(repo_manifest(repo, bad[i], &dict, &e));
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    assert_true(repourl_good_name("gröups/eng 1"));
    assert_false(repo_manifest(repo, "SelfServeManifest", &dict, &e));
}

static bool opens(void)
{
    struct repo *r = repo_open(memory, loop, &o, &prefs, &facts, &target, false, &e);
    bool ok = r != NULL;
    repo_free(r);
    return ok;
}

static void trust(void **state)
{
    static const char *const loop_back[] = {"http://localhost/x", "http://127.0.0.1:8080/x",
                                            "http://[::1]:80/x", "http://u:p@127.0.0.1/x"};
    static const char *const far[] = {"http://munki.example.com/repo", "http://127.0.0.1.example.com/",
                                      "http://localhost@example.com/", "HTTP://example.com/repo"};
    (void)state;
    open_all();
    assert_int_equal(repo_trust(repo), REPO_TRUST_FILE);
    for (size_t i = 0; i < 4; i++) {
        prefs.repo_url = loop_back[i];
        assert_true(opens());
        prefs.repo_url = far[i];
        assert_false(opens());
        assert_int_equal(e.kind, ERR_TRUST);
        prefs.allow_insecure_repo = true;
        assert_true(opens());
        prefs.allow_insecure_repo = false;
    }
    prefs.repo_url = "https://munki.example.com/repo";
    assert_true(opens());
    prefs.catalog_url = "http://munki.example.com/cat";
    assert_false(opens());
    prefs.catalog_url = NULL;
    prefs.repo_public_keys = value_new_array(memory);
    assert_false(opens());
    assert_int_equal(e.kind, ERR_TRUST);
    prefs.repo_public_keys = NULL;
    prefs.repo_require_signed = true;
    assert_false(opens());
    prefs.repo_require_signed = false;
    prefs.repo_url = NULL;
    assert_false(opens());
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.text, "SoftwareRepoURL"));
}

static void clean_up(void **state)
{
    static const char *const manifests[] = {"m", "groups/eng", NULL}, *const catalogs[] = {"used", NULL};
    static const char *const all[] = {
        "m", "old", "groups/eng", "groups/old", "gone/deep/x", "SelfServeManifest", "local"};
    (void)state;
    open_all();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        ground_put(arena_printf(memory, "root/Library/Daybreak/manifests/%s", all[i]), "x");
    ground_put("root/Library/Daybreak/catalogs/p", "x");
    ground_put("root/Library/Daybreak/catalogs/.outlines/p", "x");
    ground_put("root/Library/Daybreak/catalogs/.outlines/used", "x");
    repo_clean(repo, manifests, catalogs, "local");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool kept = i != 1 && i != 3 && i != 4;
        assert_true(ground_has(arena_printf(memory, "root/Library/Daybreak/manifests/%s", all[i])) == kept);
    }
    assert_false(ground_has("root/Library/Daybreak/manifests/gone"));
    assert_false(ground_has("root/Library/Daybreak/catalogs/p"));
    assert_false(ground_has("root/Library/Daybreak/catalogs/.outlines/p"));
    assert_true(ground_has("root/Library/Daybreak/catalogs/.outlines/used"));
}

static const char *const *urls_of(const char *key, const char *value)
{
    static const char *none[] = {NULL};
    struct value *d = value_new_dict(memory);
    const char *warning;
    value_set(memory, d, "name", value_new_str(memory, "X"));
    value_set(memory, d, "version", value_new_str(memory, "1"));
    value_set(memory, d, "installer_item_location", value_new_str(memory, "apps/A+B 1#é.pkg"));
    if (key != NULL)
        value_set(memory, d, key, value_new_str(memory, value));
    struct pkginfo *p = pkginfo_decode(memory, d, "c", 0, &warning, &e);
    assert_non_null(p);
    const char *const *urls = repourl_package(memory, &prefs, p, false, false);
    return urls != NULL ? urls : none;
}

static void package_urls(void **state)
{
    static const char *const mirrors[] = {"https://m/repo", NULL};
    (void)state;
    open_all();
    prefs.repo_url = "https://h/repo/";
    assert_string_equal(urls_of(NULL, NULL)[0], "https://h/repo//pkgs/apps/A%2BB%201%23%C3%A9.pkg");
    prefs.package_url = "https://cgi/get?";
    assert_string_equal(urls_of(NULL, NULL)[0], "https://cgi/get?apps/A%2BB%201%23%C3%A9.pkg");
    prefs.mirrors = mirrors;
    assert_string_equal(urls_of("PackageURL", "https://other/p")[0],
                        "https://other/p/apps/A%2BB%201%23%C3%A9.pkg");
    assert_string_equal(urls_of("PackageURL", "https://other/p")[1],
                        "https://m/repo/pkgs/apps/A%2BB%201%23%C3%A9.pkg");
    assert_string_equal(urls_of("PackageCompleteURL", "https://x/y z")[0], "https://x/y z");
    /* a server does not make us read our own files */
    assert_string_equal(urls_of("PackageCompleteURL", "file:///etc/passwd")[0],
                        "https://m/repo/pkgs/apps/A%2BB%201%23%C3%A9.pkg");
    assert_null(urls_of("installer_item_location", "../../etc/x")[0]);
}

static void validators(void **state)
{
    struct fetch_validator v = {.etag = "\"a\"",
                                .last_modified = "Mon, 02 Mar 2026 12:00:00 GMT",
                                .length = 7},
                           out;
    struct fetch_validator empty = {.length = -1};
    unsigned char sum[32] = {1, 2, 3}, got[32];
    (void)state;
    ground_open();
    struct validators *all = validators_open(target.catalogs);
    assert_false(validators_get(all, "x", &out, NULL));
    validators_set(all, "x", &v, sum);
    validators_set(all, "part", &v, NULL);
    validators_set(all, "nothing", &empty, sum);
    validators_free(all);
    all = validators_open(target.catalogs);
    assert_true(validators_get(all, "x", &out, got));
    assert_memory_equal(sum, got, 32);
    assert_string_equal(out.etag, v.etag);
    assert_int_equal(out.length, 7);
    assert_true(validators_get(all, "part", &out, NULL));
    assert_false(validators_get(all, "part", &out, got));
    assert_false(validators_get(all, "nothing", &out, NULL));
    validators_forget(all, "x");
    validators_free(all);
    all = validators_open(target.catalogs);
    assert_false(validators_get(all, "x", &out, NULL));
    validators_free(all);
    ground_put("root/Library/Daybreak/catalogs/.validators", "damaged");
    all = validators_open(target.catalogs);
    assert_false(validators_get(all, "part", &out, NULL));
    validators_free(all);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ground_up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chain),
        TEST(nothing_for_this_mac),
        TEST(a_given_identifier_stands_alone),
        TEST(a_bad_manifest_stops_the_chain),
        TEST(bad_bytes_never_replace_the_cached_file),
        TEST(once_in_a_run),
        TEST(a_touched_cache_is_not_believed),
        TEST(offline),
        TEST(names),
        TEST(trust),
        TEST(clean_up),
        TEST(package_urls),
        TEST(validators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
