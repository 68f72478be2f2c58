/* Invariants: fails once, then always (the error is kept); every index from the stream is checked before it
 * is used, and every loop ends with its symbols or at the block's capacity.
 *
 * A block is: run lengths of four and more shortened, Burrows-Wheeler transformed, moved to front, runs of
 * zeros in base two, Huffman coded with up to six tables changing every fifty symbols; most significant bit
 * first throughout. Its sum uses cksum's polynomial. The "randomised" blocks of 1996 are refused. */
#include "installer/bzip2.h"
#include "core/arena.h"
#include "installer/bom.h"

#define BLOCK_UNIT    100000
#define CODE_MAX      20
#define SYMBOLS_MAX   258
#define TABLES_MAX    6
#define GROUP         50
#define SELECTORS_MAX (1 << 15)

struct table { /* canonical: codes of one length are consecutive */
    uint32_t first[CODE_MAX + 1];
    uint16_t count[CODE_MAX + 1], offset[CODE_MAX + 1], symbols[SYMBOLS_MAX];
};

struct bzip2 {
    bzip2_source_fn *source;
    void *ctx;
    unsigned char in[8192];
    size_t in_pos, in_len;
    unsigned bit_count; /* of in[in_pos - 1], not yet taken */
    bool started, ended, failed;
    struct err err;

    uint32_t *links;        /* the block: byte in the low 8 bits, next position above */
    uint32_t capacity;      /* of links */
    uint32_t left, at;      /* of the block: bytes still to come, where the next is */
    unsigned run, previous; /* equal bytes so far; the run's byte */
    unsigned repeat;        /* of previous, still owed */
    uint32_t sum, block_sum, stream_sum;

    struct table tables[TABLES_MAX];
    unsigned char selectors[SELECTORS_MAX];
};

static bool fail(struct bzip2 *b, const char *what)
{
    if (!b->failed)
        err_set(&b->err, ERR_FORMAT, CAUSE_FORMAT, "the bzip2 bytes are damaged: %s", what);
    b->failed = true;
    return false;
}

static bool refill(struct bzip2 *b)
{
    b->in_pos = 0;
    if (!b->failed && !b->source(b->ctx, b->in, sizeof b->in, &b->in_len, &b->err)) {
        b->failed = true;
        b->in_len = 0;
    }
    return b->in_len > 0;
}

static unsigned bit(struct bzip2 *b)
{
    if (b->bit_count == 0) {
        if (b->failed || (b->in_pos == b->in_len && !refill(b))) {
            fail(b, "they end too early");
            return 0;
        }
        b->in_pos++;
        b->bit_count = 8;
    }
    return (unsigned)b->in[b->in_pos - 1] >> --b->bit_count & 1u;
}

static uint32_t bits(struct bzip2 *b, unsigned n)
{
    uint32_t v = 0;
    while (n-- > 0)
        v = v << 1 | bit(b);
    return v;
}

static bool read_table(struct bzip2 *b, struct table *t, unsigned symbols)
{
    unsigned char lengths[SYMBOLS_MAX];
    unsigned length = bits(b, 5);
    *t = (struct table){.first = {0}};
    for (unsigned i = 0; i < symbols; i++) {
        for (;;) {
            if (length < 1 || length > CODE_MAX || b->failed)
                return fail(b, "a code has an impossible length");
            if (!bit(b))
                break;
            length += bit(b) ? -1u : 1u;
        }
        lengths[i] = (unsigned char)length;
        t->count[length]++;
    }
    uint32_t code = 0;
    uint16_t index = 0;
    for (unsigned n = 1; n <= CODE_MAX; n++) {
        code <<= 1;
        t->first[n] = code;
        t->offset[n] = index;
        for (unsigned i = 0; i < symbols; i++)
            if (lengths[i] == n)
                t->symbols[index++] = (uint16_t)i;
        code += t->count[n];
        if (code > 1u << n)
            return fail(b, "too many codes of one length");
    }
    return true;
}

static unsigned symbol(struct bzip2 *b, const struct table *t)
{
    uint32_t code = 0;
    for (unsigned n = 1; n <= CODE_MAX; n++) {
        code = code << 1 | bit(b);
        if (code >= t->first[n] && code - t->first[n] < t->count[n])
            return t->symbols[t->offset[n] + code - t->first[n]];
    }
    fail(b, "no such code");
    return 0;
}

static bool read_selectors(struct bzip2 *b, unsigned tables, unsigned *count)
{
    unsigned char order[TABLES_MAX] = {0, 1, 2, 3, 4, 5};
    *count = bits(b, 15);
    if (*count == 0)
        return fail(b, "no selectors");
    for (unsigned i = 0; i < *count; i++) {
        unsigned j = 0;
        while (bit(b))
            if (++j >= tables)
                return fail(b, "a selector is out of range");
        unsigned char s = order[j];
        memmove(order + 1, order, j);
        order[0] = s;
        b->selectors[i] = s;
    }
    return !b->failed;
}

