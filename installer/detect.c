/* detect: the evidence of a pkginfo held against a volume.
 *
 * The order of the questions is Munki's and the first one that applies decides alone: an installcheck_script
 * makes installs worthless, a non-empty installs array makes receipts worthless. An entry that is malformed
 * makes the item count as installed (never as something to do), but not as present in "some version".
 * Answers of scripts, receipts and the inventory belong to one look (detect_forget ends it); sentences and
 * versions handed out live as long as the detect. */
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/bootitem.h"
#include "installer/detect_internal.h"
#include "installer/script.h"
#include "manifests/version.h"
#include <stdarg.h>

#define BUCKETS          512
#define CHECK_TIMEOUT_MS 600000
#define VERSION_OUTPUT   (64 * LIMIT_KB)

struct answer { /* of one script */
    struct answer *next;
    const char *name, *key, *text;
    int code;
    const char *output;
};

struct note { /* what is known of one item for as long as the detect lives */
    struct note *next;
    const char *name, *version;
    const char *reason;
    bool check_said_installed; /* its installcheck_script once answered other than 0 */
};

struct detect {
    struct detect_config c;
    struct arena *a;    /* for good */
    struct arena *look; /* until detect_forget */
    struct evidence ev;
    struct answer *answers[BUCKETS];
    struct note *notes[BUCKETS];
};

struct detect *detect_open(const struct detect_config *c)
{
    struct arena *a = arena_open();
    struct detect *d = arena_alloc(a, sizeof *d);
    d->c = *c;
    d->a = a;
    detect_forget(d);
    return d;
}

void detect_free(struct detect *d)
{
    if (!d)
        return;
    inventory_free(d->ev.inventory);
    arena_free(d->look);
    arena_free(d->a);
}

void detect_forget(struct detect *d)
{
    inventory_free(d->ev.inventory);
    arena_free(d->look);
    d->look = arena_open();
    d->ev = (struct evidence){.loop = d->c.loop, .root = d->c.root, .os_version = d->c.os_version};
    d->ev.inventory = inventory_open(d->c.loop, d->c.root, d->c.live);
    memset(d->answers, 0, sizeof d->answers);
}

static size_t bucket(const char *s)
{
    size_t h = 5381;
    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h % BUCKETS;
}

static struct note *note_of(struct detect *d, const struct pkginfo *p)
{
    struct note **n = &d->notes[bucket(p->name)];
    while (*n && (strcmp((*n)->name, p->name) != 0 || strcmp((*n)->version, p->version) != 0))
        n = &(*n)->next;
    if (!*n) {
        *n = arena_alloc(d->a, sizeof **n);
        (*n)->name = arena_strdup(d->a, p->name);
        (*n)->version = arena_strdup(d->a, p->version);
        (*n)->reason = "";
    }
    return *n;
}

static void say(struct detect *d, const struct pkginfo *p, const char *fmt, ...) PRINTF(3, 4);
static void say(struct detect *d, const struct pkginfo *p, const char *fmt, ...)
{
    char text[2048];
    struct note *n = note_of(d, p);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (strcmp(n->reason, text) != 0) /* asked again and again, it mostly says the same */
        n->reason = text_printable(d->a, text, strlen(text));
}

const char *detect_reason(struct detect *d, const struct pkginfo *p)
{
    return note_of(d, p)->reason;
}

/* --- scripts ----------------------------------------------------------------------------------------------
 */

