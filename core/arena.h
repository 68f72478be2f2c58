/* arena: memory with one lifetime. Nothing in it is freed alone.
 *
 * Lifetimes in the program: process, run, item, transfer; the one meant is always a parameter. Allocation
 * never returns NULL: out of memory ends the process with exit code 71 (memory_exhausted), and the journal
 * makes that safe. All memory is zeroed and aligned for any type. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H
#include "core/err.h"
#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_open(void);
void arena_free(struct arena *a); /* NULL is fine */

void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size); /* count * size, checked for overflow */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len); /* exactly len bytes, then a NUL */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
size_t arena_used(const struct arena *a); /* bytes held, for limits and tests */

/* Called once just before exit 71; set by main to write one preformatted record. Must not allocate. */
void arena_on_exhausted(void (*fn)(void *ctx), void *ctx);

/* malloc and realloc that end the process as above instead of returning NULL; free with free(). */
void *arena_heap(void *old, size_t size);
#endif
