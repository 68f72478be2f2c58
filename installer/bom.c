/* Invariants of reading: every address and length is checked against the bytes given; leaves are followed by
 * their forward links, each at most once; identifiers are unique, and a parent is nearer to the root than its
 * child, so that no walk upwards runs for ever.
 *
 * A leaf pair is (block {id, details}, block {parent id, name}). Files of 4 GB and more have the low 32 bits
 * of their size in the details.
 * "._" twins carry the mode of their other half, size and sum 0 (flags 1). */
#include "installer/bom.h"
#include "core/limits.h"
#include "core/text.h"
#if defined(HAVE_ISAL)
#include <isa-l/crc.h>
#endif

#define LEVELS_MAX  16
#define FLAGS_TWIN  0x0001
#define DETAILS_MIN 23
#define FAST_MIN    64 /* shorter ones are not worth the library's call */

/* --- sums --- */

/* tables[0][i]: the sum of one byte; tables[k][i]: of i followed by k zero bytes. Eight bytes at a time. */
static uint32_t tables[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i << 24;
        for (int k = 0; k < 8; k++)
            c = c & 0x80000000 ? c << 1 ^ 0x04c11db7 : c << 1;
        tables[0][i] = c;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned i = 0; i < 256; i++)
            tables[k][i] = tables[k - 1][i] << 8 ^ tables[0][tables[k - 1][i] >> 24];
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t get16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t bom_sum_tables(uint32_t sum, const void *p, size_t n)
{
    const unsigned char *s = p;
    if (tables[0][1] == 0)
        make_tables();
    for (; n >= 8; n -= 8, s += 8) {
        uint32_t a = sum ^ get32(s), b = get32(s + 4);
        sum = tables[7][a >> 24] ^ tables[6][a >> 16 & 0xff] ^ tables[5][a >> 8 & 0xff] ^
              tables[4][a & 0xff] ^ tables[3][b >> 24] ^ tables[2][b >> 16 & 0xff] ^
              tables[1][b >> 8 & 0xff] ^ tables[0][b & 0xff];
    }
    while (n-- > 0)
        sum = sum << 8 ^ tables[0][sum >> 24 ^ *s++];
    return sum;
}

uint32_t bom_sum(uint32_t sum, const void *p, size_t n)
{
#if defined(HAVE_ISAL)
    if (n >= FAST_MIN) /* its sums are inverted on both sides */
        return ~crc32_ieee(~sum, p, n);
#endif
    return bom_sum_tables(sum, p, n);
}

uint32_t bom_sum_end(uint32_t sum, uint64_t total)
{
    for (; total > 0; total >>= 8) {
        unsigned char c = (unsigned char)(total & 0xff);
        sum = bom_sum(sum, &c, 1);
    }
    return ~sum;
}

/* --- reading --- */

struct store {
    const unsigned char *p;
    size_t n;
    uint32_t index, blocks; /* where the index's pairs are, how many */
};

struct draft {
    uint32_t id, parent;
    struct bom_entry entry;
    struct draft *up;
    unsigned depth; /* 0: not yet known; the root's is 1 */
    size_t at;      /* order in the file, then in the result */
};

struct reading {
    struct arena *arena;
    struct store s;
    struct draft *drafts;
    size_t count, cap;
    struct draft **by_depth;
};

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "Bom: %s", what);
}

/* Block id with at least min bytes, or NULL. */
static const unsigned char *block(const struct store *s, uint32_t id, size_t min, size_t *len)
{
    if (id == 0 || id >= s->blocks)
        return NULL;
    size_t at = get32(s->p + s->index + 8 * (size_t)id), n = get32(s->p + s->index + 8 * (size_t)id + 4);
    if (at > s->n || n > s->n - at || n < min)
        return NULL;
    *len = n;
    return s->p + at;
}

static bool open_store(struct store *s, const void *p, size_t n, struct err *e)
{
    s->p = p;
    s->n = n;
    if (n < 32 || memcmp(p, "BOMStore", 8) != 0 || get32(s->p + 8) != 1)
        return bad(e, "it does not begin as one");
    size_t at = get32(s->p + 16), len = get32(s->p + 20);
    if (at > n || len > n - at || len < 4)
        return bad(e, "the index lies outside");
    uint32_t blocks = get32(s->p + at);
    if (blocks > (len - 4) / 8)
        return bad(e, "the index is cut short");
    s->index = (uint32_t)at + 4;
    s->blocks = blocks;
    return true;
}

