/* sink: memory, or a file by way of its part.
 *
 * Invariants of a file sink: the first `have` bytes of the part are exactly what went through the digest, and
 * the descriptor stands behind them; what a failed write may have left beyond is cut off before anything else
 * happens. A part found on disk is only taken when nobody else can have a hand on it (regular, ours, one
 * link, not writable by others). What is renamed is what was proved: the part's name must still mean the
 * descriptor's inode. */
#include "core/sink.h"
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_SUFFIX ".download"
#define SLICE       (1 * LIMIT_MB)

struct sink {
    struct buf *memory; /* or NULL: a file */
    size_t base;        /* what the buffer held before */

    int dir, fd;
    char name[LIMIT_NAME + 1], part[LIMIT_NAME + 1];
    struct sink_want want;
    enum digest_kind kind;
    struct digest *digest;
    uint64_t have;
    bool refuted; /* the bytes cannot be the wanted ones: the part is not worth keeping */
    bool torn;    /* a write failed: the part may be longer than have */
};

static struct sink *sink_new(void)
{
    struct sink *s = arena_heap(NULL, sizeof *s);
    *s = (struct sink){.dir = -1, .fd = -1, .kind = DIGEST_SHA256};
    return s;
}

static void sink_free(struct sink *s)
{
    digest_free(s->digest);
    if (s->fd >= 0)
        close(s->fd);
    if (s->dir >= 0)
        close(s->dir);
    free(s);
}

struct sink *sink_memory(struct buf *b)
{
    struct sink *s = sink_new();
    s->memory = b;
    s->base = b->len;
    return s;
}

/* --- the part ------------------------------------------------------------------------------------------- */

static bool part_is_ours(const struct sink *s, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || st->st_nlink != 1 || st->st_uid != geteuid() || (st->st_mode & 022) != 0)
        return false;
    uint64_t size = (uint64_t)st->st_size;
    return size <= s->want.size_max && (s->want.size < 0 || size <= (uint64_t)s->want.size);
}

/* Read the kept part through the digest. False when it cannot be read: it is then of no use. */
static bool part_digest(struct sink *s)
{
    unsigned char *slice = arena_heap(NULL, SLICE);
    ssize_t n = 0;
    for (;;) {
        n = read(s->fd, slice, SLICE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        digest_write(s->digest, slice, (size_t)n);
        s->have += (uint64_t)n;
    }
    free(slice);
    return n == 0 && s->have <= s->want.size_max;
}

/* Take the part that is there. False: there is none worth taking. */
static bool part_take(struct sink *s)
{
    struct stat st;
    s->fd = openat(s->dir, s->part, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0)
        return false;
    if (fstat(s->fd, &st) == 0 && part_is_ours(s, &st) && part_digest(s))
        return true;
    close(s->fd);
    s->fd = -1;
    s->have = 0;
    digest_free(s->digest);
    s->digest = digest_open(s->kind);
    return false;
}

struct sink *sink_file(int dir, const char *name, const struct sink_want *want, struct err *e)
{
    struct sink *s = sink_new();
    const char *last = NULL;
    s->want = *want;
    if (want->digest != DIGEST_NONE)
        s->kind = want->digest;
    s->digest = digest_open(s->kind);
    s->dir = files_parent(dir, name, true, &last, e);
    if (s->dir < 0)
        goto fail;
    if (*last == '\0' || strlen(last) + strlen(PART_SUFFIX) > LIMIT_NAME) {
        err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: file name is empty or too long", name);
        goto fail;
    }
    snprintf(s->name, sizeof s->name, "%s", last);
    snprintf(s->part, sizeof s->part, "%s%s", last, PART_SUFFIX);
    if (want->keep_part && part_take(s))
        return s;
    if (!files_remove(s->dir, s->part, e))
        goto fail;
    s->fd = files_create(s->dir, s->part, 0644, e);
    if (s->fd >= 0)
        return s;
fail:
    sink_free(s);
    return NULL;
}

uint64_t sink_have(const struct sink *s)
{
    return s->memory != NULL ? s->memory->len - s->base : s->have;
}

/* --- writing -------------------------------------------------------------------------------------------- */

bool sink_write(struct sink *s, const void *p, size_t n, struct err *e)
{
    if (n == 0)
        return true;
    if (s->memory != NULL)
        return buf_append(s->memory, p, n, e);
    if (s->torn)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "%s: written to after a failure", s->part);
    if (s->want.size >= 0 && n > (uint64_t)s->want.size - s->have) {
        s->refuted = true;
        return err_set(e, ERR_TRUST, CAUSE_SIZE, "%s: longer than the %lld bytes expected", s->name,
                       (long long)s->want.size);
    }
    if (n > s->want.size_max - s->have) {
        s->refuted = true;
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: longer than the %llu bytes allowed", s->name,
                       (unsigned long long)s->want.size_max);
    }
    if (!files_write(s->fd, p, n, e)) {
        s->torn = true;
        return err_wrap(e, "%s", s->part);
    }
    digest_write(s->digest, p, n);
    s->have += n;
    return true;
}

