/* Surprises: a base that ends in '?' is a script that takes names, and gets no '/'; a name is encoded always,
 * so
 * "%20" becomes "%2520"; '+' is sent as %2B because servers differ about it. */
#include "agent/repourl.h"

#include "core/limits.h"
#include "core/text.h"

#include <strings.h>

static bool ends_base(const char *url)
{
    return text_ends(url, "/") || text_ends(url, "?");
}

const char *repourl_base(struct arena *a, const struct prefs *p, const char *own, const char *folder)
{
    if (own != NULL)
        return ends_base(own) ? own : arena_printf(a, "%s/", own);
    return p->repo_url != NULL ? arena_printf(a, "%s/%s/", p->repo_url, folder) : NULL;
}

static const char *encoded(struct arena *a, const char *name)
{
    return text_percent(a, name, "!$&'()*,:=@");
}

static const char *in_mirror(struct arena *a, const char *mirror, const char *folder, const char *name)
{
    return arena_printf(a, "%s%s%s/%s", mirror, text_ends(mirror, "/") ? "" : "/", folder, encoded(a, name));
}

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    return n;
}

const char *const *repourl_list(struct arena *a, const char *base, const char *const *mirrors,
                                const char *folder, const char *name)
{
    size_t count = count_of(mirrors);
    const char **urls = arena_array(a, count + 2, sizeof *urls);
    urls[0] = arena_printf(a, "%s%s", base, encoded(a, name));
    for (size_t i = 0; i < count; i++)
        urls[i + 1] = in_mirror(a, mirrors[i], folder, name);
    return urls;
}

bool repourl_loopback(const char *url)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    size_t n = strcspn(host, "/?#");
    const char *at = memchr(host, '@', n);
    if (at != NULL) {
        n -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);
        if (n >= len && strncasecmp(host, names[i], len) == 0 && (n == len || host[len] == ':'))
            return true;
    }
    return false;
}

bool repourl_good_name(const char *name)
{
    if (name[0] == '\0' || strlen(name) > LIMIT_PATH || !text_utf8_valid(name, strlen(name)))
        return false;
    for (const char *c = name;;) {
        size_t n = strcspn(c, "/");
        if (n == 0 || n > LIMIT_NAME || c[0] == '.')
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)c[i] < ' ')
                return false;
        if (c[n] == '\0')
            return true;
        c += n + 1;
    }
}

static bool climbs(const char *location)
{
    for (const char *c = location;;) {
        size_t n = strcspn(c, "/");
        if (n == 2 && c[0] == '.' && c[1] == '.')
            return true;
        if (c[n] == '\0')
            return false;
        c += n + 1;
    }
}

const char *const *repourl_package(struct arena *a, const struct prefs *p, const struct pkginfo *item,
                                   bool uninstaller, bool local)
{
    const char *location = uninstaller ? item->uninstaller_location : item->location;
    const char *own = item->package_url != NULL ? item->package_url : p->package_url;
    size_t mirrors = item->bootstrap != NULL ? 0 : count_of(p->mirrors),
           more = uninstaller ? 0 : value_count(item->urls), n = 0;
    const char **urls = arena_array(a, 2 + more + mirrors, sizeof *urls);
    bool usable = location != NULL && location[0] != '\0' && !climbs(location);
    const char *base = usable ? repourl_base(a, p, own, "pkgs") : NULL;
    if (item->complete_url != NULL)
        urls[n++] = item->complete_url;
    else if (base != NULL)
        urls[n++] = arena_printf(a, "%s%s", base, encoded(a, location));
    for (size_t i = 0; i < more; i++)
        urls[n++] = value_str(value_at(item->urls, i));
    for (size_t i = 0; usable && i < mirrors; i++)
        urls[n++] = in_mirror(a, p->mirrors[i], "pkgs", location);
    /* what the network says must not make this machine read its own files */
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (urls[i] != NULL && (local || strncasecmp(urls[i], "file:", 5) != 0))
            urls[kept++] = urls[i];
    urls[kept] = NULL;
    return kept > 0 ? urls : NULL;
}
