#include "core/limits.h"
#include "core/text.h"
#include "manifests/predicate.h"
#include "tests/unit/table.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1796083200 /* 2026-12-01T00:00:00Z */

static struct arena *arena;
static struct value *facts;

static struct value *application(const char *name, const char *path, const char *id, const char *version)
{
    struct value *app = value_new_dict(arena);
    value_set(arena, app, "name", value_new_str(arena, name));
    value_set(arena, app, "path", value_new_str(arena, path));
    value_set(arena, app, "bundleid", value_new_str(arena, id));
    value_set(arena, app, "version", value_new_str(arena, version));
    return app;
}

static struct value *strings(const char *const *all, size_t count)
{
    struct value *array = value_new_array(arena);
    for (size_t i = 0; i < count; i++)
        value_append(arena, array, value_new_str(arena, all[i]));
    return array;
}

static int set_up(void **state)
{
    static const struct {
        const char *name, *is;
    } texts[] = {{"machine_type", "laptop"},
                 {"os_vers", "14.4.1"},
                 {"munki_version", "7.0.4"},
                 {"hostname", "FrontDesk"},
                 {"serial_number", "SERIAL02"},
                 {"machine_model", "Mac14,9"},
                 {"board_id", "<none>"},
                 {"device_id", "J111AP"},
                 {"arch", "arm64"},
                 {"owner", "Jos\xc3\xa9"},
                 {"quote", "it's \"fine\""},
                 {"path", "C:\\x"},
                 {"lines", "a\nb"},
                 {"digits", "12.5"},
                 {"os_build_last_component", "263"}};
    static const char *const addresses[] = {"10.20.30.40", "172.16.4.9"};
    static const char *const catalogs[] = {"testing", "production"};
    static const char *const groups[] = {"Design"};
    static const char *const ports[] = {"Wi-Fi", "Bluetooth PAN"};
    (void)state;
    arena = arena_open();
    facts = value_new_dict(arena);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        value_set(arena, facts, texts[i].name, value_new_str(arena, texts[i].is));
    value_set(arena, facts, "os_vers_major", value_new_int(arena, 14));
    value_set(arena, facts, "os_vers_minor", value_new_int(arena, 4));
    value_set(arena, facts, "os_vers_patch", value_new_int(arena, 1));
    value_set(arena, facts, "ratio", value_new_real(arena, 1.5));
    value_set(arena, facts, "enrolled", value_new_bool(arena, true));
    value_set(arena, facts, "off", value_new_bool(arena, false));
    value_set(arena, facts, "date", value_new_date(arena, NOW));
    value_set(arena, facts, "ipv4_address", strings(addresses, 2));
    value_set(arena, facts, "catalogs", strings(catalogs, 2));
    value_set(arena, facts, "groups", strings(groups, 1));
    value_set(arena, facts, "ports", strings(ports, 2));
    value_set(arena, facts, "empty", value_new_array(arena));
    struct value *numbers = value_new_array(arena), *apps = value_new_array(arena);
    for (int i = 1; i <= 4; i++)
        value_append(arena, numbers, value_new_int(arena, i));
    value_set(arena, facts, "numbers", numbers);
    value_append(arena, apps, application("Viewer", "/Applications/Viewer.app", "com.example.viewer", "3.2"));
    value_append(arena, apps, application("Editor", "/Applications/Editor.app", "com.example.editor", NULL));
    value_set(arena, facts, "applications", apps);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* '1', '0' or 'E'. */
static char answer(const char *text, const struct value *about, struct err *e)
{
    bool result = false;
    *e = (struct err){0};
    if (predicate_eval(text, about, NOW, &result, e))
        return result ? '1' : '0';
    assert_true(e->kind == ERR_FORMAT || e->kind == ERR_LIMIT);
    assert_true(e->text[0] != '\0');
    return 'E';
}

static void check(const char *const *rows, size_t count, char expected)
{
    for (size_t i = 0; i < count; i++) {
        struct err e;
        char got = answer(rows[i], facts, &e);
        if (got != expected)
            fail_msg("%s: %c, expected %c %s", rows[i], got, expected, e.text);
    }
}

#define CHECK(rows, expected) check(rows, sizeof rows / sizeof *rows, expected)

static void forms_that_occur(void **state)
{
    static const char *const yes[] = {
        "machine_type == \"laptop\" AND os_vers BEGINSWITH \"14.\"",
        "os_vers_major >= 13",
        ("(os_vers BEGINSWITH \"13\" AND os_vers_patch >= 2) OR "
         "(os_vers BEGINSWITH \"14\" AND os_vers_minor >= 1)"),
        "os_vers MATCHES '14\\.([4-9])(\\..*)?'",
        "date > CAST(\"2026-09-01T08:00:00Z\", \"NSDate\")",
        "ANY ipv4_address BEGINSWITH '10.20.'",
        "ANY ipv4_address CONTAINS '172.16.4.'",
        "ipv4_address CONTAINS '10.20.30.40'",
        "catalogs CONTAINS 'testing'",
        "munki_version LIKE '7.*'",
        "serial_number IN { 'SERIAL01', 'SERIAL02' }",
        "NOT machine_model BEGINSWITH \"MacBook\"",
        "board_id IN {\"Mac-AAAA\", \"Mac-BBBB\"} OR device_id IN {\"J111AP\"}",
        "hostname ==[c] \"frontDESK\"",
        "arch == \"arm64\"",
        "enrolled == TRUE",
        "groups CONTAINS \"Design\"",
        "ANY ports CONTAINS[c] 'wi-fi'",
        "missing_fact == nil",
        "missing_fact != 'x'",
        "ANY applications.path ENDSWITH '/Viewer.app'",
        "ANY applications.bundleid BEGINSWITH 'com.example.'",
        "SUBQUERY(applications, $a, $a.bundleid == 'com.example.viewer' AND $a.version == '3.2').@count > 0",
    };
    static const char *const no[] = {
        "os_vers_major == 12 AND os_vers_minor >= 6",
        "ipv4_address CONTAINS '10.20.30.'",
        "NOT (serial_number IN { 'SERIAL01', 'SERIAL02' })",
        "hostname == \"frontdesk\"",
        "missing_fact == 'x'",
        "SUBQUERY(applications, $a, $a.bundleid == 'com.example.editor' AND $a.version == '3.2').@count > 0",
    };
    (void)state;
    CHECK(yes, '1');
    CHECK(no, '0');
}

static void operators(void **state)
{
    static const char *const yes[] = {
        "os_vers_minor =< 4 && os_vers_minor => 4 and os_vers_minor <= 4 And os_vers_minor = 4",
        "os_vers_minor <> 5 || FALSEPREDICATE",
        "!(hostname == 'x') && ! off == YES",
        "os_vers_minor BETWEEN {4, 5}",
        "os_vers BETWEEN {\"14\", \"15\"}",
        "os_vers > \"14.10\"",
        "ratio > 1.25 and ratio < 15e-1 + 1 and 0x1F == 31 and 0b101 == 5 and 0o17 == 15",
        "enrolled == 1 and enrolled != 0 and enrolled > off",
        "owner ==[d] 'Jose' and owner ==[cd] 'JOSE' and owner BEGINSWITH[cdnl] 'jOs' and owner !=[c] 'jose'",
        "owner MATCHES[d] 'jose' or owner MATCHES[cd] 'jose'",
        "hostname LIKE 'F?ont*k' and hostname LIKE '*' and hostname LIKE[c] 'front*'",
        "path == 'C:\\\\x' and quote == 'it\\'s \"fine\"' and lines == \"a\\nb\"",
        "'ront' IN hostname and 'RONT' IN[c] hostname and 'testing' IN catalogs",
        "{'a', 'b'} == {'a', 'b'} and {} == empty and {1, nil} != {1, 2}",
        "{1, nil} CONTAINS nil and nil IN {nil}",
        "ANY {'172.16.4.9', 'x'} IN ipv4_address",
        "SOME catalogs == 'testing' and NONE catalogs == 'x' and ALL catalogs IN {'testing', 'production', "
        "'x'}",
        "ALL empty == 1 and NONE missing == 1 and NOT ANY missing == 1",
        "ANY applications.version == nil and NONE applications.version BEGINSWITH 'x'",
        "applications.@count == 2 and applications.name CONTAINS 'Editor'",
        "applications[0].name == 'Viewer' and applications[LAST].name == 'Editor' and applications[SIZE] == "
        "2",
        "applications[FIRST]['name'] == 'Viewer' and empty[LAST] == nil and missing[3] == nil",
        "numbers.@sum == 10 and numbers.@avg == 2.5 and numbers.@max == 4 and numbers.@min == 1",
        "applications.@distinctUnionOfObjects.version == {'3.2'} and applications.@unionOfObjects.name[SIZE] "
        "== 2",
        "missing.other.more == NULL and SELF.arch == arch and #arch == 'arm64'",
        "missing.@count == nil and NOT missing.@count > 0",
        "arch == 'arm64' AND arch == 'x' OR arch == 'arm64'",
        "os_build_last_component < 300 and os_build_last_component == '263' and os_build_last_component == "
        "263",
        "os_build_last_component IN {262, 263} and '263' IN {'263', os_build_last_component}",
        "TRUEPREDICATE",
        "(((TRUEPREDICATE)))",
    };
    static const char *const no[] = {
        "os_vers_minor BETWEEN missing or os_vers_minor BETWEEN {1, nil}",
        "os_vers > nil or nil > 1 or missing < 1 or missing BETWEEN {1, 2} or missing LIKE '*'",
        "os_vers_major == '14' or enrolled == 'TRUE' or date == 1",
        "hostname CONTAINS '' or hostname BEGINSWITH '' or '' IN hostname",
        "hostname BEGINSWITH missing or missing ENDSWITH 'x' or hostname IN missing or missing IN {'a'}",
        "hostname == FrontDesk",
        "'arch' == 'arm64'",
        "FALSEPREDICATE AND applications.name BEGINSWITH 'never asked'",
        "hostname MATCHES 'Front'",
    };
    static const char *const errors[] = {
        "os_vers > 14",
        "os_vers_minor BEGINSWITH '4'",
        "hostname CONTAINS 4",
        "applications > 1",
        "ANY arch == 'arm64'",
        "board-id == 'x'",
        "hostname.other == 'x'",
        "hostname IN 4",
        "os_vers_minor BETWEEN 4",
        "numbers[4] == 1",
        "numbers['a'] == 1",
        "arch.@count == 1",
        "arch MATCHES '['",
        "$a == 1",
        "catalogs.@sum == 1",
        "hostname LIKE 4",
    };
    (void)state;
    CHECK(yes, '1');
    CHECK(no, '0');
    CHECK(errors, 'E');
}

static void functions(void **state)
{
    static const char *const yes[] = {
        "1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 7 / 2 == 3 and 7 / 2.0 == 3.5 and 2 ** 10 == 1024",
        "10 - 3 - 2 == 5 and -os_vers_minor == -4 and - - 1 == 1 and 2 ** 0.5 > 1.41",
        "9223372036854775807 + 1 > 9223372036854770000 and 4611686018427387904 * 4 > 1",
        "uppercase(owner) == 'JOS\xc3\x89' and lowercase('JOS\xc3\x89') == 'jos\xc3\xa9'",
        "uppercase(arch) == 'ARM64' and lowercase(hostname) == 'frontdesk' and uppercase(missing) == nil",
        "abs(-1.5) == 1.5 and ceiling(1.2) == 2 and floor(-1.2) == -2 and trunc(-1.7) == -1 and sqrt(9) == 3",
        "log(1000) > 2.99 and ln(1) == 0 and exp(0) == 1",
        "sum({1, 2}) == 3 and sum(1, 2) == 3 and max(1, 3, 2) == 3 and min({4, 2}) == 2 and count(numbers) "
        "== 4",
        "average({1, 2}) == 1.5 and median({5, 1, 2}) == 2 and median(1, 2) == 1.5 and count({}) == 0",
        "now() == CAST('2026-12-01T00:00:00Z', 'NSDate') and date <= now()",
        "CAST('2026-12-01 02:00:00 +0200', 'NSDate') == date and CAST('2026-11-30T18:30:00.5-05:30', "
        "'NSDATE') == date",
        "CAST(CAST(date, 'NSNumber') - 604800, 'NSDate') == CAST('2026-11-24T00:00:00Z', 'NSDate')",
        "CAST(0, 'NSDate') == CAST('2001-01-01T00:00:00Z', 'NSDate')",
        "CAST('12', 'NSNumber') == 12 and CAST(digits, 'nsnumber') == 12.5 and CAST(missing, 'NSNumber') == "
        "nil",
        "CAST(14, 'NSString') == '14' and CAST(1.5, 'NSString') == '1.5' and CAST(TRUE, 'NSString') == '1'",
        "CAST(1000000.0, 'NSString') == '1000000' and CAST(sum(numbers), 'NSString') == '10'",
        "CAST(date, 'NSString') == '2026-12-01 00:00:00 +0000'",
        "SUBQUERY(applications, $a, SUBQUERY(numbers, $n, $n > 2).@count == 2 AND $a.name != arch).@count == "
        "2",
        "SUBQUERY(missing, $a, $a == 1).@count == 0",
    };
    static const char *const errors[] = {
        "1 / 0 == 1",
        "1.0 / 0.0 == 1",
        "1 + 'a' == 1",
        "-arch == 1",
        "sqrt(-1) == 1",
        "exp(1000) == 1",
        "abs() == 1",
        "now(1) == 1",
        "abs('a') == 1",
        "uppercase(1) == 'A'",
        "CAST('soon', 'NSDate') > date",
        "CAST('2026-12-01T00:00:00', 'NSDate') > date",
        "CAST('abc', 'NSNumber') == 1",
        "CAST(numbers, 'NSString') == 1",
        "CAST(1, 'NSArray') == 1",
        "SUBQUERY(arch, $a, $a == 1).@count == 0",
        "sum({'a'}) == 1",
    };
    (void)state;
    CHECK(yes, '1');
    CHECK(errors, 'E');
}

static void parse_errors(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "column 1: it ends where a value should be"},
        {"arch", "column 1: a value alone is no condition"},
        {"arch ==", "column 8: it ends where a value should be"},
        {"arch == x86 64", "column 13: 64 where the end or AND or OR should be"},
        {"arch == \"arm64\")", "column 16: ) where the end or AND or OR should be"},
        {"(arch == \"arm64\"", "column 17: it ends where \")\" should be"},
        {"arch == \"arm64", "column 9: a string without its closing \""},
        {"AND arch == 'x'", "column 1: AND where a value should be"},
        {"arch NOT IN {'x'}", "column 6: NOT where a comparison should be"},
        {"board_id IN {Mac-AAAA, }", "column 24: } where a value should be"},
        {"ANY catalogs", "column 13: it ends where a comparison should be"},
        {"arch == %@", "column 9: % takes an argument"},
        {"arch ==[x] 'a'", "column 9: x where options"},
        {"(arch == 'x') == 1", "column 7: a condition where a value should be"},
        {"arch == 'x' == 'y'", "column 13: == where"},
        {"arch AND TRUEPREDICATE", "column 1: a value alone"},
        {"NOT arch", "column 5: a value alone"},
        {"nothing(arch) == 1", "column 1: there is no function"},
        {"numbers.@sort == 1", "column 9: there is no such collection operator"},
        {"'\xc3\xa9\xc3\xa9' == ;", "column 9: an unexpected character"},
        {"12ab == 1", "column 1: a malformed number"},
        {"99999999999999999999x == 1", "column 1: a malformed number"},
        {"0x == 1", "column 1: a malformed number"},
        {"1e999 == 1", "column 1: a number that is too large"},
        {"\xff == 1", "not UTF-8"},
        {"arch MATCHES '('", "column 14: pattern, character 2: ( without )"},
        {"os_vers_minor BEGINSWITH 1", "column 15: expected a string before BEGINSWITH, not integer"},
        {"hostname ENDSWITH numbers", "column 10: expected a string after ENDSWITH, not array"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        if (answer(rows[i].text, facts, &e) != 'E' || !strstr(e.text, rows[i].says))
            fail_msg("%s: %s", rows[i].text, e.text);
    }
}

