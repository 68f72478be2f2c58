/* bootstrap: JSON into items. See the header.
 *
 * Surprises: the three tools disagree about what must be there and all ignore unknown keys, so nothing but a
 * wrong type is an error here. null reads as absent. A missing hash is no error either: whether it may be
 * missing is the administrator's decision, not the file's. */
#include "manifests/bootstrap.h"

#include "core/limits.h"
#include "core/text.h"

#include <ctype.h>
#include <jansson.h>

enum { HASH_DIGITS = 64, UNKNOWN_SHOWN = 20, RETRIES_MAX = 100, RETRY_WAIT_MAX = 3600 };

static const char *const stages[] = {"preflight", "setupassistant", "userland"};
#define STAGES (sizeof stages / sizeof stages[0])

static const struct {
    const char *name;
    enum bootstrap_type type;
} types[] = {
    {"package", BOOTSTRAP_PACKAGE},       {"rootscript", BOOTSTRAP_ROOTSCRIPT},
    {"userscript", BOOTSTRAP_USERSCRIPT}, {"rootfile", BOOTSTRAP_ROOTFILE},
    {"userfile", BOOTSTRAP_USERFILE},
};

/* Every key of an item that is read; skipIf and sha256 are other tools' spellings. */
static const char *const known[] = {"file",        "name",          "type",      "url",      "hash",
                                    "sha256",      "packageid",     "version",   "required", "pkg_required",
                                    "skip_if",     "skipIf",        "donotwait", "retries",  "retrywait",
                                    "fail_policy", "parallel_group"};

struct decoding {
    struct arena *a;
    struct bootstrap *out;
    const char *unknown; /* the list so far, "" while empty */
    size_t unknown_count;
    struct err *e;
};

const char *bootstrap_stage_name(enum bootstrap_stage s)
{
    return stages[s];
}

static const char *printable(struct decoding *d, const char *s)
{
    return text_printable(d->a, s, strlen(s));
}

static void not_known(struct decoding *d, const char *what, const char *word, const char *where)
{
    if (d->unknown_count++ < UNKNOWN_SHOWN)
        d->unknown = arena_printf(d->a, "%s%s%s %s%s%s", d->unknown, d->unknown[0] ? ", " : "", what,
                                  printable(d, word), where[0] ? " of " : "", where);
}

/* --- values of an item ---------------------------------------------------------------------------------- */

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {"an object", "an array", "a string", "an integer",
                                        "a number",  "true",     "false",    "null"};
    return names[json_typeof(v)];
}

static bool wrong(struct decoding *d, const struct bootstrap_item *item, const char *key, const char *needed,
                  const json_t *v)
{
    return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT, "%s: %s: %s is needed, found %s", item->where, key, needed,
                   type_name(v));
}

/* The value of key; NULL where it is absent or null. */
static const json_t *get(const json_t *from, const char *key)
{
    const json_t *v = json_object_get(from, key);
    return json_is_null(v) ? NULL : v;
}

static bool string(struct decoding *d, const struct bootstrap_item *item, const json_t *from, const char *key,
                   const char **out)
{
    const json_t *v = get(from, key);
    if (!v)
        return true;
    if (!json_is_string(v))
        return wrong(d, item, key, "a string", v);
    if (json_string_length(v) > LIMIT_PATH)
        return err_set(d->e, ERR_LIMIT, CAUSE_LIMIT, "%s: %s is longer than %d bytes", item->where, key,
                       LIMIT_PATH);
    if (json_string_length(v) > 0)
        *out = arena_strdup(d->a, json_string_value(v));
    return true;
}

static bool boolean(struct decoding *d, const struct bootstrap_item *item, const json_t *from,
                    const char *key, bool *out)
{
    const json_t *v = get(from, key);
    if (v && !json_is_boolean(v))
        return wrong(d, item, key, "true or false", v);
    *out = *out || json_is_true(v);
    return true;
}

