/* prescan_internal: the reader that prescan.c (elements), prescan_text.c (text that is not plain) and
 * prescan_start.c (what stands before the root, and what all say) share. */
#ifndef MANIFESTS_PRESCAN_INTERNAL_H
#define MANIFESTS_PRESCAN_INTERNAL_H
#include "core/arena.h"
#include "core/limits.h"
#include "manifests/prescan.h"

enum element { PLIST, DICT, ARRAY, KEY, STRING, INTEGER, REAL, DATE, DATA, TRUE_, FALSE_, ELEMENTS };

struct word {
    const char *p;
    size_t n;
};

struct tag {
    const char *at, *name;
    size_t len;
    bool closing, empty, attributes;
};

struct frame {
    enum element element;
    bool key_waits;   /* of a dictionary: a key has been read and its value has not */
    int wanted;       /* of an item: the place of that key among the wanted ones, or -1 */
    const char *at;   /* its start tag */
    size_t slot;      /* where its count goes in the shape */
    int64_t count;    /* values so far */
    size_t keys;      /* of a dictionary: its first key on the stack of keys */
    uint64_t seen[2]; /* bits of the keys so far: a key whose bit is not set has not been there */
};

struct scan {
    const char *start, *p, *end;
    const char *amp;             /* the first "&" at or after the last place where one mattered, or end */
    struct shape *shape;         /* or NULL: nobody asks */
    struct prescan_items *items; /* or NULL */
    struct word wanted[PRESCAN_KEYS]; /* items->keys */
    int wanted_count;
    size_t nodes;      /* values and keys so far */
    struct word *keys; /* of all open dictionaries */
    size_t key_count, key_room;
    struct arena *scratch;
    struct err *e;
    size_t depth; /* of the innermost open element; [0] is plist */
    struct frame stack[LIMIT_PLIST_DEPTH + 1];
};

/* A few bytes of the file, fit for a message. */
struct prescan_quote {
    char text[64];
};
struct prescan_quote prescan_quote(const char *p, size_t n);

/* Fails with ERR_FORMAT: "line N: …". */
bool prescan_bad(struct scan *s, const char *at, const char *fmt, ...) PRINTF(3, 4);

/* Text of open up to an end tag, which is left at p; out, or NULL, has room for all bytes up to there. */
bool prescan_text(struct scan *s, const struct tag *open, char *out, size_t *len);

bool prescan_blank(char c);
bool prescan_here(const struct scan *s, const char *word); /* do the bytes at p begin with word? */
const char *prescan_seek(const struct scan *s, const char *p, const char *word); /* or NULL */
bool prescan_skip_comment(struct scan *s);
bool prescan_skip_blank(struct scan *s); /* comments too */
bool prescan_utf8(struct scan *s);       /* all bytes are UTF-8 and none is NUL */
bool prescan_prologue(struct scan *s);   /* up to the root element; HTML and other things are named */
#endif
