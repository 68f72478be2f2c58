/* uncaged: what workers do, done by the test's own process and outside their cages, so that every record they
 * send can be looked at. */
#ifndef TESTS_UNIT_UNCAGED_H
#define TESTS_UNIT_UNCAGED_H
#include "installer/worker.h"
#include "package.h"
#include "volume.h"

#define UNCAGED_LAST (WORKER_FIRST + 2)

static struct buf uncaged_heard; /* what the worker has sent */
static size_t uncaged_at;        /* of it: taken so far */

/* To be called before anything else opens a file: the workers' descriptors are fixed numbers. */
static inline void uncaged_reserve(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = WORKER_CONTROL; fd <= UNCAGED_LAST; fd++)
        assert_true(null >= 0 && (fd == null || dup2(null, fd) == fd));
    if (null > UNCAGED_LAST)
        close(null);
}

/* One worker's work on these descriptors. What it said is in uncaged_heard, whatever came of it. */
static inline bool uncaged_work(bool (*work)(const struct buf *, struct err *), const struct buf *request,
                                const int *fds, size_t n)
{
    struct err why;
    int said = package_file("", 0);
    assert_int_equal(dup2(said, WORKER_CONTROL), WORKER_CONTROL);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(dup2(fds[i], WORKER_FIRST + (int)i), WORKER_FIRST + (int)i);
    e = (struct err){.kind = ERR_NONE};
    bool ok = work(request, &e);
    worker_alive(); /* as worker_serve ends: what has gathered is sent */
    if (!ok && (e.kind == ERR_NONE || *e.text == '\0'))
        fail_msg("a failure without a sentence");
    buf_release(&uncaged_heard);
    buf_init(&uncaged_heard, 64 * LIMIT_MB);
    uncaged_at = 0;
    assert_int_equal(lseek(said, 0, SEEK_SET), 0);
    assert_true(files_read_fd(said, &uncaged_heard, &why));
    close(said);
    return ok;
}

/* The next record that was sent; 0: there is none. */
static inline unsigned uncaged_next(struct worker_fields *f)
{
    uint32_t head[2];
    size_t left = uncaged_heard.len - uncaged_at;
    if (left == 0)
        return 0;
    assert_true(left >= sizeof head);
    memcpy(head, uncaged_heard.data + uncaged_at, sizeof head);
    assert_true(head[1] <= WORKER_RECORD_MAX && head[1] <= left - sizeof head);
    f->p = (const unsigned char *)uncaged_heard.data + uncaged_at + sizeof head;
    f->end = f->p + head[1];
    f->bad = false;
    uncaged_at += sizeof head + head[1];
    return head[0];
}

#endif
