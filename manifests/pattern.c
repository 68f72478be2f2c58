/* A machine that tries alternatives in turn and marks every pair (instruction, position) that it has been at:
 * none is tried twice, so the work is bounded by their product and no pattern can explode. */
#include "manifests/pattern.h"
#include "manifests/patcode.h"

#define STATES_MAX ((size_t)1 << 26) /* pairs: 8 MB of marks */

/* ---- the machine ------------------------------------------------------------------------------------- */

struct machine {
    const struct patcode *c;
    const struct text *t;
    size_t *work;
    struct err *e;
};

struct state {
    uint32_t pc, at; /* both below STATES_MAX */
};

static bool spend(struct machine *m, size_t work)
{
    if (work > *m->work) {
        *m->work = 0;
        return err_set(m->e, ERR_LIMIT, CAUSE_LIMIT, "the pattern needs too much work on this text");
    }
    *m->work -= work;
    return true;
}

static bool takes(const struct machine *m, const struct instruction *in, size_t at)
{
    const struct text *t = m->t;
    if (at == t->n)
        return false;
    uint32_t code = t->code[at], lower = t->lower[at];
    if (in->op == CHAR)
        return in->caseless ? in->code == lower : in->code == code;
    if (in->op == ANY)
        return in->flag || !patcode_is_line_end(code);
    const struct class *k = &m->c->classes[in->code];
    const struct range *r = m->c->ranges + k->first;
    bool inside = patcode_in(r, k->count, code);
    if (in->caseless && !inside)
        inside = patcode_in(r, k->count, lower) ||
                 (lower >= 'a' && lower <= 'z' && patcode_in(r, k->count, lower - 32));
    return inside != k->negated;
}

static bool holds(const struct machine *m, const struct instruction *in, size_t at)
{
    const struct text *t = m->t;
    switch (in->op) {
    case BEGIN:
        return at == 0 || (in->flag && patcode_is_line_end(t->code[at - 1]));
    case END:
        return at == t->n || ((in->flag || at + 1 == t->n) && patcode_is_line_end(t->code[at])) ||
               (at + 2 == t->n && t->code[at] == '\r' && t->code[at + 1] == '\n');
    case TEXT_END:
        return at == t->n;
    default: {
        bool before = at > 0 && patcode_is_word(t->code[at - 1]),
             after = at < t->n && patcode_is_word(t->code[at]);
        return (before != after) != in->flag;
    }
    }
}

/* Does the code at pc reach its ACCEPT from position at (whole: with nothing left)? Recursion is bounded by
 * the nesting of groups. */
static bool run(struct machine *m, size_t pc, size_t at, bool whole, bool *matched)
{
    size_t width = m->t->n + 1, states = m->c->len * width, count = 0, room = 0;
    struct state *todo = NULL;
    unsigned char *seen = NULL;
    bool ok = true;

    *matched = false;
    if (states / m->c->len != width || states > STATES_MAX)
        return err_set(m->e, ERR_LIMIT, CAUSE_LIMIT, "the pattern needs too much work on this text");
    if (!spend(m, states / 64 + 1))
        return false;
    seen = arena_heap(NULL, states / 8 + 1);
    memset(seen, 0, states / 8 + 1);
    for (;;) {
        size_t mark = pc * width + at;
        const struct instruction *in = &m->c->code[pc];
        bool on = !(seen[mark / 8] & 1u << mark % 8);
        seen[mark / 8] = (unsigned char)(seen[mark / 8] | 1u << mark % 8);
        ok = spend(m, 1);
        if (ok && on) {
            size_t next = pc + 1;
            switch (in->op) {
            case CHAR:
            case ANY:
            case CLASS:
                ok = in->op != CLASS || spend(m, m->c->classes[in->code].count / 8);
                on = ok && takes(m, in, at);
                at += on;
                break;
            case SPLIT:
                if (count == room) {
                    room = room ? room * 2 : 64;
                    todo = arena_heap(todo, room * sizeof *todo);
                }
                todo[count++] = (struct state){(uint32_t)((int)pc + in->y), (uint32_t)at};
                next = (size_t)((int)pc + in->x);
                break;
            case JUMP:
                next = (size_t)((int)pc + in->x);
                break;
            case LOOK:
                ok = run(m, pc + 1, at, false, &on);
                on = on != in->flag;
                next = (size_t)((int)pc + in->x);
                break;
            case ACCEPT:
                *matched = !whole || at == m->t->n;
                on = false;
                break;
            default:
                on = holds(m, in, at);
                break;
            }
            pc = next;
        }
        if (!ok || *matched || (!on && !count))
            break;
        if (!on) {
            pc = todo[--count].pc;
            at = todo[count].at;
        }
    }
    free(todo);
    free(seen);
    return ok;
}

bool pattern_match(const char *pattern, const char *text, bool caseless, size_t *work, bool *matched,
                   struct err *e)
{
    struct arena *a = arena_open();
    struct patcode code;
    struct text subject;
    struct machine m = {.c = &code, .t = &subject, .work = work, .e = e};
    bool ok = spend(&m, strlen(pattern) + strlen(text)) && patcode_compile(a, pattern, caseless, &code, e) &&
              patcode_text(a, text, true, &subject, e) && spend(&m, code.len) && run(&m, 0, 0, true, matched);
    arena_free(a);
    return ok;
}

/* ---- LIKE -------------------------------------------------------------------------------------------- */

bool pattern_like(const char *pattern, const char *text, size_t *work, bool *matched, struct err *e)
{
    struct arena *a = arena_open();
    struct text p, t;
    struct machine m = {.work = work, .e = e};
    bool ok = spend(&m, strlen(pattern) + strlen(text)) && patcode_text(a, pattern, false, &p, e) &&
              patcode_text(a, text, false, &t, e);
    size_t i = 0, j = 0, star = SIZE_MAX,
           resume = 0; /* the last star, and where the text goes on behind it */
    *matched = false;
    while (ok && (i < p.n || j < t.n)) {
        ok = spend(&m, 1);
        bool literal = i < p.n && p.code[i] == '\\' && i + 1 < p.n;
        if (i < p.n && !literal && p.code[i] == '*') {
            star = i++;
            resume = j;
        } else if (i < p.n && j < t.n &&
                   (p.code[i + literal] == t.code[j] || (!literal && p.code[i] == '?'))) {
            i += literal ? 2 : 1;
            j++;
        } else if (star != SIZE_MAX && resume < t.n) {
            i = star + 1;
            j = ++resume;
        } else {
            break;
        }
    }
    *matched = ok && i == p.n && j == t.n;
    arena_free(a);
    return ok;
}
