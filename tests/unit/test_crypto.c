/* crypto: known sums, slices of a descriptor, and CMS made by openssl(1) here and now. */
#include "core/arena.h"
#include "core/crypto.h"
#include "core/os.h"
#include "core/text.h"
#include "package.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

static char dir[] = "/tmp/daybreak-crypto-XXXXXX";

static char *hex(enum digest_kind kind, const void *p, size_t n)
{
    static char out[2 * DIGEST_MAX + 1];
    unsigned char sum[DIGEST_MAX];
    digest_of(kind, p, n, sum);
    text_hex(out, sum, digest_size(kind));
    return out;
}

static void known_sums(void **state)
{
    (void)state;
    assert_string_equal(hex(DIGEST_MD5, "abc", 3), "900150983cd24fb0d6963f7d28e17f72");
    assert_string_equal(hex(DIGEST_SHA1, "abc", 3), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_string_equal(hex(DIGEST_SHA256, "abc", 3),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(hex(DIGEST_SHA256, "", 0),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(hex(DIGEST_SHA512, "abc", 3),
                        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void names(void **state)
{
    (void)state;
    assert_int_equal(digest_named("sha256"), DIGEST_SHA256);
    assert_int_equal(digest_named("SHA-256"), DIGEST_SHA256);
    assert_int_equal(digest_named("sha1"), DIGEST_SHA1);
    assert_int_equal(digest_named("SHA512"), DIGEST_SHA512);
    assert_int_equal(digest_named("MD5"), DIGEST_MD5);
    assert_int_equal(digest_named("sha-3"), DIGEST_NONE);
    assert_int_equal(digest_named(""), DIGEST_NONE);
    assert_int_equal(digest_size(DIGEST_NONE), 0);
}

static void in_pieces(void **state)
{
    (void)state;
    unsigned char a[DIGEST_MAX], b[DIGEST_MAX];
    struct digest *d = digest_open(DIGEST_SHA256);
    digest_write(d, "a", 1);
    digest_write(d, "", 0);
    digest_write(d, "bc", 2);
    assert_int_equal(digest_end(d, a), 32);
    digest_of(DIGEST_SHA256, "abc", 3, b);
    assert_true(crypto_equal(a, b, 32));
    b[31] ^= 1;
    assert_false(crypto_equal(a, b, 32));
    digest_free(digest_open(DIGEST_MD5));
    digest_free(NULL);
}

struct seen {
    size_t count, stop;
    char text[2048];
};

static bool note(void *ctx, const struct crypto_certificate *c)
{
    struct seen *s = ctx;
    unsigned char sum[DIGEST_MAX];
    size_t at = strlen(s->text);
    assert_true(text_unhex(sum, 32, c->sha256));
    assert_true(c->pem_len > 60);
    assert_memory_equal(c->pem, "-----BEGIN CERTIFICATE-----\n", 28);
    assert_memory_equal(c->pem + c->pem_len - 26, "-----END CERTIFICATE-----\n", 26);
    snprintf(s->text + at, sizeof s->text - at, "%s%s%s|", c->subject, c->authority ? " authority" : "",
             c->in_date ? "" : " not in date");
    return ++s->count != s->stop;
}

static void shell(const char *command);

static void certificates(void **state)
{
    (void)state;
    static char pem[65536];
    struct seen s = {0};
    char path[64];
    shell(
        "exec 2>/dev/null; new='openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-days 2 -utf8'\n"
        "printf '[req]\\ndistinguished_name=d\\n[d]\\n' >cnf\n"
        "$new -keyout k -subj '/CN=A, B/O=Käse' -config cnf -addext basicConstraints=critical,CA:true >one\n"
        "$new -keyout k -subj /CN=leaf -config cnf -addext basicConstraints=CA:false >two\n"
        "{ echo words; cat one; printf -- '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END "
        "CERTIFICATE-----\\n'; cat k two one\n"
        "printf -- '-----BEGIN CERTIFICATE-----\\nMII'; } >all");
    snprintf(path, sizeof path, "%s/all", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(pem, 1, sizeof pem, f);
    fclose(f);
    crypto_certificates(pem, n, note, &s);
    assert_string_equal(s.text, "O=Käse,CN=A\\, B authority|CN=leaf|O=Käse,CN=A\\, B authority|");
    s = (struct seen){.stop = 2};
    crypto_certificates(pem, n, note, &s);
    assert_int_equal(s.count, 2);
    s = (struct seen){0};
    crypto_certificates("", 0, note, &s);
    crypto_certificates("\0\0", 2, note, &s);
    assert_int_equal(s.count, 0);
    os_realtime_fix(978307200000);
    crypto_certificates(pem, n, note, &s);
    os_realtime_fix(-1);
    assert_non_null(strstr(s.text, "CN=leaf not in date|"));
}

static size_t slurp(const char *name, unsigned char *out, size_t size);

static void identities(void **state)
{
    (void)state;
    unsigned char cert[4096], key[4096], other[4096], locked[4096], nothing[1] = "";
    struct crypto_identity id;
    struct err e;
    shell("exec 2>/dev/null\n"
          "printf '[req]\\ndistinguished_name=d\\n[d]\\n' >cnf\n"
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout k -out "
          "one -config cnf "
          "-subj /CN=mac/O=Site\n"
          "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out two\n"
          "openssl pkey -in k -aes128 -passout pass:x -out all\n");
    size_t c = slurp("one", cert, sizeof cert), k = slurp("k", key, sizeof key);
    size_t o = slurp("two", other, sizeof other), l = slurp("all", locked, sizeof locked);
    assert_true(crypto_identity(cert, c, key, k, &id, &e));
    assert_string_equal(id.subject, "O=Site,CN=mac");
    time_t now = time(NULL);
    assert_true(id.in_date && id.until > now + 86400 && id.until < now + 3 * 86400);
    const struct {
        const unsigned char *cert, *key;
        const char *says;
        size_t c, k;
    } rows[] = {{key, key, "no certificate", k, k},
                {cert, cert, "no private key", c, c},
                {cert, other, "is not the certificate's", c, o},
                {cert, locked, "is encrypted", c, l},
                {nothing, nothing, "no certificate", 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(crypto_identity(rows[i].cert, rows[i].c, rows[i].key, rows[i].k, &id, &e));
        assert_int_equal(e.kind, ERR_FORMAT);
        assert_non_null(strstr(e.text, rows[i].says));
    }
    os_realtime_fix(4102444800000);
    assert_true(crypto_identity(cert, c, key, k, &id, &e));
    os_realtime_fix(-1);
    assert_false(id.in_date);
}

static void tick(void *ctx)
{
    ++*(int *)ctx;
}

static void of_a_descriptor(void **state)
{
    (void)state;
    enum { SIZE = 5 * 1024 * 1024 + 17 };
    char path[64];
    unsigned char a[DIGEST_MAX], b[DIGEST_MAX];
    unsigned char *bytes = malloc(SIZE);
    struct err e;
    int ticks = 0;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 10));
    snprintf(path, sizeof path, "%s/bytes", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, SIZE), SIZE);

    assert_true(digest_fd(DIGEST_SHA256, fd, 0, SIZE, a, tick, &ticks, &e));
    digest_of(DIGEST_SHA256, bytes, SIZE, b);
    assert_memory_equal(a, b, 32);
    assert_int_equal(ticks, 5);
    assert_true(digest_fd(DIGEST_SHA1, fd, 1000, 100, a, NULL, NULL, &e));
    digest_of(DIGEST_SHA1, bytes + 1000, 100, b);
    assert_memory_equal(a, b, 20);
    assert_true(digest_fd(DIGEST_SHA1, fd, 0, 0, a, NULL, NULL, &e));
    assert_false(digest_fd(DIGEST_SHA256, fd, SIZE - 10, 11, a, NULL, NULL, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_false(digest_fd(DIGEST_SHA256, -1, 0, 1, a, NULL, NULL, &e));
    assert_int_equal(e.kind, ERR_SYS);
    close(fd);
    free(bytes);
}

/* --- CMS ------------------------------------------------------------------------------------------------ */

/* sh -c for tests: the commands are written here. */
static void shell(const char *command)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(dir) == 0)
            execl("/bin/sh", "sh", "-ec", command, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static size_t slurp(const char *name, unsigned char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, out, size);
    assert_true(n >= 0 && (size_t)n < size);
    close(fd);
    return (size_t)n;
}

static unsigned char der[65536];

struct opened {
    unsigned char *content;
    size_t len;
    char signer[64];
    bool trusted, ok;
    struct err e;
};

static struct opened open_cms(const void *p, size_t n)
{
    struct opened o = {.trusted = true};
    o.ok = crypto_cms_open(p, n, &o.content, &o.len, o.signer, sizeof o.signer, &o.trusted, &o.e);
    return o;
}

static void signed_message(void **state)
{
    (void)state;
    shell("printf '<plist>profile text</plist>\\n' >p.mobileconfig;"
          "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj "
          "'/O=Example/CN=Profile Signer' 2>/dev/null;"
          "openssl cms -sign -binary -nodetach -in p.mobileconfig -signer c.pem -inkey k.pem -outform DER "
          "-out p.der;"
          "openssl cms -sign -binary -in p.mobileconfig -signer c.pem -inkey k.pem -outform DER -out d.der;"
          "openssl cms -sign -binary -nodetach -nocerts -in p.mobileconfig -signer c.pem -inkey k.pem "
          "-outform DER -out n.der;"
          "openssl cms -data_create -in p.mobileconfig -outform DER -out x.der;");
    size_t n = slurp("p.der", der, sizeof der);
    struct opened o = open_cms(der, n);
    assert_true(o.ok);
    assert_int_equal(o.len, 28);
    assert_memory_equal(o.content, "<plist>profile text</plist>\n", 28);
    assert_string_equal(o.signer, "Profile Signer");
    assert_false(o.trusted);
    free(o.content);

    /* when the system's roots are these */
    char roots[64];
    snprintf(roots, sizeof roots, "%s/c.pem", dir);
    setenv("SSL_CERT_FILE", roots, 1);
    o = open_cms(der, n);
    unsetenv("SSL_CERT_FILE");
    assert_true(o.ok && o.trusted);
    free(o.content);

    /* one byte of the content */
    unsigned char *at = NULL;
    for (size_t i = 0; i + 7 < n && at == NULL; i++)
        if (memcmp(der + i, "profile", 7) == 0)
            at = der + i;
    assert_non_null(at);
    *at ^= 1;
    o = open_cms(der, n);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_TRUST);
    assert_int_equal(o.e.cause, CAUSE_SIGNATURE);
    *at ^= 1;

    /* one byte of the signature */
    der[n - 3] ^= 1;
    o = open_cms(der, n);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_TRUST);
    der[n - 3] ^= 1;

    /* cut, and everywhere a byte wrong: no crash, and never other content under a valid signature. The roots
     * are that one, since a system's hundred are read anew each time. */
    setenv("SSL_CERT_FILE", roots, 1);
    for (size_t i = 0; i < n; i += 3) {
        if (!package_chosen((unsigned)i / 3))
            continue;
        o = open_cms(der, i);
        assert_false(o.ok);
        der[i] ^= 0x21;
        o = open_cms(der, n);
        if (o.ok) {
            assert_int_equal(o.len, 28);
            assert_memory_equal(o.content, "<plist>profile text</plist>\n", 28);
            free(o.content);
        }
        der[i] ^= 0x21;
    }
    unsetenv("SSL_CERT_FILE");
}

static void not_a_signed_message(void **state)
{
    (void)state;
    struct opened o = open_cms("<?xml version=\"1.0\"?>", 21);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_FORMAT);
    o = open_cms("", 0);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_FORMAT);
    o = open_cms(der, slurp("x.der", der, sizeof der)); /* CMS, but plain data */
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_FORMAT);
    o = open_cms(der, slurp("d.der", der, sizeof der)); /* detached */
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_FORMAT);
    o = open_cms(der, slurp("n.der", der, sizeof der)); /* the certificate is not in it */
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_TRUST);
    o = open_cms(der, (size_t)5 * 1024 * 1024);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_LIMIT);
}

