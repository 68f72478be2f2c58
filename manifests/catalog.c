/* One pass over the outline files every item under its name, which is all that most of them are ever asked.
 * Entries, their order by version, and the tables of references are made when somebody asks: nobody outside
 * this file knows that anything is late. */
#include "manifests/catalog.h"
#include "manifests/names.h"
#include "manifests/version.h"

struct bucket { /* the items of one name */
    const char *name;
    uint32_t first, last; /* places of items, chained by next */
    uint32_t count;
    struct catalog_list all;        /* made when first asked for */
    struct catalog_list by_version; /* the same */
};

struct item {              /* an element of the outline */
    struct bucket *bucket; /* NULL: it has no name */
    struct made *made;     /* NULL: nobody has asked for it */
    uint32_t next;         /* of the same name */
};

struct made { /* the entry is what others see */
    struct catalog_entry entry;
    const struct value *dict; /* once it was asked for */
};

struct list { /* one that grows */
    struct catalog_list list;
    size_t capacity;
};

struct catalog {
    struct arena *a;
    const char *name;
    const struct outline *outline;
    catalog_warn_fn *warn;
    void *ctx;
    struct item *items;
    struct names *named;                /* -> struct bucket */
    struct names *updates, *dependents; /* reference -> struct list; made when first asked for */
    struct list *autoremove;            /* the same */
};

static void tell(const struct catalog *c, const char *sentence)
{
    if (c->warn)
        c->warn(c->ctx, sentence);
}

/* ---- every item -------------------------------------------------------------------------------------- */

static bool is_ascii(const char *p, size_t n)
{
    unsigned char any = 0;
    for (size_t i = 0; i < n; i++)
        any |= (unsigned char)p[i];
    return any < 0x80;
}

/* The name of an item, as NFC, and whether it has a version. false: it has none. */
static bool sight(const struct catalog *c, size_t i, const char **name, size_t *len, bool *versioned)
{
    struct pkginfo_brief brief;
    const char *version;
    size_t version_len;
    enum outline_sight of_name = outline_look(c->outline, i, PKGINFO_BRIEF_NAME, name, len);
    enum outline_sight of_version =
        outline_look(c->outline, i, PKGINFO_BRIEF_VERSION, &version, &version_len);
    *versioned = of_version == OUTLINE_TEXT;
    if (of_name == OUTLINE_TEXT && *len > 0 && is_ascii(*name, *len) && of_version != OUTLINE_VALUE)
        return true;
    const unsigned keys = OUTLINE_KEY(PKGINFO_BRIEF_NAME) | OUTLINE_KEY(PKGINFO_BRIEF_VERSION);
    const struct value *dict = outline_part(c->a, c->outline, i, keys);
    if (!dict || !pkginfo_brief(c->a, dict, &brief))
        return false;
    *name = brief.name;
    *len = strlen(brief.name);
    *versioned = brief.version != NULL;
    return true;
}

/* Versions of one item mostly stand one after the other: likely is the bucket of the item before. */
static struct bucket *bucket_of(struct catalog *c, struct bucket *likely, const char *name, size_t len)
{
    if (likely && strncmp(likely->name, name, len) == 0 && likely->name[len] == '\0')
        return likely;
    struct bucket *b = names_find(c->named, name, len);
    if (!b) {
        b = arena_alloc(c->a, sizeof *b);
        b->name = arena_strndup(c->a, name, len);
        names_put(c->named, b->name, b);
    }
    return b;
}

static struct bucket *add(struct catalog *c, uint32_t i, struct bucket *likely)
{
    const char *name = NULL;
    size_t len = 0;
    bool versioned = false;

    if (!sight(c, i, &name, &len, &versioned)) {
        tell(c,
             arena_printf(c->a, "catalog %s: item %zu has no name and is left out", c->name, (size_t)i + 1));
        return likely;
    }
    struct bucket *b = bucket_of(c, likely, name, len);
    if (!versioned)
        tell(c, arena_printf(c->a, "catalog %s: item %zu, %s, has no version and is never installed", c->name,
                             (size_t)i + 1, b->name));
    c->items[i].bucket = b;
    if (b->count++ == 0)
        b->first = i;
    else
        c->items[b->last].next = i;
    b->last = i;
    return b;
}

struct catalog *catalog_load(struct arena *a, const char *name, const struct outline *o,
                             catalog_warn_fn *warn, void *ctx)
{
    struct catalog *c = arena_alloc(a, sizeof *c);
    struct bucket *last = NULL;
    *c = (struct catalog){.a = a,
                          .name = name,
                          .outline = o,
                          .warn = warn,
                          .ctx = ctx,
                          .items = arena_array(a, outline_count(o), sizeof *c->items),
                          .named = names_open(a)};
    for (size_t i = 0; i < outline_count(o); i++) /* fewer than bytes, of which there are fewer than 4 GB */
        last = add(c, (uint32_t)i, last);
    return c;
}

