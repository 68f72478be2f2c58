/* Any bytes as a Payload: refused with a sentence, or read to its end; and every name that comes out is one
 * that may be laid down. */
#include "core/limits.h"
#include "core/text.h"
#include "installer/cpio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const uint8_t *p;
    size_t left;
};

static bool give(void *ctx, void *p, size_t max, size_t *got, struct err *e)
{
    struct source *s = ctx;
    (void)e;
    *got = s->left < max ? s->left : max;
    memcpy(p, s->p, *got);
    s->p += *got;
    s->left -= *got;
    return true;
}

/* The promises of cpio.h. */
static void check(const struct cpio_member *m)
{
    if (m->path[0] == '/' || strlen(m->path) > LIMIT_PATH || !text_utf8_valid(m->path, strlen(m->path)))
        abort();
    for (const char *s = m->path; *s != '\0';) {
        size_t n = strcspn(s, "/");
        if (n == 0 || n > LIMIT_NAME || (n <= 2 && memcmp(s, "..", n) == 0))
            abort();
        s += n + (s[n] == '/');
    }
    if ((m->type == CPIO_LINK) != (m->link[0] != '\0') || (m->type != CPIO_FILE && m->size != 0) ||
        m->mode > 07777)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source s = {.p = data, .left = size};
    struct err e = {.kind = ERR_NONE};
    struct payload *p = payload_open(give, &s, 0, 4 * LIMIT_MB, &e);
    struct cpio *c = p != NULL ? cpio_open(p) : NULL;
    bool end = false, ok = p != NULL;
    while (ok && !end) {
        struct cpio_member m;
        const void *piece;
        size_t n = 1, total = 0;
        ok = cpio_next(c, &m, &end, &e);
        if (!ok || end)
            break;
        check(&m);
        while (ok && n > 0) {
            ok = cpio_data(c, &piece, &n, &e);
            total += ok ? n : 0;
        }
        if (ok && total != m.size)
            abort();
    }
    if (!ok && (e.kind == ERR_NONE || e.text[0] == '\0'))
        abort();
    cpio_free(c);
    payload_free(p);
    return 0;
}
