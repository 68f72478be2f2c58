/* Any signature, certificate or ticket: judged with a sentence, never signed (no root is the fuzzer's). The
 * first byte says what the rest is: 'C' a CMS, 'R' a certificate beside an RSA signature of zeros, 'B' the
 * length of a certificate (16 bits), it, and a CMS; 'T' the end of a file that has a ticket; 'J' what a
 * worker that was led astray claims of a package, before the worker that judges. */
#include "core/files.h"
#include "installer/judge.h"
#include "installer/signature.h"
#include "installer/ticket.h"
#include "installer/worker.h"
#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool put(int fd, const void *p, size_t n)
{
    struct err e;
    return n == 0 || files_write(fd, p, n, &e);
}

static void judge(int fd, const struct xar_cert *cert, size_t cms_len, bool rsa, size_t tail)
{
    static const unsigned char sum[20] = "the checksum of this";
    const struct signature_policy apple = {.at = 1780000000};
    struct xar_signature signatures[2];
    struct signature s;
    struct err e = {.kind = ERR_NONE};
    size_t n = 0;
    if (rsa)
        signatures[n++] = (struct xar_signature){
            .style = "RSA", .offset = 0, .size = 256, .certs = cert, .cert_count = cert != NULL};
    if (cms_len > 0)
        signatures[n++] = (struct xar_signature){.style = "CMS",
                                                 .extended = true,
                                                 .offset = 256,
                                                 .size = cms_len,
                                                 .certs = cert,
                                                 .cert_count = cert != NULL};
    struct xar x = {.fd = fd,
                    .header_size = 28,
                    .file_size = 256 + cms_len + tail,
                    .trailing = tail,
                    .toc = {.kind = DIGEST_SHA1},
                    .signatures = signatures,
                    .signature_count = n};
    memcpy(x.toc.sum, sum, sizeof sum);
    if (!signature_judge(&x, &apple, &s, &e))
        abort();
    if (s.why[0] == '\0' || s.status == SIGNATURE_SIGNED || s.notarized || s.timestamp != 0)
        abort();
}

/* A file beyond the descriptors of workers. */
static int nameless(void)
{
    char name[] = "/tmp/fuzz_signature.XXXXXX";
    int low = mkstemp(name), fd = fcntl(low, F_DUPFD_CLOEXEC, WORKER_FIRST + 4);
    if (fd < 0 || unlink(name) != 0)
        abort();
    close(low);
    return fd;
}

/* Its answer goes nowhere: what is asked of it here is to have one, or a sentence. */
static void claim(const uint8_t *data, size_t size)
{
    static unsigned char package[28 + 2000] = "xar!\0\x1c\0\1";
    struct err e = {.kind = ERR_NONE};
    struct buf claims, request;
    static bool ready;
    if (!ready) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC), fd = nameless();
        package[27] = 1;
        if (null < 0 || !put(fd, package, sizeof package) || dup2(null, WORKER_CONTROL) < 0 ||
            dup2(fd, WORKER_FIRST) < 0)
            abort();
        close(fd);
        ready = true;
    }
    buf_init(&claims, JUDGE_CLAIMS_MAX);
    buf_init(&request, WORKER_REQUEST_MAX);
    if (!buf_append(&claims, data, size, &e) || !judge_put_request(&request, NULL, 0, &claims, &e))
        abort();
    if (!judge_work(&request, &e) && (e.kind == ERR_NONE || e.text[0] == '\0'))
        abort();
    worker_alive();
    buf_release(&claims);
    buf_release(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char zeros[256];
    static int fd = -1;
    if (fd < 0)
        fd = nameless();
    if (size < 4 || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0 || !put(fd, zeros, sizeof zeros) ||
        !put(fd, data + 1, size - 1))
        return 0;
    struct xar_cert cert = {.der = data + 1, .len = size - 1};
    struct ticket t;
    struct err e;
    size_t n;
    switch (data[0]) {
    case 'C':
        judge(fd, NULL, size - 1, false, 0);
        break;
    case 'R':
        judge(fd, &cert, 0, true, 0);
        break;
    case 'B':
        n = (size_t)data[1] << 8 | data[2];
        if (n > size - 3)
            return 0;
        cert = (struct xar_cert){.der = data + 3, .len = n};
        if (ftruncate(fd, 256) != 0 || lseek(fd, 256, SEEK_SET) != 256 ||
            !put(fd, data + 3 + n, size - 3 - n))
            return 0;
        judge(fd, &cert, size - 3 - n, true, 0);
        break;
    case 'J':
        claim(data + 1, size - 1);
        break;
    case 'T':
        judge(fd, NULL, 0, false, size - 1);
        if (ticket_decode(data + 1, size - 1, &t, &e))
            ticket_lists(&t, DIGEST_SHA256, zeros);
        break;
    default:
        break;
    }
    return 0;
}
