/* terminal: see the header. Everything of one redraw goes out in one write, so that nothing flickers. */
#include "agent/terminal.h"
#include "core/buf.h"
#include "core/files.h"
#include "core/log.h"
#include "core/text.h"
#include <sys/ioctl.h>
#include <termios.h>

#define REDRAW_MS 100
#define SCREEN    (256 * 1024)

struct rate { /* bytes a second of a transfer, smoothed */
    uint64_t bytes;
    int64_t ms;
    double per_second;
};

struct terminal {
    struct arena *arena;
    struct loop *loop;
    int fd;
    bool tty, colour, quiet;
    bool shared;      /* standard error goes where we write */
    const char *told; /* a failure's sentence that has just been shown; or NULL */
    int drawn;        /* lines of bars on the screen now */
    uint64_t last;
    const struct progress_run *run;
    struct rate *rates;
    struct buf out;
};

static const char *paint(const struct terminal *t, const char *code)
{
    return t->colour ? code : "";
}

static void flush(struct terminal *t)
{
    struct err e;
    if (t->out.len > 0 && !files_write(t->fd, t->out.data, t->out.len, &e)) {
        t->quiet = true; /* nobody reads us any more: do not try again */
    }
    buf_clear(&t->out);
}

static void say(struct terminal *t, const char *fmt, ...) PRINTF(2, 3);
static void say(struct terminal *t, const char *fmt, ...)
{
    char text[2048];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    struct err e;
    if (!buf_append(&t->out, text, strlen(text), &e)) {
        flush(t);
    }
}

