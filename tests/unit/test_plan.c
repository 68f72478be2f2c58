/* The cases of tests/plan: a machine, manifests, catalogs and what is installed, and the plan that must come
 * out. One file holds several cases, each from "=== title" to the next:
 *
 *   machine: arch arm64, os 15.4          manifest mac01:              catalog production:
 *     fact machine_type = laptop            catalogs production          App 2.9
 *   installed:                              include base                   requires = [Cert]
 *     Old 5                                 install App, Tool            Cert 1
 *     receipt com.x.app 1.0                 if machine_type == "x" {     expect:
 *   download:                               }                              install App-2.9, Cert-1
 *     App hash
 *
 * The first manifest is the primary one. An item without installer_item_location gets NAME-VERSION.pkg.
 * install, remove, problem and optional must be as given, and empty where nothing is given; everything else
 * is looked at only where it stands under expect. */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/names.h"
#include "manifests/plan.h"
#include "manifests/version.h"
#include "tests/unit/notation.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct scene {
    struct arena *a;
    const char *title; /* file and title */
    const char *primary;
    struct value *manifests, *catalogs; /* name -> dictionary, array */
    struct value *installed, *receipts, *facts;
    struct value *downloads, *cached, *complete, *programs, *unused, *unknown, *seats;
    struct value *self_serve, *local_only;
    const char *local_only_name;
    struct value *expect; /* array of lines */
    struct plan_input in;
    int64_t free_kb, ahead_kb,
        given_kb;  /* ahead: of optional items in the cache; given: of them, in a pass */
    bool in_bytes; /* catalogs are given as the bytes of their files, not as trees */
    size_t questions;
    struct value *asked; /* question -> count */
};

static const char *const verbs[][2] = {{"catalogs", "catalogs"},        {"include", "included_manifests"},
                                       {"install", "managed_installs"}, {"uninstall", "managed_uninstalls"},
                                       {"update", "managed_updates"},   {"optional", "optional_installs"},
                                       {"featured", "featured_items"},  {"default", "default_installs"}};

static void manifest_line(struct scene *s, struct value **stack, size_t *depth, const char *line)
{
    const char *rest, *verb = first_word(s->a, line, &rest);

    if (strcmp(line, "}") == 0) {
        assert_true(*depth > 0);
        --*depth;
        return;
    }
    if (strcmp(verb, "if") == 0) {
        struct value *inner = value_new_dict(s->a), *items = value_new_array(s->a);
        const struct value *old = value_get(stack[*depth], "conditional_items");
        for (size_t i = 0; i < value_count(old); i++)
            value_append(s->a, items, value_at(old, i));
        value_append(s->a, items, inner);
        value_set(s->a, stack[*depth], "conditional_items", items);
        size_t n = strlen(rest);
        assert_true(n > 2 && rest[n - 1] == '{' && *depth < 7);
        value_set(s->a, inner, "condition", value_new_str(s->a, arena_strndup(s->a, rest, n - 2)));
        stack[++*depth] = inner;
        return;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i][0], verb) == 0 && !text_starts(rest, "= ")) {
            value_set(s->a, stack[*depth], verbs[i][1], words(s->a, rest));
            return;
        }
    if (!assignment(s->a, line, stack[*depth]))
        fail_msg("%s: manifest: %s", s->title, line);
}

static void catalog_line(struct scene *s, struct value *catalog, struct value **item, const char *line)
{
    const char *space = strrchr(line, ' ');

    if (*item && assignment(s->a, line, *item)) {
        if (value_str(value_get(*item, "installer_item_location")) &&
            !*value_str(value_get(*item, "installer_item_location")))
            value_unset(*item, "installer_item_location");
        return;
    }
    assert_non_null(space);
    const char *name = arena_strndup(s->a, line, (size_t)(space - line));
    *item = value_new_dict(s->a);
    if (strcmp(name, "-") != 0)
        value_set(s->a, *item, "name", value_new_str(s->a, name));
    if (strcmp(space + 1, "-") != 0)
        value_set(s->a, *item, "version", value_new_str(s->a, space + 1));
    value_set(s->a, *item, "installer_item_location",
              value_new_str(s->a, arena_printf(s->a, "apps/%s-%s.pkg", name, space + 1)));
    value_append(s->a, catalog, *item);
}

