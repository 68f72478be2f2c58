/* A manifest without catalogs of its own inherits those of the one that includes it; one that has neither is
 * left out whole, with what it includes. An included manifest that cannot be had ends the check: a Mac is
 * never brought to half a policy. A condition that does not parse is false. */
#include "manifests/manifest.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/names.h"
#include "manifests/predicate.h"

struct section {
    struct manifest_section here;
    struct section *next;
};

struct included { /* one manifest by name */
    const struct value *dict;
};

struct walk {
    struct arena *a;
    const struct manifest_source *from;
    struct section *first, **last;
    size_t count, mentions;
    struct section *first_passed, **last_passed;
    size_t passed_count;
    struct names *fetched; /* name -> struct included */
    const char **names;
    size_t name_count;
    const char *chain[LIMIT_INCLUDE_DEPTH + 1]; /* names of the manifests that are being walked */
    size_t depth;
    struct value *catalogs, *critical_items, *session_items, *required_profiles;
    struct names *critical_names, *session_names, *profile_names;
    const struct value *handoff;
};

const struct value *manifest_strings(struct arena *a, const struct manifest_source *from,
                                     const char *manifest, const struct value *dict, const char *key)
{
    const struct value *list = props_strings(dict, key);

    if (!list && value_get(dict, key))
        from->warn(from->self,
                   arena_printf(a, "manifest %s: %s is no array of strings and is ignored", manifest, key));
    return list;
}

/* A name becomes part of a URL and of a path below ManagedInstallDir. */
static const char *bad_name(const char *name)
{
    if (name[0] == '/')
        return "it is an absolute path";
    if (strcmp(name, "SelfServeManifest") == 0)
        return "that name is the user's own manifest";
    for (const char *at = name;; at++) {
        size_t n = strcspn(at, "/");
        if (n == 0)
            return "it has an empty part";
        if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return "one of its parts is . or .. itself";
        at += n;
        if (*at == '\0')
            return NULL;
    }
}

static void union_strings(struct walk *w, struct value *all, struct names *known, const struct value *more)
{
    for (size_t i = 0; i < value_count(more); i++) {
        const char *name = names_nfc(w->a, value_str(value_at(more, i)));
        if (names_add(known, name))
            value_append(w->a, all, value_new_str(w->a, name));
    }
}

static void union_profiles(struct walk *w, const char *manifest, const struct value *more)
{
    for (size_t i = 0; i < value_count(more); i++) {
        const struct value *gate = value_at(more, i);
        const char *id = props_str(gate, "identifier");

        if (!id || !id[0]) {
            w->from->warn(
                w->from->self,
                arena_printf(w->a,
                             "manifest %s: daybreak.required_profiles[%zu] has no identifier and is ignored",
                             manifest, i));
            continue;
        }
        if (names_add(w->profile_names, id))
            value_append(w->a, w->required_profiles, gate);
    }
}

static void take_extension(struct walk *w, const struct manifest_section *s)
{
    const struct value *own = props_dict(s->dict, "daybreak");

    if (!own)
        return;
    union_strings(w, w->critical_items, w->critical_names,
                  manifest_strings(w->a, w->from, s->manifest, own, "critical_items"));
    union_strings(w, w->session_items, w->session_names,
                  manifest_strings(w->a, w->from, s->manifest, own, "session_items"));
    union_profiles(w, s->manifest, props_dicts(own, "required_profiles"));
    const struct value *handoff = value_get(own, "handoff");
    if (handoff && (value_type(handoff) == VALUE_STRING || value_type(handoff) == VALUE_DICT))
        w->handoff = handoff;
    else if (handoff)
        w->from->warn(w->from->self, arena_printf(w->a, "manifest %s: daybreak.handoff is %s and is ignored",
                                                  s->manifest, value_type_name(handoff)));
}

