/* Warnings and reasons are gathered as they come and never change the decision. */
#include "manifests/plan_internal.h"

struct plan_warning {
    const char *text;
    struct plan_warning *next;
};

struct plan_note {
    struct plan_reason reason;
    struct plan_note *next;
};

static const char *vprint(struct arena *a, const char *fmt, va_list ap) PRINTF(2, 0);

static const char *vprint(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *text = arena_alloc(a, size);
    vsnprintf(text, size, fmt, again);
    va_end(again);
    return text;
}

void plan_warn(struct plan_work *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *text = vprint(w->a, fmt, ap);
    va_end(ap);
    if (!names_add(w->warned, text))
        return;
    struct plan_warning *warning = arena_alloc(w->a, sizeof *warning);
    warning->text = text;
    *w->last_warning = warning;
    w->last_warning = &warning->next;
    w->warning_count++;
}

void plan_because(struct plan_work *w, const struct plan_mention *m, const char *name, const char *fmt, ...)
{
    struct plan_note *note = arena_alloc(w->a, sizeof *note);
    va_list ap;

    va_start(ap, fmt);
    note->reason = (struct plan_reason){.name = name,
                                        .manifest = m->manifest,
                                        .key = m->key,
                                        .condition = m->condition,
                                        .by = m->by,
                                        .text = vprint(w->a, fmt, ap)};
    va_end(ap);
    *w->last_note = note;
    w->last_note = &note->next;
    w->note_count++;
}

void plan_take_notes(struct plan_work *w, struct plan *out)
{
    size_t n = 0;

    out->warnings = arena_array(w->a, w->warning_count + 1, sizeof *out->warnings);
    for (const struct plan_warning *warning = w->warnings; warning; warning = warning->next)
        out->warnings[n++] = warning->text;
    out->warning_count = n;
    out->reasons = arena_array(w->a, w->note_count + 1, sizeof *out->reasons);
    n = 0;
    for (const struct plan_note *note = w->notes; note; note = note->next)
        out->reasons[n++] = note->reason;
    out->reason_count = n;
}
