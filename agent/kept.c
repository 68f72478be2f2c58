/* An outline is kept under the digest of the catalog's bytes, which stands where a server's entity tag would.
 */
#include "agent/kept.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

#define OUTLINE_MAX (64 * LIMIT_MB) /* a larger one is made each time */

struct kept {
    int dir;
    bool writes;
    char boot[OS_BOOT_MAX];
    struct validators *known;
};

struct kept *kept_open(int dir, bool writes)
{
    struct kept *k = arena_heap(NULL, sizeof *k);
    *k = (struct kept){.dir = dir, .writes = writes, .known = validators_open(dir)};
    os_boot(k->boot);
    return k;
}

void kept_free(struct kept *k)
{
    if (k != NULL)
        validators_free(k->known);
    free(k);
}

/* "" when the boot has no name. */
static void identify(const struct kept *k, const struct stat *st, char out[VALIDATORS_WORD])
{
    const struct timespec written = os_mtime(st), changed = os_ctime(st);
    snprintf(out, VALIDATORS_WORD, "%s %llu %llu %lld %lld.%09ld %lld.%09ld", k->boot,
             (unsigned long long)st->st_dev, (unsigned long long)st->st_ino, (long long)st->st_size,
             (long long)written.tv_sec, written.tv_nsec, (long long)changed.tv_sec, changed.tv_nsec);
    if (k->boot[0] == '\0')
        out[0] = '\0';
}

static bool prove(struct kept *k, const char *name, const struct kept_file *file, const struct stat *st)
{
    unsigned char sum[DIGEST_MAX];
    char identity[VALIDATORS_WORD];
    identify(k, st, identity);
    if (identity[0] != '\0' && strcmp(validators_proved(k->known, name), identity) == 0)
        return true;
    os_populate((uintptr_t)file->bytes, file->len, false);
    digest_of(DIGEST_SHA256, file->bytes, file->len, sum);
    if (memcmp(sum, file->sum, sizeof file->sum) != 0)
        return false;
    if (k->writes)
        validators_prove(k->known, name, identity);
    return true;
}

bool kept_take(struct kept *k, const char *name, size_t max, struct kept_file *out)
{
    struct stat st;
    struct err why;
    *out = (struct kept_file){.bytes = NULL};
    if (!validators_get(k->known, name, &out->validator, out->sum))
        return false;
    out->bytes = files_map(k->dir, name, max, &st, &out->fd, &why);
    if (out->bytes == NULL)
        return false;
    out->len = (size_t)st.st_size;
    if (prove(k, name, out, &st))
        return true;
    kept_drop(out);
    return false;
}

void kept_drop(struct kept_file *file)
{
    files_unmap(file->bytes, file->len);
    if (file->bytes != NULL)
        close(file->fd);
    *file = (struct kept_file){.bytes = NULL};
}

bool kept_put(struct kept *k, const char *name, const void *p, size_t n, const struct fetch_validator *v,
              const unsigned char sum[32], struct err *e)
{
    if (!k->writes)
        return true;
    if (!files_replace(k->dir, name, p, n, 0644, FILES_LAZY, e))
        return false;
    validators_set(k->known, name, v, sum);
    return true;
}

void kept_forget(struct kept *k, const char *name)
{
    validators_forget(k->known, name);
}

/* --- outlines ------------------------------------------------------------------------------------------ */

static void keep(struct kept *k, const char *name, const struct outline *o, const struct fetch_validator *of)
{
    unsigned char sum[DIGEST_MAX];
    struct buf saved;
    struct err e;
    buf_init(&saved, OUTLINE_MAX);
    bool ok = outline_save(o, &saved, &e);
    if (ok && saved.len > 0) {
        digest_of(DIGEST_SHA256, saved.data, saved.len, sum);
        ok = kept_put(k, name, saved.data, saved.len, of, sum, &e);
    }
    if (!ok)
        log_info("%s is not kept: %s", name, e.text); /* it will be made again */
    buf_release(&saved);
}

struct place { /* of a catalog's bytes */
    const char *p;
    int fd;
};

static bool read_place(void *ctx, size_t at, void *to, size_t n, struct err *e)
{
    const struct place *from = ctx;
    if (from->fd >= 0)
        return files_read_at(from->fd, (off_t)at, to, n, e);
    memcpy(to, from->p + at, n);
    return true;
}

/* What was kept is read into memory and not mapped: all of it is looked at, and so it costs a third. */
static struct outline *restore(struct arena *a, const struct kept_file *kept, const struct place *from,
                               size_t n)
{
    struct err why;
    void *saved = arena_alloc(a, kept->len);
    struct place *place = arena_alloc(a, sizeof *place);
    *place = *from;
    return files_read_at(kept->fd, 0, saved, kept->len, &why)
               ? outline_restore(a, n, read_place, place, saved, kept->len)
               : NULL;
}

struct outline *kept_outline(struct kept *k, struct arena *a, const char *name, const void *p, size_t n,
                             int fd, const unsigned char sum[32], struct err *e)
{
    const char *path = arena_printf(a, "%s/%s", KEPT_OUTLINES, name);
    struct fetch_validator of = {.length = (int64_t)n};
    struct kept_file kept;
    struct outline *o = NULL;
    text_hex(of.etag, sum, 32);
    if (kept_take(k, path, OUTLINE_MAX, &kept)) {
        if (strcmp(kept.validator.etag, of.etag) == 0)
            o = restore(a, &kept, &(struct place){.p = p, .fd = fd}, n);
        kept_drop(&kept);
    }
    if (o != NULL)
        return o;
    os_populate((uintptr_t)p, n, false);
    o = outline_decode(a, p, n, e);
    if (o != NULL && k->writes && k->dir >= 0)
        keep(k, path, o, &of);
    return o;
}
