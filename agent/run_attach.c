/* Somebody else's run: it is shown as its status.json tells it, and never touched. */
#include "agent/run_internal.h"
#include "agent/status.h"
#include "core/text.h"

#define ATTACH_STEP_MS 250

static const char *text_of(const json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));
    return text != NULL ? text : "";
}

static bool has_ended(const json_t *status)
{
    return strcmp(text_of(status, "state"), "finished") == 0 &&
           json_is_integer(json_object_get(status, "exit_code"));
}

/* What it is at, on a line of its own where that is not what was shown last. */
static void show(const json_t *status, char last[300])
{
    char line[300];
    const char *current = text_of(status, "current"), *waits = text_of(status, "waiting_for");
    snprintf(line, sizeof line, "%3d%%  %s%s", (int)json_integer_value(json_object_get(status, "percent")),
             *waits != '\0' ? "waiting for " : "", *waits != '\0' ? waits : current);
    if (strcmp(line, last) == 0) {
        return;
    }
    printf("%s\n", line);
    fflush(stdout);
    snprintf(last, sizeof line, "%s", line);
}

/* Somebody holds the lock. With a terminal: show that run until it ends, and end with its code. A run that
 * was killed has none: its status.json is still that of a run under way, or of the run before it. */
int run_attach(struct session *s, const struct options *o)
{
    char since[32] = "some time ago", last[300] = "", before[64] = "";
    struct err e;
    if (s->holder.since != 0) {
        text_local(since, s->holder.since, -1);
    }
    json_t *status = status_read(s->target.state, &e);
    if (has_ended(status)) {
        snprintf(before, sizeof before, "%s", text_of(status, "run"));
    }
    fprintf(stderr, "daybreak: another run holds the lock: process %ld, since %s, at %s\n",
            (long)s->holder.pid, since,
            *text_of(status, "current") != '\0' ? text_of(status, "current") : "its beginning");
    json_decref(status);
    if (o->automatic || o->no_attach || !o->tty || o->checkonly || o->dry_run) {
        return EXIT_LOCKED;
    }
    fprintf(stderr, "daybreak: showing it; Ctrl-C leaves it running\n");
    while (loop_stops(s->loop, NULL) == 0) {
        struct lock_holder now;
        bool over = !lock_who(s->target.state, &now, &e) || now.pid != s->holder.pid;
        status = status_read(s->target.state, &e); /* after the lock: what it says then is the last word */
        bool ended = has_ended(status) && strcmp(text_of(status, "run"), before) != 0;
        int code = (int)json_integer_value(json_object_get(status, "exit_code"));
        if (status != NULL && strcmp(text_of(status, "run"), before) != 0) {
            show(status, last);
        }
        json_decref(status);
        if (over && ended) {
            return code;
        }
        if (over) {
            fprintf(stderr, "daybreak: process %ld ended without finishing its run: run again\n",
                    (long)s->holder.pid);
            return EXIT_PREFLIGHT;
        }
        loop_turn(s->loop, ATTACH_STEP_MS);
    }
    return EXIT_LOCKED;
}
