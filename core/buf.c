/* buf: invariants. len <= max always; data, when there, has room for len bytes and a NUL. */
#include "core/buf.h"
#include "core/arena.h"
#include "core/os.h"
#include <stdint.h>

#define POPULATED     ((size_t)64 * 1024) /* one that has grown so far will be filled, up to … */
#define POPULATED_MAX ((size_t)512 * 1024)

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4};
}

void buf_release(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

static bool reserve(struct buf *b, size_t n, struct err *e)
{
    if (n > b->max - b->len)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "longer than %zu bytes", b->max);
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < need)
        cap *= 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    b->data = arena_heap(b->data, cap);
    b->cap = cap;
    if (cap >= POPULATED) {
        size_t soon = cap - b->len;
        os_populate((uintptr_t)b->data + b->len, soon < POPULATED_MAX ? soon : POPULATED_MAX, true);
    }
    return true;
}

bool buf_append(struct buf *b, const void *p, size_t n, struct err *e)
{
    if (!reserve(b, n, e))
        return false;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    bool ok = n >= 0 && reserve(b, (size_t)n, NULL);
    if (ok) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return ok;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}
