/* marker: see the header. Markers of items that will be worked on again are taken away before the work. */
#include "agent/marker.h"
#include "core/files.h"
#include "core/log.h"

struct marker {
    int state;
};

struct sweep {
    const struct progress_run *run;
    int state;
};

static bool finished(const struct progress_item *it)
{
    return it->state == STATE_SUCCESS || it->state == STATE_SKIPPED;
}

static bool put(int state, const char *path, bool there)
{
    struct err e;
    struct stat st;
    bool ok = true;
    if (!there) {
        ok = files_remove(state, path, &e);
    } else if (!files_stat(state, path, &st, &e)) {
        ok = files_replace(state, path, "", 0, 0644, FILES_LAZY, &e);
    }
    if (!ok) {
        log_debug("marker %s: %s", path, e.text);
    }
    return ok;
}

static bool one(int state, const struct progress_item *it)
{
    char path[96];
    snprintf(path, sizeof path, "done/%s", it->id);
    return put(state, path, finished(it));
}

static bool stale(void *ctx, const char *name, const struct stat *st)
{
    struct sweep *s = ctx;
    char path[300];
    (void)st;
    for (int i = 0; i < s->run->count; i++) {
        if (strcmp(s->run->items[i].id, name) == 0) {
            return true;
        }
    }
    snprintf(path, sizeof path, "done/%s", name);
    put(s->state, path, false);
    return true;
}

static bool emit(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    struct marker *m = self;
    bool ok = true, all = true;
    if (ev->type == EVENT_ITEM_STATE) {
        return one(m->state, &r->items[ev->index]);
    }
    if (ev->type != EVENT_PLAN && ev->type != EVENT_RUN_END) {
        return true;
    }
    for (int i = 0; i < r->count; i++) {
        all = all && finished(&r->items[i]);
        ok = one(m->state, &r->items[i]) && ok;
    }
    if (ev->type == EVENT_PLAN) {
        struct sweep s = {r, m->state};
        struct err e;
        if (!files_list(m->state, "done", stale, &s, &e) && e.kind != ERR_NOT_FOUND) {
            ok = false;
        }
        return (all || put(m->state, "complete", false)) && ok;
    }
    if (r->items == NULL) {
        return ok; /* no decision was made: the last plan stands as it stood */
    }
    return put(m->state, "complete", all) && ok;
}

static void close_writer(void *self)
{
    free(self);
}

void marker_open(int state, struct progress_writer *w)
{
    struct marker *m = arena_heap(NULL, sizeof *m);
    m->state = state;
    *w = (struct progress_writer){.name = "the done markers", .self = m, .emit = emit, .close = close_writer};
}
