/* pattern: the regular expressions of MATCHES and the wildcards of LIKE, in bounded time.
 *
 * The syntax is ICU's as far as conditions use it: . [] [^] [[:alpha:]] \d \w \s \h \v (and upper case) \b \B
 * \A \z \Z ^ $ | () (?:) (?<name>) (?=) (?!) (?#) (?ims-ims) * + ? {m,n}, each also lazy, \t \n \r \f \e \a
 * \xHH \x{H} \uHHHH \Q..\E. Back references, look-behind, atomic groups, possessive quantifiers, \p and set
 * operations in [] are errors, never misread. Beyond ASCII \w knows letters by block only; \d is ASCII. */
#ifndef MANIFESTS_PATTERN_H
#define MANIFESTS_PATTERN_H
#include "core/err.h"

/* Does the whole of text match? Both are UTF-8. *work is what may still be spent and is reduced by what was;
 * ERR_LIMIT when it does not suffice or the pattern is too large, ERR_FORMAT when it is malformed. */
CHECKED bool pattern_match(const char *pattern, const char *text, bool caseless, size_t *work, bool *matched,
                           struct err *e);

/* The same for "*" (any characters), "?" (one) and "\" (the next one itself). */
CHECKED bool pattern_like(const char *pattern, const char *text, size_t *work, bool *matched, struct err *e);
#endif
