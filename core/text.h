/* text: small, exact operations on bytes and strings. No locale, no allocation unless an arena is given. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H
#include "core/arena.h"
#include <stdint.h>
#include <stdio.h>
#include <time.h>

bool text_utf8_valid(const char *p, size_t n); /* shortest forms only, no surrogates */

/* s with control bytes as \n \t \xNN and invalid UTF-8 as \xNN: one printable line, whatever came in. */
char *text_printable(struct arena *a, const char *s, size_t n);
void text_printable_into(char *out, size_t size, const char *s, size_t n); /* cut on a character boundary */

/* One line to a terminal or a pipe: as printf, control bytes and bad UTF-8 escaped, then a newline. */
void text_say(FILE *to, const char *fmt, ...) PRINTF(2, 3);

char *text_trim(struct arena *a, const char *s); /* without leading and trailing ASCII white space */
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);
const char *text_basename(const char *path);                 /* after the last '/', "" when it ends in one */
void text_hex(char *out, const void *p, size_t n);           /* 2n lower-case digits and a NUL */
bool text_unhex(void *out, size_t n, const char *hex);       /* exactly 2n digits, either case */
char *text_base64(struct arena *a, const void *p, size_t n); /* RFC 4648, a newline after each 72 digits */
bool text_int(const char *s, int64_t min, int64_t max, int64_t *out); /* whole string, decimal */

/* Seconds since 1970 to "2026-11-24T03:44:09Z"; ms >= 0 adds ".mmm". out holds 32 bytes. */
void text_utc(char *out, time_t t, int ms);
/* The same in local time with the offset: "2026-11-24T04:44:09.123+01:00". */
void text_local(char *out, time_t t, int ms);
bool text_parse_utc(const char *s, time_t *out); /* YYYY-MM-DDTHH:MM:SSZ, ranges checked */

/* s with everything outside RFC 3986 unreserved, "/" and keep as %XX, upper case. */
char *text_percent(struct arena *a, const char *s, const char *keep);
char *text_unpercent(struct arena *a, const char *s); /* NULL when malformed or when it hides a NUL */

/* Unicode (utf8proc): canonical composition; and full case folding of the decomposed form, the key under
 * which APFS takes two names for one. Invalid UTF-8 gives NULL. */
char *text_nfc(struct arena *a, const char *s);
char *text_fold(struct arena *a, const char *s);
/* Simple lower case, and with marks: removal of diacritics; for predicates. NULL when invalid. */
char *text_map(struct arena *a, const char *s, bool lower, bool strip_marks);
/* Upper case, each character by itself; NULL when it is not valid UTF-8. */
char *text_upper(struct arena *a, const char *s);
#endif
