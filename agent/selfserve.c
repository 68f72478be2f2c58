/* The drop is a local user's bytes read by root: no link is followed, its size is bounded, and only lists of
 * names are taken from it. */
#include "agent/selfserve.h"

#include "agent/plistfile.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "manifests/names.h"

#define DROP     "Users/Shared/.SelfServeManifest"
#define MANIFEST "SelfServeManifest"

static const struct value *read_drop(struct arena *a, int root, struct err *e)
{
    static const char *const lists[] = {"managed_installs", "managed_uninstalls", "default_installs"};
    const struct value *v = plistfile_dict(a, root, DROP, LIMIT_MANIFEST, e);
    for (size_t i = 0; v != NULL && i < sizeof lists / sizeof lists[0]; i++)
        if (value_get(v, lists[i]) != NULL && props_strings(v, lists[i]) == NULL) {
            err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: %s is not an array of strings", DROP, lists[i]);
            return NULL;
        }
    return v;
}

void selfserve_read(struct arena *a, const struct target *t, const struct prefs *p, struct selfserve *s)
{
    struct err e;
    struct stat st;
    memset(s, 0, sizeof *s);
    s->drop_there = !t->munki && files_stat(t->root, DROP, &st, &e);
    if (s->drop_there) {
        s->dict = read_drop(a, t->root, &e);
        s->from_drop = s->dict != NULL;
        if (s->from_drop)
            return;
        log_warn("what the user asked for is ignored: %s", e.text);
    }
    if (t->munki)
        s->dict = plistfile_dict(a, t->root, arena_printf(a, "%s/manifests/%s", p->munki_dir, MANIFEST),
                                 LIMIT_MANIFEST, &e);
    else
        s->dict = plistfile_dict(a, t->manifests, MANIFEST, LIMIT_MANIFEST, &e);
    s->unreadable = s->dict == NULL && e.kind != ERR_NOT_FOUND;
    if (s->unreadable)
        log_warn("self-serve: %s", e.text);
}

bool selfserve_write(const struct target *t, const struct selfserve *s, const struct value *changed,
                     struct err *e)
{
    const struct value *v = changed != NULL ? changed : s->from_drop ? s->dict : NULL;
    if (t->munki)
        return true;
    if (v != NULL && !plistfile_write(t->manifests, MANIFEST, v, e))
        return false;
    return !s->drop_there || files_remove(t->root, DROP, e);
}

bool selfserve_fulfilled(const struct target *t, const char *name, bool removal, struct err *e)
{
    const char *key = removal ? "managed_uninstalls" : "managed_installs";
    struct err missing;
    if (t->munki)
        return true;
    struct arena *a = arena_open();
    const struct value *dict = plistfile_dict(a, t->manifests, MANIFEST, LIMIT_MANIFEST, &missing);
    const struct value *chosen = props_strings(dict, key);
    struct value *kept = value_new_array(a);
    for (size_t i = 0; i < value_count(chosen); i++)
        if (strcmp(names_nfc(a, value_str(value_at(chosen, i))), name) != 0)
            value_append(a, kept, value_at(chosen, i));
    bool ok = true;
    if (value_count(kept) < value_count(chosen)) {
        struct value *left = value_copy(a, dict);
        value_set(a, left, key, kept);
        ok = plistfile_write(t->manifests, MANIFEST, left, e);
    }
    arena_free(a);
    return ok;
}