/* 0 is the tools' own default, as if it were absent. */
static bool number(struct decoding *d, const struct bootstrap_item *item, const json_t *from, const char *key,
                   int most, int *out)
{
    const json_t *v = get(from, key);
    *out = -1;
    if (!v)
        return true;
    if (!json_is_number(v))
        return wrong(d, item, key, "a number", v);
    double n = json_number_value(v);
    if (!(n >= 0))
        return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT, "%s: %s: less than nothing", item->where, key);
    if (n > 0)
        *out = n > most ? most : n < 1 ? 1 : (int)n;
    return true;
}

static bool refuse(struct bootstrap_item *item, enum cause cause, const char *why)
{
    if (!item->refusal) {
        item->refusal = why;
        item->refusal_cause = cause;
    }
    return true;
}

static bool take_hash(struct decoding *d, struct bootstrap_item *item, const json_t *from)
{
    const char *text = NULL, *other = NULL;
    if (!string(d, item, from, "hash", &text) || !string(d, item, from, "sha256", &other))
        return false;
    if (text && other && strcmp(text, other) != 0)
        return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT, "%s: hash and sha256 are there and differ",
                       item->where);
    text = text ? text : other;
    if (!text)
        return true;
    char *copy = arena_strdup(d->a, text_trim(d->a, text));
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (text_starts(copy, "sha256:") || text_starts(copy, "sha256-"))
        copy += strlen("sha256:");
    if (strspn(copy, "0123456789abcdef") != HASH_DIGITS || copy[HASH_DIGITS])
        return refuse(
            item, CAUSE_HASH,
            arena_printf(d->a, "hash: \"%s\" is no SHA-256: nothing can match it", printable(d, text)));
    item->hash = copy;
    return true;
}

/* The words of text in lower case, NULL at the end; they are made of letters, digits and '_'. */
static const char *next_word(struct arena *a, const char **text)
{
    const char *c = *text;
    while (*c && !isalnum((unsigned char)*c) && *c != '_')
        c++;
    size_t n = 0;
    while (isalnum((unsigned char)c[n]) || c[n] == '_')
        n++;
    *text = c + n;
    if (n == 0)
        return NULL;
    char *word = arena_strndup(a, c, n);
    for (char *w = word; *w; w++)
        *w = (char)tolower((unsigned char)*w);
    return word;
}

static bool take_skip(struct decoding *d, struct bootstrap_item *item, const json_t *from, const char *key)
{
    const char *text = NULL, *word;
    if (!string(d, item, from, key, &text))
        return false;
    while (text && (word = next_word(d->a, &text))) {
        if (strcmp(word, "arm64") == 0 || strcmp(word, "apple_silicon") == 0)
            item->skip_arm64 = true;
        else if (strcmp(word, "x86_64") == 0 || strcmp(word, "intel") == 0)
            item->skip_intel = true;
        else
            not_known(d, key, word, item->where);
    }
    return true;
}

/* However it is spelled: case, '_', '-' and spaces do not count. */
static bool take_policy(struct decoding *d, struct bootstrap_item *item, const json_t *from)
{
    static const char *const words[] = {"failableexecution", "failable", "failureisnotanoption"};
    const char *text = NULL;
    size_t n = 0;
    if (!string(d, item, from, "fail_policy", &text))
        return false;
    if (!text)
        return true;
    char *word = arena_alloc(d->a, strlen(text) + 1);
    for (const char *c = text; *c; c++)
        if (!strchr("_- ", *c))
            word[n++] = (char)tolower((unsigned char)*c);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(word, words[i]) == 0) {
            item->policy = (enum bootstrap_policy)i;
            return true;
        }
    return err_set(
        d->e, ERR_FORMAT, CAUSE_FORMAT,
        "%s: fail_policy: \"%s\" is none of failable, failable_execution, failure_is_not_an_option",
        item->where, printable(d, text));
}

/* --- an item -------------------------------------------------------------------------------------------- */

static bool climbs(const char *path)
{
    for (const char *c = path; c; c = strchr(c, '/')) {
        c += *c == '/';
        if (c[0] == '.' && c[1] == '.' && (c[2] == '/' || !c[2]))
            return true;
    }
    return false;
}

static bool has_control(const char *s)
{
    while (*s && (unsigned char)*s >= ' ' && *s != 127)
        s++;
    return *s != '\0';
}

