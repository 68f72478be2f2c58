/* The order is product and necessity: preferences need the volume, directories need preferences, evidence
 * needs facts. */
#include "agent/setup.h"

#include "core/files.h"
#include "core/log.h"

#include <unistd.h>

void setup_complain(const struct err *e)
{
    const char *suggestion = err_suggestion(e->cause);
    log_error("%s", e->text);
    if (suggestion[0] != '\0')
        log_warn("try: %s", suggestion);
}

static int complain(const struct err *e, int code)
{
    setup_complain(e);
    return code;
}

/* What is remembered, of whoever ran here; a check has no state folder of its own open. */
static struct journal *remembered(const struct setup *s)
{
    struct err e;
    int state = files_dir(s->target.root, TARGET_STATE, false, 0, &e);
    struct journal *j = journal_peek(state, s->facts.hardware_id);
    if (state >= 0)
        close(state);
    return j;
}

int setup_open(struct setup *s, const struct options *o, enum target_use use, bool offline)
{
    struct err e;
    memset(s, 0, sizeof *s);
    s->arena = arena_open();
    s->loop = loop_open();
    if (o->clock != NULL && !loop_clock(s->loop, o->clock, &e))
        return complain(&e, EXIT_USAGE);
    if (!target_open(s->arena, o, &s->target, &e))
        return complain(&e, e.kind == ERR_SYS ? EXIT_DIRECTORIES : EXIT_USAGE);
    if (!prefs_load(s->arena, o, s->target.root, s->loop, &s->prefs, &e))
        return complain(&e, EXIT_USAGE);
    if (!target_dirs(s->arena, o, &s->prefs, use, &s->target, &e) &&
        !(use == TARGET_READ && e.kind == ERR_NOT_FOUND && !offline))
        return complain(&e, use == TARGET_READ ? EXIT_PREFLIGHT : EXIT_DIRECTORIES);
    if (!facts_load(s->arena, o, &s->target, s->loop, &s->facts, &e))
        return complain(&e, EXIT_USAGE);
    s->journal = remembered(s);
    const struct decide_config config = {.loop = s->loop,
                                         .options = o,
                                         .target = &s->target,
                                         .prefs = &s->prefs,
                                         .facts = &s->facts,
                                         .journal = s->journal,
                                         .offline = offline};
    s->decide = decide_open(s->arena, &config, &e);
    return s->decide != NULL ? 0 : complain(&e, decide_exit_code(&e));
}

void setup_close(struct setup *s)
{
    decide_free(s->decide);
    journal_free(s->journal);
    target_close(&s->target);
    loop_free(s->loop);
    arena_free(s->arena);
}
