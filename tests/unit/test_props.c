#include "core/limits.h"
#include "manifests/props.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEAD                                                                                                 \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "    \
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n"
#define TAIL "</plist>\n"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct value *decode(const void *p, size_t n)
{
    struct err e = {0};
    char *copy = malloc(n + (n == 0)); /* exactly as long, so that a sanitizer sees any step beyond */
    assert_non_null(copy);
    memcpy(copy, p, n);
    const struct value *v = props_decode(arena, copy, n, &e);
    free(copy);
    if (!v)
        fail_msg("%.*s: %s", (int)n, (const char *)p, e.text);
    return v;
}

static const struct value *decode_body(const char *body)
{
    const char *text = arena_printf(arena, HEAD "%s" TAIL, body);
    return decode(text, strlen(text));
}

static struct err refusal(const void *p, size_t n)
{
    struct err e = {0};
    char *copy = malloc(n + (n == 0));
    assert_non_null(copy);
    memcpy(copy, p, n);
    if (props_decode(arena, copy, n, &e))
        fail_msg("not refused: %.*s", (int)n, (const char *)p);
    free(copy);
    assert_true(e.kind == ERR_FORMAT || e.kind == ERR_LIMIT);
    assert_true(e.text[0] != '\0');
    return e;
}

static const char *encode(const struct value *v)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, LIMIT_PLIST);
    if (!props_encode(v, &b, &e))
        fail_msg("%s", e.text);
    const char *text = arena_strdup(arena, buf_str(&b));
    buf_release(&b);
    return text;
}

/* ---- XML: accepted ----------------------------------------------------------------------------------- */

static void reads_every_type(void **state)
{
    (void)state;
    const struct value *v = decode_body(
        "<dict><key>s</key><string>a &amp; b &#233;&#x1F600;<![CDATA[<&>]]></string><key>t</key><true/>"
        "<key>f</key><false/><key>i</key><integer> -7 </integer><key>r</key><real>1e3</real>"
        "<key>d</key><date>2014-03-01T00:00:00Z</date><key>b</key><data>\n\tQUJD\n\tRA==\n</data>"
        "<key>l</key><array><string/><array/><dict/></array></dict>");
    time_t date;
    size_t len;
    double real;
    assert_int_equal(value_type(v), VALUE_DICT);
    assert_int_equal(value_count(v), 8);
    assert_string_equal(value_key(v, 0), "s"); /* the file's order */
    assert_string_equal(value_key(v, 7), "l");
    assert_null(value_key(v, 8));
    assert_string_equal(props_str(v, "s"), "a & b \xc3\xa9\xf0\x9f\x98\x80<&>");
    assert_true(props_bool(v, "t", false));
    assert_false(props_bool(v, "f", true));
    assert_int_equal(props_int(v, "i", 0), -7);
    assert_true(value_real(value_get(v, "r"), &real) && real > 999.5 && real < 1000.5);
    assert_true(value_date(value_get(v, "d"), &date));
    assert_int_equal(date, 1393632000);
    assert_memory_equal(value_data(value_get(v, "b"), &len), "ABCD", 4);
    assert_int_equal(len, 4);
    const struct value *list = props_array(v, "l");
    assert_int_equal(value_count(list), 3);
    assert_string_equal(value_str(value_at(list, 0)), "");
    assert_string_equal(value_type_name(value_at(list, 1)), "array");
    assert_string_equal(value_type_name(value_at(list, 2)), "dictionary");
    assert_string_equal(value_type_name(NULL), "nothing");
}