static void machine_words(struct scene *s, const char *text)
{
    const struct value *list = words(s->a, text);

    for (size_t i = 0; i < value_count(list); i++) {
        const char *rest, *key = first_word(s->a, value_str(value_at(list, i)), &rest);
        if (strcmp(key, "arch") == 0)
            s->in.arch = rest;
        else if (strcmp(key, "os") == 0)
            s->in.os_version = rest;
        else if (strcmp(key, "munki") == 0)
            s->in.munki_version = rest;
        else if (strcmp(key, "higher_os") == 0)
            s->in.higher_os_optional = true;
        else if (strcmp(key, "free") == 0)
            s->free_kb = strtoll(rest, NULL, 10);
        else if (strcmp(key, "ahead") == 0)
            s->ahead_kb = strtoll(rest, NULL, 10);
        else if (strcmp(key, "x86_64_capable") == 0)
            s->in.x86_64_capable = true;
        else if (strcmp(key, "bad_selfserve") == 0)
            s->in.self_serve_unreadable = true;
        else
            fail_msg("%s: machine: %s", s->title, key);
    }
}

static void installed_line(struct scene *s, const char *line)
{
    const char *rest, *verb = first_word(s->a, line, &rest);
    const char *space = strrchr(line, ' ');
    struct value *yes = value_new_bool(s->a, true);

    if (strcmp(verb, "receipt") == 0) {
        const char *version, *id = first_word(s->a, rest, &version);
        value_set(s->a, s->receipts, id, value_new_str(s->a, version));
    } else if (strcmp(verb, "program") == 0) {
        value_set(s->a, s->programs, rest, yes);
    } else if (strcmp(verb, "unused") == 0) {
        value_set(s->a, s->unused, rest, yes);
    } else if (strcmp(verb, "seats") == 0) { /* seats NAME COUNT */
        const char *count, *name = first_word(s->a, rest, &count);
        value_set(s->a, s->seats, name, value_new_int(s->a, strtoll(count, NULL, 10)));
    } else if (strcmp(verb, "unknown") == 0) {
        value_set(s->a, s->unknown, rest, yes);
    } else {
        assert_non_null(space);
        value_set(s->a, s->installed, arena_strndup(s->a, line, (size_t)(space - line)),
                  value_new_str(s->a, space + 1));
    }
}

static void download_line(struct scene *s, const char *line)
{
    const char *rest, *name = first_word(s->a, line, &rest), *more, *verb = first_word(s->a, rest, &more);

    if (strcmp(verb, "cached") == 0) {
        value_set(s->a, s->cached, name, value_new_int(s->a, strtoll(more, NULL, 10)));
        if (strstr(more, "complete"))
            value_set(s->a, s->complete, name, value_new_bool(s->a, true));
    } else {
        value_set(s->a, s->downloads, name, value_new_str(s->a, rest));
    }
}

/* ---- the world --------------------------------------------------------------------------------------- */

/* Whatever may be asked only once is counted. */
static void ask(struct scene *s, const char *what, const struct pkginfo *p)
{
    const char *key = p ? arena_printf(s->a, "%s %s %s", what, p->name, p->version) : what;

    if (value_get(s->asked, key))
        fail_msg("%s: asked twice: %s", s->title, key);
    value_set(s->a, s->asked, key, value_new_bool(s->a, true));
}

static bool world_manifest(void *self, const char *name, const struct value **dict, struct err *e)
{
    struct scene *s = self;

    ask(s, arena_printf(s->a, "manifest %s", name), NULL);
    *dict = value_get(s->manifests, name);
    return *dict || err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, "GET manifests/%s: HTTP 404", name);
}

static const struct outline *items_of(const struct scene *s, const struct value *array, struct err *e)
{
    struct buf bytes;

    if (!s->in_bytes)
        return outline_of(s->a, array, e);
    buf_init(&bytes, LIMIT_PLIST);
    assert_true(props_encode(array, &bytes, e));
    const struct outline *items =
        outline_decode(s->a, arena_strndup(s->a, buf_str(&bytes), bytes.len), bytes.len, e);
    buf_release(&bytes);
    return items;
}

