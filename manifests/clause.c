/* A recursive descent over the grammar of predicate format strings:
 *
 *   or := and {OR and}    and := not {AND not}    not := NOT not | comparison
 *   comparison := [ANY|SOME|ALL|NONE] sum [operator [options] sum]
 *   sum := product {+|- product}    product := power {*|/ power}    power := unary {** unary}
 *   unary := -unary | postfix       postfix := primary {.name | .@name | [index]}
 *
 * "(" may begin a condition or a value: one grammar reads both, and each place then says which it needs, so
 * that nothing is read twice. Depth is bounded while reading and for the tree that results. */
#include "manifests/clause.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/lexeme.h"
#include <strings.h>

#define DEPTH_MAX 64

struct parser {
    struct lexer l;
    unsigned depth;
};

static bool at_symbol(const struct parser *p, const char *symbol)
{
    return p->l.t.kind == SYMBOL && strcmp(p->l.t.symbol, symbol) == 0;
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->l.t.kind == NAME && !p->l.t.plain && strcasecmp(p->l.t.str, word) == 0;
}

static bool unexpected(struct parser *p, const char *expected)
{
    char here[64];
    size_t n = p->l.t.end - p->l.t.at;
    if (p->l.t.kind == END)
        return lexeme_bad(&p->l, p->l.t.at, "it ends where %s should be", expected);
    text_printable_into(here, sizeof here, p->l.text + p->l.t.at, n < 40 ? n : 40);
    return lexeme_bad(&p->l, p->l.t.at, "%s where %s should be", here, expected);
}

static bool expect(struct parser *p, const char *symbol)
{
    char expected[8];
    (void)snprintf(expected, sizeof expected, "\"%s\"", symbol);
    return at_symbol(p, symbol) ? lexeme_next(&p->l) : unexpected(p, expected);
}

/* ---- the tree ---------------------------------------------------------------------------------------- */

static struct clause *make(struct parser *p, enum clause_kind kind, size_t at)
{
    struct clause *c = arena_alloc(p->l.a, sizeof *c);
    c->kind = kind;
    c->at = at;
    c->depth = 1;
    return c;
}

/* Account for a child. */
static bool hold(struct parser *p, struct clause *parent, const struct clause *child)
{
    if (child->depth + 1 > parent->depth)
        parent->depth = child->depth + 1;
    return parent->depth <= DEPTH_MAX ||
           err_set(p->l.e, ERR_LIMIT, CAUSE_LIMIT, "nested deeper than %d levels", DEPTH_MAX);
}

static bool is_condition(const struct clause *c)
{
    return c->kind <= CLAUSE_COMPARE;
}

static bool need_condition(struct parser *p, const struct clause *c)
{
    return is_condition(c) || lexeme_bad(&p->l, c->at, "a value alone is no condition");
}

static bool need_value(struct parser *p, const struct clause *c)
{
    return !is_condition(c) || lexeme_bad(&p->l, c->at, "a condition where a value should be");
}

static bool descend(struct parser *p)
{
    return ++p->depth <= DEPTH_MAX ||
           err_set(p->l.e, ERR_LIMIT, CAUSE_LIMIT, "nested deeper than %d levels", DEPTH_MAX);
}

static struct clause *parse_or(struct parser *p);
static struct clause *parse_sum(struct parser *p);

/* A value: what stands between commas, in brackets, beside operators. */
static struct clause *parse_value(struct parser *p)
{
    if (!descend(p))
        return NULL;
    struct clause *c = parse_sum(p);
    p->depth--;
    return c && need_value(p, c) ? c : NULL;
}

/* Values up to the closing symbol, appended to parent's list. */
static bool parse_list(struct parser *p, struct clause *parent, const char *closing)
{
    struct clause **end = &parent->list;
    while (!at_symbol(p, closing)) {
        if (parent->list && !expect(p, ","))
            return false;
        *end = parse_value(p);
        if (!*end || !hold(p, parent, *end))
            return false;
        end = &(*end)->next;
    }
    return lexeme_next(&p->l);
}

static struct clause *parse_cast(struct parser *p, struct clause *c)
{
    c->kind = CLAUSE_CAST;
    c->left = parse_value(p);
    if (!c->left || !hold(p, c, c->left) || !expect(p, ","))
        return NULL;
    if (p->l.t.kind != STRING) {
        (void)unexpected(p, "the name of a class");
        return NULL;
    }
    c->name = p->l.t.str;
    return lexeme_next(&p->l) && expect(p, ")") ? c : NULL;
}

