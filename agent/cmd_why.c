/* cmd_why: one item, one screen. The decision is made again from what is cached, and then asked about. */
#include "agent/cmd.h"
#include "agent/setup.h"
#include "agent/tojson.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/catalog.h"
#include "manifests/version.h"

struct why {
    struct setup *s;
    const struct plan *plan;
    const char *name;             /* as asked, NFC */
    const struct pkginfo *pkg;    /* what was chosen, else the newest in the catalogs; may be NULL */
    const struct plan_item *item; /* what will be done, or NULL */
    const struct value *problem;  /* its entry among problem_items, or NULL */
    bool present, named, offered;
    const char *candidates[16]; /* "production 131.0" */
    size_t candidate_count;
    json_t *last; /* its entry in status.json, or NULL; owned by status */
    json_t *status;
};

/* --- looking ------------------------------------------------------------------------------------------- */

static void hush(void *ctx, const char *sentence)
{
    (void)ctx;
    (void)sentence; /* the decision has said it */
}

/* Every pkginfo of that name in the catalogs used; the newest becomes pkg where the plan chose none. */
static void look_in_catalogs(struct why *w)
{
    struct arena *a = w->s->arena;
    for (size_t c = 0; w->plan->catalogs_used[c] != NULL; c++) {
        const struct outline *items;
        struct err e;
        if (!repo_catalog(decide_repo(w->s->decide), w->plan->catalogs_used[c], &items, &e))
            continue;
        struct catalog_list list =
            catalog_named(catalog_load(a, w->plan->catalogs_used[c], items, hush, NULL), w->name);
        for (size_t i = 0; i < list.count; i++) {
            const struct pkginfo *p = catalog_pkginfo(list.entries[i]);
            if (p == NULL)
                continue;
            if (w->candidate_count < sizeof w->candidates / sizeof w->candidates[0])
                w->candidates[w->candidate_count++] = arena_printf(a, "%s %s", p->catalog, p->version);
            if (w->item == NULL && !w->present &&
                (w->pkg == NULL || version_compare(p->version, w->pkg->version) > 0))
                w->pkg = p;
        }
    }
}

static const struct value *entry_named(const struct value *array, const char *name)
{
    for (size_t i = 0; i < value_count(array); i++) {
        const char *n = props_str(value_at(array, i), "name");
        if (n != NULL && strcmp(n, name) == 0)
            return value_at(array, i);
    }
    return NULL;
}

static void look_in_plan(struct why *w)
{
    const struct plan *p = w->plan;
    for (size_t i = 0; i < p->item_count; i++)
        if (strcmp(p->items[i].pkg->name, w->name) == 0) {
            w->item = &p->items[i];
            w->pkg = p->items[i].pkg;
        }
    for (size_t i = 0; i < p->present_count && w->item == NULL; i++)
        if (strcmp(p->present[i]->name, w->name) == 0) {
            w->present = true;
            w->pkg = p->present[i];
        }
    for (size_t i = 0; i < p->reason_count; i++)
        w->named = w->named || strcmp(p->reasons[i].name, w->name) == 0;
    w->problem = entry_named(props_array(p->install_info, "problem_items"), w->name);
    w->offered = entry_named(props_array(p->install_info, "optional_installs"), w->name) != NULL;
}

