/* validators: what a server said of the files of one directory, for conditional requests and resumption.
 *
 * Kept in DIR/.validators, a property list: name (relative to DIR) to {etag, last-modified, length, sha256,
 * proved}. sha256 is the digest of the file as it was stored, so that a file changed behind our back is asked
 * for anew instead of being believed by a 304; proved is what agent/kept.c knows the file by that it found to
 * have that digest. A missing or damaged .validators only costs transfers. */
#ifndef AGENT_VALIDATORS_H
#define AGENT_VALIDATORS_H
#include "core/fetch.h"

#define VALIDATORS_FILE ".validators"
#define VALIDATORS_WORD 256 /* longest word of validators_prove and its NUL */

struct validators;

/* dir is borrowed. */
struct validators *validators_open(int dir);
/* Writes .validators when something changed (a failure is logged), and frees. NULL is fine. */
void validators_free(struct validators *v);
void validators_save(struct validators *v);

/* Fill *out and, when sha256 is not NULL, the digest. False: nothing (or no digest, where one is wanted) is
 * known of name. */
bool validators_get(const struct validators *v, const char *name, struct fetch_validator *out,
                    unsigned char sha256[32]);
void validators_set(struct validators *v, const char *name, const struct fetch_validator *value,
                    const unsigned char sha256[32]); /* digest NULL: none (a part) */
/* The word that was noted last with validators_prove for the digest that name has; "" when there is none. */
const char *validators_proved(const struct validators *v, const char *name);
void validators_prove(struct validators *v, const char *name, const char *word);
void validators_forget(struct validators *v, const char *name);
#endif
