/* fetch_local: invariants.
 *
 * The length is the one seen at the opening: a file that ends earlier or has grown when its end is reached
 * was changed under our hands, and what was copied is neither the old nor the new one. */
#include "core/fetch_local.h"
#include "core/limits.h"
#include "core/os.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK       (256 * LIMIT_KB)
#define SLICE_BYTES (8 * LIMIT_MB)

/* "Sun, 06 Nov 1994 08:49:37 GMT", in no locale */
static void http_date(char *out, size_t size, time_t t)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    out[0] = '\0';
    if (gmtime_r(&t, &tm) != NULL)
        snprintf(out, size, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void describe(const struct stat *st, struct fetch_validator *v)
{
    /* to the nanosecond: makecatalogs may write twice in a second, and the same number of bytes */
    const struct timespec written = os_mtime(st);
    *v = (struct fetch_validator){.length = (int64_t)st->st_size};
    snprintf(v->etag, sizeof v->etag, "\"%lld.%09ld-%lld-%llu\"", (long long)written.tv_sec, written.tv_nsec,
             (long long)st->st_size, (unsigned long long)st->st_ino);
    http_date(v->last_modified, sizeof v->last_modified, st->st_mtime);
}

bool fetch_local_open(struct fetch_local *file, const char *path, struct fetch_validator *v, struct err *e)
{
    struct stat st;
    *file = (struct fetch_local){.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    if (file->fd < 0) {
        err_sys(e, "open");
        if (e && e->kind == ERR_NOT_FOUND)
            e->cause = CAUSE_HTTP_4XX; /* what helps is the same as with a server's 404 */
        return false;
    }
    if (fstat(file->fd, &st) != 0) {
        err_sys(e, "stat");
        fetch_local_close(file);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        fetch_local_close(file);
        return err_set(e, ERR_REFUSED, CAUSE_FORMAT, "not a regular file");
    }
    file->size = (uint64_t)st.st_size;
    describe(&st, v);
    return true;
}

bool fetch_local_copy(struct fetch_local *file, struct sink *to, bool *more, struct err *e)
{
    char *chunk = arena_heap(NULL, CHUNK);
    bool ok = true;
    uint64_t stop = file->at + SLICE_BYTES;
    *more = true;
    while (ok && *more && file->at < stop) {
        ssize_t n = pread(file->fd, chunk, CHUNK, (off_t)file->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ok = err_sys(e, "read");
        } else if ((n == 0) != (file->at == file->size) || (uint64_t)n > file->size - file->at) {
            ok = err_set(e, ERR_NET, CAUSE_SIZE, "changed while it was read");
        } else if (n == 0) {
            *more = false;
        } else {
            ok = sink_write(to, chunk, (size_t)n, e);
            file->at += (uint64_t)n;
        }
    }
    free(chunk);
    return ok;
}

void fetch_local_close(struct fetch_local *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
