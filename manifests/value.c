/* The tree of a property list.
 *
 * Invariants: a value never changes its type; children were made in the same arena or one that lives longer.
 * A dictionary keeps its pairs in the order in which they came. Up to SMALL pairs are searched one by one; a
 * larger one that was sealed has an index sorted by key, dropped at the next change of its pairs. */
#include "manifests/value.h"

#define SMALL 16

struct pair {
    const char *key;
    const struct value *value;
};

struct value {
    enum value_type type;
    uint32_t room; /* allocated elements or pairs; what is longer grows no more */
    size_t count;  /* elements, pairs, or bytes of data */
    union {
        const char *str;
        const void *data;
        bool yes;
        int64_t num;
        double real;
        const struct value **items;
        struct dict *dict;
    } u;
};

struct dict {
    struct pair *pairs;
    struct pair **sorted; /* count of them, or NULL */
};

static struct value *make(struct arena *a, enum value_type type)
{
    struct value *v = arena_alloc(a, sizeof *v);
    v->type = type;
    return v;
}

struct value *value_new_dict(struct arena *a)
{
    struct value *v = make(a, VALUE_DICT);
    v->u.dict = arena_alloc(a, sizeof *v->u.dict);
    return v;
}

struct value *value_new_array(struct arena *a)
{
    return make(a, VALUE_ARRAY);
}

struct value *value_keep_str(struct arena *a, const char *p)
{
    struct value *v = make(a, VALUE_STRING);
    v->u.str = p;
    return v;
}

struct value *value_new_str(struct arena *a, const char *s)
{
    return s ? value_keep_str(a, arena_strdup(a, s)) : NULL;
}

struct value *value_new_int(struct arena *a, int64_t i)
{
    struct value *v = make(a, VALUE_INT);
    v->u.num = i;
    return v;
}

struct value *value_new_bool(struct arena *a, bool b)
{
    struct value *v = make(a, VALUE_BOOL);
    v->u.yes = b;
    return v;
}

struct value *value_new_real(struct arena *a, double r)
{
    struct value *v = make(a, VALUE_REAL);
    v->u.real = r;
    return v;
}

struct value *value_new_date(struct arena *a, time_t t)
{
    struct value *v = make(a, VALUE_DATE);
    v->u.num = (int64_t)t;
    return v;
}

struct value *value_keep_data(struct arena *a, const void *p, size_t n)
{
    struct value *v = make(a, VALUE_DATA);
    v->u.data = p;
    v->count = n;
    return v;
}

struct value *value_new_data(struct arena *a, const void *p, size_t n)
{
    return value_keep_data(a, arena_strndup(a, n ? p : "", n), n);
}

/* The room after the next doubling. Beyond 2^31 elements memory is long exhausted. */
static uint32_t more(const struct value *v)
{
    return v->room ? v->room * 2 : 4;
}

void value_append(struct arena *a, struct value *array, const struct value *v)
{
    if (!v)
        return;
    if (array->count == array->room) {
        const struct value **items = arena_array(a, more(array), sizeof *items);
        if (array->count)
            memcpy(items, array->u.items, array->count * sizeof *items);
        array->u.items = items;
        array->room = more(array);
    }
    array->u.items[array->count++] = v;
}

static void make_room(struct arena *a, struct value *dict, size_t room)
{
    struct pair *pairs = arena_array(a, room, sizeof *pairs);
    if (dict->count)
        memcpy(pairs, dict->u.dict->pairs, dict->count * sizeof *pairs);
    dict->u.dict->pairs = pairs;
    dict->u.dict->sorted = NULL; /* it points into the old ones */
    dict->room = (uint32_t)room;
}

void value_room(struct arena *a, struct value *dict, size_t n)
{
    if (n > dict->room - dict->count)
        make_room(a, dict, dict->count + n);
}

void value_push(struct arena *a, struct value *dict, const char *key, const struct value *v)
{
    struct dict *d = dict->u.dict;
    if (dict->count == dict->room)
        make_room(a, dict, more(dict));
    d->sorted = NULL;
    d->pairs[dict->count++] = (struct pair){key, v};
}

/* As strcmp; most keys differ in their first byte. */
static int order(const char *a, const char *b)
{
    int first = (unsigned char)*a - (unsigned char)*b;
    return first != 0 ? first : strcmp(a, b);
}

static int by_key(const void *a, const void *b)
{
    struct pair *const *x = a, *const *y = b;
    return order((*x)->key, (*y)->key);
}

const char *value_seal(struct arena *a, struct value *dict)
{
    struct dict *d = dict->u.dict;
    size_t n = dict->count;
    if (n <= SMALL) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (order(d->pairs[i].key, d->pairs[j].key) == 0)
                    return d->pairs[i].key;
        return NULL;
    }
    struct pair **sorted = arena_array(a, n, sizeof *sorted);
    bool ascending = true;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &d->pairs[i];
        ascending = ascending && (i == 0 || order(sorted[i - 1]->key, sorted[i]->key) < 0);
    }
    d->sorted = sorted;
    if (ascending) /* as nearly all programs write them */
        return NULL;
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            return sorted[i]->key;
    return NULL;
}

/* The pair with that key, or NULL. */
static struct pair *find(const struct value *v, const char *key)
{
    struct dict *d = v->u.dict;
    if (d->sorted) {
        size_t low = 0, high = v->count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            int side = order(key, d->sorted[middle]->key);
            if (side == 0)
                return d->sorted[middle];
            if (side < 0)
                high = middle;
            else
                low = middle + 1;
        }
        return NULL;
    }
    for (size_t i = 0; i < v->count; i++)
        if (order(d->pairs[i].key, key) == 0)
            return &d->pairs[i];
    return NULL;
}