static const char *repeated(const char *before, const char *part, size_t times, const char *after)
{
    struct buf b;
    buf_init(&b, 2 * LIMIT_PREDICATE);
    bool ok = buf_printf(&b, "%s", before);
    for (size_t i = 0; ok && i < times; i++)
        ok = buf_printf(&b, "%s", part);
    assert_true(ok && buf_printf(&b, "%s", after));
    const char *text = arena_strdup(arena, buf_str(&b));
    buf_release(&b);
    return text;
}

static void is_bounded(void **state)
{
    struct err e;
    (void)state;
    assert_int_equal(answer(repeated("1 == 1", " AND arch == 'arm64'", 3000, ""), facts, &e), '1');
    assert_int_equal(answer(repeated("1 == 2", " OR\n arch ==[c] 'ARM64'", 2500, ""), facts, &e), '1');
    static const struct {
        const char *before, *part;
        size_t times;
        const char *after;
    } rows[] = {
        {"1 == 1", " ", LIMIT_PREDICATE, ""},
        {"", "(", 60000, "1 == 1"},
        {"", "NOT ", 15000, "1 == 1"},
        {"", "!", 60000, "(1 == 1)"},
        {"", "-", 60000, "1 == 1"},
        {"1", "+1", 30000, " == 1"},
        {"a", ".a", 30000, " == 1"},
        {"a", ".@sum", 10000, " == 1"},
        {"a", "[0]", 20000, " == 1"},
        {"", "{", 60000, " == 1"},
        {"", "abs(", 15000, " == 1"},
        {"", "SUBQUERY(numbers, $n, ", 2500, "1 == 1"},
        {"", "a == (", 10000, "1 == 1"},
        {"arch LIKE '", "*a", 30000, "'"},
        {"lowercase('", "x", 60000, "') LIKE '*a*b*c*d*e*f*g*h*i*j*k*'"},
        {"numbers CONTAINS 9 OR SUBQUERY(numbers, $a, SUBQUERY(numbers, $b, SUBQUERY(numbers, $c, "
         "SUBQUERY(numbers, "
         "$d, SUBQUERY(numbers, $e, SUBQUERY(numbers, $f, SUBQUERY(numbers, $g, SUBQUERY(numbers, $h, "
         "SUBQUERY(numbers, $i, SUBQUERY(numbers, $j, $a == 9).@count == 1)",
         ".@count == 1)", 8, ".@count == 1).@count == 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got = answer(repeated(rows[i].before, rows[i].part, rows[i].times, rows[i].after), facts, &e);
        bool like = strstr(rows[i].before, "LIKE") || strstr(rows[i].after, "LIKE");
        if (like ? got == '1' : got != 'E')
            fail_msg("row %zu: %c", i, got);
    }
}

/* Twenty thousand applications: what people ask is answered, what nests loops over them is given up. */
static void counts_every_step(void **state)
{
    static const struct {
        const char *text;
        char is;
    } rows[] = {
        {"ANY applications.bundleid == 'com.example.19999'", '1'},
        {"ANY applications.path CONTAINS[c] '/APP 19999.APP'", '1'},
        {"ANY applications.path MATCHES '.*/App 1999[0-9]\\\\.app'", '1'},
        {"SUBQUERY(applications, $a, $a.name == 'x' OR $a.version == '2').@count == 20000", '1'},
        {"SUBQUERY(applications, $a, SUBQUERY(applications, $b, FALSEPREDICATE).@count > 0).@count > 0", 'E'},
        {"SUBQUERY(applications, $a, SUBQUERY(applications, $b, {$a, {1}} == $b).@count > 0).@count > 0",
         'E'},
        {"SUBQUERY(applications, $a, applications == applications).@count > 0", 'E'},
        {"SUBQUERY(applications, $a, SELF == SELF).@count > 0", 'E'},
        {"SUBQUERY(applications, $a, applications.@unionOfObjects[SIZE] == 0).@count > 0", 'E'},
        {"applications.@distinctUnionOfObjects.name[SIZE] == 20000", 'E'},
        {"SUBQUERY(applications, $a, long CONTAINS 'aaaaaaaaaaaaaaaaaaaaaaaab').@count > 0", 'E'},
        {"long MATCHES '(a+)+$'", '1'},
        {"long MATCHES '(a|aa)+b'", 'E'},
        {"long LIKE '*aaaaaaaaaaaab'", 'E'},
        {"long MATCHES '(?=(?=(?=a*b)))a*'", 'E'},
        {"{long, long} == {long, 1} OR long LIKE 'a' OR long BEGINSWITH[cd] 'B'", '0'},
    };
    (void)state;
    struct value *many = value_copy(arena, facts), *apps = value_new_array(arena);
    for (int i = 0; i < 20000; i++)
        value_append(arena, apps,
                     application(arena_printf(arena, "App %d", i), arena_printf(arena, "/A/App %d.app", i),
                                 arena_printf(arena, "com.example.%d", i), "2"));
    value_set(arena, many, "applications", apps);
    char *text = arena_alloc(arena, 1000001);
    memset(text, 'a', 1000000);
    value_set(arena, many, "long", value_new_str(arena, text));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        char got = answer(rows[i].text, many, &e);
        if (got != rows[i].is || (got == 'E' && e.kind != ERR_LIMIT))
            fail_msg("%s: %c, expected %c %s", rows[i].text, got, rows[i].is, e.text);
    }
}

