/* What real files do: bundles stand at the top, or only inside bundle-version; empty lists stand for "none";
 * a script's file is written "./postinstall"; version numbers may be anything. */
#include "installer/packageinfo.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/xml.h"
#include <strings.h>

#define IDENTIFIER_MAX (LIMIT_NAME - 6) /* ".plist" follows in the receipts' folder */
#define TIMEOUT_MAX_S  86400
#define BUNDLES_MAX    10000

static bool bad(struct err *e, const char *what, const char *value)
{
    char shown[200];
    text_printable_into(shown, sizeof shown, value, strlen(value));
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "PackageInfo: %s \"%s\"", what, shown);
}

bool packageinfo_identifier_ok(const char *s)
{
    static const char more[] = "._- ";
    size_t n = strlen(s);
    if (n == 0 || n > IDENTIFIER_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool alnum =
            (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9');
        if (!alnum && (i == 0 || !strchr(more, s[i])))
            return false;
    }
    return s[n - 1] != ' ';
}

bool packageinfo_version_ok(const char *s)
{
    if (!*s || strlen(s) > LIMIT_NAME || !text_utf8_valid(s, strlen(s)))
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* Without empty components and "."; NULL when it has "..", a control byte or is too long. */
static const char *clean_path(struct arena *a, const char *s)
{
    char *out = arena_alloc(a, strlen(s) + 1), *to = out;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return NULL;
    while (*s) {
        size_t n = strcspn(s, "/");
        if (n == 2 && s[0] == '.' && s[1] == '.')
            return NULL;
        if (n > LIMIT_NAME)
            return NULL;
        if (n > 0 && !(n == 1 && s[0] == '.')) {
            if (to > out)
                *to++ = '/';
            memcpy(to, s, n);
            to += n;
        }
        s += n + (s[n] == '/');
    }
    return to - out <= LIMIT_PATH ? out : NULL;
}

static const char *attribute_or(const struct xml_node *node, const char *name, const char *fallback)
{
    const char *v = xml_get(node, name);
    return v ? v : fallback;
}

static bool truth(const struct xml_node *node, const char *name)
{
    const char *v = xml_get(node, name);
    return v && strcasecmp(v, "true") == 0;
}

static uint64_t count_of(const struct xml_node *node, const char *name)
{
    int64_t v;
    const char *s = xml_get(node, name);
    return s && text_int(s, 0, INT64_MAX, &v) ? (uint64_t)v : 0;
}

static enum packageinfo_action action_of(const char *s)
{
    for (int i = PACKAGEINFO_LOGOUT; s && i <= PACKAGEINFO_SHUTDOWN; i++)
        if (strcasecmp(s, packageinfo_action_name((enum packageinfo_action)i)) == 0)
            return (enum packageinfo_action)i;
    return PACKAGEINFO_NONE;
}

const char *packageinfo_action_name(enum packageinfo_action action)
{
    static const char *const names[] = {"none", "logout", "restart", "shutdown"};
    return names[action];
}

static size_t children(const struct xml_node *node)
{
    size_t n = 0;
    for (const struct xml_node *c = node ? node->child : NULL; c; c = c->next)
        n++;
    return n;
}

bool packageinfo_names(const struct packageinfo_names *list, const char *id)
{
    for (size_t i = 0; *id && i < list->count; i++)
        if (strcmp(list->names[i], id) == 0)
            return true;
    return false;
}

static struct packageinfo_names both(struct arena *a, struct packageinfo_names x, struct packageinfo_names y)
{
    const char **names = arena_array(a, x.count + y.count, sizeof *names);
    for (size_t i = 0; i < x.count + y.count; i++)
        names[i] = i < x.count ? x.names[i] : y.names[i - x.count];
    return (struct packageinfo_names){names, x.count + y.count};
}

/* The id attributes of the elements called item inside every element called list. */
static struct packageinfo_names ids(struct arena *a, const struct xml_node *root, const char *list,
                                    const char *item)
{
    size_t max = 0;
    for (const struct xml_node *l = xml_child(root, list); l; l = xml_next(l, list))
        max += children(l);
    const char **names = arena_array(a, max, sizeof *names);
    struct packageinfo_names out = {names, 0};
    for (const struct xml_node *l = xml_child(root, list); l; l = xml_next(l, list))
        for (const struct xml_node *i = xml_child(l, item); i; i = xml_next(i, item)) {
            const char *id = xml_get(i, "id");
            if (id)
                names[out.count++] = id;
        }
    return out;
}

/* --- bundles --- */

struct bundles {
    struct packageinfo_bundle *list;
    size_t count;
};

static size_t count_bundles(const struct xml_node *node)
{
    size_t n = 0;
    for (const struct xml_node *c = node->child; c; c = c->next)
        n += (strcmp(c->name, "bundle") == 0) + count_bundles(c);
    return n;
}

static bool known_bundle(const struct bundles *b, const char *path)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->list[i].path, path) == 0)
            return true;
    return false;
}

