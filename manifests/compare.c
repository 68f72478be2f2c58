/* Conditions are written against NSPredicate, so its habits are kept: nil equals nil and is unlike everything
 * else, and every other comparison with nil is false; a number and a string are never equal and cannot be
 * ordered, which is an error; strings order by code point; CONTAINS "" is false. */
#include "manifests/compare.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/lexeme.h"
#include "manifests/pattern.h"
#include <stdarg.h>

#define MEMORY_MAX (64 * LIMIT_MB)

bool compare_bad(struct evaluation *ev, const struct clause *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(ev->e, ERR_FORMAT, CAUSE_FORMAT, "column %zu: %s", lexeme_column(ev->text, c->at), text);
}

bool compare_spend(struct evaluation *ev, size_t work)
{
    if (work > ev->work || arena_used(ev->a) > MEMORY_MAX)
        return err_set(ev->e, ERR_LIMIT, CAUSE_LIMIT, "evaluating it takes too much work");
    ev->work -= work;
    return true;
}

bool compare_is(const struct value *v, enum value_type type)
{
    return v && value_type(v) == type;
}

bool compare_is_number(const struct value *v)
{
    return compare_is(v, VALUE_INT) || compare_is(v, VALUE_REAL) || compare_is(v, VALUE_BOOL);
}

double compare_real(const struct value *number)
{
    double d = 0;
    int64_t n = 0;
    if (!value_real(number, &d) && value_int(number, &n))
        d = (double)n;
    return d;
}

const struct value *compare_element(const struct evaluation *ev, const struct value *array, size_t i)
{
    const struct value *v = value_at(array, i);
    return v == ev->null ? NULL : v;
}

static int order_numbers(const struct value *a, const struct value *b)
{
    int64_t x, y;
    if (!compare_is(a, VALUE_REAL) && !compare_is(b, VALUE_REAL) && value_int(a, &x) && value_int(b, &y))
        return (x > y) - (x < y);
    double u = compare_real(a), v = compare_real(b);
    return (u > v) - (u < v);
}

/* A string under the options of a comparison. */
static bool fold(struct evaluation *ev, const struct clause *c, const struct value *v, const char **out)
{
    *out = value_str(v);
    bool changes = c->caseless || c->markless;
    if (!compare_spend(ev, strlen(*out) / (changes ? 1 : 16) + 1))
        return false;
    if (changes)
        *out = text_map(ev->a, *out, c->caseless, c->markless);
    return *out || compare_bad(ev, c, "text that is not UTF-8");
}

/* options: the comparison whose options hold, or NULL for elements of arrays. */
static bool equal(struct evaluation *ev, const struct clause *options, const struct value *a,
                  const struct value *b, bool *out)
{
    static const struct clause exact;
    const char *x, *y;
    if (!compare_spend(ev, 1))
        return false;
    if (!a || !b) {
        *out = a == b;
    } else if (compare_is_number(a) && compare_is_number(b)) {
        *out = order_numbers(a, b) == 0;
    } else if (compare_is(a, VALUE_STRING) && compare_is(b, VALUE_STRING)) {
        if (!fold(ev, options ? options : &exact, a, &x) || !fold(ev, options ? options : &exact, b, &y))
            return false;
        *out = strcmp(x, y) == 0;
    } else if (compare_is(a, VALUE_DICT) && compare_is(b, VALUE_DICT)) {
        *out = value_count(a) == value_count(b);
        for (size_t i = 0; *out && i < value_count(a); i++) {
            const struct value *other = value_get(b, value_key(a, i));
            *out = other != NULL;
            if (other && !equal(ev, NULL, value_at(a, i), other, out))
                return false;
        }
    } else if (compare_is(a, VALUE_ARRAY) && compare_is(b, VALUE_ARRAY)) {
        *out = value_count(a) == value_count(b);
        for (size_t i = 0; *out && i < value_count(a); i++)
            if (!equal(ev, NULL, compare_element(ev, a, i), compare_element(ev, b, i), out))
                return false;
    } else {
        size_t size = 0;
        (void)value_data(a, &size);
        if (!compare_spend(ev, size / 16))
            return false;
        *out = value_equal(a, b);
    }
    return true;
}

/* Neither is nil. */
bool compare_order(struct evaluation *ev, const struct clause *c, const struct value *a,
                   const struct value *b, int *out)
{
    time_t s, t;
    const char *x, *y;
    if (compare_is_number(a) && compare_is_number(b)) {
        *out = order_numbers(a, b);
    } else if (compare_is(a, VALUE_STRING) && compare_is(b, VALUE_STRING)) {
        if (!fold(ev, c, a, &x) || !fold(ev, c, b, &y))
            return false;
        *out = strcmp(x, y);
    } else if (value_date(a, &s) && value_date(b, &t)) {
        *out = (s > t) - (s < t);
    } else {
        return compare_bad(ev, c, "%s and %s have no order", value_type_name(a), value_type_name(b));
    }
    return true;
}

bool compare_contains(struct evaluation *ev, const struct value *array, const struct value *v, bool *out)
{
    *out = false;
    for (size_t i = 0; !*out && i < value_count(array); i++)
        if (!equal(ev, NULL, compare_element(ev, array, i), v, out))
            return false;
    return true;
}

