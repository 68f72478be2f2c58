/* One item: who names it, what the catalogs have, what its evidence says, what it stands in relation to, what
 * happened, what to do. The plan decides; this only asks again what the plan asked, and tells it. */
#include "agent/journal.h"
#include "agent/status.h"
#include "agent/why_internal.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/names.h"
#include "manifests/version.h"

#define LOG_TAIL  (256 * LIMIT_KB)
#define LOG_LINES 3
#define NEAREST   5

void why_set(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text != NULL ? json_string(text) : json_null());
}

/* --- the plan ------------------------------------------------------------------------------------------ */

static const struct value *entry_named(struct arena *a, const struct value *array, const char *name)
{
    for (size_t i = 0; i < value_count(array); i++) {
        const char *n = props_str(value_at(array, i), "name");
        if (n != NULL && strcmp(names_nfc(a, n), name) == 0)
            return value_at(array, i);
    }
    return NULL;
}

static bool among(struct arena *a, const struct value *strings, const char *name)
{
    for (size_t i = 0; i < value_count(strings); i++)
        if (value_str(value_at(strings, i)) != NULL &&
            strcmp(names_nfc(a, value_str(value_at(strings, i))), name) == 0)
            return true;
    return false;
}

static const struct plan_item *item_of(const struct plan *p, const char *name)
{
    const struct plan_item *found = NULL;
    for (size_t i = 0; i < p->item_count; i++)
        if (strcmp(p->items[i].pkg->name, name) == 0)
            found = &p->items[i];
    return found;
}

static const struct pkginfo *present_of(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->present_count; i++)
        if (strcmp(p->present[i]->name, name) == 0)
            return p->present[i];
    return NULL;
}

static void look_in_plan(struct why *w)
{
    const struct value *info = w->plan->install_info;
    w->item = item_of(w->plan, w->name);
    w->pkg = w->item != NULL ? w->item->pkg : present_of(w->plan, w->name);
    w->present = w->item == NULL && w->pkg != NULL;
    w->problem = entry_named(w->a, props_array(info, "problem_items"), w->name);
    w->offered = entry_named(w->a, props_array(info, "optional_installs"), w->name) != NULL;
    w->absent = among(w->a, w->plan->removed_items, w->name);
}

static bool any_key(const struct why *w, const char *key)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->mentions[i].holds && strcmp(w->mentions[i].key, key) == 0)
            return true;
    return false;
}

struct verdict {
    const char *decision, *text;
};

static struct verdict verdict(const struct why *w)
{
    if (w->item != NULL && w->item->removal)
        return (struct verdict){"remove", "will be removed"};
    if (w->item != NULL)
        return (struct verdict){"install", "will be installed"};
    if (w->problem != NULL)
        return (struct verdict){"problem", "should be installed and cannot be"};
    if (w->present)
        return (struct verdict){"present", "is installed, nothing to do"};
    if (w->absent)
        return (struct verdict){"absent", "should not be installed and is not, nothing to do"};
    if (w->offered)
        return (struct verdict){"offered", "is offered to the user, nothing to do"};
    if (any_key(w, "managed_uninstalls") || any_key(w, "autoremove"))
        return (struct verdict){"kept", "should be removed and cannot be"};
    if (w->holding > 0 && any_key(w, "managed_updates") && w->pkg != NULL)
        return (struct verdict){"not_installed", "would be updated, but no version of it is installed"};
    if (w->holding > 0)
        return (struct verdict){"unusable", w->pkg != NULL ? "is named, but no version applies to this Mac"
                                                           : "is named, but no catalog has it"};
    if (w->count > 0)
        return (struct verdict){"condition", "is named only where it does not count"};
    return (struct verdict){"unnamed", "is in a catalog, but no manifest of this Mac names it"};
}

/* --- evidence ------------------------------------------------------------------------------------------ */

static void evidence_line(void *ctx, const char *what, const char *found, const char *says)
{
    json_t *one = json_object();
    why_set(one, "what", what);
    why_set(one, "found", found);
    why_set(one, "says", says);
    json_array_append_new(ctx, one);
}

