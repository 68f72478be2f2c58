/* What real files do: what is known of one package is spread over several pkg-ref elements of the same id, at
 * the top and inside choices; options stands twice; a reference is "#a%20b.pkg", in old files
 * "file:./#a.pkg". A reference without '#' names a file beside the container, which nobody proved: refused.
 * Strings that steer are literals or JavaScript; they are kept as written, distribution_decide judges them.
 */
#include "installer/distribution.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/xml.h"
#include <strings.h>

#define CHOICES_MAX 1000
#define LINES_MAX   2000
#define CHOICE_REFS 256

struct decoding {
    struct arena *arena;
    struct distribution *d;
    struct distribution_ref *refs;
    struct distribution_choice *choices;
    struct distribution_line *lines;
    struct err *e;
};

static bool bad(struct decoding *c, const char *what, const char *value)
{
    char shown[200];
    text_printable_into(shown, sizeof shown, value, strlen(value));
    return err_set(c->e, ERR_FORMAT, CAUSE_FORMAT, "Distribution: %s \"%s\"", what, shown);
}

static bool limit(struct decoding *c, const char *what, int max)
{
    return err_set(c->e, ERR_LIMIT, CAUSE_LIMIT, "Distribution: more than %d %s", max, what);
}

/* --- packages --- */

static struct distribution_ref *find_ref(const struct decoding *c, const char *id)
{
    for (size_t i = 0; i < c->d->ref_count; i++)
        if (strcmp(c->refs[i].id, id) == 0)
            return &c->refs[i];
    return NULL;
}

/* "#a.pkg" to "a.pkg". */
static const char *component_of(struct decoding *c, const char *reference)
{
    const char *s = reference;
    if (text_starts(s, "file:"))
        s += 5;
    if (text_starts(s, "./"))
        s += 2;
    const char *name = *s == '#' ? text_unpercent(c->arena, s + 1) : NULL;
    if (!name || !*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strlen(name) > LIMIT_NAME) {
        bad(c, "a package that is not inside the container:", reference);
        return NULL;
    }
    return name;
}

static enum packageinfo_action conclusion_of(const char *s)
{
    if (strcasecmp(s, "RequireLogout") == 0)
        return PACKAGEINFO_LOGOUT;
    if (strcasecmp(s, "RequireRestart") == 0)
        return PACKAGEINFO_RESTART;
    return strcasecmp(s, "RequireShutdown") == 0 ? PACKAGEINFO_SHUTDOWN : PACKAGEINFO_NONE;
}

static void add_must_close(struct decoding *c, struct distribution_ref *ref, const struct xml_node *node)
{
    size_t n = 0;
    for (const struct xml_node *m = xml_child(node, "must-close"); m; m = xml_next(m, "must-close"))
        for (const struct xml_node *app = xml_child(m, "app"); app; app = xml_next(app, "app"))
            n++;
    if (n == 0)
        return;
    const char **names = arena_array(c->arena, ref->must_close.count + n, sizeof *names);
    for (size_t i = 0; i < ref->must_close.count; i++)
        names[i] = ref->must_close.names[i];
    ref->must_close.names = names;
    for (const struct xml_node *m = xml_child(node, "must-close"); m; m = xml_next(m, "must-close"))
        for (const struct xml_node *app = xml_child(m, "app"); app; app = xml_next(app, "app"))
            if (xml_get(app, "id"))
                names[ref->must_close.count++] = xml_get(app, "id");
}

static bool add_ref(struct decoding *c, const struct xml_node *node)
{
    const char *id = xml_get(node, "id"), *v;
    if (!id || !*id)
        return bad(c, "a pkg-ref without id:", node->text);
    struct distribution_ref *ref = find_ref(c, id);
    if (!ref) {
        if (c->d->ref_count == LIMIT_COMPONENTS)
            return limit(c, "packages", LIMIT_COMPONENTS);
        ref = &c->refs[c->d->ref_count++];
        ref->id = id;
    }
    if ((v = xml_get(node, "version")))
        ref->version = v;
    if ((v = xml_get(node, "active")))
        ref->active = v;
    if ((v = xml_get(node, "onConclusion")) && conclusion_of(v) > ref->on_conclusion)
        ref->on_conclusion = conclusion_of(v);
    int64_t kbytes;
    if ((v = xml_get(node, "installKBytes")) && text_int(v, 0, INT64_MAX, &kbytes))
        ref->install_kbytes = (uint64_t)kbytes;
    add_must_close(c, ref, node);

    const char *text = text_trim(c->arena, node->text);
    if (!*text)
        return true;
    const char *component = component_of(c, text);
    if (!component)
        return false;
    if (ref->component && strcmp(ref->component, component) != 0)
        return bad(c, "two references for the package", id);
    ref->component = component;
    return true;
}