static bool world_catalog(void *self, const char *name, const struct outline **items, struct err *e)
{
    struct scene *s = self;
    const struct value *array = value_get(s->catalogs, name);

    ask(s, arena_printf(s->a, "catalog %s", name), NULL);
    if (array)
        return (*items = items_of(s, array, e)) != NULL;
    if (strcmp(name, "broken") == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "catalog %s: HTML instead of a property list", name);
    return err_set(e, ERR_NOT_FOUND, CAUSE_HTTP_4XX, "GET catalogs/%s: HTTP 404", name);
}

static const char *version_of(const struct scene *s, const struct pkginfo *p)
{
    return p->on_demand ? NULL : value_str(value_get(s->installed, p->name));
}

static enum plan_state world_installed(void *self, const struct pkginfo *p)
{
    struct scene *s = self;
    const char *version = version_of(s, p);

    ask(s, "installed", p);
    if (!version || version_compare(version, p->version) < 0)
        return PLAN_ABSENT;
    return version_compare(version, p->version) > 0 ? PLAN_NEWER : PLAN_THIS;
}

static bool world_some_version(void *self, const struct pkginfo *p)
{
    ask(self, "some version", p);
    return version_of(self, p) != NULL;
}

static bool world_evidence(void *self, const struct pkginfo *p)
{
    ask(self, "evidence", p);
    return version_of(self, p) != NULL;
}

static const char *world_installed_version(void *self, const struct pkginfo *p)
{
    const struct scene *s = self;
    return value_get(s->unknown, p->name) ? NULL : version_of(s, p);
}

static const char *world_receipt_version(void *self, const char *id)
{
    struct scene *s = self;

    ask(s, arena_printf(s->a, "receipt %s", id), NULL);
    return value_str(value_get(s->receipts, id));
}

static bool world_is_executable(void *self, const char *path)
{
    return value_get(((struct scene *)self)->programs, path) != NULL;
}

static bool world_unused(void *self, const struct pkginfo *p)
{
    return value_get(((struct scene *)self)->unused, p->name) != NULL;
}

static const struct value *world_seats(void *self, const struct value *names)
{
    struct scene *s = self;
    const char *all = "";

    for (size_t i = 0; i < value_count(names); i++)
        all = arena_printf(s->a, "%s %s", all, value_str(value_at(names, i)));
    ask(s, arena_printf(s->a, "seats%s", all), NULL);
    return s->seats;
}

static struct plan_download world_download(void *self, const struct pkginfo *p, bool uninstaller)
{
    struct scene *s = self;
    const char *answer = value_str(value_get(s->downloads, p->name));

    ask(s, uninstaller ? "uninstaller" : "download", p);
    if (!answer)
        return (struct plan_download){PLAN_DOWNLOAD_OK, NULL, 0};
    if (strcmp(answer, "hash") == 0)
        return (struct plan_download){PLAN_DOWNLOAD_HASH, "the SHA-256 is another", 0};
    if (text_starts(answer, "speed "))
        return (struct plan_download){PLAN_DOWNLOAD_OK, NULL, strtoll(answer + 6, NULL, 10)};
    return (struct plan_download){PLAN_DOWNLOAD_FAILED, answer, 0};
}

static int64_t world_free_kb(void *self)
{
    const struct scene *s = self;
    return s->free_kb + s->given_kb;
}

static bool world_make_room(void *self, int64_t kb)
{
    struct scene *s = self;
    if (kb > s->ahead_kb - s->given_kb)
        return false;
    s->given_kb += kb;
    return true;
}

static int64_t world_cached_kb(void *self, const char *location, bool *complete)
{
    const struct scene *s = self;
    const char *name = text_basename(location);

    *complete = value_get(s->complete, name) != NULL;
    return props_int(s->cached, name, 0);
}

/* ---- what is expected -------------------------------------------------------------------------------- */

static const char *joined(struct arena *a, const struct value *entries, const char *version_key)
{
    const char *text = "";

    for (size_t i = 0; i < value_count(entries); i++) {
        const struct value *entry = value_at(entries, i);
        const char *name = value_str(entry) ? value_str(entry) : props_str(entry, "name");
        const char *version = version_key ? props_str(entry, version_key) : NULL;
        text = arena_printf(a, "%s%s%s%s%s", text, i ? ", " : "", name, version ? "-" : "",
                            version ? version : "");
    }
    return text;
}

