/* names: item names. Their one spelling, and a table that looks things up by it.
 *
 * Munki compares names by canonical equivalence: everything in this floor that compares two names compares
 * what names_nfc made of them, byte by byte. */
#ifndef MANIFESTS_NAMES_H
#define MANIFESTS_NAMES_H
#include "core/arena.h"

/* s in canonical composition: s itself where that changes nothing, else a copy in a. */
const char *names_nfc(struct arena *a, const char *s);

struct names; /* string -> pointer; lives in the arena it was made in */

struct names *names_open(struct arena *a);
void *names_get(const struct names *n, const char *name); /* NULL: not there */
/* The same of len bytes, none of them NUL, that need not end in one. */
void *names_find(const struct names *n, const char *name, size_t len);
/* name, below 4 GB, is borrowed and must live as long as the table. what, never NULL, replaces an earlier
 * one. */
void names_put(struct names *n, const char *name, void *what);
bool names_has(const struct names *n, const char *name);
bool names_add(struct names *n, const char *name); /* as a set: false when it was there already */
#endif