void value_set(struct arena *a, struct value *dict, const char *key, const struct value *v)
{
    if (!v)
        return;
    struct pair *old = find(dict, key);
    if (old)
        old->value = v;
    else
        value_push(a, dict, arena_strdup(a, key), v);
}

void value_unset(struct value *dict, const char *key)
{
    struct pair *old = find(dict, key);
    if (!old)
        return;
    struct dict *d = dict->u.dict;
    size_t after = (size_t)(d->pairs + dict->count - (old + 1));
    memmove(old, old + 1, after * sizeof *old);
    dict->count--;
    d->sorted = NULL;
}

struct value *value_copy(struct arena *a, const struct value *v)
{
    if (!v)
        return NULL;
    struct value *copy = arena_alloc(a, sizeof *copy);
    *copy = *v;
    copy->room = 0;
    if (v->type == VALUE_ARRAY && v->count) {
        copy->u.items = arena_array(a, v->count, sizeof *copy->u.items);
        memcpy(copy->u.items, v->u.items, v->count * sizeof *copy->u.items);
        copy->room = (uint32_t)v->count;
    } else if (v->type == VALUE_DICT) {
        copy->u.dict = arena_alloc(a, sizeof *copy->u.dict);
        if (v->count) {
            copy->u.dict->pairs = arena_array(a, v->count, sizeof(struct pair));
            memcpy(copy->u.dict->pairs, v->u.dict->pairs, v->count * sizeof(struct pair));
            copy->room = (uint32_t)v->count;
            (void)value_seal(a, copy);
        }
    }
    return copy;
}

enum value_type value_type(const struct value *v)
{
    return v->type;
}

const char *value_type_name(const struct value *v)
{
    static const char *const names[] = {"string", "boolean", "integer", "real",
                                        "date",   "data",    "array",   "dictionary"};
    return v ? names[v->type] : "nothing";
}

static bool is(const struct value *v, enum value_type type)
{
    return v && v->type == type;
}

const char *value_str(const struct value *v)
{
    return is(v, VALUE_STRING) ? v->u.str : NULL;
}

bool value_int(const struct value *v, int64_t *out)
{
    if (is(v, VALUE_INT))
        *out = v->u.num;
    else if (is(v, VALUE_BOOL))
        *out = v->u.yes;
    else if (is(v, VALUE_REAL) && v->u.real >= -0x1p63 && v->u.real < 0x1p63 &&
             !((double)(int64_t)v->u.real < v->u.real || (double)(int64_t)v->u.real > v->u.real))
        *out = (int64_t)v->u.real;
    else
        return false;
    return true;
}

bool value_bool(const struct value *v, bool *out)
{
    int64_t n;
    if (!value_int(v, &n) || (n != 0 && n != 1))
        return false;
    *out = n == 1;
    return true;
}

bool value_real(const struct value *v, double *out)
{
    if (is(v, VALUE_REAL))
        *out = v->u.real;
    else if (is(v, VALUE_INT))
        *out = (double)v->u.num;
    else
        return false;
    return true;
}

bool value_date(const struct value *v, time_t *out)
{
    if (!is(v, VALUE_DATE))
        return false;
    *out = (time_t)v->u.num;
    return true;
}

const void *value_data(const struct value *v, size_t *len)
{
    if (!is(v, VALUE_DATA))
        return NULL;
    *len = v->count;
    return v->u.data;
}

size_t value_count(const struct value *v)
{
    return is(v, VALUE_ARRAY) || is(v, VALUE_DICT) ? v->count : 0;
}

const struct value *value_at(const struct value *v, size_t i)
{
    if (i >= value_count(v))
        return NULL;
    return v->type == VALUE_ARRAY ? v->u.items[i] : v->u.dict->pairs[i].value;
}

const char *value_key(const struct value *v, size_t i)
{
    return is(v, VALUE_DICT) && i < v->count ? v->u.dict->pairs[i].key : NULL;
}

const struct value *value_get(const struct value *v, const char *key)
{
    const struct pair *pair = is(v, VALUE_DICT) ? find(v, key) : NULL;
    return pair ? pair->value : NULL;
}

bool value_has_str(const struct value *array, const char *s)
{
    for (size_t i = 0; i < value_count(array); i++) {
        const char *have = value_str(value_at(array, i));
        if (have && strcmp(have, s) == 0)
            return true;
    }
    return false;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_STRING:
        return strcmp(a->u.str, b->u.str) == 0;
    case VALUE_BOOL:
        return a->u.yes == b->u.yes;
    case VALUE_INT:
    case VALUE_DATE:
        return a->u.num == b->u.num;
    case VALUE_REAL:
        return !(a->u.real < b->u.real || a->u.real > b->u.real);
    case VALUE_DATA:
        return a->count == b->count && memcmp(a->u.data, b->u.data, a->count) == 0;
    case VALUE_ARRAY:
        if (a->count != b->count)
            return false;
        for (size_t i = 0; i < a->count; i++)
            if (!value_equal(a->u.items[i], b->u.items[i]))
                return false;
        return true;
    case VALUE_DICT:
        if (a->count != b->count)
            return false;
        for (size_t i = 0; i < a->count; i++)
            if (!value_equal(a->u.dict->pairs[i].value, value_get(b, a->u.dict->pairs[i].key)))
                return false;
        return true;
    }
    return false;
}
