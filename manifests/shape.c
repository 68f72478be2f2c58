#include "manifests/shape.h"
#include "core/arena.h"
#include "core/limits.h"

void shape_release(struct shape *s)
{
    free(s->at);
    *s = (struct shape){0};
}

static bool append(struct shape *s, union slot slot, struct err *e)
{
    if (s->count == LIMIT_PLIST_NODES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "more than %d values in one property list",
                       LIMIT_PLIST_NODES);
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 256;
        s->at = arena_heap(s->at, s->room * sizeof *s->at);
    }
    s->at[s->count++] = slot;
    return true;
}

bool shape_note(struct shape *s, int64_t n, struct err *e)
{
    return append(s, (union slot){.n = n}, e);
}

bool shape_note_real(struct shape *s, double real, struct err *e)
{
    return append(s, (union slot){.real = real}, e);
}