static struct value *from_json(json_t *json, const char *key)
{
    size_t i;
    const char *name;
    json_t *item;
    time_t date;
    struct value *v;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        v = value_new_dict(arena);
        json_object_foreach(json, name, item) value_set(arena, v, name, from_json(item, name));
        return v;
    case JSON_ARRAY:
        v = value_new_array(arena);
        json_array_foreach(json, i, item) value_append(arena, v, from_json(item, ""));
        return v;
    case JSON_STRING:
        if (strcmp(key, "date") == 0 && text_parse_utc(json_string_value(json), &date))
            return value_new_date(arena, date);
        return value_new_str(arena, json_string_value(json));
    case JSON_INTEGER:
        return value_new_int(arena, json_integer_value(json));
    case JSON_REAL:
        return value_new_real(arena, json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return value_new_bool(arena, json_is_true(json));
    default:
        return NULL;
    }
}

static void recorded(void **state)
{
    struct table t;
    struct err e;
    size_t rows = 0;
    (void)state;
    if (!table_open(&t, "predicates.tsv"))
        skip();
    json_t *info = json_load_file(table_path("predicates_info.json"), 0, NULL);
    assert_non_null(info);
    const struct value *about = from_json(info, "");
    json_decref(info);
    for (; table_next(&t); rows++) {
        char got = answer(table_field(&t, 4), value_get(about, table_field(&t, 2)), &e);
        if (got != table_field(&t, 0)[0])
            fail_msg("%s: %c, expected %s %s", table_field(&t, 4), got, table_field(&t, 0), e.text);
    }
    table_close(&t);
    assert_true(rows > 50);
}

