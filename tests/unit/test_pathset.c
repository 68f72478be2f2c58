/* pathset: names are one exactly where a Mac takes them for one, and many stay apart. */
#include "installer/pathset.h"
#include "package.h"

static bool fresh(struct pathset *s, const char *path)
{
    bool is;
    pathset_note(s, path, strlen(path), &is);
    return is;
}

static void case_and_form_do_not_count(void **state)
{
    (void)state;
    struct pathset s = {0};
    static const char *const same[][2] = {{"A/b", "a/B"},
                                          {"caf\xc3\xa9", "cafe\xcc\x81"},
                                          {"STRASSE", "stra\xc3\x9f"
                                                      "e"},
                                          {"\xce\xa3", "\xcf\x82"},
                                          {"", ""}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(fresh(&s, same[i][0]));
        assert_false(fresh(&s, same[i][1]));
    }
    static const char *const apart[] = {"a",           "b",         "a/bc",     "ab/c",     "abc",
                                        "caf\xc3\xa8", "a\xc2\xa0", "12345678", "123456789"};
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        assert_true(fresh(&s, apart[i]));
    assert_null(pathset_find(&s, "zz", 2));
    pathset_release(&s);
    assert_null(pathset_find(&s, "a", 1));
}

static void many_stay_apart(void **state)
{
    (void)state;
    struct pathset s = {0};
    char path[64];
    for (unsigned i = 0; i < 100000; i++) {
        int n = snprintf(path, sizeof path, "Library/%u/Resources/file-%u", i % 100, i);
        bool is;
        struct pathset_entry *e = pathset_note(&s, path, (size_t)n, &is);
        assert_true(is);
        e->size = i;
    }
    for (unsigned i = 0; i < 100000; i++) {
        int n = snprintf(path, sizeof path, "LIBRARY/%u/resources/file-%u", i % 100, i);
        const struct pathset_entry *e = pathset_find(&s, path, (size_t)n);
        assert_non_null(e);
        assert_int_equal(e->size, i);
    }
    struct pathset_entry copy = *pathset_find(&s, "library/1/resources/FILE-1", 26);
    copy.sum = 77;
    pathset_store(&s, &copy);
    assert_int_equal(pathset_find(&s, "Library/1/Resources/file-1", 26)->sum, 77);
    pathset_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(case_and_form_do_not_count),
                                       cmocka_unit_test(many_stay_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
