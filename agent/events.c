/* events: see the header. The fields: seq run ts mono_ms type phase, and by type trigger, items, item index
 * total state pct bytes bytes_total attempt attempts_max reason, detail, result exit_code. */
#include "agent/events.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include <fcntl.h>
#include <jansson.h>

struct events {
    int fd;
    bool own;
};

static const char *type_name(enum progress_type t)
{
    static const char *const names[] = {"run.begin",     "plan", "phase.begin",    "item.state",
                                        "item.progress", "note", "reboot.pending", "run.end"};
    return names[t];
}

static void add_item(json_t *o, const struct progress_run *r, int index)
{
    const struct progress_item *it = &r->items[index];
    json_object_set_new(o, "item", json_string(it->id));
    json_object_set_new(o, "index", json_integer(index));
    json_object_set_new(o, "total", json_integer(r->count));
    json_object_set_new(o, "name", json_string(it->display_name));
    json_object_set_new(o, "version", json_string(it->version));
    json_object_set_new(o, "state", json_string(progress_state_name(it->state)));
    json_object_set_new(o, "pct", json_integer(it->pct));
    if (it->bytes_total >= 0 || it->bytes > 0) {
        json_object_set_new(o, "bytes", json_integer((json_int_t)it->bytes));
        json_object_set_new(o, "bytes_total", json_integer(it->bytes_total));
    }
    if (it->attempt > 0) {
        json_object_set_new(o, "attempt", json_integer(it->attempt));
        json_object_set_new(o, "attempts_max", json_integer(it->attempts_max));
    }
    if (it->has_failure && progress_state_final(it->state)) {
        json_object_set_new(o, "cause", json_string(err_cause_name(it->failure.cause)));
        json_object_set_new(o, "code", json_integer(it->failure.code));
    }
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct events *s = self;
    char ts[32];
    text_utc(ts, (time_t)(ev->ms / 1000), (int)(ev->ms % 1000));
    json_t *o = json_object();
    json_object_set_new(o, "seq", json_integer((json_int_t)ev->seq));
    json_object_set_new(o, "run", json_string(r->run));
    json_object_set_new(o, "ts", json_string(ts));
    json_object_set_new(o, "mono_ms", json_integer((json_int_t)ev->mono_ms));
    json_object_set_new(o, "type", json_string(type_name(ev->type)));
    json_object_set_new(o, "phase", json_string(r->phase));
    if (ev->type == EVENT_RUN_BEGIN) {
        json_object_set_new(o, "trigger", json_string(r->trigger));
        json_object_set_new(o, "version", json_string(DAYBREAK_VERSION));
    }
    if (ev->type == EVENT_PLAN) {
        json_t *items = json_array();
        for (int i = 0; i < r->count; i++) {
            json_t *row = json_object();
            add_item(row, r, i);
            json_object_set_new(row, "action", json_string(r->items[i].removal ? "remove" : "install"));
            json_array_append_new(items, row);
        }
        json_object_set_new(o, "total", json_integer(r->count));
        json_object_set_new(o, "items", items);
    }
    if (ev->index >= 0) {
        add_item(o, r, ev->index);
    }
    if (ev->text != NULL) {
        json_object_set_new(o, "detail", json_string(ev->text));
    }
    if (ev->type == EVENT_RUN_END) {
        json_object_set_new(o, "result", json_string(r->result));
        json_object_set_new(o, "exit_code", json_integer(r->exit_code));
        json_object_set_new(o, "reboot", json_boolean(r->reboot));
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text == NULL) {
        return false;
    }
    size_t n = strlen(text);
    text[n] = '\n'; /* in place of the NUL: one write a line */
    struct err e;
    bool ok = files_write(s->fd, text, n + 1, &e);
    free(text);
    return ok;
}

static void close_writer(void *self)
{
    struct events *s = self;
    if (s->own) {
        close(s->fd);
    }
    free(s);
}

static void make(int fd, bool own, struct progress_writer *w)
{
    struct events *s = arena_heap(NULL, sizeof *s);
    *s = (struct events){.fd = fd, .own = own};
    *w = (struct progress_writer){.name = "events.jsonl", .self = s, .emit = emit, .close = close_writer};
}

bool events_open(int dir, struct progress_writer *w, struct err *e)
{
    struct stat st;
    if (fstatat(dir, "events.jsonl", &st, AT_SYMLINK_NOFOLLOW) == 0 && (size_t)st.st_size > LIMIT_LOG_FILE &&
        !files_rename(dir, "events.jsonl", "events.jsonl.1", e)) {
        return false;
    }
    int fd = openat(dir, "events.jsonl", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        return err_sys(e, "events.jsonl");
    }
    make(fd, true, w);
    return true;
}

void events_stream(int fd, struct progress_writer *w)
{
    make(fd, false, w);
}
