/* version: Munki 7's order of version strings (spec: munki-semantics 9). Total, never fails. */
#ifndef MANIFESTS_VERSION_H
#define MANIFESTS_VERSION_H
#include "core/arena.h"

int version_compare(const char *a, const char *b); /* -1, 0, 1; NULL reads as "0" */
/* Trailing ".0" groups removed (9.3); textual equality of trimmed versions is what references mean. */
char *version_trim(struct arena *a, const char *v);
#endif
