/* depnotify: see the header. Its reader deletes every "Status: " and "Command: " inside a line, so names must
 * not contain them. */
#include "agent/depnotify.h"
#include "agent/watchfile.h"

struct depnotify {
    struct watchfile *file;
    char last[512]; /* the last Status, so that an equal one is not repeated */
    bool again;     /* another file stands there */
};

/* Text without the words that the reader would take out of it. */
static void clean(char *out, size_t size, const char *s)
{
    size_t n = 0;
    while (*s != '\0' && n + 1 < size) {
        if (strncmp(s, "Status: ", 8) == 0 || strncmp(s, "Command: ", 9) == 0) {
            s += *s == 'S' ? 8 : 9;
            continue;
        }
        out[n++] = *s++;
    }
    out[n] = '\0';
}

static bool say(struct depnotify *d, const char *text)
{
    bool again = false;
    bool ok = watchfile_line(d->file, text, &again);
    d->again = d->again || again;
    return ok;
}

static bool status(struct depnotify *d, const char *before, const char *name, const char *after)
{
    char text[512], safe[400];
    clean(safe, sizeof safe, name);
    snprintf(text, sizeof text, "Status: %s%s%s", before, safe, after);
    if (strcmp(text, d->last) == 0) {
        return true;
    }
    snprintf(d->last, sizeof d->last, "%s", text);
    return say(d, text);
}

static bool command(struct depnotify *d, const char *text)
{
    char out[600];
    snprintf(out, sizeof out, "Command: %s", text);
    return say(d, out);
}

static bool item(struct depnotify *d, const struct progress_item *it)
{
    char after[64];
    const char *name = it->display_name;
    switch (it->state) {
    case STATE_WAITING:
        return status(d, "Waiting for ", it->reason != NULL ? it->reason : name, "");
    case STATE_DOWNLOADING:
        return status(d, "Downloading ", name, "");
    case STATE_VERIFYING:
        return status(d, "Verifying ", name, "");
    case STATE_INSTALLING:
        return status(d, it->removal ? "Removing " : "Installing ", name, "");
    case STATE_RETRY_WAIT:
        snprintf(after, sizeof after, " (%d of %d)", it->attempt, it->attempts_max);
        return status(d, "Retrying ", name, it->attempts_max > 0 ? after : "");
    case STATE_DEFERRED:
        return status(d, "Deferred ", name, "");
    case STATE_SUCCESS:
        return status(d, it->removal ? "Removed " : "Installed ", name, "") &&
               command(d, "DeterminateManualStep: 1");
    case STATE_SKIPPED:
        return command(d, "DeterminateManualStep: 1");
    case STATE_FAILED:
    case STATE_BLOCKED:
        return status(d, "", name, " failed") && command(d, "DeterminateManualStep: 1");
    case STATE_PENDING:
    case STATE_CANCELLED:
    case STATE_COUNT:
        break;
    }
    return true;
}

/* Its reader takes up the last ten lines, whatever they are: so the bar is brought to nothing first, then to
 * where it is, and the last Status stands last. */
static bool resync(void *self, const struct progress_run *r, int64_t ms)
{
    struct depnotify *d = self;
    char text[64], last[sizeof d->last];
    int done = 0;
    (void)ms;
    for (int i = 0; i < r->count; i++) {
        enum progress_state s = r->items[i].state;
        done += progress_state_final(s) && s != STATE_CANCELLED && s != STATE_DEFERRED;
    }
    bool ok = command(d, "DeterminateOffReset:");
    if (r->count > 0) {
        snprintf(text, sizeof text, "DeterminateManual: %d", r->count);
        ok = command(d, text) && ok;
    }
    if (done > 0) {
        snprintf(text, sizeof text, "DeterminateManualStep: %d", done);
        ok = command(d, text) && ok;
    }
    snprintf(last, sizeof last, "%s", d->last);
    if (last[0] != '\0') {
        ok = say(d, last) && ok;
    }
    d->again = false;
    return ok;
}

static bool tell(struct depnotify *d, const struct progress_run *r, const struct progress_event *ev)
{
    char text[64];
    bool ok = true;
    switch (ev->type) {
    case EVENT_PLAN:
        if (r->count > 0) {
            snprintf(text, sizeof text, "DeterminateManual: %d", r->count);
            ok = command(d, text);
        }
        for (int i = 0; i < r->count; i++) { /* rows that are final from the start */
            ok = item(d, &r->items[i]) && ok;
        }
        return ok;
    case EVENT_ITEM_STATE:
        return item(d, &r->items[ev->index]);
    case EVENT_NOTE:
        return r->waiting_for != NULL && ev->index < 0 ? status(d, "Waiting for ", r->waiting_for, "") : true;
    case EVENT_RUN_END:
        ok = command(d, "DeterminateOffReset:");
        ok = status(d, strcmp(r->result, "ok") == 0 ? "Done" : "Finished with errors", "", "") && ok;
        return command(d, r->reboot ? "ContinueButtonRestart: Restart" : "ContinueButton: Continue") && ok;
    case EVENT_RUN_BEGIN:
    case EVENT_PHASE:
    case EVENT_ITEM_PROGRESS:
    case EVENT_REBOOT:
        break;
    }
    return true;
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct depnotify *d = self;
    bool ok = tell(d, r, ev);
    if (!d->again || r->items == NULL) {
        return ok;
    }
    ok = resync(d, r, ev->ms) && ok;
    return ev->type == EVENT_RUN_END ? tell(d, r, ev) && ok : ok; /* the button's command must be the last */
}

static void close_writer(void *self)
{
    struct depnotify *d = self;
    watchfile_free(d->file);
    free(d);
}

bool depnotify_open(int root, const char *path, struct progress_writer *w, struct err *e)
{
    struct watchfile *file = watchfile_open(root, path, WATCHFILE_FRESH, e);
    if (file == NULL) {
        return false;
    }
    struct depnotify *d = arena_heap(NULL, sizeof *d);
    *d = (struct depnotify){.file = file};
    *w = (struct progress_writer){.name = "DEPNotify's file",
                                  .self = d,
                                  .emit = emit,
                                  .close = close_writer,
                                  .resync = resync,
                                  .reader = "/DEPNotify.app/Contents/MacOS/DEPNotify"};
    return true;
}
