/* Invariants: expat is fed whole slices and stopped at the first error, which is kept here; after that no
 * handler runs again. Text is gathered per open element, so that a parent's text survives its children.
 *
 * expat reads a token again from its start each time more of it arrives. Bounding the token bounds that. */
#include "installer/xml.h"
#include "core/buf.h"
#include "core/limits.h"
#include <expat.h>
#include <string.h>

#define TOKEN_MAX (1 * LIMIT_MB)
#define SLICE     (64 * LIMIT_KB)

struct xml {
    XML_Parser expat;
    struct xml_limits limits;
    struct xml_handler handler;
    struct buf *texts; /* one per level of nesting, limits.depth of them */
    unsigned depth;
    size_t elements;
    uint64_t fed, seen; /* bytes given to expat; of these, how many it has told us about */
    bool failed;
    struct err err;
};

static void stop(struct xml *x)
{
    x->failed = true;
    XML_StopParser(x->expat, XML_FALSE);
}

static unsigned long line(const struct xml *x)
{
    return (unsigned long)XML_GetCurrentLineNumber(x->expat);
}

static void seen(struct xml *x)
{
    x->seen = (uint64_t)XML_GetCurrentByteIndex(x->expat) + (uint64_t)XML_GetCurrentByteCount(x->expat);
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct xml *x = ctx;
    if (x->failed)
        return;
    seen(x);
    unsigned count = 0;
    while (attributes[2 * count])
        count++;
    if (x->depth == x->limits.depth)
        err_set(&x->err, ERR_LIMIT, CAUSE_LIMIT, "line %lu: elements are nested deeper than %u", line(x),
                x->limits.depth);
    else if (++x->elements > x->limits.elements)
        err_set(&x->err, ERR_LIMIT, CAUSE_LIMIT, "more than %zu elements", x->limits.elements);
    else if (count > x->limits.attributes)
        err_set(&x->err, ERR_LIMIT, CAUSE_LIMIT, "line %lu: an element has more than %u attributes", line(x),
                x->limits.attributes);
    else if (!x->handler.start ||
             x->handler.start(x->handler.ctx, name, (const char *const *)attributes, &x->err)) {
        buf_clear(&x->texts[x->depth++]);
        return;
    } else {
        err_wrap(&x->err, "line %lu", line(x));
    }
    stop(x);
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct xml *x = ctx;
    if (x->failed)
        return;
    seen(x);
    const struct buf *text = &x->texts[--x->depth];
    if (x->handler.end && !x->handler.end(x->handler.ctx, name, buf_str(text), text->len, &x->err)) {
        err_wrap(&x->err, "line %lu", line(x));
        stop(x);
    }
}

static void XMLCALL on_text(void *ctx, const XML_Char *p, int n)
{
    struct xml *x = ctx;
    if (x->failed || x->depth == 0)
        return;
    seen(x);
    if (!buf_append(&x->texts[x->depth - 1], p, (size_t)n, &x->err)) {
        err_set(&x->err, ERR_LIMIT, CAUSE_LIMIT, "line %lu: an element has more than %zu bytes of text",
                line(x), x->limits.text);
        stop(x);
    }
}

/* Comments, instructions, white space around the root. */
static void XMLCALL on_other(void *ctx, const XML_Char *p, int n)
{
    (void)p;
    (void)n;
    seen(ctx);
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int internal)
{
    struct xml *x = ctx;
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)internal;
    if (x->failed)
        return;
    err_set(&x->err, ERR_FORMAT, CAUSE_FORMAT, "line %lu: a document type (DOCTYPE) is not accepted",
            line(x));
    stop(x);
}

static void *take(size_t n)
{
    return arena_heap(NULL, n);
}

struct xml *xml_open(const struct xml_limits *limits, const struct xml_handler *handler)
{
    struct xml *x = arena_heap(NULL, sizeof *x);
    memset(x, 0, sizeof *x);
    x->limits = *limits;
    x->handler = *handler;
    x->texts = arena_heap(NULL, limits->depth * sizeof *x->texts);
    for (unsigned i = 0; i < limits->depth; i++)
        buf_init(&x->texts[i], limits->text);
    static const XML_Memory_Handling_Suite memory = {take, arena_heap, free};
    x->expat = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (!x->expat) {
        err_set(&x->err, ERR_INTERNAL, CAUSE_INTERNAL, "the XML parser cannot be started");
        x->failed = true;
        return x;
    }
    XML_SetUserData(x->expat, x);
    XML_SetElementHandler(x->expat, on_start, on_end);
    XML_SetCharacterDataHandler(x->expat, on_text);
    XML_SetDefaultHandler(x->expat, on_other);
    XML_SetStartDoctypeDeclHandler(x->expat, on_doctype);
    return x;
}