/* For explaining: each fact once, in the order of the text, with what this Mac has. */
static void names_its_facts(void **state)
{
    size_t n;
    int64_t i;
    (void)state;
    const struct predicate_fact *f = predicate_facts(
        arena,
        "machine_type == 'laptop' AND (os_vers_major >= 13 OR missing.deep == 'x') AND machine_type != 'a' "
        "AND "
        "ANY applications.bundleid == 'b' AND SUBQUERY(applications, $a, $a.name == 'x').@count > 0",
        facts, &n);
    assert_int_equal(n, 5);
    assert_string_equal(f[0].name, "machine_type");
    assert_string_equal(value_str(f[0].value), "laptop");
    assert_string_equal(f[1].name, "os_vers_major");
    assert_true(value_int(f[1].value, &i));
    assert_string_equal(f[2].name, "missing.deep");
    assert_null(f[2].value);
    assert_string_equal(f[3].name, "applications.bundleid");
    assert_true(value_count(f[3].value) > 0);
    assert_string_equal(f[4].name, "applications");
    assert_true(predicate_facts(arena, "arch ==", facts, &n) == NULL && n == 0);
    assert_int_equal((predicate_facts(arena, "TRUEPREDICATE", facts, &n), n), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(forms_that_occur), TEST(operators),  TEST(functions),
                                       TEST(parse_errors),     TEST(is_bounded), TEST(counts_every_step),
                                       TEST(names_its_facts),  TEST(recorded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
