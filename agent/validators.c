/* A few hundred entries at most, looked up by name: a list is enough. */
#include "agent/validators.h"

#include "agent/plistfile.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "manifests/props.h"

#define SUM_SIZE 32

struct known {
    char *name; /* NULL: forgotten */
    struct fetch_validator value;
    bool has_sum;
    unsigned char sum[SUM_SIZE];
    char proved[VALIDATORS_WORD];
};

struct validators {
    int dir;
    bool changed;
    struct known *all;
    size_t count, room;
};

static struct known *find(const struct validators *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->all[i].name != NULL && strcmp(v->all[i].name, name) == 0)
            return &v->all[i];
    return NULL;
}

static struct known *put(struct validators *v, const char *name)
{
    struct known *k = find(v, name);
    if (k != NULL)
        return k;
    if (v->count == v->room) {
        v->room = v->room * 2 + 32;
        v->all = arena_heap(v->all, v->room * sizeof *v->all);
    }
    k = &v->all[v->count++];
    memset(k, 0, sizeof *k);
    size_t n = strlen(name) + 1;
    k->name = arena_heap(NULL, n);
    memcpy(k->name, name, n);
    return k;
}

static void load(struct validators *v, const struct value *dict)
{
    for (size_t i = 0; i < value_count(dict); i++) {
        const struct value *one = value_at(dict, i);
        size_t n = 0;
        const void *sum = value_data(value_get(one, "sha256"), &n);
        const char *etag = props_str(one, "etag"), *modified = props_str(one, "last-modified");
        struct known *k = put(v, value_key(dict, i));
        k->value.length = props_int(one, "length", -1);
        snprintf(k->value.etag, sizeof k->value.etag, "%s", etag != NULL ? etag : "");
        snprintf(k->value.last_modified, sizeof k->value.last_modified, "%s",
                 modified != NULL ? modified : "");
        k->has_sum = sum != NULL && n == SUM_SIZE;
        if (k->has_sum)
            memcpy(k->sum, sum, SUM_SIZE);
        const char *proved = props_str(one, "proved");
        snprintf(k->proved, sizeof k->proved, "%s", k->has_sum && proved != NULL ? proved : "");
    }
}

struct validators *validators_open(int dir)
{
    struct validators *v = arena_heap(NULL, sizeof *v);
    struct arena *a = arena_open();
    struct err e;
    memset(v, 0, sizeof *v);
    v->dir = dir;
    load(v, plistfile_dict(a, dir, VALIDATORS_FILE, LIMIT_MANIFEST, &e));
    arena_free(a);
    return v;
}

void validators_save(struct validators *v)
{
    struct err e;
    struct buf bytes;
    if (!v->changed || v->dir < 0)
        return;
    struct arena *a = arena_open();
    struct value *dict = value_new_dict(a);
    for (size_t i = 0; i < v->count; i++) {
        const struct known *k = &v->all[i];
        if (k->name == NULL)
            continue;
        struct value *one = value_new_dict(a);
        if (k->value.etag[0] != '\0')
            value_set(a, one, "etag", value_new_str(a, k->value.etag));
        if (k->value.last_modified[0] != '\0')
            value_set(a, one, "last-modified", value_new_str(a, k->value.last_modified));
        if (k->value.length >= 0)
            value_set(a, one, "length", value_new_int(a, k->value.length));
        if (k->has_sum)
            value_set(a, one, "sha256", value_new_data(a, k->sum, SUM_SIZE));
        if (k->proved[0] != '\0')
            value_set(a, one, "proved", value_new_str(a, k->proved));
        value_set(a, dict, k->name, one);
    }
    buf_init(&bytes, LIMIT_MANIFEST);
    if (!props_encode(dict, &bytes, &e) ||
        !files_replace(v->dir, VALIDATORS_FILE, buf_str(&bytes), bytes.len, 0644, FILES_LAZY, &e))
        log_warn("validators are not kept, the next run fetches everything again: %s", e.text);
    v->changed = false;
    buf_release(&bytes);
    arena_free(a);
}

void validators_free(struct validators *v)
{
    if (v == NULL)
        return;
    validators_save(v);
    for (size_t i = 0; i < v->count; i++)
        free(v->all[i].name);
    free(v->all);
    free(v);
}

bool validators_get(const struct validators *v, const char *name, struct fetch_validator *out,
                    unsigned char sha256[32])
{
    const struct known *k = find(v, name);
    if (k == NULL || (sha256 != NULL && !k->has_sum))
        return false;
    *out = k->value;
    if (sha256 != NULL)
        memcpy(sha256, k->sum, SUM_SIZE);
    return true;
}

void validators_set(struct validators *v, const char *name, const struct fetch_validator *value,
                    const unsigned char sha256[32])
{
    if (value->etag[0] == '\0' && value->last_modified[0] == '\0') {
        validators_forget(v, name); /* there is nothing to ask with */
        return;
    }
    struct known *k = put(v, name);
    if (strcmp(k->value.etag, value->etag) == 0 &&
        strcmp(k->value.last_modified, value->last_modified) == 0 && k->value.length == value->length &&
        k->has_sum == (sha256 != NULL) && (sha256 == NULL || memcmp(k->sum, sha256, SUM_SIZE) == 0))
        return;
    k->value = *value;
    k->has_sum = sha256 != NULL;
    if (sha256 != NULL)
        memcpy(k->sum, sha256, SUM_SIZE);
    k->proved[0] = '\0';
    v->changed = true;
}

const char *validators_proved(const struct validators *v, const char *name)
{
    const struct known *k = find(v, name);
    return k != NULL ? k->proved : "";
}

void validators_prove(struct validators *v, const char *name, const char *word)
{
    struct known *k = find(v, name);
    if (k == NULL || !k->has_sum || strcmp(k->proved, word) == 0)
        return;
    snprintf(k->proved, sizeof k->proved, "%s", word);
    v->changed = true;
}

void validators_forget(struct validators *v, const char *name)
{
    struct known *k = find(v, name);
    if (k == NULL)
        return;
    free(k->name);
    k->name = NULL;
    v->changed = true;
}
