/* restart: see the header. The line of state/restart: BOOT CODE ASKED PLAN. */
#include "agent/restart.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/tool.h"

#define OWED "restart"
#define DONE "restarted"
enum { ASK_MS = 10000, DONE_MAX = 64 };

/* Names the time between two starts of the system; NULL: unknown. */
static const char *boot(struct session *s, struct arena *a)
{
    struct child_end end;
    struct buf out;
    struct err e;
    const char *argv[] = {tool_path_here(a, s->options->tools, s->target.live, TOOL_SYSCTL, &e), "-n",
                          "kern.bootsessionuuid", NULL};
    const char *id = NULL;
    if (argv[0] == NULL)
        return NULL;
    buf_init(&out, LIMIT_CHILD_LINE);
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = ASK_MS, .out = &out};
    if (!child_run(s->loop, &spec, &end, &e))
        log_warn("whether the Mac was restarted could not be found out: %s", e.text);
    else
        id = text_trim(a, buf_str(&out));
    buf_release(&out);
    return id != NULL && *id != '\0' && strcspn(id, " \n\t") == strlen(id) ? id : NULL;
}

static bool put(struct session *s, const char *id, const struct restart *x, struct err *e)
{
    char line[256];
    int n = snprintf(line, sizeof line, "%.100s %d %d %s\n", id, x->code, x->asked, x->plan);
    return files_replace(s->target.state, OWED, line, (size_t)n, 0644, FILES_LAZY, e);
}

/* What the file says, its boot session in id. False: nothing, or nothing that makes sense. */
static bool get(struct session *s, char id[101], struct restart *x)
{
    struct buf b;
    struct err e;
    int asked = 0;
    buf_init(&b, LIMIT_LOG_LINE);
    *x = (struct restart){.state = RESTART_NONE};
    bool there = files_read(s->target.state, OWED, &b, &e) &&
                 sscanf(buf_str(&b), "%100s %d %d %64s", id, &x->code, &asked, x->plan) == 4;
    x->asked = asked != 0;
    buf_release(&b);
    return there;
}

void restart_look(struct session *s, struct restart *x)
{
    char then[101];
    if (!get(s, then, x))
        return;
    struct arena *a = arena_open();
    const char *now = boot(s, a);
    if (now != NULL)
        x->state = strcmp(now, then) == 0 ? RESTART_OWED : RESTART_HAPPENED;
    arena_free(a);
}

void restart_note(struct session *s, bool wanted, const char *plan, int code)
{
    struct restart x;
    struct err e;
    struct arena *a = arena_open();
    restart_look(s, &x);
    if (x.state == RESTART_HAPPENED && !files_remove(s->target.state, OWED, &e))
        log_warn("%s", e.text);
    const char *id = wanted || x.state == RESTART_OWED ? boot(s, a) : NULL;
    if (id != NULL) {
        if (x.state != RESTART_OWED) {
            x = (struct restart){.state = RESTART_OWED};
            snprintf(x.plan, sizeof x.plan, "%s", plan);
        }
        x.code = code;
        if (!put(s, id, &x, &e))
            log_warn("%s", e.text);
    }
    arena_free(a);
}

void restart_asked(struct session *s, struct restart *x)
{
    char id[101];
    struct restart was;
    struct err e;
    x->asked = true;
    if (get(s, id, &was) && !put(s, id, x, &e))
        log_warn("%s", e.text);
}

static bool read_done(struct session *s, struct buf *b)
{
    struct err e;
    if (files_read(s->target.state, DONE, b, &e))
        return true;
    buf_clear(b);
    return e.kind == ERR_NOT_FOUND;
}

bool restart_done_for(struct session *s, const char *plan)
{
    struct buf b;
    buf_init(&b, LIMIT_MB);
    bool done =
        !read_done(s, &b) || strstr(buf_str(&b), plan) != NULL; /* unreadable: rather never than again */
    buf_release(&b);
    return done;
}

bool restart_doing(struct session *s, const char *plan, struct err *e)
{
    struct buf b;
    size_t lines = 0;
    buf_init(&b, LIMIT_MB);
    bool ok = read_done(s, &b) && buf_printf(&b, "%s\n", plan);
    const char *from = ok ? buf_str(&b) : "";
    for (const char *p = from; *p != '\0'; p++)
        lines += *p == '\n';
    for (; lines > DONE_MAX; lines--)
        from += strcspn(from, "\n") + 1;
    ok = ok ? files_replace(s->target.state, DONE, from, strlen(from), 0644, FILES_DURABLE, e)
            : err_set(e, ERR_SYS, CAUSE_DISK, DONE " cannot be kept");
    buf_release(&b);
    return ok;
}