/* Symbols to bytes, in the order of the transform's last column; *length of them. */
static bool read_column(struct bzip2 *b, unsigned char *front, unsigned used, unsigned selectors,
                        uint32_t *length)
{
    uint32_t n = 0, run = 0, weight = 1;
    for (uint32_t group = 0;; group++) {
        if (group / GROUP >= selectors)
            return fail(b, "more symbols than selectors");
        unsigned s = symbol(b, &b->tables[b->selectors[group / GROUP]]);
        if (b->failed)
            return false;
        if (s <= 1) {
            run += weight << s;
            weight <<= 1;
            if (run > b->capacity - n)
                return fail(b, "a block is too long");
            continue;
        }
        for (; run > 0; run--)
            b->links[n++] = front[0];
        weight = 1;
        if (s == used + 1)
            break;
        if (s > used || n == b->capacity)
            return fail(b, "a block is too long");
        unsigned char c = front[s - 1];
        memmove(front + 1, front, s - 1);
        front[0] = c;
        b->links[n++] = c;
    }
    *length = n;
    return true;
}

static bool read_block(struct bzip2 *b)
{
    b->block_sum = bits(b, 32);
    if (bit(b))
        return fail(b, "a randomised block");
    uint32_t origin = bits(b, 24), ranges = bits(b, 16), length = 0;
    unsigned char front[256];
    unsigned used = 0, selectors = 0;
    for (unsigned i = 0; i < 16; i++) {
        if (!(ranges >> (15 - i) & 1))
            continue;
        uint32_t map = bits(b, 16);
        for (unsigned j = 0; j < 16; j++)
            if (map >> (15 - j) & 1)
                front[used++] = (unsigned char)(16 * i + j);
    }
    unsigned tables = bits(b, 3);
    if (used == 0 || tables < 2 || tables > TABLES_MAX)
        return fail(b, "an impossible block header");
    if (!read_selectors(b, tables, &selectors))
        return false;
    for (unsigned i = 0; i < tables; i++)
        if (!read_table(b, &b->tables[i], used + 2))
            return false;
    if (!read_column(b, front, used, selectors, &length))
        return false;
    if (origin >= length)
        return fail(b, "the block's origin is outside it");

    uint32_t starts[256] = {0}, total = 0;
    for (uint32_t i = 0; i < length; i++)
        starts[b->links[i] & 0xff]++;
    for (unsigned c = 0; c < 256; c++) {
        uint32_t count = starts[c];
        starts[c] = total;
        total += count;
    }
    for (uint32_t i = 0; i < length; i++)
        b->links[starts[b->links[i] & 0xff]++] |= i << 8;
    b->left = length;
    b->at = b->links[origin] >> 8;
    b->run = 0;
    b->sum = 0xffffffff;
    return true;
}

/* The start of the stream, the next block, or the end. */
static bool next_part(struct bzip2 *b)
{
    if (!b->started) {
        uint32_t magic = bits(b, 24), level = bits(b, 8);
        if (magic != 0x425a68 || level < '1' || level > '9')
            return fail(b, "no bzip2 header");
        b->capacity = (level - '0') * BLOCK_UNIT;
        b->links = arena_heap(NULL, b->capacity * sizeof *b->links);
        b->started = true;
    }
    uint32_t high = bits(b, 24), low = bits(b, 24);
    if (high == 0x314159 && low == 0x265359)
        return read_block(b);
    if (high != 0x177245 || low != 0x385090)
        return fail(b, "neither a block nor the end");
    if (bits(b, 32) != b->stream_sum)
        return fail(b, "the stream's sum does not match");
    if (b->in_pos < b->in_len || refill(b))
        return fail(b, "bytes are left over after the end");
    b->ended = true;
    return !b->failed;
}

static bool end_block(struct bzip2 *b)
{
    if (~b->sum != b->block_sum)
        return fail(b, "a block's sum does not match");
    b->stream_sum = (b->stream_sum << 1 | b->stream_sum >> 31) ^ b->block_sum;
    return true;
}

/* As much of the block as fits. */
static size_t expand(struct bzip2 *b, unsigned char *out, size_t n)
{
    size_t done = 0;
    while (done < n && (b->repeat > 0 || b->left > 0)) {
        if (b->repeat > 0) {
            b->repeat--;
            out[done++] = (unsigned char)b->previous;
            continue;
        }
        uint32_t link = b->links[b->at];
        unsigned c = link & 0xff;
        b->at = link >> 8;
        b->left--;
        if (b->run == 4) {
            b->repeat = c;
            b->run = 0;
            continue;
        }
        b->run = b->run > 0 && c == b->previous ? b->run + 1 : 1;
        b->previous = c;
        out[done++] = (unsigned char)c;
    }
    b->sum = bom_sum(b->sum, out, done);
    return done;
}

struct bzip2 *bzip2_open(bzip2_source_fn *source, void *ctx)
{
    struct bzip2 *b = arena_heap(NULL, sizeof *b);
    memset(b, 0, sizeof *b);
    b->source = source;
    b->ctx = ctx;
    return b;
}

bool bzip2_read(struct bzip2 *b, void *p, size_t n, size_t *got, struct err *e)
{
    *got = 0;
    while (*got == 0 && !b->ended && !b->failed && n > 0) {
        if (b->left > 0 || b->repeat > 0) {
            *got = expand(b, p, n);
            if (b->left == 0 && b->repeat == 0)
                end_block(b);
        } else {
            next_part(b);
        }
    }
    if (b->failed && e)
        *e = b->err;
    return !b->failed;
}

void bzip2_free(struct bzip2 *b)
{
    if (!b)
        return;
    free(b->links);
    free(b);
}
