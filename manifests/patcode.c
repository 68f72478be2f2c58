/* All jumps are relative: code can be moved and copied, which is how quantifiers are made. Since only whether
 * the whole text matches is asked, greedy and lazy compile to the same. */
#include "manifests/patcode.h"
#include "core/text.h"

#define INSTRUCTIONS_MAX 10000
#define GROUPS_MAX       64
#define LAST_CODE        0x10ffffu

struct flags {
    bool caseless, dot_all, lines;
};

struct compiler {
    struct arena *a;
    const uint32_t *p;
    size_t n, at; /* of the pattern, in characters */
    struct instruction *code;
    size_t len, room, emitted;
    struct range *ranges;
    size_t range_count, range_room;
    struct class *classes;
    size_t class_count, class_room;
    struct flags flags;
    int depth;
    struct err *e;
};

static bool bad(struct compiler *c, const char *what)
{
    return err_set(c->e, ERR_FORMAT, CAUSE_FORMAT, "pattern, character %zu: %s", c->at + 1, what);
}

/* ---- characters -------------------------------------------------------------------------------------- */

static size_t decode(const char *s, uint32_t *out)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)s; *p; n++) {
        unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
        uint32_t code = more ? *p & (0x3fu >> more) : *p;
        for (p++; more; more--)
            code = code << 6 | (*p++ & 0x3f);
        out[n] = code;
    }
    return n;
}

bool patcode_text(struct arena *a, const char *s, bool lower, struct text *t, struct err *e)
{
    const char *mapped = lower ? text_map(a, s, true, false) : s;
    if (!text_utf8_valid(s, strlen(s)) || !mapped)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "text that is not UTF-8");
    t->code = arena_array(a, strlen(s) + 1, sizeof *t->code);
    t->n = decode(s, t->code);
    t->lower = t->code;
    if (!lower)
        return true;
    t->lower = arena_array(a, strlen(mapped) + 1, sizeof *t->lower);
    if (decode(mapped, t->lower) != t->n)
        t->lower = t->code;
    return true;
}

