/* run_evidence: after a step, what this Mac itself says of the item. */
#include "agent/run_internal.h"

#define EVIDENCE_WAIT_MS 30000
#define EVIDENCE_STEP_MS 1000

/* Of a removal: is a package still there that was to go? A package that others share was never to go. */
static bool receipts_there(struct detect *d, const struct run_row *row)
{
    const struct pkginfo *p = row->pkg;
    const struct value *packages = props_strings(row->entry, "packages");
    for (size_t i = 0; i < value_count(packages); i++) {
        if (detect_receipt_version(d, value_str(value_at(packages, i))) != NULL) {
            return true;
        }
    }
    if (packages != NULL || p->on_demand || p->uninstallcheck != NULL || p->installcheck != NULL) {
        return false;
    }
    for (size_t i = 0; i < p->receipts_count; i++) {
        if (!p->receipts[i].optional && p->receipts[i].id != NULL &&
            detect_receipt_version(d, p->receipts[i].id) != NULL) {
            return true;
        }
    }
    return false;
}

static bool there(struct run *r, const struct run_row *row)
{
    struct detect *d = decide_detect(r->decide);
    detect_forget(d);
    return row->removal ? detect_evidence(d, row->pkg) || receipts_there(d, row)
                        : detect_installed(d, row->pkg) != PLAN_ABSENT;
}

/* Does the evidence say what it should? Asked again for a while, because vendors finish in the background;
 * where nothing was executed nobody does. */
bool run_evidence(struct run *r, struct run_row *row, bool something_ran)
{
    uint64_t until = loop_now(r->s->loop) + EVIDENCE_WAIT_MS;
    for (;;) {
        if (there(r, row) != row->removal) {
            return true;
        }
        if (!something_ran || loop_now(r->s->loop) >= until || loop_stops(r->s->loop, NULL) > 0) {
            return false;
        }
        uint64_t next = loop_now(r->s->loop) + EVIDENCE_STEP_MS;
        while (loop_now(r->s->loop) < next && loop_stops(r->s->loop, NULL) == 0) {
            loop_turn(r->s->loop, next - loop_now(r->s->loop));
        }
    }
}
