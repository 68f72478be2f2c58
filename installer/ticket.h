/* ticket: the notarization ticket that Apple's stapler leaves behind a package, taken apart. What its
 * signature is worth is for signature to say. Only bytes here: no certificate is looked at.
 *
 * The end of the file is: a record of type 1, the ticket, a record of type 2 with the ticket's length. No
 * signature of the package covers it. Numbers are little-endian. */
#ifndef INSTALLER_TICKET_H
#define INSTALLER_TICKET_H
#include "core/buf.h"
#include "core/crypto.h"
#include <stdint.h>

struct ticket {
    const unsigned char *signed_part; /* what the signature is over: header, certificates, payload */
    size_t signed_len;
    const unsigned char *certs; /* DER: a SEQUENCE of them, leaf first */
    size_t certs_len;
    const unsigned char *signature; /* DER: ECDSA */
    size_t signature_len;
    int64_t time; /* seconds since 1970 */
    const unsigned char *entries;
    uint32_t count;
};

/* The ticket at the end of fd, behind the first `after` of its size bytes, to out; *found false when there is
 * none. ERR_FORMAT: there is one, and it makes no sense; ERR_LIMIT; ERR_SYS. */
CHECKED bool ticket_load(int fd, uint64_t after, uint64_t size, struct buf *out, bool *found, struct err *e);

/* Take n bytes apart; t points into them. ERR_FORMAT, or ERR_LIMIT over LIMIT_TICKET. */
CHECKED bool ticket_decode(const void *p, size_t n, struct ticket *t, struct err *e);

/* Is this digest listed? kind: SHA-1 or SHA-256, of which the first 20 bytes count. */
bool ticket_lists(const struct ticket *t, enum digest_kind kind, const unsigned char *sum);
#endif
