/* Runs in a parse cage: descriptors WORKER_FIRST (the package) and, where something is to be unpacked after,
 * the plan. Whoever started it believes nothing that it says without looking. */
#include "installer/inspect.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/bom.h"
#include "installer/clash.h"
#include "installer/cpio.h"
#include "installer/distribution.h"
#include "installer/judge.h"
#include "installer/plan.h"
#include "installer/record.h"
#include "manifests/props.h"
#include <strings.h>

#define CLAIM_PIECE (32 * (size_t)LIMIT_KB)

struct component {
    const struct packageinfo *info;
    const char *folder; /* "" or "a.pkg" */
    const struct xar_member *payload, *scripts, *bom;
};

struct inspect {
    struct arena *arena;
    struct record_request request;
    struct xar *xar;
    struct component components[LIMIT_COMPONENTS];
    size_t count;
    bool restart, needs_rosetta, may_need_rosetta;
    bool bare;                 /* LIST: no package */
    struct xar_reader *reader; /* LIST: the payload in hand */
    struct plan_writer plan;
};

/* --- what is said ----------------------------------------------------------------------------------------
 */

static bool send_component(const struct component *c, struct err *e)
{
    const struct packageinfo *i = c->info;
    const struct record_component r = {.identifier = i->identifier,
                                       .version = i->version,
                                       .location = i->install_location,
                                       .folder = c->folder,
                                       .has_payload = c->payload != NULL,
                                       .has_bom = c->bom != NULL,
                                       .overwrite_permissions = i->overwrite_permissions,
                                       .restart = i->postinstall_action >= PACKAGEINFO_RESTART};
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = record_put_component(&b, &r, e);
    if (ok)
        worker_send(RECORD_COMPONENT, &b);
    buf_release(&b);
    return ok;
}

/* What of a text is more than a person could have meant is no use to anybody. */
static const char *short_text(struct arena *a, const char *s)
{
    return strlen(s) <= LIMIT_NAME ? text_printable(a, s, strlen(s)) : "";
}

/* Scripts, and the bundles that rules are about. */
static bool send_parts(struct inspect *s, const struct component *c, struct err *e)
{
    const struct packageinfo *i = c->info;
    struct buf b;
    bool ok = true;
    buf_init(&b, WORKER_RECORD_MAX);
    for (size_t k = 0; k < i->script_count && ok; k++) {
        const struct packageinfo_script *x = &i->scripts[k];
        const struct record_script r = {
            .kind = x->kind,
            .file = x->file,
            .bundle = x->component_id != NULL ? short_text(s->arena, x->component_id) : "",
            .timeout_s = x->timeout_s};
        buf_clear(&b);
        ok = record_put_script(&b, &r, e);
        if (ok)
            worker_send(RECORD_SCRIPT, &b);
    }
    for (size_t k = 0; k < i->bundle_count && ok; k++) {
        const struct packageinfo_bundle *x = &i->bundles[k];
        const struct record_bundle r = {.path = x->path,
                                        .id = short_text(s->arena, x->id),
                                        .short_version = short_text(s->arena, x->short_version),
                                        .version = short_text(s->arena, x->version),
                                        .checked = packageinfo_names(&i->version_checked, x->id),
                                        .strict = packageinfo_names(&i->strict, x->id),
                                        .replace = packageinfo_names(&i->replace, x->id),
                                        .relocate = packageinfo_names(&i->relocate, x->id)};
        if (!r.checked && !r.strict && !r.replace && !r.relocate)
            continue;
        buf_clear(&b);
        ok = record_put_bundle(&b, &r, e);
        if (ok)
            worker_send(RECORD_BUNDLE, &b);
    }
    buf_release(&b);
    return ok;
}