static struct clause *parse_subquery(struct parser *p, struct clause *c)
{
    c->kind = CLAUSE_SUBQUERY;
    c->left = parse_value(p);
    if (!c->left || !hold(p, c, c->left) || !expect(p, ",") || !expect(p, "$"))
        return NULL;
    if (p->l.t.kind != NAME) {
        (void)unexpected(p, "the name of a variable");
        return NULL;
    }
    c->name = p->l.t.str;
    if (!lexeme_next(&p->l) || !expect(p, ","))
        return NULL;
    c->right = parse_or(p);
    return c->right && need_condition(p, c->right) && hold(p, c, c->right) && expect(p, ")") ? c : NULL;
}

static struct clause *parse_call(struct parser *p, struct clause *c)
{
    static const char *const known[] = {"now",   "uppercase", "lowercase", "abs",     "ceiling", "floor",
                                        "trunc", "sqrt",      "log",       "ln",      "exp",     "sum",
                                        "count", "min",       "max",       "average", "median"};
    if (strcasecmp(c->name, "CAST") == 0)
        return parse_cast(p, c);
    if (strcasecmp(c->name, "SUBQUERY") == 0)
        return parse_subquery(p, c);
    c->kind = CLAUSE_CALL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], c->name) == 0)
            return parse_list(p, c, ")") ? c : NULL;
    (void)lexeme_bad(&p->l, c->at, "there is no function of that name");
    return NULL;
}

static struct clause *literal(struct parser *p, const struct value *v)
{
    struct clause *c = make(p, CLAUSE_LITERAL, p->l.t.at);
    c->value = v;
    return lexeme_next(&p->l) ? c : NULL;
}

static struct clause *parse_word(struct parser *p)
{
    static const char *const reserved[] = {"AND",      "OR",      "NOT",      "IN",         "ALL",
                                           "ANY",      "SOME",    "NONE",     "LIKE",       "CASEINSENSITIVE",
                                           "CI",       "MATCHES", "CONTAINS", "BEGINSWITH", "ENDSWITH",
                                           "BETWEEN",  "FIRST",   "LAST",     "SIZE",       "ANYKEY",
                                           "SUBQUERY", "FETCH",   "CAST"};
    static const struct {
        const char *word;
        int is; /* -1: nil */
    } constants[] = {{"TRUE", 1}, {"YES", 1}, {"FALSE", 0}, {"NO", 0}, {"NIL", -1}, {"NULL", -1}};

    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (at_word(p, constants[i].word))
            return literal(p, constants[i].is < 0 ? NULL : value_new_bool(p->l.a, constants[i].is == 1));
    struct clause *c = make(p, CLAUSE_SELF, p->l.t.at);
    if (at_word(p, "SELF"))
        return lexeme_next(&p->l) ? c : NULL;
    if (at_word(p, "TRUEPREDICATE") || at_word(p, "FALSEPREDICATE")) {
        c->kind = CLAUSE_CONSTANT;
        c->truth = at_word(p, "TRUEPREDICATE");
        return lexeme_next(&p->l) ? c : NULL;
    }
    struct token word = p->l.t;
    if (!lexeme_next(&p->l))
        return NULL;
    if (!word.plain && at_symbol(p, "(")) {
        c->name = word.str;
        return lexeme_next(&p->l) ? parse_call(p, c) : NULL;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!word.plain && strcasecmp(reserved[i], word.str) == 0) {
            (void)lexeme_bad(&p->l, word.at, "%s where a value should be", reserved[i]);
            return NULL;
        }
    struct clause *member = make(p, CLAUSE_MEMBER, word.at);
    member->left = c;
    member->name = word.str;
    return hold(p, member, c) ? member : NULL;
}

static struct clause *parse_primary(struct parser *p)
{
    struct clause *c;
    if (p->l.t.kind == STRING)
        return literal(p, value_new_str(p->l.a, p->l.t.str));
    if (p->l.t.kind == NUMBER)
        return literal(p, p->l.t.number);
    if (p->l.t.kind == NAME)
        return parse_word(p);
    if (at_symbol(p, "(")) {
        if (!lexeme_next(&p->l) || !(c = parse_or(p)) || !expect(p, ")"))
            return NULL;
        return c;
    }
    if (at_symbol(p, "{")) {
        c = make(p, CLAUSE_ARRAY, p->l.t.at);
        return lexeme_next(&p->l) && parse_list(p, c, "}") ? c : NULL;
    }
    if (at_symbol(p, "$")) {
        c = make(p, CLAUSE_VARIABLE, p->l.t.at);
        if (!lexeme_next(&p->l))
            return NULL;
        if (p->l.t.kind == NAME) {
            c->name = p->l.t.str;
            return lexeme_next(&p->l) ? c : NULL;
        }
    }
    (void)unexpected(p, "a value");
    return NULL;
}

