/* xar: real and synthetic containers open as they should, hostile ones do not, and what the writer writes the
 * reader reads. */
#include "core/text.h"
#include "installer/xar.h"
#include "installer/xar_writer.h"
#include "package.h"

static struct err e;

#define HEAD                                                                                                 \
    "<?xml version=\"1.0\"?><xar><toc><checksum style=\"sha1\"><offset>0</offset><size>20</size></checksum>"
#define TAIL "</toc></xar>"
#define STORED(offset, length)                                                                               \
    "<data><offset>" offset "</offset><length>" length "</length><size>" length "</size></data>"

/* Open, and read every member to its end. */
static bool open_and_prove(int fd)
{
    struct arena *a = arena_open();
    const struct xar *x = xar_open(a, fd, &e);
    bool ok = x != NULL;
    for (size_t i = 0; ok && i < x->member_count; i++)
        ok = xar_check(x, &x->members[i], &e);
    arena_free(a);
    return ok;
}

static bool sample_is_good(const char *folder, const char *name)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    bool ok = open_and_prove(fd);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* the descriptor is the caller's */
    close(fd);
    return ok;
}

struct folder {
    char path[1100];
    const char *const *bad; /* NULL-ended: the names that must be refused */
    int seen, refused;
};

static bool try_sample(void *ctx, const char *name, const struct stat *st)
{
    struct folder *f = ctx;
    (void)st;
    if (!text_ends(name, ".pkg"))
        return true;
    bool expected = true;
    for (size_t i = 0; f->bad[i]; i++)
        expected = expected && strcmp(f->bad[i], name) != 0;
    e.text[0] = '\0';
    bool good = sample_is_good(f->path, name);
    if (good != expected)
        fail_msg("%s: %s", name, good ? "accepted" : e.text);
    if (!good)
        assert_true(e.text[0] != '\0');
    f->seen++;
    f->refused += !good;
    return true;
}

static void try_folder(const char *below, const char *const *bad, int at_least)
{
    const char *samples = package_samples();
    struct folder f = {.bad = bad};
    if (!samples)
        skip();
    snprintf(f.path, sizeof f.path, "%s/%s", samples, below);
    int dir = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_true(files_list(dir, "", try_sample, &f, &e));
    close(dir);
    assert_true(f.seen >= at_least);
}

static void real_packages(void **state)
{
    static const char *const bad[] = {"curl__curl__curl.pkg", NULL};
    (void)state;
    try_folder("pkgs", bad, 29);
}

static void synthetic_packages(void **state)
{
    static const char *const none[] = {NULL};
    (void)state;
    try_folder("synthetic/good", none, 14);
    try_folder("synthetic/signed", none, 13);
}

static void malformed_packages(void **state)
{
    static const char *const bad[] = {"alg-unknown-9.pkg",
                                      "archived-checksum-bad.pkg",
                                      "empty.pkg",
                                      "extracted-checksum-bad.pkg",
                                      "hdr-size-32-skip.pkg",
                                      "length-overflow.pkg",
                                      "name-dotdot.pkg",
                                      "name-slash.pkg",
                                      "name-twice-payload.pkg",
                                      "not-xar.pkg",
                                      "offset-negative.pkg",
                                      "size-lie-huge.pkg",
                                      "toc-bomb.pkg",
                                      "toc-clen-huge.pkg",
                                      "toc-entity-expansion.pkg",
                                      "toc-not-xml.pkg",
                                      "toc-ulen-wrong.pkg",
                                      "trunc-heap.pkg",
                                      "type-symlink-in-toc.pkg",
                                      NULL};
    (void)state;
    try_folder("synthetic/malformed", bad, 47);
}

