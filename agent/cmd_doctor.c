/* cmd_doctor: what was found, for people and for scripts. */
#include "agent/cmd.h"
#include "agent/doctor.h"
#include "agent/tojson.h"
#include "core/log.h"
#include "core/text.h"

static void print_text(const struct doctor *d)
{
    for (const struct doctor_finding *f = d->first; f != NULL; f = f->next) {
        if (d->options->quiet && f->state != DOCTOR_PROBLEM)
            continue;
        text_say(stdout, "%-8s %-12s %s",
                 f->state == DOCTOR_PROBLEM ? "PROBLEM"
                 : f->state == DOCTOR_NOTE  ? "note"
                                            : "ok",
                 f->check, f->cause);
        if (f->remedy[0] != '\0')
            text_say(stdout, "%21s try: %s", "", f->remedy);
    }
    text_say(stdout,
             d->problems == 0   ? "nothing is wrong"
             : d->problems == 1 ? "1 problem"
                                : "%d problems",
             d->problems);
}

int cmd_doctor(struct options *o)
{
    struct doctor d = {.a = arena_open(), .loop = loop_open(), .options = o};
    struct err e;
    int code = EXIT_USAGE;
    if (o->clock != NULL && !loop_clock(d.loop, o->clock, &e)) {
        log_error("%s", e.text);
    } else if (!target_open(d.a, o, &d.target, &e)) {
        log_error("%s", e.text);
    } else {
        doctor_examine(&d);
        if (o->json)
            (void)tojson_print(doctor_json(&d));
        else
            print_text(&d);
        code = d.problems == 0 ? EXIT_DONE : EXIT_PREFLIGHT;
    }
    target_close(&d.target);
    loop_free(d.loop);
    arena_free(d.a);
    return code;
}