static bool send_entry(struct buf *b, const struct cpio_member *m, const char *refused, struct err *e)
{
    static const char types[] = {[CPIO_FILE] = '-', [CPIO_DIRECTORY] = 'd', [CPIO_LINK] = 'l'};
    char link[RECORD_LINK_MAX + 1];
    text_printable_into(link, sizeof link, m->link, strlen(m->link));
    const struct record_entry r = {.type = (uint64_t)types[m->type],
                                   .mode = m->mode,
                                   .uid = m->uid,
                                   .gid = m->gid,
                                   .mtime = (uint64_t)m->mtime,
                                   .size = m->size,
                                   .path = m->path,
                                   .link = link,
                                   .refused = refused != NULL ? refused : "",
                                   .apple_double = m->apple_double};
    buf_clear(b);
    if (!record_put_entry(b, &r, e))
        return false;
    worker_send(RECORD_ENTRY, b);
    return true;
}

static bool send_archive(const struct inspect *s, struct err *e)
{
    const struct record_archive r = {.has_signature = s->xar->signature_count > 0,
                                     .restart = s->restart,
                                     .needs_rosetta = s->needs_rosetta,
                                     .may_need_rosetta = s->may_need_rosetta,
                                     .components = s->count};
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = record_put_archive(&b, &r, e);
    if (ok)
        worker_send(RECORD_ARCHIVE, &b);
    buf_release(&b);
    return ok;
}

/* --- what the package holds --------------------------------------------------------------------------- */

static const struct xar_member *find(struct inspect *s, const char *folder, const char *name)
{
    const struct xar_member *m =
        xar_find(s->xar, *folder == '\0' ? name : arena_printf(s->arena, "%s/%s", folder, name));
    return m != NULL && !m->directory ? m : NULL;
}

static bool load(struct inspect *s, const struct xar_member *m, size_t max, struct buf *out, struct err *e)
{
    (void)s;
    buf_init(out, max);
    if (xar_load(s->xar, m, out, e))
        return true;
    buf_release(out);
    return false;
}

static bool add_component(struct inspect *s, const char *folder, struct err *e)
{
    const struct xar_member *m = find(s, folder, "PackageInfo");
    struct buf b;
    if (s->count == LIMIT_COMPONENTS)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it holds more than %d components", LIMIT_COMPONENTS);
    if (m == NULL)
        return *folder == '\0'
                   ? err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                             "it holds neither PackageInfo nor Distribution: no package")
                   : err_set(e, ERR_FORMAT, CAUSE_FORMAT, "its component %s %s", folder,
                             find(s, "", folder) != NULL ? "is a package within the package: not supported"
                                                         : "has no PackageInfo");
    if (!load(s, m, LIMIT_PACKAGE_XML, &b, e))
        return false;
    struct component *c = &s->components[s->count];
    c->info = packageinfo_decode(s->arena, b.data, b.len, e);
    buf_release(&b);
    if (c->info == NULL)
        return *folder == '\0' ? false : err_wrap(e, "%s", folder);
    c->folder = folder;
    c->payload = find(s, folder, "Payload");
    c->scripts = find(s, folder, "Scripts");
    c->bom = find(s, folder, "Bom");
    s->count++;
    return true;
}

/* Can this version install it as it wants to be installed? */
static bool check_component(const struct component *c, struct err *e)
{
    const struct packageinfo *i = c->info;
    if (c->payload == NULL && i->number_of_files > 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: its payload is missing", i->identifier);
    if (i->script_count > 0 && c->scripts == NULL)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: its %s script is missing", i->identifier,
                       i->scripts[0].kind);
    return true;
}

/* Packages of a product may name one component: it is installed once. */
static bool has_folder(const struct inspect *s, const char *folder)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->components[i].folder, folder) == 0)
            return true;
    return false;
}

/* One receipt for two components would forget the files of the first. A Mac does not tell "A" from "a". */
static bool one_receipt_each(const struct inspect *s, struct err *e)
{
    for (size_t i = 1; i < s->count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(s->components[i].info->identifier, s->components[k].info->identifier) == 0)
                return err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                               "its components %s and %s have one identifier, and so one receipt: %s",
                               s->components[k].folder, s->components[i].folder,
                               s->components[i].info->identifier);
    return true;
}