static void what_is_in_a_real_one(void **state)
{
    const char *samples = package_samples();
    char path[2048];
    (void)state;
    if (!samples)
        skip();
    struct arena *a = arena_open();
    snprintf(path, sizeof path, "%s/pkgs/korylprince__goxar__valid.pkg", samples);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct xar *x = xar_open(a, fd, &e);
    assert_non_null(x);
    assert_null(x->unproven);
    assert_int_equal(x->toc.kind, DIGEST_SHA1);
    assert_int_equal(x->signature_count, 2);
    assert_string_equal(x->signatures[0].style, "RSA");
    assert_int_equal(x->signatures[0].size, 256);
    assert_int_equal(x->signatures[0].offset, x->heap + 20);
    assert_int_equal(x->signatures[0].cert_count, 3);
    assert_int_equal(x->signatures[0].certs[0].der[0], 0x30);
    assert_true(x->signatures[1].extended);
    assert_string_equal(x->signatures[1].style, "CMS");
    const struct xar_member *m = xar_find(x, "Nudge_LaunchAgent-1.0.1.pkg/Payload");
    assert_non_null(m);
    assert_string_equal(m->name, "Payload");
    assert_int_equal(m->encoding, XAR_STORED);
    assert_null(xar_find(x, "Payload"));
    struct buf b;
    buf_init(&b, 100000);
    assert_true(xar_load(x, xar_find(x, "Distribution"), &b, &e));
    assert_true(text_starts(buf_str(&b), "<?xml"));
    buf_clear(&b);
    b.max = 10;
    assert_false(xar_load(x, xar_find(x, "Distribution"), &b, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    buf_release(&b);
    close(fd);
    snprintf(path, sizeof path, "%s/synthetic/good/md5-toc.pkg", samples);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    x = xar_open(a, fd, &e);
    assert_non_null(x);
    assert_non_null(x->unproven);
    close(fd);
    arena_free(a);
}

static void refused(const char *toc, const char *part)
{
    static const char heap[100] = {0};
    int fd = package_xar(toc, heap, sizeof heap);
    if (open_and_prove(fd))
        fail_msg("accepted: %s", toc);
    if (!strstr(e.text, part))
        fail_msg("\"%s\" does not say \"%s\"", e.text, part);
    close(fd);
}

static void accepted(const char *toc)
{
    static const char heap[100] = {0};
    int fd = package_xar(toc, heap, sizeof heap);
    if (!open_and_prove(fd))
        fail_msg("%s: %s", e.text, toc);
    close(fd);
}

static void tables_of_contents(void **state)
{
    (void)state;
#define FILE_AT(name, offset, length)                                                                        \
    "<file id=\"1\"><name>" name "</name><type>file</type>" STORED(offset, length) "</file>"
    accepted(HEAD TAIL);
    accepted(HEAD FILE_AT("a", "20", "100") TAIL);
    accepted(HEAD "<file id=\"1\"><name>a</name><name>a</name><type>file</type></file>" TAIL);
    accepted(HEAD "<file id=\"1\"><file id=\"2\"><name>b</name><type>file</type></file><name>a</name>"
                  "<type>directory</type></file>" TAIL);
    accepted(HEAD "<file id=\"1\"><name enctype=\"base64\">w6k=</name><type>file</type></file>" TAIL);
    accepted(HEAD FILE_AT("a", "20", "50") FILE_AT("b", "70", "50") TAIL);
    refused(HEAD "<file id=\"1\"><name enctype=\"base64\">YS9i</name><type>file</type></file>" TAIL, "named");
    refused(HEAD "<file id=\"1\"><name>a</name><name>b</name><type>file</type></file>" TAIL, "two names");
    refused(HEAD FILE_AT("a", "20", "50") FILE_AT("b", "69", "50") TAIL, "overlaps");
    refused(HEAD FILE_AT("a", "19", "50") TAIL, "overlaps the checksum");
    refused(HEAD FILE_AT("a", "20", "101") TAIL, "beyond the end");
    refused(HEAD FILE_AT("a", "9223372036854775807", "9223372036854775807") TAIL, "beyond the end");
    refused(HEAD FILE_AT("a", "18446744073709551616", "1") TAIL, "offset");
    refused(HEAD FILE_AT("a", "-1", "1") TAIL, "offset");
    refused(HEAD "<file id=\"1\"><name>a</name><type>file</type>" STORED("20", "1")
                STORED("30", "1") "</file>" TAIL,
            "two data");
    refused(HEAD "<file id=\"1\"><name>a</name><type>fifo</type></file>" TAIL, "neither file nor directory");
    refused(HEAD "<file id=\"1\"><name>a</name></file>" TAIL, "no name or no type");
    refused(HEAD "<file id=\"1\"><name>..</name><type>file</type></file>" TAIL, "named");
    refused(HEAD "<file id=\"1\"><name></name><type>file</type></file>" TAIL, "named");
    refused(HEAD "<file id=\"1\"><name>a&#10;b</name><type>file</type></file>" TAIL, "named");
    refused(HEAD FILE_AT("A", "20", "1") FILE_AT("a", "21", "1") TAIL, "same name");
    refused(HEAD
            "<file id=\"1\"><name>a</name><type>file</type><file id=\"2\"><name>b</name><type>file</type>"
            "</file></file>" TAIL,
            "at once");
    refused(
        HEAD
        "<file id=\"1\"><name>a</name><type>file</type><ea id=\"0\"><offset>110</offset><length>20</length>"
        "</ea></file>" TAIL,
        "extended attribute");
    accepted(
        HEAD
        "<file id=\"1\"><name>a</name><type>file</type><ea id=\"0\"><offset>30</offset><length>20</length>"
        "</ea>" STORED("40", "20") "</file>" TAIL);
    refused(HEAD
            "<file id=\"1\"><name>a</name><type>file</type><data><offset>20</offset><length>1</length><size>1"
            "</size><archived-checksum style=\"crc\">00</archived-checksum></data></file>" TAIL,
            "unknown kind");
    refused(HEAD
            "<file id=\"1\"><name>a</name><type>file</type><data><offset>20</offset><length>1</length><size>1"
            "</size><encoding style=\"application/x-lzma\"/></data></file>" TAIL "x",
            "line 1");
    refused(HEAD "<signature style=\"RSA\"><offset>20</offset></signature>" TAIL, "signature");
    refused(HEAD HEAD TAIL, "line 1");
    refused("<!DOCTYPE a><xar><toc/></xar>", "DOCTYPE");
    refused("<rax><toc/></rax>", "not that of a xar");
    refused("<xar><toc/></xar>", "differ");
    refused("<xar><toc><checksum style=\"sha256\"><offset>0</offset><size>32</size></checksum></toc></xar>",
            "differ");
    refused("<xar><toc><checksum style=\"sha1\"><offset>0</offset><size>32</size></checksum></toc></xar>",
            "bytes long");
    refused("<xar><toc><checksum style=\"sha1\"><offset>1</offset><size>20</size></checksum></toc></xar>",
            "does not match");
#undef FILE_AT
}

/* xz and lzma: named by few writers, read like any other. */
static void rarer_encodings(void **state)
{
    (void)state;
    static const char xz[] = "\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01"
                             "\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x00\x10\x00\x0b\x5d\x00\x34"
                             "\x19\x49\xee\x8d\xe9\x4f\x7e\x15\xe0\x00\x00\x00\x80\x88\xf9\xe5"
                             "\x00\x01\x23\x11\xb8\xe2\x9f\xf4\x90\x42\x99\x0d\x01\x00\x00\x00"
                             "\x00\x01\x59\x5a";
    static const char lzma[] = "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x34\x19"
                               "\x49\xee\x8d\xe9\x4f\x7f\x35\xc5\xa3\xff\xff\x78\xa4\x00\x00";
    const struct {
        const char *style, *bytes;
        size_t n;
    } rows[] = {{"application/x-xz", xz, sizeof xz - 1}, {"application/x-lzma", lzma, sizeof lzma - 1}};
    for (size_t i = 0; i < 2; i++) {
        struct arena *a = arena_open();
        const char *toc = arena_printf(a,
                                       HEAD "<file id=\"1\"><name>PackageInfo</name><type>file</type><data>"
                                            "<offset>20</offset><length>%zu</length><size>17</size>"
                                            "<encoding style=\"%s\"/></data></file>" TAIL,
                                       rows[i].n, rows[i].style);
        int fd = package_xar(toc, rows[i].bytes, rows[i].n);
        struct buf b;
        buf_init(&b, 100);
        const struct xar *x = xar_open(a, fd, &e);
        if (!x || !xar_load(x, xar_find(x, "PackageInfo"), &b, &e))
            fail_msg("%s: %s", rows[i].style, e.text);
        assert_string_equal(buf_str(&b), "hello hello hello");
        buf_release(&b);
        close(fd);
        arena_free(a);
    }
}

/* What is no zlib at all, and not what the checksum says: a decoder would complain of the one, the proof does
 * of the other. */
static void nothing_unproved_is_decoded(void **state)
{
    (void)state;
    static const char sum[] = "<archived-checksum style=\"sha1\">da39a3ee5e6b4b0d3255bfef95601890afd80709"
                              "</archived-checksum>";
    for (int proved = 0; proved < 2; proved++) {
        struct arena *a = arena_open();
        const char *toc = arena_printf(a,
                                       HEAD "<file id=\"1\"><name>PackageInfo</name><type>file</type><data>"
                                            "<offset>20</offset><length>9</length><size>17</size>%s"
                                            "<encoding style=\"application/x-gzip\"/></data></file>" TAIL,
                                       proved ? sum : "");
        int fd = package_xar(toc, "not zlib!", 9);
        struct buf b;
        buf_init(&b, 100);
        const struct xar *x = xar_open(a, fd, &e);
        assert_non_null(x);
        assert_false(xar_load(x, xar_find(x, "PackageInfo"), &b, &e));
        assert_int_equal(e.kind, proved ? ERR_TRUST : ERR_FORMAT);
        assert_int_equal(b.len, 0);
        buf_release(&b);
        /* nor is all of it read, when so much cannot be wanted */
        buf_init(&b, 0);
        const struct xar_member far = {.path = "far", .length = LIMIT_MB, .encoding = XAR_ZLIB};
        assert_false(xar_load(x, &far, &b, &e));
        assert_int_equal(e.kind, ERR_LIMIT);
        buf_release(&b);
        close(fd);
        arena_free(a);
    }
}

/* Any byte changed is either noticed or does not matter: members never come out different. */
static void every_byte_changed(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    struct xar_writer *w = xar_writer_open(AT_FDCWD, &e);
    assert_non_null(w);
    assert_true(xar_writer_file(w, "PackageInfo", true, &e) &&
                xar_writer_write(w, "hello hello hello", 17, &e));
    assert_true(xar_writer_file(w, "Payload", false, &e) && xar_writer_write(w, "payload", 7, &e));
    int fd = package_file("", 0);
    assert_true(xar_writer_commit(w, fd, &e));
    xar_writer_free(w);
    unsigned char bytes[4096];
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    close(fd);
    int harmless = 0;
    for (ssize_t i = 0; i < n; i++) {
        bytes[i] ^= 0x01;
        fd = package_file(bytes, (size_t)n);
        if (open_and_prove(fd)) {
            const struct xar *x = xar_open(a, fd, &e);
            struct buf b;
            buf_init(&b, 100);
            assert_true(xar_load(x, xar_find(x, "PackageInfo"), &b, &e) &&
                        xar_load(x, xar_find(x, "Payload"), &b, &e));
            assert_string_equal(buf_str(&b), "hello hello hellopayload");
            buf_release(&b);
            harmless++;
        }
        close(fd);
        bytes[i] ^= 0x01;
    }
    assert_int_equal(harmless, 0);
    for (ssize_t i = 0; i < n; i++) {
        fd = package_file(bytes, (size_t)i);
        assert_false(open_and_prove(fd));
        close(fd);
    }
    arena_free(a);
}

static void written_and_read(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    uint64_t seed = 7;
    static unsigned char big[300000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (unsigned char)(package_chance(&seed) & (i < 150000 ? 0xff : 3));
    struct xar_writer *w = xar_writer_open(AT_FDCWD, &e);
    xar_writer_created(w, 1700000000);
    assert_true(xar_writer_directory(w, "a <&> b.pkg", &e));
    assert_false(xar_writer_file(w, "none/x", true, &e));
    for (int k = 0; k < 2; k++) {
        assert_true(xar_writer_file(w, k ? "a <&> b.pkg/deflated" : "a <&> b.pkg/stored", k, &e));
        for (size_t at = 0; at < sizeof big;) {
            size_t n = (size_t)(package_chance(&seed) % 70000);
            n = n < sizeof big - at ? n : sizeof big - at;
            assert_true(xar_writer_write(w, big + at, n, &e));
            at += n;
        }
    }
    assert_true(xar_writer_file(w, "empty", true, &e));
    int fd = package_file("", 0);
    assert_true(xar_writer_commit(w, fd, &e));
    xar_writer_free(w);

    const struct xar *x = xar_open(a, fd, &e);
    assert_non_null(x);
    assert_null(x->unproven);
    assert_int_equal(x->member_count, 4);
    assert_string_equal(x->created, "2023-11-14T22:13:20");
    assert_int_equal(x->trailing, 0);
    for (int k = 0; k < 3; k++) {
        const struct xar_member *m = xar_find(x, k == 2 ? "empty"
                                                 : k    ? "a <&> b.pkg/deflated"
                                                        : "a <&> b.pkg/stored");
        assert_non_null(m);
        struct xar_reader *r = xar_reader_open(x, m, true, &e);
        unsigned char piece[70000];
        size_t at = 0, got;
        do {
            assert_true(
                xar_reader_read(r, piece, 1 + (size_t)(package_chance(&seed) % sizeof piece), &got, &e));
            assert_memory_equal(piece, big + at, got);
            at += got;
        } while (got > 0);
        assert_int_equal(at, k == 2 ? 0 : sizeof big);
        assert_int_equal(xar_reader_stored(r), m->length);
        assert_true(xar_reader_read(r, piece, 1, &got, &e));
        assert_int_equal(got, 0);
        xar_reader_free(r);
        r = xar_reader_open(x, m, true, &e); /* given up in the middle */
        assert_true(xar_reader_read(r, piece, 10, &got, &e));
        xar_reader_free(r);
    }
    assert_null(xar_reader_open(x, xar_find(x, "a <&> b.pkg"), true, &e));
    close(fd);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_packages),
        cmocka_unit_test(synthetic_packages),
        cmocka_unit_test(malformed_packages),
        cmocka_unit_test(what_is_in_a_real_one),
        cmocka_unit_test(tables_of_contents),
        cmocka_unit_test(rarer_encodings),
        cmocka_unit_test(nothing_unproved_is_decoded),
        cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