static void forget_memory(struct sink *s)
{
    s->memory->len = s->base;
    if (s->memory->data != NULL)
        s->memory->data[s->base] = '\0';
}

bool sink_restart(struct sink *s, struct err *e)
{
    if (s->memory != NULL) {
        forget_memory(s);
        return true;
    }
    if (ftruncate(s->fd, 0) != 0 || lseek(s->fd, 0, SEEK_SET) != 0) {
        s->torn = s->refuted = true;
        return err_sys(e, "%s: truncate", s->part);
    }
    s->have = 0;
    s->refuted = s->torn = false;
    digest_free(s->digest);
    s->digest = digest_open(s->kind);
    return true;
}

/* --- the end -------------------------------------------------------------------------------------------- */

static bool prove(struct sink *s, unsigned char sum[DIGEST_MAX], struct err *e)
{
    size_t size = digest_end(s->digest, sum);
    s->digest = NULL;
    if (s->torn)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "%s: committed after a failure", s->name);
    if (s->refuted || (s->want.size >= 0 && s->have != (uint64_t)s->want.size)) {
        s->refuted = true;
        return err_set(e, ERR_TRUST, CAUSE_SIZE, "%s: %llu bytes instead of %lld", s->name,
                       (unsigned long long)s->have, (long long)s->want.size);
    }
    if (s->want.digest != DIGEST_NONE && !crypto_equal(sum, s->want.sum, size)) {
        char is[2 * DIGEST_MAX + 1], wanted[2 * DIGEST_MAX + 1];
        text_hex(is, sum, size);
        text_hex(wanted, s->want.sum, size);
        s->refuted = true;
        return err_set(e, ERR_TRUST, CAUSE_HASH, "%s: hash is %s, expected %s", s->name, is, wanted);
    }
    return true;
}

/* Give the proved bytes their name, on the medium. */
static bool publish(struct sink *s, struct err *e)
{
    struct stat mine, named;
    if (fchmod(s->fd, 0644) != 0) /* a part that was taken may have been made otherwise */
        return err_sys(e, "%s: chmod", s->part);
    if (!os_sync(s->fd, OS_SYNC_MEDIUM, e))
        return err_wrap(e, "%s", s->part);
    if (fstat(s->fd, &mine) != 0 || fstatat(s->dir, s->part, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(e, "%s", s->part);
    if (mine.st_dev != named.st_dev || mine.st_ino != named.st_ino)
        return err_set(e, ERR_TRUST, CAUSE_INTERNAL, "%s: replaced while it was written", s->part);
    if (renameat(s->dir, s->part, s->dir, s->name) != 0)
        return err_sys(e, "%s: rename", s->name);
    if (!os_sync(s->dir, OS_SYNC_MEDIUM, e)) {
        unlinkat(s->dir, s->name, 0);
        return err_wrap(e, "%s", s->name);
    }
    return true;
}

bool sink_commit(struct sink *s, unsigned char sum[DIGEST_MAX], struct err *e)
{
    unsigned char mine[DIGEST_MAX] = {0};
    if (s->memory != NULL) {
        if (sum != NULL)
            digest_of(DIGEST_SHA256, buf_str(s->memory) + s->base, s->memory->len - s->base, sum);
        sink_free(s);
        return true;
    }
    if (!prove(s, mine, e) || !publish(s, e)) {
        sink_abort(s);
        return false;
    }
    if (sum != NULL)
        memcpy(sum, mine, sizeof mine);
    sink_free(s);
    return true;
}

void sink_abort(struct sink *s)
{
    if (s == NULL)
        return;
    if (s->memory != NULL) {
        forget_memory(s);
        sink_free(s);
        return;
    }
    struct stat mine, named;
    bool named_so = fstat(s->fd, &mine) == 0 && fstatat(s->dir, s->part, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                    mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
    bool keep = s->want.keep_part && !s->refuted && s->have > 0;
    if (keep && s->torn)
        keep = ftruncate(s->fd, (off_t)s->have) == 0;
    if (!keep && named_so)
        unlinkat(s->dir, s->part, 0);
    sink_free(s);
}