static bool find_paths(const struct store *s, uint32_t *id, struct err *e)
{
    size_t at = get32(s->p + 24), len = get32(s->p + 28);
    if (at > s->n || len > s->n - at || len < 4)
        return bad(e, "the list of variables lies outside");
    const unsigned char *p = s->p + at + 4, *end = s->p + at + len;
    for (uint32_t left = get32(s->p + at); left > 0 && end - p >= 5; left--) {
        size_t name = p[4];
        if ((size_t)(end - p) < 5 + name)
            break;
        if (name == 5 && memcmp(p + 5, "Paths", 5) == 0) {
            *id = get32(p);
            return true;
        }
        p += 5 + name;
    }
    return bad(e, "it has no list of paths");
}

static bool name_ok(const char *s, bool root)
{
    if (root)
        return strcmp(s, ".") == 0;
    return *s && strlen(s) <= LIMIT_NAME && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static bool read_details(struct reading *r, const unsigned char *p, size_t n, struct bom_entry *entry)
{
    if (p[0] < BOM_FILE || p[0] > BOM_DEVICE)
        return false;
    entry->type = (enum bom_type)p[0];
    entry->twin = get16(p + 2) == FLAGS_TWIN && entry->type == BOM_FILE && text_starts(entry->name, "._");
    entry->mode = get16(p + 4);
    entry->uid = get32(p + 6);
    entry->gid = get32(p + 10);
    entry->mtime = get32(p + 14);
    entry->size = get32(p + 18);
    if ((entry->type == BOM_FILE || entry->type == BOM_LINK) && n >= DETAILS_MIN + 4)
        entry->sum = get32(p + DETAILS_MIN);
    if (entry->type == BOM_LINK) {
        size_t len = n >= DETAILS_MIN + 8 ? get32(p + DETAILS_MIN + 4) : 0;
        if (len == 0 || len > n - DETAILS_MIN - 8 || len > LIMIT_PATH + 1 ||
            p[DETAILS_MIN + 8 + len - 1] != 0)
            return false;
        entry->link = arena_strdup(r->arena, (const char *)p + DETAILS_MIN + 8);
    }
    return true;
}

static bool read_pair(struct reading *r, const unsigned char *pair, struct err *e)
{
    size_t key_len, value_len, details_len;
    const unsigned char *value = block(&r->s, get32(pair), 8, &value_len);
    const unsigned char *key = block(&r->s, get32(pair + 4), 5, &key_len);
    if (!value || !key)
        return bad(e, "a path lies outside");
    const unsigned char *details = block(&r->s, get32(value + 4), DETAILS_MIN, &details_len);
    if (!details)
        return bad(e, "a path's details lie outside");
    if (r->count == LIMIT_PAYLOAD_FILES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "Bom: more than %d paths", LIMIT_PAYLOAD_FILES);
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 256;
        r->drafts = arena_heap(r->drafts, r->cap * sizeof *r->drafts);
    }
    struct draft *d = &r->drafts[r->count];
    *d = (struct draft){.id = get32(value), .parent = get32(key), .at = r->count};
    const char *name = (const char *)key + 4;
    if (!memchr(name, 0, key_len - 4) || !name_ok(name, d->parent == 0))
        return bad(e, "a name is not one that can be");
    d->entry.name = arena_strdup(r->arena, name);
    if (!read_details(r, details, details_len, &d->entry))
        return bad(e, "a path's details are not what they should be");
    r->count++;
    return true;
}

static bool read_leaves(struct reading *r, uint32_t node, struct err *e)
{
    size_t len;
    const unsigned char *p = NULL;
    for (int level = 0;; level++) {
        p = block(&r->s, node, 12, &len);
        if (!p || level == LEVELS_MAX)
            return bad(e, "its tree is broken");
        if (get16(p) != 0)
            break;
        if (len < 20)
            return bad(e, "its tree is broken");
        node = get32(p + 12);
    }
    unsigned char *seen = arena_heap(NULL, r->s.blocks / 8 + 1);
    memset(seen, 0, r->s.blocks / 8 + 1);
    bool ok = true;
    while (ok && node != 0) {
        p = block(&r->s, node, 12, &len);
        if (!p || get16(p) == 0 || get16(p + 2) > (len - 12) / 8)
            ok = bad(e, "a leaf is broken");
        else if (seen[node / 8] >> node % 8 & 1)
            ok = bad(e, "its leaves go round in a circle");
        else
            seen[node / 8] = (unsigned char)(seen[node / 8] | 1u << node % 8);
        for (unsigned i = 0; ok && i < get16(p + 2); i++)
            ok = read_pair(r, p + 12 + 8 * i, e);
        if (ok)
            node = get32(p + 4);
    }
    free(seen);
    return ok;
}

