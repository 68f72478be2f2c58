/* profile_worker: what a profile says comes out of a worker whole, and what is none is refused on both
 * sides. */
#include "installer/profile.h"
#include "liar.h"
#include "uncaged.h"

enum { PROFILE = WORKER_TYPES, PAYLOAD };

#define KEY(k, v)  "<key>" k "</key><string>" v "</string>"
#define PART(type) "<dict>" KEY("PayloadType", type) KEY("PayloadUUID", "U" type) "</dict>"
#define WHOLE(description, parts)                                                                            \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict>" KEY(                           \
        "PayloadType", "Configuration") KEY("PayloadIdentifier", "com.example.p")                            \
        KEY("PayloadUUID", "UUID-1") KEY("PayloadDescription", description)                                  \
            KEY("PayloadDisplayName", "A profile") "<key>PayloadVersion</key><integer>3</integer>"           \
                                                   "<key>PayloadRemovalDisallowed</key><true/>"              \
                                                   "<key>PayloadContent</key><array>" parts                  \
                                                   "</array></dict></plist>"

static int file(const char *text)
{
    return package_file(text, strlen(text));
}

/* --- the worker's side -----------------------------------------------------------------------------------
 */

static unsigned uncaged(const char *text, bool *ok)
{
    struct buf none;
    struct worker_fields f;
    unsigned n = 0;
    buf_init(&none, 0);
    int fd = file(text);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    *ok = uncaged_work(profile_work, &none, &fd, 1);
    close(fd);
    for (unsigned type; (type = uncaged_next(&f)) != 0; n++)
        assert_int_equal(type, n == 0 ? PROFILE : PAYLOAD);
    return n;
}

static void a_profile_is_told(void **state)
{
    (void)state;
    bool ok;
    const char *text = WHOLE("Two\nlines", PART("a") PART("b"));
    assert_int_equal(uncaged(text, &ok), 3);
    assert_true(ok);
    /* what is none says nothing */
    assert_int_equal(uncaged("<plist", &ok), 0);
    assert_true(!ok && e.kind == ERR_FORMAT);
    assert_int_equal(uncaged("", &ok), 0);
    assert_false(ok);

    int fd = file(text);
    struct profile *p = profile_read(volume_loop, memory, fd, &e);
    if (p == NULL)
        fail_msg("%s", e.text);
    assert_string_equal(p->identifier, "com.example.p");
    assert_string_equal(p->description, "Two\nlines");
    assert_true(p->organization == NULL && p->version == 3 && p->removal_disallowed);
    assert_true(!p->is_signed && !p->trusted && !p->encrypted && p->payload_count == 2);
    assert_string_equal(p->payloads[1].type, "b");
    assert_string_equal(p->payloads[1].uuid, "Ub");
    assert_null(p->payloads[1].identifier);
    close(fd);
}

/* A text longer than anybody shows is cut between two characters. */
static void a_long_text_is_cut(void **state)
{
    (void)state;
    char *much = arena_alloc(memory, 20001);
    for (size_t i = 0; i < 20000; i += 2)
        memcpy(much + i, "\xc3\xa9", 2);
    much[20000] = '\0';
    const char *text = arena_printf(memory, WHOLE("x%s", ""), much);
    bool ok;
    assert_true(uncaged(text, &ok) == 1 && ok);
    int fd = file(text);
    struct profile *p = profile_read(volume_loop, memory, fd, &e);
    if (p == NULL)
        fail_msg("%s", e.text);
    size_t n = strlen(p->description);
    assert_true(n > 8000 && n < 8193 && n % 2 == 1 && text_utf8_valid(p->description, n));
    close(fd);
}

static void too_many_payloads(void **state)
{
    (void)state;
    struct buf b;
    bool ok;
    buf_init(&b, LIMIT_PROFILE);
    assert_true(buf_printf(&b, "%s", WHOLE("", "")));
    char *end = strstr(b.data, "</array>");
    const char *rest = arena_strdup(memory, end);
    b.len = (size_t)(end - b.data);
    for (size_t i = 0; i <= 10000; i++)
        assert_true(buf_printf(&b, "<dict>" KEY("PayloadType", "x") "</dict>"));
    assert_true(buf_printf(&b, "%s", rest));
    assert_int_equal(uncaged(buf_str(&b), &ok), 0);
    assert_true(!ok && e.kind == ERR_LIMIT);
    buf_release(&b);
}

