/* tojson: a property list's value as JSON, for --json. */
#ifndef AGENT_TOJSON_H
#define AGENT_TOJSON_H
#include "manifests/props.h"
#include <jansson.h>

/* A new reference. Dates become RFC 3339 text, data hexadecimal text; NULL becomes null. */
json_t *tojson_value(const struct value *v);

/* Print to standard output, keys in the order they were set, and free. False: could not be written. */
bool tojson_print(json_t *root);
#endif
