/* A crit-bit tree: an inner node tests one bit of the name, the leaves are the names. A look-up costs at most
 * the length of the name in bits, whatever names a repository contains: there is nothing to collide. */
#include "manifests/names.h"
#include "core/text.h"
#include <stdint.h>

struct node {
    const char *name;   /* NULL: an inner node */
    uint32_t at;        /* of a leaf the name's length; of an inner node the byte that it tests */
    unsigned char mask; /* one bit of that byte */
    union {
        void *what;
        struct node *child[2];
    } u;
};

struct names {
    struct arena *a;
    struct node *root;
};

const char *names_nfc(struct arena *a, const char *s)
{
    size_t i = 0;

    while ((unsigned char)s[i] > 0 && (unsigned char)s[i] < 0x80)
        i++;
    if (s[i] == '\0')
        return s;
    const char *composed = text_nfc(a, s);
    return composed ? composed : s;
}

struct names *names_open(struct arena *a)
{
    struct names *n = arena_alloc(a, sizeof *n);
    n->a = a;
    return n;
}

static unsigned side(const struct node *inner, const char *name, size_t len)
{
    unsigned char c = inner->at < len ? (unsigned char)name[inner->at] : 0;
    return (c & inner->mask) != 0;
}

static struct node *nearest(const struct names *n, const char *name, size_t len)
{
    struct node *at = n->root;

    while (at && !at->name)
        at = at->u.child[side(at, name, len)];
    return at;
}

static bool is(const struct node *leaf, const char *name, size_t len)
{
    return leaf && leaf->at == len && memcmp(leaf->name, name, len) == 0;
}

void *names_find(const struct names *n, const char *name, size_t len)
{
    struct node *leaf = nearest(n, name, len);
    return is(leaf, name, len) ? leaf->u.what : NULL;
}

void *names_get(const struct names *n, const char *name)
{
    return names_find(n, name, strlen(name));
}

/* Put fresh, whose name differs from that of the nearest leaf, in its place. */
static void hang(struct names *n, const struct node *leaf, struct node *fresh)
{
    const char *name = fresh->name;
    size_t len = fresh->at, shorter = leaf->at < len ? leaf->at : len, byte = 0;
    while (byte < shorter && leaf->name[byte] == name[byte])
        byte++;
    unsigned differ = byte < leaf->at ? (unsigned char)leaf->name[byte] : 0;
    differ ^= byte < len ? (unsigned char)name[byte] : 0;
    unsigned mask = 0x80;
    while (!(differ & mask))
        mask >>= 1;
    struct node *inner = arena_alloc(n->a, sizeof *inner);
    inner->at = (uint32_t)byte;
    inner->mask = (unsigned char)mask;

    struct node **at = &n->root;
    while (!(*at)->name && ((*at)->at < byte || ((*at)->at == byte && (*at)->mask > mask)))
        at = &(*at)->u.child[side(*at, name, len)];
    unsigned mine = side(inner, name, len);
    inner->u.child[mine] = fresh;
    inner->u.child[!mine] = *at;
    *at = inner;
}

void names_put(struct names *n, const char *name, void *what)
{
    size_t len = strlen(name);
    struct node *leaf = nearest(n, name, len);

    if (is(leaf, name, len)) {
        leaf->u.what = what;
        return;
    }
    struct node *fresh = arena_alloc(n->a, sizeof *fresh);
    *fresh = (struct node){.name = name, .at = (uint32_t)len, .u.what = what};
    if (leaf)
        hang(n, leaf, fresh);
    else
        n->root = fresh;
}

bool names_has(const struct names *n, const char *name)
{
    return names_get(n, name) != NULL;
}

bool names_add(struct names *n, const char *name)
{
    if (names_has(n, name))
        return false;
    names_put(n, name, n);
    return true;
}