static bool choose(struct inspect *s, const struct xar_member *m, struct err *e)
{
    struct distribution_plan plan;
    struct distribution_machine machine = {.arch = *s->request.arch != '\0' ? s->request.arch : "arm64",
                                           .os_version =
                                               *s->request.os_version != '\0' ? s->request.os_version : "99",
                                           .root_volume = true,
                                           .skip_checks = s->request.skip_checks,
                                           .skip_scripted = !s->request.scripts};
    const struct value *choices = NULL;
    struct buf b;
    if (s->request.choices_len > 0) {
        choices = props_decode(s->arena, s->request.choices, s->request.choices_len, e);
        if (choices == NULL)
            return err_wrap(e, "installer_choices_xml");
    }
    if (!load(s, m, LIMIT_PACKAGE_XML, &b, e))
        return false;
    const struct distribution *d = distribution_decode(s->arena, b.data, b.len, e);
    buf_release(&b);
    if (d == NULL || !distribution_decide(s->arena, d, &machine, choices, &plan, e))
        return false;
    s->restart = plan.on_conclusion >= PACKAGEINFO_RESTART;
    s->needs_rosetta = plan.needs_rosetta;
    s->may_need_rosetta = plan.may_need_rosetta;
    for (size_t i = 0; i < plan.count; i++)
        if (plan.refs[i]->component != NULL && !has_folder(s, plan.refs[i]->component) &&
            !add_component(s, plan.refs[i]->component, e))
            return false;
    return one_receipt_each(s, e);
}

/* What judge is to be told of its signatures, by pieces. */
static bool send_claims(const struct xar *x, struct err *e)
{
    struct buf all, piece;
    buf_init(&all, JUDGE_CLAIMS_MAX);
    buf_init(&piece, WORKER_RECORD_MAX);
    bool ok = judge_put_claims(&all, x, e);
    for (size_t at = 0, n = 0; ok && at < all.len; at += n) {
        n = all.len - at < CLAIM_PIECE ? all.len - at : CLAIM_PIECE;
        buf_clear(&piece);
        ok = worker_put_bytes(&piece, all.data + at, n, e);
        if (ok)
            worker_send(RECORD_CLAIM, &piece);
    }
    buf_release(&all);
    buf_release(&piece);
    return ok;
}

/* Only after a judgement is a signed package, or one that must be, read any further: *go_on. */
static bool await_judgement(const struct inspect *s, bool *go_on, struct err *e)
{
    const struct record_request *r = &s->request;
    bool is_signed = s->xar->signature_count > 0;
    *go_on = r->task == RECORD_LAYOUT ? r->judged || (!is_signed && !r->sealed) : r->task != RECORD_CLAIMS;
    return *go_on || !is_signed || send_claims(s->xar, e);
}

static bool open_package(struct inspect *s, bool *go_on, struct err *e)
{
    s->xar = xar_open(s->arena, WORKER_FIRST, e);
    if (s->xar == NULL || !await_judgement(s, go_on, e))
        return false;
    if (!*go_on)
        return true;
    if (s->xar->unproven != NULL && !s->request.proved && s->request.task == RECORD_LAYOUT)
        return err_set(e, ERR_TRUST, CAUSE_HASH, "%s, and no hash from outside proves the package",
                       s->xar->unproven);
    if (s->request.task == RECORD_EXPAND)
        return true;
    const struct xar_member *m = find(s, "", "Distribution");
    s->bare = s->request.all && m == NULL && find(s, "", "PackageInfo") == NULL;
    if (s->bare)
        return true;
    if (s->request.all && m != NULL) {
        for (size_t i = 0; i < s->xar->member_count; i++) {
            m = &s->xar->members[i];
            size_t n = strlen(m->path) - strlen(m->name);
            if (!m->directory && n > 0 && strcmp(m->name, "PackageInfo") == 0 &&
                !add_component(s, arena_strndup(s->arena, m->path, n - 1), e))
                return false;
        }
        return true;
    }
    return m != NULL ? choose(s, m, e) : add_component(s, "", e);
}

