/* An item is looked at when it is mentioned: what it requires first, then itself, then what updates it, so
 * that the order in which things are found is the order in which they are installed.
 *
 * The order of the tests is Munki's and matters: an entry that was processed is answered at once; an item
 * that is in the list in this version or a higher one is answered from the list; everything else is looked at
 * again, and may be looked at again while it is being looked at (an update of a requirement may require the
 * item: then it stands twice in the list, as it does with Munki). What is refused is a request that comes
 * back to itself with nothing changed in between: that would never end. */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/plan_internal.h"
#include "manifests/version.h"

#define LOOKS 16 /* at an item that fails: then it is taken to fail for good */

struct plan_frame { /* one request: entry, catalogs, flags */
    const char *entry;
    unsigned active;
    size_t changes_at_entry;
    bool answered, answer;
    size_t changes_at_end, gains_at_end;
    unsigned looks;
    struct plan_frame *below; /* while it is active: the request that led here */
};

struct request {
    const struct plan_mention *m;
    struct plan_name n;
    const struct plan_catalogs *c;
    bool managed_update, optional;
    struct catalog_entry *item;
    const struct pkginfo *p;
};

static struct plan_frame *frame_of(struct plan_work *w, const struct request *r)
{
    const char *key = arena_printf(w->a, "%zu%c%c%s", r->c->id, r->managed_update ? 'u' : '-',
                                   r->optional ? 'o' : '-', r->n.entry);
    struct plan_frame *f = names_get(w->frames, key);

    if (!f) {
        f = arena_alloc(w->a, sizeof *f);
        f->entry = r->n.entry;
        names_put(w->frames, key, f);
    }
    return f;
}

/* Would looking again give the same answer and change nothing? A failure can only turn into success by
 * something that was gained since. */
static bool settled(const struct plan_work *w, const struct plan_frame *f)
{
    if (!f->answered)
        return false;
    if (f->answer)
        return f->changes_at_end == w->changes;
    return f->gains_at_end == w->gains || f->looks >= LOOKS;
}

static void name_the_cycle(struct plan_work *w, const struct request *r, const struct plan_frame *f)
{
    const char *way = f->entry;

    for (const struct plan_frame *at = w->stack; at && at != f; at = at->below)
        way = arena_printf(w->a, "%s > %s", at->entry, way);
    plan_warn(w, "%s comes back to itself: %s > %s; this requirement is taken as unmet (%s)", f->entry,
              f->entry, way, r->m->manifest);
    plan_because(w, r->m, r->p->name, "a requirement that comes back to itself cannot be met");
}

/* ---- the item itself --------------------------------------------------------------------------------- */

static struct value *new_dict(struct plan_work *w, const struct pkginfo *p)
{
    static const char *const display[] = {"name", "localized_strings", "developer", "icon_name", NULL};
    struct value *dict = value_new_dict(w->a);

    plan_copy(w->a, dict, p, display);
    value_set(w->a, dict, "display_name", value_new_str(w->a, plan_display_name(p)));
    value_set(w->a, dict, "description", value_new_str(w->a, p->description ? p->description : ""));
    return dict;
}

static void add(struct plan_work *w, const struct request *r, struct value *dict, bool installed,
                bool has_item, const char *version)
{
    struct plan_entry *entry = arena_alloc(w->a, sizeof *entry);

    *entry = (struct plan_entry){.name = r->p->name,
                                 .item = r->item,
                                 .pkg = r->p,
                                 .dict = dict,
                                 .installed = installed,
                                 .has_item = has_item,
                                 .version = version};
    /* Looked at again with the same outcome: once in the list is enough, except for what is installed twice
     * with Munki too. */
    if (!has_item)
        for (const struct plan_entry *old = names_get(w->installs.by_name, entry->name); old;
             old = old->same_name)
            if (!old->has_item && value_equal(old->dict, dict))
                return;
    plan_entries_add(&w->installs, entry);
    w->changes++;
    w->gains += installed || has_item;
}

