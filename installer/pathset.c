/* Open addressing, linear probing, at most three quarters full; cap is a power of two. Names are ASCII as a
 * rule: those are folded without help. */
#include "installer/pathset.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/text.h"

static uint64_t mix(uint64_t h, uint64_t w, uint64_t k)
{
    h = (h ^ w) * k;
    return h ^ h >> 32;
}

/* Of the folded path. */
static void hash_path(const char *path, size_t n, uint64_t key[2])
{
    char lower[LIMIT_PATH + 1];
    struct arena *a = NULL;
    const char *s = lower;
    size_t i = 0;
    for (; i < n && i < sizeof lower && (unsigned char)path[i] < 0x80; i++)
        lower[i] = (char)(path[i] >= 'A' && path[i] <= 'Z' ? path[i] + 32 : path[i]);
    if (i < n) {
        a = arena_open();
        s = text_fold(a, arena_strndup(a, path, n));
        if (s == NULL)
            s = arena_strndup(a, path, n);
        n = strlen(s);
    }
    key[0] = 0x9e3779b97f4a7c15u ^ n;
    key[1] = 0xc2b2ae3d27d4eb4fu + n;
    for (i = 0; i < n; i += 8) {
        uint64_t w = 0;
        memcpy(&w, s + i, n - i < 8 ? n - i : 8);
        key[0] = mix(key[0], w, 0xff51afd7ed558ccdu);
        key[1] = mix(key[1], w, 0x9fb21c651e98df25u);
    }
    key[0] = mix(key[0], key[1], 0xc4ceb9fe1a85ec53u) | 1; /* never that of a free entry */
    arena_free(a);
}

static struct pathset_entry *slot(struct pathset_entry *table, size_t cap, const uint64_t key[2])
{
    size_t i = (size_t)key[1] & (cap - 1);
    while (table[i].key[0] != 0 && (table[i].key[0] != key[0] || table[i].key[1] != key[1]))
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static void grow(struct pathset *s)
{
    size_t cap = s->cap == 0 ? 1024 : s->cap * 2;
    struct pathset_entry *table = arena_heap(NULL, cap * sizeof *table);
    memset(table, 0, cap * sizeof *table);
    for (size_t i = 0; i < s->cap; i++)
        if (s->table[i].key[0] != 0)
            *slot(table, cap, s->table[i].key) = s->table[i];
    free(s->table);
    s->table = table;
    s->cap = cap;
}

struct pathset_entry *pathset_note(struct pathset *s, const char *path, size_t n, bool *fresh)
{
    uint64_t key[2];
    if ((s->used + 1) * 4 > s->cap * 3)
        grow(s);
    hash_path(path, n, key);
    struct pathset_entry *e = slot(s->table, s->cap, key);
    *fresh = e->key[0] == 0;
    if (*fresh) {
        e->key[0] = key[0];
        e->key[1] = key[1];
        s->used++;
    }
    return e;
}

struct pathset_entry *pathset_find(const struct pathset *s, const char *path, size_t n)
{
    uint64_t key[2];
    if (s->cap == 0)
        return NULL;
    hash_path(path, n, key);
    struct pathset_entry *e = slot(s->table, s->cap, key);
    return e->key[0] != 0 ? e : NULL;
}

void pathset_store(struct pathset *s, const struct pathset_entry *e)
{
    *slot(s->table, s->cap, e->key) = *e;
}

void pathset_release(struct pathset *s)
{
    free(s->table);
    memset(s, 0, sizeof *s);
}
