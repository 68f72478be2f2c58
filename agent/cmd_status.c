/* cmd_status: what the current or the last run says of itself, for people, scripts and management systems. */
#include "agent/cmd.h"
#include "agent/lock.h"
#include "agent/status.h"
#include "agent/target.h"
#include "core/files.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>

#define FOLLOW_MS 500

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static int number(const json_t *o, const char *key)
{
    return (int)json_integer_value(json_object_get(o, key));
}

/* OK PARTIAL FAILED RUNNING WAITING NEVER. alive: somebody holds the lock; a status that says running while
 * nobody does is of a run that was cut off. */
static const char *word(const json_t *o, bool alive)
{
    if (o == NULL) {
        return "NEVER";
    }
    if (strcmp(str(o, "state"), "finished") != 0) {
        return !alive ? "FAILED" : strcmp(str(o, "state"), "waiting") == 0 ? "WAITING" : "RUNNING";
    }
    if (strcmp(str(o, "result"), "ok") == 0) {
        return "OK";
    }
    return strcmp(str(o, "result"), "partial") == 0 ? "PARTIAL" : "FAILED";
}

/* How manifests came, of the four words of trust, for a person. */
static const char *came(const char *trust)
{
    return strcmp(trust, "http") == 0   ? "over plain http, which proves nothing"
           : strcmp(trust, "tls") == 0  ? "over TLS"
           : strcmp(trust, "file") == 0 ? "from a folder"
                                        : trust;
}

static const json_t *first_failure(const json_t *o)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(o, "items"), i, item)
    {
        if (json_is_object(json_object_get(item, "failure"))) {
            return item;
        }
    }
    return NULL;
}

static void one_line(char *out, size_t size, const json_t *o, bool alive)
{
    const json_t *counts = json_object_get(o, "counts"), *bad = first_failure(o);
    const json_t *whole =
        json_object_get(o, "failure"); /* the run's own comes first: it is why nothing was done */
    const char *when = str(o, "finished")[0] != '\0' ? str(o, "finished") : str(o, "updated");
    if (o == NULL) {
        snprintf(out, size, "NEVER - 0/0");
        return;
    }
    bool items = !json_is_object(whole) && bad != NULL;
    const json_t *f = items ? json_object_get(bad, "failure") : whole;
    snprintf(out, size, "%s %s %d/%d%s%s%s%s", word(o, alive), when,
             number(counts, "success") + number(counts, "skipped"), number(counts, "total"),
             json_is_object(f) ? " " : "", items ? str(bad, "name") : "", items ? ": " : "",
             json_is_object(f) ? str(f, "message") : "");
}

static void human(const json_t *o, bool alive)
{
    size_t i;
    json_t *item;
    const json_t *counts = json_object_get(o, "counts");
    bool finished = strcmp(str(o, "state"), "finished") == 0;
    printf("%s: run of %s", word(o, alive), str(o, "started"));
    if (finished) {
        printf(", finished %s, exit %d: %s\n", str(o, "finished"), number(o, "exit_code"),
               err_exit_meaning(number(o, "exit_code")));
    } else if (!alive) {
        printf(", cut off after %s; the next run goes on from there\n", str(o, "updated"));
    } else {
        printf(", %d%%%s%s\n", number(o, "percent"), str(o, "waiting_for")[0] != '\0' ? ", waiting for " : "",
               str(o, "waiting_for"));
    }
    const json_t *whole = json_object_get(o, "failure");
    if (json_is_object(whole)) {
        printf("%s: %s\n", str(whole, "step"), str(whole, "message"));
        if (str(whole, "suggestion")[0] != '\0') {
            printf("  try: %s\n", str(whole, "suggestion"));
        }
    }
    if (str(o, "manifest")[0] != '\0') {
        printf("manifest %s, %s\n", str(o, "manifest"), came(str(o, "trust")));
    }
    printf("%d items: %d installed now, %d already there, %d failed, %d blocked, %d deferred, %d to do\n",
           number(counts, "total"), number(counts, "success"), number(counts, "skipped"),
           number(counts, "failed"), number(counts, "blocked"), number(counts, "deferred"),
           number(counts, "pending") + number(counts, "waiting") + number(counts, "downloading") +
               number(counts, "verifying") + number(counts, "installing") + number(counts, "retry_wait"));
    json_array_foreach(json_object_get(o, "items"), i, item)
    {
        const json_t *f = json_object_get(item, "failure");
        char title[200];
        snprintf(title, sizeof title, "%s %s", str(item, "display_name"), str(item, "version"));
        const char *said = json_is_object(f) ? str(f, "step") : str(item, "reason");
        printf("  %-12s %-*s%s%s%s%s\n", str(item, "state"), said[0] != '\0' ? 36 : 0, title,
               said[0] != '\0' ? " " : "", said, json_is_object(f) ? ": " : "",
               json_is_object(f) ? str(f, "message") : "");
        if (json_is_object(f) && str(f, "suggestion")[0] != '\0') {
            printf("  %-12s   try: %s\n", "", str(f, "suggestion"));
        }
    }
    if (json_is_true(json_object_get(o, "reboot"))) {
        printf("A restart is pending.\n");
    }
}

static int follow(int state, struct loop *l)
{
    char last[1500] = "", line[1500];
    struct err e;
    for (;;) {
        struct lock_holder h;
        bool alive = lock_who(state, &h, &e) && h.pid != 0;
        json_t *o = status_read(state, &e);
        one_line(line, sizeof line, o, alive);
        json_decref(o);
        if (strcmp(line, last) != 0) {
            printf("%s\n", line);
            fflush(stdout);
            snprintf(last, sizeof last, "%s", line);
        }
        if (!alive || loop_stops(l, NULL) > 0) {
            return 0;
        }
        loop_turn(l, FOLLOW_MS);
    }
}

int cmd_status(struct options *o)
{
    struct err e;
    struct lock_holder h = {0};
    int code = 0;
    char line[1500];
    int root = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int state = root < 0 ? -1 : files_dir(root, TARGET_STATE, false, 0, &e);
    json_t *status = NULL;
    bool alive = false;
    if (state >= 0) {
        alive = lock_who(state, &h, &e) && h.pid != 0;
        status = status_read(state, &e);
    }
    if (status == NULL && state >= 0 && e.kind != ERR_NOT_FOUND) {
        log_error("%s", e.text);
        code = 1;
    } else if (o->follow && state >= 0) {
        struct loop *l = loop_open();
        code = follow(state, l);
        loop_free(l);
    } else if (o->line || o->ea) {
        one_line(line, sizeof line, status, alive);
        printf(o->ea ? "<result>%s</result>\n" : "%s\n", line);
        code = status == NULL;
    } else if (o->check) {
        int last = number(status, "exit_code");
        code = status != NULL && strcmp(str(status, "state"), "finished") == 0 && (last == 0 || last == 4)
                   ? 0
                   : 1;
    } else if (status == NULL) {
        printf(o->json ? "{\"schema\": 1, \"state\": \"never\"}\n"
                       : "NEVER: this Mac has not been run yet\n");
        code = 1;
    } else if (o->json) {
        char *text = json_dumps(status, JSON_INDENT(1));
        puts(text != NULL ? text : "{}");
        free(text);
    } else {
        human(status, alive);
    }
    json_decref(status);
    if (state >= 0) {
        close(state);
    }
    if (root >= 0) {
        close(root);
    }
    return code;
}