static void add_evidence(const struct why *w, json_t *root)
{
    static const char *const states[] = {"absent, or older", "this version is there",
                                         "a newer version is there"};
    struct detect *d = decide_detect(w->s->decide);
    json_t *lines = json_array();
    bool removal = (w->item != NULL && w->item->removal) || w->absent || any_key(w, "managed_uninstalls") ||
                   any_key(w, "autoremove");
    const char *summary = NULL;
    if (w->pkg != NULL && removal)
        summary = w->item != NULL              ? "something of it is there"
                  : detect_evidence(d, w->pkg) ? "something of it is there"
                                               : "nothing of it is there";
    else if (w->pkg != NULL)
        summary = states[detect_installed(d, w->pkg)];
    if (w->pkg != NULL)
        detect_explain(d, w->pkg, removal, evidence_line, lines);
    why_set(root, "evidence", summary);
    json_object_set_new(root, "evidence_found", lines);
}

/* --- relations ----------------------------------------------------------------------------------------- */

static void add_relation(const struct why *w, json_t *into, const char *relation, const char *reference)
{
    const char *name, *version, *state = "is not part of the plan";
    pkginfo_split_reference(w->a, names_nfc(w->a, reference), &name, &version);
    const struct plan_item *item = item_of(w->plan, name);
    const struct value *problem =
        entry_named(w->a, props_array(w->plan->install_info, "problem_items"), name);
    if (item != NULL)
        state = item->removal ? "will be removed" : "will be installed";
    else if (problem != NULL)
        state = "cannot be installed";
    else if (present_of(w->plan, name) != NULL)
        state = "is installed";
    json_t *one = json_object();
    why_set(one, "relation", relation);
    why_set(one, "name", reference);
    why_set(one, "state", state);
    json_array_append_new(into, one);
}

static void add_references(const struct why *w, json_t *into, const char *relation, const struct value *refs)
{
    if (refs != NULL && value_str(refs) != NULL)
        add_relation(w, into, relation, value_str(refs));
    for (size_t i = 0; i < value_count(refs); i++)
        if (value_str(value_at(refs, i)) != NULL)
            add_relation(w, into, relation, value_str(value_at(refs, i)));
}

/* The plan's reasons name what updates the item, and what is removed with it. */
static void add_followers(const struct why *w, json_t *into)
{
    for (size_t i = 0; i < w->plan->reason_count; i++) {
        const struct plan_reason *r = &w->plan->reasons[i];
        bool before = false;
        if (r->by == NULL || strcmp(r->by, w->name) != 0 || strcmp(r->key, "update_for") != 0)
            continue;
        for (size_t k = 0; k < i && !before; k++) {
            const struct plan_reason *o = &w->plan->reasons[k];
            before = o->by != NULL && strcmp(o->by, r->by) == 0 && strcmp(o->key, r->key) == 0 &&
                     strcmp(o->name, r->name) == 0;
        }
        if (!before)
            add_relation(w, into, "updated by", r->name);
    }
}

static json_t *relations(const struct why *w)
{
    json_t *all = json_array();
    if (w->pkg != NULL) {
        add_references(w, all, "requires", w->pkg->requires);
        add_references(w, all, "update for", w->pkg->update_for);
    }
    add_followers(w, all);
    return all;
}

static json_t *warnings(const struct why *w)
{
    json_t *all = json_array();
    size_t n = strlen(w->name);
    for (size_t i = 0; i < w->plan->warning_count; i++)
        if (strncmp(w->plan->warnings[i], w->name, n) == 0 && w->plan->warnings[i][n] == ' ')
            json_array_append_new(all, json_string(w->plan->warnings[i]));
    return all;
}

/* --- what happened ------------------------------------------------------------------------------------- */

static void look_in_status(struct why *w)
{
    struct err e;
    size_t i;
    json_t *one;
    w->status = w->s->target.state >= 0 ? status_read(w->s->target.state, &e) : NULL;
    json_array_foreach(json_object_get(w->status, "items"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL && strcmp(name, w->name) == 0)
            w->last = one;
    }
}

static void add_attempts(const struct why *w, json_t *root)
{
    static const char *const outcomes[] = {
        [JOURNAL_NONE] = "none",     [JOURNAL_CUT] = "cut",         [JOURNAL_OK] = "success",
        [JOURNAL_FAILED] = "failed", [JOURNAL_BLOCKED] = "blocked", [JOURNAL_DEFERRED] = "deferred"};
    struct journal *j = journal_peek(w->s->target.state, w->s->facts.hardware_id);
    struct journal_item it = journal_item(j, w->name);
    json_t *one = NULL;
    if (it.outcome != JOURNAL_NONE) {
        int64_t max =
            w->pkg != NULL && w->pkg->max_attempts > 0 ? w->pkg->max_attempts : w->s->prefs.max_attempts;
        one = json_object();
        why_set(one, "version", it.version);
        why_set(one, "action", it.removal ? "remove" : "install");
        json_object_set_new(one, "attempts", json_integer(it.attempts));
        json_object_set_new(one, "attempts_max", json_integer(max));
        why_set(one, "outcome", outcomes[it.outcome]);
        why_set(one, "message", it.message);
    }
    json_object_set_new(root, "attempts", one != NULL ? one : json_null());
    journal_free(j);
}