static bool add_bundles(struct arena *a, struct bundles *b, const struct xml_node *node, struct err *e)
{
    for (const struct xml_node *c = node->child; c; c = c->next) {
        const char *path = xml_get(c, "path");
        if (strcmp(c->name, "bundle") == 0 && path) {
            const char *clean = clean_path(a, path);
            if (!clean)
                return bad(e, "a bundle has the path", path);
            if (b->count == BUNDLES_MAX)
                return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "PackageInfo: more than %d bundles", BUNDLES_MAX);
            if (!known_bundle(b, clean))
                b->list[b->count++] = (struct packageinfo_bundle){
                    .path = clean,
                    .id = attribute_or(c, "id", attribute_or(c, "CFBundleIdentifier", "")),
                    .short_version = attribute_or(c, "CFBundleShortVersionString", ""),
                    .version = attribute_or(c, "CFBundleVersion", "")};
        }
        if (!add_bundles(a, b, c, e))
            return false;
    }
    return true;
}

/* --- scripts --- */

const char *const packageinfo_kinds[] = {"preflight",   "preinstall", "preupgrade", "postinstall",
                                         "postupgrade", "postflight", NULL};

static const char *kind_of(const char *name)
{
    for (size_t i = 0; packageinfo_kinds[i]; i++)
        if (strcmp(name, packageinfo_kinds[i]) == 0)
            return packageinfo_kinds[i];
    return NULL;
}

static bool add_scripts(struct arena *a, struct packageinfo *i, const struct xml_node *root, struct err *e)
{
    size_t max = 0;
    for (const struct xml_node *l = xml_child(root, "scripts"); l; l = xml_next(l, "scripts"))
        max += children(l);
    struct packageinfo_script *scripts = arena_array(a, max, sizeof *scripts);
    for (const struct xml_node *l = xml_child(root, "scripts"); l; l = xml_next(l, "scripts"))
        for (const struct xml_node *s = l->child; s; s = s->next) {
            const char *kind = kind_of(s->name);
            int64_t timeout;
            if (!kind)
                continue;
            const char *file = attribute_or(s, "file", s->name), *seconds = xml_get(s, "timeout");
            struct packageinfo_script *out = &scripts[i->script_count++];
            *out = (struct packageinfo_script){
                .kind = kind, .file = clean_path(a, file), .component_id = xml_get(s, "component-id")};
            if (*file == '/' || !out->file || !*out->file)
                return bad(e, "a script has the file name", file);
            if (seconds && text_int(seconds, 1, TIMEOUT_MAX_S, &timeout))
                out->timeout_s = (unsigned)timeout;
        }
    i->scripts = scripts;
    return true;
}

const struct packageinfo *packageinfo_decode(struct arena *a, const void *p, size_t n, struct err *e)
{
    const struct xml_node *root = xml_tree(a, p, n, e);
    if (!root) {
        err_wrap(e, "PackageInfo");
        return NULL;
    }
    if (strcmp(root->name, "pkg-info") != 0) {
        bad(e, "the root element is called", root->name);
        return NULL;
    }
    struct packageinfo *i = arena_alloc(a, sizeof *i);
    i->identifier = attribute_or(root, "identifier", "");
    if (!packageinfo_identifier_ok(i->identifier)) {
        bad(e, "no identifier that can name a receipt:", i->identifier);
        return NULL;
    }
    i->version = attribute_or(root, "version", "0");
    if (*i->version == '\0')
        i->version = "0";
    if (!packageinfo_version_ok(i->version)) {
        bad(e, "the version is", i->version);
        return NULL;
    }
    const char *location = attribute_or(root, "install-location", "/"), *clean = clean_path(a, location);
    if (!clean) {
        bad(e, "the install-location is", location);
        return NULL;
    }
    i->install_location = arena_printf(a, "/%s", clean);
    i->auth_root = strcasecmp(attribute_or(root, "auth", "root"), "root") == 0;
    i->overwrite_permissions = truth(root, "overwrite-permissions");
    i->relocatable = truth(root, "relocatable");
    i->follow_symlinks = truth(root, "followSymLinks");
    i->preserve_xattr = truth(root, "preserve-xattr");
    i->minimum_system = xml_get(root, "minimumSystemVersion");
    i->postinstall_action = action_of(xml_get(root, "postinstall-action"));

    const struct xml_node *payload = xml_child(root, "payload");
    i->has_payload_element = payload != NULL;
    i->number_of_files = count_of(payload, "numberOfFiles");
    i->install_kbytes = count_of(payload, "installKBytes");

    struct bundles b = {arena_array(a, count_bundles(root), sizeof *b.list), 0};
    if (!add_scripts(a, i, root, e) || !add_bundles(a, &b, root, e))
        return NULL;
    i->bundles = b.list;
    i->bundle_count = b.count;
    i->version_checked = ids(a, root, "bundle-version", "bundle");
    i->strict = ids(a, root, "strict-identifier", "bundle");
    i->replace =
        both(a, ids(a, root, "upgrade-bundle", "bundle"), ids(a, root, "atomic-update-bundle", "bundle"));
    i->relocate = ids(a, root, "relocate", "bundle");
    i->must_close = ids(a, root, "must-close", "app");
    return i;
}

const struct packageinfo_script *packageinfo_own_script(const struct packageinfo *i, const char *kind)
{
    for (size_t k = 0; k < i->script_count; k++)
        if (strcmp(i->scripts[k].kind, kind) == 0 && !i->scripts[k].component_id)
            return &i->scripts[k];
    return NULL;
}