static int by_id(const void *a, const void *b)
{
    const struct draft *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_depth(const void *a, const void *b)
{
    const struct draft *x = *(struct draft *const *)a, *y = *(struct draft *const *)b;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* How far d is from the root; marks everything on the way. */
static bool measure(struct draft *d, struct err *e)
{
    struct draft *chain[LIMIT_PAYLOAD_DEPTH + 1];
    unsigned n = 0;
    size_t path = 0;
    for (struct draft *up = d; up && up->depth == 0; up = up->up) {
        if (n > LIMIT_PAYLOAD_DEPTH)
            return bad(e, "a path is deeper than can be, or goes round in a circle");
        chain[n++] = up;
    }
    for (; n > 0; n--) {
        struct draft *c = chain[n - 1];
        c->depth = c->up ? c->up->depth + 1 : 1;
        if (c->depth > LIMIT_PAYLOAD_DEPTH + 1)
            return bad(e, "a path is deeper than can be");
    }
    for (const struct draft *up = d; up->up; up = up->up)
        path += strlen(up->entry.name) + 1;
    return path <= LIMIT_PATH + 1 || bad(e, "a path is longer than can be");
}

static bool link_parents(struct reading *r, struct err *e)
{
    size_t roots = 0;
    qsort(r->drafts, r->count, sizeof *r->drafts, by_id);
    for (size_t i = 0; i < r->count; i++) {
        struct draft *d = &r->drafts[i];
        if (i > 0 && d[-1].id == d->id)
            return bad(e, "two paths have one number");
        if (d->parent == 0) {
            roots++;
            continue;
        }
        const struct draft key = {.id = d->parent};
        d->up = bsearch(&key, r->drafts, r->count, sizeof key, by_id);
        if (!d->up)
            return bad(e, "a path has no parent");
    }
    if (r->count > 0 && roots != 1)
        return bad(e, "it has not exactly one root");
    r->by_depth = arena_heap(NULL, (r->count + 1) * sizeof(struct draft *));
    for (size_t i = 0; i < r->count; i++) {
        if (!measure(&r->drafts[i], e))
            return false;
        r->by_depth[i] = &r->drafts[i];
    }
    qsort(r->by_depth, r->count, sizeof *r->by_depth, by_depth);
    return true;
}

static const struct bom *result(struct reading *r)
{
    struct bom *bom = arena_alloc(r->arena, sizeof *bom);
    struct bom_entry *entries = arena_array(r->arena, r->count, sizeof *entries);
    for (size_t i = 0; i < r->count; i++) {
        struct draft *d = r->by_depth[i];
        entries[i] = d->entry;
        entries[i].parent = d->up ? &entries[d->up->at] : NULL;
        d->at = i;
    }
    bom->entries = entries;
    bom->count = r->count;
    return bom;
}

const struct bom *bom_decode(struct arena *a, const void *p, size_t n, struct err *e)
{
    struct reading r = {.arena = a};
    uint32_t paths = 0;
    size_t len;
    if (n > LIMIT_BOM) {
        err_set(e, ERR_LIMIT, CAUSE_LIMIT, "Bom: longer than %zu bytes", LIMIT_BOM);
        return NULL;
    }
    bool ok = open_store(&r.s, p, n, e) && find_paths(&r.s, &paths, e);
    if (ok) {
        const unsigned char *tree = block(&r.s, paths, 12, &len);
        ok = tree && memcmp(tree, "tree", 4) == 0 ? read_leaves(&r, get32(tree + 8), e)
                                                  : bad(e, "its tree is broken");
    }
    ok = ok && (r.count == 0 || link_parents(&r, e));
    const struct bom *bom = ok ? result(&r) : NULL;
    free(r.by_depth);
    free(r.drafts);
    return bom;
}

void bom_path(const struct bom_entry *entry, char *out)
{
    size_t n = 0;
    for (const struct bom_entry *up = entry; up->parent; up = up->parent)
        n += strlen(up->name) + 1;
    if (n == 0) {
        *out = '\0';
        return;
    }
    out[--n] = '\0';
    for (const struct bom_entry *up = entry; up->parent; up = up->parent) {
        size_t len = strlen(up->name);
        n -= len;
        memcpy(out + n, up->name, len);
        if (n > 0)
            out[--n] = '/';
    }
}