static bool problem(struct plan_work *w, const struct request *r, struct value *dict, const char *version,
                    const char *note)
{
    value_set(w->a, dict, "installed", value_new_bool(w->a, false));
    value_set(w->a, dict, "note", value_new_str(w->a, note));
    add(w, r, dict, false, false, version);
    plan_because(w, r->m, r->p->name, "cannot be installed: %s", note);
    return false;
}

static const char *download_note(struct plan_work *w, const struct plan_download *d)
{
    const char *why = d->why && d->why[0] ? d->why : "no reason is known";

    switch (d->failure) {
    case PLAN_DOWNLOAD_HASH:
        return "Integrity check failed";
    case PLAN_DOWNLOAD_SPACE:
        return arena_printf(w->a, "Download failed: %s", why);
    case PLAN_DOWNLOAD_SYSTEM:
        return arena_printf(w->a, "File system error: %s", why);
    default:
        return arena_printf(w->a, "Download failed (%s)", why);
    }
}

static bool download(struct plan_work *w, const struct request *r, struct value *dict)
{
    const struct pkginfo *p = r->p;
    struct plan_download d = plan_download(w, r->item, false);

    if (d.failure == PLAN_DOWNLOAD_OK) {
        if (d.kb_per_second > 0)
            value_set(w->a, dict, "download_kbytes_per_sec", value_new_int(w->a, d.kb_per_second));
        value_set(w->a, dict, "installer_item", value_new_str(w->a, text_basename(p->location)));
        return true;
    }
    if (d.failure != PLAN_DOWNLOAD_HASH && p->location && p->location[0])
        value_set(w->a, dict, "partial_installer_item", value_new_str(w->a, text_basename(p->location)));
    const char *note = download_note(w, &d);
    plan_warn(w, "%s %s (%s in manifest %s): %s%s%s", p->name, p->version, r->m->key, r->m->manifest, note,
              d.failure == PLAN_DOWNLOAD_HASH && d.why ? ": " : "",
              d.failure == PLAN_DOWNLOAD_HASH && d.why ? d.why : "");
    return problem(w, r, dict, p->version, note);
}

static void install_updates(struct plan_work *w, const struct request *r, const char **updates,
                            bool managed_update, bool optional)
{
    struct plan_mention m = *r->m;

    m.key = "update_for";
    m.by = r->p->name;
    for (size_t i = 0; updates[i]; i++)
        (void)plan_install(w, &m, updates[i], r->c, managed_update, optional);
}

static bool add_wanted(struct plan_work *w, const struct request *r, struct value *dict)
{
    const struct pkginfo *p = r->p;
    int64_t size = p->size_kb >= 0 ? p->size_kb : 0,
            installed = p->installed_kb >= 0 ? p->installed_kb : size;

    value_set(w->a, dict, "version_to_install", value_new_str(w->a, p->version));
    value_set(w->a, dict, "installer_item_size", value_new_int(w->a, size));
    value_set(w->a, dict, "installed_size", value_new_int(w->a, installed));
    if (p->kind == KIND_NOPKG)
        value_set(w->a, dict, "installer_item", value_new_str(w->a, "packageless_install"));
    else if (!download(w, r, dict))
        return false;
    value_set(w->a, dict, "installed", value_new_bool(w->a, false));
    if (p->unattended_install && plan_restarts(p))
        plan_warn(w, "%s %s: unattended_install is ignored because RestartAction is %s", p->name, p->version,
                  p->restart_action);
    else if (p->unattended_install)
        value_set(w->a, dict, "unattended_install", value_new_bool(w->a, true));
    plan_copy(w->a, dict, p, pkginfo_copied_keys);
    if (p->has_force_date && r->optional && !plan_some_version(w, r->item))
        value_unset(dict, "force_install_after_date"); /* nobody is forced to what they chose a moment ago */
    if (!p->apple_item_set && p->apple_item)
        value_set(w->a, dict, "apple_item", value_new_bool(w->a, true));
    add(w, r, dict, false, true, p->version);
    plan_reserve(w, installed);
    plan_because(w, r->m, p->name, "%s from catalog %s is to be installed", p->version, p->catalog);

    if (r->n.version[0])
        install_updates(w, r, plan_updates(w, r->c, p->name, false, r->n.version), false, false);
    else
        install_updates(w, r, plan_updates(w, r->c, p->name, true, p->version), false, false);
    return true;
}

