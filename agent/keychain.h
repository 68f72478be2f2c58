/* keychain: the certification authorities of this Mac's System keychain, where MDM and administrators put an
 * organisation's own. Our TLS library sees no keychain: what is there must be asked for.
 *
 * The keychain also holds leaves, identities and roots that are marked as never to be trusted. Adopted is
 * exactly what is an authority, in date, and passes the system's own judgement for TLS servers (`security
 * verify-cert`), which knows the trust settings. */
#ifndef AGENT_KEYCHAIN_H
#define AGENT_KEYCHAIN_H
#include "agent/target.h"
#include "core/loop.h"

struct keychain_authority {
    const char *subject; /* printable */
    const char *sha256;  /* of the certificate, hex */
};

struct keychain {        /* zeroed at first */
    bool asked;          /* it was asked, and answered or failed; false: there is nobody to ask, or not yet */
    const char *failure; /* why nothing is adopted: one sentence; NULL: it answered */
    const struct keychain_authority *authorities; /* adopted, in the keychain's order */
    size_t count;
    const char *pem; /* of all of them, or NULL: none */
};

/* Ask, replacing what k has; strings live in a. On a Mac its own `security` answers, under another root the
 * stand-in of --tools; elsewhere there is nobody to ask. What is adopted for the first time is logged, and so
 * is a failure that k had not yet. Each certificate passes through a private file in our folder, which is
 * removed. Turns the loop. */
void keychain_ask(struct keychain *k, struct arena *a, struct loop *l, const struct options *o,
                  const struct target *t);
#endif
