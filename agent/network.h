/* network: how this Mac reaches servers, as preferences and system say: certificates, client identity, proxy,
 * redirects. One policy for the repository and for reports. */
#ifndef AGENT_NETWORK_H
#define AGENT_NETWORK_H
#include "agent/facts.h"
#include "agent/prefs.h"
#include "agent/target.h"
#include "core/fetch.h"

struct network {
    struct arena *a;
    struct loop *loop;
    const struct options *options;
    const struct prefs *prefs;
    const struct facts *facts;
    const struct target *target;
};

/* The policy for a session with the repository. Strings live in n->a. */
void network_policy(const struct network *n, struct fetch_policy *policy);

/* The PEM file of the client certificate, or NULL: none is to be used, or none is there. */
const char *network_certificate(const struct network *n);
#endif