/* --- listing ------------------------------------------------------------------------------------------ */

static bool read_stored(void *ctx, void *p, size_t max, size_t *got, struct err *e)
{
    struct inspect *s = ctx;
    return xar_reader_read(s->reader, p, max, got, e);
}

static void close_member(struct inspect *s)
{
    xar_reader_free(s->reader);
    s->reader = NULL;
}

/* Put the member's path before what went wrong inside it. */
static bool in_member(const struct xar_member *m, struct err *e)
{
    return text_starts(e->text, m->path) ? false : err_wrap(e, "%s", m->path);
}

/* kbytes: what PackageInfo claims. */
static struct payload *open_payload(struct inspect *s, const struct xar_member *m, uint64_t kbytes,
                                    uint64_t max, struct err *e)
{
    uint64_t claimed = kbytes < UINT64_MAX / 1024 ? kbytes * 1024 : UINT64_MAX;
    s->reader = xar_reader_open(s->xar, m, true, e);
    struct payload *p = s->reader != NULL ? payload_open(read_stored, s, claimed, max, e) : NULL;
    if (p == NULL)
        in_member(m, e);
    return p;
}

static bool list_component(struct inspect *s, const struct component *c, struct err *e)
{
    struct cpio_member m;
    struct record_count count = {0};
    struct buf b;
    uint64_t seen = 0;
    bool end = false;
    struct pathset names = {.table = NULL};
    const char *first = NULL; /* what an install would refuse */
    if (c->payload == NULL || !s->request.entries)
        return true;
    struct payload *p = open_payload(s, c->payload, c->info->install_kbytes, s->request.max_bytes, e);
    struct cpio *cpio = p != NULL ? cpio_open(p) : NULL;
    bool ok = p != NULL;
    buf_init(&b, WORKER_RECORD_MAX);
    while (ok && !end) {
        ok = cpio_next(cpio, &m, &end, e) || in_member(c->payload, e);
        if (!ok || end)
            break;
        count.members += m.path[0] != '\0';
        count.bytes += m.size;
        const char *why = clash_of(&names, &m);
        ok = send_entry(&b, &m, why, e);
        if (why != NULL && first == NULL)
            first = arena_printf(s->arena, "\"%s\" %s", *m.path != '\0' ? m.path : ".", why);
        if (++seen % 256 == 0)
            worker_alive();
    }
    buf_release(&b);
    cpio_free(cpio);
    payload_free(p);
    close_member(s);
    pathset_release(&names);
    if (ok && first != NULL) {
        err_set(e, ERR_FORMAT, CAUSE_FORMAT, "an install would refuse it: %s", first);
        ok = in_member(c->payload, e);
    }
    return ok && record_send_count(&count, e);
}

/* A container that is no package: its members. */
static bool list_members(const struct inspect *s, struct err *e)
{
    struct record_count count = {0};
    struct buf b;
    bool ok = true;
    buf_init(&b, WORKER_RECORD_MAX);
    for (size_t i = 0; ok && i < s->xar->member_count; i++) {
        const struct xar_member *m = &s->xar->members[i];
        const struct record_entry r = {
            .type = m->directory ? 'd' : '-', .size = m->size, .path = m->path, .link = "", .refused = ""};
        buf_clear(&b);
        ok = record_put_entry(&b, &r, e);
        if (ok)
            worker_send(RECORD_ENTRY, &b);
        count.members++;
        count.bytes += m->size;
    }
    buf_release(&b);
    return ok && record_send_count(&count, e);
}

/* --- the plan for the one that unpacks ---------------------------------------------------------------- */