static int width(const struct terminal *t)
{
    struct winsize ws;
    if (ioctl(t->fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col >= 20) {
        return ws.ws_col;
    }
    return 80;
}

/* s in exactly n columns, a column a character: cut with "…" or filled with spaces. */
static void column(char *out, size_t size, const char *s, int n)
{
    size_t used = 0;
    int columns = 0;
    while (*s != '\0' && columns < n && used + 8 < size) {
        size_t bytes = 1;
        while (((unsigned char)s[bytes] & 0xc0) == 0x80) {
            bytes++;
        }
        if (columns == n - 1 && s[bytes] != '\0') {
            memcpy(out + used, "…", 3);
            used += 3;
            columns++;
            break;
        }
        memcpy(out + used, s, bytes);
        used += bytes;
        columns++;
        s += bytes;
    }
    while (columns++ < n && used + 1 < size) {
        out[used++] = ' ';
    }
    out[used] = '\0';
}

static const char *amount(char out[32], double bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    int u = 0;
    while (bytes >= 1000 && u < 4) {
        bytes /= 1000;
        u++;
    }
    snprintf(out, 32, u == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
    return out;
}

/* text, which begins in column used of the line, broken at spaces so that a terminal does not break it in a
 * word; what follows is indented by indent. Elsewhere it stays one line. */
static void wrapped(struct terminal *t, const char *text, int used, int indent)
{
    int columns = width(t), at = used;
    while (t->tty && columns - indent >= 20 && *text != '\0') {
        size_t bytes = 0, fits = 0;
        int room = columns - at, n = 0;
        for (; text[bytes] != '\0' && n <= room; n++) {
            if (text[bytes] == ' ') {
                fits = bytes;
            }
            do {
                bytes++;
            } while (((unsigned char)text[bytes] & 0xc0) == 0x80);
        }
        if (n <= room || fits == 0) {
            break;
        }
        say(t, "%.*s\n%*s", (int)fits, text, indent, "");
        text += fits + 1;
        at = indent;
    }
    say(t, "%s\n", text);
}

static void erase(struct terminal *t)
{
    for (; t->drawn > 0; t->drawn--) {
        say(t, "\033[1A\033[2K");
    }
}

static void bar(struct terminal *t, const struct progress_item *it, int columns)
{
    char name[128], have[32], total[32], speed[32], label[64];
    int name_columns = columns < 60 ? 16 : 28, bar_columns = columns < 76 ? 10 : 20;
    const struct rate *r = &t->rates[it - t->run->items];
    snprintf(label, sizeof label, "%s", it->display_name);
    column(name, sizeof name, label, name_columns);
    const char *word = it->state == STATE_INSTALLING ? (it->removal ? "removing" : "installing")
                                                     : progress_state_name(it->state);
    say(t, "  %s%s%s %-11s ", paint(t, "\033[1m"), name, paint(t, "\033[0m"), word);
    if (it->pct >= 0) {
        int full = it->pct * bar_columns / 100;
        say(t, "%s", paint(t, "\033[36m"));
        for (int i = 0; i < bar_columns; i++) {
            say(t, "%s", i < full ? "█" : "░");
        }
        say(t, "%s %3d%%", paint(t, "\033[0m"), it->pct);
    }
    if (it->state == STATE_DOWNLOADING && columns >= 76 && it->bytes_total > 0) {
        say(t, "  %s", columns < 96 ? "" : amount(have, (double)it->bytes));
        say(t, columns < 96 ? "%s" : " of %s", amount(total, (double)it->bytes_total));
        if (r->per_second > 0 && columns >= 110) {
            say(t, "  %s/s", amount(speed, r->per_second));
        }
    }
    say(t, "\n");
    t->drawn++;
}

static void draw(struct terminal *t)
{
    if (!t->tty || t->quiet || t->run == NULL) {
        return;
    }
    int columns = width(t), lines = 0;
    for (int i = 0; i < t->run->count && lines < 12; i++) {
        const struct progress_item *it = &t->run->items[i];
        if (it->state == STATE_DOWNLOADING || it->state == STATE_VERIFYING || it->state == STATE_INSTALLING ||
            it->state == STATE_RETRY_WAIT) {
            bar(t, it, columns);
            lines++;
        }
    }
    if (t->run->waiting_for != NULL) {
        char what[400];
        snprintf(what, sizeof what, "waiting for %s", t->run->waiting_for);
        char shown[1024];
        column(shown, sizeof shown, what,
               columns > 200 ? 200 : columns - 3); /* one line, or erase() would miss it */
        say(t, "  %s\n", shown);
        t->drawn++;
    }
    if (t->run->count > 0) {
        int done = 0;
        for (int i = 0; i < t->run->count; i++) {
            done += progress_state_final(t->run->items[i].state);
        }
        say(t, "  %s%d of %d done, %d%%%s\n", paint(t, "\033[2m"), done, t->run->count, t->run->percent,
            paint(t, "\033[0m"));
        t->drawn++;
    }
    t->last = loop_now(t->loop);
}

static void suggest(struct terminal *t, enum cause cause)
{
    const char *what = err_suggestion(cause);
    if (what[0] != '\0') {
        say(t, t->tty ? "      → " : "    try: ");
        wrapped(t, what, 8, 8);
    }
}

static void ended(struct terminal *t, const struct progress_item *it)
{
    const char *sign = "–", *colour = "\033[33m";
    char text[1200], title[200];
    snprintf(title, sizeof title, "%s %s", it->display_name, it->version);
    switch (it->state) {
    case STATE_SUCCESS:
        sign = "✓";
        colour = "\033[32m";
        snprintf(text, sizeof text, "%s%s%s%s", it->removal ? "removed" : "installed",
                 it->verified || it->removal ? "" : ", not verifiable", it->reason != NULL ? ": " : "",
                 it->reason != NULL ? it->reason : "");
        break;
    case STATE_SKIPPED:
        sign = "✓";
        colour = "\033[2m";
        snprintf(text, sizeof text, "%s", it->reason != NULL ? it->reason : "already installed");
        break;
    case STATE_FAILED:
    case STATE_BLOCKED:
        sign = "✗";
        colour = "\033[31m";
        snprintf(text, sizeof text, "%s: %s", progress_state_name(it->state),
                 it->has_failure ? it->failure.message
                                 : (it->reason != NULL ? it->reason : "no reason given"));
        break;
    case STATE_PENDING:
    case STATE_WAITING:
    case STATE_DOWNLOADING:
    case STATE_VERIFYING:
    case STATE_INSTALLING:
    case STATE_RETRY_WAIT:
    case STATE_DEFERRED:
    case STATE_CANCELLED:
    case STATE_COUNT:
        snprintf(text, sizeof text, "%s%s%s", progress_state_name(it->state), it->reason != NULL ? ": " : "",
                 it->reason != NULL ? it->reason : "");
        break;
    }
    if (t->tty) {
        char name[256];
        column(name, sizeof name, title, 36);
        say(t, "  %s%s%s %s  ", paint(t, colour), sign, paint(t, "\033[0m"), name);
        wrapped(t, text, 42, 6);
    } else {
        say(t, "%s: %s\n", title, text);
    }
    if (it->has_failure && (it->state == STATE_FAILED || it->state == STATE_BLOCKED)) {
        t->told = it->failure.message;
        suggest(t, it->failure.cause);
    }
}

static void the_end(struct terminal *t, const struct progress_run *r)
{
    static const struct {
        enum progress_state state;
        const char *word;
    } words[] = {{STATE_SUCCESS, "installed"}, {STATE_SKIPPED, "already there or not needed"},
                 {STATE_FAILED, "failed"},     {STATE_BLOCKED, "blocked"},
                 {STATE_DEFERRED, "deferred"}, {STATE_CANCELLED, "cancelled"},
                 {STATE_WAITING, "waiting"},   {STATE_PENDING, "to do"}};
    int counts[STATE_COUNT] = {0}, removed = 0;
    char text[400] = "";
    size_t n = 0;
    for (int i = 0; i < r->count; i++) {
        if (r->items[i].state == STATE_SUCCESS && r->items[i].removal) {
            removed++;
        } else {
            counts[r->items[i].state]++;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (counts[words[i].state] > 0) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%d %s", n > 0 ? ", " : "",
                                  counts[words[i].state], words[i].word);
        }
    }
    if (removed > 0) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%d removed", n > 0 ? ", " : "", removed);
    }
    double seconds = (double)(r->finished_ms - r->started_ms) / 1000.0;
    const char *word = strcmp(r->result, "ok") == 0 ? "Done" : "Finished";
    char line[800];
    snprintf(line, sizeof line, " in %.1f s%s%s%s (exit %d: %s)", seconds, n > 0 ? ": " : "", text,
             r->reboot ? "; a restart is pending" : "", r->exit_code, err_exit_meaning(r->exit_code));
    say(t, "%s%s%s", paint(t, "\033[1m"), word, paint(t, "\033[0m"));
    wrapped(t, line, (int)strlen(word), 4);
    if (r->has_failure) {
        suggest(t, r->failure.cause);
    }
}

