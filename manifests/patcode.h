/* patcode: a regular expression as instructions for the machine in pattern.c. */
#ifndef MANIFESTS_PATCODE_H
#define MANIFESTS_PATCODE_H
#include "core/arena.h"
#include <stdint.h>

enum op {
    CHAR,     /* the character code */
    ANY,      /* any character; with flag also a line end */
    CLASS,    /* one of classes[code] */
    SPLIT,    /* go on at +x, else at +y */
    JUMP,     /* go on at +x */
    BEGIN,    /* at the start; with flag also behind a line end */
    END,      /* at the end or before a last line end; with flag before any */
    TEXT_END, /* at the very end */
    WORD,     /* between a word and no word; with flag not there */
    LOOK,     /* what stands at +1 up to its ACCEPT matches from here (with flag: does not); go on at +x */
    ACCEPT
};

struct instruction {
    enum op op;
    bool flag, caseless;
    uint32_t code;
    int x, y;
};

struct range {
    uint32_t low, high;
};

struct class
{
    bool negated;
    size_t first, count; /* in ranges */
};

/* Text as code points. lower is the same in lower case. */
struct text {
    uint32_t *code, *lower;
    size_t n;
};

struct patcode {
    const struct instruction *code;
    size_t len;
    const struct range *ranges;
    const struct class *classes;
};

/* Into a. Fails with ERR_FORMAT ("pattern, character 3: …") or ERR_LIMIT for more than 10000 instructions. */
CHECKED bool patcode_compile(struct arena *a, const char *pattern, bool caseless, struct patcode *out,
                             struct err *e);

/* s as code points, lower being code itself unless asked for. Fails with ERR_FORMAT unless s is UTF-8. */
CHECKED bool patcode_text(struct arena *a, const char *s, bool lower, struct text *t, struct err *e);
bool patcode_in(const struct range *r, size_t count, uint32_t code);
bool patcode_is_word(uint32_t code);
bool patcode_is_line_end(uint32_t code);
#endif
