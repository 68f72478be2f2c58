/* Somebody else's run: it is shown as its status.json tells it, and never touched. */
#include "agent/run_internal.h"
#include "agent/status.h"
#include "core/text.h"

#define ATTACH_STEP_MS 250

/* Somebody holds the lock. With a terminal: show that run until it ends, and end with its code. */
int run_attach(struct session *s, const struct options *o)
{
    char since[32] = "some time ago";
    struct err e;
    int code = EXIT_LOCKED;
    char last[300] = "";
    if (s->holder.since != 0) {
        text_local(since, s->holder.since, -1);
    }
    json_t *status = status_read(s->target.state, &e);
    const char *step = json_string_value(json_object_get(status, "current"));
    fprintf(stderr, "daybreak: another run holds the lock: process %ld, since %s, at %s\n",
            (long)s->holder.pid, since, step != NULL ? step : "its beginning");
    json_decref(status);
    if (o->automatic || o->no_attach || !o->tty || o->checkonly || o->dry_run) {
        return EXIT_LOCKED;
    }
    fprintf(stderr, "daybreak: showing it; Ctrl-C leaves it running\n");
    while (loop_stops(s->loop, NULL) == 0) {
        struct lock_holder now;
        bool over = !lock_who(s->target.state, &now, &e) || now.pid == 0;
        status = status_read(s->target.state, &e);
        if (status != NULL) {
            char line[300];
            const char *current = json_string_value(json_object_get(status, "current"));
            const char *waits = json_string_value(json_object_get(status, "waiting_for"));
            snprintf(line, sizeof line, "%3d%%  %s%s",
                     (int)json_integer_value(json_object_get(status, "percent")),
                     waits != NULL ? "waiting for " : "",
                     waits != NULL     ? waits
                     : current != NULL ? current
                                       : "");
            if (strcmp(line, last) != 0) {
                printf("%s\n", line);
                fflush(stdout);
                snprintf(last, sizeof last, "%s", line);
            }
            code = (int)json_integer_value(json_object_get(status, "exit_code"));
            json_decref(status);
        }
        if (over) {
            return code;
        }
        loop_turn(s->loop, ATTACH_STEP_MS);
    }
    return EXIT_LOCKED;
}
