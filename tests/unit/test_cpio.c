/* cpio: both forms read alike; names, types, lengths and ends are exactly right or refused. */
#include "archive.h"
#include "installer/cpio.h"

static struct err e;

/* Read b to its end; what is in it, one line a member, to shown. */
static bool walk(const struct buf *b, struct buf *shown)
{
    struct archive_source source = {.p = (const unsigned char *)b->data, .n = b->len, .step = 1000};
    struct payload *p = payload_open(archive_read, &source, 0, UINT64_MAX, &e);
    if (p == NULL)
        return false;
    struct cpio *c = cpio_open(p);
    struct cpio_member m;
    bool end = false, ok = true;
    while (ok && !end) {
        const void *piece;
        size_t n = 1;
        ok = cpio_next(c, &m, &end, &e);
        if (!ok || end)
            break;
        assert_true(buf_printf(shown, "%d %o %u:%u %lld [%s] [%s]%s ", (int)m.type, m.mode, m.uid, m.gid,
                               (long long)m.mtime, m.path, m.link, m.apple_double ? " twin" : ""));
        /* every other file is read, the rest passed over */
        while (ok && n > 0 && !m.apple_double && (shown->len & 1) != 0) {
            ok = cpio_data(c, &piece, &n, &e);
            assert_true(!ok || n == 0 || buf_append(shown, piece, n, &e));
        }
        assert_true(buf_printf(shown, "\n"));
    }
    if (ok) /* and after the end it stays ended */
        assert_true(cpio_next(c, &m, &end, &e) && end);
    cpio_free(c);
    payload_free(p);
    return ok;
}

static bool member_ok(const struct archive_member *m)
{
    struct buf b, shown;
    const struct archive_member all[] = {*m, {.name = NULL}};
    archive_make(&b, all);
    buf_init(&shown, LIMIT_MB);
    bool ok = walk(&b, &shown);
    buf_release(&b);
    buf_release(&shown);
    return ok;
}

static const struct archive_member sample[] = {
    {.name = ".", .mode = 040755},
    {.name = "./a", .mode = 040700, .uid = 501, .gid = 20},
    {.name = "./a/file", .mode = 0100644, .data = "hello"},
    {.name = "./a/._file", .mode = 0100644, .data = "\0\5\x16\7x", .size = 5},
    {.name = "a/._plain", .mode = 0100644, .data = "no twin"},
    {.name = "a/link", .mode = 0120755, .data = "../else/where"},
    {.name = "./a/caf\xc3\xa9", .mode = 0104755, .data = "x"},
    {.name = NULL}};

static void both_forms_read_alike(void **state)
{
    (void)state;
    struct buf shown[2];
    for (int newc = 0; newc < 2; newc++) {
        struct buf b;
        buf_init(&b, LIMIT_MB);
        buf_init(&shown[newc], LIMIT_MB);
        for (const struct archive_member *m = sample; m->name != NULL; m++)
            archive_add(&b, m, newc != 0);
        archive_end(&b, newc != 0);
        if (!walk(&b, &shown[newc]))
            fail_msg("%s", e.text);
        buf_release(&b);
    }
    assert_string_equal(buf_str(&shown[0]), buf_str(&shown[1]));
    assert_non_null(strstr(buf_str(&shown[0]), "1 700 501:20 1700000000 [a] []"));
    assert_non_null(strstr(buf_str(&shown[0]), "[a/._file] [] twin"));
    assert_non_null(strstr(buf_str(&shown[0]), "[a/._plain] [] "));
    assert_non_null(strstr(buf_str(&shown[0]), "[a/link] [../else/where]"));
    assert_null(strstr(buf_str(&shown[0]), "[a/._plain] [] twin"));
    buf_release(&shown[0]);
    buf_release(&shown[1]);
}