static void without_a_signer(void **state)
{
    (void)state;
    /* SignedData { version 1, {}, { data, "hi" }, {} }: libraries call that verified */
    static const unsigned char empty[] = {0x30, 0x23, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                          0x01, 0x07, 0x02, 0xa0, 0x16, 0x30, 0x14, 0x02, 0x01, 0x01,
                                          0x31, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                          0xf7, 0x0d, 0x01, 0x07, 0x01, 0x31, 0x00};
    static const unsigned char full[] = {0x30, 0x29, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
                                         0x07, 0x02, 0xa0, 0x1c, 0x30, 0x1a, 0x02, 0x01, 0x01, 0x31, 0x00,
                                         0x30, 0x11, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
                                         0x07, 0x01, 0xa0, 0x04, 0x04, 0x02, 'h',  'i',  0x31, 0x00};
    struct opened o = open_cms(empty, sizeof empty);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_FORMAT);
    o = open_cms(full, sizeof full);
    assert_false(o.ok);
    assert_int_equal(o.e.kind, ERR_TRUST);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names_made[] = {"bytes", "p.mobileconfig", "k.pem", "c.pem", "p.der", "d.der",
                                             "n.der", "x.der",          "cnf",   "k",     "one",   "two",
                                             "all"};
    char path[64];
    for (size_t i = 0; i < sizeof names_made / sizeof *names_made; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names_made[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),       cmocka_unit_test(names),
        cmocka_unit_test(in_pieces),        cmocka_unit_test(of_a_descriptor),
        cmocka_unit_test(signed_message),   cmocka_unit_test(not_a_signed_message),
        cmocka_unit_test(without_a_signer), cmocka_unit_test(certificates),
        cmocka_unit_test(identities),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
