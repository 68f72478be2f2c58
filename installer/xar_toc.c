/* Invariants: a member's parent stands before it in the table; nothing is believed before xar_toc_finish.
 *
 * What real files do: packages built since 2022 write every <name> twice, identically; extended attributes
 * (<ea>) are regions of the heap too, but signing tools move files without moving their attributes, so that
 * these may lie anywhere: they are passed over; a file without <data> is empty; "unarchived-checksum" is what
 * one release called extracted-checksum; children may stand before the name of their directory. Elements that
 * say nothing here are passed over, but an element that counts must not be given twice with two values. */
#include "installer/xar_toc.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/xml.h"
#include <strings.h>

enum node {
    NODE_IGNORED,
    NODE_XAR,
    NODE_TOC,
    NODE_CHECKSUM,
    NODE_SIGNATURE,
    NODE_KEYS,
    NODE_FILE,
    NODE_DATA,
    NODE_EA
};

enum seen { SEEN_OFFSET = 1, SEEN_LENGTH = 2, SEEN_SIZE = 4, SEEN_NAME = 8, SEEN_TYPE = 16, SEEN_DATA = 32 };

#define NO_PARENT SIZE_MAX

struct draft { /* a member being read */
    struct xar_member m;
    size_t parent;
    unsigned seen;
    bool has_children;
};

struct region {
    uint64_t offset, length; /* from the start of the heap */
    const char *what;
};

struct xar_toc {
    struct arena *arena;
    uint64_t heap, file_size;
    struct xml *xml;
    enum node nodes[LIMIT_TOC_DEPTH];
    size_t files[LIMIT_TOC_DEPTH]; /* of the open files: index into drafts */
    unsigned depth, open_files;
    char style[64]; /* of the element last opened */
    bool base64;    /* its enctype */

    struct draft *drafts;
    size_t count, cap;
    struct region *regions, ea;
    size_t region_count, region_cap;
    unsigned sum_seen, signature_seen, ea_seen;
    struct xar_signature *signatures, signature;
    size_t signature_count;
    struct xar_cert certs[16];
    struct xar_toc_checksum sum;
    const char *created;
};

#define SIGNATURES_MAX 8
#define REGIONS_MAX    ((size_t)4 * LIMIT_TOC_FILES)

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s", what);
}

static struct draft *current(struct xar_toc *t)
{
    return &t->drafts[t->files[t->open_files - 1]];
}

static enum node parent_of(const struct xar_toc *t)
{
    return t->depth > 0 ? t->nodes[t->depth - 1] : NODE_IGNORED;
}

static bool open_file(struct xar_toc *t, struct err *e)
{
    if (t->count == LIMIT_TOC_FILES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d files", LIMIT_TOC_FILES);
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->drafts = arena_heap(t->drafts, t->cap * sizeof *t->drafts);
    }
    struct draft *d = &t->drafts[t->count];
    memset(d, 0, sizeof *d);
    d->parent = NO_PARENT;
    d->m.encoding_name = "application/octet-stream";
    if (t->open_files > 0) {
        d->parent = t->files[t->open_files - 1];
        t->drafts[d->parent].has_children = true;
    }
    t->files[t->open_files++] = t->count++;
    return true;
}

static enum node kind_of(enum node parent, const char *name)
{
    switch (parent) {
    case NODE_XAR:
        return strcmp(name, "toc") == 0 ? NODE_TOC : NODE_IGNORED;
    case NODE_TOC:
        if (strcmp(name, "checksum") == 0)
            return NODE_CHECKSUM;
        if (strcmp(name, "signature") == 0 || strcmp(name, "x-signature") == 0)
            return NODE_SIGNATURE;
        return strcmp(name, "file") == 0 ? NODE_FILE : NODE_IGNORED;
    case NODE_FILE:
        if (strcmp(name, "data") == 0)
            return NODE_DATA;
        if (strcmp(name, "ea") == 0)
            return NODE_EA;
        return strcmp(name, "file") == 0 ? NODE_FILE : NODE_IGNORED;
    case NODE_SIGNATURE:
    case NODE_KEYS:
        return strcmp(name, "KeyInfo") == 0 || strcmp(name, "X509Data") == 0 ? NODE_KEYS : NODE_IGNORED;
    default:
        return NODE_IGNORED;
    }
}

