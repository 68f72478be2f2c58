/* run_stage: who is at this Mac while the run goes on: a person, Setup Assistant, Munki. Asked again before
 * each item, never remembered: people log in and out as they like.
 *
 * A person is there when the console is theirs and Setup Assistant, which shows its last panes in the session
 * of the new user, has gone. On another target than / only stand-ins are asked (--tools); without one nobody
 * is waited for there. */
#include "agent/run_internal.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"

#define SETUP_PROGRAM "/Setup Assistant.app/Contents/MacOS/Setup Assistant"
#define MUNKI_PROGRAM "/managedsoftwareupdate"
enum { LOOK_MS = 5000, LOOK_MUNKI_MS = 1000 };

struct looked_for {
    const char *below, *tail;
    bool found;
};

static bool is_looked_for(void *ctx, pid_t pid, const char *path)
{
    struct looked_for *l = ctx;
    (void)pid;
    l->found = text_ends(path, l->tail) && text_starts(path, l->below);
    return !l->found;
}

/* Is a program of the target running whose path ends so? */
static bool is_running(const struct run *r, const char *tail)
{
    struct looked_for l = {.below = r->s->target.live ? "/" : r->s->target.root_path, .tail = tail};
    if (r->s->target.live || r->s->options->tools != NULL) {
        os_processes(is_looked_for, &l);
    }
    return l.found;
}

const struct console *run_console(struct run *r)
{
    struct session *s = r->s;
    struct arena *a = arena_open();
    struct console now;
    console_ask(a, s->loop, s->options->tools, s->target.live, &now);
    if (s->facts.console_user != NULL) { /* of another target, as --facts has it */
        now.state = s->facts.console_user[0] != '\0' ? CONSOLE_USER : CONSOLE_NOBODY;
        now.name = s->facts.console_user;
        now.home = arena_printf(a, "/Users/%s", now.name);
    }
    if (now.state == CONSOLE_USER && is_running(r, SETUP_PROGRAM)) {
        now.state = CONSOLE_SETUP;
    }
    if (now.state == CONSOLE_USER && (r->console.name == NULL || strcmp(r->console.name, now.name) != 0)) {
        log_info("%s is logged in", now.name);
        r->console.name = arena_strdup(s->arena, now.name);
        r->console.home = arena_strdup(s->arena, now.home);
    }
    r->console.state = now.state;
    r->console.uid = now.uid;
    arena_free(a);
    return &r->console;
}

const char *run_console_user(struct run *r)
{
    return run_console(r)->state == CONSOLE_USER ? r->console.name : NULL;
}

bool run_user_there(struct run *r, struct run_row *row)
{
    struct session *s = r->s;
    enum console_state state = run_console(r)->state;
    if (state == CONSOLE_UNKNOWN && !s->target.live) {
        return true;
    }
    if (r->user_until == 0) { /* one wait for all items together */
        r->user_until = loop_now(s->loop) + (uint64_t)s->prefs.user_wait_s * 1000;
    }
    while (state != CONSOLE_USER && s->options->automatic && loop_now(s->loop) < r->user_until &&
           !run_stopped(r)) {
        uint64_t next = loop_now(s->loop) + LOOK_MS;
        const char *what = state == CONSOLE_SETUP ? "a user's session: Setup Assistant is still running"
                                                  : "a user's session: nobody is logged in";
        progress_wait(s->progress, what);
        progress_item(s->progress, row->index, STATE_WAITING, what);
        next = next < r->user_until ? next : r->user_until;
        while (loop_now(s->loop) < next && !run_stopped(r)) {
            loop_turn(s->loop, next - loop_now(s->loop));
        }
        state = run_console(r)->state;
    }
    progress_wait(s->progress, NULL);
    return state == CONSOLE_USER;
}

bool run_wait_munki(struct run *r, struct run_row *row)
{
    struct session *s = r->s;
    uint64_t until = loop_now(s->loop) + (uint64_t)s->prefs.munki_wait_s * 1000;
    while (!run_stopped(r) && is_running(r, MUNKI_PROGRAM)) {
        if (loop_now(s->loop) >= until) {
            progress_wait(s->progress, NULL);
            return false;
        }
        progress_item(s->progress, row->index, STATE_WAITING, "munki");
        progress_wait(s->progress, "Munki: managedsoftwareupdate is running");
        loop_turn(s->loop, LOOK_MUNKI_MS);
    }
    progress_wait(s->progress, NULL);
    return true;
}