static struct clause *parse_index(struct parser *p, struct clause *of)
{
    static const char *const places[] = {"FIRST", "LAST", "SIZE"};
    struct clause *c = make(p, CLAUSE_INDEX, p->l.t.at);
    c->left = of;
    if (!hold(p, c, of) || !lexeme_next(&p->l))
        return NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (at_word(p, places[i]))
            c->name = places[i];
    if (c->name)
        return lexeme_next(&p->l) && expect(p, "]") ? c : NULL;
    c->right = parse_value(p);
    return c->right && hold(p, c, c->right) && expect(p, "]") ? c : NULL;
}

/* Behind a dot. What follows @sum and its like is applied first: a.@sum.b sums a.b. */
static struct clause *parse_member(struct parser *p, struct clause *of)
{
    struct clause *c = make(p, CLAUSE_MEMBER, p->l.t.at);
    bool collects = at_symbol(p, "@");
    if (collects && !lexeme_next(&p->l))
        return NULL;
    if (p->l.t.kind != NAME) {
        (void)unexpected(p, "a name");
        return NULL;
    }
    c->name = p->l.t.str;
    if (!lexeme_next(&p->l))
        return NULL;
    if (collects) {
        static const char *const known[] = {
            "count", "sum", "min", "max", "avg", "distinctUnionOfObjects", "unionOfObjects"};
        size_t i = 0;
        c->kind = CLAUSE_COLLECT;
        while (i < sizeof known / sizeof *known && strcmp(known[i], c->name) != 0)
            i++;
        if (i == sizeof known / sizeof *known) {
            (void)lexeme_bad(&p->l, c->at, "there is no such collection operator");
            return NULL;
        }
        if (!descend(p))
            return NULL;
        while (i > 0 && at_symbol(p, "."))
            if (!lexeme_next(&p->l) || !(of = parse_member(p, of)))
                return NULL;
        p->depth--;
    }
    c->left = of;
    return hold(p, c, of) ? c : NULL;
}

static struct clause *parse_postfix(struct parser *p)
{
    struct clause *c = parse_primary(p);
    while (c && (at_symbol(p, ".") || at_symbol(p, "["))) {
        if (!need_value(p, c))
            return NULL;
        if (at_symbol(p, "["))
            c = parse_index(p, c);
        else
            c = lexeme_next(&p->l) ? parse_member(p, c) : NULL;
    }
    return c;
}

static struct clause *parse_unary(struct parser *p)
{
    if (!at_symbol(p, "-"))
        return parse_postfix(p);
    struct clause *c = make(p, CLAUSE_NEGATE, p->l.t.at);
    if (!descend(p) || !lexeme_next(&p->l))
        return NULL;
    c->left = parse_unary(p);
    p->depth--;
    return c->left && need_value(p, c->left) && hold(p, c, c->left) ? c : NULL;
}

static struct clause *arithmetic(struct parser *p, struct clause *left, char op,
                                 struct clause *(*parse)(struct parser *p))
{
    struct clause *c = make(p, CLAUSE_ARITHMETIC, p->l.t.at);
    c->op = op;
    c->left = left;
    if (!need_value(p, left) || !lexeme_next(&p->l))
        return NULL;
    c->right = parse(p);
    return c->right && need_value(p, c->right) && hold(p, c, c->left) && hold(p, c, c->right) ? c : NULL;
}

static struct clause *parse_power(struct parser *p)
{
    struct clause *c = parse_unary(p);
    while (c && at_symbol(p, "**"))
        c = arithmetic(p, c, '^', parse_unary);
    return c;
}

static struct clause *parse_product(struct parser *p)
{
    struct clause *c = parse_power(p);
    while (c && (at_symbol(p, "*") || at_symbol(p, "/")))
        c = arithmetic(p, c, p->l.t.symbol[0], parse_power);
    return c;
}

static struct clause *parse_sum(struct parser *p)
{
    struct clause *c = parse_product(p);
    while (c && (at_symbol(p, "+") || at_symbol(p, "-")))
        c = arithmetic(p, c, p->l.t.symbol[0], parse_product);
    return c;
}

static const struct {
    const char *text;
    enum comparison op;
} operators[] = {{"==", EQ},
                 {"=", EQ},
                 {"!=", NE},
                 {"<>", NE},
                 {"<", LT},
                 {"<=", LE},
                 {"=<", LE},
                 {">", GT},
                 {">=", GE},
                 {"=>", GE},
                 {"BETWEEN", BETWEEN},
                 {"BEGINSWITH", BEGINSWITH},
                 {"ENDSWITH", ENDSWITH},
                 {"CONTAINS", CONTAINS},
                 {"IN", IN},
                 {"LIKE", LIKE},
                 {"MATCHES", MATCHES}};

const char *clause_operator(enum comparison op)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].op == op)
            return operators[i].text;
    return "";
}