static const struct range digits[] = {{'0', '9'}};
/* Letters beyond ASCII by block. */
static const struct range words[] = {
    {'0', '9'},         {'A', 'Z'},         {'_', '_'},       {'a', 'z'},         {0xaa, 0xaa},
    {0xb5, 0xb5},       {0xba, 0xba},       {0xc0, 0xd6},     {0xd8, 0xf6},       {0xf8, 0x2c1},
    {0x300, 0x1fff},    {0x200c, 0x200d},   {0x203f, 0x2040}, {0x2c00, 0x2dff},   {0x3005, 0x3007},
    {0x3021, 0xd7ff},   {0xf900, 0xfdff},   {0xfe20, 0xfe2f}, {0xfe70, 0xfefe},   {0xff10, 0xff19},
    {0xff21, 0xff3a},   {0xff41, 0xff5a},   {0xff66, 0xffdc}, {0x10000, 0x1cfff}, {0x1e000, 0x1efff},
    {0x20000, 0x3ffff}, {0xe0100, 0xe01ef},
};
static const struct range spaces[] = {{9, 10},          {12, 13},         {' ', ' '},       {0xa0, 0xa0},
                                      {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                                      {0x205f, 0x205f}, {0x3000, 0x3000}};
static const struct range across[] = {{9, 9},           {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680},
                                      {0x2000, 0x200a}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};
static const struct range down[] = {{10, 13}, {0x85, 0x85}, {0x2028, 0x2029}};

static const struct {
    uint32_t letter;
    const struct range *ranges;
    size_t count;
} sets[] = {{'d', digits, 1},
            {'w', words, sizeof words / sizeof *words},
            {'s', spaces, sizeof spaces / sizeof *spaces},
            {'h', across, sizeof across / sizeof *across},
            {'v', down, sizeof down / sizeof *down}};

static const struct {
    const char *name;
    struct range ranges[4]; /* {0, 0}: no more */
} posix[] = {{"alpha", {{'A', 'Z'}, {'a', 'z'}}},
             {"digit", {{'0', '9'}}},
             {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
             {"upper", {{'A', 'Z'}}},
             {"lower", {{'a', 'z'}}},
             {"space", {{9, 13}, {' ', ' '}}},
             {"blank", {{9, 9}, {' ', ' '}}},
             {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
             {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
             {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}}};

bool patcode_in(const struct range *r, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= r[i].low && code <= r[i].high)
            return true;
    return false;
}

bool patcode_is_word(uint32_t code)
{
    return patcode_in(words, sizeof words / sizeof *words, code);
}

bool patcode_is_line_end(uint32_t code)
{
    return patcode_in(down, sizeof down / sizeof *down, code);
}

/* ---- code -------------------------------------------------------------------------------------------- */

/* Room for one more of size bytes behind count. */
static void *grow(struct arena *a, void *old, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return old;
    *room = *room ? *room * 2 : 32;
    void *more = arena_array(a, *room, size);
    if (count)
        memcpy(more, old, count * size);
    return more;
}

static bool insert(struct compiler *c, size_t at, struct instruction in)
{
    if (c->len == INSTRUCTIONS_MAX || ++c->emitted > 10 * INSTRUCTIONS_MAX)
        return err_set(c->e, ERR_LIMIT, CAUSE_LIMIT, "pattern too large");
    c->code = grow(c->a, c->code, c->len, &c->room, sizeof *c->code);
    memmove(c->code + at + 1, c->code + at, (c->len - at) * sizeof *c->code);
    c->code[at] = in;
    c->len++;
    return true;
}

static bool emit(struct compiler *c, struct instruction in)
{
    return insert(c, c->len, in);
}

static bool lowered(struct compiler *c, uint32_t code, uint32_t *out)
{
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    char s[5] = {0};
    struct text t;
    for (unsigned i = more; i; i--, code >>= 6)
        s[i] = (char)(0x80 | (code & 0x3f));
    s[0] = (char)(first[more] | code);
    if (!patcode_text(c->a, s, true, &t, c->e))
        return false;
    *out = t.lower[0];
    return true;
}

static bool emit_char(struct compiler *c, uint32_t code)
{
    struct instruction in = {.op = CHAR, .code = code, .caseless = c->flags.caseless};
    return (!in.caseless || lowered(c, code, &in.code)) && emit(c, in);
}

static void add_range(struct compiler *c, uint32_t low, uint32_t high)
{
    c->ranges = grow(c->a, c->ranges, c->range_count, &c->range_room, sizeof *c->ranges);
    c->ranges[c->range_count++] = (struct range){low, high};
    c->classes[c->class_count].count++;
}

/* The ranges of \d, or with upper case what lies between them. False: not such a letter. */
static bool add_set(struct compiler *c, uint32_t letter)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const struct range *r = sets[i].ranges;
        uint32_t next = 0;
        if ((letter | 0x20) != sets[i].letter)
            continue;
        for (size_t j = 0; j < sets[i].count; j++) {
            if (letter == sets[i].letter)
                add_range(c, r[j].low, r[j].high);
            else if (r[j].low > next)
                add_range(c, next, r[j].low - 1);
            next = r[j].high + 1;
        }
        if (letter != sets[i].letter)
            add_range(c, next, LAST_CODE);
        return true;
    }
    return false;
}

static void begin_class(struct compiler *c, bool negated)
{
    c->classes = grow(c->a, c->classes, c->class_count, &c->class_room, sizeof *c->classes);
    c->classes[c->class_count] = (struct class){.negated = negated, .first = c->range_count};
}

static bool end_class(struct compiler *c)
{
    return emit(c, (struct instruction){
                       .op = CLASS, .code = (uint32_t)c->class_count++, .caseless = c->flags.caseless});
}

/* ---- the parser -------------------------------------------------------------------------------------- */

static uint32_t peek(const struct compiler *c)
{
    return c->at < c->n ? c->p[c->at] : 0; /* no pattern holds NUL */
}

static bool accept(struct compiler *c, uint32_t code)
{
    if (peek(c) != code)
        return false;
    c->at++;
    return true;
}