/* Can it be carried out as it stands? */
static bool judge(struct decoding *d, struct bootstrap_item *item, bool named)
{
    bool user = item->type == BOOTSTRAP_USERSCRIPT || item->type == BOOTSTRAP_USERFILE;
    bool script = item->type == BOOTSTRAP_ROOTSCRIPT || item->type == BOOTSTRAP_USERSCRIPT;
    bool placed = item->type == BOOTSTRAP_ROOTFILE || item->type == BOOTSTRAP_USERFILE;
    if (!named)
        refuse(item, CAUSE_FORMAT, "it has no name");
    if (!item->type_text)
        return refuse(item, CAUSE_FORMAT, "it has no type");
    if (item->type == BOOTSTRAP_UNKNOWN) {
        not_known(d, "type", item->type_text, item->where);
        return refuse(item, CAUSE_FORMAT,
                      arena_printf(d->a, "type %s is not supported", printable(d, item->type_text)));
    }
    if (item->stage == BOOTSTRAP_PREFLIGHT && item->type != BOOTSTRAP_ROOTSCRIPT)
        return refuse(item, CAUSE_FORMAT,
                      arena_printf(d->a, "a %s cannot stand in preflight: only a rootscript can answer",
                                   item->type_text));
    if (user && item->stage != BOOTSTRAP_USERLAND)
        return refuse(item, CAUSE_FORMAT,
                      arena_printf(d->a,
                                   "a %s cannot stand in %s, where there is no user yet: move it to userland",
                                   item->type_text, stages[item->stage]));
    if (!item->file)
        return refuse(item, CAUSE_FORMAT, "it has no file");
    const char *base = text_basename(item->file);
    if (!base[0] || base[0] == '.' || strlen(base) > LIMIT_NAME - 32 || climbs(item->file) ||
        has_control(item->file))
        return refuse(
            item, CAUSE_FORMAT,
            arena_printf(d->a, "file: \"%s\" is no path that is written to", printable(d, item->file)));
    if (!item->url && !script)
        return refuse(item, CAUSE_FORMAT, arena_printf(d->a, "a %s needs a url", item->type_text));
    if (item->file[0] != '/' && (placed || !item->url))
        return refuse(
            item, CAUSE_FORMAT,
            arena_printf(d->a, "file: \"%s\": an absolute path is needed", printable(d, item->file)));
    if (item->url && !text_starts(item->url, "https://") && !text_starts(item->url, "http://") &&
        !text_starts(item->url, "file://"))
        return refuse(item, CAUSE_FORMAT, "url: https, http or file is needed");
    return true;
}

static void look_for_unknown(struct decoding *d, const struct bootstrap_item *item, const json_t *from)
{
    for (void *i = json_object_iter((json_t *)(uintptr_t)from); i;
         i = json_object_iter_next((json_t *)(uintptr_t)from, i)) {
        const char *key = json_object_iter_key(i);
        bool found = text_starts(key, "x-"); /* extensions of other tools' */
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            found = found || strcmp(key, known[k]) == 0;
        if (!found)
            not_known(d, "key", key, item->where);
    }
}

