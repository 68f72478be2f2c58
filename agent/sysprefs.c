/* One child, ten seconds, one property list. cfprefsd answers in milliseconds; at the worst moment of a first
 * boot it is just starting. */
#include "agent/sysprefs.h"
#include "agent/prefkeys.h"
#include "core/child.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"

#include <unistd.h>

#define PATIENCE_MS 10000

static const char *const domains[] = {DAYBREAK_DOMAIN, "ManagedInstalls"};
#define DOMAINS (sizeof domains / sizeof domains[0])

static bool print(void *ctx, const void *p, size_t n)
{
    (void)ctx;
    return fwrite(p, 1, n, stdout) == n && fflush(stdout) == 0;
}

int sysprefs_print(void)
{
    struct err e;
    const char **keys = arena_heap(NULL, prefkeys_count * sizeof *keys);
    for (size_t i = 0; i < prefkeys_count; i++)
        keys[i] = prefkeys_table[i].name;
    bool ok = os_preferences(domains, DOMAINS, keys, prefkeys_count, print, NULL, &e);
    if (!ok)
        fprintf(stderr, "daybreak: preferences: %s\n", e.text);
    free(keys);
    return ok ? EXIT_DONE : EXIT_PREFLIGHT;
}

/* Is it what os_preferences promises? A place that is no dictionary would be asked for keys. */
static bool is_answer(const struct value *v)
{
    static const char *const places[] = {"managed", "byhost", "root", "local"};
    if (value_type(v) != VALUE_ARRAY)
        return false;
    for (size_t i = 0; i < value_count(v); i++) {
        const struct value *one = value_at(v, i);
        if (value_type(one) != VALUE_DICT || props_str(one, "domain") == NULL)
            return false;
        for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
            const struct value *place = value_get(one, places[k]);
            if (place != NULL && value_type(place) != VALUE_DICT)
                return false;
        }
    }
    return true;
}

const struct value *sysprefs_ask(struct arena *a, const struct options *o, struct loop *l)
{
    const char *program = o->live ? os_self(a) : NULL;
    if (!o->live && o->tools != NULL) {
        program = arena_printf(a, "%s/preferences", o->tools);
        if (access(program, X_OK) != 0)
            program = NULL;
    }
    if (program == NULL || l == NULL)
        return NULL;
    const char *const argv[] = {program, "--preferences", NULL};
    struct buf out;
    struct child_end end;
    struct err e;
    char how[64];
    const struct value *answer = NULL;
    buf_init(&out, LIMIT_PLIST);
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = PATIENCE_MS, .out = &out};
    if (!child_run(l, &spec, &end, &e))
        ;
    else if (end.exit_code != 0)
        err_set(&e, ERR_CHILD, CAUSE_NONE, "%s", child_end_text(&end, how, sizeof how));
    else
        answer = props_decode(a, buf_str(&out), out.len, &e);
    if (answer != NULL && !is_answer(answer)) {
        err_set(&e, ERR_FORMAT, CAUSE_NONE, "an array of domains is needed");
        answer = NULL;
    }
    if (answer == NULL)
        log_warn("preferences: the system does not tell (%s %s: %s); their files are read instead", argv[0],
                 argv[1], e.text);
    buf_release(&out);
    return answer;
}

static const char *key_of(enum prefs_source source)
{
    switch (source) {
    case PREFS_MANAGED:
        return "managed";
    case PREFS_BYHOST:
        return "byhost";
    case PREFS_ROOT:
        return "root";
    case PREFS_LOCAL:
        return "local";
    case PREFS_DEFAULT:
    case PREFS_OPTION:
    case PREFS_FILE:
    case PREFS_SECRETS:
        break;
    }
    return NULL;
}

const struct value *sysprefs_place(const struct value *answer, const char *domain, enum prefs_source source)
{
    for (size_t i = 0; answer != NULL && i < value_count(answer); i++) {
        const struct value *one = value_at(answer, i);
        if (strcmp(props_str(one, "domain"), domain) == 0)
            return value_get(one, key_of(source));
    }
    return NULL;
}

bool sysprefs_knows(const struct value *answer, enum prefs_source source)
{
    for (size_t i = 0; answer != NULL && i < value_count(answer); i++)
        if (value_get(value_at(answer, i), key_of(source)) != NULL)
            return true;
    return false;
}