static void measure(struct terminal *t, const struct progress_item *it, int64_t ms)
{
    struct rate *r = &t->rates[it - t->run->items];
    if (r->ms != 0 && ms > r->ms && it->bytes >= r->bytes) {
        double now = (double)(it->bytes - r->bytes) * 1000.0 / (double)(ms - r->ms);
        r->per_second = r->per_second > 0 ? r->per_second * 0.7 + now * 0.3 : now;
    }
    r->bytes = it->bytes;
    r->ms = ms;
}

static void plain_state(struct terminal *t, const struct progress_item *it)
{
    if (it->state == STATE_DOWNLOADING) {
        say(t, "%s %s: downloading\n", it->display_name, it->version);
    } else if (it->state == STATE_INSTALLING) {
        say(t, "%s %s: %s\n", it->display_name, it->version, it->removal ? "removing" : "installing");
    } else if (it->state == STATE_RETRY_WAIT || it->state == STATE_WAITING) {
        say(t, "%s %s: %s%s%s\n", it->display_name, it->version, progress_state_name(it->state),
            it->reason != NULL ? ": " : "", it->reason != NULL ? it->reason : "");
    }
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct terminal *t = self;
    t->run = r;
    if (ev->type == EVENT_ITEM_PROGRESS) {
        if (t->rates != NULL && r->items[ev->index].state == STATE_DOWNLOADING) {
            measure(t, &r->items[ev->index], ev->ms);
        }
        if (!t->tty || loop_now(t->loop) - t->last < REDRAW_MS) {
            return true;
        }
    }
    erase(t);
    switch (ev->type) {
    case EVENT_PLAN: {
        int todo = 0;
        t->rates = arena_array(t->arena, (size_t)r->count + 1, sizeof *t->rates);
        for (int i = 0; i < r->count; i++) {
            todo += !progress_state_final(r->items[i].state);
        }
        if (!t->quiet) {
            say(t, "%sManifest %s%s: %d item%s, %d to do\n", paint(t, "\033[1m"),
                r->manifest != NULL ? r->manifest : "(none)", paint(t, "\033[0m"), r->count,
                r->count == 1 ? "" : "s", todo);
            for (int i = 0; i < r->count; i++) {
                if (progress_state_final(r->items[i].state)) {
                    ended(t, &r->items[i]);
                }
            }
        }
        break;
    }
    case EVENT_ITEM_STATE: {
        const struct progress_item *it = &r->items[ev->index];
        bool bad = it->state == STATE_FAILED || it->state == STATE_BLOCKED;
        if (progress_state_final(it->state) && (!t->quiet || bad)) {
            ended(t, it);
        } else if (!t->tty && !t->quiet) {
            plain_state(t, it);
        }
        break;
    }
    case EVENT_NOTE:
        if (!t->tty && !t->quiet && ev->text != NULL) {
            say(t, "%s\n", ev->text);
        }
        break;
    case EVENT_RUN_END:
        the_end(t, r);
        t->run = NULL;
        break;
    case EVENT_RUN_BEGIN:
    case EVENT_PHASE:
    case EVENT_ITEM_PROGRESS:
    case EVENT_REBOOT:
        break;
    }
    draw(t);
    flush(t);
    return true;
}