static const struct answer *run_check(struct detect *d, const struct pkginfo *p, const char *key,
                                      const char *text)
{
    struct answer **slot = &d->answers[bucket(p->name)];
    struct buf out;
    struct err e;

    while (*slot && (strcmp((*slot)->name, p->name) != 0 || strcmp((*slot)->key, key) != 0 ||
                     strcmp((*slot)->text, text) != 0))
        slot = &(*slot)->next;
    if (*slot)
        return *slot;

    struct answer *answer = arena_alloc(d->look, sizeof *answer);
    answer->name = arena_strdup(d->look, p->name);
    answer->key = key;
    answer->text = arena_strdup(d->look, text);
    struct script_place where = {
        .loop = d->c.loop,
        .root = d->c.root,
        .root_path = d->c.root_path,
        .live = d->c.live,
        .timeout_ms = d->c.script_timeout_ms ? d->c.script_timeout_ms : CHECK_TIMEOUT_MS,
        .item = p->name,
    };
    buf_init(&out, VERSION_OUTPUT);
    if (!script_run(&where, key, text, &out, &answer->code, &e)) {
        answer->code = -1;
        if (d->c.script_broken)
            d->c.script_broken(d->c.ctx, p, e.text);
        else
            log_warn("%s: %s", p->name, e.text);
    }
    answer->output = text_trim(d->look, buf_str(&out));
    buf_release(&out);
    *slot = answer;
    return answer;
}

static void forget_answers(struct detect *d, const struct pkginfo *p)
{
    for (struct answer **slot = &d->answers[bucket(p->name)]; *slot;) {
        if (strcmp((*slot)->name, p->name) == 0)
            *slot = (*slot)->next;
        else
            slot = &(*slot)->next;
    }
}

static const struct value *told_of(const struct detect *d, const struct pkginfo *p)
{
    return d->c.run_scripts ? NULL : props_dict(d->c.script_results, p->name);
}

/* Does a check script answer, by itself or by the facts? */
bool detect_check_code(struct detect *d, const struct pkginfo *p, const char *key, const char *short_key,
                       const char *text, int *code)
{
    int64_t told;

    if (!text)
        return false;
    if (d->c.run_scripts)
        *code = run_check(d, p, key, text)->code;
    else if (value_int(value_get(told_of(d, p), short_key), &told))
        *code = told >= 0 && told <= 255 ? (int)told : -1;
    else
        return false;
    return true;
}

static bool installcheck(struct detect *d, const struct pkginfo *p, bool *installed)
{
    int code;
    if (!detect_check_code(d, p, "installcheck_script", "installcheck", p->installcheck, &code))
        return false;
    *installed = code != 0;
    if (code > 0)
        note_of(d, p)->check_said_installed = true;
    if (code < 0)
        say(d, p, "installcheck_script could not be run, which counts as installed");
    else
        say(d, p, "installcheck_script exited with %d: %s", code, code ? "installed" : "not installed");
    return true;
}

bool detect_version_script(struct detect *d, const struct pkginfo *p, enum evidence_held *held)
{
    const char *found = "";

    if (!p->version_script)
        return false;
    if (d->c.run_scripts) {
        const struct answer *a = run_check(d, p, "version_script", p->version_script);
        if (a->code == 0)
            found = a->output;
    } else if (!(found = props_str(told_of(d, p), "version"))) {
        return false;
    }
    int order = version_compare(found, p->version);
    *held = !*found     ? EVIDENCE_ABSENT
            : order < 0 ? EVIDENCE_OLDER
            : order > 0 ? EVIDENCE_NEWER
                        : EVIDENCE_SAME;
    if (!*found)
        say(d, p, "version_script gave no version");
    else
        say(d, p, "version_script: %s is %s %s", found, evidence_order_text(order), p->version);
    return true;
}

/* --- the questions ----------------------------------------------------------------------------------------
 */

static enum evidence_held hold(struct detect *d, const struct pkginfo *p, size_t i, bool by_installs)
{
    enum evidence_held held = by_installs ? evidence_install(&d->ev, p, i) : evidence_receipt(&d->ev, p, i);
    say(d, p, "%s", d->ev.text);
    return held;
}

/* "15.4.1" -> "15.4"; of an item's version above 10 the major part alone counts: "15.4" -> "15". */
static const char *reduced(struct arena *a, const char *version, bool major_alone)
{
    int64_t major;
    size_t n = strcspn(version, ".");
    const char *first = arena_strndup(a, version, n);

    if (!version[n] || (major_alone && text_int(first, 0, 1000, &major) && major > 10))
        return first;
    return arena_strndup(a, version, n + 1 + strcspn(version + n + 1, "."));
}

