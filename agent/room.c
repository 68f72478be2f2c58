#include "agent/room.h"
#include "core/files.h"
#include "core/log.h"
#include "manifests/names.h"

struct cached { /* a name in Cache, as it was when first asked for */
    struct cached *next;
    const char *name;
    int64_t kb;
    bool complete;
    bool wanted, promised; /* in this pass */
    bool makes_way;        /* counted as free; still to be removed */
};

struct room {
    struct arena *a;
    struct cache *cache;
    int root;
    int64_t disk_kb; /* given, or -1 */
    int64_t free_kb; /* -1: not asked yet */
    int64_t promised_kb, given_kb;
    struct cached *cached;
    struct names *by_name;
};

struct room *room_open(struct arena *a, struct cache *c, int root, int64_t disk_kb)
{
    struct room *r = arena_alloc(a, sizeof *r);
    *r = (struct room){
        .a = a, .cache = c, .root = root, .disk_kb = disk_kb, .free_kb = -1, .by_name = names_open(a)};
    return r;
}

static struct cached *cached_of(struct room *r, const char *location)
{
    const char *name = cache_name(location);
    if (name == NULL)
        return NULL;
    struct cached *k = names_get(r->by_name, name);
    if (k == NULL) {
        k = arena_alloc(r->a, sizeof *k);
        k->name = arena_strdup(r->a, name);
        k->kb = cache_kb(r->cache, location, &k->complete);
        k->next = r->cached;
        r->cached = k;
        names_put(r->by_name, k->name, k);
    }
    return k;
}

void room_begin(struct room *r)
{
    r->promised_kb = 0;
    for (struct cached *k = r->cached; k != NULL; k = k->next)
        k->wanted = k->promised = false;
}

void room_want(struct room *r, const char *location, int64_t size_kb)
{
    struct cached *k = cached_of(r, location);
    if (k == NULL)
        return;
    k->wanted = true;
    if (k->complete || k->promised)
        return;
    k->promised = true;
    r->promised_kb += size_kb > k->kb ? size_kb - k->kb : 0;
}

int64_t room_free_kb(struct room *r)
{
    unsigned long long bytes;
    struct err e;
    if (r->disk_kb >= 0)
        return r->disk_kb + r->given_kb;
    if (r->free_kb < 0) {
        r->free_kb = INT64_MAX / 2;
        if (files_free(r->root, &bytes, &e))
            r->free_kb = (int64_t)(bytes / 1024);
        else
            log_warn("free space is unknown: %s", e.text);
    }
    return r->free_kb + r->given_kb - r->promised_kb;
}

int64_t room_cached_kb(struct room *r, const char *location, bool *complete)
{
    const struct cached *k = cached_of(r, location);
    *complete = k != NULL && (k->complete || k->promised);
    return k != NULL ? k->kb : 0;
}

static int by_size(const void *a, const void *b)
{
    const struct cached *x = *(struct cached *const *)a, *y = *(struct cached *const *)b;
    return x->kb != y->kb ? (x->kb < y->kb ? -1 : 1) : strcmp(x->name, y->name);
}

bool room_make(struct room *r, const struct value *info, int64_t kb)
{
    const struct value *optional = props_array(info, "optional_installs");
    struct cached **ahead = arena_array(r->a, value_count(optional) + 1, sizeof *ahead);
    int64_t total = 0;
    size_t n = 0;
    for (size_t i = 0; i < value_count(optional); i++) {
        const struct value *entry = value_at(optional, i);
        const char *location = props_str(entry, "installer_item_location");
        struct cached *k =
            location != NULL && props_bool(entry, "precache", false) ? cached_of(r, location) : NULL;
        bool fresh = k != NULL && k->kb > 0 && !k->wanted;
        for (size_t other = 0; other < n; other++)
            fresh = fresh && ahead[other] != k; /* two items, one file */
        if (!fresh)
            continue;
        ahead[n++] = k;
        total += k->kb;
    }
    if (total < kb)
        return false;
    qsort(ahead, n, sizeof *ahead, by_size);
    for (size_t i = 0; kb > 0; i++) {
        kb -= ahead[i]->kb;
        r->given_kb += ahead[i]->kb;
        ahead[i]->kb = 0;
        ahead[i]->complete = false;
        ahead[i]->makes_way = true;
    }
    return true;
}

void room_clear(struct room *r)
{
    for (struct cached *k = r->cached; k != NULL; k = k->next) {
        if (!k->makes_way)
            continue;
        log_info("Cache: %s was fetched ahead of time, and makes way for what is needed now", k->name);
        cache_remove(r->cache, k->name);
        k->makes_way = false;
    }
}