const char *catalog_name(const struct catalog *c)
{
    return c->name;
}

/* ---- what is asked for ------------------------------------------------------------------------------- */

/* i: of an item that has a name. */
static struct catalog_entry *entry_of(struct catalog *c, size_t i)
{
    struct item *item = &c->items[i];
    struct pkginfo_brief brief = {0};

    if (!item->made) {
        const unsigned keys = OUTLINE_KEY(PKGINFO_BRIEF_NAME) | OUTLINE_KEY(PKGINFO_BRIEF_VERSION);
        (void)pkginfo_brief(c->a, outline_part(c->a, c->outline, i, keys), &brief);
        item->made = arena_alloc(c->a, sizeof *item->made);
        item->made->entry =
            (struct catalog_entry){.name = item->bucket->name,
                                   .spelled = brief.spelled,
                                   .version = brief.version,
                                   .trimmed = brief.version ? version_trim(c->a, brief.version) : NULL,
                                   .position = i,
                                   .catalog = c};
    }
    return &item->made->entry;
}

struct catalog_list catalog_named(struct catalog *c, const char *name)
{
    struct bucket *b = names_get(c->named, name);

    if (!b)
        return (struct catalog_list){0};
    if (!b->all.entries) {
        b->all.entries = arena_array(c->a, b->count, sizeof(struct catalog_entry *));
        for (uint32_t i = b->first; b->all.count < b->count; i = c->items[i].next)
            b->all.entries[b->all.count++] = entry_of(c, i);
    }
    return b->all;
}

static void push(struct arena *a, struct list *l, struct catalog_entry *entry)
{
    size_t n = l->list.count;

    if (n > 0 && l->list.entries[n - 1] == entry)
        return; /* a reference that is listed twice */
    if (n == l->capacity) {
        l->capacity = n ? 2 * n : 2;
        struct catalog_entry **more = arena_array(a, l->capacity, sizeof *more);
        if (n > 0)
            memcpy(more, l->list.entries, n * sizeof *more);
        l->list.entries = more;
    }
    l->list.entries[l->list.count++] = entry;
}

static void file_under(struct catalog *c, struct names *table, const char *ref, size_t i)
{
    const char *name = names_nfc(c->a, ref);
    struct list *l = names_get(table, name);

    if (!l) {
        l = arena_alloc(c->a, sizeof *l);
        names_put(table, name, l);
    }
    push(c->a, l, entry_of(c, i));
}

/* Has a named item that key with anything in it, and what? */
static bool says(struct catalog *c, size_t i, enum pkginfo_brief_key key, struct pkginfo_brief *brief)
{
    const char *p;
    size_t n;

    if (!c->items[i].bucket || outline_look(c->outline, i, key, &p, &n) <= OUTLINE_FALSE)
        return false;
    (void)pkginfo_brief(c->a, outline_part(c->a, c->outline, i, OUTLINE_KEY(key)), brief);
    return true;
}

static struct names *references(struct catalog *c, enum pkginfo_brief_key key)
{
    struct names *table = names_open(c->a);
    struct pkginfo_brief brief;

    for (size_t i = 0; i < outline_count(c->outline); i++) {
        if (!says(c, i, key, &brief))
            continue;
        const struct value *refs = key == PKGINFO_BRIEF_REQUIRES ? brief.requires : brief.update_for;
        if (value_str(refs))
            file_under(c, table, value_str(refs), i);
        for (size_t k = 0; k < value_count(refs); k++)
            file_under(c, table, value_str(value_at(refs, k)), i);
    }
    return table;
}

static struct catalog_list list_of(const struct names *table, const char *ref)
{
    const struct list *l = names_get(table, ref);
    return l ? l->list : (struct catalog_list){0};
}

struct catalog_list catalog_updates(struct catalog *c, const char *ref)
{
    if (!c->updates)
        c->updates = references(c, PKGINFO_BRIEF_UPDATE_FOR);
    return list_of(c->updates, ref);
}

struct catalog_list catalog_dependents(struct catalog *c, const char *ref)
{
    if (!c->dependents)
        c->dependents = references(c, PKGINFO_BRIEF_REQUIRES);
    return list_of(c->dependents, ref);
}

struct catalog_list catalog_autoremove(struct catalog *c)
{
    struct pkginfo_brief brief;