static void log_line(void *ctx, enum log_level level, const char *line)
{
    struct terminal *t = ctx;
    struct err e;
    size_t n = strlen(line), end = n > 0 && line[n - 1] == '\n' ? n - 1 : n;
    size_t told = t->told != NULL ? strlen(t->told) : 0;
    bool again = t->shared && told > 0 && told <= end && strncmp(line + end - told, t->told, told) == 0;
    (void)level;
    t->told = NULL;
    if (again) {
        return; /* the line above says so already */
    }
    if (t->tty) {
        erase(t);
        flush(t);
    }
    if (!files_write(STDERR_FILENO, line, n, &e) ||
        (n > 0 && line[n - 1] != '\n' && !files_write(STDERR_FILENO, "\n", 1, &e))) {
        return;
    }
    if (t->tty) {
        draw(t);
        flush(t);
    }
}

static void close_writer(void *self)
{
    struct terminal *t = self;
    log_terminal(NULL, NULL);
    erase(t);
    flush(t);
    buf_release(&t->out);
    arena_free(t->arena);
}

void terminal_open(struct loop *l, int fd, bool quiet, struct progress_writer *w)
{
    struct arena *a = arena_open();
    struct terminal *t = arena_alloc(a, sizeof *t);
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    t->arena = a;
    t->loop = l;
    t->fd = fd;
    t->quiet = quiet;
    t->tty = isatty(fd) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    struct stat out, err;
    t->shared = fstat(fd, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev &&
                out.st_ino == err.st_ino;
    t->colour = t->tty && (no_color == NULL || *no_color == '\0');
    buf_init(&t->out, SCREEN);
    log_terminal(log_line, t);
    *w = (struct progress_writer){.name = "the terminal", .self = t, .emit = emit, .close = close_writer};
}
