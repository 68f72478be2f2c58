/* One table says everything about every key; the order of places is one array; the rest applies them.
 *
 * Surprising facts: Munki writes its own defaults into /Library/Preferences/ManagedInstalls.plist, so a value
 * there says nothing when it equals the default; and macOS puts Payload… keys into managed files. */
#include "agent/prefkeys.h"
#include "agent/sysprefs.h"

#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>

#define MUNKI_DOMAIN "ManagedInstalls"

struct place {
    const struct value *dict; /* NULL: not there */
    const char *domain, *path;
    enum prefs_source source;
    bool root_only; /* nobody but root (or us) can read or write it */
};
#define PLACES_MAX 16
struct places {
    struct place at[PLACES_MAX];
    size_t count;
};

const char *prefs_source_text(enum prefs_source s)
{
    switch (s) {
    case PREFS_OPTION:
        return "option";
    case PREFS_FILE:
        return "prefs file";
    case PREFS_SECRETS:
        return "secrets file";
    case PREFS_MANAGED:
        return "managed";
    case PREFS_BYHOST:
        return "root, this host";
    case PREFS_ROOT:
        return "root";
    case PREFS_LOCAL:
        return "local";
    case PREFS_DEFAULT:
        break;
    }
    return "default";
}

/* --- reading places ------------------------------------------------------------------------------------ */

/* The dictionary in path below root; a missing file leaves *dict NULL. */
static bool read_file(struct arena *a, int root, const char *path, struct place *p, struct err *e)
{
    struct err why;
    struct buf bytes;
    struct stat st;
    bool ok = false;
    buf_init(&bytes, LIMIT_MANIFEST);
    int fd = files_open(root, path, &why);
    if (fd < 0) {
        if (why.kind == ERR_NOT_FOUND) {
            ok = true;
            goto out;
        }
        goto bad;
    }
    if (fstat(fd, &st) != 0) {
        err_sys(&why, "stat");
        goto bad;
    }
    p->root_only = (st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & 077) == 0;
    if (!files_read_fd(fd, &bytes, &why))
        goto bad;
    const struct value *v = props_decode(a, buf_str(&bytes), bytes.len, &why);
    if (v == NULL)
        goto bad;
    if (value_type(v) != VALUE_DICT) {
        err_set(&why, ERR_FORMAT, CAUSE_FORMAT, "a dictionary is needed, found %s", value_type_name(v));
        goto bad;
    }
    p->dict = v;
    p->path = arena_printf(a, "/%s", path);
    ok = true;
    goto out;
bad:
    err_set(e, ERR_USAGE, why.cause, "preferences /%s: %s", path, why.text);
    e->code = why.code;
out:
    if (fd >= 0)
        close(fd);
    buf_release(&bytes);
    return ok;
}

/* Root's own preferences, which `daybreak why` as somebody else cannot see and need not. */
static bool is_roots_own(const struct place *p, const struct err *e)
{
    return geteuid() != 0 && e->code == EACCES && (p->source == PREFS_ROOT || p->source == PREFS_BYHOST);
}

/* A file, where the system has not told more. What it told has the file's name, and the file's mode says who
 * can read it; a file that cannot be read is then no trouble. */
static bool read_told(struct arena *a, int root, const char *path, const struct value *answer,
                      struct place *p, struct err *e)
{
    bool known = sysprefs_knows(answer, p->source);
    if (!read_file(a, root, path, p, e)) {
        if (!known && !is_roots_own(p, e))
            return false;
        log_info("%s", e->text);
    }
    if (known && p->source != PREFS_MANAGED) {
        p->dict = sysprefs_place(answer, p->domain, p->source);
        p->path = arena_printf(a, "/%s", path);
    }
    return true;
}

struct newest {
    const char *pattern;
    char name[LIMIT_NAME + 1];
    time_t when;
};

