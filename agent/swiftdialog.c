/* swiftdialog: see the header. A segment without ": " crashes swiftDialog 2, so no value is ever empty. */
#include "agent/swiftdialog.h"
#include "agent/watchfile.h"
#include "core/arena.h"
#include "core/loop.h"

#define PROGRESS_EVERY_MS 1000

struct swiftdialog {
    struct arena *arena;
    struct watchfile *file;
    enum swiftdialog_dialect dialect;
    int64_t *last; /* of each row's progress, Unix ms */
};

void swiftdialog_value(char *out, size_t size, const char *s)
{
    size_t n = 0;
    for (; *s != '\0' && n + 4 < size; s++) {
        if (strncmp(s, "<br>", 4) == 0) {
            s += 3;
        } else if (s[0] == '\\' && s[1] == 'n') {
            s++;
        } else if (s[0] == ':' && s[1] == ' ') {
            memcpy(out + n, " - ", 3);
            n += 3;
            s++;
        } else if (*s == ',') {
            out[n++] = ';';
        } else if (*s == '{' || *s == '}') {
            out[n++] = *s == '{' ? '(' : ')';
        } else {
            out[n++] = *s;
        }
    }
    out[n] = '\0';
    if (n == 0) {
        snprintf(out, size, "-");
    }
}

struct words {                             /* how each state reads in the three dialects */
    const char *status, *text;             /* listitem */
    const char *item, *item_message;       /* Inspect 1 to 3 */
    const char *trigger, *trigger_message; /* Inspect 4 to 6; NULL: nothing */
};

static struct words words_of(const struct progress_item *it, char *buffer, size_t size)
{
    const char *doing = it->removal ? "Removing" : "Installing",
               *done = it->removal ? "Removed" : "Installed";
    switch (it->state) {
    case STATE_PENDING:
        return (struct words){"pending", "Waiting", "pending", NULL, NULL, NULL};
    case STATE_WAITING:
        snprintf(buffer, size, "Waiting for %s", it->reason != NULL ? it->reason : "its turn");
        return (struct words){"pending", buffer, "pending", "Waiting", "update_message", "Waiting"};
    case STATE_DOWNLOADING:
        return (struct words){"wait", "Downloading", "downloading", NULL, "update_message", "Downloading"};
    case STATE_VERIFYING:
        return (struct words){"wait", "Verifying", "installing", "Verifying", "update_message", "Verifying"};
    case STATE_INSTALLING:
        return (struct words){"wait", doing, "installing", NULL, "update_message", doing};
    case STATE_RETRY_WAIT:
        return (struct words){"pending", "Retrying", "pending", "Retrying", "warning", "Retrying"};
    case STATE_SUCCESS:
        return (struct words){"success", done, "success", done, "success", done};
    case STATE_SKIPPED:
        return (struct words){"success",           "Already installed", "success",
                              "Already installed", "success",           "Already installed"};
    case STATE_FAILED:
        snprintf(buffer, size, "%s", it->has_failure ? it->failure.message : "Failed");
        return (struct words){"fail", "Failed", "failed", buffer, "failure", buffer};
    case STATE_BLOCKED:
        return (struct words){"error", "Skipped", "failed", "Blocked", "failure", "Blocked"};
    case STATE_DEFERRED:
        return (struct words){"pending", "Deferred", "pending", "Deferred", "warning", "Deferred"};
    case STATE_CANCELLED:
    case STATE_COUNT:
        break;
    }
    return (struct words){"error", "Cancelled", "failed", "Cancelled", "failure", "Cancelled"};
}

static bool put(struct swiftdialog *s, const char *line, bool *reopened)
{
    bool again = false;
    bool ok = watchfile_line(s->file, line, &again);
    if (again && reopened != NULL) {
        *reopened = true;
    }
    return ok;
}

static bool row(struct swiftdialog *s, const struct progress_run *r, int i, bool *reopened)
{
    const struct progress_item *it = &r->items[i];
    char buffer[400], value[440], line[900];
    struct words w = words_of(it, buffer, sizeof buffer);
    if (s->dialect == SWIFTDIALOG_LIST) {
        swiftdialog_value(value, sizeof value, w.text);
        if (it->state == STATE_DOWNLOADING && it->pct >= 0) {
            snprintf(line, sizeof line, "listitem: index: %d, progress: %d, statustext: %s", i, it->pct,
                     value);
        } else {
            snprintf(line, sizeof line, "listitem: index: %d, status: %s, statustext: %s", i, w.status,
                     value);
        }
        return put(s, line, reopened);
    }
    if (s->dialect == SWIFTDIALOG_INSPECT_ITEMS) {
        snprintf(line, sizeof line, "item:%s:%s%s%s", it->id, w.item, w.item_message != NULL ? ":" : "",
                 w.item_message != NULL ? w.item_message : "");
        return put(s, line, reopened);
    }
    if (it->state == STATE_DOWNLOADING && it->pct >= 0) {
        snprintf(line, sizeof line, "progress:%s:%d", it->id, it->pct);
        return put(s, line, reopened);
    }
    if (w.trigger == NULL) {
        return true;
    }
    snprintf(line, sizeof line, "%s:%s:%s", w.trigger, it->id, w.trigger_message);
    return put(s, line, reopened);
}

