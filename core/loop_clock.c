/* loop_clock: invariants.
 *
 * Time does not pass while anything is ready: first all that has happened is dealt with, then the test is
 * asked. So a run under a test's clock does the same at the same times however busy the machine is. */
#include "core/loop_clock.h"
#include "core/arena.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>

#define GREETING_MS 10000
#define WAIT_MAX_MS ((uint64_t)30 * 86400 * 1000)

struct loop_clock {
    int fd;          /* -1: the other end has closed */
    uint64_t now;    /* this clock's */
    int64_t wall;    /* time of day, ms */
    uint64_t behind; /* once closed: what the machine's clock said then */
    uint64_t waits;  /* number of the last one */
    char line[64];
    size_t len;
};

/* The next whole line in c->line, without its newline. False: not there yet, or closed (fd is -1 then). */
static bool next_line(struct loop_clock *c, char out[64])
{
    for (;;) {
        char *end = memchr(c->line, '\n', c->len);
        if (end != NULL) {
            size_t n = (size_t)(end - c->line);
            memcpy(out, c->line, n);
            out[n] = '\0';
            c->len -= n + 1;
            memmove(c->line, end + 1, c->len);
            return true;
        }
        ssize_t n = c->len < sizeof c->line ? read(c->fd, c->line + c->len, sizeof c->line - c->len) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (n <= 0) {
            close(c->fd);
            c->fd = -1;
            c->behind = os_monotonic_ms();
            os_realtime_fix(-1);
            return false;
        }
        c->len += (size_t)n;
    }
}

struct loop_clock *loop_clock_open(const char *path, struct err *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char line[64];
    int64_t start = 0;
    if (strlen(path) >= sizeof to.sun_path) {
        err_set(e, ERR_SYS, CAUSE_NONE, "--clock %s: longer than a socket's name can be", path);
        return NULL;
    }
    memcpy(to.sun_path, path, strlen(path) + 1);
    struct loop_clock *c = arena_heap(NULL, sizeof *c);
    *c = (struct loop_clock){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .now = os_monotonic_ms()};
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        err_sys(e, "--clock %s", path);
        goto bad;
    }
    fcntl(c->fd, F_SETFD, FD_CLOEXEC);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, GREETING_MS) <= 0) {
        err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "--clock %s: nothing is said there", path);
        goto bad;
    }
    if (!next_line(c, line) || strncmp(line, "start ", 6) != 0 || !text_int(line + 6, 0, INT64_MAX, &start)) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "--clock %s: it does not begin with \"start\" and a time", path);
        goto bad;
    }
    c->wall = start;
    os_realtime_fix(start);
    return c;
bad:
    loop_clock_free(c);
    return NULL;
}

void loop_clock_free(struct loop_clock *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    os_realtime_fix(-1);
    free(c);
}

uint64_t loop_clock_now(const struct loop_clock *c)
{
    if (c == NULL)
        return os_monotonic_ms();
    return c->fd >= 0 ? c->now : c->now + (os_monotonic_ms() - c->behind);
}

/* Ask for ms to pass. */
static void ask(struct loop_clock *c, uint64_t ms, size_t watched)
{
    char line[80];
    ms = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
    int n = snprintf(line, sizeof line, "wait %llu %llu %zu\n", (unsigned long long)++c->waits,
                     (unsigned long long)ms, watched);
    ssize_t sent = write(c->fd, line, (size_t)n);
    (void)sent; /* a full or closed socket shows when it is read */
}

/* Take what was answered. True: time has passed, or the clock is gone. */
static bool answered(struct loop_clock *c)
{
    char line[64];
    bool passed = false;
    while (c->fd >= 0 && next_line(c, line)) {
        int64_t wait = 0, ms = 0;
        char *space = strchr(line, ' ');
        if (space == NULL)
            continue;
        *space = '\0';
        if (!text_int(line, 0, INT64_MAX, &wait) || !text_int(space + 1, 0, (int64_t)WAIT_MAX_MS, &ms) ||
            (uint64_t)wait != c->waits)
            continue;
        c->now += (uint64_t)ms;
        c->wall += ms;
        os_realtime_fix(c->wall);
        passed = true;
    }
    return passed || c->fd < 0;
}

int loop_clock_poll(struct loop_clock *c, struct pollfd *fds, size_t count, uint64_t ms)
{
    if (c == NULL || c->fd < 0)
        return poll(fds, (nfds_t)count, ms > INT_MAX ? INT_MAX : (int)ms);
    int ready = poll(fds, (nfds_t)count, 0);
    if (ready != 0 || ms == 0)
        return ready;
    ask(c, ms, count - 1);
    fds[count] = (struct pollfd){.fd = c->fd, .events = POLLIN};
    for (;;) {
        ready = poll(fds, (nfds_t)count + 1, -1);
        if (ready <= 0 || fds[count].revents == 0)
            return ready;
        if (answered(c) || ready > 1)
            return ready - 1;
    }
}
