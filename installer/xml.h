/* xml: the plain XML inside packages (TOC, PackageInfo, Distribution). The one door to expat.
 *
 * No document type (so no entities but the five, none external), depth, elements, attributes, text and the
 * size of one token capped: whatever comes in, memory and time stay proportional to the caps. Names come as
 * written, name space prefixes included. Everything handed out is UTF-8 without NUL.
 * Fails with ERR_FORMAT ("line 12: …") or ERR_LIMIT; the caller wraps with what was read. */
#ifndef INSTALLER_XML_H
#define INSTALLER_XML_H
#include "core/arena.h"
#include <stdint.h>

struct xml_limits {
    size_t bytes;        /* of the document */
    size_t elements;     /* in all */
    size_t text;         /* bytes of text of one element */
    unsigned depth;      /* of nesting */
    unsigned attributes; /* of one element */
};

/* --- events, for documents too large to keep --- */

/* attributes: name, value, name, value, …, NULL. Borrowed, as text is, until the call returns. text: what
 * stands directly in the element, its children's left out, never NULL. false: stop, *e is set. */
struct xml_handler {
    bool (*start)(void *ctx, const char *name, const char *const *attributes, struct err *e);
    bool (*end)(void *ctx, const char *name, const char *text, size_t len, struct err *e);
    void *ctx;
};

struct xml; /* a parser in the middle of a document */

struct xml *xml_open(const struct xml_limits *limits, const struct xml_handler *handler);
CHECKED bool xml_write(struct xml *x, const void *p, size_t n, struct err *e);
CHECKED bool xml_finish(struct xml *x, struct err *e); /* the document must be complete */
void xml_free(struct xml *x);                          /* NULL is fine */

/* The value of attribute name, or NULL. */
const char *xml_attribute(const char *const *attributes, const char *name);

/* --- a tree, for small ones --- */

struct xml_node {
    const char *name, *text;       /* text as above, "" when there is none */
    const char *const *attributes; /* as above */
    const struct xml_node *child, *next;
};

/* The root element of a document of at most LIMIT_PACKAGE_XML bytes. In a. NULL: *e is set. */
const struct xml_node *xml_tree(struct arena *a, const void *p, size_t n, struct err *e);

/* The value of attribute name of node, or NULL (also for node NULL). */
const char *xml_get(const struct xml_node *node, const char *name);
/* The first child so named, and the next sibling so named; NULL when there is none (also for node NULL). */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
const struct xml_node *xml_next(const struct xml_node *node, const char *name);

/* --- writing --- */

/* s for text or an attribute in double quotes. In a. */
const char *xml_escape(struct arena *a, const char *s);
#endif
