/* clause: the text of a predicate as a tree, for predicate.c alone. */
#ifndef MANIFESTS_CLAUSE_H
#define MANIFESTS_CLAUSE_H
#include "manifests/props.h"

enum clause_kind {
    /* conditions */
    CLAUSE_CONSTANT, /* truth */
    CLAUSE_AND,      /* list */
    CLAUSE_OR,       /* list */
    CLAUSE_NOT,      /* left */
    CLAUSE_COMPARE,  /* modifier, left, op, options, right */
    /* values */
    CLAUSE_LITERAL,    /* value; NULL is nil */
    CLAUSE_SELF,       /* the facts */
    CLAUSE_VARIABLE,   /* name */
    CLAUSE_MEMBER,     /* left.name */
    CLAUSE_COLLECT,    /* left.@name */
    CLAUSE_INDEX,      /* left[right], or with name left[FIRST], [LAST], [SIZE] */
    CLAUSE_ARRAY,      /* list */
    CLAUSE_NEGATE,     /* -left */
    CLAUSE_ARITHMETIC, /* left op right; op one of + - * / and ^ for ** */
    CLAUSE_CALL,       /* name(list) */
    CLAUSE_CAST,       /* CAST(left, name) */
    CLAUSE_SUBQUERY    /* SUBQUERY(left, $name, right) */
};

enum comparison { EQ, NE, LT, LE, GT, GE, BETWEEN, BEGINSWITH, ENDSWITH, CONTAINS, IN, LIKE, MATCHES };
enum modifier { DIRECT, ANY, ALL, NONE };

struct clause {
    enum clause_kind kind;
    enum comparison comparison;
    enum modifier modifier;
    char op;
    bool truth, caseless, markless; /* options [c] and [d] */
    size_t at;                      /* where it stands in the text, in bytes */
    unsigned depth;                 /* of the tree below, itself included; bounded */
    const char *name;
    const struct value *value;
    struct clause *left, *right;
    struct clause *list, *next; /* first of the list; the next in the list that this one is in */
};

/* A condition, in a; NULL after ERR_FORMAT ("column 14: …") or ERR_LIMIT. */
const struct clause *clause_parse(struct arena *a, const char *text, struct err *e);

const char *clause_operator(enum comparison op); /* "BEGINSWITH", "==", … */
#endif