static void reads_integers(void **state)
{
    static const struct {
        const char *text;
        int64_t is;
    } rows[] = {{"0", 0},
                {"010", 10},
                {"+5", 5},
                {"\n 5\t", 5},
                {"0x1F", 31},
                {"0Xff", 255},
                {"-1", -1},
                {"9223372036854775807", INT64_MAX},
                {"18446744073709551615", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t n = 42;
        const struct value *v = decode_body(arena_printf(arena, "<integer>%s</integer>", rows[i].text));
        assert_true(value_int(v, &n));
        assert_true(n == rows[i].is);
    }
}

static void accepts_what_apple_accepts(void **state)
{
    static const char *const rows[] = {
        "<plist><true/></plist>",
        "\xef\xbb\xbf<plist version='1.0'><true/></plist>",
        " \n<?xml version='1.0' encoding='utf-8' standalone=\"no\"?><plist><true></true></plist>",
        "<?xml version=\"1.0\"?><!-- one --><!DOCTYPE plist SYSTEM \"file://localhost/x.dtd\"><!-- two -->\n"
        "<plist version=\"0.9\"><!-- <false/> --><true /></plist>\n<!-- end -->\n",
        HEAD "<true\n/></plist >",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool yes = false;
        assert_true(value_bool(decode(rows[i], strlen(rows[i])), &yes));
        assert_true(yes);
    }
    assert_string_equal(value_str(decode_body("<string>  two  spaces \n</string>")), "  two  spaces \n");
    assert_string_equal(value_str(decode_body("<string>a]]>b\x1b[0m > \" '</string>")),
                        "a]]>b\x1b[0m > \" '");
    assert_string_equal(value_str(decode_body("<string>a<!-- </string> -->b</string>")), "ab");
    assert_string_equal(value_str(decode_body("<string>&#38;amp;&apos;&quot;&lt;&gt;</string>")),
                        "&amp;'\"<>");
    const struct value *v = decode_body(
        "<dict><key><![CDATA[</key]]>aaaaaaaaaaaaaaaaaaaaaaaa</key><true/><key></key><false/></dict>");
    assert_string_equal(value_key(v, 0), "</keyaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_string_equal(value_key(v, 1), "");
}

/* ---- XML: refused ------------------------------------------------------------------------------------ */

static void refuses_bodies(void **state)
{
    static const char *const rows[] = {"",
                                       "<true/><true/>",
                                       "x<true/>",
                                       "<true/>x",
                                       "<integer/>",
                                       "<integer></integer>",
                                       "<integer>12abc</integer>",
                                       "<integer>- 1</integer>",
                                       "<integer>1 2</integer>",
                                       "<integer>0x</integer>",
                                       "<integer>18446744073709551616</integer>",
                                       "<integer>-9223372036854775809</integer>",
                                       "<integer>&#49;</integer>",
                                       "<integer>1<!-- --></integer>",
                                       "<real/>",
                                       "<real>abc</real>",
                                       "<real>nan</real>",
                                       "<real>infinity</real>",
                                       "<real>1e400</real>",
                                       "<real>0x10</real>",
                                       "<real>1e</real>",
                                       "<real>1,5</real>",
                                       "<real>.</real>",
                                       "<date/>",
                                       "<date>garbage-garbage</date>",
                                       "<date>2014-03-01</date>",
                                       "<date>2014-02-30T00:00:00Z</date>",
                                       "<date>2014-03-01T00:00:00+01:00</date>",
                                       "<data>A</data>",
                                       "<data>AA=</data>",
                                       "<data>A*==</data>",
                                       "<data>AA==AAAA</data>",
                                       "<data>====</data>",
                                       "<string>a<b></string>",
                                       "<string>a</key>",
                                       "<string>a",
                                       "<string>a &</string>",
                                       "<string>&ampfoo;</string>",
                                       "<string>&foo;</string>",
                                       "<string>&#xD800;</string>",
                                       "<string>&#0;</string>",
                                       "<string>&#x110000;</string>",
                                       "<string>&#;</string>",
                                       "<string>&#99999999999999999999;</string>",
                                       "<string><![CDATA[x]]</string>",
                                       "<string a=\"b\">x</string>",
                                       "<null/>",
                                       "<true>x</true>",
                                       "<dict><key>a</key></dict>",
                                       "<dict><key>a</key><key>b</key><true/></dict>",
                                       "<dict><key/><true/></dict>",
                                       "<dict><string>x</string></dict>",
                                       "<dict><key>a</key><true/>x</dict>",
                                       "<array><key>a</key></array>",
                                       "<key>a</key>",
                                       "<dict>",
                                       "</dict>",
                                       "<array></dict>",
                                       "<array><dict></array></dict>",
                                       "<plist><true/></plist>",
                                       "<!-- <true/>",
                                       "<true/",
                                       "<true/></plist><true/>",
                                       "<true/></plist> junk"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = arena_printf(arena, HEAD "%s" TAIL, rows[i]);
        struct err e = refusal(text, strlen(text));
        assert_int_equal(e.kind, ERR_FORMAT);
        assert_memory_equal(e.text, "line ", 5);
    }
}

static void refuses_files(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *says;
        enum cause cause;
    } rows[] = {
#define ROW(text, says, cause) {text, sizeof(text) - 1, says, cause}
        ROW("", "empty", CAUSE_FORMAT),
        ROW(" \n\t", "white space", CAUSE_FORMAT),
        ROW("{\"a\": 1}", "JSON", CAUSE_FORMAT),
        ROW("[]", "JSON", CAUSE_FORMAT),
        ROW("{ a = 1; }", "old-style", CAUSE_FORMAT),
        ROW("404 page", "begins with \"404 page\"", CAUSE_FORMAT),
        ROW("<html><body>Log in", "HTML instead of a property list", CAUSE_CAPTIVE),
        ROW("\n<!doctype HTML><p>", "HTML instead of a property list", CAUSE_CAPTIVE),
        ROW("<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'>", "HTML instead", CAUSE_CAPTIVE),
        ROW("\xff\xfe<\0p\0", "UTF-16", CAUSE_FORMAT),
        ROW("\0<\0p", "UTF-16", CAUSE_FORMAT),
        ROW("\0\0\0\1Bud1", "binary", CAUSE_FORMAT),
        ROW("<plist>\n<string>\0</string></plist>", "line 2: a NUL", CAUSE_FORMAT),
        ROW("<plist>\n\n<string>\xff</string></plist>", "line 3: bytes that are not UTF-8", CAUSE_FORMAT),
        ROW("<plist><string>\xed\xa0\x80</string></plist>", "UTF-8", CAUSE_FORMAT),
        ROW("<true/>", "<plist> should be", CAUSE_FORMAT),
        ROW("<plist/>", "without a value", CAUSE_FORMAT),
        ROW("<plist><true/>", "the file ends inside <plist>", CAUSE_FORMAT),
        ROW("<plist", "ends inside a tag", CAUSE_FORMAT),
        ROW("<?xml version='1.0' encoding='ISO-8859-1'?><plist><true/></plist>", "ISO-8859-1", CAUSE_FORMAT),
        ROW("<!DOCTYPE plist [<!ENTITY a 'b'>]><plist><string>&a;</string></plist>", "of its own",
            CAUSE_FORMAT),
        ROW("<?xml version=\"1.0?><plist><true/></plist>", "malformed XML declaration", CAUSE_FORMAT),
        ROW("<!DOCTYPE svg><plist><true/></plist>", "DOCTYPE", CAUSE_FORMAT),
        ROW("bplist00", "cut short", CAUSE_FORMAT),
        ROW("bplist15xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "unknown version", CAUSE_FORMAT),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = refusal(rows[i].text, rows[i].n);
        if (!strstr(e.text, rows[i].says) || e.cause != rows[i].cause)
            fail_msg("row %zu: %s", i, e.text);
    }
}

static char *nested(size_t depth)
{
    struct buf b;
    buf_init(&b, LIMIT_PLIST);
    bool ok = buf_printf(&b, HEAD);
    for (size_t i = 0; i < depth; i++)
        ok = ok && buf_printf(&b, "<array>");
    for (size_t i = 0; i < depth; i++)
        ok = ok && buf_printf(&b, "</array>");
    assert_true(ok && buf_printf(&b, TAIL));
    char *text = arena_strdup(arena, buf_str(&b));
    buf_release(&b);
    return text;
}

static void refuses_depth(void **state)
{
    (void)state;
    char *text = nested(LIMIT_PLIST_DEPTH);
    assert_non_null(strstr(encode(decode(text, strlen(text))), "\t<array/>\n"));
    text = nested(LIMIT_PLIST_DEPTH + 1);
    assert_int_equal(refusal(text, strlen(text)).kind, ERR_LIMIT);
    text = nested(200000);
    assert_int_equal(refusal(text, strlen(text)).kind, ERR_LIMIT);
}

static void refuses_duplicates(void **state)
{
    (void)state;
    const char *text = HEAD "<dict>\n<key>a&#38;</key><true/>\n<key>a&amp;</key><true/></dict>" TAIL;
    assert_string_equal(refusal(text, strlen(text)).text,
                        "line 4: the dictionary that begins here has the key a& twice");

    struct buf b; /* more keys than are searched one by one; the first one again as the last */
    buf_init(&b, LIMIT_PLIST);
    bool ok = buf_printf(&b, HEAD "<dict>");
    for (int i = 0; i < 20000; i++)
        ok = ok && buf_printf(&b, "<key>key %d</key><integer>%d</integer>", i, i);
    size_t len = b.len;
    assert_true(ok && buf_printf(&b, "</dict>" TAIL));
    const struct value *v = decode(b.data, b.len);
    for (int i = 0; i < 20000; i += 7)
        assert_int_equal(props_int(v, arena_printf(arena, "key %d", i), -1), i);
    assert_null(value_get(v, "key 20000"));
    assert_true(value_equal(v, value_copy(arena, v)));
    b.len = len;
    assert_true(buf_printf(&b, "<key>key 0</key><true/></dict>" TAIL));
    assert_non_null(strstr(refusal(b.data, b.len).text, "key 0 twice"));
    buf_release(&b);
}

static void refuses_size(void **state)
{
    (void)state;
    size_t n = LIMIT_PLIST + 1;
    char *text = arena_alloc(arena, n);
    memset(text, ' ', n);
    assert_int_equal(refusal(text, n).kind, ERR_LIMIT);
    n = LIMIT_PLIST / 7 * 7; /* more values than one file may have */
    for (size_t i = 0; i < n; i += 7)
        memcpy(text + i, i == 0 ? "<plist>" : i == 7 ? "<array>" : "<true/>", 7);
    assert_int_equal(refusal(text, n).kind, ERR_LIMIT);
}

/* ---- binary ------------------------------------------------------------------------------------------ */

/* Objects given as bytes; every offset one byte, every reference one byte, the first object on top. */
static const struct value *binary(const unsigned char *const objects[], const size_t sizes[], size_t count,
                                  struct err *e)
{
    unsigned char file[512] = "bplist00";
    size_t at = 8;
    unsigned char offsets[80];
    for (size_t i = 0; i < count; i++) {
        offsets[i] = (unsigned char)at;
        memcpy(file + at, objects[i], sizes[i]);
        at += sizes[i];
    }
    size_t table = at;
    memcpy(file + at, offsets, count);
    at += count;
    unsigned char trailer[32] = {[6] = 1, [7] = 1, [15] = (unsigned char)count, [31] = (unsigned char)table};
    memcpy(file + at, trailer, sizeof trailer);
    return props_decode(arena, file, at + sizeof trailer, e);
}

static const struct value *one(const char *bytes, size_t n, struct err *e)
{
    const unsigned char *object = (const unsigned char *)bytes;
    return binary(&object, &n, 1, e);
}

#define ONE(bytes) one(bytes, sizeof(bytes) - 1, &e)

static void reads_binary_numbers(void **state)
{
    struct err e = {0};
    int64_t n = 0;
    double real = 0;
    time_t date = 0;
    (void)state;
    assert_true(value_int(ONE("\x10\xff"), &n) && n == 255);
    assert_true(value_int(ONE("\x11\xff\xff"), &n) && n == 65535);
    assert_true(value_int(ONE("\x12\xff\xff\xff\xff"), &n) && n == 0xffffffff);
    assert_true(value_int(ONE("\x13\xff\xff\xff\xff\xff\xff\xff\xfe"), &n) && n == -2);
    assert_true(value_int(ONE("\x13\x80\0\0\0\0\0\0\0"), &n) && n == INT64_MIN);
    assert_true(value_int(ONE("\x14\0\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0"), &n) && n == INT64_MAX);
    assert_true(value_real(ONE("\x22\x3f\x80\0\0"), &real) && real > 0.99 && real < 1.01);
    assert_true(value_real(ONE("\x23\xbf\xf0\0\0\0\0\0\0"), &real) && real < -0.99 && real > -1.01);
    assert_true(value_date(ONE("\x33\0\0\0\0\0\0\0\0"), &date) && date == 978307200);
    assert_true(value_date(ONE("\x33\xbf\xe0\0\0\0\0\0\0"), &date) && date == 978307199); /* half a second */
    assert_string_equal(value_str(ONE("\x62\xd8\x3d\xde\0")), "\xf0\x9f\x98\x80");
    assert_string_equal(value_str(ONE("\x5f\x10\x10"
                                      "0123456789abcdef")),
                        "0123456789abcdef");
    assert_string_equal(value_str(ONE("\x50")), "");
}

static void refuses_binary_objects(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
#define ROW(bytes) {bytes, sizeof(bytes) - 1}
        ROW("\x00"),                                 /* null */
        ROW("\x0f"),                                 /* fill */
        ROW("\x13\0"),                               /* cut */
        ROW("\x14\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0"), /* 2^64 */
        ROW("\x15\0"),                               /* 32 bytes */
        ROW("\x21\0\0"),                             /* a real of two bytes */
        ROW("\x22\x7f\x80\0\0"),                     /* infinity */
        ROW("\x23\x7f\xf8\0\0\0\0\0\0"),             /* not a number */
        ROW("\x33\x7f\xf8\0\0\0\0\0\0"),             /* a date that is none */
        ROW("\x33\x7e\xf8\0\0\0\0\0\0"),             /* a date far away */
        ROW("\x52"
            "a"), /* cut */
        ROW("\x52"
            "a\0"),                                      /* NUL */
        ROW("\x51\xe9"),                                 /* not ASCII */
        ROW("\x61\xd8\x3d"),                             /* half a pair */
        ROW("\x61\xde\0"),                               /* the other half */
        ROW("\x61\0\0"),                                 /* NUL */
        ROW("\x5f\x13\xff\xff\xff\xff\xff\xff\xff\xff"), /* length */
        ROW("\x5f\x51"
            "a"),        /* length that is no integer */
        ROW("\x4f"),     /* length that is missing */
        ROW("\x80\0"),   /* UID */
        ROW("\xc0"),     /* set */
        ROW("\xa1\0"),   /* contains itself */
        ROW("\xa1\1"),   /* no such object */
        ROW("\xa2\0"),   /* cut */
        ROW("\xd1\0\0"), /* its own key */
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        if (one(rows[i].bytes, rows[i].n, &e))
            fail_msg("row %zu is accepted", i);
        assert_int_equal(e.kind, ERR_FORMAT);
        assert_memory_equal(e.text, "object ", 7);
    }
}

static void refuses_binary_bombs(void **state)
{
    unsigned char level[30][3];
    const unsigned char *objects[30];
    size_t sizes[30];
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < 30; i++) {
        level[i][0] = i < 29 ? 0xa2 : 0x09;
        level[i][1] = level[i][2] = (unsigned char)(i + 1);
        objects[i] = level[i];
        sizes[i] = i < 29 ? 3 : 1;
    }
    assert_null(binary(objects, sizes, 30, &e)); /* 2^29 values in 90 bytes */
    assert_int_equal(e.kind, ERR_LIMIT);

    const unsigned char key[] = "\x51k", no[] = "\x08", yes[] = "\x09", twice[] = "\xd2\1\1\2\3";
    const unsigned char *dict[] = {twice, key, no, yes};
    const size_t dict_sizes[] = {5, 2, 1, 1};
    assert_null(binary(dict, dict_sizes, 4, &e)); /* a key twice */
    assert_non_null(strstr(e.text, "the key k twice"));
    assert_int_equal(e.kind, ERR_FORMAT);
}

