/* Any text as a condition about one canned Mac: an answer, or a refusal with a sentence; asked again the
 * same, with NOT before it the opposite. Every text is tried as a pattern and with wildcards too. */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/pattern.h"
#include "manifests/predicate.h"
#include <stdlib.h>
#include <string.h>

#define NOW 1764979200 /* 2025-12-06T00:00:00Z */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char mac[] =
    "<plist><dict>"
    "<key>hostname</key><string>FrontDesk</string><key>arch</key><string>arm64</string>"
    "<key>os_vers</key><string>15.4.1</string><key>os_vers_major</key><integer>15</integer>"
    "<key>os_build_last_component</key><string>263</string><key>owner</key><string>Jos&#233;</string>"
    "<key>is_lab</key><true/><key>ratio</key><real>1.5</real><key>site</key><string/>"
    "<key>date</key><date>2025-12-06T01:00:00Z</date><key>icon</key><data>AAEC</data>"
    "<key>numbers</key><array><integer>3</integer><real>-0.5</real><integer>-9223372036854775808</integer>"
    "<integer>9223372036854775807</integer></array><key>empty</key><array/>"
    "<key>catalogs</key><array><string>testing</string><string>production</string></array>"
    "<key>ipv4_address</key><array><string>10.20.30.40</string><string>172.16.4.9</string></array>"
    "<key>applications</key><array>"
    "<dict><key>name</key><string>Viewer</string><key>bundleid</key><string>com.example.viewer</string>"
    "<key>path</key><string>/Applications/Viewer.app</string><key>version</key><string>3.2</string></dict>"
    "<dict><key>name</key><string>Editor</string><key>path</key><string>/Applications/Editor.app</string></"
    "dict>"
    "</array></dict></plist>";

/* 1, 0, or -1 with why. */
static int answer(const char *text, const struct value *facts, struct err *why)
{
    bool result = false;
    *why = (struct err){0};
    if (predicate_eval(text, facts, NOW, &result, why))
        return result;
    if ((why->kind != ERR_FORMAT && why->kind != ERR_LIMIT) || !why->text[0] ||
        !text_utf8_valid(why->text, strlen(why->text)))
        abort();
    return -1;
}

static void as_pattern(struct arena *a, const char *text)
{
    bool matched = false;
    struct err e = {0};
    for (int caseless = 0; caseless < 2; caseless++) {
        size_t work = 100000;
        if (!pattern_match(text, "Mac14,9 \xc3\x89", caseless, &work, &matched, &e) && !e.text[0])
            abort();
    }
    size_t work = 100000;
    if (!text_utf8_valid(text, strlen(text)) || strpbrk(text, "*?\\") || strlen(text) > 1000)
        return;
    if (!pattern_like(text, text, &work, &matched, &e) || !matched ||
        !pattern_like(arena_printf(a, "*%s*", text), text, &work, &matched, &e) || !matched ||
        !pattern_match(arena_printf(a, "\\Q%s", text), text, false, &work, &matched, &e) || !matched)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *kept;
    static const struct value *facts;
    struct arena *a = arena_open();
    struct err e, again;
    if (!kept) {
        kept = arena_open();
        facts = props_decode(kept, mac, sizeof mac - 1, &e);
    }
    const char *text = arena_strndup(a, size ? (const char *)data : "", size);
    int is = facts ? answer(text, facts, &e) : 0;
    if (!facts || answer(text, facts, &again) != is || strcmp(e.text, again.text) != 0)
        abort();
    /* One level deeper it may be too deep, or too long. (What is refused alone may be right in parentheses:
     * "a) == 1 AND (b != 2".) */
    int opposite = answer(arena_printf(a, "NOT (%s)", text), facts, &again);
    if (is >= 0 && opposite != !is && again.kind != ERR_LIMIT)
        abort();
    size_t named;
    const struct predicate_fact *f = predicate_facts(a, text, facts, &named);
    for (size_t i = 0; i < named; i++)
        if (!f[i].name[0] || (i > 0 && strcmp(f[i].name, f[i - 1].name) == 0))
            abort();
    as_pattern(a, text);
    arena_free(a);
    return 0;
}