static bool speaks_of(const char *line, const char *title)
{
    static const char *const words[] = {" Install of ", " Removal of "};
    for (size_t i = 0; i < 2; i++) {
        const char *at = strstr(line, words[i]);
        size_t n = strlen(title);
        if (at != NULL && strncmp(at + strlen(words[i]), title, n) == 0) {
            char next = at[strlen(words[i]) + n];
            return next == '-' || next == ':';
        }
    }
    return false;
}

/* The last lines of Install.log about it: what became of it over all runs. */
static json_t *install_log(const struct why *w)
{
    json_t *all = json_array();
    const char *title = w->pkg != NULL && w->pkg->display_name != NULL ? w->pkg->display_name : w->name;
    struct buf text;
    struct err e;
    struct stat st;
    int fd = files_open(w->s->target.root, TARGET_LOGS "/Install.log", &e);
    buf_init(&text, LOG_TAIL);
    if (fd >= 0 && fstat(fd, &st) == 0 &&
        (st.st_size <= (off_t)LOG_TAIL || lseek(fd, st.st_size - (off_t)LOG_TAIL, SEEK_SET) > 0) &&
        files_read_fd(fd, &text, &e)) {
        for (char *line = arena_strdup(w->a, buf_str(&text)), *end; line != NULL && *line != '\0';
             line = end) {
            end = strchr(line, '\n');
            if (end != NULL)
                *end++ = '\0';
            if (!speaks_of(line, title))
                continue;
            if (json_array_size(all) == LOG_LINES)
                json_array_remove(all, 0);
            json_array_append_new(all, json_string(text_printable(w->a, line, strlen(line))));
        }
    }
    if (fd >= 0)
        close(fd);
    buf_release(&text);
    return all;
}

/* --- what to do ---------------------------------------------------------------------------------------- */

#define PROGRAM "/usr/local/daybreak/daybreak"

static const char *last_text(const struct why *w, const char *object, const char *key)
{
    const json_t *j = object != NULL ? json_object_get(w->last, object) : w->last;
    return json_string_value(json_object_get(j, key));
}

static const char *advice(const struct why *w, const char *decision, const json_t *attempts)
{
    const char *suggestion = last_text(w, "failure", "suggestion");
    json_int_t made = json_integer_value(json_object_get(attempts, "attempts"));
    bool failed = json_string_value(json_object_get(attempts, "outcome")) != NULL &&
                  strcmp(json_string_value(json_object_get(attempts, "outcome")), "failed") == 0;
    bool todo = strcmp(decision, "install") == 0 || strcmp(decision, "remove") == 0;
    if (todo && failed && made >= json_integer_value(json_object_get(attempts, "attempts_max")))
        return arena_printf(w->a, "%s%ssudo " PROGRAM " reset %s, then sudo " PROGRAM " run",
                            suggestion != NULL ? suggestion : "",
                            suggestion != NULL && suggestion[0] != '\0' ? "; then " : "", w->name);
    if (todo && suggestion != NULL && suggestion[0] != '\0')
        return suggestion;
    if (todo)
        return "sudo " PROGRAM " run";
    if (strcmp(decision, "problem") == 0)
        return "correct what is named above, then: sudo " PROGRAM " run";
    if (strcmp(decision, "unnamed") == 0)
        return arena_printf(
            w->a,
            "to have it installed, name it in managed_installs of manifest %s, or of one that it includes",
            w->in->primary);
    if (strcmp(decision, "condition") == 0)
        return "if it should be here, correct the condition; daybreak config and the report show this Mac's "
               "facts";
    if (strcmp(decision, "unusable") == 0)
        return w->pkg != NULL
                   ? "publish a version that applies to this Mac, or take the item out of the manifest"
                   : "correct the name, or put the item into one of these catalogs";
    if (strcmp(decision, "offered") == 0)
        return "a user chooses it in Managed Software Center; managed_installs would install it for everyone";
    if (strcmp(decision, "kept") == 0)
        return "correct what is named above";
    return NULL;
}

/* --- an item nobody knows ------------------------------------------------------------------------------ */

struct near {
    const char *name;
    unsigned distance;
};

