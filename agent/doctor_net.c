/* doctor_net: the way to the servers, walked as a run walks it: the same session, the same certificates, the
 * same judgement of what comes; once, without retries, and nothing that comes is kept. */
#include "agent/doctor.h"
#include "agent/repo.h"
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
        doctor_say(d, DOCTOR_OK, "repository", "", "%s answers (%s): manifest %s, %zu catalogs", repo_show(r),
                   repo_trust_name(repo_trust(r)), name, count);
    repo_free(r);
}

static void proxy(struct doctor *d)
{
    const struct network n = {d->a, d->loop, d->options, &d->prefs, &d->facts, &d->target};
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

void doctor_network(struct doctor *d)
{
    proxy(d);
    if (d->prefs.repo_url != NULL || d->prefs.manifest_url != NULL ||
        repo_bootstrap_url(d->options, &d->prefs) != NULL)
        repository(d);
}