static void look_in_status(struct why *w)
{
    struct buf bytes;
    struct err e;
    size_t i;
    json_t *one;
    buf_init(&bytes, LIMIT_STATUS);
    if (w->s->target.state >= 0 && files_read(w->s->target.state, "status.json", &bytes, &e))
        w->status = json_loadb(buf_str(&bytes), bytes.len, 0, NULL);
    buf_release(&bytes);
    json_array_foreach(json_object_get(w->status, "items"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL && strcmp(name, w->name) == 0)
            w->last = one;
    }
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

static void keep_near(struct near *best, size_t room, size_t *count, const char *asked, const char *name)
{
    struct near n = {name, options_distance(asked, name)};
    for (size_t i = 0; i < *count; i++)
        if (strcmp(best[i].name, name) == 0)
            return;
    if (*count < room)
        best[(*count)++] = n;
    else if (by_distance(&n, &best[room - 1]) < 0)
        best[room - 1] = n;
    else
        return;
    qsort(best, *count, sizeof *best, by_distance);
}

static int unknown(struct why *w)
{
    enum { SHOWN = 5 };
    struct near best[SHOWN];
    size_t count = 0;
    for (size_t i = 0; i < w->plan->reason_count; i++)
        keep_near(best, SHOWN, &count, w->name, w->plan->reasons[i].name);
    for (size_t c = 0; w->plan->catalogs_used[c] != NULL; c++) {
        const struct outline *items;
        struct pkginfo_brief brief;
        struct err e;
        if (!repo_catalog(decide_repo(w->s->decide), w->plan->catalogs_used[c], &items, &e))
            continue;
        for (size_t i = 0; i < outline_count(items); i++)
            if (pkginfo_brief(w->s->arena, outline_brief(w->s->arena, items, i), &brief))
                keep_near(best, SHOWN, &count, w->name, brief.spelled);
    }
    fprintf(stderr, "daybreak: %s: no manifest and no catalog of this Mac names it", w->name);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s%s", i == 0 ? "; nearest: " : ", ", best[i].name);
    fputc('\n', stderr);
    return EXIT_PREFLIGHT;
}

/* --- saying -------------------------------------------------------------------------------------------- */

static const char *verdict(const struct why *w)
{
    if (w->problem != NULL)
        return "cannot be installed";
    if (w->item != NULL)
        return w->item->removal ? "will be removed" : "will be installed";
    if (w->present)
        return "is installed, nothing to do";
    if (w->offered)
        return "is offered to the user, nothing to do";
    return w->named ? "nothing to do" : "no manifest of this Mac names it";
}

static const char *last_text(const struct why *w, const char *object, const char *key)
{
    const json_t *j = w->last;
    if (object != NULL)
        j = json_object_get(j, object);
    return json_string_value(json_object_get(j, key));
}

/* What a technician can do now. */
static const char *advice(struct why *w)
{
    const char *suggestion = last_text(w, "failure", "suggestion");
    if (suggestion != NULL && suggestion[0] != '\0')
        return suggestion;
    if (w->problem != NULL)
        return "correct the repository, then: sudo /usr/local/daybreak/daybreak run";
    if (w->item != NULL)
        return "sudo /usr/local/daybreak/daybreak run";
    if (!w->named)
        return "add it to a manifest of this Mac";
    return NULL;
}

static const char *evidence(struct why *w)
{
    static const char *const states[] = {"absent", "this version is there", "a newer version is there"};
    struct detect *d = decide_detect(w->s->decide);
    if (w->pkg == NULL)
        return NULL;
    enum plan_state state = detect_installed(d, w->pkg);
    const char *reason = detect_reason(d, w->pkg);
    bool said = reason != NULL && reason[0] != '\0';
    return arena_printf(w->s->arena, "%s%s%s", states[state], said ? ": " : "", said ? reason : "");
}

static void print_text(struct why *w)
{
    const struct plan *p = w->plan;
    const char *display = w->pkg != NULL ? w->pkg->display_name : NULL;
    text_say(stdout, "%s %s%s%s%s: %s", w->name, w->pkg != NULL ? w->pkg->version : "(in no catalog)",
             display != NULL ? " (" : "", display != NULL ? display : "", display != NULL ? ")" : "",
             verdict(w));
    for (size_t i = 0; i < p->reason_count; i++) {
        const struct plan_reason *r = &p->reasons[i];
        if (strcmp(r->name, w->name) != 0)
            continue;
        text_say(stdout, "  %-9s %s, %s%s%s%s%s%s", "named by", r->manifest != NULL ? r->manifest : "-",
                 r->key != NULL ? r->key : "-", r->by != NULL ? " of " : "", r->by != NULL ? r->by : "",
                 r->condition != NULL ? ", because " : "", r->condition != NULL ? r->condition : "",
                 r->text != NULL && r->text[0] != '\0' ? ":" : "");
        if (r->text != NULL && r->text[0] != '\0')
            text_say(stdout, "  %-9s   %s", "", r->text);
    }
    if (w->pkg != NULL)
        text_say(stdout, "  %-9s %s gives %s", "catalog", w->pkg->catalog, w->pkg->version);
    for (size_t i = 0; i < w->candidate_count && w->candidate_count > 1; i++)
        text_say(stdout, "  %-9s %s", i == 0 ? "found" : "", w->candidates[i]);
    if (evidence(w) != NULL)
        text_say(stdout, "  %-9s %s", "evidence", evidence(w));
    if (w->problem != NULL && props_str(w->problem, "note") != NULL)
        text_say(stdout, "  %-9s %s", "problem", props_str(w->problem, "note"));
    if (w->last != NULL) {
        const char *message = last_text(w, "failure", "message"), *reason = last_text(w, NULL, "reason");
        const char *state = last_text(w, NULL, "state"), *finished = last_text(w, NULL, "finished");
        text_say(stdout, "  %-9s %s%s%s%s%s", "last run", state != NULL ? state : "?",
                 finished != NULL ? " " : "", finished != NULL ? finished : "",
                 message != NULL || reason != NULL ? ": " : "",
                 message != NULL  ? message
                 : reason != NULL ? reason
                                  : "");
    } else {
        text_say(stdout, "  %-9s %s", "last run",
                 w->status != NULL ? "it was not part of it" : "there was none");
    }
    if (advice(w) != NULL)
        text_say(stdout, "  %-9s %s", "to do", advice(w));
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text != NULL ? json_string(text) : json_null());
}

