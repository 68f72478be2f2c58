/* bootstrap_plan: the items of a bootstrap.json as a plan. The file is its own order: nothing is sorted and
 * nothing depends on anything else.
 *
 * Invariants: each item has a name and a file in Cache of its own, also where the JSON repeats one, since the
 * journal counts by name and the cache proves by it. What tells a script that was run from one that was not
 * is its version, which is made from its hash: another script is another version. */
#include "manifests/bootstrap.h"

#include "core/text.h"
#include "manifests/names.h"

enum { HASH_SHOWN = 12 };

struct making {
    struct arena *a;
    const struct plan_input *in;
    const struct world *world;
    struct plan *out;
    struct names *names, *files; /* that are taken */
    struct value *installs, *problems, *installed, *processed, *all;
};

bool bootstrap_has_evidence(const struct pkginfo *p)
{
    const struct bootstrap_item *b = p->bootstrap;
    if (b->refusal || b->required)
        return false;
    return (p->kind == KIND_PACKAGE && p->receipts_count > 0) || (p->kind == KIND_FILE && b->hash);
}

/* name, or name with a number behind it, that no item has yet. */
static const char *unused_name(struct arena *a, struct names *taken, const char *name)
{
    const char *one = name;
    for (unsigned n = 2; !names_add(taken, names_nfc(a, one)); n++)
        one = arena_printf(a, "%s (%u)", name, n);
    return one;
}

/* The same of a file in Cache, with a number before its suffix. Case does not count: volumes ignore it. */
static const char *unused_file(struct arena *a, struct names *taken, const char *name)
{
    const char *dot = strrchr(name, '.'), *one = name;
    size_t stem = dot ? (size_t)(dot - name) : strlen(name);
    for (unsigned n = 2; !names_add(taken, text_fold(a, one)); n++)
        one = arena_printf(a, "%.*s-%u%s", (int)stem, name, n, name + stem);
    return one;
}

static const char *version_of(struct arena *a, const struct bootstrap_item *b)
{
    if (b->version && b->package_id)
        return b->version;
    if (b->hash)
        return arena_strndup(a, b->hash, HASH_SHOWN);
    return b->version ? b->version : "1";
}

static enum pkginfo_kind kind_of(const struct bootstrap_item *b)
{
    static const enum pkginfo_kind kinds[] = {
        [BOOTSTRAP_PACKAGE] = KIND_PACKAGE,   [BOOTSTRAP_ROOTSCRIPT] = KIND_SCRIPT,
        [BOOTSTRAP_USERSCRIPT] = KIND_SCRIPT, [BOOTSTRAP_ROOTFILE] = KIND_FILE,
        [BOOTSTRAP_USERFILE] = KIND_FILE,     [BOOTSTRAP_UNKNOWN] = KIND_UNSUPPORTED};
    return b->refusal ? KIND_UNSUPPORTED : kinds[b->type];
}

static const struct pkginfo *pkginfo_of(struct making *m, const struct bootstrap_item *b, size_t position)
{
    struct arena *a = m->a;
    struct value *dict = value_new_dict(a), *receipts = value_new_array(a), *receipt = value_new_dict(a);
    const char *location = b->url && !b->refusal ? unused_file(a, m->files, text_basename(b->file)) : NULL;
    const char *warning;
    struct err e;
    value_set(a, dict, "name", value_new_str(a, unused_name(a, m->names, b->name)));
    value_set(a, dict, "display_name", value_new_str(a, b->name));
    value_set(a, dict, "version", value_new_str(a, version_of(a, b)));
    value_set(a, dict, "installer_item_location", value_new_str(a, location));
    value_set(a, dict, "installer_item_hash", value_new_str(a, b->hash));
    value_set(a, dict, "unattended_install", value_new_bool(a, true));
    if (b->type != BOOTSTRAP_PACKAGE || b->refusal)
        value_set(a, dict, "installer_type", value_new_str(a, b->type_text ? b->type_text : "nothing"));
    if (b->type == BOOTSTRAP_PACKAGE && b->package_id) {
        value_set(a, receipt, "packageid", value_new_str(a, b->package_id));
        value_set(a, receipt, "version", value_new_str(a, b->version ? b->version : "0"));
        value_append(a, receipts, receipt);
        value_set(a, dict, "receipts", receipts);
    }
    struct pkginfo *p = pkginfo_decode(a, dict, BOOTSTRAP_NAME, position, &warning, &e);
    if (!p)
        return NULL;
    p->kind = kind_of(b);
    p->complete_url = location ? b->url : NULL;
    p->session = b->stage == BOOTSTRAP_USERLAND;
    p->apple_item_set = true;
    p->apple_item = false;
    p->bootstrap = b;
    return p;
}

static void because(struct making *m, const struct pkginfo *p, const char *text)
{
    m->out->reasons[m->out->reason_count++] =
        (struct plan_reason){.name = p->name,
                             .manifest = BOOTSTRAP_NAME,
                             .key = bootstrap_stage_name(p->bootstrap->stage),
                             .text = text};
}

static void present(struct making *m, const struct pkginfo *p, const char *reason)
{
    m->out->present[m->out->present_count] = p;
    m->out->present_reasons[m->out->present_count++] = reason;
    value_append(m->a, m->installed, value_new_str(m->a, p->name));
    because(m, p, reason);
}