static struct manifest_condition *judge(struct walk *w, const struct manifest_section *s, const char *text)
{
    struct manifest_condition *c = arena_alloc(w->a, sizeof *c);
    struct value *facts = w->from->facts ? value_copy(w->a, w->from->facts) : value_new_dict(w->a);
    struct err e = {0};

    *c = (struct manifest_condition){.text = text, .catalogs = s->catalogs, .outer = s->why};
    value_set(w->a, facts, "catalogs", s->catalogs);
    if (!predicate_eval(text, facts, w->from->now, &c->holds, &e)) {
        c->holds = false;
        c->error = arena_strdup(w->a, e.text);
        w->from->warn(w->from->self, arena_printf(w->a, "manifest %s: condition “%s”: %s; taken as false",
                                                  s->manifest, text, e.text));
    }
    return c;
}

/* The conditions inside one that does not hold are not judged; their depth is that of the property list. */
static void pass_over(struct walk *w, const struct manifest_section *s)
{
    const struct value *items = props_dicts(s->dict, "conditional_items");

    if (w->passed_count == LIMIT_SECTIONS)
        return;
    struct section *entry = arena_alloc(w->a, sizeof *entry);
    entry->here = *s;
    *w->last_passed = entry;
    w->last_passed = &entry->next;
    w->passed_count++;
    for (size_t i = 0; i < value_count(items); i++) {
        struct manifest_section inner = *s;
        inner.dict = value_at(items, i);
        pass_over(w, &inner);
    }
}

static bool walk_dict(struct walk *w, struct manifest_section s, struct err *e);

static bool include(struct walk *w, const struct manifest_section *by, const char *name, struct err *e)
{
    const char *wrong = bad_name(name);
    const char *way = arena_printf(w->a, "%s > %s", by->manifest, name);

    if (wrong)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "manifest %s: included_manifests: \"%s\": %s",
                       by->manifest, name, wrong);
    for (size_t i = 0; i < w->depth; i++)
        if (strcmp(w->chain[i], name) == 0)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "manifest %s includes itself: %s", name, way);
    if (w->depth == LIMIT_INCLUDE_DEPTH)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "manifest %s: included more than %d deep", way,
                       LIMIT_INCLUDE_DEPTH);

    struct included *known = names_get(w->fetched, name);
    if (!known) {
        if (w->name_count == LIMIT_MANIFESTS)
            return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "manifest %s: more than %d manifests", way,
                           LIMIT_MANIFESTS);
        known = arena_alloc(w->a, sizeof *known);
        if (!w->from->fetch(w->from->self, name, &known->dict, e))
            return err_wrap(e, "manifest %s", way);
        if (!known->dict || value_type(known->dict) != VALUE_DICT)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "manifest %s: a dictionary is needed, found %s", way,
                           value_type_name(known->dict));
        names_put(w->fetched, name, known);
        w->names[w->name_count++] = name;
    }
    w->chain[w->depth++] = name;
    bool ok = walk_dict(w,
                        (struct manifest_section){.dict = known->dict,
                                                  .manifest = way,
                                                  .condition = by->condition,
                                                  .why = by->why,
                                                  .catalogs = by->catalogs},
                        e);
    w->depth--;
    return ok;
}

static bool walk_conditions(struct walk *w, const struct manifest_section *s, struct err *e)
{
    const struct value *items = props_dicts(s->dict, "conditional_items");

    if (!items && value_get(s->dict, "conditional_items"))
        w->from->warn(
            w->from->self,
            arena_printf(w->a, "manifest %s: conditional_items is no array of dictionaries and is ignored",
                         s->manifest));
    for (size_t i = 0; i < value_count(items); i++) {
        const struct value *item = value_at(items, i);
        const char *condition = props_str(item, "condition");

        if (!condition) {
            w->from->warn(w->from->self,
                          arena_printf(w->a,
                                       "manifest %s: conditional_items[%zu] has no condition and is ignored",
                                       s->manifest, i));
            continue;
        }
        struct manifest_section inner = *s;
        inner.dict = item;
        inner.condition = s->condition ? arena_printf(w->a, "%s AND %s", s->condition, condition) : condition;
        inner.why = judge(w, s, condition);
        if (!inner.why->holds) {
            pass_over(w, &inner);
            continue;
        }
        if (!walk_dict(w, inner, e))
            return false;
    }
    return true;
}

