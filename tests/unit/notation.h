/* notation: values as tests/plan writes them: true, false, 12, real(1.5), date(2026-01-01T00:00:00Z), "text",
 * [a, b], {key: value, …}, or bare words. */
#ifndef TESTS_NOTATION_H
#define TESTS_NOTATION_H
#include "core/text.h"
#include "manifests/props.h"

static void blanks(const char **at)
{
    while (**at == ' ')
        ++*at;
}

static struct value *parse(struct arena *a, const char **at, const char *stop);

static struct value *parse_list(struct arena *a, const char **at, bool dict)
{
    struct value *v = dict ? value_new_dict(a) : value_new_array(a);

    ++*at;
    for (blanks(at); **at && **at != (dict ? '}' : ']'); blanks(at)) {
        const char *key = NULL;
        if (dict) {
            size_t n = strcspn(*at, ":");
            key = text_trim(a, arena_strndup(a, *at, n));
            *at += n + (*(*at + n) != '\0');
        }
        const struct value *element = parse(a, at, ",]}");
        if (dict)
            value_set(a, v, key, element);
        else
            value_append(a, v, element);
        if (**at == ',')
            ++*at;
    }
    if (**at)
        ++*at;
    blanks(at);
    return v;
}

static struct value *parse(struct arena *a, const char **at, const char *stop)
{
    int64_t i;
    time_t t;

    blanks(at);
    if (**at == '[' || **at == '{')
        return parse_list(a, at, **at == '{');
    if (**at == '"') {
        size_t n = strcspn(*at + 1, "\"");
        struct value *v = value_new_str(a, arena_strndup(a, *at + 1, n));
        *at += n + 1 + (*(*at + n + 1) != '\0');
        blanks(at);
        return v;
    }
    size_t n = strcspn(*at, stop);
    const char *word = text_trim(a, arena_strndup(a, *at, n));
    *at += n;
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        return value_new_bool(a, word[0] == 't');
    if (text_int(word, INT64_MIN, INT64_MAX, &i))
        return value_new_int(a, i);
    if (text_starts(word, "real("))
        return value_new_real(a, strtod(word + 5, NULL));
    if (text_starts(word, "date(") && text_parse_utc(arena_strndup(a, word + 5, strlen(word) - 6), &t))
        return value_new_date(a, t);
    return value_new_str(a, word);
}

static struct value *words(struct arena *a, const char *text)
{
    struct value *v = value_new_array(a);

    while (*text) {
        size_t n = strcspn(text, ",");
        value_append(a, v, value_new_str(a, text_trim(a, arena_strndup(a, text, n))));
        text += n + (text[n] != '\0');
    }
    return v;
}

/* "KEY = VALUE"; false when the line is not that */
static bool assignment(struct arena *a, const char *line, struct value *dict)
{
    const char *sign = strstr(line, " = ");

    if (!sign)
        return false;
    const char *at = sign + 3;
    value_set(a, dict, text_trim(a, arena_strndup(a, line, (size_t)(sign - line))), parse(a, &at, ""));
    return true;
}

/* The first word; *rest is what follows it. */
static const char *first_word(struct arena *a, const char *line, const char **rest)
{
    size_t n = strcspn(line, " ");
    *rest = line + n;
    blanks(rest);
    return arena_strndup(a, line, n);
}
#endif