static const struct value *entry_named(const struct value *entries, const char *name)
{
    for (size_t i = 0; i < value_count(entries); i++)
        if (strcmp(props_str(value_at(entries, i), "name"), name) == 0)
            return value_at(entries, i);
    return NULL;
}

static void check_same(const struct scene *s, const char *what, const char *is, const char *wanted)
{
    if (strcmp(is, wanted) != 0)
        fail_msg("%s: %s:\n  expected %s\n  got      %s", s->title, what, wanted, is);
}

/* "SECTION NAME KEY = VALUE" or "SECTION NAME no KEY" */
static void check_entry(const struct scene *s, const struct plan *p, const char *line)
{
    struct value *wanted = value_new_dict(s->a);
    const char *rest, *section = first_word(s->a, line, &rest);
    const struct value *entry =
        entry_named(value_get(p->install_info, section), first_word(s->a, rest, &rest));

    if (!entry)
        fail_msg("%s: no such entry: %s", s->title, line);
    if (text_starts(rest, "no ")) {
        if (value_get(entry, rest + 3))
            fail_msg("%s: there: %s", s->title, line);
        return;
    }
    assert_true(assignment(s->a, rest, wanted));
    if (!value_equal(value_get(entry, value_key(wanted, 0)), value_at(wanted, 0)))
        fail_msg("%s: entry is different: %s", s->title, line);
}

static void check_warning(const struct scene *s, const struct plan *p, const char *part)
{
    for (size_t i = 0; i < p->warning_count; i++)
        if (strstr(p->warnings[i], part))
            return;
    for (size_t i = 0; i < p->warning_count; i++)
        print_message("  warning: %s\n", p->warnings[i]);
    fail_msg("%s: no warning says: %s", s->title, part);
}

static void check_reason(const struct scene *s, const struct plan *p, const char *line)
{
    const char *part, *name = first_word(s->a, line, &part);

    for (size_t i = 0; i < p->reason_count; i++) {
        const struct plan_reason *r = &p->reasons[i];
        const char *text = arena_printf(s->a, "%s; %s; %s; %s; %s", r->manifest, r->key,
                                        r->condition ? r->condition : "-", r->by ? r->by : "-", r->text);
        if (strcmp(r->name, name) == 0 && strstr(text, part))
            return;
    }
    for (size_t i = 0; i < p->reason_count; i++)
        print_message("  reason: %s: %s; %s; %s; %s; %s\n", p->reasons[i].name, p->reasons[i].manifest,
                      p->reasons[i].key, p->reasons[i].condition, p->reasons[i].by, p->reasons[i].text);
    fail_msg("%s: no reason says: %s", s->title, line);
}

static void check_other(const struct scene *s, const struct plan *p, const char *verb, const char *rest)
{
    const struct value *found = NULL;

    if (strcmp(verb, "entry") == 0)
        check_entry(s, p, rest);
    else if (strcmp(verb, "warning") == 0)
        check_warning(s, p, rest);
    else if (strcmp(verb, "warnings") == 0) /* how many */
        check_same(s, verb, arena_printf(s->a, "%zu", p->warning_count), rest);
    else if (strcmp(verb, "because") == 0)
        check_reason(s, p, rest);
    else if (strcmp(verb, "self_serve") == 0) {
        struct value *wanted = value_new_dict(s->a);
        if (strcmp(rest, "unchanged") == 0) {
            assert_null(p->self_serve);
            return;
        }
        assert_true(assignment(s->a, rest, wanted));
        if (!value_equal(value_get(p->self_serve, value_key(wanted, 0)), value_at(wanted, 0)))
            fail_msg("%s: self_serve is different: %s", s->title, rest);
    } else if (strcmp(verb, "present") == 0) {
        const char *text = "";
        for (size_t i = 0; i < p->present_count; i++)
            text = arena_printf(s->a, "%s%s%s-%s", text, i ? ", " : "", p->present[i]->name,
                                p->present[i]->version);
        check_same(s, verb, text, rest);
    } else if (strcmp(verb, "critical") == 0) {
        check_same(s, verb, joined(s->a, p->critical_items, NULL), rest);
    } else if ((found = value_get(p->install_info, verb))) {
        check_same(s, verb, joined(s->a, found, NULL), rest);
    } else {
        fail_msg("%s: expect: %s", s->title, verb);
    }
}

