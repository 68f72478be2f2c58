/* image_listing: what tools say of a disk image, whose names are the image's own words: read without rights,
 * and believed only where it makes sense. */
#include "installer/image_listing.h"
#include "liar.h"
#include "uncaged.h"

enum { LINK = WORKER_TYPES, COMPLAINT, HFS, MOUNT };

/* --- the worker's side -----------------------------------------------------------------------------------
 */

/* The records that this text makes it send, as one line, until the next call. */
static const char *told(const char *text, bool *ok)
{
    struct buf request;
    struct worker_fields f;
    static struct buf out;
    buf_release(&out);
    buf_init(&out, 4 * LIMIT_MB);
    buf_init(&request, WORKER_REQUEST_MAX);
    assert_true(buf_printf(&request, "%s", text));
    *ok = uncaged_work(image_listing_work, &request, NULL, 0);
    buf_release(&request);
    for (unsigned type; (type = uncaged_next(&f)) != 0;) {
        const char *one = type == HFS ? "" : worker_text(&f, LIMIT_PATH);
        const char *two = type == LINK ? worker_text(&f, LIMIT_PATH) : "";
        assert_true(worker_end(&f));
        assert_true(buf_printf(&out, "(%u %s%s%s)", type - LINK, one, type == LINK ? ">" : "", two));
    }
    return buf_str(&out);
}

#define IGNORED "ERROR: Dangerous link path was ignored : "

static void lines_of_seven_zip(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"7", ""},
        {"7O\nO7-Zip 22\nOType = HFS\n", "(2 )"},
        {"7OType = APFS\n", ""},
        {"7E" IGNORED "X.app/up : ../../Y\n", "(0 X.app/up>../../Y)"},
        {"7E" IGNORED "a : b : c\n", "(0 a : b>c)"}, /* the last colon parts them */
        {"7E" IGNORED "nothing more\n", "(1 " IGNORED "nothing more)"},
        {"7EERROR: one\nEERROR: two\n", "(1 ERROR: one)"}, /* the first complaint is enough */
        {"7OERROR: one\n", "(1 ERROR: one)"},
        {"7O\nE\nEwarning", "(1 warning)"}, /* without its newline */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool ok;
        const char *got = told(rows[i].text, &ok);
        if (!ok || strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: %s", i, got);
    }
    /* a complaint of a megabyte is none that anybody reads; links are counted */
    bool ok;
    char *much = arena_alloc(memory, LIMIT_MB);
    memset(much, 'x', LIMIT_MB);
    memcpy(much, "7E", 2);
    much[LIMIT_MB - 1] = '\0';
    assert_string_equal(told(much, &ok), "(1 )");
    struct buf b;
    buf_init(&b, 4 * LIMIT_MB);
    assert_true(buf_printf(&b, "7"));
    for (int i = 0; i < 10002; i++)
        assert_true(buf_printf(&b, "E" IGNORED "a : b\n"));
    const char *all = told(buf_str(&b), &ok);
    size_t links = 0;
    for (const char *p = all; (p = strstr(p, "(0 a>b)")) != NULL; p++)
        links++;
    assert_int_equal(links, 10000);
    assert_non_null(strstr(all, "(1 ERROR: Dangerous"));
    buf_release(&b);
}

#define ENTITIES(inside)                                                                                     \
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>system-entities</key><array>" inside           \
    "</array></dict></plist>"

static void what_hdiutil_says(void **state)
{
    (void)state;
    static const char two[] = "h" ENTITIES("<dict><key>dev-entry</key><string>/dev/disk4</string></dict>"
                                           "<dict><key>mount-point</key><string>/Volumes/A</string></dict>"
                                           "<dict><key>mount-point</key><string>/Volumes/B</string></dict>");
    bool ok;
    assert_string_equal(told(two, &ok), "(3 /Volumes/A)");
    assert_true(ok);
    assert_string_equal(told("h" ENTITIES("<dict/>"), &ok), "");
    assert_true(!ok && e.kind == ERR_FORMAT && strstr(e.text, "no volume that can be mounted") != NULL);
    assert_string_equal(told("hhdiutil: attach failed", &ok), "");
    assert_true(!ok && text_starts(e.text, "hdiutil"));
    assert_string_equal(told("?", &ok), "");
    assert_true(!ok && e.kind == ERR_INTERNAL);
    /* caged, and asked as the installer asks */
    struct buf text;
    buf_init(&text, LIMIT_MB);
    assert_true(buf_printf(&text, "%s", two + 1));
    assert_string_equal(image_listing_mount(volume_loop, memory, &text, &e), "/Volumes/A");
    buf_clear(&text);
    assert_true(buf_printf(&text, "OType = HFS\nE" IGNORED "a : b\nEoh\n"));
    struct image_listing l;
    assert_true(image_listing_seven(volume_loop, memory, &text, &l, &e));
    assert_true(l.hfs && l.link_count == 1 && l.links->next == NULL);
    assert_string_equal(l.links->target, "b");
    assert_string_equal(l.error, "oh");
    buf_release(&text);
}

