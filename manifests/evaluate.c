/* Conditions and values are evaluated by recursion, which the depth of the clause bounds. A missing key is
 * nil, which no step but a comparison minds; integers divide as integers. */
#include "manifests/evaluate.h"
#include "core/text.h"
#include <math.h>
#include <strings.h>

#define SINCE_2001 INT64_C(978307200)

static void append(struct evaluation *ev, struct value *array, const struct value *v)
{
    value_append(ev->a, array, v ? v : ev->null);
}

/* ---- conditions -------------------------------------------------------------------------------------- */

static bool decide_comparison(struct evaluation *ev, const struct clause *c, bool *out)
{
    const struct value *a, *b;
    if (!evaluate_value(ev, c->left, &a) || !evaluate_value(ev, c->right, &b))
        return false;
    if (c->modifier == DIRECT)
        return compare_values(ev, c, a, b, out);
    if (a && !compare_is(a, VALUE_ARRAY))
        return compare_bad(ev, c->left, "ANY, ALL and NONE need an array, not %s", value_type_name(a));
    /* ALL looks for one that fails, the others for one that holds. */
    bool sought = c->modifier != ALL, found = false;
    for (size_t i = 0; !found && i < value_count(a); i++) {
        bool holds;
        if (!compare_values(ev, c, compare_element(ev, a, i), b, &holds))
            return false;
        found = holds == sought;
    }
    *out = found == (c->modifier == ANY);
    return true;
}

bool evaluate_condition(struct evaluation *ev, const struct clause *c, bool *out)
{
    if (!compare_spend(ev, 1))
        return false;
    switch (c->kind) {
    case CLAUSE_CONSTANT:
        *out = c->truth;
        return true;
    case CLAUSE_NOT:
        if (!evaluate_condition(ev, c->left, out))
            return false;
        *out = !*out;
        return true;
    case CLAUSE_AND:
    case CLAUSE_OR:
        for (const struct clause *part = c->list; part; part = part->next) {
            if (!evaluate_condition(ev, part, out))
                return false;
            if (*out == (c->kind == CLAUSE_OR))
                break;
        }
        return true;
    default:
        return decide_comparison(ev, c, out);
    }
}

/* ---- values ------------------------------------------------------------------------------------------ */

/* name of a dictionary; of an array, that of each element. */
static bool member(struct evaluation *ev, const struct clause *c, const struct value *of,
                   const struct value **out)
{
    *out = NULL;
    if (!compare_spend(ev, 1))
        return false;
    if (!of)
        return true;
    if (compare_is(of, VALUE_DICT)) {
        *out = value_get(of, c->name);
        return true;
    }
    if (!compare_is(of, VALUE_ARRAY))
        return compare_bad(ev, c, "%s has no \"%s\"", value_type_name(of), c->name);
    struct value *all = value_new_array(ev->a);
    for (size_t i = 0; i < value_count(of); i++) {
        const struct value *v;
        if (!member(ev, c, compare_element(ev, of, i), &v))
            return false;
        append(ev, all, v);
    }
    *out = all;
    return true;
}

