/* cmd_why: one item, one screen. The decision is made again from what is cached, and then asked about. */
#include "agent/cmd.h"
#include "agent/setup.h"
#include "agent/tojson.h"
#include "agent/why.h"
#include "core/log.h"
#include "core/text.h"

#define LINES 12 /* of a kind: what is more is in --json */

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

/* A line with a label in the first column; the label is printed once. */
struct label {
    const char *text;
    size_t lines;
};

static bool row(struct label *l, size_t all)
{
    l->lines++;
    if (l->lines == LINES + 1 && all > LINES)
        text_say(stdout, "  %-9s … %zu more: --json shows all", "", all - LINES);
    return l->lines <= LINES;
}

static const char *once(const struct label *l)
{
    return l->lines == 1 ? l->text : "";
}

/* --- facts --------------------------------------------------------------------------------------------- */

static void put(char *out, size_t size, const char *text)
{
    size_t n = strlen(out);
    if (n < size)
        snprintf(out + n, size - n, "%s", text);
}

static void put_value(char *out, size_t size, const json_t *v)
{
    char number[64];
    size_t i;
    const json_t *one;
    if (json_is_string(v)) {
        put(out, size, "\"");
        put(out, size, json_string_value(v));
        put(out, size, "\"");
    } else if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        put(out, size, number);
    } else if (json_is_real(v)) {
        snprintf(number, sizeof number, "%g", json_real_value(v));
        put(out, size, number);
    } else if (json_is_boolean(v)) {
        put(out, size, json_is_true(v) ? "TRUE" : "FALSE");
    } else if (json_is_array(v)) {
        put(out, size, "{");
        json_array_foreach(v, i, one)
        {
            if (i == 5 && json_array_size(v) > 5) {
                put(out, size, ", …");
                break;
            }
            put(out, size, i > 0 ? ", " : "");
            put_value(out, size, one);
        }
        put(out, size, "}");
    } else {
        put(out, size, json_is_object(v) ? "{…}" : "not there");
    }
}

static void print_condition(const json_t *c)
{
    char facts[1024] = "";
    const char *name;
    json_t *v;
    bool first = true;
    json_object_foreach(json_object_get(c, "facts"), name, v)
    {
        put(facts, sizeof facts, first ? "" : ", ");
        put(facts, sizeof facts, name);
        put(facts, sizeof facts, " is ");
        put_value(facts, sizeof facts, v);
        first = false;
    }
    text_say(stdout, "  %-9s   condition %s", "", str(c, "condition"));
    text_say(stdout, "  %-9s     is %s%s%s%s%s", "",
             json_is_true(json_object_get(c, "holds")) ? "true" : "false",
             str(c, "error")[0] != '\0' ? ", because it cannot be judged: " : "", str(c, "error"),
             facts[0] != '\0' ? "; " : "", facts);
}

/* --- parts --------------------------------------------------------------------------------------------- */

/* "mac01 > groups/web: managed_installs as Firefox-131.0", or "mac01: required by VPN, in managed_installs"
 */
static void print_mention(const char *label, const char *name, const json_t *m)
{
    char way[1024] = "";
    size_t i;
    const json_t *link;
    json_array_foreach(json_object_get(m, "chain"), i, link)
    {
        const char *relation = str(link, "relation");
        bool last = str(link, "name")[0] == '\0';
        put(way, sizeof way, i > 0 ? ", " : "");
        put(way, sizeof way,
            last                                  ? "in "
            : strcmp(relation, "requires") == 0   ? "required by "
            : strcmp(relation, "update_for") == 0 ? "an update for "
                                                  : "with ");
        put(way, sizeof way, last ? relation : str(link, "name"));
    }
    if (way[0] == '\0')
        put(way, sizeof way, str(m, "key"));
    if (str(m, "entry")[0] != '\0' && strcmp(str(m, "entry"), name) != 0) {
        put(way, sizeof way, " as ");
        put(way, sizeof way, str(m, "entry"));
    }
    text_say(stdout, "  %-9s %s: %s", label, str(m, "manifest"), way);
    json_array_foreach(json_object_get(m, "conditions"), i, link) print_condition(link);
    if (str(m, "text")[0] != '\0')
        text_say(stdout, "  %-9s   %s", "", str(m, "text"));
}

static void print_found(const json_t *found)
{
    struct label l = {"catalog", 0};
    size_t i, n = json_array_size(found);
    const json_t *one;
    bool several = false;
    json_array_foreach(found, i, one) several =
        several || strcmp(str(one, "for"), str(json_array_get(found, 0), "for")) != 0;
    json_array_foreach(found, i, one)
    {
        if (!row(&l, n))
            break;
        text_say(stdout, "  %-9s %s %s%s%s%s: %s%s", once(&l), str(one, "catalog"), str(one, "version"),
                 several ? " (for " : "", several ? str(one, "for") : "", several ? ")" : "",
                 json_is_true(json_object_get(one, "chosen")) ? "chosen: " : "", str(one, "why"));
    }
}

static void print_evidence(const json_t *o)
{
    struct label l = {"", 0};
    size_t i, n = json_array_size(json_object_get(o, "evidence_found"));
    const json_t *one;
    if (str(o, "evidence")[0] != '\0')
        text_say(stdout, "  %-9s %s", "evidence", str(o, "evidence"));
    json_array_foreach(json_object_get(o, "evidence_found"), i, one)
    {
        if (!row(&l, n))
            break;
        text_say(stdout, "  %-9s   %s says %s: %s", "", str(one, "what"), str(one, "says"),
                 str(one, "found"));
    }
}

