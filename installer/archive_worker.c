/* The request is one number, and nothing is answered: how it ended says it all. */
#include "installer/archive_worker.h"
#include "core/os.h"
#include "installer/archive.h"
#include "installer/worker.h"

#define PACKED    WORKER_FIRST
#define DIRECTORY (WORKER_FIRST + 1)

static void tick(void *ctx)
{
    (void)ctx;
    worker_alive();
}

bool archive_work(const struct buf *request, struct err *e)
{
    const unsigned char *p = (const unsigned char *)buf_str(request);
    struct worker_fields f = {.p = p, .end = p + request->len};
    const struct unpack_rules rules = {.attributes = os_is_darwin(), .location = "/", .tick = tick};
    uint64_t max = worker_int(&f);
    if (!worker_end(&f))
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL,
                       "the worker was asked for something it does not know");
    struct archive_source *a = archive_source_open(PACKED, max, e);
    if (a == NULL)
        return false;
    const struct unpack_source members = archive_source_members(a);
    struct unpack *u = unpack_open(DIRECTORY, &rules);
    bool ok = unpack_all(u, &members, e);
    unpack_free(u);
    archive_source_free(a);
    return ok;
}

static bool no_record(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    (void)ctx;
    (void)type;
    (void)f;
    return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker that unpacks said too much");
}

bool archive_unpack(struct loop *l, int file, int directory, uint64_t max, uint64_t timeout_ms, struct err *e)
{
    const int fds[] = {file, directory};
    struct buf request;
    buf_init(&request, WORKER_REQUEST_MAX);
    const struct worker_job job = {.task = "archive",
                                   .request = &request,
                                   .fds = fds,
                                   .fd_count = 2,
                                   .timeout_ms = timeout_ms,
                                   .record = no_record};
    bool ok = worker_put_int(&request, max, e) && worker_run(l, &job, e);
    buf_release(&request);
    return ok;
}