static bool on_start(void *ctx, const char *name, const char *const *attributes, struct err *e)
{
    struct xar_toc *t = ctx;
    const char *style = xml_attribute(attributes, "style"), *enctype = xml_attribute(attributes, "enctype");
    if (style && strlen(style) >= sizeof t->style)
        return bad(e, "a style attribute is too long");
    snprintf(t->style, sizeof t->style, "%s", style ? style : "");
    t->base64 = enctype && strcmp(enctype, "base64") == 0;

    enum node kind = t->depth == 0 ? NODE_XAR : kind_of(parent_of(t), name);
    if (t->depth == 0 && strcmp(name, "xar") != 0)
        return bad(e, "the table of contents is not that of a xar");
    t->nodes[t->depth++] = kind;
    switch (kind) {
    case NODE_FILE:
        return open_file(t, e);
    case NODE_DATA:
        if (current(t)->seen & SEEN_DATA)
            return bad(e, "a file has two data elements");
        current(t)->seen |= SEEN_DATA;
        return true;
    case NODE_CHECKSUM:
        if (t->sum.present)
            return bad(e, "two checksum elements");
        t->sum.present = true;
        snprintf(t->sum.style, sizeof t->sum.style, "%.31s", t->style);
        return true;
    case NODE_SIGNATURE:
        t->signature = (struct xar_signature){.style = arena_strdup(t->arena, t->style),
                                              .extended = strcmp(name, "x-signature") == 0};
        t->signature_seen = 0;
        return true;
    case NODE_EA:
        t->ea = (struct region){.what = "an extended attribute"};
        t->ea_seen = 0;
        return true;
    default:
        return true;
    }
}

static bool number(const char *name, const char *text, uint64_t *to, unsigned *seen, unsigned bit,
                   struct err *e)
{
    int64_t v;
    if (!text_int(text, 0, INT64_MAX, &v))
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s is no number that can be", name);
    if ((*seen & bit) && *to != (uint64_t)v)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s is given twice, differently", name);
    *to = (uint64_t)v;
    *seen |= bit;
    return true;
}

/* offset, length or size of the thing open; an unknown name is not for us. */
static bool extent(const char *name, const char *text, uint64_t *offset, uint64_t *length, uint64_t *size,
                   unsigned *seen, struct err *e)
{
    if (strcmp(name, "offset") == 0)
        return number(name, text, offset, seen, SEEN_OFFSET, e);
    if (strcmp(name, "length") == 0 && length)
        return number(name, text, length, seen, SEEN_LENGTH, e);
    if (strcmp(name, "size") == 0 && size)
        return number(name, text, size, seen, SEEN_SIZE, e);
    return true;
}

static bool base64(const char *s, size_t n, unsigned char *out, size_t *len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0, pad = 0;
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t')
            continue;
        if (s[i] == '=') {
            pad++;
            continue;
        }
        const char *d = s[i] ? strchr(digits, s[i]) : NULL;
        if (!d || pad)
            return false;
        bits = (bits << 6 | (uint32_t)(d - digits)) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*len)++] = (unsigned char)(bits >> have);
        }
    }
    return pad <= 2 && have < 6;
}

static bool certificate(struct xar_toc *t, const char *text, size_t len, struct err *e)
{
    if (t->signature.cert_count == sizeof t->certs / sizeof t->certs[0])
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a signature has more than 16 certificates");
    unsigned char *der = arena_alloc(t->arena, len / 4 * 3 + 3);
    struct xar_cert *c = &t->certs[t->signature.cert_count++];
    c->der = der;
    if (!base64(text, len, der, &c->len))
        return bad(e, "a certificate is not base64");
    return true;
}

static bool checksum(struct xar_toc *t, struct xar_sum *to, const char *text, struct err *e)
{
    struct xar_sum sum = {.kind = digest_named(t->style)};
    if (sum.kind == DIGEST_NONE) {
        if (strcasecmp(t->style, "none") == 0)
            return true;
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a checksum is of the unknown kind \"%s\"", t->style);
    }
    if (!text_unhex(sum.sum, digest_size(sum.kind), text))
        return bad(e, "a checksum is not hexadecimal of the right length");
    if (to->kind != DIGEST_NONE && memcmp(to, &sum, sizeof sum) != 0)
        return bad(e, "a checksum is given twice, differently");
    *to = sum;
    return true;
}

