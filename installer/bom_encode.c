/* Invariants: places are sorted by path first, which makes numbers and finds parents, then by (number of the
 * parent, name), which is the order of the leaves.
 *
 * A branch of n keys has n + 1 children: its last pair has no key. Leaves split at 256 pairs though more
 * would fit, and blocks of details end in eight zero bytes: so do those of Apple's writers. */
#include "core/limits.h"
#include "installer/bom.h"

#define HEADER   512
#define NODE     4096
#define LEAF_MAX 256
#define FLAGS    0x000f

struct writing {
    struct buf *out;
    size_t base;     /* of the Bom in out */
    uint32_t *index; /* address and length, two for each block */
    size_t blocks, cap;
    struct err *e;
    bool failed;
};

struct place { /* of one item in the tree */
    const struct bom_item *item;
    size_t parent; /* place of it */
    uint32_t id, info, key;
};

static void put(struct writing *w, const void *p, size_t n)
{
    if (!w->failed && !buf_append(w->out, p, n, w->e))
        w->failed = true;
}

static void put32(struct writing *w, uint32_t v)
{
    const unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                                (unsigned char)v};
    put(w, b, 4);
}

static void put16(struct writing *w, unsigned v)
{
    const unsigned char b[2] = {(unsigned char)(v >> 8), (unsigned char)v};
    put(w, b, 2);
}

static void put8(struct writing *w, unsigned v)
{
    const unsigned char b = (unsigned char)v;
    put(w, &b, 1);
}

static void zeros(struct writing *w, size_t n)
{
    static const unsigned char none[NODE];
    put(w, none, n);
}

/* A new block begins here. Its length is settled by end_block. */
static uint32_t begin_block(struct writing *w)
{
    if (w->blocks + 1 > w->cap) {
        w->cap = w->cap ? 2 * w->cap : 1024;
        w->index = arena_heap(w->index, w->cap * 2 * sizeof *w->index);
    }
    w->index[2 * w->blocks] = (uint32_t)(w->out->len - w->base);
    return (uint32_t)w->blocks++;
}

static void end_block(struct writing *w, uint32_t id)
{
    w->index[2 * id + 1] = (uint32_t)(w->out->len - w->base) - w->index[2 * id];
}

static uint32_t put_tree(struct writing *w, uint32_t child, uint32_t node, size_t count)
{
    uint32_t id = begin_block(w);
    put(w, "tree", 4);
    put32(w, 1);
    put32(w, child);
    put32(w, node);
    put32(w, (uint32_t)count);
    put8(w, 0);
    end_block(w, id);
    return id;
}

static uint32_t put_empty_tree(struct writing *w, uint32_t node)
{
    uint32_t leaf = begin_block(w);
    put16(w, 1);
    zeros(w, node - 2);
    end_block(w, leaf);
    return put_tree(w, leaf, node, 0);
}

static void put_item(struct writing *w, struct place *pl)
{
    const struct bom_item *it = pl->item;
    const char *slash = strrchr(it->path, '/'), *name = slash ? slash + 1 : it->path;
    uint32_t details = begin_block(w);
    put8(w, it->type);
    put8(w, 1);
    put16(w, FLAGS);
    put16(w, it->mode);
    put32(w, it->uid);
    put32(w, it->gid);
    put32(w, it->mtime);
    put32(w, (uint32_t)it->size);
    put8(w, 1);
    if (it->type != BOM_DIRECTORY)
        put32(w, it->sum);
    if (it->type == BOM_LINK) {
        put32(w, (uint32_t)strlen(it->link) + 1);
        put(w, it->link, strlen(it->link) + 1);
    }
    zeros(w, 8);
    end_block(w, details);
    pl->info = begin_block(w);
    put32(w, pl->id);
    put32(w, details);
    end_block(w, pl->info);
    pl->key = begin_block(w);
    put32(w, pl->parent == SIZE_MAX ? 0 : (uint32_t)pl->parent + 1);
    put(w, pl->parent == SIZE_MAX ? "." : name, pl->parent == SIZE_MAX ? 2 : strlen(name) + 1);
    end_block(w, pl->key);
}

struct child { /* of a branch: a node and the last key under it */
    uint32_t node, key;
};

/* Nodes of one level: count pairs (a, b), LEAF_MAX in a node. Leaves are linked; a branch's last pair has no
 * key. Returns how many nodes, described in up (which may be pairs itself). */
static size_t put_level(struct writing *w, const struct child *pairs, size_t count, bool leaf,
                        struct child *up)
{
    size_t nodes = (count + LEAF_MAX - 1) / LEAF_MAX;
    uint32_t first = (uint32_t)w->blocks;
    for (size_t i = 0; i < nodes; i++) {
        size_t from = i * LEAF_MAX, n = count - from < LEAF_MAX ? count - from : LEAF_MAX;
        uint32_t id = begin_block(w);
        struct child last = {id, pairs[from + n - 1].key};
        put16(w, leaf);
        put16(w, (unsigned)(leaf ? n : n - 1));
        put32(w, leaf && i + 1 < nodes ? first + (uint32_t)i + 1 : 0);
        put32(w, leaf && i > 0 ? first + (uint32_t)i - 1 : 0);
        for (size_t k = from; k < from + n; k++) {
            put32(w, pairs[k].node);
            put32(w, leaf || k + 1 < from + n ? pairs[k].key : 0);
        }
        zeros(w, NODE - 12 - 8 * n);
        end_block(w, id);
        up[i] = last;
    }
    return nodes;
}