/* --- the side that asks ----------------------------------------------------------------------------------
 */

/* identifier, uuid, three texts that are not there, signer, flags, number of payloads */
static void profile(const char *id, const char *uuid, const char *signer, unsigned long long trusted,
                    unsigned long long payloads)
{
    liar_say(PROFILE,
             "irir"
             "iriririr"
             "iiiiii",
             1ull, id, 1ull, uuid, 0ull, "", 0ull, "", 0ull, "", 1ull, signer, 0ull, 1ull, 0ull, 1ull,
             trusted, payloads);
}

static void payload(unsigned long long has_type, const char *type)
{
    liar_say(PAYLOAD,
             "iririri"
             "ri",
             has_type, type, 0ull, "", 0ull, "", 0ull, "", 1ull);
}

static void says_nothing(void)
{
}

static void payload_first(void)
{
    payload(1, "a");
}

static void twice(void)
{
    profile("a", "b", "", 0, 0);
    profile("a", "b", "", 1, 0);
}

static void no_identifier(void)
{
    profile("", "b", "", 0, 0);
}

static void no_uuid(void)
{
    profile("a", "", "", 0, 0);
}

static void not_utf8(void)
{
    profile("a\xff", "b", "", 0, 0);
}

static void neither_yes_nor_no(void)
{
    profile("a", "b", "Somebody", 2, 0);
}

static void a_million(void)
{
    profile("a", "b", "", 0, 1000000);
}

static void fewer(void)
{
    profile("a", "b", "", 0, 2);
    payload(1, "a");
}

static void more(void)
{
    profile("a", "b", "", 0, 1);
    payload(1, "a");
    payload(1, "b");
}

static void no_type(void)
{
    profile("a", "b", "", 0, 1);
    payload(0, "");
}

static void absent_and_there(void)
{
    profile("a", "b", "", 0, 1);
    payload(0, "a");
}

static void other_record(void)
{
    profile("a", "b", "", 0, 1);
    liar_say(PAYLOAD + 1, "");
}

static void cut(void)
{
    liar_say(PROFILE, "ir", 1ull, "a");
}

static void truth_is_told(void)
{
    profile("a", "b", "Somebody", 1, 1);
    payload(1, "a");
}

static void (*const lies[])(void) = {says_nothing, payload_first, twice, no_identifier,      no_uuid,
                                     not_utf8,     a_million,     fewer, neither_yes_nor_no, more,
                                     no_type,      other_record,  cut,   absent_and_there};

static void odd_answers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        int fd = file(arena_printf(memory, "%zu", i));
        if (profile_read(volume_loop, memory, fd, &e) != NULL)
            fail_msg("row %zu was believed", i);
        assert_int_equal(e.kind, ERR_INTERNAL);
        assert_string_equal(e.text, "the worker sent a profile that makes no sense");
        close(fd);
    }
    /* one that says nothing odd is believed */
    int truth = file("99");
    const struct profile *p = profile_read(volume_loop, memory, truth, &e);
    assert_true(p != NULL && p->payload_count == 1 && p->trusted);
    close(truth);
    int ends[2];
    assert_true(os_pipe(ends, &e));
    assert_null(profile_read(volume_loop, memory, ends[0], &e)); /* what cannot be read from its beginning */
    assert_int_equal(e.kind, ERR_SYS);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_is_told),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(too_many_payloads),
        cmocka_unit_test(odd_answers_are_refused),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0) {
        char first = 0;
        (void)!pread(WORKER_FIRST, &first, 1, 0);
        if (first == '<')
            return worker_main(argv[2]);
        size_t n = liar_row();
        (n < sizeof lies / sizeof *lies ? lies[n] : truth_is_told)();
        return liar_done();
    }
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
