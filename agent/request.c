/* request: see the header. The count is kept in state/requests, a line "UID TIME" each; what is older than a
 * day is dropped. A damaged file counts as empty: at worst somebody gets a run more. */
#include "agent/request.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAUSE_S     600
#define DAY_S       86400
#define A_DAY       6
#define ANSWER_MS   5000
#define AT_ONCE_MAX 32

bool request_ask(const char *root_path, char answer[256], struct err *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = 0;
    int n = snprintf(to.sun_path, sizeof to.sun_path, "%s%s" REQUEST_SOCKET, root_path,
                     text_ends(root_path, "/") ? "" : "/");
    if (n < 0 || (size_t)n >= sizeof to.sun_path) {
        return err_set(e, ERR_USAGE, CAUSE_NONE, "%s: too long a path for a socket", root_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        bool nobody = errno == ENOENT || errno == ECONNREFUSED;
        err_sys(e, "%s", to.sun_path);
        if (nobody) {
            err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "no daemon listens at %s: is its job loaded?", to.sun_path);
        }
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (len < 255 && poll(&p, 1, ANSWER_MS) > 0) {
        ssize_t got = read(fd, answer + len, 255 - len);
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    close(fd);
    answer[len] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    return len > 0 || err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "the daemon did not answer");
}

/* Count uid's requests of the last day in file; fresh gets the lines that still count. *last: its latest. */
static int count(const struct buf *file, struct buf *fresh, long long uid, time_t now, time_t *last)
{
    int n = 0;
    *last = 0;
    for (const char *p = buf_str(file); *p != '\0';) {
        char line[64];
        const char *end = strchr(p, '\n');
        size_t len = end != NULL ? (size_t)(end - p) : strlen(p);
        int64_t who, when;
        snprintf(line, sizeof line, "%.*s", (int)(len < 63 ? len : 63), p);
        p += len + (end != NULL);
        char *space = strchr(line, ' ');
        if (space == NULL) {
            continue;
        }
        *space = '\0';
        if (!text_int(line, 0, INT64_MAX, &who) || !text_int(space + 1, 0, INT64_MAX / 2, &when) ||
            when > now || now - when >= DAY_S) {
            continue;
        }
        if (!buf_printf(fresh, "%lld %lld\n", (long long)who, (long long)when)) {
            break;
        }
        if (who == uid) {
            n++;
            *last = (time_t)when > *last ? (time_t)when : *last;
        }
    }
    return n;
}

/* May uid have a run now? The answer is one line in out. */
static bool grant(int state, long long uid, time_t now, bool busy, char *out, size_t size)
{
    struct buf file, fresh;
    struct err e;
    time_t last;
    bool granted = false;
    if (busy) {
        snprintf(out, size, "a run is under way\n");
        return false;
    }
    buf_init(&file, LIMIT_LOG_LINE * 16);
    buf_init(&fresh, LIMIT_LOG_LINE * 16);
    if (!files_read(state, "requests", &file, &e) && e.kind != ERR_NOT_FOUND) {
        log_warn("requests: %s; counted anew", e.text);
        buf_clear(&file);
    }
    int n = count(&file, &fresh, uid, now, &last);
    if (n >= A_DAY) {
        snprintf(out, size, "refused: %d runs were asked for in a day\n", n);
    } else if (last != 0 && now - last < PAUSE_S) {
        snprintf(out, size, "refused: ask again in %lld s\n", (long long)(PAUSE_S - (now - last)));
    } else if (!buf_printf(&fresh, "%lld %lld\n", uid, (long long)now) ||
               !files_replace(state, "requests", fresh.data, fresh.len, 0600, FILES_LAZY, &e)) {
        snprintf(out, size, "refused: requests cannot be counted\n");
    } else {
        snprintf(out, size, "granted: a run begins\n");
        granted = true;
    }
    buf_release(&file);
    buf_release(&fresh);
    return granted;
}

int request_answer(int state, int listener, time_t now, bool busy)
{
    int granted = 0;
    for (int i = 0; i < AT_ONCE_MAX; i++) {
        char line[128];
        uid_t uid;
        struct err e;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            return granted;
        }
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
            !os_peer_uid(fd, &uid, &e)) {
            close(fd); /* nobody can be named for it: no answer */
            continue;
        }
        bool yes = grant(state, (long long)uid, now, busy || granted > 0, line, sizeof line);
        log_info("user %ld asks for a run: %.*s", (long)uid, (int)strcspn(line, "\n"), line);
        granted += yes;
        if (!files_write(fd, line, strlen(line), &e)) {
            log_debug("user %ld is gone: %s", (long)uid, e.text);
        }
        close(fd);
    }
    return granted;
}
