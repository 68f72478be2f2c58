/* arena: invariants.
 *
 * Blocks form a list; the first one is the only one that still has room. A block's bytes are zero until they
 * are handed out, because block_new made them so and nothing is handed out twice. What is large beside the
 * block in use gets a block of its own, put behind it, so that its room is not lost. An arena that has
 * outgrown small blocks goes on in large pages: the first touch of each page is what its memory costs. Under
 * the address sanitizer every allocation is such a block: one byte too many is then found. */
#include "core/arena.h"
#include "core/os.h"
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EVERY_ONE_ALONE 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define EVERY_ONE_ALONE 1
#endif
#ifndef EVERY_ONE_ALONE
#define EVERY_ONE_ALONE 0
#endif

#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_SMALL ((size_t)256 * 1024) /* from the heap; a larger one is made of pages */

struct block {
    struct block *next;
    size_t size, used;
    max_align_t data[];
};

struct arena {
    struct block *blocks;
    size_t next_size, used;
};

static void (*exhausted_fn)(void *ctx);
static void *exhausted_ctx;

void arena_on_exhausted(void (*fn)(void *ctx), void *ctx)
{
    exhausted_fn = fn;
    exhausted_ctx = ctx;
}

static NORETURN void exhausted(void)
{
    static const char text[] = "daybreak: out of memory\n";
    if (exhausted_fn)
        exhausted_fn(exhausted_ctx);
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(EXIT_MEMORY); /* not exit: what would run there may want memory */
}

void *arena_heap(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        exhausted();
    return p;
}

static bool of_pages(size_t size)
{
    return size > BLOCK_SMALL && !EVERY_ONE_ALONE;
}

static struct block *block_new(size_t size)
{
    if (size > SIZE_MAX / 2)
        exhausted();
    struct block *b = of_pages(size) ? os_pages(sizeof *b + size) : calloc(1, sizeof *b + size);
    if (!b)
        exhausted();
    b->size = size;
    return b;
}

static void block_free(struct block *b)
{
    if (of_pages(b->size))
        os_pages_free(b, sizeof *b + b->size);
    else
        free(b);
}

struct arena *arena_open(void)
{
    struct arena *a = arena_heap(NULL, sizeof *a);
    *a = (struct arena){.next_size = BLOCK_FIRST};
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
    free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (size > SIZE_MAX - align - a->used)
        exhausted();
    size_t rounded = (size + align - 1) / align * align;
    struct block *b = a->blocks;
    a->used += rounded;
    if (b && !EVERY_ONE_ALONE && rounded <= b->size - b->used) {
        void *p = (char *)b->data + b->used;
        b->used += rounded;
        return p;
    }
    if (EVERY_ONE_ALONE || rounded > a->next_size / 4) {
        struct block *own = block_new(EVERY_ONE_ALONE ? size : rounded);
        own->used = own->size;
        own->next = b ? b->next : NULL;
        if (b)
            b->next = own;
        else
            a->blocks = own;
        return own->data;
    }
    b = block_new(a->next_size);
    b->next = a->blocks;
    b->used = rounded;
    a->blocks = b;
    a->next_size = a->next_size < BLOCK_SMALL ? 2 * a->next_size : OS_LARGE_PAGE - sizeof *b;
    return b->data;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        exhausted();
    return arena_alloc(a, count * size);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    if (len == SIZE_MAX)
        exhausted();
    char *p = arena_alloc(a, len + 1);
    if (len)
        memcpy(p, s, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? arena_strdup(a, fmt) : arena_alloc(a, (size_t)n + 1);
    if (n >= 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