static void add_present(struct plan_work *w, const struct request *r, struct value *dict,
                        enum plan_state state, bool met)
{
    const struct pkginfo *p = r->p;
    const char *version = p->version;
    int64_t size = p->installed_kb >= 0 ? p->installed_kb : p->size_kb >= 0 ? p->size_kb : 0;
    bool known = true;

    if (!met)
        plan_warn(w, "%s %s (%s in manifest %s) is installed, but not all that it requires is or will be",
                  p->name, p->version, r->m->key, r->m->manifest);
    if (state == PLAN_NEWER) {
        version = plan_installed_version(w, r->item);
        known = version && strcmp(version, "UNKNOWN") != 0;
        if (!known)
            version = arena_printf(w->a, "(newer than %s)", p->version);
    }
    value_set(w->a, dict, "installed", value_new_bool(w->a, true));
    value_set(w->a, dict, "installed_size", value_new_int(w->a, size));
    value_set(w->a, dict, "installed_version", value_new_str(w->a, version));
    add(w, r, dict, true, false, version);
    plan_because(w, r->m, p->name, "%s from catalog %s is wanted and %s is installed", p->version, p->catalog,
                 state == PLAN_NEWER ? version : "it");

    if (!r->n.version[0])
        install_updates(w, r, plan_updates(w, r->c, p->name, true, known ? version : NULL), r->managed_update,
                        r->optional);
    else if (version_compare(r->n.version, version) == 0)
        install_updates(w, r, plan_updates(w, r->c, p->name, false, r->n.version), r->managed_update,
                        r->optional);
}

static bool install_required(struct plan_work *w, const struct request *r)
{
    struct plan_mention m = *r->m;
    bool met = true;

    m.key = "requires";
    m.by = r->p->name;
    if (value_str(r->p->requires))
        return plan_install(w, &m, value_str(r->p->requires), r->c, r->managed_update, r->optional);
    for (size_t i = 0; i < value_count(r->p->requires); i++)
        if (!plan_install(w, &m, value_str(value_at(r->p->requires, i)), r->c, r->managed_update,
                          r->optional))
            met = false;
    return met;
}

static bool look(struct plan_work *w, const struct request *r)
{
    const struct pkginfo *p = r->p;
    bool met = install_required(w, r);
    struct value *dict = new_dict(w, p);
    enum plan_state state = plan_installed(w, r->item);

    if (state == PLAN_ABSENT && !met) {
        plan_warn(w, "%s %s (%s in manifest %s) is not installed: not all that it requires is or will be",
                  p->name, p->version, r->m->key, r->m->manifest);
        return problem(
            w, r, dict, NULL,
            arena_printf(w->a,
                         "Can't install %s because could not verify all other items it requires are "
                         "or will be installed.",
                         plan_display_name(p)));
    }
    if (state == PLAN_ABSENT && !add_wanted(w, r, dict))
        return false;
    if (state != PLAN_ABSENT)
        add_present(w, r, dict, state, met);
    if (!r->managed_update) {
        bool first = plan_strings_add(w->a, &w->processed_installs, r->n.spelled, r->n.entry);
        if (!first) /* what was looked at while it was being looked at stands twice here too */
            value_append(w->a, w->processed_installs.array, value_new_str(w->a, r->n.spelled));
        names_add(w->processed_install_names, r->n.name);
        w->changes += first;
        w->gains += first;
    }
    return true;
}

/* ---- the request ------------------------------------------------------------------------------------- */

static void say_not_found(struct plan_work *w, const struct plan_mention *m, const struct plan_name *n,
                          const struct plan_catalogs *c, const struct plan_found *found)
{
    for (const char **why = found->rejections; *why; why++)
        plan_warn(w, "%s", *why);
    plan_warn(w, "%s (%s in manifest %s%s%s): no item that applies in catalogs %s", n->spelled, m->key,
              m->manifest, m->by ? ", for " : "", m->by ? m->by : "", c->text);
    plan_because(w, m, n->name, "no item that applies in catalogs %s%s%s", c->text,
                 found->rejections[0] ? ": " : "", found->rejections[0] ? found->rejections[0] : "");
}

