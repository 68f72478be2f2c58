/* The lists of InstallInfo while they grow. A list of entries keeps an index by name, since every request
 * looks whether its item is there already; a list of strings keeps the set of what is in it, in canonical
 * composition, while the array holds what the administrator wrote. */
#include "manifests/plan_entry.h"

void plan_entries_init(struct arena *a, struct plan_entries *list)
{
    *list = (struct plan_entries){.by_name = names_open(a)};
    list->last = &list->first;
}

void plan_entries_add(struct plan_entries *list, struct plan_entry *entry)
{
    entry->same_name = names_get(list->by_name, entry->name);
    names_put(list->by_name, entry->name, entry);
    *list->last = entry;
    list->last = &entry->next;
    list->count++;
}

void plan_strings_init(struct arena *a, struct plan_strings *s)
{
    s->array = value_new_array(a);
    s->set = names_open(a);
}

bool plan_strings_add(struct arena *a, struct plan_strings *s, const char *spelled, const char *nfc)
{
    if (!names_add(s->set, nfc))
        return false;
    value_append(a, s->array, value_new_str(a, spelled));
    return true;
}

void plan_copy(struct arena *a, struct value *to, const struct pkginfo *p, const char *const *keys)
{
    for (size_t i = 0; keys[i]; i++)
        value_set(a, to, keys[i], value_get(p->raw, keys[i]));
}

const char *plan_display_name(const struct pkginfo *p)
{
    return p->display_name ? p->display_name : props_str(p->raw, "name");
}

bool plan_restarts(const struct pkginfo *p)
{
    return p->restart_action && strcmp(p->restart_action, "None") != 0;
}

struct value *plan_entries_array(struct arena *a, const struct plan_entries *list,
                                 bool (*want)(const struct plan_entry *))
{
    struct value *array = value_new_array(a);

    for (const struct plan_entry *entry = list->first; entry; entry = entry->next)
        if (want(entry))
            value_append(a, array, entry->dict);
    return array;
}
