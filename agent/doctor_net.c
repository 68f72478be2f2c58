/* doctor_net: the way to the servers, walked as a run walks it: the same session, the same certificates, the
 * same judgement of what comes; once, without retries, and nothing that comes is kept. */
#include "agent/doctor.h"
#include "agent/repo.h"
#include "core/os.h"
#include "core/text.h"
#include "manifests/bootstrap.h"

/* A remedy for what failed, where the cause alone does not say it. */
static const char *remedy(const struct err *e)
{
    if (e->kind == ERR_TRUST && e->cause == CAUSE_SIGNATURE)
        return "remove RepoPublicKeys and RepoRequireSigned until the version that verifies the index is "
               "here";
    if (e->kind == ERR_TRUST)
        return "serve the repository by https; or set AllowInsecureRepo in managed preferences";
    if (strstr(e->text, "Middleware") != NULL)
        return "run it by hand as root with {\"url\": \"…\", \"headers\": {}} on its standard input";
    if (e->code == 401 || strstr(e->text, "refuses all requests") != NULL)
        return "check AdditionalHttpHeaders, the client certificate and Middleware";
    if (e->code == 400 || strstr(e->text, "alert") != NULL)
        return "a server that wants a client certificate answers so to one that is missing or not known to "
               "it: "
               "check UseClientCertificate and the authority that the server accepts";
    if (e->kind == ERR_NOT_FOUND)
        return "publish it, or name the right one in ClientIdentifier (daybreak config shows what counts)";
    if (e->cause == CAUSE_NONE || e->cause == CAUSE_INTERNAL)
        return "daybreak config shows where the setting comes from";
    return err_suggestion(e->cause);
}

static const char *subject(const struct err *e)
{
    switch (e->cause) {
    case CAUSE_DNS:
        return "dns";
    case CAUSE_TCP:
    case CAUSE_STALL:
        return "connection";
    case CAUSE_TLS:
    case CAUSE_TLS_UNTRUSTED:
        return "tls";
    case CAUSE_CLOCK:
        return "clock";
    case CAUSE_CAPTIVE:
        return "portal";
    case CAUSE_PROXY_AUTH:
        return "proxy";
    default:
        return "repository";
    }
}

/* What only PEM files can be. */
#define IDENTITY_REMEDY                                                                                      \
    "put certificate and key as PEM into /Library/Daybreak/certs/cert.pem, mode 600; a key that a SCEP or "  \
    "ACME "                                                                                                  \
    "profile made stays in its keychain and cannot be used here"

static void problem(struct doctor *d, const struct err *e)
{
    doctor_say(d, DOCTOR_PROBLEM, subject(e), remedy(e), "%s", e->text);
}

static bool catalogs(struct doctor *d, struct repo *r, const struct value *manifest, size_t *count)
{
    const struct value *names = props_array(manifest, "catalogs");
    const struct outline *outline;
    struct err e;
    bool ok = true;
    *count = value_count(names);
    if (*count == 0) {
        doctor_say(d, DOCTOR_PROBLEM, "repository",
                   "add a catalogs array to it: nothing is found without one",
                   "the manifest names no catalogs");
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        const char *name = value_str(value_at(names, i));
        if (name != NULL && !repo_catalog(r, name, &outline, &e)) {
            problem(d, &e);
            ok = false;
        }
    }
    return ok;
}

static void repository(struct doctor *d)
{
    struct options o = *d->options;
    struct prefs once = d->prefs;
    const struct value *manifest;
    const char *name;
    struct err e;
    size_t count = 0;
    o.dry_run = true; /* whatever is fetched is not kept */
    once.download_attempts = 1;
    struct repo *r = repo_open(d->a, d->loop, &o, &once, &d->facts, &d->target, false, &e);
    if (r == NULL) {
        problem(d, &e);
        return;
    }
    const struct bootstrap *b = repo_is_bootstrap(r) ? repo_bootstrap(r, &e) : NULL;
    if (b != NULL)
        doctor_say(d, DOCTOR_OK, "repository", "", "%s answers (%s): %zu items", repo_show(r),
                   repo_trust_name(repo_trust(r)), b->count);
    else if (repo_is_bootstrap(r) || !repo_primary(r, &name, &manifest, &e))
        problem(d, &e);
    else if (catalogs(d, r, manifest, &count))
        doctor_say(d, DOCTOR_OK, "repository", "", "%s answers (%s): manifest %s, %zu catalog%s",
                   repo_show(r), repo_trust_name(repo_trust(r)), name, count, count == 1 ? "" : "s");
    d->keychain = *repo_network(r)->keychain;
    repo_free(r);
}