static const char *there(const struct pkginfo *p)
{
    return p->kind == KIND_SCRIPT ? "already run"
           : p->kind == KIND_FILE ? "already there"
                                  : "already installed";
}

/* What is said of a download that did not come, in Munki's words where it has some. */
static const char *note_of(struct arena *a, const struct plan_download *d)
{
    const char *why = d->why && d->why[0] ? d->why : "no reason is known";
    return d->failure == PLAN_DOWNLOAD_HASH ? arena_printf(a, "Integrity check failed: %s", why)
                                            : arena_printf(a, "Download failed (%s)", why);
}

static void to_do(struct making *m, const struct pkginfo *p)
{
    struct arena *a = m->a;
    struct value *entry = value_copy(a, p->raw);
    struct plan_download d = {.failure = PLAN_DOWNLOAD_OK};
    value_unset(entry, "version");
    value_unset(entry, "installer_item_location");
    value_unset(entry, "installer_item_hash");
    value_unset(entry, "receipts");
    value_set(a, entry, "version_to_install", value_new_str(a, p->version));
    value_set(a, entry, "installed", value_new_bool(a, false));
    if (p->location)
        d = m->world->download(m->world->self, p, false);
    value_append(a, m->all, entry);
    if (d.failure != PLAN_DOWNLOAD_OK) {
        const char *note = note_of(a, &d);
        value_set(a, entry, "note", value_new_str(a, note));
        value_append(a, m->problems, entry);
        because(m, p, arena_printf(a, "cannot be done: %s", note));
        return;
    }
    if (p->location)
        value_set(a, entry, "installer_item", value_new_str(a, p->location));
    value_append(a, m->installs, entry);
    m->out->items[m->out->item_count++] = (struct plan_item){p, entry, false};
    because(m, p, p->bootstrap->refusal ? p->bootstrap->refusal : "is to be done");
}

static void decide(struct making *m, const struct pkginfo *p, enum bootstrap_answer preflight)
{
    const struct bootstrap_item *b = p->bootstrap;
    bool arm = strcmp(m->in->arch, "arm64") == 0, intel = strcmp(m->in->arch, "x86_64") == 0;
    value_append(m->a, m->processed, value_new_str(m->a, p->name));
    if ((arm && b->skip_arm64) || (intel && b->skip_intel))
        present(m, p, arena_printf(m->a, "skip_if: this Mac is %s", m->in->arch));
    else if (preflight == BOOTSTRAP_OVER && b->stage != BOOTSTRAP_PREFLIGHT)
        present(m, p, "preflight says that nothing is to be done");
    else if (preflight != BOOTSTRAP_NOT_ASKED && b->stage == BOOTSTRAP_PREFLIGHT)
        present(m, p, "already run");
    else if (b->stage != BOOTSTRAP_PREFLIGHT && !b->refusal &&
             m->world->installed(m->world->self, p) != PLAN_ABSENT)
        present(m, p, there(p));
    else
        to_do(m, p);
}

static void fill_info(struct making *m)
{
    struct value *info = value_new_dict(m->a), *none = value_new_array(m->a);
    value_set(m->a, info, "managed_installs", m->installs);
    value_set(m->a, info, "optional_installs", none);
    value_set(m->a, info, "problem_items", m->problems);
    value_set(m->a, info, "processed_installs", m->processed);
    value_set(m->a, info, "removals", none);
    m->out->install_info = info;
    m->out->managed_installs = m->all;
    m->out->installed_items = m->installed;
    m->out->problem_items = m->problems;
    m->out->processed_installs = m->processed;
    m->out->removed_items = m->out->processed_uninstalls = m->out->managed_updates = m->out->catalogs = none;
}

struct plan *bootstrap_plan(struct arena *a, const struct bootstrap *b, const struct plan_input *in,
                            const struct world *w, enum bootstrap_answer preflight)
{
    struct plan *out = arena_alloc(a, sizeof *out);
    struct making m = {.a = a,
                       .in = in,
                       .world = w,
                       .out = out,
                       .names = names_open(a),
                       .files = names_open(a),
                       .installs = value_new_array(a),
                       .problems = value_new_array(a),
                       .installed = value_new_array(a),
                       .processed = value_new_array(a),
                       .all = value_new_array(a)};
    out->items = arena_array(a, b->count + 1, sizeof *out->items);
    out->present = arena_array(a, b->count + 1, sizeof *out->present);
    out->present_reasons = arena_array(a, b->count + 1, sizeof *out->present_reasons);
    out->reasons = arena_array(a, b->count + 1, sizeof *out->reasons);
    out->warnings = arena_array(a, 2, sizeof *out->warnings);
    out->manifests_used = arena_array(a, 1, sizeof *out->manifests_used);
    out->catalogs_used = arena_array(a, 1, sizeof *out->catalogs_used);
    for (size_t i = 0; i < b->count; i++) {
        const struct pkginfo *p = pkginfo_of(&m, &b->items[i], i);
        if (p)
            decide(&m, p, preflight);
    }
    if (b->warning)
        out->warnings[out->warning_count++] = b->warning;
    fill_info(&m);
    return out;
}