static void check_plan(const struct scene *s, const struct plan *p, const struct err *e)
{
    const char *install = "", *remove = "", *optional = "", *problem = "";

    for (size_t i = 0; i < value_count(s->expect); i++) {
        const char *rest, *verb = first_word(s->a, value_str(value_at(s->expect, i)), &rest);
        if (strcmp(verb, "no_decision") == 0) {
            assert_null(p);
            if (!strstr(e->text, rest))
                fail_msg("%s: the error is: %s", s->title, e->text);
            return;
        }
        if (!p)
            fail_msg("%s: no decision: %s", s->title, e->text);
        if (strcmp(verb, "install") == 0)
            install = rest;
        else if (strcmp(verb, "remove") == 0)
            remove = rest;
        else if (strcmp(verb, "optional") == 0)
            optional = rest;
        else if (strcmp(verb, "problem") == 0)
            problem = rest;
        else
            check_other(s, p, verb, rest);
    }
    const struct value *info = p->install_info;
    check_same(s, "install", joined(s->a, value_get(info, "managed_installs"), "version_to_install"),
               install);
    check_same(s, "remove", joined(s->a, value_get(info, "removals"), "installed_version"), remove);
    check_same(s, "problem", joined(s->a, value_get(info, "problem_items"), NULL), problem);
    check_same(s, "optional", joined(s->a, value_get(info, "optional_installs"), "version_to_install"),
               optional);
    assert_int_equal(p->item_count, value_count(value_get(info, "managed_installs")) +
                                        value_count(value_get(info, "removals")));
}

static struct plan *make(struct scene *s, struct arena *a, struct err *e)
{
    const struct world w = {.self = s,
                            .manifest = world_manifest,
                            .catalog = world_catalog,
                            .installed = world_installed,
                            .some_version = world_some_version,
                            .evidence = world_evidence,
                            .installed_version = world_installed_version,
                            .receipt_version = world_receipt_version,
                            .is_executable = world_is_executable,
                            .unused = world_unused,
                            .seats = value_count(s->seats) > 0 ? world_seats : NULL,
                            .download = world_download,
                            .free_kb = world_free_kb,
                            .cached_kb = world_cached_kb,
                            .make_room = world_make_room};

    s->given_kb = 0;
    s->asked = value_new_dict(s->a);
    return plan_make(a, &s->in, &w, e);
}

static void run(struct scene *s)
{
    struct arena *one = arena_open(), *other = arena_open();
    struct err e = {0};

    s->in.primary = s->primary;
    s->in.manifest = value_get(s->manifests, s->primary);
    s->in.facts = s->facts;
    s->in.local_only_name = s->local_only_name;
    s->in.local_only = s->local_only;
    s->in.self_serve = s->self_serve;
    const struct plan *p = make(s, one, &e);
    check_plan(s, p, &e);
    if (p) { /* the same answers, the same plan, also when catalogs are read by their outline */
        s->in_bytes = true;
        const struct plan *again = make(s, other, &e);
        struct buf first, second;
        buf_init(&first, LIMIT_PLIST);
        buf_init(&second, LIMIT_PLIST);
        assert_non_null(again);
        assert_true(props_encode(p->install_info, &first, &e));
        assert_true(props_encode(again->install_info, &second, &e));
        assert_string_equal(buf_str(&first), buf_str(&second));
        buf_release(&first);
        buf_release(&second);
    }
    arena_free(one);
    arena_free(other);
}

/* ---- files ------------------------------------------------------------------------------------------- */

static void init(struct scene *s, struct arena *a, const char *title)
{
    struct value **dicts[] = {&s->manifests, &s->catalogs,  &s->installed, &s->receipts,
                              &s->facts,     &s->downloads, &s->cached,    &s->complete,
                              &s->programs,  &s->unused,    &s->unknown,   &s->seats};

    *s = (struct scene){.a = a, .title = title, .free_kb = 200000000, .expect = value_new_array(a)};
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++)
        *dicts[i] = value_new_dict(a);
    s->in = (struct plan_input){
        .arch = "arm64", .os_version = "15.4", .munki_version = "7.0.4", .now = 1767225600};
}