/* --- choices and their outline --- */

static const struct distribution_choice *find_choice(const struct decoding *c, const char *id)
{
    for (size_t i = 0; i < c->d->choice_count; i++)
        if (strcmp(c->choices[i].id, id) == 0)
            return &c->choices[i];
    return NULL;
}

static bool add_choice(struct decoding *c, const struct xml_node *node)
{
    const char *id = xml_get(node, "id"), *title = xml_get(node, "title");
    if (!id)
        return bad(c, "a choice without id:", title ? title : "");
    if (find_choice(c, id))
        return bad(c, "two choices are called", id);
    if (c->d->choice_count == CHOICES_MAX)
        return limit(c, "choices", CHOICES_MAX);
    size_t n = 0;
    for (const struct xml_node *r = xml_child(node, "pkg-ref"); r; r = xml_next(r, "pkg-ref"))
        n++;
    if (n > CHOICE_REFS)
        return limit(c, "packages in a choice", CHOICE_REFS);
    const struct distribution_ref **refs = arena_array(c->arena, n, sizeof *refs);
    n = 0;
    for (const struct xml_node *r = xml_child(node, "pkg-ref"); r; r = xml_next(r, "pkg-ref")) {
        if (!add_ref(c, r))
            return false;
        refs[n++] = find_ref(c, xml_get(r, "id"));
    }
    c->choices[c->d->choice_count++] =
        (struct distribution_choice){.id = id,
                                     .title = title ? title : "",
                                     .selected = xml_get(node, "selected"),
                                     .start_selected = xml_get(node, "start_selected"),
                                     .enabled = xml_get(node, "enabled"),
                                     .start_enabled = xml_get(node, "start_enabled"),
                                     .visible = xml_get(node, "visible"),
                                     .start_visible = xml_get(node, "start_visible"),
                                     .custom_location = xml_get(node, "customLocation"),
                                     .refs = refs,
                                     .ref_count = n};
    return true;
}

static bool add_lines(struct decoding *c, const struct xml_node *node, unsigned depth)
{
    for (const struct xml_node *l = xml_child(node, "line"); l; l = xml_next(l, "line")) {
        const char *id = xml_get(l, "choice");
        const struct distribution_choice *choice = id ? find_choice(c, id) : NULL;
        if (!choice)
            return bad(c, "the outline has a line for no known choice:", id ? id : "");
        if (c->d->line_count == LINES_MAX)
            return limit(c, "lines in its outline", LINES_MAX);
        c->lines[c->d->line_count++] = (struct distribution_line){choice, depth};
        if (!add_lines(c, l, depth + 1))
            return false;
    }
    return true;
}

/* There may be one outline for each user interface; ours is Installer's. */
static const struct xml_node *outline(const struct xml_node *root)
{
    const struct xml_node *first = xml_child(root, "choices-outline");
    for (const struct xml_node *o = first; o; o = xml_next(o, "choices-outline")) {
        const char *ui = xml_get(o, "ui");
        if (!ui || strcasecmp(ui, "Installer") == 0)
            return o;
    }
    return first;
}

/* --- checks --- */

static void scripted(struct decoding *c, const char *phrase)
{
    if (!c->d->scripted_check)
        c->d->scripted_check = phrase;
}

static bool literal(const char *s)
{
    return strcmp(s, "true") == 0 || strcmp(s, "false") == 0;
}

static void read_options(struct decoding *c, const struct xml_node *node)
{
    const char *v;
    if ((v = xml_get(node, "customize")))
        c->d->customize = v;
    if ((v = xml_get(node, "rootVolumeOnly")))
        c->d->root_volume_only = strcmp(v, "true") == 0;
    if (!(v = xml_get(node, "hostArchitectures")))
        return;
    const char **names = arena_array(c->arena, strlen(v) / 2 + 1, sizeof *names);
    size_t n = 0;
    for (const char *p = v; *p;) {
        size_t len = strcspn(p, ", ");
        if (len > 0)
            names[n++] = arena_strndup(c->arena, p, len);
        p += len + (p[len] != '\0');
    }
    c->d->architectures = (struct packageinfo_names){names, n};
}

