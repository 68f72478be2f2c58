/* splashbuddy: see the header. Its reader keeps the last line a row; a row that stays red keeps the person
 * out, so a failure is written only when it is final. */
#include "agent/splashbuddy.h"
#include "agent/watchfile.h"
#include "core/os.h"
#include "core/text.h"

struct splashbuddy {
    struct arena *arena;
    struct watchfile *file;
    char host[64];
    bool *announced; /* rows whose Installing line was written */
    int count;
    bool again; /* another file stands there: it has none of the rows */
};

static bool plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

static void squeeze(char out[65], const char *s, bool spaces)
{
    size_t n = 0;
    for (; *s != '\0' && n < 64; s++) {
        char c = plain(*s) || (spaces && *s == ' ') ? *s : '_';
        bool made = c == '_' && *s != '_';
        if (made && n > 0 && out[n - 1] == '_' && !plain(s[-1])) {
            continue; /* one underscore a run */
        }
        if (c == ' ' && (n == 0 || out[n - 1] == ' ')) {
            continue;
        }
        out[n++] = c;
    }
    while (n > 0 && out[n - 1] == ' ') {
        n--;
    }
    out[n] = '\0';
}

void splashbuddy_name(char out[65], const char *display_name)
{
    squeeze(out, display_name, true);
}

void splashbuddy_version(char out[65], const char *version)
{
    squeeze(out, version, false);
    if (out[0] == '\0') {
        snprintf(out, 65, "0");
    }
}

static bool line(struct splashbuddy *s, int64_t ms, const struct progress_item *it, const char *before,
                 const char *after)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char name[65], version[65], text[400];
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    if (localtime_r(&t, &tm) == NULL) {
        return false;
    }
    splashbuddy_name(name, it->display_name);
    splashbuddy_version(version, it->version);
    snprintf(text, sizeof text, "%s %s %2d %02d:%02d:%02d %s daybreak[%ld]: %s%s-%s%s", days[tm.tm_wday],
             months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, s->host, (long)getpid(), before,
             name, version, after);
    bool again = false;
    bool ok = watchfile_line(s->file, text, &again);
    s->again = s->again || again;
    return ok;
}

static bool row(struct splashbuddy *s, const struct progress_run *r, int i, int64_t ms)
{
    const struct progress_item *it = &r->items[i];
    if (it->removal) {
        return true;
    }
    switch (it->state) {
    case STATE_DOWNLOADING:
    case STATE_VERIFYING:
    case STATE_INSTALLING:
        if (s->announced[i]) {
            return true;
        }
        s->announced[i] = true;
        return line(s, ms, it, "Installing ", ".pkg...");
    case STATE_SUCCESS:
    case STATE_SKIPPED:
        return line(s, ms, it, "Successfully installed ", ".pkg.");
    case STATE_FAILED:
    case STATE_BLOCKED:
    case STATE_CANCELLED:
        return line(s, ms, it, "Installation failed. The installer reported: installer: Package name is ",
                    "");
    case STATE_PENDING:
    case STATE_WAITING:
    case STATE_RETRY_WAIT:
    case STATE_DEFERRED:
    case STATE_COUNT:
        break;
    }
    return true;
}

static bool resync(void *self, const struct progress_run *r, int64_t ms)
{
    struct splashbuddy *s = self;
    bool ok = true;
    for (int i = 0; i < s->count; i++) {
        s->announced[i] = false;
        ok = row(s, r, i, ms) && ok;
    }
    s->again = false;
    return ok;
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct splashbuddy *s = self;
    if (ev->type == EVENT_PLAN) {
        s->announced = arena_array(s->arena, (size_t)r->count + 1, sizeof *s->announced);
        s->count = r->count;
        return resync(s, r, ev->ms);
    }
    bool ok = ev->type != EVENT_ITEM_STATE || row(s, r, ev->index, ev->ms);
    return s->again ? resync(s, r, ev->ms) && ok : ok;
}

static void close_writer(void *self)
{
    struct splashbuddy *s = self;
    watchfile_free(s->file);
    arena_free(s->arena);
}

bool splashbuddy_open(int root, const char *path, bool reading, struct progress_writer *w, struct err *e)
{
    struct os_uname u;
    enum watchfile_start start = WATCHFILE_ROTATE;
    if (reading || strcmp(text_basename(path), "jamf.log") == 0) {
        start = WATCHFILE_APPEND;
    }
    struct watchfile *file = watchfile_open(root, path, start, e);
    if (file == NULL) {
        return false;
    }
    struct arena *a = arena_open();
    struct splashbuddy *s = arena_alloc(a, sizeof *s);
    s->arena = a;
    s->file = file;
    os_uname_get(&u);
    size_t n = 0;
    for (const char *c = u.node; *c != '\0' && *c != '.' && n < sizeof s->host - 1; c++) {
        if ((plain(*c) && *c != '.' && *c != '_') || *c == '-') {
            s->host[n++] = *c;
        }
    }
    if (n == 0) {
        snprintf(s->host, sizeof s->host, "mac");
    }
    *w = (struct progress_writer){.name = "SplashBuddy's log",
                                  .self = s,
                                  .emit = emit,
                                  .close = close_writer,
                                  .resync = resync,
                                  .reader = SPLASHBUDDY_READER};
    return true;
}
