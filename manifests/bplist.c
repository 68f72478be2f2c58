/* bplist00: "bplist00", objects, a table of their offsets, a trailer of 32 bytes. Numbers are big-endian.
 *
 * An object is a marker byte (kind and size) and its bytes; arrays and dictionaries hold indices into the
 * offset table. Any object may be referred to many times, which libplist expands: a file of 500 bytes can
 * stand for gigabytes. So the walk pays for each visit, in values and in bytes of text, before libplist may.
 */
#include "manifests/bplist.h"
#include "core/arena.h"
#include "core/limits.h"

struct walk {
    const unsigned char *p;
    size_t objects_end; /* where the offset table begins: objects end before it */
    size_t offset_size, ref_size;
    uint64_t objects;
    uint64_t expanded; /* bytes of strings and data so far */
    struct shape *shape;
    struct err *e;
};

/* An array or dictionary whose elements are being visited. */
struct level {
    uint64_t object;
    size_t refs;  /* where its references stand */
    size_t total; /* references: twice the pairs of a dictionary, keys first */
    size_t next;  /* elements or pairs visited, a dictionary's key and value alternately */
    bool dict;
};

/* What an object is, its marker read. */
struct object {
    unsigned kind; /* high nibble */
    unsigned info; /* low nibble */
    size_t at;     /* where its bytes begin */
    size_t count;  /* of bytes, code units, elements or pairs */
};

static bool bad(struct walk *w, uint64_t object, const char *what)
{
    return err_set(w->e, ERR_FORMAT, CAUSE_FORMAT, "object %llu: %s", (unsigned long long)object, what);
}

static uint64_t number(const unsigned char *p, size_t size)
{
    uint64_t n = 0;
    while (size--)
        n = n << 8 | *p++;
    return n;
}

/* Are there count things of size bytes at at, before the offset table? */
static bool fits(const struct walk *w, size_t at, uint64_t count, size_t size)
{
    return at <= w->objects_end && count <= (w->objects_end - at) / size;
}

static bool find(struct walk *w, uint64_t index, struct object *o)
{
    if (index >= w->objects)
        return bad(w, index, "there is no such object");
    uint64_t at = number(w->p + w->objects_end + (size_t)index * w->offset_size, w->offset_size);
    if (at < 8 || at >= w->objects_end)
        return bad(w, index, "its offset lies outside the objects");
    *o = (struct object){.kind = w->p[at] >> 4, .info = w->p[at] & 15, .at = (size_t)at + 1};
    o->count = o->info;
    if (o->info == 15 && o->kind >= 4) { /* the length follows, as an integer object */
        size_t size = (size_t)1 << (fits(w, o->at, 1, 1) ? w->p[o->at] & 15 : 0);
        if (!fits(w, o->at, 1, 1) || w->p[o->at] >> 4 != 1 || size > 8 || !fits(w, o->at + 1, 1, size))
            return bad(w, index, "a malformed length");
        uint64_t count = number(w->p + o->at + 1, size);
        if (count > w->objects_end)
            return bad(w, index, "longer than the file");
        o->count = (size_t)count;
        o->at += 1 + size;
    }
    return true;
}

static bool pay(struct walk *w, size_t bytes)
{
    w->expanded += bytes;
    if (w->expanded > LIMIT_PLIST_EXPANDED)
        return err_set(w->e, ERR_LIMIT, CAUSE_LIMIT, "shared texts that come to more than %zu MB",
                       LIMIT_PLIST_EXPANDED / LIMIT_MB);
    return true;
}

/* The length in UTF-8 of count big-endian UTF-16 units; false for half a pair or NUL. */
static bool utf16_size(const unsigned char *p, size_t count, size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned unit = (unsigned)number(p + 2 * i, 2);
        if (unit == 0 || (unit >= 0xdc00 && unit < 0xe000))
            return false;
        if (unit >= 0xd800 && unit < 0xdc00) {
            if (++i == count || (number(p + 2 * i, 2) & 0xfc00) != 0xdc00)
                return false;
            *size += 4;
        } else {
            *size += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
        }
    }
    return true;
}

static bool check_string(struct walk *w, uint64_t index, const struct object *o)
{
    size_t size = o->count;
    if (!fits(w, o->at, o->count, o->kind == 6 ? 2 : 1))
        return bad(w, index, "a string that reaches beyond the objects");
    if (o->kind == 6) {
        if (!utf16_size(w->p + o->at, o->count, &size))
            return bad(w, index, "a string that is not UTF-16 or contains NUL");
    } else {
        for (size_t i = 0; i < o->count; i++)
            if (w->p[o->at + i] == 0 || w->p[o->at + i] > 0x7f)
                return bad(w, index, "a string that is not ASCII or contains NUL");
    }
    return pay(w, size) && shape_note(w->shape, (int64_t)size, w->e);
}

static bool check_integer(struct walk *w, uint64_t index, const struct object *o)
{
    size_t size = (size_t)1 << o->info;
    if (size > 16 || !fits(w, o->at, 1, size))
        return bad(w, index, "a malformed integer");
    uint64_t high = 0, low = number(w->p + o->at + (size == 16 ? 8 : 0), size == 16 ? 8 : size);
    bool negative = size == 8 && low > INT64_MAX;
    if (size == 16) { /* how numbers above INT64_MAX are written */
        high = number(w->p + o->at, 8);
        negative = high == UINT64_MAX;
        if ((high && !negative) || (negative && low <= INT64_MAX))
            return bad(w, index, "an integer of more than 64 bits");
    }
    int64_t n = low <= INT64_MAX ? (int64_t)low : negative ? -(int64_t)(UINT64_MAX - low) - 1 : INT64_MAX;
    return shape_note(w->shape, n, w->e);
}