static bool newest_entry(void *ctx, const char *name, const struct stat *st)
{
    struct newest *n = ctx;
    if (fnmatch(n->pattern, name, 0) == 0 && S_ISREG(st->st_mode) &&
        (n->name[0] == '\0' || st->st_mtime > n->when)) {
        snprintf(n->name, sizeof n->name, "%s", name);
        n->when = st->st_mtime;
    }
    return true;
}

/* ByHost files carry the hardware's UUID in their names; a migrated Mac may have several: the last used. */
static bool read_byhost(struct arena *a, int root, const char *domain, const struct value *answer,
                        struct place *p, struct err *e)
{
    static const char dir[] = "private/var/root/Library/Preferences/ByHost";
    struct err why;
    struct newest n = {.pattern = arena_printf(a, "%s.*.plist", domain)};
    if (!files_list(root, dir, newest_entry, &n, &why)) {
        if (why.kind != ERR_NOT_FOUND && !sysprefs_knows(answer, p->source) && !is_roots_own(p, &why))
            return err_set(e, ERR_USAGE, why.cause, "preferences /%s: %s", dir, why.text);
    }
    if (n.name[0] == '\0')
        snprintf(n.name, sizeof n.name, "%s.plist", domain); /* not written yet, or kept elsewhere */
    return read_told(a, root, arena_printf(a, "%s/%s", dir, n.name), answer, p, e);
}

static void add_place(struct places *all, const struct place *p)
{
    if (value_count(p->dict) > 0 && all->count < PLACES_MAX)
        all->at[all->count++] = *p;
}

static bool read_places(struct arena *a, const struct options *o, int root, struct loop *l,
                        struct places *all, struct err *e)
{
    static const char *const domains[] = {DAYBREAK_DOMAIN, MUNKI_DOMAIN};
    static const struct {
        enum prefs_source source;
        const char *dirs[2]; /* both before the next domain's; NULL alone: ByHost */
    } order[] = {
        {PREFS_MANAGED, {"Library/Managed Preferences/root", "Library/Managed Preferences"}},
        {PREFS_BYHOST, {NULL, NULL}},
        {PREFS_ROOT, {"private/var/root/Library/Preferences", NULL}},
        {PREFS_LOCAL, {"Library/Preferences", NULL}},
    };
    all->count = 0;
    if (o->prefs != NULL) {
        struct place p = {.domain = "", .path = o->prefs, .source = PREFS_FILE, .root_only = true};
        p.dict = options_plist(a, "prefs", o->prefs, e);
        add_place(all, &p);
        return p.dict != NULL;
    }
    const struct value *answer = sysprefs_ask(a, o, l);
    for (size_t level = 0; level < sizeof order / sizeof order[0]; level++)
        for (size_t d = 0; d < 2; d++) {
            struct place p = {.domain = domains[d], .source = order[level].source};
            if (p.source == PREFS_BYHOST) {
                if (!read_byhost(a, root, domains[d], answer, &p, e))
                    return false;
                add_place(all, &p);
            } else if (p.source == PREFS_MANAGED) {
                /* in front of the files, which alone can tell of a key that is misspelt */
                p.dict = sysprefs_place(answer, domains[d], PREFS_MANAGED);
                p.path = arena_printf(a, "/Library/Managed Preferences/%s.plist", domains[d]);
                add_place(all, &p);
            }
            for (size_t i = 0; i < 2 && order[level].dirs[i] != NULL; i++) {
                p.dict = NULL;
                const char *path = arena_printf(a, "%s/%s.plist", order[level].dirs[i], domains[d]);
                if (!read_told(a, root, path, answer, &p, e))
                    return false;
                add_place(all, &p);
            }
        }
    return true;
}

/* --- judging values ------------------------------------------------------------------------------------ */

static bool is_managed_or_root(const struct place *p)
{
    return p->source != PREFS_LOCAL || p->root_only;
}

static bool is_munki(const struct place *p)
{
    return strcmp(p->domain, MUNKI_DOMAIN) == 0;
}