static bool print_json(struct why *w)
{
    json_t *root = json_object(), *reasons = json_array(), *found = json_array();
    json_object_set_new(root, "schema", json_integer(1));
    set_text(root, "name", w->name);
    set_text(root, "version", w->pkg != NULL ? w->pkg->version : NULL);
    set_text(root, "display_name", w->pkg != NULL ? w->pkg->display_name : NULL);
    set_text(root, "catalog", w->pkg != NULL ? w->pkg->catalog : NULL);
    set_text(root, "verdict", verdict(w));
    set_text(root, "action", w->item == NULL ? NULL : w->item->removal ? "remove" : "install");
    for (size_t i = 0; i < w->plan->reason_count; i++) {
        const struct plan_reason *r = &w->plan->reasons[i];
        if (strcmp(r->name, w->name) != 0)
            continue;
        json_t *one = json_object();
        set_text(one, "manifest", r->manifest);
        set_text(one, "key", r->key);
        set_text(one, "condition", r->condition);
        set_text(one, "by", r->by);
        set_text(one, "text", r->text);
        json_array_append_new(reasons, one);
    }
    for (size_t i = 0; i < w->candidate_count; i++)
        json_array_append_new(found, json_string(w->candidates[i]));
    json_object_set_new(root, "named_by", reasons);
    json_object_set_new(root, "found", found);
    set_text(root, "evidence", evidence(w));
    set_text(root, "problem", props_str(w->problem, "note"));
    json_object_set(root, "last_run", w->last != NULL ? w->last : json_null());
    set_text(root, "to_do", advice(w));
    return tojson_print(root);
}

int cmd_why(struct options *o)
{
    struct setup s;
    struct err e;
    struct why w = {.s = &s};
    bool offline = o->repo == NULL;
    o->dry_run = true; /* whatever is fetched is not kept */
    int code = setup_open(&s, o, TARGET_READ, offline);
    if (code != 0)
        goto out;
    w.name = text_nfc(s.arena, o->operands[0]);
    if (w.name == NULL)
        w.name = o->operands[0];
    w.plan = decide_make(s.decide, &e);
    if (w.plan == NULL) {
        setup_complain(&e);
        code = EXIT_PREFLIGHT;
        goto out;
    }
    look_in_plan(&w);
    look_in_catalogs(&w);
    if (!w.named && w.pkg == NULL) {
        code = unknown(&w);
        goto out;
    }
    look_in_status(&w);
    if (o->json)
        (void)print_json(&w);
    else
        print_text(&w);
    json_decref(w.status);
out:
    setup_close(&s);
    return code;
}
