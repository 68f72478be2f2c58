/* The same evidence as in detect.c, each piece told by itself: nothing is decided here. */
#include "core/text.h"
#include "installer/detect_internal.h"
#include <stdarg.h>

struct telling {
    struct detect *d;
    const struct pkginfo *p;
    detect_line_fn *fn;
    void *ctx;
    const char *decided; /* by what, or NULL */
};

static void tell(const struct telling *t, const char *what, const char *says, const char *fmt, ...)
    PRINTF(4, 5);
static void tell(const struct telling *t, const char *what, const char *says, const char *fmt, ...)
{
    char raw[2048], found[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    text_printable_into(found, sizeof found, raw, strlen(raw));
    t->fn(t->ctx, what, found, says);
}

static void tell_not_asked(const struct telling *t, const char *what)
{
    tell(t, what, "not asked", "%s decides", t->decided);
}

/* yes, no: what an exit of 0 says, and any other */
static void tell_check(struct telling *t, const char *key, const char *short_key, const char *text,
                       const char *yes, const char *no)
{
    int code;

    if (!text)
        return;
    if (t->decided)
        tell_not_asked(t, key);
    else if (!detect_check_code(t->d, t->p, key, short_key, text, &code))
        tell(t, key, "not asked", "it is not executed (--scripts run does)");
    else {
        if (code < 0)
            tell(t, key, no, "it could not be run");
        else
            tell(t, key, code == 0 ? yes : no, "exited with %d", code);
        t->decided = key;
    }
}

static const char *held_text(enum evidence_held held)
{
    static const char *const texts[] = {[EVIDENCE_OLDER] = "older",
                                        [EVIDENCE_ABSENT] = "absent",
                                        [EVIDENCE_SAME] = "this version",
                                        [EVIDENCE_NEWER] = "newer",
                                        [EVIDENCE_BAD] = "malformed"};
    return texts[held];
}

static void tell_version_script(struct telling *t, bool removal)
{
    enum evidence_held held;

    if (!t->p->version_script)
        return;
    if (t->decided) {
        tell_not_asked(t, "version_script");
    } else if (!detect_version_script(t->d, t->p, &held)) {
        tell(t, "version_script", "not asked", "it is not executed (--scripts run does)");
    } else {
        tell(t, "version_script", held_text(held), "%s", detect_reason(t->d, t->p));
        if (!removal || held != EVIDENCE_ABSENT)
            t->decided = "version_script";
    }
}

static void tell_entries(struct telling *t, bool by_installs)
{
    size_t n = by_installs ? t->p->installs_count : t->p->receipts_count;

    for (size_t i = 0; i < n; i++) {
        char what[32];
        snprintf(what, sizeof what, "%s[%zu]", by_installs ? "installs" : "receipts", i);
        enum evidence_held held = by_installs ? evidence_install(detect_entries(t->d), t->p, i)
                                              : evidence_receipt(detect_entries(t->d), t->p, i);
        const char *found = strstr(detect_entries(t->d)->text, "]: ");
        tell(t, what, held_text(held), "%s", found ? found + 3 : detect_entries(t->d)->text);
    }
    t->decided = by_installs && n > 0 ? "installs" : t->decided;
}

/* For a removal it counts that all paths are there; where one is not, receipts may still say yes. */
static void tell_paths(struct telling *t)
{
    bool all = true;

    for (size_t i = 0; i < t->p->installs_count; i++) {
        char what[32];
        struct stat st;
        const char *path = t->p->installs[i].path;
        bool there = path && evidence_exists(detect_entries(t->d), path, &st);
        snprintf(what, sizeof what, "installs[%zu]", i);
        if (path)
            tell(t, what, there ? "installed" : "not installed", "%s is %s", path,
                 there ? "there" : "not there");
        all = all && (there || !path);
    }
    t->decided = all ? "installs" : NULL;
}

void detect_explain(struct detect *d, const struct pkginfo *p, bool removal, detect_line_fn *fn, void *ctx)
{
    struct telling t = {.d = d, .p = p, .fn = fn, .ctx = ctx};
    bool by_receipts = removal && p->uninstall_method && strcmp(p->uninstall_method, "removepackages") == 0;

    if (p->on_demand) {
        tell(&t, "OnDemand", "absent", "an item for every demand never counts as installed");
        t.decided = "OnDemand";
    }
    if (p->kind == KIND_FILE && p->hash) {
        bool there = detect_installed(d, p) != PLAN_ABSENT;
        tell(&t, "file", there ? "installed" : "not installed", "%s", detect_reason(d, p));
        return;
    }
    if (p->bootstrap && p->receipts_count == 0) { /* what we did is written down, and nowhere to be seen */
        tell(&t, "nothing", "not asked", "a run of it leaves no evidence but what is remembered below");
        return;
    }
    if (removal)
        tell_check(&t, "uninstallcheck_script", "uninstallcheck", p->uninstallcheck, "installed",
                   "not installed");
    tell_check(&t, "installcheck_script", "installcheck", p->installcheck, "not installed", "installed");
    tell_version_script(&t, removal);
    if (!t.decided && p->kind == KIND_STARTOSINSTALL) {
        int order = detect_compare_os(d, p);
        tell(&t, "macOS",
             held_text(order < 0   ? EVIDENCE_ABSENT
                       : order > 0 ? EVIDENCE_NEWER
                                   : EVIDENCE_SAME),
             "%s", detect_reason(d, p));
        t.decided = "macOS";
    }
    if (!t.decided && p->kind == KIND_STAGE_OS && !removal && detect_compare_os(d, p) >= 0) {
        tell(&t, "macOS", "newer", "%s", detect_reason(d, p));
        t.decided = "macOS";
    }
    if (p->installs_count > 0 && t.decided)
        tell_not_asked(&t, "installs");
    else if (p->installs_count > 0 && by_receipts)
        tell(&t, "installs", "not asked", "uninstall_method removepackages goes by receipts");
    else if (p->installs_count > 0 && removal)
        tell_paths(&t);
    else if (p->installs_count > 0)
        tell_entries(&t, true);
    if (p->receipts_count > 0 && t.decided)
        tell_not_asked(&t, "receipts");
    else if (p->receipts_count > 0)
        tell_entries(&t, false);
    else if (!t.decided)
        tell(&t, "nothing", removal ? "not installed" : "installed",
             "the item has no installs, receipts or check script");
}
