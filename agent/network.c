/* network: paths of preferences are the target's where the file is there, else this machine's, so that a
 * repository can be tried into a folder with the certificates of the machine it is tried on. */
#include "agent/network.h"
#include "agent/sysproxy.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include <fcntl.h>
#include <unistd.h>

#define SCUTIL "/usr/sbin/scutil"
enum { SCUTIL_MS = 10000 };

/* A path from preferences: below the root when it is there, else as this machine has it. */
static const char *host_path(const struct network *n, const char *path)
{
    struct stat st;
    if (path == NULL || strcmp(n->target->root_path, "/") == 0 ||
        !files_evidence_stat(n->target->root, path, &st, NULL, NULL))
        return path;
    return target_path(n->a, n->target, path);
}

/* The first of names that stands in a certs folder, ours or Munki's. */
static const char *certs_file(const struct network *n, const char *const *names)
{
    const char *const dirs[] = {n->prefs->managed_install_dir, n->prefs->munki_dir};
    struct stat st;
    for (size_t d = 0; d < 2; d++)
        for (size_t i = 0; names[i] != NULL; i++) {
            const char *path = arena_printf(n->a, "%s/certs/%s", dirs[d], names[i]);
            if (files_evidence_stat(n->target->root, path, &st, NULL, NULL) && S_ISREG(st.st_mode))
                return target_path(n->a, n->target, path);
        }
    return NULL;
}

const char *network_certificate(const struct network *n)
{
    static const char *const names[] = {"cert.pem", "client.pem", "munki.pem", NULL};
    if (!n->prefs->use_client_certificate)
        return NULL;
    const char *path = host_path(n, n->prefs->client_certificate);
    return path != NULL ? path : certs_file(n, names);
}

static bool read_pem(const char *path, struct buf *out, struct stat *st, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = fd >= 0 && fstat(fd, st) == 0;
    if (!ok)
        err_sys(e, "it cannot be opened");
    ok = ok && files_read_fd(fd, out, e);
    if (fd >= 0)
        close(fd);
    return ok;
}

void network_identity(const struct network *n, struct network_identity *id)
{
    const struct prefs *p = n->prefs;
    struct buf cert, key;
    struct stat st;
    struct err e;
    const char *at = NULL;
    *id = (struct network_identity){.certificate = network_certificate(n)};
    if (!p->use_client_certificate)
        return;
    if (id->certificate == NULL) {
        id->problem = arena_printf(n->a,
                                   "UseClientCertificate is set, and there is no cert.pem, client.pem or "
                                   "munki.pem in certs/ below %s or %s",
                                   p->managed_install_dir, p->munki_dir);
        return;
    }
    id->key = p->client_key != NULL ? host_path(n, p->client_key) : id->certificate;
    buf_init(&cert, LIMIT_MB);
    buf_init(&key, LIMIT_MB);
    if (!read_pem(id->certificate, &cert, &st, &e))
        at = id->certificate;
    else if (!read_pem(id->key, &key, &st, &e) ||
             !crypto_identity(cert.data, cert.len, key.data, key.len, &id->is, &e))
        at = id->key;
    else
        id->exposed = (st.st_mode & 077) != 0;
    if (at != NULL)
        id->problem = arena_printf(n->a, "client certificate %s: %s", at, e.text);
    else if (!id->is.in_date)
        id->problem =
            arena_printf(n->a, "client certificate %s: %s is not in date", id->certificate, id->is.subject);
    buf_release(&cert);
    buf_release(&key);
}

static void ask_system(const struct network *n, struct sysproxy *p)
{
    const char *tools = n->options->tools;
    const char *const argv[] = {tools != NULL ? arena_printf(n->a, "%s/scutil", tools) : SCUTIL, "--proxy",
                                NULL};
    struct child_end end;
    struct buf out;
    struct err e;
    *p = (struct sysproxy){0};
    if (!n->target->live && tools == NULL)
        return; /* the settings of this machine are not the target's */
    buf_init(&out, LIMIT_CHILD_OUTPUT);
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = SCUTIL_MS, .out = &out};
    if (!child_run(n->loop, &spec, &end, &e))
        log_debug("network settings: %s", e.text);
    else
        sysproxy_parse(n->a, buf_str(&out), p);
    buf_release(&out);
}

void network_proxy(const struct network *n, struct fetch_policy *policy, const char **pac)
{
    struct sysproxy p = {0};
    policy->proxy = n->prefs->proxy_url;
    policy->proxy_http = policy->no_proxy = NULL;
    if (n->prefs->proxy_url == NULL && !n->prefs->ignore_system_proxies)
        ask_system(n, &p);
    if (p.https != NULL || p.http != NULL) {
        policy->proxy = p.https != NULL ? p.https : "";
        policy->proxy_http = p.http != NULL ? p.http : "";
        policy->no_proxy = p.exceptions;
    }
    if (p.pac != NULL)
        log_warn("this network's proxy is chosen by a script (%s), which is not executed: set ProxyURL",
                 p.pac);
    if (pac != NULL)
        *pac = p.pac;
}

static void ask_keychain(const struct network *n)
{
    keychain_ask(n->keychain, n->a, n->loop, n->options, n->target);
}

void network_renew(const struct network *n, struct fetch *session)
{
    struct network_identity id;
    struct err e;
    network_identity(n, &id);
    struct fetch_policy policy = {.client_cert = id.certificate, .client_key = id.key};
    network_proxy(n, &policy, NULL);
    ask_keychain(n);
    policy.ca_pem = n->keychain->pem;
    if (!fetch_renew(session, &policy, &e))
        log_warn("%s; the certificates from before still count", e.text);
}

void network_policy(const struct network *n, struct fetch_policy *policy)
{
    static const char *const ca_names[] = {"ca.pem", NULL};
    const struct prefs *p = n->prefs;
    struct network_identity id;
    struct stat st;
    network_identity(n, &id);
    if (id.problem != NULL)
        log_warn("%s", id.problem);
    *policy = (struct fetch_policy){
        .user_agent = arena_printf(n->a, "daybreak/%s Darwin/%s", DAYBREAK_VERSION, n->facts->darwin_version),
        .headers = p->headers,
        .redirects = p->redirects,
        .ca_file = host_path(n, p->ca_file),
        .ca_dir = host_path(n, p->ca_dir),
        .client_cert = id.certificate,
        .client_key = id.key,
        .allow_http = p->allow_insecure_repo,
        .attempts = p->download_attempts,
        .backoff_ms = p->download_backoff_ms,
    };
    if (policy->ca_dir != NULL && stat(policy->ca_dir, &st) == 0 && S_ISREG(st.st_mode)) {
        if (policy->ca_file == NULL)
            policy->ca_file = policy->ca_dir; /* Munki takes a file there too */
        policy->ca_dir = NULL;
    }
    if (policy->ca_file == NULL && policy->ca_dir == NULL)
        policy->ca_file = certs_file(n, ca_names);
    if (!n->keychain->asked)
        ask_keychain(n);
    policy->ca_pem = n->keychain->pem;
    network_proxy(n, policy, NULL);
}
