/* log: invariants.
 *
 * A line is made whole, redacted, escaped, cut, and only then written, with one write: secrets are found
 * before a cut could leave half of one, and lines of several processes do not mix. Nothing here fails loudly:
 * what cannot reach the file reaches standard error. */
#include "core/log.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <syslog.h>

#define MARK "•••" /* three characters of three bytes */
enum { MARK_LEN = sizeof MARK - 1, GENERATIONS = 5, ITEM_MAX = 128, SECRET_MIN = 4 };

static struct {
    int fd;
    enum log_level file, terminal;
    void (*fn)(void *ctx, enum log_level level, const char *line);
    void *ctx;
    void (*copy)(enum log_level level, const char *line);
    char item[ITEM_MAX];
    char *secrets[LIMIT_SECRETS];
    size_t secret_count;
} state = {.fd = -1, .file = LOG_LEVEL_INFO, .terminal = LOG_LEVEL_WARN};

/* --- the file ------------------------------------------------------------------------------------------- */

static bool rotate(int dir, const char *name, struct err *e)
{
    char from[LIMIT_NAME + 1], to[LIMIT_NAME + 1];
    for (int i = GENERATIONS - 1; i >= 0; i--) {
        snprintf(to, sizeof to, "%s.%d", name, i);
        if (i > 0)
            snprintf(from, sizeof from, "%s.%d", name, i - 1);
        else
            snprintf(from, sizeof from, "%s", name);
        if (renameat(dir, from, dir, to) < 0 && errno != ENOENT)
            return err_sys(e, "cannot rotate the log %s", from);
    }
    return true;
}