static bool hex(struct compiler *c, size_t digits_min, size_t digits_max, uint32_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < digits_max; i++, c->at++) {
        uint32_t d = peek(c);
        uint32_t value = d >= '0' && d <= '9'                     ? d - '0'
                         : (d | 0x20) >= 'a' && (d | 0x20) <= 'f' ? (d | 0x20) - 'a' + 10
                                                                  : 16;
        if (value == 16)
            break;
        *out = *out << 4 | value;
    }
    return (i >= digits_min && *out && *out <= LAST_CODE && (*out < 0xd800 || *out > 0xdfff)) ||
           bad(c, "a malformed \\x or \\u");
}

/* Behind a backslash: an escape that stands for one character. */
static bool escaped_char(struct compiler *c, uint32_t *out)
{
    static const char letters[] = "tnrfea", codes[] = "\t\n\r\f\033\a";
    uint32_t code = peek(c);
    if (c->at == c->n)
        return bad(c, "a backslash at the end");
    const char *simple = code < 0x80 ? strchr(letters, (int)code) : NULL;
    c->at++;
    if (simple) {
        *out = (unsigned char)codes[simple - letters];
        return true;
    }
    if (code == 'u')
        return hex(c, 4, 4, out);
    if (code == 'x' && accept(c, '{'))
        return hex(c, 1, 6, out) && (accept(c, '}') || bad(c, "\\x{ without }"));
    if (code == 'x')
        return hex(c, 2, 2, out);
    if ((code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z')) {
        c->at--;
        return bad(c, "an escape that is not supported");
    }
    *out = code;
    return true;
}

static bool posix_set(struct compiler *c)
{
    size_t len = 0;
    c->at += 2;
    while (c->at + len < c->n && c->p[c->at + len] != ':')
        len++;
    for (size_t i = 0; i < sizeof posix / sizeof *posix; i++) {
        size_t same = 0;
        while (same < len && c->p[c->at + same] == (unsigned char)posix[i].name[same])
            same++;
        if (same != len || posix[i].name[len])
            continue;
        c->at += len;
        for (size_t j = 0; j < 4 && posix[i].ranges[j].high; j++)
            add_range(c, posix[i].ranges[j].low, posix[i].ranges[j].high);
        return (accept(c, ':') && accept(c, ']')) || bad(c, "a set name without :]");
    }
    return bad(c, "an unknown set name");
}

/* Behind "[". */
static bool parse_class(struct compiler *c)
{
    bool first = true;
    begin_class(c, accept(c, '^'));
    for (;; first = false) {
        uint32_t low, high;
        if (c->at == c->n)
            return bad(c, "[ without ]");
        if (!first && accept(c, ']'))
            return end_class(c);
        if (peek(c) == '[' && c->at + 1 < c->n && c->p[c->at + 1] == ':') {
            if (!posix_set(c))
                return false;
            continue;
        }
        if (peek(c) == '[' ||
            (c->at + 1 < c->n && (peek(c) == '&' || peek(c) == '-') && c->p[c->at + 1] == peek(c)))
            return bad(c, "a set inside a set is not supported");
        if (accept(c, '\\')) {
            if (add_set(c, peek(c))) {
                c->at++;
                continue;
            }
            if (!escaped_char(c, &low))
                return false;
        } else {
            low = c->p[c->at++];
        }
        high = low;
        if (peek(c) == '-' && c->at + 1 < c->n && c->p[c->at + 1] != ']') {
            c->at++;
            if (!accept(c, '\\'))
                high = c->p[c->at++];
            else if (!escaped_char(c, &high))
                return false;
        }
        if (high < low)
            return bad(c, "a range that ends before it begins");
        add_range(c, low, high);
        if (!c->flags.caseless)
            continue;
        uint32_t span = high - low;
        if (!lowered(c, low, &low) || !lowered(c, high, &high))
            return false;
        if (high - low == span) /* from capitals to capitals */
            add_range(c, low, high);
    }
}

static bool parse_alternatives(struct compiler *c);

/* Behind "(?": flags, for the rest of the group or for the group that begins with ":". */
static bool parse_flags(struct compiler *c, bool *group)
{
    bool on = true;
    for (;;) {
        uint32_t letter = peek(c);
        if (letter == '-')
            on = false;
        else if (letter == 'i')
            c->flags.caseless = on;
        else if (letter == 's')
            c->flags.dot_all = on;
        else if (letter == 'm')
            c->flags.lines = on;
        else
            break;
        c->at++;
    }
    *group = accept(c, ':');
    return *group || accept(c, ')') || bad(c, "a kind of group that is not supported");
}

static bool end_group(struct compiler *c)
{
    return accept(c, ')') || bad(c, "( without )");
}

/* Behind "(". */
static bool parse_group(struct compiler *c)
{
    struct flags outside = c->flags;
    bool ok, group = true;

    if (++c->depth > GROUPS_MAX)
        return bad(c, "groups nested too deeply");
    if (!accept(c, '?')) {
        ok = parse_alternatives(c) && end_group(c);
    } else if (peek(c) == '=' || peek(c) == '!') {
        size_t start = c->len;
        ok = emit(c, (struct instruction){.op = LOOK, .flag = c->p[c->at++] == '!'}) &&
             parse_alternatives(c) && emit(c, (struct instruction){.op = ACCEPT}) && end_group(c);
        if (ok)
            c->code[start].x = (int)(c->len - start);
    } else if (accept(c, '#')) {
        while (peek(c) && peek(c) != ')')
            c->at++;
        ok = end_group(c);
    } else {
        if (peek(c) == '<' && c->at + 1 < c->n && c->p[c->at + 1] != '=' && c->p[c->at + 1] != '!') {
            while (peek(c) && peek(c) != '>')
                c->at++;
            ok = accept(c, '>') || bad(c, "a group name without >");
        } else {
            ok = parse_flags(c, &group);
        }
        if (ok && !group) { /* they hold on behind the parenthesis */
            c->depth--;
            return true;
        }
        ok = ok && parse_alternatives(c) && end_group(c);
    }
    c->depth--;
    c->flags = outside;
    return ok;
}

/* \Q…\E: text as it stands. A quantifier behind it repeats the last character, at *start. */
static bool parse_quoted(struct compiler *c, size_t *start)
{
    while (c->at < c->n) {
        if (peek(c) == '\\' && c->at + 1 < c->n && c->p[c->at + 1] == 'E') {
            c->at += 2;
            return true;
        }
        *start = c->len;
        if (!emit_char(c, c->p[c->at++]))
            return false;
    }
    return true;
}

static bool parse_escape(struct compiler *c, size_t *start)
{
    uint32_t code = peek(c);
    begin_class(c, false);
    if (add_set(c, code)) {
        c->at++;
        return end_class(c);
    }
    switch (code) {
    case 'b':
    case 'B':
        c->at++;
        return emit(c, (struct instruction){.op = WORD, .flag = code == 'B'});
    case 'A':
        c->at++;
        return emit(c, (struct instruction){.op = BEGIN});
    case 'Z':
        c->at++;
        return emit(c, (struct instruction){.op = END});
    case 'z':
        c->at++;
        return emit(c, (struct instruction){.op = TEXT_END});
    case 'Q':
        c->at++;
        return parse_quoted(c, start);
    default:
        return escaped_char(c, &code) && emit_char(c, code);
    }
}

/* One thing that a quantifier may follow; its code begins at *start. */
static bool parse_atom(struct compiler *c, size_t *start)
{
    uint32_t code = c->p[c->at++];
    switch (code) {
    case '(':
        return parse_group(c);
    case '[':
        return parse_class(c);
    case '\\':
        return parse_escape(c, start);
    case '.':
        return emit(c, (struct instruction){.op = ANY, .flag = c->flags.dot_all});
    case '^':
        return emit(c, (struct instruction){.op = BEGIN, .flag = c->flags.lines});
    case '$':
        return emit(c, (struct instruction){.op = END, .flag = c->flags.lines});
    case '*':
    case '+':
    case '?':
    case '{':
        c->at--;
        return bad(c, "nothing to repeat");
    default:
        return emit_char(c, code);
    }
}

static bool parse_number(struct compiler *c, size_t *out)
{
    size_t start = c->at;
    for (*out = 0; peek(c) >= '0' && peek(c) <= '9' && *out <= INSTRUCTIONS_MAX; c->at++)
        *out = *out * 10 + (peek(c) - '0');
    return c->at > start;
}

/* Repeat the code behind start low to high times (SIZE_MAX: no end). */
static bool repeat(struct compiler *c, size_t start, size_t low, size_t high)
{
    size_t size = c->len - start;
    struct instruction *atom = arena_array(c->a, size + 1, sizeof *atom);
    if (size)
        memcpy(atom, c->code + start, size * sizeof *atom);
    c->len = start;
    for (size_t i = 0; i < low || (high != SIZE_MAX && i < high); i++) {
        if (i >= low &&
            !emit(c, (struct instruction){.op = SPLIT, .x = 1, .y = (int)((high - i) * (size + 1))}))
            return false;
        for (size_t j = 0; j < size; j++)
            if (!emit(c, atom[j]))
                return false;
    }
    if (high != SIZE_MAX)
        return true;
    if (low)
        return emit(c, (struct instruction){.op = SPLIT, .x = -(int)size, .y = 1});
    if (!emit(c, (struct instruction){.op = SPLIT, .x = 1, .y = (int)size + 2}))
        return false;
    for (size_t j = 0; j < size; j++)
        if (!emit(c, atom[j]))
            return false;
    return emit(c, (struct instruction){.op = JUMP, .x = -(int)size - 1});
}

static bool parse_quantifier(struct compiler *c, size_t start)
{
    size_t low = 0, high = SIZE_MAX;
    if (accept(c, '*')) {
    } else if (accept(c, '+')) {
        low = 1;
    } else if (accept(c, '?')) {
        high = 1;
    } else if (accept(c, '{')) {
        if (!parse_number(c, &low))
            return bad(c, "{ without a number");
        high = low;
        if (accept(c, ',') && !parse_number(c, &high))
            high = SIZE_MAX;
        if (!accept(c, '}'))
            return bad(c, "{ without }");
        if (high < low)
            return bad(c, "a range of counts that ends before it begins");
        if (low > INSTRUCTIONS_MAX || (high != SIZE_MAX && high > INSTRUCTIONS_MAX))
            return err_set(c->e, ERR_LIMIT, CAUSE_LIMIT, "pattern too large");
    } else {
        return true;
    }
    if (accept(c, '+'))
        return bad(c, "possessive quantifiers are not supported");
    (void)accept(c, '?');
    return repeat(c, start, low, high);
}

static bool parse_sequence(struct compiler *c)
{
    while (c->at < c->n && peek(c) != '|' && peek(c) != ')') {
        size_t start = c->len;
        if (!parse_atom(c, &start) || !parse_quantifier(c, start))
            return false;
    }
    return true;
}
static bool parse_alternatives(struct compiler *c)
{
    int last = -1; /* the jumps behind the alternatives, chained through y */
    for (;;) {
        size_t start = c->len;
        if (!parse_sequence(c))
            return false;
        if (!accept(c, '|'))
            break;
        int size = (int)(c->len - start);
        if (!insert(c, start, (struct instruction){.op = SPLIT, .x = 1, .y = size + 2}) ||
            !emit(c, (struct instruction){.op = JUMP, .y = last}))
            return false;
        last = (int)c->len - 1;
    }
    while (last >= 0) {
        struct instruction *jump = &c->code[last];
        jump->x = (int)c->len - last;
        last = jump->y;
    }
    return true;
}

bool patcode_compile(struct arena *a, const char *pattern, bool caseless, struct patcode *out, struct err *e)
{
    struct compiler c = {.a = a, .flags.caseless = caseless, .e = e};
    struct text source;
    if (!patcode_text(a, pattern, false, &source, e))
        return false;
    c.p = source.code;
    c.n = source.n;
    if (!parse_alternatives(&c) || !(c.at == c.n || bad(&c, ") without (")) ||
        !emit(&c, (struct instruction){.op = ACCEPT}))
        return false;
    *out = (struct patcode){.code = c.code, .len = c.len, .ranges = c.ranges, .classes = c.classes};
    return true;
}
