/* looked: the two workers for packages, uncaged: what they say, and the plan between them. */
#ifndef TESTS_UNIT_LOOKED_H
#define TESTS_UNIT_LOOKED_H
#include "flat.h"
#include "installer/inspect.h"
#include "installer/plan.h"
#include "installer/record.h"
#include "installer/stage.h"
#include "uncaged.h"

static inline struct record_request uncaged_request(enum record_task task)
{
    return (struct record_request){.task = task,
                                   .scripts = true,
                                   .owners = geteuid() == 0,
                                   .arch = "arm64",
                                   .os_version = "15.1",
                                   .max_bytes = LIMIT_MB};
}

static inline bool uncaged_asked(bool (*work)(const struct buf *, struct err *),
                                 const struct record_request *r, const int *fds, size_t n)
{
    struct buf request;
    buf_init(&request, WORKER_REQUEST_MAX);
    assert_true(record_put_request(&request, r, &e));
    bool ok = uncaged_work(work, &request, fds, n);
    buf_release(&request);
    return ok;
}

static inline bool uncaged_inspect(int package, int plan, const struct record_request *r)
{
    const int fds[] = {package, plan};
    return uncaged_asked(inspect_work, r, fds, 2);
}

static inline bool uncaged_stage(int package, int directory, int plan, const struct record_request *r)
{
    const int fds[] = {package, directory, plan};
    return uncaged_asked(stage_work, r, fds, 3);
}
#endif