static bool at_operator(const struct parser *p, enum comparison *op)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (at_symbol(p, operators[i].text) || at_word(p, operators[i].text)) {
            *op = operators[i].op;
            return true;
        }
    return false;
}

/* [cd] and the like: n and l change nothing here. */
static bool parse_options(struct parser *p, struct clause *c)
{
    if (!at_symbol(p, "["))
        return true;
    if (!lexeme_next(&p->l))
        return false;
    if (p->l.t.kind != NAME || strspn(p->l.t.str, "cdnlCDNL") != strlen(p->l.t.str))
        return unexpected(p, "options, some of c d n l,");
    c->caseless = strpbrk(p->l.t.str, "cC") != NULL;
    c->markless = strpbrk(p->l.t.str, "dD") != NULL;
    return lexeme_next(&p->l) && expect(p, "]");
}

static bool at_modifier(const struct parser *p, enum modifier *m)
{
    *m = at_word(p, "ANY") || at_word(p, "SOME") ? ANY
         : at_word(p, "ALL")                     ? ALL
         : at_word(p, "NONE")                    ? NONE
                                                 : DIRECT;
    return *m != DIRECT;
}

static struct clause *parse_comparison(struct parser *p)
{
    enum modifier modifier;
    enum comparison op;
    if (at_modifier(p, &modifier) && !lexeme_next(&p->l))
        return NULL;
    struct clause *left = parse_sum(p);
    if (!left)
        return NULL;
    if (!at_operator(p, &op)) {
        bool word = p->l.t.kind != END && p->l.t.kind != SYMBOL && !at_word(p, "AND") && !at_word(p, "OR");
        if (modifier == DIRECT && !word) /* in parentheses it may be part of a value */
            return left;
        (void)unexpected(p, "a comparison");
        return NULL;
    }
    struct clause *c = make(p, CLAUSE_COMPARE, p->l.t.at);
    c->modifier = modifier;
    c->comparison = op;
    c->left = left;
    if (!need_value(p, left) || !lexeme_next(&p->l) || !parse_options(p, c))
        return NULL;
    c->right = parse_value(p);
    return c->right && hold(p, c, c->left) && hold(p, c, c->right) ? c : NULL;
}

static struct clause *parse_not(struct parser *p)
{
    if (!at_symbol(p, "!") && !at_word(p, "NOT"))
        return parse_comparison(p);
    struct clause *c = make(p, CLAUSE_NOT, p->l.t.at);
    if (!descend(p) || !lexeme_next(&p->l))
        return NULL;
    c->left = parse_not(p);
    p->depth--;
    return c->left && need_condition(p, c->left) && hold(p, c, c->left) ? c : NULL;
}

/* Conditions with a word between them, as one list however many: depth is for nesting alone. */
static struct clause *parse_chain(struct parser *p, enum clause_kind kind, const char *word,
                                  const char *symbol, struct clause *(*parse)(struct parser *p))
{
    struct clause *first = parse(p), *last = first;
    if (!first || !(at_word(p, word) || at_symbol(p, symbol)))
        return first;
    struct clause *c = make(p, kind, p->l.t.at);
    /* The first may be such a list itself, from parentheses, and in no other list yet: next is free. */
    c->list = first;
    if (!need_condition(p, first) || !hold(p, c, first))
        return NULL;
    while (at_word(p, word) || at_symbol(p, symbol)) {
        if (!lexeme_next(&p->l))
            return NULL;
        last->next = parse(p);
        last = last->next;
        if (!last || !need_condition(p, last) || !hold(p, c, last))
            return NULL;
    }
    return c;
}

static struct clause *parse_and(struct parser *p)
{
    return parse_chain(p, CLAUSE_AND, "AND", "&&", parse_not);
}

static struct clause *parse_or(struct parser *p)
{
    if (!descend(p))
        return NULL;
    struct clause *c = parse_chain(p, CLAUSE_OR, "OR", "||", parse_and);
    p->depth--;
    return c;
}

const struct clause *clause_parse(struct arena *a, const char *text, struct err *e)
{
    struct parser p = {.l = {.a = a, .text = text, .e = e}};
    size_t n = strlen(text);
    if (n > LIMIT_PREDICATE) {
        (void)err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a condition of more than %zu KB",
                      LIMIT_PREDICATE / LIMIT_KB);
        return NULL;
    }
    if (!text_utf8_valid(text, n)) {
        (void)err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a condition that is not UTF-8");
        return NULL;
    }
    if (!lexeme_next(&p.l))
        return NULL;
    const struct clause *c = parse_or(&p);
    if (!c || !need_condition(&p, c))
        return NULL;
    if (p.l.t.kind != END) {
        (void)unexpected(&p, "the end or AND or OR");
        return NULL;
    }
    return c;
}