static bool file_name(struct xar_toc *t, const char *text, size_t len, struct err *e)
{
    struct draft *d = current(t);
    char *name;
    if (t->base64) {
        unsigned char *raw = arena_alloc(t->arena, len / 4 * 3 + 3);
        size_t n = 0;
        if (!base64(text, len, raw, &n) || memchr(raw, 0, n))
            return bad(e, "a name is not base64");
        name = arena_strndup(t->arena, (const char *)raw, n);
    } else {
        name = arena_strndup(t->arena, text, len);
    }
    if ((d->seen & SEEN_NAME) && strcmp(d->m.name, name) != 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a file has two names, \"%s\" and \"%s\"",
                       text_printable(t->arena, d->m.name, strlen(d->m.name)),
                       text_printable(t->arena, name, strlen(name)));
    d->m.name = name;
    d->seen |= SEEN_NAME;
    return true;
}

static bool file_type(struct xar_toc *t, const char *text, struct err *e)
{
    struct draft *d = current(t);
    bool directory = strcmp(text, "directory") == 0;
    if (!directory && strcmp(text, "file") != 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a member is neither file nor directory but \"%s\"",
                       text_printable(t->arena, text, strlen(text)));
    if ((d->seen & SEEN_TYPE) && d->m.directory != directory)
        return bad(e, "a member has two types");
    d->m.directory = directory;
    d->seen |= SEEN_TYPE;
    return true;
}

static bool in_file(struct xar_toc *t, const char *name, const char *text, size_t len, struct err *e)
{
    if (strcmp(name, "name") == 0)
        return file_name(t, text, len, e);
    if (strcmp(name, "type") == 0)
        return file_type(t, text, e);
    if (strcmp(name, "mode") == 0) {
        unsigned mode = 0;
        for (const char *p = text; *p >= '0' && *p <= '7' && mode < 0200000; p++)
            mode = mode << 3 | (unsigned)(*p - '0');
        current(t)->m.mode = mode & 07777;
    }
    return true;
}

static bool in_data(struct xar_toc *t, const char *name, const char *text, struct err *e)
{
    static const struct {
        const char *style;
        enum xar_encoding encoding;
    } encodings[] = {{"application/octet-stream", XAR_STORED},
                     {"application/x-gzip", XAR_ZLIB},
                     {"application/zlib", XAR_ZLIB},
                     {"application/x-bzip2", XAR_BZIP2},
                     {"application/x-xz", XAR_XZ},
                     {"application/x-lzma", XAR_LZMA}};
    struct draft *d = current(t);
    if (strcmp(name, "archived-checksum") == 0)
        return checksum(t, &d->m.archived, text, e);
    if (strcmp(name, "extracted-checksum") == 0 || strcmp(name, "unarchived-checksum") == 0)
        return checksum(t, &d->m.extracted, text, e);
    if (strcmp(name, "encoding") == 0) {
        d->m.encoding = XAR_OTHER;
        for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
            if (strcmp(t->style, encodings[i].style) == 0)
                d->m.encoding = encodings[i].encoding;
        d->m.encoding_name = text_printable(t->arena, t->style, strlen(t->style));
        return true;
    }
    return extent(name, text, &d->m.offset, &d->m.length, &d->m.size, &d->seen, e);
}

static bool inside(const struct xar_toc *t, const struct region *r, struct err *e)
{
    if (r->offset <= t->file_size - t->heap && r->length <= t->file_size - t->heap - r->offset)
        return true;
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s lies beyond the end of the file (cut short?)", r->what);
}

static bool add_region(struct xar_toc *t, struct region r, struct err *e)
{
    if (!inside(t, &r, e))
        return false;
    if (r.length == 0)
        return true;
    if (t->region_count == REGIONS_MAX)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %zu regions", REGIONS_MAX);
    if (t->region_count == t->region_cap) {
        t->region_cap = t->region_cap ? 2 * t->region_cap : 64;
        t->regions = arena_heap(t->regions, t->region_cap * sizeof *t->regions);
    }
    t->regions[t->region_count++] = r;
    return true;
}

