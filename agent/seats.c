/* A name that does not fit into one URL alone is left out, and said: it could never be asked for. */
#include "agent/seats.h"

#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#define URL_MAX 255

static void ask_one(struct arena *a, struct fetch *f, const char *url, struct value *all)
{
    char shown[512];
    struct buf body;
    struct err e;
    enum fetch_answer answer;
    buf_init(&body, LIMIT_MANIFEST);
    struct sink *to = sink_memory(&body);
    const struct value *v = NULL;
    if (fetch_get(f, url, to, &answer, NULL, false, &e) && sink_commit(to, NULL, &e) &&
        (v = props_decode(a, buf_str(&body), body.len, &e)) != NULL && value_type(v) != VALUE_DICT) {
        err_set(&e, ERR_FORMAT, CAUSE_FORMAT, "a dictionary is needed, found %s", value_type_name(v));
        v = NULL;
    }
    buf_release(&body);
    if (v == NULL) {
        fetch_show(shown, sizeof shown, url);
        log_warn("LicenseInfoURL %s: %s; no seats are taken to be left", shown, e.text);
    }
    for (size_t i = 0; i < value_count(v); i++)
        value_set(a, all, value_key(v, i), value_at(v, i));
}

const struct value *seats_ask(struct arena *a, struct fetch *f, const char *url, const struct value *names)
{
    struct value *all = value_new_dict(a);
    const char *batch = NULL;
    for (size_t i = 0; i < value_count(names); i++) {
        const char *name = text_percent(a, value_str(value_at(names, i)), "");
        const char *alone = arena_printf(a, "%s%cname=%s", url, strchr(url, '?') != NULL ? '&' : '?', name);
        const char *more = batch != NULL ? arena_printf(a, "%s&name=%s", batch, name) : alone;
        if (strlen(alone) > URL_MAX) {
            log_warn("LicenseInfoURL: the name %s is too long to be asked for",
                     value_str(value_at(names, i)));
        } else if (strlen(more) > URL_MAX) {
            ask_one(a, f, batch, all);
            batch = alone;
        } else {
            batch = more;
        }
    }
    if (batch != NULL)
        ask_one(a, f, batch, all);
    return all;
}

const struct value *seats_known(struct arena *a, const struct value *info)
{
    const struct value *offers = props_dicts(info, "optional_installs");
    struct value *all = value_new_dict(a);
    for (size_t i = 0; i < value_count(offers); i++)
        if (props_str(value_at(offers, i), "name") != NULL)
            value_set(a, all, props_str(value_at(offers, i), "name"),
                      value_get(value_at(offers, i), "licensed_seats_available"));
    return all;
}
