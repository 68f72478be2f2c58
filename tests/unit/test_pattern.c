#include "core/limits.h"
#include "manifests/pattern.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* '1', '0', or the error's kind: 'F' format, 'L' limit. */
static char answer(const char *pattern, const char *text, bool caseless, struct err *e)
{
    size_t work = 10000000;
    bool matched = false;
    *e = (struct err){0};
    if (pattern_match(pattern, text, caseless, &work, &matched, e))
        return matched ? '1' : '0';
    assert_true(e->kind == ERR_FORMAT || e->kind == ERR_LIMIT);
    return e->kind == ERR_FORMAT ? 'F' : 'L';
}

static void matches(void **state)
{
    static const struct {
        const char *pattern, *text;
        char is;
    } rows[] = {
        {"", "", '1'},
        {"", "a", '0'},
        {"abc", "abc", '1'},
        {"ab", "abc", '0'},
        {"a|ab|abc", "abc", '1'},
        {"a|", "", '1'},
        {"(a|b)*c", "ababc", '1'},
        {"(?:a|ab)(?:c|bcd)(?:d*)", "abcd", '1'},
        {"a.c",
         "a\xf0\x9f\x98\x80"
         "c",
         '1'},
        {"a.c", "a\nc", '0'},
        {"(?s)a.c", "a\nc", '1'},
        {"a*?b+?c??", "aabb", '1'},
        {"a{2}", "aa", '1'},
        {"a{2}", "aaa", '0'},
        {"a{2,}", "aaaa", '1'},
        {"a{2,3}", "aaaa", '0'},
        {"a{0}b", "b", '1'},
        {"(a|b){0}c", "c", '1'},
        {"a{0,2}b", "aab", '1'},
        {"(ab){1,2}?c", "ababc", '1'},
        {"(a*)*b", "aaab", '1'},
        {"()*()+x", "x", '1'},
        {"[abc]+", "cab", '1'},
        {"[^abc]+", "xyz", '1'},
        {"[^abc]", "a", '0'},
        {"[a-c0-9_-]+", "b-7_", '1'},
        {"[]a]+", "]a", '1'},
        {"[\\]\\\\]+", "]\\", '1'},
        {"[[:alpha:]]+[[:digit:]]", "abC1", '1'},
        {"[^[:space:]]+", "a b", '0'},
        {"[\\d.]+", "10.20", '1'},
        {"[\\D]+", "ab1", '0'},
        {"[^\\W]+", "a_1", '1'},
        {"\\d+\\.\\d+", "14.4", '1'},
        {"\\w+\\s\\S+", "a1_ b", '1'},
        {"\\w+", "\xc3\xa9t\xc3\xa9", '1'},
        {"\\D\\W", "a-", '1'},
        {"\\h\\v", "\t\n", '1'},
        {".*\\bfoo\\b.*", "a foo b", '1'},
        {".*\\bfoo\\b.*", "afoo b", '0'},
        {"a\\Bb", "ab", '1'},
        {"^abc$", "abc", '1'},
        {"\\Aabc\\z", "abc", '1'},
        {"a^b", "ab", '0'},
        {"a$\\n", "a\n", '1'},
        {"(?m)a$\\n^b", "a\nb", '1'},
        {"a$\\n^b", "a\nb", '0'},
        {"(?i)AbC", "aBc", '1'},
        {"a(?i)b(?-i)c", "aBc", '1'},
        {"a(?i)b(?-i)c", "aBC", '0'},
        {"a(?i:b)c", "aBc", '1'},
        {"(?:(?i)a)b", "AB", '0'},
        {"(?i)[a-c]+\xc3\x89", "ABC\xc3\xa9", '1'},
        {"(?i)[A-C]+", "abc", '1'},
        {"(?i)[\xc3\x89]", "\xc3\xa9", '1'},
        {"(?i)[\xc3\x80-\xc3\x9d\\x{410}]+", "\xc3\xa9\xc3\x89\xd0\xb0", '1'},
        {"(?i)[^\xc3\x89]", "\xc3\xa9", '0'},
        {"(?i)\\x{C9}\\x{10400}", "\xc3\xa9\xf0\x90\x90\xa8", '1'},
        {"(?!MacBook).*", "Macmini", '1'},
        {"(?!MacBook).*", "MacBookPro", '0'},
        {"(?=.*\\d)[a-z0-9]+", "ab1", '1'},
        {"(?=.*\\d)[a-z0-9]+", "ab", '0'},
        {"(?:(?=a)a)+", "aaa", '1'},
        {"(?<year>\\d{4})-(?#a comment)\\d\\d", "2026-01", '1'},
        {"\\x41\\u0042\\x{1F600}", "AB\xf0\x9f\x98\x80", '1'},
        {"\\Qa.b*\\E+", "a.b**", '1'},
        {"\\Qa.b", "axb", '0'},
        {"(a|b)\\Q\\E*", "a", '1'},
        {"(a|b)\\Q\\E{0}", "a", '1'},
        {"a\\tb\\.", "a\tb.", '1'},
        {"[a&&]", "", 'F'},
        {"a-b&c", "a-b&c", '1'},
        /* refused */
        {"(", "", 'F'},
        {")", "", 'F'},
        {"[", "", 'F'},
        {"[a", "a", 'F'},
        {"[b-a]", "a", 'F'},
        {"[[a]]", "a", 'F'},
        {"[[:nothing:]]", "a", 'F'},
        {"*a", "a", 'F'},
        {"a**", "a", 'F'},
        {"a*+", "a", 'F'},
        {"a{", "a", 'F'},
        {"a{2", "a", 'F'},
        {"a{3,2}", "a", 'F'},
        {"\\", "a", 'F'},
        {"(a)\\1", "aa", 'F'},
        {"\\p{L}", "a", 'F'},
        {"\\x4", "a", 'F'},
        {"\\u00", "a", 'F'},
        {"\\x{110000}", "a", 'F'},
        {"(?<=a)b", "ab", 'F'},
        {"(?>a)", "a", 'F'},
        {"(?x)a", "a", 'F'},
        {"(?<name", "a", 'F'},
        {"\xff", "a", 'F'},
        {"a", "\xff", 'F'},
        {"a{20000}", "a", 'L'},
        {"(((a{100}){100}){100}){100}", "a", 'L'},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        char got = answer(rows[i].pattern, rows[i].text, false, &e);
        if (got != rows[i].is)
            fail_msg("%s on %s: %c, expected %c %s", rows[i].pattern, rows[i].text, got, rows[i].is, e.text);
    }
    struct err e;
    assert_int_equal(answer("FRONT\xc3\xa9.*[a-z]", "front\xc3\x89-X", true, &e), '1');
    assert_int_equal(answer("[^a]", "A", true, &e), '0');
}