static void proxy(struct doctor *d)
{
    const struct network n = {d->a, d->loop, d->options, &d->prefs, &d->facts, &d->target, &d->keychain};
    struct fetch_policy policy;
    const char *pac;
    char shown[256];
    network_proxy(&n, &policy, &pac);
    const char *url = policy.proxy != NULL && policy.proxy[0] != '\0' ? policy.proxy : policy.proxy_http;
    if (pac != NULL) {
        fetch_show(shown, sizeof shown, pac);
        doctor_say(
            d, DOCTOR_PROBLEM, "proxy",
            "set ProxyURL to the proxy that the script gives, or IgnoreSystemProxies where none is needed",
            "the proxy is chosen by a script (%s), which is not executed", shown);
    } else if (url != NULL && url[0] != '\0') {
        fetch_show(shown, sizeof shown, url);
        doctor_say(d, DOCTOR_OK, "proxy", "", "%s, from %s", shown,
                   d->prefs.proxy_url != NULL ? "ProxyURL" : "the network settings");
    } else {
        doctor_say(d, DOCTOR_OK, "proxy", "",
                   policy.proxy != NULL ? "none: IgnoreSystemProxies is set" : "as the environment says");
    }
}

enum { SOON_S = 14 * 86400 };

static void identity(struct doctor *d)
{
    const struct network n = {d->a, d->loop, d->options, &d->prefs, &d->facts, &d->target, &d->keychain};
    struct network_identity id;
    char until[32];
    time_t now;
    int ms;
    if (!d->prefs.use_client_certificate)
        return;
    network_identity(&n, &id);
    os_realtime(&now, &ms);
    text_utc(until, id.is.until, -1);
    if (id.problem != NULL)
        doctor_say(d, DOCTOR_PROBLEM, "identity", IDENTITY_REMEDY, "%s", id.problem);
    else if (id.exposed)
        doctor_say(d, DOCTOR_PROBLEM, "identity", arena_printf(d->a, "sudo chmod 600 %s", id.key),
                   "%s: others than root can read the private key", id.key);
    else
        doctor_say(d, id.is.until - now < SOON_S ? DOCTOR_NOTE : DOCTOR_OK, "identity",
                   id.is.until - now < SOON_S ? "issue a new certificate" : "",
                   "this Mac shows servers %s, good until %s", id.is.subject, until);
}

/* The authorities besides the system's own. */
static void authorities(struct doctor *d)
{
    const struct keychain *k = &d->keychain;
    if (!k->asked)
        keychain_ask(&d->keychain, d->a, d->loop, d->options, &d->target);
    if (k->failure != NULL)
        doctor_say(
            d, DOCTOR_PROBLEM, "authorities",
            "try: security find-certificate -a -p /Library/Keychains/System.keychain; or name a PEM file "
            "in SoftwareRepoCACertificate",
            "no certification authority of the System keychain is trusted here: %s", k->failure);
    else if (k->asked)
        doctor_say(d, DOCTOR_OK, "authorities", "",
                   "%zu of the System keychain are trusted besides the system's (daybreak config lists them)",
                   k->count);
}

void doctor_network(struct doctor *d)
{
    proxy(d);
    identity(d);
    if (d->prefs.repo_url != NULL || d->prefs.manifest_url != NULL ||
        repo_bootstrap_url(d->options, &d->prefs) != NULL)
        repository(d);
    authorities(d);
}