static bool close_signature(struct xar_toc *t, struct err *e)
{
    struct xar_signature *s = &t->signature;
    if ((t->signature_seen & (SEEN_OFFSET | SEEN_SIZE)) != (SEEN_OFFSET | SEEN_SIZE))
        return bad(e, "a signature has no offset and size");
    if (t->signature_count == SIGNATURES_MAX)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d signatures", SIGNATURES_MAX);
    if (!add_region(t, (struct region){s->offset, s->size, "a signature"}, e))
        return false;
    s->offset += t->heap;
    struct xar_cert *certs = arena_array(t->arena, s->cert_count, sizeof *certs);
    for (size_t i = 0; i < s->cert_count; i++)
        certs[i] = t->certs[i];
    s->certs = certs;
    t->signatures[t->signature_count++] = *s;
    return true;
}

/* An element of kind NODE_IGNORED has ended; what holds it decides what it said. */
static bool leaf(struct xar_toc *t, const char *name, const char *text, size_t len, struct err *e)
{
    switch (parent_of(t)) {
    case NODE_TOC:
        if (strcmp(name, "creation-time") == 0)
            t->created = text_printable(t->arena, text, len < 64 ? len : 64);
        return true;
    case NODE_CHECKSUM:
        return extent(name, text, &t->sum.offset, NULL, &t->sum.size, &t->sum_seen, e);
    case NODE_SIGNATURE:
        return extent(name, text, &t->signature.offset, NULL, &t->signature.size, &t->signature_seen, e);
    case NODE_KEYS:
        return strcmp(name, "X509Certificate") != 0 || certificate(t, text, len, e);
    case NODE_FILE:
        return in_file(t, name, text, len, e);
    case NODE_DATA:
        return in_data(t, name, text, e);
    case NODE_EA:
        return extent(name, text, &t->ea.offset, &t->ea.length, NULL, &t->ea_seen, e);
    default:
        return true;
    }
}

static bool on_end(void *ctx, const char *name, const char *text, size_t len, struct err *e)
{
    struct xar_toc *t = ctx;
    switch (t->nodes[--t->depth]) {
    case NODE_FILE:
        t->open_files--;
        return true;
    case NODE_EA:
        return inside(t, &t->ea, e);
    case NODE_SIGNATURE:
        return close_signature(t, e);
    case NODE_IGNORED:
        return leaf(t, name, text, len, e);
    default:
        return true;
    }
}

/* --- all is read --- */

static bool name_ok(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > LIMIT_NAME || strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || !text_utf8_valid(s, n))
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '/')
            return false;
    return true;
}

static bool check_draft(struct xar_toc *t, struct draft *d, struct err *e)
{
    if (!(d->seen & SEEN_NAME) || !(d->seen & SEEN_TYPE))
        return bad(e, "a member has no name or no type");
    if (!name_ok(d->m.name))
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a member is named \"%.300s\"",
                       text_printable(t->arena, d->m.name, strlen(d->m.name)));
    const char *above = d->parent == NO_PARENT ? NULL : t->drafts[d->parent].m.path;
    d->m.path = above ? arena_printf(t->arena, "%s/%s", above, d->m.name) : d->m.name;
    if (strlen(d->m.path) > LIMIT_PATH)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a path is longer than %d bytes", LIMIT_PATH);
    if (d->m.directory ? (d->seen & SEEN_DATA) != 0 : d->has_children)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s is file and directory at once", d->m.path);
    if ((d->seen & SEEN_DATA) && d->m.length > 0 && !(d->seen & SEEN_OFFSET))
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: no offset", d->m.path);
    if (d->m.encoding == XAR_STORED && d->m.length != d->m.size)
        return err_set(e, ERR_FORMAT, CAUSE_SIZE, "%s: stored as it is, but of two sizes", d->m.path);
    if (!add_region(t, (struct region){d->m.offset, d->m.length, d->m.path}, e))
        return false;
    d->m.offset += t->heap;
    return true;
}

