/* webhook: names in the queue begin with the time, in digits of fixed width, so that the order of names is
 * the order of time. Secrets are taken out before a report reaches the disk. */
#include "agent/webhook.h"
#include "agent/status.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

enum { CONNECT_MS = 5000, ANSWER_MS = 10000, NAMES = 64 };

struct queue {
    struct arena *a;
    const char *names[NAMES]; /* the first ones */
    size_t count;             /* of all */
};

static bool add_name(void *ctx, const char *name, const struct stat *st)
{
    struct queue *q = ctx;
    if (!S_ISREG(st->st_mode) || !text_ends(name, ".json"))
        return true;
    if (q->count < NAMES)
        q->names[q->count] = arena_strdup(q->a, name);
    q->count++;
    return true;
}

static int open_queue(const struct network *n, bool create, struct err *e)
{
    return files_dir(n->target->state, WEBHOOK_REPORTS, create, 0700, e);
}

static void drop(int dir, const char *name)
{
    struct err e;
    if (!files_remove(dir, name, &e))
        log_warn("report %s: %s", name, e.text);
}

/* Make room for one more. */
static void bound(struct arena *a, int dir)
{
    struct queue q = {.a = a};
    struct err e;
    if (!files_list(dir, "", add_name, &q, &e))
        return;
    for (size_t i = 0; i < q.count && i < NAMES && q.count - i >= WEBHOOK_QUEUE; i++) {
        log_warn("the queue of reports is full: the oldest, %s, is given up", q.names[i]);
        drop(dir, q.names[i]);
    }
}

static char *report_text(const struct network *n, const struct progress_run *run)
{
    const struct facts *f = n->facts;
    json_t *root = status_json(run), *machine = json_object();
    const struct {
        const char *name, *value;
    } of[] = {{"serial_number", f->serial},
              {"hostname", f->hostname},
              {"hardware_uuid", f->hardware_id},
              {"model", f->machine_model},
              {"os_vers", f->os_version}};
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
        json_object_set_new(machine, of[i].name,
                            of[i].value != NULL ? json_string(of[i].value) : json_null());
    json_object_set_new(root, "machine", machine);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text != NULL)
        log_redact(text);
    return text;
}

void webhook_queue(const struct network *n, const struct progress_run *run)
{
    struct err e;
    char name[80];
    if (n->prefs->report_url == NULL)
        return;
    int dir = open_queue(n, true, &e);
    char *text = dir >= 0 ? report_text(n, run) : NULL;
    if (dir >= 0) {
        bound(n->a, dir);
        snprintf(name, sizeof name, "%015lld-%s.json", (long long)run->finished_ms, run->run);
        if (text == NULL)
            log_warn("the report of this run is no text");
        else if (!files_replace(dir, name, text, strlen(text), 0600, FILES_DURABLE, &e))
            log_warn("the report of this run is not queued: %s", e.text);
        close(dir);
    } else {
        log_warn("the report of this run is not queued: %s", e.text);
    }
    free(text);
}

/* The server has judged: it need not be asked again. */
static bool final(const struct err *e)
{
    return e->code == 400 || e->code == 409 || e->code == 413 || e->code == 415 || e->code == 422;
}

/* True: go on with the next. */
static bool send_one(const struct network *n, struct fetch *f, int dir, const char *name)
{
    struct buf body;
    struct err e;
    const char *dash = strchr(name, '-');
    size_t id = dash != NULL ? strcspn(dash + 1, ".") : 0;
    const char *const headers[] = {"Content-Type: application/json",
                                   arena_printf(n->a, "Idempotency-Key: %.*s", (int)id, dash ? dash + 1 : ""),
                                   NULL};
    bool go_on = true;
    buf_init(&body, LIMIT_STATUS);
    if (!files_read(dir, name, &body, &e)) {
        log_warn("report %s: %s", name, e.text);
        drop(dir, name);
    } else if (fetch_post(f, n->prefs->report_url, headers, buf_str(&body), body.len, &e)) {
        log_info("report %s is delivered", name);
        drop(dir, name);
    } else if (final(&e)) {
        if (e.code != 409)
            log_warn("report %s is given up: %s", name, e.text);
        drop(dir, name);
    } else {
        log_warn("report %s stays for a later run: %s", name, e.text);
        go_on = false;
    }
    buf_release(&body);
    return go_on;
}

void webhook_send(const struct network *n)
{
    struct queue q = {.a = n->a};
    struct fetch_policy policy;
    struct fetch *f = NULL;
    struct err e;
    if (n->prefs->report_url == NULL)
        return;
    uint64_t until = loop_now(n->loop) + WEBHOOK_MAX_MS;
    int dir = open_queue(n, false, &e);
    if (dir < 0)
        return;
    network_policy(n, &policy);
    policy.headers = n->prefs->report_headers;
    policy.connect_ms = CONNECT_MS;
    policy.first_byte_ms = policy.stall_ms = ANSWER_MS;
    policy.attempts = 1;
    if (!files_list(dir, "", add_name, &q, &e) || (f = fetch_open(n->loop, &policy, &e)) == NULL)
        log_warn("reports stay for a later run: %s", e.text);
    for (size_t i = 0; f != NULL && i < q.count && i < NAMES && loop_now(n->loop) < until; i++)
        if (!send_one(n, f, dir, q.names[i]))
            break;
    fetch_free(f);
    close(dir);
}