static bool decode_item(struct decoding *d, size_t stage, size_t place, const json_t *from)
{
    struct bootstrap_item *item = &d->out->items[d->out->count++];
    const char *name = NULL;
    *item = (struct bootstrap_item){.stage = (enum bootstrap_stage)stage,
                                    .type = BOOTSTRAP_UNKNOWN,
                                    .where = arena_printf(d->a, "%s[%zu]", stages[stage], place)};
    if (!json_is_object(from))
        return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT, "%s: an object is needed, found %s", item->where,
                       type_name(from));
    if (!string(d, item, from, "name", &name))
        return false;
    if (name && strlen(name) > LIMIT_NAME)
        return err_set(d->e, ERR_LIMIT, CAUSE_LIMIT, "%s: name is longer than %d bytes", item->where,
                       LIMIT_NAME);
    item->name = name ? printable(d, name) : item->where;
    if (name)
        item->where = arena_printf(d->a, "%s \"%s\"", item->where, item->name);
    if (!string(d, item, from, "type", &item->type_text) || !string(d, item, from, "file", &item->file) ||
        !string(d, item, from, "url", &item->url) || !string(d, item, from, "packageid", &item->package_id) ||
        !string(d, item, from, "version", &item->version) ||
        !string(d, item, from, "parallel_group", &item->parallel_group) ||
        !boolean(d, item, from, "required", &item->required) ||
        !boolean(d, item, from, "pkg_required", &item->required) ||
        !boolean(d, item, from, "donotwait", &item->donotwait) ||
        !number(d, item, from, "retries", RETRIES_MAX, &item->retries) ||
        !number(d, item, from, "retrywait", RETRY_WAIT_MAX, &item->retry_wait_s) ||
        !take_skip(d, item, from, "skip_if") || !take_skip(d, item, from, "skipIf") ||
        !take_policy(d, item, from) || !take_hash(d, item, from))
        return false;
    for (size_t i = 0; item->type_text && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(item->type_text, types[i].name) == 0)
            item->type = types[i].type;
    look_for_unknown(d, item, from);
    return judge(d, item, name != NULL);
}

/* --- the file ------------------------------------------------------------------------------------------- */

static bool decode_stages(struct decoding *d, const json_t *root)
{
    size_t all = 0, stages_there = 0;
    if (!json_is_object(root))
        return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT,
                       "an object with preflight, setupassistant and userland is needed, found %s",
                       type_name(root));
    for (size_t s = 0; s < STAGES; s++) {
        const json_t *list = get(root, stages[s]);
        if (list && !json_is_array(list))
            return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT, "%s: an array is needed, found %s", stages[s],
                           type_name(list));
        stages_there += list != NULL;
        all += json_array_size(list);
    }
    if (stages_there == 0)
        return err_set(d->e, ERR_FORMAT, CAUSE_FORMAT,
                       "none of preflight, setupassistant and userland is in it: this is no bootstrap.json");
    if (all > LIMIT_BOOTSTRAP_ITEMS)
        return err_set(d->e, ERR_LIMIT, CAUSE_LIMIT, "more than %d items", LIMIT_BOOTSTRAP_ITEMS);
    for (void *i = json_object_iter((json_t *)(uintptr_t)root); i;
         i = json_object_iter_next((json_t *)(uintptr_t)root, i)) {
        const char *key = json_object_iter_key(i);
        bool found = text_starts(key, "x-");
        for (size_t s = 0; s < STAGES; s++)
            found = found || strcmp(key, stages[s]) == 0;
        if (!found)
            not_known(d, "key", key, "");
    }
    d->out->items = arena_array(d->a, all + 1, sizeof *d->out->items);
    for (size_t s = 0; s < STAGES; s++) {
        const json_t *list = get(root, stages[s]);
        for (size_t i = 0; i < json_array_size(list); i++)
            if (!decode_item(d, s, i, json_array_get(list, i)))
                return false;
    }
    return true;
}

const struct bootstrap *bootstrap_decode(struct arena *a, const char *p, size_t n, struct err *e)
{
    struct decoding d = {.a = a, .out = arena_alloc(a, sizeof *d.out), .unknown = "", .e = e};
    json_error_t why;
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
        n -= 3;
    }
    size_t space = 0;
    while (space < n && strchr(" \t\r\n", p[space]) && p[space])
        space++;
    if (space < n && p[space] == '<') {
        err_set(e, ERR_NET, CAUSE_CAPTIVE, "a web page or XML instead of JSON");
        return NULL;
    }
    json_t *root = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "line %d: %s", why.line,
                text_printable(a, why.text, strlen(why.text)));
        return NULL;
    }
    bool ok = decode_stages(&d, root);
    json_decref(root);
    if (!ok)
        return NULL;
    if (d.unknown_count > UNKNOWN_SHOWN)
        d.unknown = arena_printf(a, "%s and %zu more", d.unknown, d.unknown_count - UNKNOWN_SHOWN);
    if (d.unknown_count > 0)
        d.out->warning =
            arena_printf(a, BOOTSTRAP_NAME ": not known here, and without effect: %s", d.unknown);
    return d.out;
}