static bool plan_sums(struct inspect *s, const struct component *c, struct err *e)
{
    char path[LIMIT_PATH + 1];
    struct arena *a = arena_open();
    const struct bom *bom = NULL;
    struct buf b;
    bool ok = load(s, c->bom, LIMIT_BOM, &b, e);
    if (ok) {
        bom = bom_decode(a, b.data, b.len, e);
        buf_release(&b);
        ok = bom != NULL;
    }
    for (size_t i = 0; ok && i < bom->count; i++) {
        const struct bom_entry *entry = &bom->entries[i];
        bom_path(entry, path);
        if (entry->twin || *path == '\0')
            continue;
        const struct plan_sum sum = {
            .path = path, .type = entry->type, .size = entry->size, .sum = entry->sum};
        ok = plan_put_sum(&s->plan, &sum, e);
        if (i % 4096 == 0)
            worker_alive();
    }
    arena_free(a);
    return ok;
}

static bool plan_component(struct inspect *s, const struct component *c, struct err *e)
{
    struct plan_component p = {.location = c->info->install_location,
                               .kbytes = c->info->install_kbytes,
                               .has_payload = c->payload != NULL,
                               .has_scripts = c->scripts != NULL,
                               .has_bom = c->bom != NULL};
    if (p.has_payload)
        p.payload = *c->payload;
    if (p.has_scripts)
        p.scripts = *c->scripts;
    if (p.has_bom)
        p.bom = *c->bom;
    return plan_put_component(&s->plan, &p, e) && (c->bom == NULL || plan_sums(s, c, e));
}

static uint64_t stored(const struct xar_member *m)
{
    return m != NULL ? m->length : 0;
}

static bool plan_all(struct inspect *s, struct err *e)
{
    uint64_t total = 0;
    bool expand = s->request.task == RECORD_EXPAND;
    for (size_t i = 0; i < s->count; i++)
        total += stored(s->components[i].payload) + stored(s->components[i].scripts) +
                 stored(s->components[i].bom);
    for (size_t i = 0; expand && i < s->xar->member_count; i++)
        total += s->xar->members[i].length;
    bool ok = plan_put_total(&s->plan, total, s->count, e);
    for (size_t i = 0; ok && i < s->count; i++)
        ok = plan_component(s, &s->components[i], e);
    for (size_t i = 0; ok && expand && i < s->xar->member_count; i++)
        ok = plan_put_member(&s->plan, &s->xar->members[i], e);
    return ok && plan_end(&s->plan, e);
}

/* --- the work ----------------------------------------------------------------------------------------- */

static bool work(struct inspect *s, struct err *e)
{
    const struct record_request *r = &s->request;
    bool go_on = true;
    if (!open_package(s, &go_on, e))
        return false;
    if (!go_on)
        return true;
    if (!send_archive(s, e))
        return false;
    for (size_t i = 0; i < s->count && r->task == RECORD_LAYOUT; i++)
        if (!check_component(&s->components[i], e) || !send_component(&s->components[i], e) ||
            !send_parts(s, &s->components[i], e))
            return false;
    worker_alive();
    for (size_t i = 0; i < s->count && r->task == RECORD_LIST; i++)
        if (!send_component(&s->components[i], e) || !list_component(s, &s->components[i], e))
            return false;
    if (r->task == RECORD_LIST)
        return s->count > 0 || !s->bare || list_members(s, e);
    return plan_all(s, e);
}

bool inspect_work(const struct buf *request, struct err *e)
{
    struct arena *a = arena_open();
    struct inspect *s = arena_alloc(a, sizeof *s);
    s->arena = a;
    plan_begin(&s->plan, WORKER_FIRST + 1);
    bool ok = record_get_request(a, request, &s->request, e) && work(s, e);
    plan_writer_release(&s->plan);
    arena_free(a);
    return ok;
}

/* The library of sums reads its configuration at the first use. */
void inspect_prepare(void)
{
    unsigned char sum[DIGEST_MAX];
    digest_of(DIGEST_SHA1, "", 0, sum);
}
