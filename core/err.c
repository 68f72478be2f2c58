/* err: invariants.
 *
 * A text never holds a control byte and always fits ERR_TEXT_MAX: whatever came in from outside (a file name,
 * a server's answer) is escaped here, once, so that printing an error needs no care. Escaping is idempotent,
 * so wrapping may pass old text through it again. */
#include "core/err.h"
#include "core/text.h"
#include <errno.h>
#include <stdarg.h>

/* Long enough that a cut never shows: the escaped result is at least as long as what it was made from. */
enum { RAW_MAX = 2 * ERR_TEXT_MAX };

static const struct {
    const char *name, *suggestion;
} causes[CAUSE_COUNT] = {
    [CAUSE_NONE] = {"none", ""},
    [CAUSE_DNS] =
        {"dns", "check that this network's DNS resolves the server's name: dscacheutil -q host -a name HOST"},
    [CAUSE_TCP] = {"tcp", "check the network, the firewall and that the server listens: nc -vz HOST 443"},
    [CAUSE_TLS] = {"tls", "look for a proxy or firewall that inspects TLS, and test with: curl -vI URL"},
    [CAUSE_TLS_UNTRUSTED] =
        {"tls_untrusted",
         "install the certificate authority by profile, or name its file in SoftwareRepoCACertificate"},
    [CAUSE_CLOCK] = {"clock", "check the clock: sudo sntp -sS time.apple.com"},
    [CAUSE_CAPTIVE] = {"captive", "log in to this network's portal in a browser, or use another network"},
    [CAUSE_PROXY_AUTH] =
        {"proxy_auth", "give the proxy's credentials in ProxyURL, or exempt the repository from the proxy"},
    [CAUSE_HTTP_4XX] =
        {"http_4xx", "check that the file is in the repository and that this Mac's credentials may read it"},
    [CAUSE_HTTP_5XX] = {"http_5xx", "look at the server's own log; the next run tries again"},
    [CAUSE_STALL] = {"stall", "try a faster or steadier network; what arrived is kept for the next run"},
    [CAUSE_HASH] = {"hash",
                    "the file differs from what its catalog (or bootstrap.json) says: run makecatalogs, or "
                    "put file and hash right"},
    [CAUSE_SIZE] =
        {"size",
         "the file is not as long as its catalog says: upload the package again, or run makecatalogs"},
    [CAUSE_SIGNATURE] =
        {"signature",
         "sign the package with a Developer ID Installer certificate, or ask less in its pkginfo"},
    [CAUSE_TEAM_ID] =
        {"team_id", "compare the signer (on a Mac: pkgutil --check-signature) with team_id in the pkginfo"},
    [CAUSE_DISK] = {"disk", "make room on the volume, or check it: diskutil verifyVolume /"},
    [CAUSE_FORMAT] = {"format", "correct the file in the repository: plutil -lint looks into a property "
                                "list, daybreak pkg verify into a package"},
    [CAUSE_LIMIT] = {"limit", "the file is larger or deeper than any real one: look at what produced it"},
    [CAUSE_SCRIPT] = {"script", "run the script by hand as root, and check its first line and its mode"},
    [CAUSE_INSTALLER] = {"installer", "read /var/log/install.log at this time"},
    [CAUSE_POSTCONDITION] =
        {"postcondition",
         "what was installed is not what the pkginfo promises: check its installs and receipts"},
    [CAUSE_LOOP] =
        {"loop",
         "the item installs but never counts as installed: check its evidence, then daybreak reset ITEM"},
    [CAUSE_PROFILE] = {"profile", "check in the MDM server that the profile is assigned to this Mac"},
    [CAUSE_PRIVACY] = {"privacy",
                       "grant Daybreak Full Disk Access by an MDM profile for privacy preferences"},
    [CAUSE_TIMEOUT] = {"timeout", "raise the timeout, or find what the step is waiting for in the log"},
    [CAUSE_DEPENDENCY] = {"dependency",
                          "repair the item that this one waits for; this one then follows by itself"},
    [CAUSE_STOPPED] = {"stopped", "run again to continue: sudo /usr/local/daybreak/daybreak run"},
    [CAUSE_INTERNAL] = {"internal", "read the lines around it in /private/var/log/daybreak/daybreak.log"},
};

static const struct {
    enum exit_code code;
    const char *meaning;
} exits[] = {
    {EXIT_DONE, "done"},
    {EXIT_PREFLIGHT, "preflight refused, or what was asked fails"},
    {EXIT_ITEMS, "some items failed, were refused or blocked"},
    {EXIT_CRITICAL, "a critical item failed"},
    {EXIT_PENDING, "finished; a restart, deferral or wait is pending"},
    {EXIT_LOCKED, "another run holds the lock"},
    {EXIT_DEADLINE, "the deadline passed"},
    {EXIT_TRUST, "trust refused"},
    {EXIT_NO_DECISION, "no decision: a manifest or catalog is missing or invalid"},
    {EXIT_MEMORY, "out of memory"},
    {EXIT_DIRECTORIES, "cannot make or trust its directories, or no space for its own state"},
    {EXIT_SIGINT, "stopped by SIGINT"},
    {EXIT_SIGTERM, "stopped by SIGTERM"},
    {EXIT_UNAVAILABLE, "repository unavailable"},
    {EXIT_USAGE, "usage, or unreadable preferences or facts"},
    {EXIT_NOT_ROOT, "not root, and the target is /"},
};

static void set_text(struct err *e, const char *raw)
{
    size_t n = strlen(raw);
    while (n > 0 && (raw[n - 1] == '\n' || raw[n - 1] == '\r' || raw[n - 1] == '.' || raw[n - 1] == ' '))
        n--;
    text_printable_into(e->text, sizeof e->text, raw, n);
}

bool err_set(struct err *e, enum err_kind kind, enum cause cause, const char *fmt, ...)
{
    if (!e)
        return false;
    char raw[RAW_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    e->kind = kind;
    e->cause = cause;
    e->code = 0;
    set_text(e, n < 0 ? fmt : raw);
    return false;
}

bool err_sys(struct err *e, const char *fmt, ...)
{
    int no = errno;
    if (!e)
        return false;
    char raw[RAW_MAX], both[RAW_MAX + 256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    snprintf(both, sizeof both, "%s: %s", n < 0 ? fmt : raw, strerror(no));
    e->kind = no == ENOENT || no == ENOTDIR  ? ERR_NOT_FOUND
              : no == ENOSPC || no == EDQUOT ? ERR_SPACE
              : no == EFBIG                  ? ERR_LIMIT
                                             : ERR_SYS;
    e->cause = e->kind == ERR_SPACE || no == EIO ? CAUSE_DISK
               : e->kind == ERR_LIMIT            ? CAUSE_LIMIT
                                                 : CAUSE_INTERNAL;
    e->code = no;
    set_text(e, both);
    return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    char raw[RAW_MAX], both[RAW_MAX + ERR_TEXT_MAX + 2];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    snprintf(both, sizeof both, "%s: %s", n < 0 ? fmt : raw, e->text);
    set_text(e, both);
    return false;
}

const char *err_cause_name(enum cause cause)
{
    return (unsigned)cause < CAUSE_COUNT ? causes[cause].name : causes[CAUSE_INTERNAL].name;
}

const char *err_suggestion(enum cause cause)
{
    return (unsigned)cause < CAUSE_COUNT ? causes[cause].suggestion : causes[CAUSE_INTERNAL].suggestion;
}

const char *err_exit_meaning(int code)
{
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++)
        if ((int)exits[i].code == code)
            return exits[i].meaning;
    return "unknown";
}
