/* status: see the header. While a run goes on the file is replaced lazily: a power cut may show an older
 * picture, never a broken one. The last picture is made durable. */
#include "agent/status.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#define EVERY_MS 500

struct status {
    struct loop *loop;
    int state;
    const struct progress_run *run;
    uint64_t last, timer;
    bool dirty;
};

static json_t *when(int64_t ms)
{
    char out[32];
    if (ms == 0) {
        return json_null();
    }
    text_utc(out, (time_t)(ms / 1000), (int)(ms % 1000));
    return json_string(out);
}

static json_t *string_or_null(const char *s)
{
    json_t *j = s != NULL ? json_string(s) : NULL;
    return j != NULL ? j : json_null();
}

/* Of an item or of the run: null, or what failed, why, and what to do. */
static json_t *failure_json(bool has, const struct progress_failure *failure)
{
    if (!has) {
        return json_null();
    }
    json_t *f = json_object();
    enum cause named = failure->cause == CAUSE_NONE ? CAUSE_INTERNAL : failure->cause;
    json_object_set_new(f, "step", string_or_null(failure->step));
    json_object_set_new(f, "cause", json_string(err_cause_name(named)));
    json_object_set_new(f, "message", string_or_null(failure->message));
    json_object_set_new(f, "suggestion", json_string(err_suggestion(failure->cause)));
    json_object_set_new(f, "code", json_integer(failure->code));
    return f;
}

static json_t *item_json(const struct progress_item *it)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(it->id));
    json_object_set_new(o, "name", string_or_null(it->name));
    json_object_set_new(o, "display_name", string_or_null(it->display_name));
    json_object_set_new(o, "version", string_or_null(it->version));
    json_object_set_new(o, "action", json_string(it->removal ? "remove" : "install"));
    json_object_set_new(o, "kind", string_or_null(it->kind));
    json_object_set_new(o, "state", json_string(progress_state_name(it->state)));
    json_object_set_new(o, "stage", json_string(it->stage != NULL ? it->stage : "setup"));
    json_object_set_new(o, "pct", json_integer(it->pct));
    json_object_set_new(o, "bytes", json_integer((json_int_t)it->bytes));
    json_object_set_new(o, "bytes_total", json_integer(it->bytes_total));
    json_object_set_new(o, "attempt", json_integer(it->attempt));
    json_object_set_new(o, "attempts_max", json_integer(it->attempts_max));
    json_object_set_new(o, "started", when(it->started_ms));
    json_object_set_new(o, "finished", when(it->finished_ms));
    json_object_set_new(o, "verified", json_boolean(it->verified));
    json_object_set_new(o, "reason", string_or_null(it->reason));
    json_object_set_new(o, "failure", failure_json(it->has_failure, &it->failure));
    return o;
}

json_t *status_json(const struct progress_run *r)
{
    int counts[STATE_COUNT] = {0};
    json_t *o = json_object();
    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "version", json_string(DAYBREAK_VERSION));
    json_object_set_new(o, "run", json_string(r->run));
    json_object_set_new(o, "trigger", json_string(r->trigger));
    json_object_set_new(o, "state", json_string(r->state));
    json_object_set_new(o, "waiting_for", string_or_null(r->waiting_for));
    json_object_set_new(o, "result", string_or_null(r->result));
    json_object_set_new(o, "exit_code", r->result != NULL ? json_integer(r->exit_code) : json_null());
    json_object_set_new(o, "phase", json_string(r->phase));
    json_object_set_new(o, "started", when(r->started_ms));
    json_object_set_new(o, "updated", when(r->updated_ms));
    json_object_set_new(o, "finished", when(r->finished_ms));
    json_object_set_new(o, "manifest", string_or_null(r->manifest));
    json_object_set_new(o, "percent", json_integer(r->percent));
    json_object_set_new(o, "current", r->current >= 0 ? json_string(r->items[r->current].id) : json_null());
    json_object_set_new(o, "reboot", json_boolean(r->reboot));
    json_object_set_new(o, "trust", string_or_null(r->trust));
    json_object_set_new(o, "failure", failure_json(r->has_failure, &r->failure));
    json_t *items = json_array();
    for (int i = 0; i < r->count; i++) {
        counts[r->items[i].state]++;
        json_array_append_new(items, item_json(&r->items[i]));
    }
    json_t *c = json_object();
    json_object_set_new(c, "total", json_integer(r->count));
    for (int s = 0; s < STATE_COUNT; s++) {
        json_object_set_new(c, progress_state_name((enum progress_state)s), json_integer(counts[s]));
    }
    json_object_set_new(o, "counts", c);
    json_object_set_new(o, "items", items);
    return o;
}

static bool save(struct status *s, enum files_sync sync)
{
    struct err e;
    json_t *o = status_json(s->run);
    char *text = json_dumps(o, JSON_INDENT(1));
    json_decref(o);
    bool ok = text != NULL && files_replace(s->state, "status.json", text, strlen(text), 0644, sync, &e);
    free(text);
    s->last = loop_now(s->loop);
    s->dirty = !ok;
    return ok;
}

static void due(void *ctx)
{
    struct status *s = ctx;
    s->timer = 0;
    if (s->dirty && !save(s, FILES_LAZY)) {
        log_debug("status.json could not be written; tried again with the next change");
    }
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct status *s = self;
    s->run = r;
    s->dirty = true;
    if (ev->type == EVENT_RUN_END) {
        return save(s, FILES_DURABLE);
    }
    uint64_t since = loop_now(s->loop) - s->last;
    if (s->last == 0 || since >= EVERY_MS) {
        return save(s, FILES_LAZY);
    }
    if (s->timer == 0) {
        s->timer = loop_after(s->loop, EVERY_MS - since, due, s);
    }
    return true;
}

static void close_writer(void *self)
{
    struct status *s = self;
    if (s->timer != 0) {
        loop_cancel(s->loop, s->timer);
    }
    free(s);
}

void status_open(struct loop *l, int state, struct progress_writer *w)
{
    struct status *s = arena_heap(NULL, sizeof *s);
    *s = (struct status){.loop = l, .state = state};
    *w = (struct progress_writer){.name = "status.json", .self = s, .emit = emit, .close = close_writer};
}

json_t *status_read(int state, struct err *e)
{
    struct buf b;
    json_error_t why;
    json_t *o = NULL;
    buf_init(&b, LIMIT_STATUS);
    if (files_read(state, "status.json", &b, e)) {
        o = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES, &why);
        if (!json_is_object(o) || json_integer_value(json_object_get(o, "schema")) != 1) {
            err_set(e, ERR_FORMAT, CAUSE_FORMAT, "status.json is damaged: %s",
                    o == NULL ? why.text : "not an object of schema 1");
            json_decref(o);
            o = NULL;
        }
    }
    buf_release(&b);
    return o;
}
