/* Text that is not UTF-8 cannot reach here: property lists are refused with it. */
#include "agent/tojson.h"

#include "core/text.h"

static json_t *hex(const struct value *v)
{
    size_t n = 0;
    const void *p = value_data(v, &n);
    char *text = arena_heap(NULL, 2 * n + 1);
    text_hex(text, p, n);
    json_t *j = json_string(text);
    free(text);
    return j;
}

json_t *tojson_value(const struct value *v)
{
    int64_t i;
    double r;
    bool b;
    time_t t;
    char text[32];
    json_t *j = NULL;
    if (v == NULL)
        return json_null();
    switch (value_type(v)) {
    case VALUE_STRING:
        return json_string(value_str(v));
    case VALUE_BOOL:
        return json_boolean(value_bool(v, &b) && b);
    case VALUE_INT:
        return value_int(v, &i) ? json_integer(i) : json_null();
    case VALUE_REAL:
        return value_real(v, &r) ? json_real(r) : json_null();
    case VALUE_DATE:
        if (!value_date(v, &t))
            return json_null();
        text_utc(text, t, -1);
        return json_string(text);
    case VALUE_DATA:
        return hex(v);
    case VALUE_ARRAY:
        j = json_array();
        for (size_t n = 0; n < value_count(v); n++)
            json_array_append_new(j, tojson_value(value_at(v, n)));
        return j;
    case VALUE_DICT:
        j = json_object();
        for (size_t n = 0; n < value_count(v); n++)
            json_object_set_new(j, value_key(v, n), tojson_value(value_at(v, n)));
        return j;
    }
    return json_null();
}

bool tojson_print(json_t *root)
{
    bool ok = json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(root);
    return ok;
}
