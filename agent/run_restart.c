/* run_restart: whether this Mac is restarted now, as RestartPolicy says. Only ever at the end of an automatic
 * run, or at a start of launchd's that has nothing else to do: never in the middle of work, and never under a
 * technician's hands. Never in Setup Assistant, never when the last run ended with a failed critical item or
 * was cut short, once for each plan, and never for somebody who is logged in without their click. */
#include "agent/restart.h"
#include "agent/run_internal.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#define SETUP_DONE "private/var/db/.AppleSetupDone"
#define QUESTION                                                                                             \
    "display dialog \"Software that was installed on this Mac needs a restart. Save your work first: open "  \
    "applications are closed.\" with title \"Daybreak\" buttons {\"Later\", \"Restart\"} default button "    \
    "\"Later\" giving up after 600"
#define CLICKED "button returned:Restart, gave up:false" /* what osascript prints of the record */
enum { DIALOG_MS = 660 * 1000, SHUTDOWN_MS = 60 * 1000 };

/* Does the person at the desktop want it now? */
static bool clicked(struct run *r, const struct console *who)
{
    struct session *s = r->s;
    struct arena *a = arena_open();
    struct child_end end;
    struct buf out;
    struct err e;
    const char *script[] = {tool_path_here(a, s->options->tools, s->target.live, TOOL_OSASCRIPT, &e), "-e",
                            QUESTION, NULL};
    const char *const *argv =
        script[0] != NULL ? console_command(a, s->options->tools, s->target.live, who, script, &e) : NULL;
    bool yes = false;
    buf_init(&out, LIMIT_CHILD_LINE);
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = DIALOG_MS, .out = &out};
    log_info("%s is asked whether to restart", who->name);
    if (argv == NULL || !child_run(s->loop, &spec, &end, &e))
        log_warn("%s could not be asked: %s", who->name, e.text);
    else
        yes = end.exit_code == 0 && text_starts(buf_str(&out), CLICKED);
    buf_release(&out);
    arena_free(a);
    return yes;
}

static void restart_now(struct run *r, const struct restart *x)
{
    struct session *s = r->s;
    struct arena *a = arena_open();
    struct child_end end;
    struct err e;
    char text[64];
    const char *argv[] = {tool_path_here(a, s->options->tools, s->target.live, TOOL_SHUTDOWN, &e), "-r",
                          "now", NULL};
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = SHUTDOWN_MS};
    log_info("the Mac is restarted, because installed software asks for it");
    /* remembered first: a restart that were forgotten could come again and again */
    if (argv[0] == NULL || !restart_doing(s, x->plan, &e) || !child_run(s->loop, &spec, &end, &e))
        log_error("the Mac is not restarted: %s", e.text);
    else if (end.exit_code != 0)
        log_error("the Mac is not restarted: shutdown %s", child_end_text(&end, text, sizeof text));
    arena_free(a);
}

/* Why it must not be now, or NULL. */
static const char *not_now(struct run *r, const struct restart *x, const struct console *who)
{
    struct stat st;
    bool asks = r->s->prefs.restart_policy == PREFS_RESTART_ASK;
    if (x->code != EXIT_DONE && x->code != EXIT_PENDING && x->code != EXIT_ITEMS)
        return "the last run failed or was cut short";
    if (restart_done_for(r->s, x->plan))
        return "it was restarted for this plan before";
    if (who->state == CONSOLE_SETUP ||
        !files_evidence_stat(r->s->target.root, SETUP_DONE, &st, NULL, &(struct err){0}))
        return "Setup Assistant is not over";
    if (who->state == CONSOLE_UNKNOWN)
        return "it is not known who is logged in";
    if (who->state == CONSOLE_USER && !(asks && !x->asked))
        return "somebody is logged in";
    return NULL;
}

void run_restart(struct run *r)
{
    struct session *s = r->s;
    struct restart x;
    restart_look(s, &x);
    if (x.state != RESTART_OWED || s->prefs.restart_policy == PREFS_RESTART_REPORT ||
        !s->options->automatic || loop_stops(s->loop, NULL) > 0)
        return;
    if (s->logs < 0 && !session_log(s, &(struct err){0}))
        return;
    const struct console *who = run_console(r);
    const char *why = not_now(r, &x, who);
    if (why != NULL) {
        log_info("this Mac needs a restart, but not now: %s", why);
        return;
    }
    if (who->state == CONSOLE_USER) {
        restart_asked(s, &x);
        if (!clicked(r, who)) {
            log_info("%s does not want a restart now; it is left to the login window", who->name);
            return;
        }
    }
    restart_now(r, &x);
}

void run_restart_owed(struct run *r)
{
    struct restart x;
    restart_look(r->s, &x);
    if (x.state == RESTART_OWED)
        progress_reboot(r->s->progress);
}
