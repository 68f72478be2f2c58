/* prescan: one strict, linear pass over an XML property list, before libplist sees it. */
#ifndef MANIFESTS_PRESCAN_H
#define MANIFESTS_PRESCAN_H
#include "manifests/shape.h"

/* p: the bytes without a byte order mark. Fills shape. Fails with ERR_FORMAT ("line 12: …"; cause captive for
 * an HTML page) or ERR_LIMIT for whatever libplist would read as rubbish or Apple's parser refuses. Accepted
 * as Apple does: white space around numbers and dates, a leading "+", leading zeros (decimal), hexadecimal
 * integers, CDATA sections, comments, missing XML declaration and DOCTYPE. Format: Apple's
 * PropertyList-1.0.dtd. */
CHECKED bool prescan_check(const char *p, size_t n, struct shape *shape, struct err *e);
#endif