int detect_compare_os(struct detect *d, const struct pkginfo *p)
{
    struct arena *a = arena_open();
    const char *running = reduced(a, d->c.os_version ? d->c.os_version : "0", false);
    const char *wanted = reduced(a, p->version, true);
    int order = version_compare(running, wanted);
    say(d, p, "the running macOS %s is %s %s", running, evidence_order_text(order), wanted);
    arena_free(a);
    return order;
}

static enum plan_state of_staged_os(struct detect *d, const struct pkginfo *p)
{
    if (detect_compare_os(d, p) >= 0)
        return PLAN_NEWER;
    for (size_t i = 0; i < p->installs_count; i++) {
        enum evidence_held held = hold(d, p, i, true);
        if (held == EVIDENCE_BAD)
            return PLAN_THIS;
        if (held != EVIDENCE_SAME)
            return PLAN_ABSENT;
    }
    return PLAN_THIS;
}

static enum plan_state of_held(enum evidence_held held)
{
    return held == EVIDENCE_NEWER                          ? PLAN_NEWER
           : held == EVIDENCE_SAME || held == EVIDENCE_BAD ? PLAN_THIS
                                                           : PLAN_ABSENT;
}

enum plan_state detect_installed(struct detect *d, const struct pkginfo *p)
{
    bool yes, newer = false;
    enum evidence_held held;

    if (p->on_demand) {
        say(d, p, "OnDemand: never counts as installed");
        return PLAN_ABSENT;
    }
    if (p->kind == KIND_FILE) {
        char why[LIMIT_PATH + 64];
        bool there = bootitem_is_there(d->c.loop, d->c.root, p, why, sizeof why);
        say(d, p, "%s", why);
        return there ? PLAN_THIS : PLAN_ABSENT;
    }
    if (installcheck(d, p, &yes))
        return yes ? PLAN_THIS : PLAN_ABSENT;
    if (detect_version_script(d, p, &held))
        return of_held(held);
    if (p->kind == KIND_STARTOSINSTALL) {
        int order = detect_compare_os(d, p);
        return order < 0 ? PLAN_ABSENT : order > 0 ? PLAN_NEWER : PLAN_THIS;
    }
    if (p->kind == KIND_STAGE_OS)
        return of_staged_os(d, p);

    bool by_installs = p->installs_count > 0;
    size_t n = by_installs ? p->installs_count : p->receipts_count;
    if (n == 0)
        say(d, p, "nothing to judge it by, which counts as installed");
    for (size_t i = 0; i < n; i++) {
        held = hold(d, p, i, by_installs);
        if (held == EVIDENCE_BAD) {
            log_warn("catalog %s: %s %s: %s; it counts as installed", p->catalog, p->name, p->version,
                     detect_reason(d, p));
            return PLAN_THIS;
        }
        if (held == EVIDENCE_OLDER || held == EVIDENCE_ABSENT)
            return PLAN_ABSENT;
        newer = newer || held == EVIDENCE_NEWER;
    }
    return newer ? PLAN_NEWER : PLAN_THIS;
}

bool detect_some_version(struct detect *d, const struct pkginfo *p)
{
    bool yes;
    enum evidence_held held;

    if (p->on_demand)
        return false;
    if (installcheck(d, p, &yes))
        return yes;
    if (detect_version_script(d, p, &held))
        return held != EVIDENCE_ABSENT;
    if (p->kind == KIND_STARTOSINSTALL || p->kind == KIND_STAGE_OS)
        return true;
    bool by_installs = p->installs_count > 0;
    size_t n = by_installs ? p->installs_count : p->receipts_count;
    for (size_t i = 0; i < n; i++) {
        held = hold(d, p, i, by_installs);
        if (held == EVIDENCE_BAD || held == EVIDENCE_ABSENT)
            return false;
    }
    return true;
}