static int by_path(const void *a, const void *b)
{
    const char *x = ((const struct place *)a)->item->path, *y = ((const struct place *)b)->item->path;
    while (*x && *x == *y)
        x++, y++;
    unsigned char cx = *x == '/' ? 1 : (unsigned char)*x, cy = *y == '/' ? 1 : (unsigned char)*y;
    return cx < cy ? -1 : cx > cy;
}

static int by_key(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->parent != y->parent)
        return x->parent + 1 < y->parent + 1 ? -1 : 1; /* the root's SIZE_MAX comes first */
    return by_path(a, b);
}

static bool is_parent(const char *parent, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    return strncmp(parent, path, n) == 0 && parent[n] == '\0';
}

/* Sorted by path a parent stands before its children, among the ancestors of what stands before them. */
static bool find_parents(struct place *places, size_t count, struct err *e)
{
    places[0].parent = SIZE_MAX;
    places[0].id = 1;
    for (size_t i = 1; i < count; i++) {
        const char *path = places[i].item->path;
        size_t up = i - 1;
        if (strcmp(path, places[up].item->path) == 0)
            return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "Bom: %s twice", path);
        while (up != SIZE_MAX && !is_parent(places[up].item->path, path))
            up = places[up].parent;
        if (up == SIZE_MAX)
            return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "Bom: %s without its parent", path);
        places[i].parent = up;
        places[i].id = (uint32_t)i + 1;
    }
    return true;
}

static void put_variable(struct writing *w, uint32_t id, const char *name)
{
    put32(w, id);
    put8(w, (unsigned)strlen(name));
    put(w, name, strlen(name));
}

static void set32(struct writing *w, size_t at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        w->out->data[w->base + at + i] = (char)(unsigned char)(v >> (24 - 8 * i));
}

static void put_store(struct writing *w, struct place *places, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += places[i].item->type == BOM_FILE ? places[i].item->size : 0;
    put(w, "BOMStore", 8);
    zeros(w, HEADER - 8);
    begin_block(w); /* block 0 is none */
    w->index[0] = w->index[1] = 0;

    uint32_t info = begin_block(w);
    put32(w, 1);
    put32(w, (uint32_t)count + 1);
    put32(w, 1);
    put32(w, 0);
    put32(w, 0);
    put32(w, (uint32_t)bytes);
    put32(w, 0);
    end_block(w, info);

    struct child *pairs = arena_heap(NULL, count * sizeof *pairs);
    for (size_t i = 0; i < count; i++) {
        put_item(w, &places[i]);
        pairs[i] = (struct child){places[i].info, places[i].key};
    }
    size_t nodes = put_level(w, pairs, count, true, pairs);
    while (nodes > 1)
        nodes = put_level(w, pairs, nodes, false, pairs);
    uint32_t paths = put_tree(w, pairs[0].node, NODE, count);
    free(pairs);

    uint32_t links = put_empty_tree(w, NODE), versions = put_empty_tree(w, 128);
    uint32_t version = begin_block(w);
    put32(w, 1);
    put32(w, versions);
    put32(w, 0);
    put8(w, 0);
    end_block(w, version);
    uint32_t sizes = put_empty_tree(w, NODE);

    size_t variables = w->out->len - w->base;
    put32(w, 5);
    put_variable(w, info, "BomInfo");
    put_variable(w, paths, "Paths");
    put_variable(w, links, "HLIndex");
    put_variable(w, version, "VIndex");
    put_variable(w, sizes, "Size64");
    size_t index = w->out->len - w->base;
    put32(w, (uint32_t)w->blocks);
    for (size_t i = 0; i < 2 * w->blocks; i++)
        put32(w, w->index[i]);
    put32(w, 0); /* nothing is free: two null pairs */
    zeros(w, 16);
    if (w->failed)
        return;
    const uint32_t header[] = {1,
                               (uint32_t)w->blocks - 1,
                               (uint32_t)index,
                               (uint32_t)(w->out->len - w->base - index),
                               (uint32_t)variables,
                               (uint32_t)(index - variables)};
    for (size_t i = 0; i < 6; i++)
        set32(w, 8 + 4 * i, header[i]);
}

bool bom_encode(const struct bom_item *items, size_t count, struct buf *out, struct err *e)
{
    static const struct bom_item root = {.path = "", .type = BOM_DIRECTORY, .mode = 040755};
    struct writing w = {.out = out, .base = out->len, .e = e};
    struct place *places = arena_heap(NULL, (count + 1) * sizeof *places);
    size_t n = 0;
    bool has_root = false;
    for (size_t i = 0; i < count; i++)
        has_root = has_root || !*items[i].path;
    if (!has_root)
        places[n++] = (struct place){.item = &root};
    for (size_t i = 0; i < count; i++)
        places[n++] = (struct place){.item = &items[i]};
    qsort(places, n, sizeof *places, by_path);
    bool ok = find_parents(places, n, e);
    if (ok) {
        qsort(places, n, sizeof *places, by_key);
        put_store(&w, places, n);
        ok = !w.failed;
        if (ok && out->len - w.base > LIMIT_BOM)
            ok = err_set(e, ERR_LIMIT, CAUSE_LIMIT, "Bom: longer than %zu bytes", LIMIT_BOM);
        free(w.index);
    }
    free(places);
    return ok;
}
