/* One pass over the outline fills five tables. Nobody outside this file knows that an item is decoded late.
 */
#include "manifests/catalog.h"
#include "manifests/names.h"
#include "manifests/version.h"

struct bucket {
    struct catalog_list list;
    size_t capacity;
    struct catalog_entry **by_version; /* made when first asked for */
    size_t by_version_count;
};

struct item { /* an entry and what became of its text; the entry is what others see */
    struct catalog_entry entry;
    const struct value *dict;     /* once it was asked for */
    const struct value *receipts; /* the same */
    bool receipts_asked;
};

struct catalog {
    struct arena *a;
    const char *name;
    const struct outline *outline;
    catalog_warn_fn *warn;
    void *ctx;
    struct names *named, *updates, *dependents; /* string -> struct bucket */
    struct bucket autoremove, with_receipts;
};

static struct item *item_of(const struct catalog_entry *entry)
{
    return (struct item *)(uintptr_t)entry;
}

static void push(struct arena *a, struct bucket *b, struct catalog_entry *entry)
{
    size_t n = b->list.count;

    if (n > 0 && b->list.entries[n - 1] == entry)
        return; /* a reference that is listed twice */
    if (n == b->capacity) {
        b->capacity = n ? 2 * n : 2;
        struct catalog_entry **more = arena_array(a, b->capacity, sizeof *more);
        if (n > 0)
            memcpy(more, b->list.entries, n * sizeof *more);
        b->list.entries = more;
    }
    b->list.entries[b->list.count++] = entry;
}

static void file_under(struct arena *a, struct names *table, const char *name, struct catalog_entry *entry)
{
    struct bucket *b = names_get(table, name);

    if (!b) {
        b = arena_alloc(a, sizeof *b);
        names_put(table, name, b);
    }
    push(a, b, entry);
}

static void file_references(struct catalog *c, struct names *table, const struct value *refs,
                            struct catalog_entry *entry)
{
    if (value_str(refs))
        file_under(c->a, table, names_nfc(c->a, value_str(refs)), entry);
    for (size_t i = 0; i < value_count(refs); i++)
        file_under(c->a, table, names_nfc(c->a, value_str(value_at(refs, i))), entry);
}

static void add(struct catalog *c, size_t position)
{
    struct pkginfo_brief brief;
    const struct value *dict = outline_brief(c->a, c->outline, position);

    if (!dict || !pkginfo_brief(c->a, dict, &brief)) {
        c->warn(c->ctx, arena_printf(c->a, "catalog %s: item %zu has no name and is left out", c->name,
                                     position + 1));
        return;
    }
    struct item *item = arena_alloc(c->a, sizeof *item);
    struct catalog_entry *entry = &item->entry;
    *entry = (struct catalog_entry){.name = brief.name,
                                    .spelled = brief.spelled,
                                    .version = brief.version,
                                    .trimmed = brief.version ? version_trim(c->a, brief.version) : NULL,
                                    .position = position,
                                    .catalog = c};
    if (!brief.version)
        c->warn(c->ctx, arena_printf(c->a, "catalog %s: item %zu, %s, has no version and is never installed",
                                     c->name, position + 1, brief.name));
    file_under(c->a, c->named, brief.name, entry);
    file_references(c, c->updates, brief.update_for, entry);
    file_references(c, c->dependents, brief.requires, entry);
    if (brief.autoremove)
        push(c->a, &c->autoremove, entry);
    if (outline_has_receipts(c->outline, position))
        push(c->a, &c->with_receipts, entry);
}

struct catalog *catalog_load(struct arena *a, const char *name, const struct outline *o,
                             catalog_warn_fn *warn, void *ctx)
{
    struct catalog *c = arena_alloc(a, sizeof *c);
    *c = (struct catalog){.a = a,
                          .name = name,
                          .outline = o,
                          .warn = warn,
                          .ctx = ctx,
                          .named = names_open(a),
                          .updates = names_open(a),
                          .dependents = names_open(a)};
    for (size_t i = 0; i < outline_count(o); i++)
        add(c, i);
    return c;
}

const char *catalog_name(const struct catalog *c)
{
    return c->name;
}

static struct catalog_list list_of(const struct names *table, const char *name)
{
    const struct bucket *b = names_get(table, name);
    return b ? b->list : (struct catalog_list){0};
}

struct catalog_list catalog_named(const struct catalog *c, const char *name)
{
    return list_of(c->named, name);
}

struct catalog_list catalog_updates(const struct catalog *c, const char *ref)
{
    return list_of(c->updates, ref);
}

struct catalog_list catalog_dependents(const struct catalog *c, const char *ref)
{
    return list_of(c->dependents, ref);
}

struct catalog_list catalog_autoremove(const struct catalog *c)
{
    return c->autoremove.list;
}

struct catalog_list catalog_with_receipts(const struct catalog *c)
{
    return c->with_receipts.list;
}

struct group { /* the entries of one trimmed version */
    struct bucket members;
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
static void sort_versions(struct catalog *c, struct bucket *b)
{
    struct names *seen = names_open(c->a); /* trimmed version -> index of its group, plus one */
    struct group *groups = arena_array(c->a, b->list.count, sizeof *groups);
    size_t count = 0;

    for (size_t i = 0; i < b->list.count; i++) {
        struct catalog_entry *entry = b->list.entries[i];
        if (!entry->version)
            continue;
        const struct group *known = names_get(seen, entry->trimmed);
        size_t at = known ? (size_t)(known - groups) : count++;
        if (!known) {
            groups[at].first = i;
            names_put(seen, entry->trimmed, &groups[at]);
        }
        push(c->a, &groups[at].members, entry);
    }
    if (count > 1)
        qsort(groups, count, sizeof *groups, higher_first);
    b->by_version = arena_array(c->a, b->list.count, sizeof(struct catalog_entry *));
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < groups[i].members.list.count; j++)
            b->by_version[b->by_version_count++] = groups[i].members.list.entries[j];
}

struct catalog_list catalog_versions(struct catalog *c, const char *name)
{
    struct bucket *b = names_get(c->named, name);

    if (!b)
        return (struct catalog_list){0};
    if (!b->by_version)
        sort_versions(c, b);
    return (struct catalog_list){b->by_version, b->by_version_count};
}

static const struct value *dict_of(const struct catalog_entry *entry, struct err *e)
{
    struct item *item = item_of(entry);

    if (!item->dict)
        item->dict = outline_item(entry->catalog->a, entry->catalog->outline, entry->position, e);
    return item->dict;
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
        c->warn(c->ctx, arena_printf(c->a, "catalog %s: item %zu, %s: %s", c->name, entry->position + 1,
                                     entry->name, e.text));
    } else if (warning) {
        c->warn(c->ctx,
                arena_printf(c->a, "catalog %s: %s %s: %s", c->name, entry->name, entry->version, warning));
    }
    return entry->pkginfo;
}

const struct value *catalog_receipts(struct catalog_entry *entry)
{
    struct item *item = item_of(entry);
    struct arena *a = entry->catalog->a;
    struct pkginfo_brief brief;

    if (!item->receipts_asked) {
        item->receipts_asked = true;
        struct value *dict = value_new_dict(a);
        value_set(a, dict, pkginfo_brief_keys[PKGINFO_BRIEF_NAME], value_new_str(a, entry->spelled));
        value_set(a, dict, pkginfo_brief_keys[PKGINFO_BRIEF_RECEIPTS],
                  outline_receipts(a, entry->catalog->outline, entry->position));
        if (pkginfo_brief(a, dict, &brief))
            item->receipts = brief.receipts;
    }
    return item->receipts;
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