struct folded {
    const char *key;
    const struct draft *draft;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct folded *)a)->key, ((const struct folded *)b)->key);
}

/* "Payload" and "payload" are one file on a Mac: which of them would be installed? */
static bool check_twins(struct xar_toc *t, struct err *e)
{
    bool ok = true;
    struct folded *f = arena_heap(NULL, (t->count + 1) * sizeof *f);
    for (size_t i = 0; i < t->count; i++) {
        char *key = text_fold(t->arena, t->drafts[i].m.path);
        f[i] = (struct folded){key ? key : t->drafts[i].m.path, &t->drafts[i]};
    }
    qsort(f, t->count, sizeof *f, by_key);
    for (size_t i = 1; i < t->count && ok; i++)
        if (strcmp(f[i - 1].key, f[i].key) == 0)
            ok = err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s and %s are the same name on a Mac",
                         f[i - 1].draft->m.path, f[i].draft->m.path);
    free(f);
    return ok;
}

static int by_offset(const void *a, const void *b)
{
    const struct region *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool check_regions(struct xar_toc *t, uint64_t *end, struct err *e)
{
    *end = 0;
    if (t->region_count > 0)
        qsort(t->regions, t->region_count, sizeof *t->regions, by_offset);
    for (size_t i = 0; i < t->region_count; i++) {
        const struct region *r = &t->regions[i];
        if (r->offset < *end)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s overlaps %s", r->what, t->regions[i - 1].what);
        *end = r->offset + r->length;
    }
    return true;
}

struct xar_toc *xar_toc_open(struct arena *a, uint64_t heap, uint64_t file_size)
{
    static const struct xml_limits limits = {.bytes = LIMIT_TOC,
                                             .elements = (size_t)50 * LIMIT_TOC_FILES,
                                             .text = 64 * LIMIT_KB,
                                             .depth = LIMIT_TOC_DEPTH,
                                             .attributes = 16};
    struct xar_toc *t = arena_heap(NULL, sizeof *t);
    memset(t, 0, sizeof *t);
    t->arena = a;
    t->heap = heap;
    t->file_size = file_size;
    t->signatures = arena_array(a, SIGNATURES_MAX, sizeof *t->signatures);
    const struct xml_handler handler = {on_start, on_end, t};
    t->xml = xml_open(&limits, &handler);
    return t;
}

bool xar_toc_write(struct xar_toc *t, const void *p, size_t n, struct err *e)
{
    return xml_write(t->xml, p, n, e);
}

bool xar_toc_finish(struct xar_toc *t, struct xar *x, struct xar_toc_checksum *sum, struct err *e)
{
    if (!xml_finish(t->xml, e))
        return false;
    if (t->sum.present && ((t->sum_seen & (SEEN_OFFSET | SEEN_SIZE)) != (SEEN_OFFSET | SEEN_SIZE) ||
                           !add_region(t, (struct region){t->sum.offset, t->sum.size, "the checksum"}, e)))
        return err_wrap(e, "checksum of the table of contents");
    for (size_t i = 0; i < t->count; i++)
        if (!check_draft(t, &t->drafts[i], e))
            return false;
    uint64_t end;
    if (!check_twins(t, e) || !check_regions(t, &end, e))
        return false;

    struct xar_member *members = arena_array(t->arena, t->count, sizeof *members);
    for (size_t i = 0; i < t->count; i++) {
        const struct xar_member *m = &t->drafts[i].m;
        members[i] = *m;
        if (!x->unproven && !m->directory && m->length > 0 && m->archived.kind != DIGEST_SHA1 &&
            m->archived.kind != DIGEST_SHA256 && m->archived.kind != DIGEST_SHA512)
            x->unproven = arena_printf(t->arena, "%s has no checksum worth the name", m->path);
    }
    x->members = members;
    x->member_count = t->count;
    x->signatures = t->signatures;
    x->signature_count = t->signature_count;
    x->created = t->created;
    x->trailing = t->file_size - t->heap - end;
    *sum = t->sum;
    return true;
}

void xar_toc_free(struct xar_toc *t)
{
    if (!t)
        return;
    xml_free(t->xml);
    free(t->drafts);
    free(t->regions);
    free(t);
}