/* --- the side that asks ----------------------------------------------------------------------------------
 */

static void nothing(void)
{
}

static void relative(void)
{
    liar_say(MOUNT, "t", "Volumes/A");
}

static void two_mounts(void)
{
    liar_say(MOUNT, "t", "/Volumes/A");
    liar_say(MOUNT, "t", "/");
}

static void a_link(void)
{
    liar_say(LINK, "tt", "a", "b");
}

static void half_a_link(void)
{
    liar_say(LINK, "t", "a");
}

static void no_target(void)
{
    liar_say(LINK, "tt", "a", "");
}

static void a_complaint(void)
{
    liar_say(COMPLAINT, "t", "oh");
}

static void two_complaints(void)
{
    a_complaint();
    a_complaint();
}

static void long_complaint(void)
{
    char text[300];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    liar_say(COMPLAINT, "t", text);
}

static void a_kind(void)
{
    liar_say(HFS, "");
}

static void more_of_a_kind(void)
{
    liar_say(HFS, "i", 1ull);
}

static void a_mount(void)
{
    liar_say(MOUNT, "t", "/Volumes/A");
}

static void other_record(void)
{
    liar_say(MOUNT + 1, "");
}

static void many_links(void)
{
    for (int i = 0; i <= 10000; i++)
        a_link();
}

static const struct {
    void (*say)(void);
    const char *mount, *seven; /* why not, when one or the other was asked; NULL: it is believed */
} lies[] = {
#define NONSENSE "makes no sense"
    {nothing, "found no mount point and did not say so", NULL},
    {relative, NONSENSE, NONSENSE},
    {two_mounts, NONSENSE, NONSENSE},
    {a_mount, NULL, NONSENSE},
    {a_link, NONSENSE, NULL},
    {half_a_link, NONSENSE, NONSENSE},
    {no_target, NONSENSE, NONSENSE},
    {many_links, NONSENSE, NONSENSE},
    {a_complaint, NONSENSE, NULL},
    {two_complaints, NONSENSE, NONSENSE},
    {long_complaint, NONSENSE, NONSENSE},
    {a_kind, NONSENSE, NULL},
    {more_of_a_kind, NONSENSE, NONSENSE},
    {other_record, NONSENSE, NONSENSE},
};

static void check(size_t row, bool ok, const char *why)
{
    if (ok != (why == NULL) || (!ok && (e.kind != ERR_INTERNAL || strstr(e.text, why) == NULL)))
        fail_msg("row %zu: %s", row, ok ? "believed" : e.text);
}

static void odd_answers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct buf text;
        struct image_listing l;
        buf_init(&text, LIMIT_KB);
        assert_true(buf_printf(&text, "!%zu", i));
        check(i, image_listing_mount(volume_loop, memory, &text, &e) != NULL, lies[i].mount);
        check(i, image_listing_seven(volume_loop, memory, &text, &l, &e), lies[i].seven);
        buf_release(&text);
    }
}

/* What it is asked comes on standard input, which can be read but once: behind a '!' is the number of a lie.
 */
static int be_worker(const char *task)
{
    struct buf asked;
    buf_init(&asked, LIMIT_MB);
    if (!files_read_fd(STDIN_FILENO, &asked, &e))
        return 9;
    const char *text = buf_str(&asked);
    bool lies_to_be_told = *text != '\0' && text[1] == '!';
    size_t row = lies_to_be_told ? strtoul(text + 2, NULL, 10) : 0;
    int again = package_file(text, asked.len);
    buf_release(&asked);
    if (lies_to_be_told) {
        lies[row].say();
        return liar_done();
    }
    if (lseek(again, 0, SEEK_SET) != 0 || dup2(again, STDIN_FILENO) != STDIN_FILENO)
        return 9;
    close(again);
    return worker_main(task);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_seven_zip),
        cmocka_unit_test(what_hdiutil_says),
        cmocka_unit_test(odd_answers_are_refused),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return be_worker(argv[2]);
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
