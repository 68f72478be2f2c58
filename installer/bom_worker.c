/* The paths of a Bom file, read in a worker: both sides. */
#include "installer/bom_worker.h"
#include "core/files.h"
#include "core/limits.h"

#define TIMEOUT_MS ((uint64_t)300 * 1000)

enum { PATH = WORKER_TYPES };

bool bom_work(const struct buf *request, struct err *e)
{
    char path[LIMIT_PATH + 1];
    struct arena *a = arena_open();
    struct buf b;
    (void)request;
    buf_init(&b, LIMIT_BOM);
    bool ok = files_read_fd(WORKER_FIRST, &b, e);
    const struct bom *bom = ok ? bom_decode(a, b.data, b.len, e) : NULL;
    buf_release(&b);
    buf_init(&b, WORKER_RECORD_MAX);
    ok = bom != NULL;
    for (size_t i = 0; ok && i < bom->count; i++) {
        bom_path(&bom->entries[i], path);
        buf_clear(&b);
        ok = worker_put_bytes(&b, path, strlen(path) + 1, e);
        if (ok)
            worker_send(PATH, &b);
    }
    buf_release(&b);
    arena_free(a);
    return ok;
}

struct reading {
    bom_path_fn *fn;
    void *ctx;
    size_t seen;
};

/* Names are any bytes, but the components of a path are checked here as the decoder did. */
static bool clean(const char *s)
{
    if (*s == '\0')
        return true; /* the root */
    for (;;) {
        size_t n = strcspn(s, "/");
        if (n == 0 || n > LIMIT_NAME || (n <= 2 && memcmp(s, "..", n) == 0))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

static bool take(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    struct reading *r = ctx;
    size_t n;
    const char *path = worker_bytes(f, &n);
    if (type != PATH || !worker_end(f) || n == 0 || n > LIMIT_PATH + 1 ||
        memchr(path, 0, n) != path + n - 1 || !clean(path) || ++r->seen > LIMIT_PAYLOAD_FILES)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker sent a path that makes no sense");
    return r->fn(r->ctx, path, e);
}

bool bom_paths(struct loop *l, int file, bom_path_fn *fn, void *ctx, struct err *e)
{
    struct reading r = {.fn = fn, .ctx = ctx};
    struct buf none;
    buf_init(&none, 0);
    const struct worker_job job = {.task = "bom",
                                   .request = &none,
                                   .fds = &file,
                                   .fd_count = 1,
                                   .timeout_ms = TIMEOUT_MS,
                                   .record = take,
                                   .ctx = &r};
    return worker_run(l, &job, e);
}