    if (!c->autoremove) {
        c->autoremove = arena_alloc(c->a, sizeof *c->autoremove);
        for (size_t i = 0; i < outline_count(c->outline); i++)
            if (says(c, i, PKGINFO_BRIEF_AUTOREMOVE, &brief) && brief.autoremove)
                push(c->a, c->autoremove, entry_of(c, i));
    }
    return c->autoremove->list;
}

bool catalog_next_receipts(struct catalog *c, size_t *at, const char **name, const struct value **receipts)
{
    const char *p;
    size_t n;

    for (size_t i = *at; i < outline_count(c->outline); i++) {
        struct pkginfo_brief brief;
        if (!c->items[i].bucket ||
            outline_look(c->outline, i, PKGINFO_BRIEF_RECEIPTS, &p, &n) == OUTLINE_NOTHING)
            continue;
        (void)pkginfo_brief(c->a, outline_part(c->a, c->outline, i, OUTLINE_KEY(PKGINFO_BRIEF_RECEIPTS)),
                            &brief);
        *name = c->items[i].bucket->name;
        *receipts = brief.receipts;
        *at = i + 1;
        return true;
    }
    return false;
}

/* ---- versions ---------------------------------------------------------------------------------------- */

struct group { /* the entries of one trimmed version */
    struct list members;
    size_t first; /* place of its first entry, so that the order is total */
};

static int higher_first(const void *one, const void *other)
{
    const struct group *a = one, *b = other;
    int order = version_compare(b->members.list.entries[0]->trimmed, a->members.list.entries[0]->trimmed);
    return order ? order : (a->first > b->first) - (a->first < b->first);
}

/* Versions are grouped by their trimmed text before they are ordered: 1.0, 1 and 1.00 compare equal but are
 * three groups. */
static struct catalog_list sort_versions(struct arena *a, struct catalog_list list)
{
    struct names *seen = names_open(a); /* trimmed version -> its group */
    struct group *groups = arena_array(a, list.count, sizeof *groups);
    size_t count = 0;

    for (size_t i = 0; i < list.count; i++) {
        struct catalog_entry *entry = list.entries[i];
        if (!entry->version)
            continue;
        struct group *group = names_get(seen, entry->trimmed);
        if (!group) {
            group = &groups[count++];
            group->first = i;
            names_put(seen, entry->trimmed, group);
        }
        push(a, &group->members, entry);
    }
    if (count > 1)
        qsort(groups, count, sizeof *groups, higher_first);
    struct catalog_list sorted = {.entries = arena_array(a, list.count, sizeof(struct catalog_entry *))};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < groups[i].members.list.count; j++)
            sorted.entries[sorted.count++] = groups[i].members.list.entries[j];
    return sorted;
}

struct catalog_list catalog_versions(struct catalog *c, const char *name)
{
    struct bucket *b = names_get(c->named, name);

    if (!b)
        return (struct catalog_list){0};
    if (!b->by_version.entries)
        b->by_version = sort_versions(c->a, catalog_named(c, name));
    return b->by_version;
}

/* ---- whole items ------------------------------------------------------------------------------------- */

static const struct value *dict_of(const struct catalog_entry *entry, struct err *e)
{
    const struct catalog *c = entry->catalog;
    struct made *made = c->items[entry->position].made;

    if (!made->dict)
        made->dict = outline_item(c->a, c->outline, entry->position, e);
    return made->dict;
}

const struct pkginfo *catalog_pkginfo(struct catalog_entry *entry)
{
    struct catalog *c = entry->catalog;
    const char *warning = NULL;
    struct err e = {0};

    if (entry->pkginfo || entry->unusable)
        return entry->pkginfo;
    const struct value *dict = dict_of(entry, &e);
    if (dict)
        entry->pkginfo = pkginfo_decode(c->a, dict, c->name, entry->position, &warning, &e);
    if (!entry->pkginfo) {
        entry->unusable = arena_strdup(c->a, e.text);
        tell(c, arena_printf(c->a, "catalog %s: item %zu, %s: %s", c->name, entry->position + 1, entry->name,
                             e.text));
    } else if (warning) {
        tell(c, arena_printf(c->a, "catalog %s: %s %s: %s", c->name, entry->name, entry->version, warning));
    }
    return entry->pkginfo;
}

bool catalog_same(const struct catalog_entry *one, const struct catalog_entry *other)
{
    struct err e;
    const struct value *a, *b;

    if (one == other)
        return true;
    a = dict_of(one, &e);
    b = dict_of(other, &e);
    return a && b && value_equal(a, b);
}