static int open_log(int dir, const char *name, struct stat *st, struct err *e)
{
    int fd = openat(dir, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                    0600);
    if (fd < 0 || fstat(fd, st) < 0) {
        err_sys(e, "log %s", name);
    } else if (!S_ISREG(st->st_mode)) {
        err_set(e, ERR_SYS, CAUSE_INTERNAL, "log %s: not a regular file", name);
    } else if (fchmod(fd, 0644) < 0) {
        err_sys(e, "log %s", name);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

bool log_open(int dir, const char *name, struct err *e)
{
    struct stat st;
    log_close();
    int fd = open_log(dir, name, &st, e);
    if (fd >= 0 && st.st_size > (off_t)LIMIT_LOG_FILE) {
        close(fd);
        fd = rotate(dir, name, e) ? open_log(dir, name, &st, e) : -1;
    }
    state.fd = fd;
    return fd >= 0;
}

void log_close(void)
{
    if (state.fd >= 0)
        close(state.fd);
    state.fd = -1;
}

void log_levels(enum log_level file, enum log_level terminal)
{
    state.file = file;
    state.terminal = terminal;
}

void log_terminal(void (*fn)(void *ctx, enum log_level level, const char *line), void *ctx)
{
    state.fn = fn;
    state.ctx = ctx;
}

void log_copy(void (*fn)(enum log_level level, const char *line))
{
    state.copy = fn;
}

void log_syslog(enum log_level level, const char *line)
{
    /* a Mac keeps nothing below NOTICE for longer than it has memory for */
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_DEBUG, LOG_DEBUG};
    static bool opened;
    if (!opened)
        openlog("daybreak", LOG_PID, LOG_DAEMON);
    opened = true;
    syslog(priorities[level], "%s", line);
}

void log_item(const char *item)
{
    text_printable_into(state.item, sizeof state.item, item ? item : "", item ? strlen(item) : 0);
}

/* --- secrets -------------------------------------------------------------------------------------------- */

void log_secret(const char *s)
{
    if (strlen(s) < SECRET_MIN)
        return;
    for (size_t i = 0; i < state.secret_count; i++)
        if (strcmp(state.secrets[i], s) == 0)
            return;
    if (state.secret_count == LIMIT_SECRETS) {
        log_error("more than %d secrets are registered: one more would not be redacted", LIMIT_SECRETS);
        exit(EXIT_USAGE);
    }
    size_t n = strlen(s);
    char *copy = arena_heap(NULL, n + 1);
    memcpy(copy, s, n + 1);
    state.secrets[state.secret_count++] = copy;
}

/* Length of the longest registered secret that stands at s, or 0. */
static size_t secret_at(const char *s)
{
    size_t longest = 0;
    for (size_t i = 0; i < state.secret_count; i++) {
        size_t n = strlen(state.secrets[i]);
        if (n > longest && strncmp(s, state.secrets[i], n) == 0)
            longest = n;
    }
    return longest;
}

/* Length of the "user:password" that begins a URL's authority at s, or 0 when no '@' ends one. */
static size_t credentials_at(const char *s)
{
    size_t n = 0;
    for (size_t i = 0; s[i] && !strchr("/?#\"'<> \t\r\n", s[i]); i++)
        if (s[i] == '@')
            n = i;
    return n;
}

/* Copy s to out without its secrets; out may be s. A mark is cut to the room of what it replaces, unless
 * whole: then it is always written in full, and out must be longer than s: three times is enough. */
static void redact(char *out, const char *s, bool whole)
{
    size_t at = 0;
    char before[3] = {0}; /* what stood before s: in place, it may be overwritten already */
    while (*s) {
        size_t n = secret_at(s), user = memcmp(before, "://", 3) == 0 ? credentials_at(s) : 0;
        n = user > n ? user : n;
        size_t step = n ? n : 1;
        char last[3];
        for (size_t i = 0; i < 3; i++) {
            size_t back = 3 - i; /* the character that many places before the new position */
            last[i] = step >= back ? s[step - back] : before[3 + step - back];
        }
        if (n == 0) {
            out[at++] = *s;
        } else {
            size_t mark = whole || n >= MARK_LEN ? MARK_LEN : n / 3 * 3;
            memcpy(out + at, mark ? MARK : "*", mark ? mark : 1);
            at += mark ? mark : 1;
        }
        memcpy(before, last, 3);
        s += step;
    }
    out[at] = '\0';
}

void log_redact(char *s)
{
    redact(s, s, false);
}

/* --- lines ---------------------------------------------------------------------------------------------- */

static void to_terminal(enum log_level level, char *line)
{
    if (state.fn) {
        state.fn(state.ctx, level, line);
        return;
    }
    size_t n = strlen(line);
    line[n] = '\n';
    ssize_t k = write(STDERR_FILENO, line, n + 1);
    (void)k;
    line[n] = '\0';
}

static void write_line(enum log_level level, const char *fmt, va_list ap) PRINTF(2, 0);
static void write_line(enum log_level level, const char *fmt, va_list ap)
{
    static const char *const names[] = {"ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"};
    char line[LIMIT_LOG_LINE + 2], stamp[32];
    time_t seconds;
    va_list again;
    int ms, saved = errno;
    if (level > state.terminal && (level > state.file || (state.fd < 0 && !state.copy)))
        return;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    size_t size = n < 0 ? strlen(fmt) + 1 : (size_t)n + 1;
    char *raw = arena_heap(NULL, size), *clean = arena_heap(NULL, 3 * size);
    if (n < 0 || vsnprintf(raw, size, fmt, ap) < 0)
        memcpy(raw, fmt, strlen(fmt) + 1 < size ? strlen(fmt) + 1 : size);
    redact(clean, raw, true);

    os_realtime(&seconds, &ms);
    text_local(stamp, seconds, ms);
    int head = snprintf(line, sizeof line, "%s %s %s%s%s", stamp, names[level], state.item[0] ? "[" : "",
                        state.item, state.item[0] ? "] " : "");
    text_printable_into(line + head, LIMIT_LOG_LINE - (size_t)head, clean, strlen(clean));
    free(raw);
    free(clean);

    bool lost = false;
    if (level <= state.file && state.fd >= 0) {
        size_t len = strlen(line);
        line[len] = '\n';
        lost = write(state.fd, line, len + 1) != (ssize_t)len + 1;
        line[len] = '\0';
    }
    if (level <= state.file && state.copy)
        state.copy(level, line + strlen(stamp) + 1);
    if (level <= state.terminal || lost)
        to_terminal(level, line + strlen(stamp) + 1);
    errno = saved;
}

#define AT(level)                                                                                            \
    va_list ap;                                                                                              \
    va_start(ap, fmt);                                                                                       \
    write_line(level, fmt, ap);                                                                              \
    va_end(ap)

void log_write(enum log_level level, const char *fmt, ...)
{
    AT(level);
}

void log_error(const char *fmt, ...)
{
    AT(LOG_LEVEL_ERROR);
}

void log_warn(const char *fmt, ...)
{
    AT(LOG_LEVEL_WARN);
}

void log_info(const char *fmt, ...)
{
    AT(LOG_LEVEL_INFO);
}

void log_debug(const char *fmt, ...)
{
    AT(LOG_LEVEL_DEBUG);
}