/* Does v say what text says? */
static bool value_is(const struct value *v, const char *text)
{
    bool b;
    int64_t i, want;
    if (value_str(v) != NULL)
        return strcmp(value_str(v), text) == 0;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return value_bool(v, &b) && b == (text[0] == 't');
    return value_int(v, &i) && text_int(text, INT64_MIN, INT64_MAX, &want) && i == want;
}

static bool check_type(const struct prefkey *k, const struct value *v, const struct place *p, struct err *e)
{
    const char *s = value_str(v);
    int64_t i;
    bool b, ok = true;
    switch (k->type) {
    case PREFKEY_ANY:
        break;
    case PREFKEY_STRING:
        ok = s != NULL;
        break;
    case PREFKEY_PATH:
        ok = s != NULL && (s[0] == '/' || s[0] == '\0');
        break;
    case PREFKEY_URL:
        ok = s != NULL;
        break;
    case PREFKEY_BOOL:
        ok = value_bool(v, &b);
        break;
    case PREFKEY_INT:
        ok = value_int(v, &i) && value_type(v) != VALUE_BOOL;
        break;
    case PREFKEY_STRINGS:
        ok = value_type(v) == VALUE_ARRAY;
        for (size_t n = 0; ok && n < value_count(v); n++)
            ok = value_str(value_at(v, n)) != NULL;
        break;
    case PREFKEY_HANDOFF:
        ok = s != NULL || value_type(v) == VALUE_DICT;
        break;
    }
    if (!ok)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "preferences %s: %s: %s is needed, found %s%s%s", p->path,
                       k->name, prefkeys_needed(k->type), value_type_name(v), s != NULL ? " " : "",
                       s != NULL && (k->flags & PREFKEY_SECRET) == 0 ? s : "");
    if (k->type == PREFKEY_INT && value_int(v, &i) && (i < k->min || i > k->max))
        return err_set(e, ERR_USAGE, CAUSE_NONE, "preferences %s: %s: %lld is outside %lld to %lld", p->path,
                       k->name, (long long)i, (long long)k->min, (long long)k->max);
    return true;
}

/* May the value of this place count at all? Says why not where an admin would wonder. */
static bool counts(const struct prefkey *k, const struct value *v, const struct place *p)
{
    if ((k->flags & PREFKEY_NOTES) != 0)
        return false;
    if (is_munki(p) && (k->flags & PREFKEY_OWN) != 0)
        return false;
    if (is_munki(p) && p->source == PREFS_LOCAL && k->munki != NULL && value_is(v, k->munki))
        return false;
    if (k->field == offsetof(struct prefs, repo_url) && value_is(v, "http://munki/repo"))
        return false;
    if (value_str(v) != NULL && value_str(v)[0] == '\0')
        return false; /* an empty string is how forms say "not set" */
    if ((k->flags & PREFKEY_TRUSTED) != 0 && !is_managed_or_root(p)) {
        log_warn("preferences %s: %s is ignored: it counts only from managed preferences or root-only files",
                 p->path, k->name);
        return false;
    }
    if (strcmp(k->name, "PackageVerificationMode") == 0 && !is_managed_or_root(p) &&
        !value_is(v, "hash_strict")) {
        log_warn("preferences %s: %s is ignored: weaker than hash_strict counts only from managed "
                 "preferences or root-only files",
                 p->path, k->name);
        return false;
    }
    return true;
}

static bool check_unknown(const struct place *p, struct err *e)
{
    if (is_munki(p))
        return true; /* other tools keep keys of their own there */
    for (size_t i = 0; i < value_count(p->dict); i++) {
        const char *name = value_key(p->dict, i);
        if (prefkeys_find(name) != NULL || text_starts(name, "Payload"))
            continue;
        const char *near = prefkeys_nearest(name);
        return err_set(e, ERR_USAGE, CAUSE_NONE, "preferences %s: unknown key %s%s%s", p->path, name,
                       near != NULL ? ": did you mean " : "", near != NULL ? near : "");
    }
    return true;
}

