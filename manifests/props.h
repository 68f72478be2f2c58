/* props: property lists, decoded once at the edge. The one door to libplist.
 *
 * props_decode is safe on any bytes: XML and binary are told apart by their first bytes, everything else
 * ("<html", JSON, OpenStep text) is refused with a sentence; size, depth, node count and sharing are capped
 * before the library sees a byte, and what libplist 2.2 would read as rubbish (junk in numbers and dates,
 * text after the end, two keys in a row, bad UTF-8, …) is refused too. The result is our own immutable tree
 * in an arena: dictionaries keep the file's order, a duplicate key is an error, integers are signed 64-bit
 * or, above INT64_MAX, clamped with VALUE_INT. Dates are whole seconds. Format: Apple's PropertyList-1.0 DTD;
 * bplist00. */
#ifndef MANIFESTS_PROPS_H
#define MANIFESTS_PROPS_H
#include "core/arena.h"
#include "core/buf.h"
#include <stdint.h>
#include <time.h>

enum value_type {
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_DATE,
    VALUE_DATA,
    VALUE_ARRAY,
    VALUE_DICT
};

struct value; /* lives in the arena it was made in; never freed alone */

/* Fails with ERR_FORMAT (cause format; "HTML instead of a property list" says so, cause captive) or
 * ERR_LIMIT. The text names what and where ("line 12: …"), never the file: the caller wraps. */
const struct value *props_decode(struct arena *a, const void *p, size_t n, struct err *e);

/* Apple's XML: keys sorted by bytes, tabs, dates to the second; appended to out. */
CHECKED bool props_encode(const struct value *v, struct buf *out, struct err *e);
CHECKED bool props_encode_binary(const struct value *v, struct buf *out, struct err *e); /* bplist00 */

/* Reading. All accept v == NULL, as "absent". */
enum value_type value_type(const struct value *v);   /* v must not be NULL */
const char *value_type_name(const struct value *v);  /* "string", "integer", …, "nothing" for NULL */
const char *value_str(const struct value *v);        /* NULL unless a string */
bool value_int(const struct value *v, int64_t *out); /* integer; real with integral value; boolean */
bool value_bool(const struct value *v, bool *out);   /* boolean; number exactly 0 or 1 */
bool value_real(const struct value *v, double *out); /* real or integer */
bool value_date(const struct value *v, time_t *out);
const void *value_data(const struct value *v, size_t *len);
size_t value_count(const struct value *v); /* elements of an array, pairs of a dictionary, else 0 */
const struct value *value_at(const struct value *v, size_t i); /* array element or dictionary value i */
const char *value_key(const struct value *v, size_t i);        /* key i of a dictionary */
const struct value *value_get(const struct value *v, const char *key); /* NULL unless a dictionary with it */
bool value_equal(const struct value *a, const struct value *b);        /* deep; dictionary order is ignored */

/* Typed members of a dictionary, by the rules of Munki 7: another type reads as absent. */
const char *props_str(const struct value *dict, const char *key); /* or NULL */
bool props_bool(const struct value *dict, const char *key, bool fallback);
int64_t props_int(const struct value *dict, const char *key, int64_t fallback);
const struct value *props_dict(const struct value *dict, const char *key);  /* or NULL */
const struct value *props_array(const struct value *dict, const char *key); /* or NULL */
/* An array in which every element is a string (dictionary); with one of another type it is absent. */
const struct value *props_strings(const struct value *dict, const char *key);
const struct value *props_dicts(const struct value *dict, const char *key);

/* Making. The builders of dictionaries and arrays may be changed until the tree is handed on. Strings and
 * keys are copied. value_set replaces an earlier value of the key; v NULL: does nothing (absent, not null).
 */
struct value *value_new_dict(struct arena *a);
struct value *value_new_array(struct arena *a);
struct value *value_new_str(struct arena *a, const char *s); /* NULL gives NULL */
struct value *value_new_int(struct arena *a, int64_t i);
struct value *value_new_bool(struct arena *a, bool b);
struct value *value_new_real(struct arena *a, double r);
struct value *value_new_date(struct arena *a, time_t t);
struct value *value_new_data(struct arena *a, const void *p, size_t n);
void value_set(struct arena *a, struct value *dict, const char *key, const struct value *v);
void value_unset(struct value *dict, const char *key);
void value_append(struct arena *a, struct value *array, const struct value *v);
bool value_has_str(const struct value *array, const char *s);     /* is s among its strings? bytes compared */
struct value *value_copy(struct arena *a, const struct value *v); /* shallow: one level may be changed */
#endif