/* s.catalogs comes in as what is inherited. */
static bool walk_dict(struct walk *w, struct manifest_section s, struct err *e)
{
    const struct value *own = manifest_strings(w->a, w->from, s.manifest, s.dict, "catalogs");

    if (value_count(own) > 0) {
        s.catalogs = own;
        value_append(w->a, w->catalogs, own);
    }
    if (!s.catalogs) {
        w->from->warn(w->from->self,
                      arena_printf(w->a, "manifest %s has no catalogs and is ignored", s.manifest));
        return true;
    }
    const struct value *included = manifest_strings(w->a, w->from, s.manifest, s.dict, "included_manifests");
    for (size_t i = 0; i < value_count(included); i++) {
        const char *name = value_str(value_at(included, i));
        if (name[0] != '\0' && !include(w, &s, name, e))
            return false;
    }
    if (!walk_conditions(w, &s, e))
        return false;

    for (size_t i = 0; i < value_count(s.dict); i++)
        w->mentions += value_count(value_at(s.dict, i));
    if (w->count == LIMIT_SECTIONS || w->mentions > LIMIT_MENTIONS)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT,
                       "manifest %s: more than %d manifests and conditions or %d entries are passed",
                       s.manifest, LIMIT_SECTIONS, LIMIT_MENTIONS);
    struct section *entry = arena_alloc(w->a, sizeof *entry);
    entry->here = s;
    *w->last = entry;
    w->last = &entry->next;
    w->count++;
    take_extension(w, &entry->here);
    return true;
}

static const struct manifest_section *flat(struct arena *a, const struct section *first, size_t count)
{
    struct manifest_section *all = arena_array(a, count + 1, sizeof *all);
    size_t n = 0;

    for (const struct section *s = first; s; s = s->next)
        all[n++] = s->here;
    return all;
}

struct manifest_tree *manifest_resolve(struct arena *a, const struct manifest_source *from,
                                       const char *primary, const struct value *dict, struct err *e)
{
    struct walk w = {.a = a,
                     .from = from,
                     .fetched = names_open(a),
                     .names = arena_array(a, LIMIT_MANIFESTS + 1, sizeof(char *)),
                     .catalogs = value_new_array(a),
                     .critical_items = value_new_array(a),
                     .session_items = value_new_array(a),
                     .required_profiles = value_new_array(a),
                     .critical_names = names_open(a),
                     .session_names = names_open(a),
                     .profile_names = names_open(a)};

    w.last = &w.first;
    w.last_passed = &w.first_passed;
    if (value_count(props_strings(dict, "catalogs")) == 0) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "manifest %s has no catalogs", primary);
        return NULL;
    }
    struct included *self = arena_alloc(a, sizeof *self);
    self->dict = dict;
    names_put(w.fetched, primary, self);
    w.names[w.name_count++] = primary;
    w.chain[w.depth++] = primary;
    if (!walk_dict(&w, (struct manifest_section){.dict = dict, .manifest = primary}, e))
        return NULL;

    struct manifest_tree *tree = arena_alloc(a, sizeof *tree);
    *tree = (struct manifest_tree){.sections = flat(a, w.first, w.count),
                                   .count = w.count,
                                   .passed_over = flat(a, w.first_passed, w.passed_count),
                                   .passed_over_count = w.passed_count,
                                   .catalogs = w.catalogs,
                                   .names = w.names,
                                   .name_count = w.name_count,
                                   .critical_items = w.critical_items,
                                   .session_items = w.session_items,
                                   .required_profiles = w.required_profiles,
                                   .handoff = w.handoff};
    return tree;
}
