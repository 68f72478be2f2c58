/* Seats are asked for what is offered and not installed. An answer that does not come counts as "none left",
 * as in Munki: a licence too few is better than one too many. */
#include "manifests/plan_internal.h"

static bool asks(const struct plan_entry *offer)
{
    return !offer->installed && props_bool(offer->dict, "licensed_seat_info_available", false);
}

void plan_licenses(struct plan_work *w)
{
    struct value *names = value_new_array(w->a);
    struct names *seen = names_open(w->a);

    if (!w->world->seats)
        return;
    for (struct plan_entry *offer = w->optional.first; offer; offer = offer->next)
        if (asks(offer) && names_add(seen, offer->name))
            value_append(w->a, names, value_get(offer->dict, "name"));
    if (value_count(names) == 0)
        return;
    const struct value *seats = w->world->seats(w->world->self, names);
    for (struct plan_entry *offer = w->optional.first; offer; offer = offer->next) {
        const struct value *left = value_get(seats, value_str(value_get(offer->dict, "name")));
        int64_t n = 0;
        if (!asks(offer))
            continue;
        if (!left || !value_int(left, &n)) /* a boolean reads as 0 or 1 */
            n = 0;
        value_set(w->a, offer->dict, "licensed_seats_available", value_new_bool(w->a, n > 0));
    }
}