static double real_of(const unsigned char *p, size_t size)
{
    uint64_t bits = number(p, size);
    if (size == 4) {
        uint32_t half = (uint32_t)bits;
        float f;
        memcpy(&f, &half, sizeof f);
        return (double)f;
    }
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* 0001-01-01 and 9999-12-31 in seconds since 1970: what a date in text can say. */
#define DATE_MIN   (-62135596800.0)
#define DATE_MAX   253402300799.0
#define SINCE_2001 978307200.0

static bool check_real(struct walk *w, uint64_t index, const struct object *o)
{
    size_t size = (size_t)1 << o->info;
    if ((size != 4 && size != 8) || (o->kind == 3 && size != 8) || !fits(w, o->at, 1, size))
        return bad(w, index, "a malformed number or date");
    double real = real_of(w->p + o->at, size);
    if (o->kind == 3) {
        real += SINCE_2001;
        if (!(real >= DATE_MIN && real <= DATE_MAX))
            return bad(w, index, "a date outside the years 1 to 9999");
        int64_t whole = (int64_t)real;
        return shape_note(w->shape, (double)whole > real ? whole - 1 : whole, w->e);
    }
    if (!(real >= -0x1.fffffffffffffp1023 && real <= 0x1.fffffffffffffp1023))
        return bad(w, index, "a number that is not finite");
    return shape_note_real(w->shape, real, w->e);
}

static bool check_leaf(struct walk *w, uint64_t index, const struct object *o)
{
    switch (o->kind) {
    case 0:
        if (o->info != 8 && o->info != 9)
            return bad(w, index, "null or fill instead of a value");
        return shape_note(w->shape, o->info == 9, w->e);
    case 1:
        return check_integer(w, index, o);
    case 2:
    case 3:
        return check_real(w, index, o);
    case 4:
        if (!fits(w, o->at, o->count, 1))
            return bad(w, index, "data that reaches beyond the objects");
        return pay(w, o->count) && shape_note(w->shape, (int64_t)o->count, w->e);
    case 5:
    case 6:
        return check_string(w, index, o);
    default:
        return bad(w, index, "a kind that property lists do not have");
    }
}

static bool is_container(const struct object *o)
{
    return o->kind == 10 || o->kind == 13;
}

static bool enter(struct walk *w, uint64_t index, const struct object *o, struct level *stack, size_t depth)
{
    size_t refs = o->kind == 13 ? 2 : 1;
    if (o->count > SIZE_MAX / 2 || !fits(w, o->at, (uint64_t)o->count * refs, w->ref_size))
        return bad(w, index, "references that reach beyond the objects");
    for (size_t i = 0; i < depth; i++)
        if (stack[i].object == index)
            return bad(w, index, "it contains itself");
    if (depth == LIMIT_PLIST_DEPTH)
        return err_set(w->e, ERR_LIMIT, CAUSE_LIMIT, "nested deeper than %d levels", LIMIT_PLIST_DEPTH);
    stack[depth] =
        (struct level){.object = index, .refs = o->at, .total = o->count * refs, .dict = o->kind == 13};
    return shape_note(w->shape, (int64_t)o->count, w->e);
}

static bool walk_from(struct walk *w, uint64_t top)
{
    struct level stack[LIMIT_PLIST_DEPTH];
    size_t depth = 0;
    uint64_t index = top;
    for (;;) {
        struct object o;
        if (!find(w, index, &o))
            return false;
        if (is_container(&o)) {
            if (!enter(w, index, &o, stack, depth))
                return false;
            depth++;
        } else if (!check_leaf(w, index, &o)) {
            return false;
        }
        while (depth && stack[depth - 1].next == stack[depth - 1].total)
            depth--;
        if (!depth)
            return true;
        struct level *l = &stack[depth - 1];
        size_t i = l->next++;
        bool key = l->dict && i % 2 == 0;
        if (l->dict) /* all keys come before all values */
            i = i / 2 + (key ? 0 : l->total / 2);
        index = number(w->p + l->refs + i * w->ref_size, w->ref_size);
        if (key && (!find(w, index, &o) || (o.kind != 5 && o.kind != 6)))
            return bad(w, l->object, "a key that is not a string");
    }
}

bool bplist_check(const void *p, size_t n, struct shape *shape, struct err *e)
{
    struct walk w = {.p = p, .shape = shape, .e = e};
    if (n < 8 + 1 + 32 || memcmp(p, "bplist00", 8) != 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                       n < 8 + 1 + 32 ? "a binary property list that is cut short"
                                      : "a binary property list of an unknown version");
    const unsigned char *trailer = w.p + n - 32;
    w.offset_size = trailer[6];
    w.ref_size = trailer[7];
    w.objects = number(trailer + 8, 8);
    uint64_t top = number(trailer + 16, 8), table = number(trailer + 24, 8);
    if (w.offset_size < 1 || w.offset_size > 8 || w.ref_size < 1 || w.ref_size > 8 || table < 9 ||
        table > n - 32 || w.objects < 1 || w.objects > (n - 32 - table) / w.offset_size || top >= w.objects)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a binary property list with a malformed trailer");
    w.objects_end = (size_t)table;
    return walk_from(&w, top);
}