static void names_are_clean_or_refused(void **state)
{
    (void)state;
    char deep[2 * LIMIT_PAYLOAD_DEPTH + 8] = "", wide[LIMIT_NAME + 2], longest[LIMIT_PATH + 8];
    for (size_t i = 0; i <= LIMIT_PAYLOAD_DEPTH; i++)
        memcpy(deep + 2 * i, "d/", 3);
    deep[strlen(deep) - 1] = '\0';
    memset(wide, 'w', LIMIT_NAME + 1);
    wide[LIMIT_NAME + 1] = '\0';
    memset(longest, 'x', sizeof longest);
    for (size_t i = 100; i < sizeof longest; i += 100)
        longest[i] = '/';
    longest[LIMIT_PATH + 1] = '\0';
    const char *const bad[] = {"/etc/x", "..", "../x",    "a/../x", "./../x", "a/./x", "a//x", "a/",   "./",
                               "./.",    "//", "caf\xe9", "a\nb",   "a\x7f",  deep,    wide,   longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct archive_member m = {.name = bad[i], .mode = 0100644};
        if (member_ok(&m))
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    deep[strlen(deep) - 2] = '\0';
    wide[LIMIT_NAME] = '\0';
    longest[LIMIT_PATH] = '\0';
    const char *const good[] = {".",       "./x", "x",  "...",   "./..x",
                                "a/.b/c.", deep,  wide, longest, "\xe2\x82\xac"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct archive_member m = {.name = good[i], .mode = 0100644};
        if (!member_ok(&m))
            fail_msg("%s", e.text);
    }
}

static void only_files_directories_and_links_exist(void **state)
{
    (void)state;
    static const unsigned bad[] = {0060644, 0020644, 0010644, 0140644, 0, 0160000, 0170644};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct archive_member m = {.name = "x", .mode = bad[i]};
        assert_false(member_ok(&m));
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    static const struct archive_member strange[] = {
        {.name = "d", .mode = 040755, .data = "data"},
        {.name = "l", .mode = 0120777},
        {.name = "l", .mode = 0120777, .data = "a\0b", .size = 3},
    };
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_false(member_ok(&strange[i]));
}

/* No prefix of an archive is one; no changed header byte does harm. */
static void damage_is_noticed(void **state)
{
    (void)state;
    struct buf b, shown;
    archive_make(&b, sample);
    size_t whole = b.len, end = whole;
    while (memcmp(b.data + end - 11, "TRAILER!!!", 11) != 0)
        end--;
    for (b.len = 0; b.len < whole; b.len++) {
        buf_init(&shown, LIMIT_MB);
        assert_int_equal(walk(&b, &shown), b.len >= end);
        buf_release(&shown);
    }
    for (size_t i = 0; i < whole; i++) {
        char was = b.data[i];
        b.data[i] = (char)(was ^ 0x11);
        buf_init(&shown, LIMIT_MB);
        (void)!walk(&b, &shown);
        buf_release(&shown);
        b.data[i] = was;
    }
    b.data[whole - 1] = 'x';
    buf_init(&shown, LIMIT_MB);
    assert_false(walk(&b, &shown));
    buf_release(&shown);
    buf_release(&b);
}

/* --- sizes that do not fit 32 bits -------------------------------------------------------------------- */

struct huge { /* a header, zeros, a trailer: never whole in memory */
    char head[128];
    const char *tail;
    size_t head_len, tail_len;
    uint64_t zeros, at;
};

static bool huge_read(void *ctx, void *p, size_t max, size_t *got, struct err *err)
{
    struct huge *h = ctx;
    uint64_t zeros_end = h->head_len + h->zeros, end = zeros_end + h->tail_len;
    uint64_t stop = h->at < h->head_len ? h->head_len : h->at < zeros_end ? zeros_end : end;
    (void)err;
    *got = stop - h->at < max ? (size_t)(stop - h->at) : max;
    if (h->at < h->head_len)
        memcpy(p, h->head + h->at, *got);
    else if (h->at < zeros_end)
        memset(p, 0, *got);
    else
        memcpy(p, h->tail + (h->at - zeros_end), *got);
    h->at += *got;
    return true;
}

static void files_beyond_four_gigabytes(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {(uint64_t)077777777777, ((uint64_t)1 << 32) + 5000};
    struct buf tail;
    buf_init(&tail, LIMIT_MB);
    archive_end(&tail, false);
    for (size_t i = 0; i < 2; i++) {
        struct huge h = {.tail = tail.data, .tail_len = tail.len, .zeros = sizes[i]};
        struct cpio_member m;
        bool end;
        h.head_len = 1 + (size_t)snprintf(
                             h.head, sizeof h.head, "070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011llo%s",
                             0u, 1u, 0100644u, 0u, 0u, 1u, 0u, 0u, 4u, (unsigned long long)sizes[i], "big");
        struct payload *p = payload_open(huge_read, &h, sizes[i], UINT64_MAX, &e);
        assert_non_null(p);
        struct cpio *c = cpio_open(p);
        if (!cpio_next(c, &m, &end, &e))
            fail_msg("%s", e.text);
        assert_true(m.size == sizes[i]); /* the most that eleven octal digits say; then one that is read */
        uint64_t seen = 0;
        size_t n = 1;
        while (i == 1 && n > 0) {
            const void *piece;
            assert_true(cpio_data(c, &piece, &n, &e));
            seen += n;
        }
        if (i == 1) {
            assert_true(seen == sizes[i]);
            assert_true(cpio_next(c, &m, &end, &e) && end);
        }
        cpio_free(c);
        payload_free(p);
    }
    buf_release(&tail);
}

/* Of the size of a file of 8 GB and 4 KB some writers keep the low bits. What follows is its data. */
static void a_file_that_does_not_fit_is_named(void **state)
{
    (void)state;
    static char data[4096];
    const struct archive_member big = {.name = "./d/big", .mode = 0100644, .data = data, .size = sizeof data};
    const struct archive_member folder = {.name = "./d", .mode = 040755};
    struct buf b, shown;
    buf_init(&b, LIMIT_MB);
    buf_init(&shown, LIMIT_MB);
    archive_add(&b, &folder, false);
    size_t header = b.len;
    archive_add(&b, &big, false);
    assert_true(buf_append(&b, data, sizeof data, &e));
    archive_end(&b, false);
    assert_false(walk(&b, &shown));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_string_equal(
        e.text, "there is no cpio header behind \"d/big\": it is damaged, or that file is one of 8 GB "
                "or more, which does not fit");
    /* behind a folder it is no file's fault */
    b.data[header] = 'x';
    assert_false(walk(&b, &shown));
    assert_string_equal(e.text, "there is no cpio header where one must be");
    buf_release(&b);
    buf_release(&shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_beyond_four_gigabytes),
        cmocka_unit_test(a_file_that_does_not_fit_is_named),
        cmocka_unit_test(both_forms_read_alike),
        cmocka_unit_test(names_are_clean_or_refused),
        cmocka_unit_test(only_files_directories_and_links_exist),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