static bool feed(struct xml *x, const char *p, size_t n, bool last)
{
    if (x->failed)
        return false;
    if (XML_Parse(x->expat, p, (int)n, last) != XML_STATUS_OK) {
        if (!x->failed)
            err_set(&x->err, ERR_FORMAT, CAUSE_FORMAT, "line %lu: %s", line(x),
                    XML_ErrorString(XML_GetErrorCode(x->expat)));
        x->failed = true;
        return false;
    }
    x->fed += n;
    if (!last && x->fed > x->seen + TOKEN_MAX) {
        err_set(&x->err, ERR_LIMIT, CAUSE_LIMIT,
                "line %lu: one tag, comment or attribute is longer than 1 MB", line(x));
        x->failed = true;
        return false;
    }
    return true;
}

bool xml_write(struct xml *x, const void *p, size_t n, struct err *e)
{
    const char *s = p;
    if (!x->failed && n > x->limits.bytes - (size_t)x->fed) {
        err_set(&x->err, ERR_LIMIT, CAUSE_LIMIT, "longer than %zu bytes", x->limits.bytes);
        x->failed = true;
    }
    while (n > 0 && !x->failed) {
        size_t take = n < SLICE ? n : SLICE;
        feed(x, s, take, false);
        s += take;
        n -= take;
    }
    if (x->failed && e)
        *e = x->err;
    return !x->failed;
}

bool xml_finish(struct xml *x, struct err *e)
{
    if (feed(x, "", 0, true))
        return true;
    if (e)
        *e = x->err;
    return false;
}

void xml_free(struct xml *x)
{
    if (!x)
        return;
    if (x->expat)
        XML_ParserFree(x->expat);
    for (unsigned i = 0; i < x->limits.depth; i++)
        buf_release(&x->texts[i]);
    free(x->texts);
    free(x);
}

const char *xml_attribute(const char *const *attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    return NULL;
}

/* --- the tree --- */

#define TREE_DEPTH    64
#define TREE_ELEMENTS 100000

struct tree {
    struct arena *arena;
    struct xml_node *open[TREE_DEPTH], *last[TREE_DEPTH + 1]; /* last[d]: youngest node at depth d */
    unsigned depth;
    struct xml_node *root;
};

static bool tree_start(void *ctx, const char *name, const char *const *attributes, struct err *e)
{
    struct tree *t = ctx;
    (void)e;
    struct xml_node *node = arena_alloc(t->arena, sizeof *node);
    size_t n = 0;
    while (attributes[n])
        n++;
    const char **copy = arena_array(t->arena, n + 1, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(t->arena, attributes[i]);
    node->name = arena_strdup(t->arena, name);
    node->attributes = copy;
    node->text = "";
    if (t->last[t->depth])
        t->last[t->depth]->next = node;
    else if (t->depth > 0)
        t->open[t->depth - 1]->child = node;
    else
        t->root = node;
    t->last[t->depth] = node;
    t->open[t->depth++] = node;
    t->last[t->depth] = NULL;
    return true;
}

static bool tree_end(void *ctx, const char *name, const char *text, size_t len, struct err *e)
{
    struct tree *t = ctx;
    (void)name;
    (void)e;
    struct xml_node *node = t->open[--t->depth];
    if (len > 0)
        node->text = arena_strndup(t->arena, text, len);
    return true;
}

const struct xml_node *xml_tree(struct arena *a, const void *p, size_t n, struct err *e)
{
    struct tree t = {.arena = a};
    const struct xml_limits limits = {.bytes = LIMIT_PACKAGE_XML,
                                      .elements = TREE_ELEMENTS,
                                      .text = LIMIT_PACKAGE_XML,
                                      .depth = TREE_DEPTH,
                                      .attributes = 64};
    const struct xml_handler handler = {tree_start, tree_end, &t};
    struct xml *x = xml_open(&limits, &handler);
    bool ok = xml_write(x, p, n, e) && xml_finish(x, e);
    xml_free(x);
    return ok ? t.root : NULL;
}

const char *xml_get(const struct xml_node *node, const char *name)
{
    return node ? xml_attribute(node->attributes, name) : NULL;
}

static const struct xml_node *find(const struct xml_node *node, const char *name)
{
    while (node && strcmp(node->name, name) != 0)
        node = node->next;
    return node;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
    return node ? find(node->child, name) : NULL;
}

const struct xml_node *xml_next(const struct xml_node *node, const char *name)
{
    return node ? find(node->next, name) : NULL;
}

const char *xml_escape(struct arena *a, const char *s)
{
    char *out = arena_alloc(a, 6 * strlen(s) + 1), *to = out;
    for (; *s; s++) {
        const char *as = *s == '&'   ? "&amp;"
                         : *s == '<' ? "&lt;"
                         : *s == '>' ? "&gt;"
                         : *s == '"' ? "&quot;"
                                     : NULL;
        size_t n = as ? strlen(as) : 1;
        memcpy(to, as ? as : s, n);
        to += n;
    }
    return out;
}
