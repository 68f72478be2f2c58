/* kept: what is believed without being read, what is read first, and what is made anew. */
#include "agent/kept.h"
#include "core/crypto.h"
#include "core/os.h"
#include "ground.h"

#define DIR     "root/Library/Daybreak/catalogs/"
#define CATALOG PLIST(ARRAY("<dict>" KEY("name", STR("A")) KEY("version", STR("1")) "</dict>"))
#define OTHER   PLIST(ARRAY("<dict>" KEY("name", STR("B")) KEY("version", STR("1")) "</dict>"))

static const struct fetch_validator by_tag = {.etag = "\"a\"", .length = 7};
static struct kept *kept;
static struct kept_file taken; /* what was said of it; the file itself is dropped */

static void again(bool writes)
{
    kept_free(kept);
    kept = kept_open(target.catalogs, writes);
}

static void start(void)
{
    ground_open();
    kept = NULL;
    again(true);
}

static int down(void **state)
{
    kept_free(kept);
    return ground_down(state);
}

static void put(const char *text)
{
    unsigned char sum[DIGEST_MAX];
    digest_of(DIGEST_SHA256, text, strlen(text), sum);
    assert_true(kept_put(kept, "p", text, strlen(text), &by_tag, sum, &e));
}

static bool take(void)
{
    struct kept_file file;
    bool ok = kept_take(kept, "p", LIMIT_MB, &file);
    taken = file;
    kept_drop(&file);
    assert_null(file.bytes);
    return ok;
}

/* Whoever hashes the file finds that it is not what was noted. */
static void note_a_wrong_digest(bool other_boot)
{
    struct validators *v = validators_open(target.catalogs);
    struct fetch_validator known;
    unsigned char sum[32];
    char word[VALIDATORS_WORD];
    assert_true(validators_get(v, "p", &known, sum));
    snprintf(word, sizeof word, "%s", validators_proved(v, "p"));
    sum[0]++; /* and again, still a wrong one */
    char boot[OS_BOOT_MAX];
    os_boot(boot);
    assert_true(boot[0] != '\0' && text_starts(word, boot));
    word[0] = other_boot ? '?' : word[0];
    validators_set(v, "p", &known, sum);
    assert_string_equal(validators_proved(v, "p"), ""); /* of a digest that is no longer noted */
    validators_prove(v, "p", word);
    validators_free(v);
}

static void an_untouched_file_is_read_once(void **state)
{
    (void)state;
    start();
    assert_false(take());
    put(CATALOG);
    assert_true(take());
    assert_int_equal(taken.len, strlen(CATALOG));
    assert_string_equal(taken.validator.etag, "\"a\"");
    again(true);
    note_a_wrong_digest(false);
    again(true);
    assert_true(take()); /* the same file: nobody reads it */
    note_a_wrong_digest(true);
    again(true);
    assert_false(take()); /* of another boot: it is read */
    again(false);
    ground_put(DIR "p", CATALOG); /* the same bytes in another file */
    assert_false(take());
}

static void what_was_touched_is_read(void **state)
{
    (void)state;
    start();
    put(CATALOG);
    assert_true(take());
    again(true);
    ground_put(DIR "p", CATALOG);
    assert_true(take());
    again(true);
    note_a_wrong_digest(false);
    again(true);
    assert_true(take()); /* it was noted anew */
    ground_put(DIR "p", OTHER);
    assert_false(take());
    assert_null(taken.bytes);
}

static void nothing_is_noted_where_nothing_may_be(void **state)
{
    (void)state;
    start();
    put(CATALOG);
    again(false);
    assert_true(take());
    put(OTHER);
    again(true);
    assert_true(take());
    assert_int_equal(taken.len, strlen(CATALOG));
    again(true);
    ground_put(DIR "p", CATALOG);
    again(false);
    assert_true(take());
    again(true);
    note_a_wrong_digest(false);
    again(true);
    assert_false(take()); /* the word is that of the file before */
}

/* Is the outline of text, which has an item of that name, one that was kept? The file that items are read
 * from is told from text by what its item says. */
static bool outlined(const char *text, const char *name)
{
    unsigned char sum[DIGEST_MAX];
    const char *p;
    size_t n;
    digest_of(DIGEST_SHA256, text, strlen(text), sum);
    ground_put("items", PLIST(ARRAY("<dict>" KEY("name", STR("F")) KEY("version", STR("1")) "</dict>")));
    int fd = files_open(ground, "items", &e);
    assert_true(fd >= 0);
    const struct outline *made = kept_outline(kept, memory, "p", text, strlen(text), fd, sum, &e);
    assert_non_null(made);
    assert_int_equal(outline_count(made), 1);
    assert_int_equal(outline_look(made, 0, PKGINFO_BRIEF_NAME, &p, &n), OUTLINE_TEXT);
    assert_memory_equal(p, name, n);
    const char *item = props_str(outline_item(memory, made, 0, &e), "name");
    assert_non_null(item);
    close(fd);
    return strcmp(item, "F") == 0;
}

static void an_outline_is_made_once_for_the_same_bytes(void **state)
{
    (void)state;
    start();
    assert_false(outlined(CATALOG, "A"));
    assert_true(outlined(CATALOG, "A"));
    again(true);
    assert_true(outlined(CATALOG, "A"));
    assert_false(outlined(OTHER, "B"));
    assert_true(outlined(OTHER, "B"));
    ground_put(DIR KEPT_OUTLINES "/p", "daybreak outline");
    assert_false(outlined(OTHER, "B"));
    assert_true(outlined(OTHER, "B"));
    kept_forget(kept, KEPT_OUTLINES "/p");
    assert_false(outlined(OTHER, "B"));
    again(false);
    assert_false(outlined(CATALOG, "A"));
    assert_true(outlined(OTHER, "B"));
}

static void a_bad_catalog_has_none(void **state)
{
    unsigned char sum[32] = {0};
    (void)state;
    start();
    assert_null(kept_outline(kept, memory, "p", "<plist>", 7, -1, sum, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_false(ground_has(DIR KEPT_OUTLINES "/p"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ground_up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_untouched_file_is_read_once),
        TEST(what_was_touched_is_read),
        TEST(nothing_is_noted_where_nothing_may_be),
        TEST(an_outline_is_made_once_for_the_same_bytes),
        TEST(a_bad_catalog_has_none),
    };
    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