/* --- the effective value of each key ------------------------------------------------------------------- */

static bool resolve(struct arena *a, const struct prefkey *k, const struct places *all,
                    struct prefs_entry *entry, struct err *e)
{
    entry->key = k->name;
    entry->domain = "";
    entry->path = "";
    entry->secret = (k->flags & PREFKEY_SECRET) != 0;
    entry->effective = (k->flags & (PREFKEY_SILENT | PREFKEY_NOTES | PREFKEY_LATER)) == 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct place *p = &all->at[i];
        const struct value *v = value_get(p->dict, k->name);
        if (v == NULL)
            continue;
        if (!check_type(k, v, p, e))
            return false;
        if (!counts(k, v, p))
            continue;
        if (entry->value == NULL) {
            entry->value = v;
            entry->source = p->source;
            entry->domain = p->domain;
            entry->path = p->path;
            entry->forced = p->source == PREFS_MANAGED;
            entry->readable = entry->secret && !p->root_only;
        } else if (entry->other == NULL && !value_equal(v, entry->value)) {
            entry->other = v;
            entry->other_domain = p->domain;
            entry->other_path = p->path;
        }
    }
    if (entry->value != NULL && (k->flags & PREFKEY_SILENT) != 0)
        log_info("preferences %s: %s has no effect here", entry->path, k->name);
    if (entry->value != NULL && (k->flags & PREFKEY_LATER) != 0)
        log_warn("preferences %s: %s has no effect in this version", entry->path, k->name);
    if (entry->value == NULL)
        entry->value = prefkeys_default(a, k);
    return true;
}

static struct prefs_entry *entry_of(struct prefs *p, const char *name)
{
    for (size_t i = 0; i < p->entry_count; i++)
        if (strcmp(p->entries[i].key, name) == 0)
            return &p->entries[i];
    abort(); /* a name that is not in the table is a slip of this file */
}

static const struct value *effective(struct prefs *p, const char *name)
{
    return entry_of(p, name)->value;
}

static bool override_secrets(struct arena *a, int root, struct prefs *p, struct err *e)
{
    const char *path = value_str(effective(p, "SecretsFile"));
    if (path == NULL)
        return true;
    struct place place = {.domain = "", .source = PREFS_SECRETS};
    if (!read_file(a, root, path + strspn(path, "/"), &place, e))
        return false;
    if (place.dict == NULL)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "SecretsFile %s: not there", path);
    if (!place.root_only)
        return err_set(e, ERR_USAGE, CAUSE_NONE,
                       "SecretsFile %s: others than root may read it: chown root, chmod 600", path);
    for (size_t i = 0; i < value_count(place.dict); i++) {
        const char *name = value_key(place.dict, i);
        const struct prefkey *k = prefkeys_find(name);
        if (k == NULL || (k->flags & (PREFKEY_SECRET | PREFKEY_MAY_MOVE)) == 0 ||
            (k->flags & PREFKEY_SILENT) != 0)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "SecretsFile %s: %s does not belong there", path, name);
        struct prefs_entry *entry = entry_of(p, name);
        const struct value *v = value_at(place.dict, i);
        if (!check_type(k, v, &place, e))
            return false;
        if (entry->source != PREFS_DEFAULT && !value_equal(entry->value, v)) {
            entry->other = entry->value;
            entry->other_domain = entry->domain;
            entry->other_path = entry->path;
        }
        entry->value = v;
        entry->source = PREFS_SECRETS;
        entry->domain = "";
        entry->path = place.path;
        entry->forced = entry->readable = false;
    }
    return true;
}