static void print_relations(const json_t *o)
{
    struct label l = {"relations", 0};
    size_t i, n = json_array_size(json_object_get(o, "relations"));
    const json_t *one;
    json_array_foreach(json_object_get(o, "relations"), i, one)
    {
        if (!row(&l, n))
            break;
        text_say(stdout, "  %-9s %s %s, which %s", once(&l), str(one, "relation"), str(one, "name"),
                 str(one, "state"));
    }
}

static void print_last(const json_t *o)
{
    const json_t *last = json_object_get(o, "last_run"), *failure = json_object_get(last, "failure");
    const json_t *attempts = json_object_get(o, "attempts"), *line;
    struct label l = {"history", 0};
    size_t i;
    if (json_is_object(last)) {
        const char *message =
            str(failure, "message")[0] != '\0' ? str(failure, "message") : str(last, "reason");
        text_say(stdout, "  %-9s %s%s%s%s%s%s%s", "last run", str(last, "state"),
                 str(last, "finished")[0] != '\0' ? " " : "", str(last, "finished"),
                 str(failure, "step")[0] != '\0' ? ", " : "", str(failure, "step"),
                 message[0] != '\0' ? ": " : "", message);
        if (str(failure, "suggestion")[0] != '\0')
            text_say(stdout, "  %-9s   try: %s", "", str(failure, "suggestion"));
    } else {
        text_say(stdout, "  %-9s %s", "last run",
                 json_is_true(json_object_get(o, "ran_before")) ? "it was not part of it" : "there was none");
    }
    if (json_integer_value(json_object_get(attempts, "attempts")) > 0)
        text_say(stdout, "  %-9s %s %s: %lld of %lld%s", "attempts", str(attempts, "action"),
                 str(attempts, "version"),
                 (long long)json_integer_value(json_object_get(attempts, "attempts")),
                 (long long)json_integer_value(json_object_get(attempts, "attempts_max")),
                 strcmp(str(attempts, "outcome"), "cut") == 0 ? ", the last one was cut off" : "");
    json_array_foreach(json_object_get(o, "install_log"), i, line)
    {
        if (row(&l, json_array_size(json_object_get(o, "install_log"))))
            text_say(stdout, "  %-9s %s", once(&l), json_string_value(line));
    }
}

static void print_text(const json_t *o)
{
    struct label l = {"named by", 0};
    size_t i, n = json_array_size(json_object_get(o, "named_by"));
    const json_t *one;
    const char *version = str(o, "version"), *display = str(o, "display_name");
    bool shown = display[0] != '\0' && strcmp(display, str(o, "name")) != 0;
    text_say(stdout, "%s%s%s%s%s%s: %s", str(o, "name"), version[0] != '\0' ? " " : "", version,
             shown ? " (" : "", shown ? display : "", shown ? ")" : "", str(o, "verdict"));
    json_array_foreach(json_object_get(o, "named_by"), i, one)
    {
        if (!row(&l, n))
            break;
        print_mention(once(&l), str(o, "name"), one);
    }
    if (n == 0)
        text_say(stdout, "  %-9s no manifest of this Mac", "named by");
    print_found(json_object_get(o, "found"));
    print_evidence(o);
    print_relations(o);
    if (str(o, "problem")[0] != '\0')
        text_say(stdout, "  %-9s %s", "problem", str(o, "problem"));
    json_array_foreach(json_object_get(o, "warnings"), i, one)
        text_say(stdout, "  %-9s %s", i == 0 ? "warning" : "", json_string_value(one));
    print_last(o);
    if (str(o, "to_do")[0] != '\0')
        text_say(stdout, "  %-9s %s", "to do", str(o, "to_do"));
}

static int unknown(const char *asked, const char *const *nearest, bool as_json)
{
    char names[512] = "";
    json_t *root = json_object(), *list = json_array();
    for (size_t i = 0; nearest[i] != NULL; i++) {
        put(names, sizeof names, i == 0 ? "; nearest: " : ", ");
        put(names, sizeof names, nearest[i]);
        json_array_append_new(list, json_string(nearest[i]));
    }
    log_error("%s: no manifest and no catalog of this Mac names it%s", asked, names);
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "name", json_string(asked));
    json_object_set_new(root, "decision", json_string("unknown"));
    json_object_set_new(root, "nearest", list);
    if (as_json)
        (void)tojson_print(root);
    else
        json_decref(root);
    return EXIT_PREFLIGHT;
}

int cmd_why(struct options *o)
{
    struct setup s;
    struct err e;
    const char *const *nearest = NULL;
    bool offline = o->repo == NULL && o->bootstrap == NULL;
    o->dry_run = true; /* whatever is fetched is not kept */
    int code = setup_open(&s, o, TARGET_READ, offline);
    if (code != 0)
        goto out;
    if (o->verbosity == 0)
        log_levels(LOG_LEVEL_INFO, LOG_LEVEL_ERROR); /* the screen is one item's, not every item's */
    const struct plan *plan = decide_make(s.decide, &e);
    if (plan == NULL) {
        log_levels(LOG_LEVEL_INFO, LOG_LEVEL_WARN);
        setup_complain(&e);
        code = EXIT_PREFLIGHT;
        goto out;
    }
    json_t *all = why_explain(&s, plan, o->operands[0], &nearest);
    if (all == NULL) {
        code = unknown(o->operands[0], nearest, o->json);
    } else if (o->json) {
        code = tojson_print(all) ? 0 : EXIT_PREFLIGHT;
    } else {
        print_text(all);
        json_decref(all);
    }
out:
    setup_close(&s);
    return code;
}