static void run_case(struct arena *a, const char *title, char *lines)
{
    struct scene s;
    char section[32] = "", *save = NULL;
    struct value *stack[8] = {NULL}, *catalog = NULL, *item = NULL;
    size_t depth = 0;

    init(&s, a, title);
    for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *text = text_trim(a, line), *rest;
        size_t n = strlen(text);
        if (n == 0 || text[0] == '#')
            continue;
        if (line[0] != ' ') {
            const char *head = first_word(a, text, &rest);
            assert_true(head[0] != '\0');
            if (head[strlen(head) - 1] == ':')
                head = arena_strndup(a, head, strlen(head) - 1);
            snprintf(section, sizeof section, "%s", head);
            const char *name = *rest && text[n - 1] == ':' ? arena_strndup(a, rest, strlen(rest) - 1) : rest;
            stack[depth = 0] = value_new_dict(a);
            item = NULL;
            if (strcmp(section, "manifest") == 0) {
                s.primary = s.primary ? s.primary : name;
                value_set(a, s.manifests, name, stack[0]);
            } else if (strcmp(section, "local") == 0) {
                s.local_only_name = name;
                s.local_only = stack[0];
            } else if (strcmp(section, "selfserve") == 0) {
                s.self_serve = stack[0];
            } else if (strcmp(section, "catalog") == 0) {
                value_set(a, s.catalogs, name, catalog = value_new_array(a));
            } else if (strcmp(section, "machine") == 0) {
                machine_words(&s, rest);
            }
        } else if (strcmp(section, "manifest") == 0 || strcmp(section, "local") == 0 ||
                   strcmp(section, "selfserve") == 0) {
            manifest_line(&s, stack, &depth, text);
        } else if (strcmp(section, "catalog") == 0) {
            catalog_line(&s, catalog, &item, text);
        } else if (strcmp(section, "machine") == 0) {
            const char *fact = first_word(a, text, &rest);
            assert_string_equal(fact, "fact");
            assert_true(assignment(a, rest, s.facts));
        } else if (strcmp(section, "installed") == 0) {
            installed_line(&s, text);
        } else if (strcmp(section, "download") == 0) {
            download_line(&s, text);
        } else if (strcmp(section, "expect") == 0) {
            value_append(a, s.expect, value_new_str(a, text));
        } else {
            fail_msg("%s: %s", title, text);
        }
    }
    run(&s);
}

static void run_file(const char *path)
{
    struct arena *a = arena_open();
    FILE *f = fopen(path, "rb");
    char *text = arena_alloc(a, LIMIT_MB);

    assert_non_null(f);
    assert_true(fread(text, 1, LIMIT_MB - 1, f) < LIMIT_MB - 1);
    fclose(f);
    for (char *at = strstr(text, "=== "), *next; at; at = next) {
        next = strstr(at + 4, "\n=== ");
        if (next)
            *next++ = '\0';
        char *body = strchr(at, '\n');
        assert_non_null(body);
        *body++ = '\0';
        run_case(a, arena_printf(a, "%s: %s", path, at + 4), body);
    }
    arena_free(a);
}

static void one_file(void **state)
{
    run_file(*state);
}

int main(void)
{
    static struct CMUnitTest tests[64];
    struct arena *a = arena_open();
    struct dirent **entries = NULL;
    size_t n = 0;
    int count = scandir("tests/plan", &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (text_ends(name, ".test") && n < sizeof tests / sizeof tests[0]) {
            tests[n].name = arena_strdup(a, name);
            tests[n].test_func = one_file;
            tests[n++].initial_state = arena_printf(a, "tests/plan/%s", name);
        }
        free(entries[i]);
    }
    free(entries);
    if (n == 0) {
        fprintf(stderr, "no tests/plan/*.test: run from the top of the tree\n");
        return 1;
    }
    int failed = _cmocka_run_group_tests("plan", tests, n, NULL, NULL);
    arena_free(a);
    return failed;
}