static void override_option(struct arena *a, struct prefs *p, const char *name, const char *value)
{
    if (value == NULL)
        return;
    struct prefs_entry *entry = entry_of(p, name);
    if (entry->source != PREFS_DEFAULT) {
        entry->other = entry->value;
        entry->other_domain = entry->domain;
        entry->other_path = entry->path;
    }
    entry->value = value_new_str(a, value);
    entry->source = PREFS_OPTION;
    entry->domain = entry->path = "";
    entry->forced = false;
}

/* --- into the struct ----------------------------------------------------------------------------------- */

static const char *const *string_list(struct arena *a, const struct value *v)
{
    const char **list = arena_array(a, value_count(v) + 1, sizeof *list);
    for (size_t i = 0; i < value_count(v); i++)
        list[i] = value_str(value_at(v, i));
    return list;
}

/* "Name: value", split at the first colon, both sides trimmed; without a name or a value it is dropped. */
static const char *const *header_list(struct arena *a, const char *key, const struct value *v)
{
    const char **list = arena_array(a, value_count(v) + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < value_count(v); i++) {
        const char *s = value_str(value_at(v, i));
        const char *colon = strchr(s, ':');
        const char *name = colon != NULL ? text_trim(a, arena_strndup(a, s, (size_t)(colon - s))) : "";
        const char *value = colon != NULL ? text_trim(a, colon + 1) : "";
        if (name[0] == '\0' || value[0] == '\0' || strpbrk(s, "\r\n") != NULL) {
            log_warn("%s: entry %zu is ignored: \"Name: value\" is needed", key, i + 1);
            continue;
        }
        log_secret(value);
        const char *token = strchr(value, ' '); /* "Basic dXNlcjpwYXNz": the second word too */
        if (token != NULL)
            log_secret(token + 1);
        list[n++] = arena_printf(a, "%s: %s", name, value);
    }
    return list;
}

/* A secret that is one string (a URL with credentials, a token) is known to the log as a whole and by its
 * query. */
static void remember(const struct prefkey *k, const struct value *v)
{
    const char *s = value_str(v);
    if ((k->flags & PREFKEY_SECRET) == 0 || s == NULL || (k->munki != NULL && strcmp(s, k->munki) == 0))
        return;
    const char *query = strchr(s, '?');
    log_secret(s);
    if (query != NULL)
        log_secret(query + 1);
}

static void store(struct arena *a, const struct prefkey *k, const struct value *v, struct prefs *p)
{
    remember(k, v);
    void *field = (char *)p + k->field;
    switch (k->type) {
    case PREFKEY_BOOL:
        (void)value_bool(v, field);
        break;
    case PREFKEY_INT:
        (void)value_int(v, field);
        break;
    case PREFKEY_STRINGS:
        *(const char *const **)field =
            (k->flags & PREFKEY_SECRET) != 0 ? header_list(a, k->name, v) : string_list(a, v);
        break;
    case PREFKEY_HANDOFF:
    case PREFKEY_ANY:
        *(const struct value **)field = v;
        break;
    case PREFKEY_STRING:
    case PREFKEY_PATH:
    case PREFKEY_URL:
        *(const char **)field = value_str(v);
        break;
    }
}

/* One of the words, by its index; the preference is named when it is none. */
static bool one_of(struct prefs *p, const char *name, const char *const *words, unsigned *index,
                   struct err *e)
{
    const struct prefs_entry *entry = entry_of(p, name);
    const char *s = value_str(entry->value);
    for (unsigned i = 0; words[i] != NULL; i++)
        if (strcmp(s, words[i]) == 0) {
            *index = i;
            return true;
        }
    return err_set(e, ERR_USAGE, CAUSE_NONE, "preferences %s: %s: %s is none of its values (%s, %s, …)",
                   entry->path, name, s, words[0], words[1]);
}

