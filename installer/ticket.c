/* Invariants: every length is held against what is left before it is used; nothing is left over. */
#include "installer/ticket.h"
#include "core/files.h"
#include "core/limits.h"
#include <string.h>

#define RECORD       16 /* "t8lr", version 16, type 16, length 32, zero 32 */
#define HEADER       16 /* "s8ch", version 32, length of certificates 32, of payload 32 */
#define PAYLOAD      24 /* "g8tk", version 16, hash size 16, count 32, flags 32, time 64 */
#define ENTRY        21 /* kind of digest 8, digest */
#define ENTRY_SUM    20
#define PAD_MAX      3
#define VERSION_LAST 2

enum { RECORD_END = 1, RECORD_TICKET = 2 };

static uint64_t le(const unsigned char *p, unsigned n)
{
    uint64_t v = 0;
    while (n > 0)
        v = v << 8 | p[--n];
    return v;
}

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "the ticket %s", what);
}

static bool is_record(const unsigned char *r, unsigned type, uint32_t length)
{
    return memcmp(r, "t8lr", 4) == 0 && le(r + 4, 2) == 1 && le(r + 6, 2) == type && le(r + 8, 4) == length &&
           le(r + 12, 4) == 0;
}

bool ticket_load(int fd, uint64_t after, uint64_t size, struct buf *out, bool *found, struct err *e)
{
    unsigned char r[RECORD];
    *found = false;
    if (size < after || size - after < RECORD)
        return true;
    if (!files_read_at(fd, (off_t)(size - RECORD), r, RECORD, e))
        return false;
    if (memcmp(r, "t8lr", 4) != 0)
        return true;
    *found = true;
    uint32_t n = (uint32_t)le(r + 8, 4);
    if (n > LIMIT_TICKET)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "the ticket claims %lu bytes", (unsigned long)n);
    if (!is_record(r, RECORD_TICKET, n) || size - after < (uint64_t)n + 2 * RECORD)
        return bad(e, "has no beginning");
    uint64_t at = size - RECORD - n;
    if (!files_read_at(fd, (off_t)(at - RECORD), r, RECORD, e))
        return false;
    if (!is_record(r, RECORD_END, 0))
        return bad(e, "has no beginning");
    unsigned char piece[4096];
    for (uint32_t done = 0; done < n;) {
        size_t take = n - done < sizeof piece ? n - done : sizeof piece;
        if (!files_read_at(fd, (off_t)(at + done), piece, take, e) || !buf_append(out, piece, take, e))
            return false;
        done += (uint32_t)take;
    }
    return true;
}

/* The length of one DER SEQUENCE with all in it, no more than n bytes; 0: none. Lengths up to 65535. */
static size_t sequence(const unsigned char *p, size_t n)
{
    size_t len;
    if (n < 2 || p[0] != 0x30)
        return 0;
    if (p[1] < 0x80)
        len = 2 + (size_t)p[1];
    else if (p[1] == 0x81 && n >= 3)
        len = 3 + (size_t)p[2];
    else if (p[1] == 0x82 && n >= 4)
        len = 4 + ((size_t)p[2] << 8 | p[3]);
    else
        return 0;
    return len <= n ? len : 0;
}

static bool decode_payload(const unsigned char *p, size_t n, struct ticket *t, struct err *e)
{
    if (n < PAYLOAD || memcmp(p, "g8tk", 4) != 0 || le(p + 4, 2) == 0 || le(p + 4, 2) > VERSION_LAST ||
        le(p + 6, 2) != ENTRY_SUM)
        return bad(e, "is of an unknown kind");
    t->count = (uint32_t)le(p + 8, 4);
    uint64_t time = le(p + 16, 8);
    if (t->count != (n - PAYLOAD) / ENTRY || (n - PAYLOAD) % ENTRY != 0 || time > INT64_MAX)
        return bad(e, "has another length than it says");
    t->time = (int64_t)time;
    t->entries = p + PAYLOAD;
    return true;
}

bool ticket_decode(const void *bytes, size_t n, struct ticket *t, struct err *e)
{
    const unsigned char *p = bytes;
    if (n > LIMIT_TICKET)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "the ticket has %zu bytes", n);
    if (n < HEADER || memcmp(p, "s8ch", 4) != 0 || le(p + 4, 4) != 1)
        return bad(e, "is of an unknown kind");
    uint64_t certs = le(p + 8, 4), payload = le(p + 12, 4);
    if (certs + payload > n - HEADER)
        return bad(e, "has another length than it says");
    t->certs = p + HEADER;
    t->certs_len = (size_t)certs;
    t->signed_part = p;
    t->signed_len = HEADER + (size_t)(certs + payload);
    t->signature = p + t->signed_len;
    size_t left = n - t->signed_len;
    t->signature_len = sequence(t->signature, left);
    if (sequence(t->certs, t->certs_len) != t->certs_len || t->certs_len == 0)
        return bad(e, "has no certificates");
    if (t->signature_len == 0 || left - t->signature_len > PAD_MAX)
        return bad(e, "has no signature");
    for (size_t i = t->signature_len; i < left; i++)
        if (t->signature[i] != 0)
            return bad(e, "has bytes behind its signature");
    return decode_payload(t->certs + t->certs_len, (size_t)payload, t, e);
}

bool ticket_lists(const struct ticket *t, enum digest_kind kind, const unsigned char *sum)
{
    unsigned char type = kind == DIGEST_SHA1 ? 1 : kind == DIGEST_SHA256 ? 2 : 0;
    for (uint32_t i = 0; i < t->count && type != 0; i++) {
        const unsigned char *entry = t->entries + (size_t)i * ENTRY;
        if (entry[0] == type && memcmp(entry + 1, sum, ENTRY_SUM) == 0)
            return true;
    }
    return false;
}