static void is_bounded(void **state)
{
    static char text[20001];
    struct err e;
    (void)state;
    memset(text, 'a', 5000);
    assert_int_equal(answer("(a*)*(a*)*(a|aa)+(a?){30}b", text, false, &e), '0'); /* no explosion */
    memset(text, 'a', 20000);
    assert_int_equal(answer("(?:a?){2000}a{2000}", text, false, &e), 'L');
    assert_int_equal(answer("(?:(?=a*b)a|a)*", text, false, &e), 'L');
    memset(text, '(', 20000);
    assert_int_equal(answer(text, "a", false, &e), 'F');
    for (size_t i = 0; i < 19990; i += 10)
        memcpy(text + i, "(b{99}){0}", 10);
    text[19990] = '\0';
    assert_int_equal(answer(text, "", false, &e), 'L');
    text[0] = '[';
    for (size_t i = 1; i < 19989; i += 2)
        memcpy(text + i, "\\W", 2);
    memcpy(text + 19989, "]*", 3);
    static char words[1001];
    memset(words, 'w', 1000);
    assert_int_equal(answer(text, words, false, &e), '0'); /* it is not in the first of 300,000 ranges */
    char *twice = malloc(45000);
    assert_non_null(twice);
    (void)snprintf(twice, 45000, "(?:%s%s.)*", text, text);
    assert_int_equal(answer(twice, words, false, &e), 'L');
    free(twice);
}

static void likes(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool is;
    } rows[] = {
        {"", "", true},        {"*", "", true},        {"?", "", false},        {"?", "\xc3\xa9", true},
        {"a*c", "abbc", true}, {"a*c", "abbd", false}, {"*b*b*", "abab", true}, {"**", "x", true},
        {"a\\*", "a*", true},  {"a\\*", "ab", false},  {"\\?", "?", true},      {"a\\", "a\\", true},
        {"*ab", "aab", true},  {"a", "ab", false},     {"*?b", "b", false},     {"A*", "ab", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        size_t work = 1000;
        bool matched = !rows[i].is;
        assert_true(pattern_like(rows[i].pattern, rows[i].text, &work, &matched, &e));
        if (matched != rows[i].is)
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
    }
    struct err e = {0};
    size_t work = 10;
    bool matched;
    assert_false(pattern_like("*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", &work, &matched, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(matches), cmocka_unit_test(is_bounded),
                                       cmocka_unit_test(likes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