static bool store_special(struct arena *a, const struct options *o, struct prefs *p, struct err *e)
{
    static const char *const redirects[] = {"none", "https", "all", NULL};
    static const char *const modes[] = {"none", "hash", "hash_strict", NULL};
    static const char *const after[] = {"stop", "schedule", "remove", NULL};
    static const char *const restart[] = {"report", "loginwindow", "ask", NULL};
    unsigned i = 0;
    int64_t n;
    if (!one_of(p, "FollowHTTPRedirects", redirects, &i, e))
        return false;
    p->redirects = (enum fetch_redirects)i;
    struct prefs_entry *mode = entry_of(p, "PackageVerificationMode");
    const char *lower = text_map(a, value_str(mode->value), true, false);
    mode->value = lower != NULL ? value_new_str(a, lower) : mode->value;
    if (!one_of(p, mode->key, modes, &i, e))
        return false;
    p->verification = (enum prefs_verification)i;
    if (p->allow_missing_hash && p->verification == PREFS_VERIFY_STRICT)
        p->verification = PREFS_VERIFY_HASH;
    if (!one_of(p, "AfterSuccess", after, &i, e))
        return false;
    p->after_success = (enum prefs_after_success)i;
    if (!one_of(p, "RestartPolicy", restart, &i, e))
        return false;
    p->restart_policy = (enum prefs_restart)i;
    if (value_int(effective(p, "LoggingLevel"), &n))
        p->logging_level = (int)(n > 3 ? 3 : n);
    if (value_int(effective(p, "DownloadRetries"), &n))
        p->download_attempts = (unsigned)n + 1;
    if (value_int(effective(p, "DownloadRetrySleepSeconds"), &n))
        p->download_backoff_ms = (uint64_t)n * 1000;
    p->repo_public_keys = effective(p, "RepoPublicKeys");
    if (p->ignore_system_proxies && p->proxy_url == NULL)
        p->proxy_url = "";
    if (o->id != NULL)
        p->client_identifier = o->id;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct prefs_entry *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static bool settle(struct arena *a, const struct options *o, int root, const struct places *all,
                   struct prefs *p, struct err *e)
{
    memset(p, 0, sizeof *p);
    p->munki_dir = "/Library/Managed Installs";
    for (size_t i = all->count; i-- > 0;) {
        if (!check_unknown(&all->at[i], e))
            return false;
        const char *dir = props_str(all->at[i].dict, "ManagedInstallDir");
        if (is_munki(&all->at[i]) && dir != NULL && dir[0] == '/')
            p->munki_dir = dir;
        p->managed_seen = p->managed_seen || all->at[i].source == PREFS_MANAGED;
    }
    p->entry_count = prefkeys_count;
    p->entries = arena_array(a, prefkeys_count, sizeof *p->entries);
    for (size_t i = 0; i < prefkeys_count; i++)
        if (!resolve(a, &prefkeys_table[i], all, &p->entries[i], e))
            return false;
    if (!override_secrets(a, root, p, e))
        return false;
    override_option(a, p, "SoftwareRepoURL", o->repo);
    override_option(a, p, "ClientIdentifier", o->id);
    override_option(a, p, "BootstrapURL", o->bootstrap);
    for (size_t i = 0; i < prefkeys_count; i++)
        if (prefkeys_table[i].field != PREFKEY_NO_FIELD &&
            (p->entries[i].value != NULL || prefkeys_table[i].type == PREFKEY_STRINGS))
            store(a, &prefkeys_table[i], p->entries[i].value, p);
    qsort(p->entries, p->entry_count, sizeof *p->entries, by_name);
    return store_special(a, o, p, e);
}

bool prefs_load(struct arena *a, const struct options *o, int root, struct loop *l, struct prefs *p,
                struct err *e)
{
    struct places all;
    return read_places(a, o, root, l, &all, e) && settle(a, o, root, &all, p, e);
}

bool prefs_defaults(struct arena *a, const struct options *o, int root, struct prefs *p, struct err *e)
{
    const struct places none = {.count = 0};
    return settle(a, o, root, &none, p, e);
}
