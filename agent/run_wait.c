/* run_wait: what an automatic run waits for before it decides: its turn, preferences that arrive late, the
 * repository, the time. Each wait is bounded by its preference, ends early when the run is stopped or its
 * deadline passes, and stands in status.json with what is waited for.
 *
 * The network is not guessed at: the repository itself is asked, with pauses that grow. */
#include "agent/pace.h"
#include "agent/run_internal.h"
#include "core/files.h"
#include "core/log.h"
#include "core/os.h"

#define SEEN "managed" /* in the state folder: a profile was once here */
enum { LOOK_MS = 5000, PAUSE_FIRST_MS = 2000, PAUSE_MAX_MS = 60000 };

static uint64_t random_below(uint64_t bound)
{
    uint64_t n = 0;
    os_random(&n, sizeof n);
    return n % (bound + 1);
}

/* Until then, or until the run is stopped. */
static void wait_until(struct run *r, uint64_t until)
{
    struct loop *l = r->s->loop;
    while (!run_stopped(r) && loop_now(l) < until)
        loop_turn(l, until - loop_now(l));
}

void run_wait_turn(struct run *r)
{
    struct session *s = r->s;
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    bool again = pace_ran(s->target.state, now - 1); /* the first is watched by a person: at once */
    if (!s->options->automatic || !again || s->prefs.splay_max_s == 0)
        return;
    uint64_t pause = random_below((uint64_t)s->prefs.splay_max_s * 1000);
    progress_wait(s->progress,
                  arena_printf(s->arena, "its turn (%llu s)", (unsigned long long)(pause / 1000)));
    wait_until(r, loop_now(s->loop) + pause);
    progress_wait(s->progress, NULL);
}

static bool configured(const struct session *s)
{
    return s->prefs.repo_url != NULL || s->prefs.manifest_url != NULL ||
           repo_bootstrap_url(s->options, &s->prefs) != NULL;
}

/* What is missing, or NULL. */
static const char *missing(struct session *s)
{
    struct stat st;
    struct err e;
    if (!configured(s))
        return "preferences: SoftwareRepoURL is set in no domain";
    if (!s->prefs.managed_seen && files_stat(s->target.state, SEEN, &st, &e))
        return "preferences: the profile that was here is gone";
    return NULL;
}

bool run_wait_preferences(struct run *r, struct err *e)
{
    struct session *s = r->s;
    uint64_t until = loop_now(s->loop) + (uint64_t)s->prefs.preference_wait_s * 1000;
    const char *what;
    struct err ignored;
    while (s->options->automatic && (what = missing(s)) != NULL && loop_now(s->loop) < until &&
           !run_stopped(r)) {
        uint64_t left = until - loop_now(s->loop);
        progress_wait(s->progress, what);
        wait_until(r, loop_now(s->loop) + (left < LOOK_MS ? left : LOOK_MS));
        if (!session_reload(s, e))
            return false;
    }
    progress_wait(s->progress, NULL);
    if (s->prefs.managed_seen && !files_replace(s->target.state, SEEN, "", 0, 0644, FILES_LAZY, &ignored))
        log_warn("%s", ignored.text);
    if (!s->options->automatic || (what = missing(s)) == NULL || !configured(s))
        return true; /* no repository at all: the next step says so */
    return err_set(
        e, ERR_TIMEOUT, CAUSE_PROFILE,
        "the profile with the preferences was on this Mac and is gone: nothing is done without it");
}

static const char *waits_for(struct run *r, const struct err *e)
{
    switch (e->cause) {
    case CAUSE_CAPTIVE:
        return arena_printf(r->s->arena, "this network's portal: %s", e->text);
    case CAUSE_CLOCK:
        return arena_printf(r->s->arena, "the right time: %s", e->text);
    default:
        return arena_printf(r->s->arena, "the repository: %s", e->text);
    }
}

const struct plan *run_wait_plan(struct run *r, struct err *e)
{
    struct session *s = r->s;
    uint64_t until = loop_now(s->loop) + (uint64_t)s->prefs.network_wait_s * 1000, bound = PAUSE_FIRST_MS;
    const struct plan *plan;
    for (;;) {
        plan = s->options->checkonly ? decide_settle(r->decide, NULL, e) : decide_make(r->decide, e);
        if (plan != NULL || !s->options->automatic || e->kind != ERR_NET || run_stopped(r) ||
            loop_now(s->loop) >= until)
            break;
        uint64_t pause = bound / 2 + random_below(bound / 2), left = until - loop_now(s->loop);
        progress_wait(s->progress, waits_for(r, e));
        log_warn("%s; asked again", e->text);
        wait_until(r, loop_now(s->loop) + (pause < left ? pause : left));
        repo_renew_network(decide_repo(r->decide));
        bound = bound < PAUSE_MAX_MS / 2 ? bound * 2 : PAUSE_MAX_MS;
    }
    progress_wait(s->progress, NULL);
    return plan;
}