/* Is the item in the list in this version or a higher one? Then *ok says whether all went well with it. */
static bool is_planned(const struct plan_work *w, const struct pkginfo *p, bool *ok)
{
    const struct plan_entry *last = names_get(w->installs.by_name, p->name);
    bool there = false;

    *ok = true;
    for (const struct plan_entry *entry = last; entry; entry = entry->same_name) {
        there = there || (entry->version && version_compare(entry->version, p->version) >= 0);
        *ok = *ok && (entry->installed || entry->has_item);
    }
    return there;
}

static bool take(struct plan_work *w, struct request *r)
{
    struct plan_frame *f = frame_of(w, r);

    if (f->active && f->changes_at_entry == w->changes) {
        name_the_cycle(w, r, f);
        return false;
    }
    if (settled(w, f)) {
        plan_because(w, r->m, r->p->name, "decided before: %s",
                     f->answer ? "all is well with it" : "it failed");
        return f->answer;
    }
    if (w->depth == LIMIT_REQUIRE_DEPTH) {
        plan_warn(w,
                  "%s (for %s, manifest %s): requirements and updates lie more than %d deep; taken as unmet",
                  r->p->name, r->m->by ? r->m->by : "itself", r->m->manifest, LIMIT_REQUIRE_DEPTH);
        return false;
    }
    size_t outer = f->changes_at_entry;
    f->changes_at_entry = w->changes;
    f->active++;
    if (f->active == 1) {
        f->below = w->stack;
        w->stack = f;
    }
    w->depth++;
    bool answer = look(w, r);
    w->depth--;
    if (f->active == 1)
        w->stack = f->below;
    f->active--;
    f->changes_at_entry = outer;
    f->answered = true;
    f->answer = answer;
    f->changes_at_end = w->changes;
    f->gains_at_end = w->gains;
    f->looks++;
    return answer;
}

bool plan_install(struct plan_work *w, const struct plan_mention *m, const char *reference,
                  const struct plan_catalogs *c, bool managed_update, bool optional)
{
    struct request r = {.m = m,
                        .n = plan_split(w, reference),
                        .c = c,
                        .managed_update = managed_update,
                        .optional = optional};
    bool ok;

    if (names_has(w->processed_installs.set, r.n.entry)) {
        plan_because(w, m, r.n.name, "was processed before");
        return true;
    }
    if (names_has(w->processed_uninstalls.set, r.n.name)) {
        plan_warn(w, "%s (%s in manifest %s) is not installed: it is in the list of what is to be removed",
                  r.n.spelled, m->key, m->manifest);
        plan_because(w, m, r.n.name, "is to be removed, so it is not installed");
        return false;
    }
    const struct plan_found *found = plan_search(w, c, r.n.name, r.n.version, false);
    if (!found->entry) {
        say_not_found(w, m, &r.n, c, found);
        return false;
    }
    r.item = found->entry;
    r.p = catalog_pkginfo(r.item);
    if (is_planned(w, r.p, &ok)) {
        plan_because(w, m, r.p->name, ok ? "is or will be installed already" : "failed before");
        return ok;
    }
    return take(w, &r);
}

void plan_managed_update(struct plan_work *w, const struct plan_mention *m, const char *reference,
                         const struct plan_catalogs *c)
{
    struct plan_name n = plan_split(w, reference);

    if (names_has(w->managed_updates.set, n.entry) || names_has(w->processed_installs.set, n.entry) ||
        names_has(w->processed_uninstalls.set, n.entry)) {
        plan_because(w, m, n.name, "was processed before");
        return;
    }
    const struct plan_found *found = plan_search(w, c, n.name, n.version, false);
    if (!found->entry) {
        say_not_found(w, m, &n, c, found);
        return;
    }
    if (!plan_some_version(w, found->entry)) {
        plan_because(w, m, n.name, "no version is installed, so there is nothing to update");
        return;
    }
    plan_strings_add(w->a, &w->managed_updates, n.spelled, n.entry);
    (void)plan_install(w, m, reference, c, true, false);
}
