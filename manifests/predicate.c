/* A predicate is parsed into a clause, which is then evaluated; every step, and every byte of text that is
 * looked at, is paid for out of one budget. */
#include "manifests/predicate.h"
#include "manifests/evaluate.h"

#define WORK 5000000 /* half a second at most; the longest of real conditions takes a thousandth of it */

bool predicate_eval(const char *text, const struct value *facts, time_t now, bool *result, struct err *e)
{
    struct arena *a = arena_open();
    struct err why = {0};
    struct evaluation ev = {.a = a, .text = text, .facts = facts, .now = now, .work = WORK, .e = &why};
    const struct clause *c = clause_parse(a, text, &why);
    bool holds = false;
    ev.null = value_new_str(a, "");
    bool ok = c && evaluate_condition(&ev, c, &holds);
    if (ok)
        *result = holds;
    else if (e)
        *e = why;
    arena_free(a);
    return ok;
}

struct naming {
    struct evaluation ev;
    struct predicate_fact *facts;
    size_t count, room;
};

/* "a.b.c" of a path that begins at the facts, else NULL. */
static const char *path_of(struct arena *a, const struct clause *c)
{
    if (c->kind != CLAUSE_MEMBER)
        return NULL;
    if (c->left->kind == CLAUSE_SELF)
        return c->name;
    const char *left = path_of(a, c->left);
    return left ? arena_printf(a, "%s.%s", left, c->name) : NULL;
}

static void name_fact(struct naming *n, const char *name, const struct clause *c)
{
    const struct value *v = NULL;

    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->facts[i].name, name) == 0)
            return;
    if (n->count == n->room) {
        struct predicate_fact *more = arena_array(n->ev.a, n->room * 2 + 8, sizeof *more);
        if (n->count > 0)
            memcpy(more, n->facts, n->count * sizeof *more);
        n->facts = more;
        n->room = n->room * 2 + 8;
    }
    if (!evaluate_value(&n->ev, c, &v))
        v = NULL;
    n->facts[n->count++] = (struct predicate_fact){name, v};
}

static void name_facts(struct naming *n, const struct clause *c)
{
    const char *path = path_of(n->ev.a, c);

    if (path) {
        name_fact(n, path, c);
        return;
    }
    if (c->left)
        name_facts(n, c->left);
    if (c->right)
        name_facts(n, c->right);
    for (const struct clause *part = c->list; part; part = part->next)
        name_facts(n, part);
}

const struct predicate_fact *predicate_facts(struct arena *a, const char *text, const struct value *facts,
                                             size_t *count)
{
    struct err why = {0};
    struct naming n = {.ev = {.a = a, .text = text, .facts = facts, .work = WORK, .e = &why}};
    const struct clause *c = clause_parse(a, text, &why);

    n.ev.null = value_new_str(a, "");
    if (c)
        name_facts(&n, c);
    *count = n.count;
    return n.facts;
}