bool detect_evidence(struct detect *d, const struct pkginfo *p)
{
    bool yes;
    enum evidence_held held;
    int code;
    struct stat st;

    if (p->on_demand)
        return false;
    if (detect_check_code(d, p, "uninstallcheck_script", "uninstallcheck", p->uninstallcheck, &code)) {
        say(d, p, "uninstallcheck_script exited with %d", code);
        return code == 0;
    }
    if (installcheck(d, p, &yes))
        return yes;
    if (detect_version_script(d, p, &held) && held != EVIDENCE_ABSENT)
        return true;
    if (p->kind == KIND_STARTOSINSTALL || p->kind == KIND_STAGE_OS)
        return true;
    if (p->installs_count == 0 || (p->uninstall_method && strcmp(p->uninstall_method, "removepackages") == 0))
        return false;
    for (size_t i = 0; i < p->installs_count; i++)
        if (p->installs[i].path && !evidence_exists(&d->ev, p->installs[i].path, &st)) {
            say(d, p, "installs[%zu]: %s is not there", i, p->installs[i].path);
            return false;
        }
    return true;
}

const char *detect_installed_version(struct detect *d, const struct pkginfo *p)
{
    struct arena *a = arena_open();
    const char *version = NULL;
    bool found = false;

    for (size_t i = 0; i < p->receipts_count && !version; i++) {
        const struct receipt_item *r = &p->receipts[i];
        if (r->id && r->version && version_compare(r->version, p->version) == 0)
            version = inventory_receipt(d->ev.inventory, r->id);
    }
    for (size_t i = 0; i < p->installs_count && !version && !found; i++) {
        const struct installs_item *it = &p->installs[i];
        if (!it->short_version || version_compare(it->short_version, p->version) != 0 ||
            it->type == INSTALLS_FILE || it->type == INSTALLS_BAD)
            continue;
        version = evidence_version(&d->ev, a, it, &found);
    }
    version = version && *version ? arena_strdup(d->a, version) : NULL;
    arena_free(a);
    return version;
}

const char *detect_receipt_version(struct detect *d, const char *package_id)
{
    const char *v = inventory_receipt(d->ev.inventory, package_id);
    return v ? arena_strdup(d->a, v) : NULL;
}

bool detect_is_executable(struct detect *d, const char *path)
{
    struct stat st;
    return evidence_exists(&d->ev, path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

bool detect_verifiable(struct detect *d, const struct pkginfo *p)
{
    bool other = p->installs_count > 0 || p->receipts_count > 0 || p->kind == KIND_STAGE_OS ||
                 p->kind == KIND_STARTOSINSTALL || (p->kind == KIND_FILE && p->hash);
    const struct value *told = told_of(d, p);

    if (p->on_demand)
        return false;
    if (!d->c.run_scripts) {
        /* what the facts say of a script was true before the install: it cannot prove anything after it */
        if ((p->installcheck && value_get(told, "installcheck")) ||
            (p->version_script && value_get(told, "version")))
            return false;
        return other;
    }
    if (p->installcheck && p->kind == KIND_NOPKG && !note_of(d, p)->check_said_installed) {
        /* Is it one that always answers 0? Only a fresh answer tells. */
        bool installed;
        forget_answers(d, p);
        return installcheck(d, p, &installed) && installed && note_of(d, p)->check_said_installed;
    }
    if (p->installcheck)
        return true;
    return other || p->version_script;
}

struct evidence *detect_entries(struct detect *d)
{
    return &d->ev;
}

const struct value *detect_applications(struct detect *d, struct arena *a)
{
    size_t n;
    const struct inventory_app *apps = inventory_apps(d->ev.inventory, &n);
    struct value *list = value_new_array(a);

    for (size_t i = 0; i < n; i++) {
        struct value *app = value_new_dict(a);
        value_set(a, app, "name", value_new_str(a, apps[i].name));
        value_set(a, app, "path", value_new_str(a, apps[i].path));
        value_set(a, app, "bundleid", value_new_str(a, apps[i].id));
        value_set(a, app, "version", value_new_str(a, apps[i].version));
        value_append(a, list, app);
    }
    return list;
}
