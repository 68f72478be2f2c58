/* plain: a value of an XML property list, read as writers write it: elements of nothing but text, elements
 * and blanks. Several times faster than props_decode, and the same value; what it does not know is left to
 * that. */
#ifndef MANIFESTS_PLAIN_H
#define MANIFESTS_PLAIN_H
#include "manifests/props.h"

/* The value whose element is text to text + n, all of which prescan has passed. It is read where it stands:
 * the text is changed, and must live as long as a. NULL: there is a comment, a CDATA section, a numeric
 * reference, a date, data, a real or an unusual number or tag in it. */
const struct value *plain_value(struct arena *a, char *text, size_t n);
#endif
