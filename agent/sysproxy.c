/* sysproxy: lines "  Key : value" of one dictionary, and of the array ExceptionsList below it. An exception
 * is written "*.local" or "169.254/16"; libcurl wants ".local" and "169.254.0.0/16". A PAC script and a fixed
 * proxy may both be set: macOS asks the script first, and so the fixed one is not believed then. */
#include "agent/sysproxy.h"
#include "core/text.h"

struct half { /* of one scheme */
    const char *host;
    int64_t port;
    bool on;
};

static const char *url_of(struct arena *a, const struct half *h)
{
    bool v6 = h->host != NULL && strchr(h->host, ':') != NULL && h->host[0] != '[';
    if (!h->on || h->host == NULL || h->host[0] == '\0')
        return NULL;
    return arena_printf(a, "http://%s%s%s:%lld", v6 ? "[" : "", h->host, v6 ? "]" : "",
                        (long long)(h->port > 0 && h->port < 65536 ? h->port : 80));
}

static const char *exception(struct arena *a, const char *s)
{
    static const char *const missing[] = {".0.0.0", ".0.0", ".0", ""};
    const char *slash = strchr(s, '/');
    size_t dots = 0;
    if (s[0] == '*')
        return s + 1;
    if (slash == NULL || s[0] < '0' || s[0] > '9')
        return s;
    for (const char *c = s; c < slash; c++)
        dots += *c == '.';
    return arena_printf(a, "%.*s%s%s", (int)(slash - s), s, missing[dots < 3 ? dots : 3], slash);
}

static void take(struct arena *a, const char *key, const char *value, struct half *https, struct half *http,
                 struct sysproxy *p, bool *pac)
{
    const struct {
        const char *prefix;
        struct half *h;
    } halves[] = {{"HTTPS", https}, {"HTTP", http}};
    for (size_t i = 0; i < 2; i++) {
        const char *rest = key + strlen(halves[i].prefix);
        if (!text_starts(key, halves[i].prefix))
            continue;
        if (strcmp(rest, "Enable") == 0)
            halves[i].h->on = strcmp(value, "1") == 0;
        else if (strcmp(rest, "Port") == 0)
            (void)text_int(value, 1, 65535, &halves[i].h->port);
        else if (strcmp(rest, "Proxy") == 0)
            halves[i].h->host = arena_strdup(a, value);
    }
    if (strcmp(key, "ProxyAutoConfigEnable") == 0 || strcmp(key, "ProxyAutoDiscoveryEnable") == 0)
        *pac = *pac || strcmp(value, "1") == 0;
    else if (strcmp(key, "ProxyAutoConfigURLString") == 0)
        p->pac = arena_strdup(a, value);
}

void sysproxy_parse(struct arena *a, const char *text, struct sysproxy *p)
{
    struct half https = {0}, http = {0};
    bool pac = false, list = false;
    *p = (struct sysproxy){0};
    if (!text_starts(text, "<dictionary> {"))
        return;
    for (size_t n; *text != '\0'; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        char *line = text_trim(a, arena_strndup(a, text, n));
        char *colon = strstr(line, " : ");
        if (strcmp(line, "}") == 0)
            list = false;
        if (colon == NULL)
            continue;
        *colon = '\0';
        const char *value = colon + 3;
        if (strcmp(line, "ExceptionsList") == 0)
            list = true;
        else if (list)
            p->exceptions = arena_printf(a, "%s%s%s", p->exceptions != NULL ? p->exceptions : "",
                                         p->exceptions != NULL ? "," : "", exception(a, value));
        else
            take(a, line, value, &https, &http, p, &pac);
    }
    p->https = url_of(a, &https);
    p->http = url_of(a, &http);
    if (!pac)
        p->pac = NULL;
    else if (p->pac == NULL)
        p->pac = "by discovery (WPAD)";
    if (pac)
        p->https = p->http = NULL;
}
