/* Two bytes that say what was asked, then the head of a response: whatever comes, a body is only appended
 * when it is exactly the rest. */
#include "core/fetch_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_validator have = {.etag = "\"a\"", .last_modified = "D", .length = 10};
    struct fetch_asked asked = {.have = &have};
    struct fetch_reply r;
    struct err e = {0};
    if (size < 2)
        return 0;
    asked.from = data[0] % 11;
    asked.conditional = (data[1] & 1) != 0;
    asked.compress = (data[1] & 2) != 0;
    if ((data[1] & 4) != 0)
        have.length = -1;
    fetch_reply_clear(&r);
    for (size_t i = 2; i < size;) {
        const uint8_t *end = memchr(data + i, '\n', size - i);
        size_t n = end != NULL ? (size_t)(end - data) - i + 1 : size - i;
        if (!fetch_reply_line(&r, (const char *)data + i, n, &e))
            return 0;
        i += n;
    }
    enum fetch_verdict v = fetch_reply_judge(&r, &asked, &e);
    if (v == REPLY_REST &&
        (asked.from == 0 || r.first != (int64_t)asked.from || r.last < r.first ||
         strcmp(r.v.etag, have.etag) != 0 || (have.length >= 0 && r.last != have.length - 1)))
        abort();
    if (v == REPLY_UNCHANGED && !asked.conditional)
        abort();
    if ((v == REPLY_FAULT) != (e.kind != ERR_NONE))
        abort();
    if (fetch_reply_wait_ms(&r, 784111740) > 900000)
        abort();
    return 0;
}