static void binary_depth_and_sharing(void **state)
{
    unsigned char level[LIMIT_PLIST_DEPTH + 1][2];
    const unsigned char *objects[LIMIT_PLIST_DEPTH + 1];
    size_t sizes[LIMIT_PLIST_DEPTH + 1];
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i <= LIMIT_PLIST_DEPTH; i++) {
        level[i][0] = 0xa1;
        level[i][1] = (unsigned char)(i + 1);
        objects[i] = level[i];
        sizes[i] = 2;
    }
    level[LIMIT_PLIST_DEPTH - 1][0] = 0xa0; /* as deep as may be */
    sizes[LIMIT_PLIST_DEPTH - 1] = 1;
    assert_non_null(binary(objects, sizes, LIMIT_PLIST_DEPTH, &e));
    level[LIMIT_PLIST_DEPTH - 1][0] = 0xa1;
    sizes[LIMIT_PLIST_DEPTH - 1] = 2;
    level[LIMIT_PLIST_DEPTH][0] = 0xa0;
    sizes[LIMIT_PLIST_DEPTH] = 1;
    assert_null(binary(objects, sizes, LIMIT_PLIST_DEPTH + 1, &e));
    assert_int_equal(e.kind, ERR_LIMIT);

    const unsigned char *shared[] = {(const unsigned char *)"\xa2\1\1", (const unsigned char *)"\x51s"};
    const size_t shared_sizes[] = {3, 2};
    const struct value *v = binary(shared, shared_sizes, 2, &e); /* as every writer shares equal strings */
    assert_int_equal(value_count(v), 2);
    assert_string_equal(value_str(value_at(v, 1)), "s");
}