static bool overall(struct swiftdialog *s, const struct progress_run *r, bool *reopened)
{
    char line[64];
    int done = 0;
    if (s->dialect != SWIFTDIALOG_LIST) {
        return true;
    }
    for (int i = 0; i < r->count; i++) {
        done += progress_state_final(r->items[i].state);
    }
    snprintf(line, sizeof line, "progress: %d", done);
    return put(s, line, reopened);
}

static bool everything(struct swiftdialog *s, const struct progress_run *r)
{
    bool ok = true;
    for (int i = 0; i < r->count; i++) {
        ok = row(s, r, i, NULL) && ok;
    }
    return overall(s, r, NULL) && ok;
}

static bool text_line(struct swiftdialog *s, const char *verb, const char *text, bool *reopened)
{
    char line[600];
    if (s->dialect != SWIFTDIALOG_LIST) {
        return true;
    }
    snprintf(line, sizeof line, "%s: %s", verb, text);
    return put(s, line, reopened);
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct swiftdialog *s = self;
    bool ok = true, reopened = false;
    char text[300];
    switch (ev->type) {
    case EVENT_PLAN:
        s->last = arena_array(s->arena, (size_t)r->count + 1, sizeof *s->last);
        return everything(s, r);
    case EVENT_ITEM_PROGRESS:
        if (r->items[ev->index].state != STATE_DOWNLOADING ||
            ev->ms - s->last[ev->index] < PROGRESS_EVERY_MS) {
            return true;
        }
        s->last[ev->index] = ev->ms;
        ok = row(s, r, ev->index, &reopened);
        break;
    case EVENT_ITEM_STATE:
        ok = row(s, r, ev->index, &reopened);
        if (r->items[ev->index].state == STATE_INSTALLING) {
            snprintf(text, sizeof text, "%s %.200s (%d of %d)",
                     r->items[ev->index].removal ? "Removing" : "Installing",
                     r->items[ev->index].display_name, ev->index + 1, r->count);
            ok = text_line(s, "progresstext", text, &reopened) && ok;
        }
        if (progress_state_final(r->items[ev->index].state)) {
            ok = overall(s, r, &reopened) && ok;
        }
        break;
    case EVENT_NOTE:
        if (r->waiting_for != NULL && ev->index < 0) {
            snprintf(text, sizeof text, "Waiting for %.200s", r->waiting_for);
            ok = text_line(s, "progresstext", text, &reopened);
        }
        break;
    case EVENT_RUN_END:
        if (strcmp(r->result, "ok") == 0) {
            ok = text_line(s, "progress", "complete", &reopened) &&
                 text_line(s, "progresstext", "Done", &reopened);
        } else {
            ok = text_line(s, "progresstext", "Finished with errors", &reopened);
        }
        if (r->reboot) {
            ok = text_line(s, "button1text", "Restart", &reopened) && ok;
        }
        ok = text_line(s, "button1", "enable", &reopened) && ok;
        break;
    case EVENT_RUN_BEGIN:
    case EVENT_PHASE:
    case EVENT_REBOOT:
        break;
    }
    return reopened && r->items != NULL ? everything(s, r) && ok : ok;
}

static bool resync(void *self, const struct progress_run *r, int64_t ms)
{
    (void)ms;
    return everything(self, r);
}

static void close_writer(void *self)
{
    struct swiftdialog *s = self;
    watchfile_free(s->file);
    arena_free(s->arena);
}

bool swiftdialog_open(int root, const char *path, enum swiftdialog_dialect dialect, struct progress_writer *w,
                      struct err *e)
{
    struct watchfile *file = watchfile_open(root, path, WATCHFILE_APPEND, e);
    if (file == NULL) {
        return false;
    }
    struct arena *a = arena_open();
    struct swiftdialog *s = arena_alloc(a, sizeof *s);
    s->arena = a;
    s->file = file;
    s->dialect = dialect;
    *w = (struct progress_writer){.name = "swiftDialog's file",
                                  .self = s,
                                  .emit = emit,
                                  .close = close_writer,
                                  .resync = resync,
                                  .reader = "/Dialog.app/Contents/MacOS/Dialog"};
    return true;
}
