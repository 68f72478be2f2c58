/* A crit-bit tree: an inner node tests one bit of the name, the leaves are the names. A look-up costs at most
 * the length of the name in bits, whatever names a repository contains: there is nothing to collide. */
#include "manifests/names.h"
#include "core/text.h"

struct node {
    const char *name; /* NULL: an inner node */
    void *what;
    size_t byte;
    unsigned char mask; /* one bit */
    struct node *child[2];
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
    unsigned char c = inner->byte < len ? (unsigned char)name[inner->byte] : 0;
    return (c & inner->mask) != 0;
}

static struct node *nearest(const struct names *n, const char *name)
{
    size_t len = strlen(name);
    struct node *at = n->root;

    while (at && !at->name)
        at = at->child[side(at, name, len)];
    return at;
}

void *names_get(const struct names *n, const char *name)
{
    struct node *leaf = nearest(n, name);
    return leaf && strcmp(leaf->name, name) == 0 ? leaf->what : NULL;
}

void names_put(struct names *n, const char *name, void *what)
{
    struct node *leaf = nearest(n, name);
    size_t byte = 0;

    if (leaf) {
        while (leaf->name[byte] == name[byte] && name[byte] != '\0')
            byte++;
        if (leaf->name[byte] == name[byte]) {
            leaf->what = what;
            return;
        }
    }
    struct node *fresh = arena_alloc(n->a, sizeof *fresh);
    fresh->name = name;
    fresh->what = what;
    if (!leaf) {
        n->root = fresh;
        return;
    }

    unsigned differ = (unsigned)((unsigned char)leaf->name[byte] ^ (unsigned char)name[byte]);
    unsigned mask = 0x80;
    while (!(differ & mask))
        mask >>= 1;
    struct node *inner = arena_alloc(n->a, sizeof *inner);
    inner->byte = byte;
    inner->mask = (unsigned char)mask;

    size_t len = strlen(name);
    struct node **at = &n->root;
    while (!(*at)->name && ((*at)->byte < byte || ((*at)->byte == byte && (*at)->mask > mask)))
        at = &(*at)->child[side(*at, name, len)];
    unsigned mine = side(inner, name, len);
    inner->child[mine] = fresh;
    inner->child[!mine] = *at;
    *at = inner;
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