static void far_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t is;
    } rows[] = {{"1900-01-01T00:00:00Z", -2208988800},
                {"1969-12-31T23:59:59Z", -1},
                {"2068-01-01T00:00:00Z", 3092601600},
                {"2100-02-28T23:59:59Z", 4107542399},
                {"9999-12-31T23:59:59Z", 253402300799}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        time_t date = 0;
        const struct value *v = decode_body(arena_printf(arena, "<date>%s</date>", rows[i].text));
        assert_true(value_date(v, &date) && date == rows[i].is);
        assert_non_null(strstr(encode(v), rows[i].text));
        struct buf b;
        struct err e = {0};
        buf_init(&b, LIMIT_MB);
        if (props_encode_binary(v, &b, &e))
            assert_true(value_equal(decode(b.data, b.len), v));
        else /* never another date */
            assert_string_equal(e.text, "a date outside the years 1933 to 2068");
        buf_release(&b);
    }
}

static void refuses_binary_trailers(void **state)
{
    struct buf b;
    struct err e = {0};
    (void)state;
    buf_init(&b, LIMIT_MB);
    assert_true(props_encode_binary(value_new_str(arena, "abc"), &b, &e));
    assert_string_equal(value_str(decode(b.data, b.len)), "abc");
    for (size_t i = 0; i < b.len; i++) { /* every byte changed, and every length */
        char *copy = malloc(b.len);
        assert_non_null(copy);
        memcpy(copy, b.data, b.len);
        copy[i] = (char)(copy[i] ^ 0x81);
        (void)props_decode(arena, copy, b.len, &e);
        free(copy);
        (void)refusal(b.data, i);
    }
    buf_release(&b);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static void writes_as_apple(void **state)
{
    (void)state;
    struct value *root = value_new_dict(arena), *list = value_new_array(arena),
                 *inner = value_new_dict(arena);
    unsigned char bytes[60];
    memset(bytes, 0, sizeof bytes);
    value_set(arena, root, "b", value_new_str(arena, "a & <b> \"c\" '\xc3\xa9'"));
    value_set(arena, root, "a", value_new_bool(arena, true));
    value_set(arena, root, "B", value_new_bool(arena, false));
    value_set(arena, root, "int", value_new_int(arena, INT64_MIN));
    value_set(arena, root, "date", value_new_date(arena, 1393632000));
    value_set(arena, root, "empty", value_new_array(arena));
    value_set(arena, root, "emptier", value_new_dict(arena));
    value_set(arena, root, "absent", NULL);
    value_set(arena, root, "list", list);
    value_append(arena, list, value_new_real(arena, 0.1));
    value_append(arena, list, value_new_real(arena, 3));
    value_append(arena, list, value_new_real(arena, 1.0 / 3));
    value_append(arena, list, value_new_str(arena, ""));
    value_append(arena, list, value_new_str(arena, NULL));
    value_append(arena, list, inner);
    value_set(arena, inner, "data", value_new_data(arena, bytes, sizeof bytes));
    value_set(arena, inner, "none", value_new_data(arena, NULL, 0));
    assert_string_equal(encode(root),
                        HEAD "<dict>\n"
                             "\t<key>B</key>\n\t<false/>\n"
                             "\t<key>a</key>\n\t<true/>\n"
                             "\t<key>b</key>\n\t<string>a &amp; &lt;b&gt; \"c\" '\xc3\xa9'</string>\n"
                             "\t<key>date</key>\n\t<date>2014-03-01T00:00:00Z</date>\n"
                             "\t<key>emptier</key>\n\t<dict/>\n"
                             "\t<key>empty</key>\n\t<array/>\n"
                             "\t<key>int</key>\n\t<integer>-9223372036854775808</integer>\n"
                             "\t<key>list</key>\n\t<array>\n"
                             "\t\t<real>0.1</real>\n\t\t<real>3</real>\n\t\t<real>0.3333333333333333</real>\n"
                             "\t\t<string></string>\n"
                             "\t\t<dict>\n"
                             "\t\t\t<key>data</key>\n\t\t\t<data>\n"
                             "\t\t\tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                             "\t\t\tAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\t\t\t</data>\n"
                             "\t\t\t<key>none</key>\n\t\t\t<data>\n\t\t\t</data>\n"
                             "\t\t</dict>\n\t</array>\n</dict>\n" TAIL);
    assert_true(value_equal(root, decode(encode(root), strlen(encode(root)))));

    struct buf b;
    struct err e = {0};
    buf_init(&b, LIMIT_MB);
    assert_true(props_encode_binary(root, &b, &e));
    assert_memory_equal(b.data, "bplist00", 8);
    assert_true(value_equal(root, decode(b.data, b.len)));
    buf_release(&b);
}

static void writing_fails(void **state)
{
    struct buf b;
    struct err e = {0};
    (void)state;
    buf_init(&b, 400);
    assert_false(props_encode(value_new_real(arena, HUGE_VAL), &b, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    buf_clear(&b);
    assert_false(props_encode(value_new_data(arena, arena_alloc(arena, 300), 300), &b, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i < 2; i++) { /* text as long as may be, and a byte longer; both longer than any piece */
        const size_t around = sizeof HEAD + sizeof TAIL - 2 + sizeof "<string></string>\n" - 1, n = 20000;
        char *text = arena_alloc(arena, n + 1);
        memset(text, 'x', n);
        buf_release(&b);
        buf_init(&b, n + around - (size_t)i);
        assert_int_equal(props_encode(value_new_str(arena, text), &b, &e), i == 0);
        assert_true(i == 1 || b.len == n + around);
    }
    buf_release(&b);
    buf_init(&b, 400);
    struct value *deep = value_new_array(arena);
    for (int i = 0; i < LIMIT_PLIST_DEPTH; i++) {
        struct value *outer = value_new_array(arena);
        value_append(arena, outer, deep);
        deep = outer;
    }
    assert_false(props_encode_binary(deep, &b, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_false(props_encode_binary(value_new_date(arena, -2000000000000), &b, &e));
    buf_release(&b);
    assert_non_null(
        strstr(encode(value_new_str(arena, "a\xff\xc3\xa9\xc3")), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd<"));
}

/* ---- the tree ---------------------------------------------------------------------------------------- */

static void typed_members(void **state)
{
    (void)state;
    const struct value *v = decode_body(
        "<dict><key>s</key><string>1</string><key>i</key><integer>1</integer><key>r</key><real>2.0</real>"
        "<key>half</key><real>0.5</real><key>t</key><true/><key>two</key><integer>2</integer>"
        "<key>names</key><array><string>a</string><string>b</string></array>"
        "<key>mixed</key><array><string>a</string><integer>1</integer></array>"
        "<key>dicts</key><array><dict/></array><key>none</key><array/></dict>");
    double real;
    assert_null(props_str(v, "i"));
    assert_null(props_str(v, "missing"));
    assert_null(props_str(NULL, "s"));
    assert_null(props_str(value_get(v, "s"), "s"));
    assert_true(props_bool(v, "i", false));
    assert_true(props_bool(v, "two", true));
    assert_false(props_bool(v, "two", false));
    assert_false(props_bool(v, "s", false));
    assert_int_equal(props_int(v, "r", 9), 2);
    assert_int_equal(props_int(v, "half", 9), 9);
    assert_int_equal(props_int(v, "t", 9), 1);
    assert_int_equal(props_int(v, "s", 9), 9);
    assert_false(value_real(value_get(v, "t"), &real));
    assert_int_equal(value_count(props_strings(v, "names")), 2);
    assert_true(value_has_str(props_strings(v, "names"), "b"));
    assert_false(value_has_str(props_strings(v, "names"), "c"));
    assert_null(props_strings(v, "mixed"));
    assert_non_null(props_array(v, "mixed"));
    assert_null(props_strings(v, "dicts"));
    assert_non_null(props_dicts(v, "dicts"));
    assert_null(props_dicts(v, "names"));
    assert_non_null(props_strings(v, "none"));
    assert_null(props_dict(v, "names"));
    assert_null(value_at(props_strings(v, "names"), 2));
    assert_null(value_data(v, &(size_t){0}));
    assert_int_equal(value_count(NULL), 0);
    assert_null(value_at(NULL, 0));
    assert_null(value_get(NULL, "a"));
}

static void builds(void **state)
{
    (void)state;
    struct value *dict = value_new_dict(arena), *list = value_new_array(arena);
    char key[16] = "k";
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        value_set(arena, dict, key, value_new_int(arena, i));
        value_append(arena, list, value_new_int(arena, i));
    }
    value_set(arena, dict, "k50", value_new_str(arena, "again"));
    assert_int_equal(value_count(dict), 100);
    assert_string_equal(props_str(dict, "k50"), "again");
    struct value *copy = value_copy(arena, dict);
    value_unset(copy, "k0");
    value_unset(copy, "k99");
    value_unset(copy, "k100");
    value_set(arena, copy, "k1", value_new_bool(arena, true));
    assert_int_equal(value_count(copy), 98);
    assert_string_equal(value_key(copy, 0), "k1");
    assert_int_equal(value_count(dict), 100);
    assert_int_equal(props_int(dict, "k0", -1), 0);
    assert_int_equal(props_int(copy, "k98", -1), 98);
    assert_false(value_equal(copy, dict));
    struct value *list2 = value_copy(arena, list);
    assert_true(value_equal(list, list2));
    value_append(arena, list2, value_new_str(arena, "x"));
    assert_int_equal(value_count(list), 100);
    assert_false(value_equal(list, list2));
    assert_false(value_equal(value_new_int(arena, 1), value_new_bool(arena, true)));
    assert_true(value_equal(NULL, NULL));
    assert_false(value_equal(dict, NULL));
    assert_null(value_copy(arena, NULL));

    struct value *one_way = value_new_dict(arena), *other_way = value_new_dict(arena);
    value_set(arena, one_way, "a", value_new_int(arena, 1));
    value_set(arena, one_way, "b", value_new_int(arena, 2));
    value_set(arena, other_way, "b", value_new_int(arena, 2));
    value_set(arena, other_way, "a", value_new_int(arena, 1));
    assert_true(value_equal(one_way, other_way));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(reads_every_type),
                                       TEST(reads_integers),
                                       TEST(accepts_what_apple_accepts),
                                       TEST(refuses_bodies),
                                       TEST(refuses_files),
                                       TEST(refuses_depth),
                                       TEST(refuses_duplicates),
                                       TEST(refuses_size),
                                       TEST(reads_binary_numbers),
                                       TEST(refuses_binary_objects),
                                       TEST(refuses_binary_bombs),
                                       TEST(binary_depth_and_sharing),
                                       TEST(far_dates),
                                       TEST(refuses_binary_trailers),
                                       TEST(writes_as_apple),
                                       TEST(writing_fails),
                                       TEST(typed_members),
                                       TEST(builds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
