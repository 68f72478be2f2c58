/* network: how this Mac reaches servers, as preferences and system say: certificates, client identity, proxy,
 * redirects. One policy for the repository and for reports. */
#ifndef AGENT_NETWORK_H
#define AGENT_NETWORK_H
#include "agent/facts.h"
#include "agent/keychain.h"
#include "agent/prefs.h"
#include "agent/target.h"
#include "core/crypto.h"
#include "core/fetch.h"

struct network {
    struct arena *a;
    struct loop *loop;
    const struct options *options;
    const struct prefs *prefs;
    const struct facts *facts;
    const struct target *target;
    struct keychain *keychain; /* what it said last */
};

/* The proxies that count, as fields of a policy: ProxyURL, none, or what this Mac's network settings say now;
 * else the environment's. Where a script decides (PAC) its URL is in *pac, which may be NULL. */
void network_proxy(const struct network *n, struct fetch_policy *policy, const char **pac);

/* The policy for a session with the repository. Strings live in n->a. The keychain is asked if it was not. */
void network_policy(const struct network *n, struct fetch_policy *policy);

/* Ask again for what changes while a run waits, proxies, client certificate and keychain, and let the session
 * have it. */
void network_renew(const struct network *n, struct fetch *session);

/* The PEM file of the client certificate, or NULL: none is to be used, or none is there. */
const char *network_certificate(const struct network *n);

/* How this Mac shows a server who it is. */
struct network_identity {
    const char *certificate, *key; /* PEM files, perhaps the same; NULL: none */
    const char *problem;       /* why it is of no use, one sentence; NULL: it is good, or none is wanted */
    bool exposed;              /* others than root may read the key */
    struct crypto_identity is; /* where there is a certificate and no problem */
};
void network_identity(const struct network *n, struct network_identity *id);
#endif