static bool number(struct evaluation *ev, const struct clause *c, double d, const struct value **out)
{
    if (!isfinite(d))
        return compare_bad(ev, c, "the result is not a finite number");
    *out = value_new_real(ev->a, d);
    return true;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* sum, average and median of the numbers in an array; nil is passed over. */
static bool summarize(struct evaluation *ev, const struct clause *c, const struct value *array,
                      const struct value **out)
{
    size_t n = 0;
    double sum = 0;
    if (!compare_spend(ev, value_count(array)))
        return false;
    double *all = arena_array(ev->a, value_count(array) + 1, sizeof *all);
    for (size_t i = 0; i < value_count(array); i++) {
        const struct value *v = compare_element(ev, array, i);
        if (v && !compare_is_number(v))
            return compare_bad(ev, c, "expected numbers, not %s", value_type_name(v));
        if (!v)
            continue;
        sum += compare_real(v);
        all[n++] = compare_real(v);
    }
    if (strcmp(c->name, "sum") == 0)
        return number(ev, c, sum, out);
    if (strcmp(c->name, "median") != 0)
        return number(ev, c, n ? sum / (double)n : 0, out);
    qsort(all, n, sizeof *all, by_size);
    return number(ev, c, n ? (all[(n - 1) / 2] + all[n / 2]) / 2 : 0, out);
}

static bool extreme(struct evaluation *ev, const struct clause *c, const struct value *array,
                    const struct value **out)
{
    bool least = strcmp(c->name, "min") == 0;
    *out = NULL;
    for (size_t i = 0; i < value_count(array); i++) {
        const struct value *v = compare_element(ev, array, i);
        int sign = 0;
        if (!compare_spend(ev, 1) || (v && *out && !compare_order(ev, c, v, *out, &sign)))
            return false;
        if (v && (!*out || (least ? sign < 0 : sign > 0)))
            *out = v;
    }
    return true;
}

/* array.@name, and name(array). */
static bool collect(struct evaluation *ev, const struct clause *c, const struct value *of,
                    const struct value **out)
{
    *out = NULL;
    if (!of)
        return true;
    if (strcmp(c->name, "count") == 0 && compare_is(of, VALUE_DICT)) {
        *out = value_new_int(ev->a, (int64_t)value_count(of));
        return true;
    }
    if (!compare_is(of, VALUE_ARRAY))
        return compare_bad(ev, c, "%s needs an array, not %s", c->name, value_type_name(of));
    if (strcmp(c->name, "count") == 0) {
        *out = value_new_int(ev->a, (int64_t)value_count(of));
        return true;
    }
    if (strcmp(c->name, "min") == 0 || strcmp(c->name, "max") == 0)
        return extreme(ev, c, of, out);
    if (strcmp(c->name, "unionOfObjects") != 0 && strcmp(c->name, "distinctUnionOfObjects") != 0)
        return summarize(ev, c, of, out);
    struct value *all = value_new_array(ev->a);
    for (size_t i = 0; i < value_count(of); i++) {
        bool twice = false;
        const struct value *v = compare_element(ev, of, i);
        if (c->name[0] == 'd' && !compare_contains(ev, all, v, &twice))
            return false;
        if (v && !twice)
            append(ev, all, v);
    }
    *out = all;
    return true;
}

static bool index_of(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *of, *at = NULL;
    int64_t i;
    *out = NULL;
    if (!evaluate_value(ev, c->left, &of) || (c->right && !evaluate_value(ev, c->right, &at)))
        return false;
    if (!of)
        return true;
    if (compare_is(of, VALUE_DICT) && compare_is(at, VALUE_STRING)) {
        *out = value_get(of, value_str(at));
        return true;
    }
    if (!compare_is(of, VALUE_ARRAY))
        return compare_bad(ev, c, "expected an array before [, not %s", value_type_name(of));
    size_t n = value_count(of);
    if (c->name && strcmp(c->name, "SIZE") == 0)
        *out = value_new_int(ev->a, (int64_t)n);
    else if (c->name)
        *out = n ? compare_element(ev, of, c->name[0] == 'F' ? 0 : n - 1) : NULL;
    else if (!compare_is_number(at) || !value_int(at, &i))
        return compare_bad(ev, c->right, "expected a whole number, not %s", value_type_name(at));
    else if (i < 0 || (uint64_t)i >= n)
        return compare_bad(ev, c->right, "there is no element %lld, only %zu", (long long)i, n);
    else
        *out = compare_element(ev, of, (size_t)i);
    return true;
}

static bool integers(char op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
    case '+':
        if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b)
            return false;
        *out = a + b;
        return true;
    case '-':
        if (b < 0 ? a > INT64_MAX + b : a < INT64_MIN + b)
            return false;
        *out = a - b;
        return true;
    case '*':
        if (fabs((double)a * (double)b) >= 0x1p62)
            return false;
        *out = a * b;
        return true;
    case '/':
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *out = a / b;
        return true;
    default: {
        double d = pow((double)a, (double)b);
        if (b < 0 || !(fabs(d) < 0x1p53))
            return false;
        *out = (int64_t)d;
        return true;
    }
    }
}

static bool arithmetic(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *a, *b;
    int64_t x, y, n;
    if (!evaluate_value(ev, c->left, &a) || !evaluate_value(ev, c->right, &b))
        return false;
    if (!compare_is_number(a))
        return compare_bad(ev, c->left, "expected a number, not %s", value_type_name(a));
    if (!compare_is_number(b))
        return compare_bad(ev, c->right, "expected a number, not %s", value_type_name(b));
    double u = compare_real(a), v = compare_real(b);
    if (c->op == '/' && !(v < 0 || v > 0))
        return compare_bad(ev, c, "division by zero");
    if (!compare_is(a, VALUE_REAL) && !compare_is(b, VALUE_REAL) && value_int(a, &x) && value_int(b, &y) &&
        integers(c->op, x, y, &n)) {
        *out = value_new_int(ev->a, n);
        return true;
    }
    return number(ev, c,
                  c->op == '+'   ? u + v
                  : c->op == '-' ? u - v
                  : c->op == '*' ? u * v
                  : c->op == '/' ? u / v
                                 : pow(u, v),
                  out);
}

