/* doctor: one examination after the other. A fault in one place must not hide those in others: what cannot be
 * read is a finding, and the rest goes on without it. */
#include "agent/doctor.h"
#include "core/child.h"
#include "core/log.h"
#include "core/text.h"
#include <stdarg.h>

enum { ASK_MS = 30000 };

static const char *const states[] = {"ok", "note", "problem"};

void doctor_say(struct doctor *d, enum doctor_state state, const char *check, const char *remedy,
                const char *fmt, ...)
{
    struct doctor_finding *f = arena_alloc(d->a, sizeof *f);
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_redact(text);
    *f = (struct doctor_finding){.state = state, .check = check, .remedy = arena_strdup(d->a, remedy)};
    f->cause = text_printable(d->a, text, strlen(text));
    *d->last = f;
    d->last = &f->next;
    d->problems += state == DOCTOR_PROBLEM;
}

bool doctor_has_tools(const struct doctor *d)
{
    return d->target.live || d->options->tools != NULL;
}

int doctor_ask(struct doctor *d, const char *const *argv, struct buf *out, struct err *e)
{
    enum { ARGS_MAX = 12 };
    const char *copy[ARGS_MAX];
    struct child_end end;
    size_t n = 0;
    for (; argv[n] != NULL && n + 1 < ARGS_MAX; n++)
        copy[n] = argv[n];
    copy[n] = NULL;
    if (d->options->tools != NULL)
        copy[0] = arena_printf(d->a, "%s/%s", d->options->tools, text_basename(argv[0]));
    struct child_spec spec = {.argv = copy, .dir = -1, .timeout_ms = ASK_MS, .out = out};
    return child_run(d->loop, &spec, &end, e) ? end.exit_code : -1;
}

json_t *doctor_json(const struct doctor *d)
{
    json_t *root = json_object(), *all = json_array();
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "problems", json_integer(d->problems));
    for (const struct doctor_finding *f = d->first; f != NULL; f = f->next) {
        json_t *one = json_object();
        json_object_set_new(one, "check", json_string(f->check));
        json_object_set_new(one, "state", json_string(states[f->state]));
        json_object_set_new(one, "cause", json_string(f->cause));
        json_object_set_new(one, "remedy", json_string(f->remedy));
        json_array_append_new(all, one);
    }
    json_object_set_new(root, "findings", all);
    return root;
}

void doctor_examine(struct doctor *d)
{
    struct err e;
    d->last = &d->first;
    if (d->target.live && geteuid() != 0)
        doctor_say(d, DOCTOR_NOTE, "doctor", "sudo /usr/local/daybreak/daybreak doctor",
                   "not root: what only root can read is not looked at");
    const struct options *o = d->options;
    d->has_prefs = prefs_load(d->a, o, d->target.root, d->loop, &d->prefs, &e);
    if (!d->has_prefs)
        doctor_say(d, DOCTOR_PROBLEM, "preferences", "correct that file, or the profile it comes from", "%s",
                   e.text);
    d->has_facts = facts_load(d->a, o, &d->target, d->loop, &d->facts, &e);
    if (!d->has_facts)
        doctor_say(d, DOCTOR_PROBLEM, "facts", "correct that file: man daybreak, FACTS FILE", "%s", e.text);
    if (d->has_prefs) {
        doctor_preferences(d);
        doctor_folders(d);
        doctor_state(d);
    }
    doctor_hooks(d);
    doctor_program(d);
    doctor_clock(d);
    if (d->has_prefs && d->has_facts)
        doctor_network(d);
}