static bool between(struct evaluation *ev, const struct clause *c, const struct value *v,
                    const struct value *bounds, bool *out)
{
    int low, high;
    *out = false;
    if (!bounds)
        return true;
    if (!compare_is(bounds, VALUE_ARRAY) || value_count(bounds) != 2)
        return compare_bad(ev, c, "expected an array of two after BETWEEN");
    const struct value *from = compare_element(ev, bounds, 0), *to = compare_element(ev, bounds, 1);
    if (!v || !from || !to)
        return true;
    if (!compare_order(ev, c, v, from, &low) || !compare_order(ev, c, v, to, &high))
        return false;
    *out = low >= 0 && high <= 0;
    return true;
}

/* strstr may be the simple one, which compares the part at each place. */
static bool find(struct evaluation *ev, const char *part, const char *text, bool *out)
{
    if (!compare_spend(ev, strlen(text) / 64 * strlen(part)))
        return false;
    *out = *part && strstr(text, part);
    return true;
}

/* BEGINSWITH, ENDSWITH, CONTAINS and IN on strings, LIKE, MATCHES. Neither is nil. */
static bool compare_strings(struct evaluation *ev, const struct clause *c, const struct value *a,
                            const struct value *b, bool *out)
{
    const char *x, *y, *name = clause_operator(c->comparison);
    if (!compare_is(a, VALUE_STRING))
        return compare_bad(ev, c, "expected a string before %s, not %s", name, value_type_name(a));
    if (!compare_is(b, VALUE_STRING))
        return compare_bad(ev, c, "expected a string after %s, not %s", name, value_type_name(b));
    if (c->comparison == MATCHES) { /* folding the pattern would turn \D into \d */
        struct clause marks = *c;
        marks.caseless = false;
        if (!fold(ev, &marks, a, &x) || !fold(ev, &marks, b, &y))
            return false;
        return pattern_match(y, x, c->caseless, &ev->work, out, ev->e) ||
               err_wrap(ev->e, "column %zu", lexeme_column(ev->text, c->right->at));
    }
    if (!fold(ev, c, a, &x) || !fold(ev, c, b, &y))
        return false;
    switch (c->comparison) {
    case BEGINSWITH:
        *out = *y && text_starts(x, y);
        return true;
    case ENDSWITH:
        *out = *y && text_ends(x, y);
        return true;
    case CONTAINS:
        return find(ev, y, x, out);
    case IN:
        return find(ev, x, y, out);
    default:
        return pattern_like(y, x, &ev->work, out, ev->e) ||
               err_wrap(ev->e, "column %zu", lexeme_column(ev->text, c->right->at));
    }
}

/* One comparison, its modifier aside. */
static bool by_operator(struct evaluation *ev, const struct clause *c, const struct value *a,
                        const struct value *b, bool *out)
{
    int sign = 0;
    *out = false;
    if (!compare_spend(ev, 1))
        return false;
    switch (c->comparison) {
    case EQ:
        return equal(ev, c, a, b, out);
    case NE:
        if (!equal(ev, c, a, b, out))
            return false;
        *out = !*out;
        return true;
    case BETWEEN:
        return between(ev, c, a, b, out);
    case CONTAINS:
        if (compare_is(a, VALUE_ARRAY))
            return compare_contains(ev, a, b, out);
        break;
    case IN:
        if (compare_is(b, VALUE_ARRAY))
            return compare_contains(ev, b, a, out);
        break;
    default:
        break;
    }
    if (!a || !b)
        return true;
    if (c->comparison >= BEGINSWITH)
        return compare_strings(ev, c, a, b, out);
    if (!compare_order(ev, c, a, b, &sign))
        return false;
    *out = c->comparison == LT   ? sign < 0
           : c->comparison == LE ? sign <= 0
           : c->comparison == GT ? sign > 0
                                 : sign >= 0;
    return true;
}

/* The build's last component was an integer in Munki 6 and is a string in 7, and repositories hold conditions
 * of both kinds: it takes the type of what it is compared with. */
static const struct value *build_as(struct evaluation *ev, const struct clause *c, const struct value *v,
                                    const struct value *other)
{
    int64_t n;
    if (c->kind != CLAUSE_MEMBER || c->left->kind != CLAUSE_SELF ||
        strcmp(c->name, "os_build_last_component") != 0)
        return v;
    if (compare_is(other, VALUE_ARRAY))
        other = compare_element(ev, other, 0);
    if (compare_is(v, VALUE_INT) && compare_is(other, VALUE_STRING) && value_int(v, &n))
        return value_new_str(ev->a, arena_printf(ev->a, "%lld", (long long)n));
    if (compare_is(v, VALUE_STRING) && compare_is_number(other) && text_int(value_str(v), 0, INT64_MAX, &n))
        return value_new_int(ev->a, n);
    return v;
}

bool compare_values(struct evaluation *ev, const struct clause *c, const struct value *left,
                    const struct value *right, bool *out)
{
    return by_operator(ev, c, build_as(ev, c->left, left, right), build_as(ev, c->right, right, left), out);
}