static bool negate(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *v;
    int64_t n;
    if (!evaluate_value(ev, c->left, &v))
        return false;
    if (!compare_is_number(v))
        return compare_bad(ev, c->left, "expected a number, not %s", value_type_name(v));
    if (compare_is(v, VALUE_REAL) || !value_int(v, &n) || n == INT64_MIN)
        return number(ev, c, -compare_real(v), out);
    *out = value_new_int(ev->a, -n);
    return true;
}

static const struct {
    const char *name;
    double (*of)(double);
} unary[] = {{"abs", fabs},  {"ceiling", ceil}, {"floor", floor}, {"trunc", trunc},
             {"sqrt", sqrt}, {"log", log10},    {"ln", log},      {"exp", exp}};

/* uppercase and lowercase. */
static bool change_case(struct evaluation *ev, const struct clause *c, const struct value *v,
                        const struct value **out)
{
    *out = NULL;
    if (!v)
        return true;
    if (!compare_is(v, VALUE_STRING))
        return compare_bad(ev, c, "%s needs a string, not %s", c->name, value_type_name(v));
    if (!compare_spend(ev, strlen(value_str(v)) + 1))
        return false;
    char *text =
        c->name[0] == 'l' ? text_map(ev->a, value_str(v), true, false) : text_upper(ev->a, value_str(v));
    if (!text)
        return compare_bad(ev, c, "text that is not UTF-8");
    *out = value_new_str(ev->a, text);
    return true;
}

static bool call(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *v = NULL, *first = NULL;
    struct value *all = value_new_array(ev->a);
    for (const struct clause *arg = c->list; arg; arg = arg->next) {
        if (!evaluate_value(ev, arg, &v))
            return false;
        if (arg == c->list)
            first = v;
        append(ev, all, v);
    }
    size_t count = value_count(all);
    if (strcmp(c->name, "now") == 0) {
        *out = value_new_date(ev->a, ev->now);
        return count == 0 || compare_bad(ev, c, "now() takes nothing");
    }
    if (count == 0)
        return compare_bad(ev, c, "%s() needs something to work on", c->name);
    if (strcmp(c->name, "uppercase") == 0 || strcmp(c->name, "lowercase") == 0)
        return change_case(ev, c, first, out);
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
        if (strcmp(unary[i].name, c->name) == 0)
            return compare_is_number(first)
                       ? number(ev, c, unary[i].of(compare_real(first)), out)
                       : compare_bad(ev, c, "%s needs a number, not %s", c->name, value_type_name(first));
    return collect(ev, c, count == 1 && (!first || compare_is(first, VALUE_ARRAY)) ? first : all, out);
}

/* "2026-09-01T08:00:00Z", "2026-09-01 08:00:00 +0200" and the mixtures of them. */
static bool parse_date(const char *s, time_t *out)
{
    char utc[] = "YYYY-MM-DDTHH:MM:SSZ";
    if (strlen(s) < 20 || (s[10] != 'T' && s[10] != ' '))
        return false;
    memcpy(utc, s, 19);
    utc[10] = 'T';
    if (!text_parse_utc(utc, out))
        return false;
    s += 19;
    if (*s == '.')
        s += 1 + strspn(s + 1, "0123456789");
    s += strspn(s, " ");
    if (strcmp(s, "Z") == 0)
        return true;
    int64_t hours, minutes;
    char digits[5] = {0};
    if ((*s != '+' && *s != '-') || strspn(s + 1, "0123456789:") != strlen(s + 1))
        return false;
    memcpy(digits, s + 1, strnlen(s + 1, 2));
    if (strlen(digits) != 2 || !text_int(digits, 0, 23, &hours))
        return false;
    const char *rest = s + 3 + (s[3] == ':');
    if (strlen(rest) != 2 || !text_int(rest, 0, 59, &minutes))
        return false;
    *out -= (time_t)((*s == '-' ? -1 : 1) * (hours * 3600 + minutes * 60));
    return true;
}

static bool cast_date(struct evaluation *ev, const struct clause *c, const struct value *v,
                      const struct value **out)
{
    time_t t;
    if (compare_is(v, VALUE_DATE)) {
        *out = v;
        return true;
    }
    if (compare_is_number(v) && fabs(compare_real(v)) < 1e12) {
        *out = value_new_date(ev->a, (time_t)(floor(compare_real(v)) + (double)SINCE_2001));
        return true;
    }
    if (!compare_is(v, VALUE_STRING) || !parse_date(value_str(v), &t))
        return compare_bad(ev, c->left, "expected a date like 2026-09-01T08:00:00Z");
    *out = value_new_date(ev->a, t);
    return true;
}