static void read_domains(struct decoding *c, const struct xml_node *node)
{
    const char *home = xml_get(node, "enable_currentUserHome"), *local = xml_get(node, "enable_localSystem"),
               *any = xml_get(node, "enable_anywhere");
    if ((local && !literal(local)) || (any && !literal(any))) {
        scripted(c, arena_printf(c->arena, "domains are enabled by \"%s\"",
                                 text_printable(c->arena, local ? local : any, strlen(local ? local : any))));
        return;
    }
    c->d->home_only = home && strcmp(home, "false") != 0 && (!local || strcmp(local, "false") == 0) &&
                      (!any || strcmp(any, "false") == 0);
}

static void read_systems(struct decoding *c, const struct xml_node *node)
{
    for (const struct xml_node *list = xml_child(node, "allowed-os-versions"); list;
         list = xml_next(list, "allowed-os-versions")) {
        size_t n = c->d->os_count;
        for (const struct xml_node *v = xml_child(list, "os-version"); v; v = xml_next(v, "os-version"))
            n++;
        struct distribution_os *os = arena_array(c->arena, n, sizeof *os);
        for (size_t i = 0; i < c->d->os_count; i++)
            os[i] = c->d->os[i];
        for (const struct xml_node *v = xml_child(list, "os-version"); v; v = xml_next(v, "os-version"))
            os[c->d->os_count++] = (struct distribution_os){xml_get(v, "min"), xml_get(v, "before")};
        c->d->os = os;
    }
}

/* An installation-check or a volume-check. */
static bool read_check(struct decoding *c, const struct xml_node *node)
{
    static const char *const beyond[] = {"required-graphics", "required-bundles", "required-cl-device",
                                         "required-gl-renderer"};
    const char *script = xml_get(node, "script");
    if (script && !literal(script))
        scripted(c, arena_printf(c->arena, "%s calls %s", node->name,
                                 text_printable(c->arena, script, strlen(script))));
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        if (xml_child(node, beyond[i]))
            scripted(c, beyond[i]);
    const char *ram = xml_get(xml_child(node, "ram"), "min-gb");
    if (ram && !text_int(ram, 0, 1 << 20, &c->d->ram_gb))
        return bad(c, "the memory needed is", ram);
    read_systems(c, node);
    return true;
}

static bool read_root(struct decoding *c, const struct xml_node *root)
{
    struct distribution *d = c->d;
    bool ok = true;
    for (const struct xml_node *n = root->child; n && ok; n = n->next) {
        const char *v;
        if (strcmp(n->name, "title") == 0)
            d->title = text_trim(c->arena, n->text);
        else if (strcmp(n->name, "options") == 0)
            read_options(c, n);
        else if (strcmp(n->name, "domains") == 0)
            read_domains(c, n);
        else if (strcmp(n->name, "product") == 0) {
            if ((v = xml_get(n, "id")))
                d->product_id = v;
            if ((v = xml_get(n, "version")))
                d->product_version = v;
        } else if (strcmp(n->name, "pkg-ref") == 0)
            ok = add_ref(c, n);
        else if (strcmp(n->name, "choice") == 0)
            ok = add_choice(c, n);
        else if (strcmp(n->name, "installation-check") == 0 || strcmp(n->name, "volume-check") == 0)
            ok = read_check(c, n);
        else if (strcmp(n->name, "locator") == 0)
            scripted(c, "locator searches the disk");
    }
    if (!ok)
        return false;
    const struct xml_node *o = outline(root);
    return o ? add_lines(c, o, 0) : bad(c, "it has no", "choices-outline");
}

const struct distribution *distribution_decode(struct arena *a, const void *p, size_t n, struct err *e)
{
    const struct xml_node *root = xml_tree(a, p, n, e);
    if (!root) {
        err_wrap(e, "Distribution");
        return NULL;
    }
    struct distribution *d = arena_alloc(a, sizeof *d);
    struct decoding c = {.arena = a, .d = d, .e = e};
    if (strcmp(root->name, "installer-gui-script") != 0 && strcmp(root->name, "installer-script") != 0) {
        bad(&c, "the root element is called", root->name);
        return NULL;
    }
    c.refs = arena_array(a, LIMIT_COMPONENTS, sizeof *c.refs);
    c.choices = arena_array(a, CHOICES_MAX, sizeof *c.choices);
    c.lines = arena_array(a, LINES_MAX, sizeof *c.lines);
    d->title = "";
    d->refs = c.refs;
    d->choices = c.choices;
    d->lines = c.lines;
    return read_root(&c, root) ? d : NULL;
}
