/* lexeme: the words of a predicate. For clause.c. */
#ifndef MANIFESTS_LEXEME_H
#define MANIFESTS_LEXEME_H
#include "manifests/props.h"

enum lexeme { END, NAME, STRING, NUMBER, SYMBOL };

struct token {
    enum lexeme kind;
    size_t at, end;             /* in the text, bytes */
    bool plain;                 /* NAME: written #name, no keyword */
    char symbol[3];             /* SYMBOL: one or two characters */
    const char *str;            /* NAME and STRING: what it says */
    const struct value *number; /* NUMBER */
};

struct lexer {
    struct arena *a;
    const char *text;
    struct err *e;
    struct token t; /* the current one; zeroed before the first lexeme_next */
};

/* On to the next token, END for ever at the end. Fails with ERR_FORMAT for what is none. */
CHECKED bool lexeme_next(struct lexer *l);

/* Fail with ERR_FORMAT: "column N: …" for the byte at. */
bool lexeme_bad(struct lexer *l, size_t at, const char *fmt, ...) PRINTF(3, 4);
size_t lexeme_column(const char *text, size_t at); /* in characters, from 1 */
#endif