static int by_distance(const void *a, const void *b)
{
    const struct near *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void keep_near(struct near *best, size_t *count, const char *asked, const char *name)
{
    struct near n = {name, options_distance(asked, name)};
    for (size_t i = 0; i < *count; i++)
        if (strcmp(best[i].name, name) == 0)
            return;
    if (*count < NEAREST)
        best[(*count)++] = n;
    else if (by_distance(&n, &best[NEAREST - 1]) < 0)
        best[NEAREST - 1] = n;
    else
        return;
    qsort(best, *count, sizeof *best, by_distance);
}

static const char *const *nearest_of(const struct why *w)
{
    struct near best[NEAREST];
    size_t count = 0;
    for (size_t i = 0; i < w->plan->reason_count; i++)
        keep_near(best, &count, w->name, w->plan->reasons[i].name);
    for (size_t c = 0; w->plan->catalogs_used[c] != NULL; c++) {
        const struct outline *items;
        struct pkginfo_brief brief;
        struct err e;
        if (!repo_catalog(decide_repo(w->s->decide), w->plan->catalogs_used[c], &items, &e))
            continue;
        for (size_t i = 0; i < outline_count(items); i++)
            if (pkginfo_brief(w->a, outline_part(w->a, items, i, OUTLINE_KEY(PKGINFO_BRIEF_NAME)), &brief))
                keep_near(best, &count, w->name, brief.spelled);
    }
    const char **names = arena_array(w->a, count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = best[i].name;
    return names;
}

/* --- the whole ----------------------------------------------------------------------------------------- */

/* Fill w and the parts of root that tell whether anybody knows the name. */
static json_t *look(struct why *w, const char *name, json_t **named, json_t **found)
{
    w->name = name;
    w->mentions = NULL;
    w->count = w->room = w->holding = 0;
    look_in_plan(w);
    why_named_find(w);
    *found = why_found_json(w);
    const char *part, *version;
    pkginfo_split_reference(w->a, name, &part, &version);
    /* "Firefox-131.0" is named only as Firefox in a version, unless an item has that very name */
    bool reference = strcmp(part, name) != 0 && w->holding == 0;
    if ((w->count == 0 || reference) && json_array_size(*found) == 0) {
        json_decref(*found);
        return NULL;
    }
    *named = why_named_json(w);
    return json_object();
}

json_t *why_explain(struct setup *s, const struct plan *plan, const char *asked, const char *const **nearest)
{
    struct why w = {.s = s, .a = s->arena, .plan = plan, .in = decide_input(s->decide)};
    const char *part, *version, *name = names_nfc(s->arena, asked);
    json_t *named, *found, *root = look(&w, name, &named, &found);
    pkginfo_split_reference(s->arena, name, &part, &version);
    if (root == NULL && strcmp(part, name) != 0)
        root = look(&w, part, &named, &found); /* asked as manifests write it: Firefox-131.0 */
    if (root == NULL) {
        w.name = name;
        *nearest = nearest_of(&w);
        return NULL;
    }
    look_in_status(&w);
    struct verdict v = verdict(&w);
    const struct value *planned = w.item != NULL ? w.item->entry : NULL;
    json_object_set_new(root, "schema", json_integer(1));
    why_set(root, "name", w.name);
    why_set(root, "version", w.pkg != NULL ? w.pkg->version : NULL);
    why_set(root, "display_name", w.pkg != NULL ? w.pkg->display_name : NULL);
    why_set(root, "catalog", w.pkg != NULL ? w.pkg->catalog : NULL);
    why_set(root, "decision", v.decision);
    why_set(root, "verdict", v.text);
    why_set(root, "action", w.item == NULL ? NULL : w.item->removal ? "remove" : "install");
    why_set(root, "uninstall_method", props_str(planned, "uninstall_method"));
    json_object_set_new(root, "named_by", named);
    json_object_set_new(root, "found", found);
    add_evidence(&w, root);
    json_object_set_new(root, "relations", relations(&w));
    why_set(root, "problem", props_str(w.problem, "note"));
    json_object_set_new(root, "warnings", warnings(&w));
    json_object_set(root, "last_run", w.last != NULL ? w.last : json_null());
    json_object_set_new(root, "ran_before", json_boolean(w.status != NULL));
    add_attempts(&w, root);
    json_object_set_new(root, "install_log", install_log(&w));
    why_set(root, "to_do", advice(&w, v.decision, json_object_get(root, "attempts")));
    json_decref(w.status);
    return root;
}
