#include "core/limits.h"
#include "manifests/plain.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct value *plain(struct arena *a, const char *text)
{
    return plain_value(a, arena_strdup(a, text), strlen(text));
}

static void reads_what_props_reads(void **state)
{
    static const char text[] =
        "<dict>\n\t<key>a &lt;&amp;&gt;&quot;&apos; b</key>\r\n <string>x &amp;&amp; y\n\xc3\xa9</string>"
        "<key>i</key><integer>000000000000000012</integer><key>t</key><true/><key>f</key><false/>"
        "<key>empty</key><array><dict/><dict></dict><array/><array> "
        "</array><string/><string></string></array>"
        "<key>many</key><dict><key>1</key><true/><key>2</key><true/><key>3</key><true/><key>4</key><true/>"
        "<key>5</key><true/><key>6</key><true/><key>7</key><true/><key>8</key><true/><key>9</key><true/>"
        "<key>10</key><true/><key>11</key><true/><key>12</key><true/><key>13</key><true/><key>14</key><true/>"
        "<key>15</key><true/><key>16</key><true/><key>17</key><string>found</string></dict>\n</dict>";
    struct arena *a = arena_open();
    struct err e;
    char *whole = arena_printf(a, "<plist>%s</plist>", text);
    (void)state;
    const struct value *v = plain(a, text);
    assert_non_null(v);
    assert_true(value_equal(v, props_decode(a, whole, strlen(whole), &e)));
    assert_string_equal(props_str(v, "a <&>\"' b"), "x && y\n\xc3\xa9");
    assert_int_equal(props_int(v, "i", 0), 12);
    assert_string_equal(props_str(value_get(v, "many"), "17"), "found");
    arena_free(a);
}

static void leaves_the_unusual_to_others(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "<string>a",
        "<string>a</string",
        "<string>a&#98;c</string>",
        "<string>a&am</string>",
        "<string><![CDATA[a]]></string>",
        "<string>a<!-- b --></string>",
        "<string >a</string>",
        "<string>a</string> ",
        "<string>a</array>",
        "<integer>-1</integer>",
        "<integer> 1</integer>",
        "<integer>0x1</integer>",
        "<integer></integer>",
        "<integer>1234567890123456789</integer>",
        "<real>1.5</real>",
        "<date>2026-01-31T23:59:59Z</date>",
        "<data>AAAA</data>",
        "<true></true>",
        "<array>",
        "<array><true/>",
        "<array>x</array>",
        "<array><!-- --></array>",
        "<dict><key>a</key></dict>",
        "<dict><key>a</key><true/>",
        "<dict><true/></dict>",
        "<dict><key>a</key><true/><key>a</key><true/></dict>",
    };
    struct arena *a = arena_open();
    char deep[(LIMIT_PLIST_DEPTH + 1) * 15 + 1] = "";
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (plain(a, texts[i]))
            fail_msg("%s", texts[i]);
    for (size_t i = 0; i < LIMIT_PLIST_DEPTH + 1; i++) {
        memcpy(deep + 7 * i, "<array>", 7);
        memcpy(deep + 7 * (LIMIT_PLIST_DEPTH + 1) + 8 * i, "</array>", 8);
    }
    assert_null(plain_value(a, deep, sizeof deep - 1));
    assert_non_null(plain_value(a, deep + 7, sizeof deep - 1 - 15));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_props_reads),
        cmocka_unit_test(leaves_the_unusual_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