static bool cast_number(struct evaluation *ev, const struct clause *c, const struct value *v,
                        const struct value **out)
{
    time_t t;
    int64_t n;
    const char *s = value_str(v);
    *out = v;
    if (compare_is_number(v))
        return true;
    if (value_date(v, &t)) {
        *out = value_new_int(ev->a, (int64_t)t - SINCE_2001);
        return true;
    }
    if (s && text_int(s, INT64_MIN, INT64_MAX, &n)) {
        *out = value_new_int(ev->a, n);
        return true;
    }
    if (!s || !*s || strspn(s, "0123456789+-.eE") != strlen(s))
        return compare_bad(ev, c->left, "expected a number or a date");
    char *end;
    double d = strtod(s, &end);
    return *end ? compare_bad(ev, c->left, "expected a number or a date") : number(ev, c, d, out);
}

static bool cast_string(struct evaluation *ev, const struct clause *c, const struct value *v,
                        const struct value **out)
{
    char text[64];
    time_t t;
    int64_t n;
    *out = v;
    if (compare_is(v, VALUE_STRING))
        return true;
    if (value_date(v, &t)) {
        text_utc(text, t, -1);
        text[10] = ' ';
        (void)snprintf(text + 19, sizeof text - 19, " +0000");
    } else if (value_int(v, &n)) {
        (void)snprintf(text, sizeof text, "%lld", (long long)n);
    } else if (compare_is(v, VALUE_REAL)) {
        for (int digits = 1; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, compare_real(v));
            double back = strtod(text, NULL);
            if (!(back < compare_real(v) || back > compare_real(v)))
                break;
        }
    } else {
        return compare_bad(ev, c->left, "%s has no text", value_type_name(v));
    }
    *out = value_new_str(ev->a, text);
    return true;
}

static bool cast(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *v;
    *out = NULL;
    if (!evaluate_value(ev, c->left, &v))
        return false;
    if (!v)
        return true;
    if (strcasecmp(c->name, "NSDate") == 0)
        return cast_date(ev, c, v, out);
    if (strcasecmp(c->name, "NSNumber") == 0)
        return cast_number(ev, c, v, out);
    if (strcasecmp(c->name, "NSString") == 0)
        return cast_string(ev, c, v, out);
    return compare_bad(ev, c, "CAST knows NSDate, NSNumber and NSString");
}

static bool subquery(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *of;
    struct value *all = value_new_array(ev->a);
    if (!evaluate_value(ev, c->left, &of))
        return false;
    if (of && !compare_is(of, VALUE_ARRAY))
        return compare_bad(ev, c->left, "SUBQUERY needs an array, not %s", value_type_name(of));
    struct binding binding = {.name = c->name, .outer = ev->bindings};
    ev->bindings = &binding;
    bool ok = true;
    for (size_t i = 0; ok && i < value_count(of); i++) {
        bool holds = false;
        binding.value = compare_element(ev, of, i);
        ok = evaluate_condition(ev, c->right, &holds);
        if (ok && holds)
            append(ev, all, binding.value);
    }
    ev->bindings = binding.outer;
    *out = all;
    return ok;
}

static bool variable(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    for (const struct binding *b = ev->bindings; b; b = b->outer)
        if (strcmp(b->name, c->name) == 0) {
            *out = b->value;
            return true;
        }
    return compare_bad(ev, c, "nothing is bound to $%s", c->name);
}

static bool array(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    struct value *all = value_new_array(ev->a);
    for (const struct clause *item = c->list; item; item = item->next) {
        const struct value *v;
        if (!evaluate_value(ev, item, &v))
            return false;
        append(ev, all, v);
    }
    *out = all;
    return true;
}

/* Recursion is bounded by the depth of the clause. */
bool evaluate_value(struct evaluation *ev, const struct clause *c, const struct value **out)
{
    const struct value *left;
    if (!compare_spend(ev, 1))
        return false;
    switch (c->kind) {
    case CLAUSE_LITERAL:
        *out = c->value;
        return true;
    case CLAUSE_SELF:
        *out = ev->facts;
        return true;
    case CLAUSE_VARIABLE:
        return variable(ev, c, out);
    case CLAUSE_MEMBER:
        return evaluate_value(ev, c->left, &left) && member(ev, c, left, out);
    case CLAUSE_COLLECT:
        return evaluate_value(ev, c->left, &left) && collect(ev, c, left, out);
    case CLAUSE_INDEX:
        return index_of(ev, c, out);
    case CLAUSE_ARRAY:
        return array(ev, c, out);
    case CLAUSE_NEGATE:
        return negate(ev, c, out);
    case CLAUSE_ARITHMETIC:
        return arithmetic(ev, c, out);
    case CLAUSE_CALL:
        return call(ev, c, out);
    case CLAUSE_CAST:
        return cast(ev, c, out);
    case CLAUSE_SUBQUERY:
        return subquery(ev, c, out);
    default:
        return compare_bad(ev, c, "a condition where a value should be");
    }
}
