/* prescan: one strict, linear pass over an XML property list, before libplist sees it.
 *
 * Accepted as Apple does: white space around numbers and dates, a leading "+", leading zeros (decimal),
 * hexadecimal integers, CDATA sections, comments, missing XML declaration and DOCTYPE. p: the bytes without a
 * byte order mark. Both calls fail with ERR_FORMAT ("line 12: …"; cause captive for an HTML page) or
 * ERR_LIMIT for whatever libplist would read as rubbish or Apple's parser refuses. Format: Apple's
 * PropertyList-1.0.dtd.
 */
#ifndef MANIFESTS_PRESCAN_H
#define MANIFESTS_PRESCAN_H
#include "manifests/shape.h"

/* Fills shape. */
CHECKED bool prescan_check(const char *p, size_t n, struct shape *shape, struct err *e);

#define PRESCAN_KEYS 6

struct prescan_span { /* of an element, from its "<"; len 0: it is not there */
    uint32_t at, len;
};

struct prescan_item { /* an element of the root array */
    struct prescan_span whole;
    uint32_t nodes; /* values and keys in it, itself included */
    bool dict;
    uint8_t text;                            /* bit k: value k is a <string> of nothing but text */
    struct prescan_span value[PRESCAN_KEYS]; /* of a dictionary: the values of the keys that were asked for */
};

struct prescan_items {
    const char *const *keys; /* asked for; NULL at the end, at most PRESCAN_KEYS */
    struct prescan_item *at; /* free() */
    size_t count, room;
    const char *root; /* the element that the root is: "array", "dict", … */
};

/* Note where the elements of the root array stand, each as decodable as the whole (between <plist> and
 * </plist>). items is zeroed at first, but for keys. n: below 4 GB. */
CHECKED bool prescan_items(const char *p, size_t n, struct prescan_items *items, struct err *e);
#endif
