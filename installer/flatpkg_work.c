/* A worker's word is checked record by record; what it staged is opened by descriptors and moved by place.
 *
 * Who signed the package is the word of judge alone. Whatever else a worker read of it, it read after that
 * answer, or without anybody asking for a signature. The plan is a new file for each worker that writes one,
 * so that nothing is left in it by one that was led astray before the answer. */
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "installer/flatpkg_internal.h"
#include "installer/judge.h"
#include "installer/place.h"
#include "manifests/props.h"
#include <fcntl.h>
#include <unistd.h>

#define PLAN             ".daybreak-plan"
#define UNPACK_MS        ((uint64_t)3600 * 1000)
#define UNPACKED_PERCENT 85 /* of the whole: what follows is moving and scripts */

/* --- what the worker says ----------------------------------------------------------------------------- */

void flatpkg_work_progress(const struct flatpkg_work *w, int percent, const char *phase)
{
    if (w->env != NULL && w->env->progress != NULL)
        w->env->progress(w->env->ctx, percent, phase);
}

static struct record_component keep(struct arena *a, const struct record_component *c)
{
    struct record_component k = *c;
    k.identifier = arena_strdup(a, c->identifier);
    k.version = arena_strdup(a, c->version);
    k.location = arena_strdup(a, c->location);
    k.folder = arena_strdup(a, c->folder);
    return k;
}

static bool take_component(struct flatpkg_work *w, struct worker_fields *f, struct err *e)
{
    struct record_component c;
    if (!record_get_component(f, &c, e))
        return false;
    if (!w->archive_seen || w->count >= w->announced)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found more components than it said");
    struct flatpkg_part *p = &w->parts[w->count++];
    *p = (struct flatpkg_part){.is = keep(w->arena, &c), .folder = -1};
    p->last_script = &p->scripts;
    p->last_bundle = &p->bundles;
    w->restart = w->restart || c.restart;
    w->sum.components++;
    if (w->visitor != NULL && w->visitor->component != NULL) {
        const struct flatpkg_component shown = {.identifier = c.identifier,
                                                .version = c.version,
                                                .location = c.location,
                                                .folder = c.folder,
                                                .has_payload = c.has_payload,
                                                .has_bom = c.has_bom,
                                                .restart = c.restart};
        w->visitor->component(w->visitor->ctx, &shown);
    }
    return true;
}

static bool take_script(struct flatpkg_work *w, struct worker_fields *f, struct err *e)
{
    struct flatpkg_script *s = arena_alloc(w->arena, sizeof *s);
    if (!record_get_script(f, &s->is, e))
        return false;
    if (w->count == 0)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found a script of no component");
    s->next = NULL;
    s->is.file = arena_strdup(w->arena, s->is.file);
    s->is.bundle = arena_strdup(w->arena, s->is.bundle);
    *w->parts[w->count - 1].last_script = s;
    w->parts[w->count - 1].last_script = &s->next;
    return true;
}

static bool take_bundle(struct flatpkg_work *w, struct worker_fields *f, struct err *e)
{
    struct flatpkg_bundle *b = arena_alloc(w->arena, sizeof *b);
    if (!record_get_bundle(f, &b->is, e))
        return false;
    if (w->count == 0)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found a bundle of no component");
    b->next = NULL;
    b->is.path = arena_strdup(w->arena, b->is.path);
    b->is.id = arena_strdup(w->arena, b->is.id);
    b->is.short_version = arena_strdup(w->arena, b->is.short_version);
    b->is.version = arena_strdup(w->arena, b->is.version);
    *w->parts[w->count - 1].last_bundle = b;
    w->parts[w->count - 1].last_bundle = &b->next;
    w->replace_count += b->is.replace;
    w->kept_count += b->is.checked;
    return true;
}

static bool take_entry(struct flatpkg_work *w, struct worker_fields *f, struct err *e)
{
    struct record_entry m;
    if (!record_get_entry(f, &m, e))
        return false;
    if (w->visitor == NULL || w->visitor->entry == NULL)
        return true;
    const struct flatpkg_entry shown = {.type = (char)m.type,
                                        .mode = (unsigned)m.mode,
                                        .uid = (unsigned)m.uid,
                                        .gid = (unsigned)m.gid,
                                        .mtime = (int64_t)m.mtime,
                                        .size = m.size,
                                        .path = m.path,
                                        .link = m.link,
                                        .refused = m.refused,
                                        .apple_double = m.apple_double};
    w->visitor->entry(w->visitor->ctx, &shown);
    return true;
}

static bool take_progress(const struct flatpkg_work *w, struct worker_fields *f, struct err *e)
{
    struct record_progress p;
    if (!record_get_progress(f, &p, e))
        return false;
    if (p.of > 0)
        flatpkg_work_progress(w, (int)((double)p.at / (double)p.of * UNPACKED_PERCENT), "Unpacking");
    return true;
}

static bool take_claim(struct flatpkg_work *w, struct worker_fields *f, struct err *e)
{
    size_t n;
    const void *p = worker_bytes(f, &n);
    if (w->judged)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker spoke of signatures too late");
    return buf_append(&w->claims, p, n, e);
}

/* It is s: kept, and held against what is asked. */
static bool judged(struct flatpkg_work *w, const struct signature *s, struct err *e)
{
    struct install_signature *to = &w->signature;
    snprintf(to->status, sizeof to->status, "%s", signature_status_name(s->status));
    snprintf(to->team_id, sizeof to->team_id, "%s", s->team_id);
    snprintf(to->why, sizeof to->why, "%s", s->why);
    to->is_signed = s->status == SIGNATURE_SIGNED;
    w->judged = signature_meets(s, &w->options->need, e);
    return w->judged;
}

/* Nothing was claimed, and the worker goes on, or has ended. */
static bool judged_unsigned(struct flatpkg_work *w, struct err *e)
{
    static const struct signature none = {.status = SIGNATURE_UNSIGNED, .why = "unsigned"};
    if (w->claims.len > 0)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker read on before its package was judged");
    return judged(w, &none, e);
}

static bool take_verdict(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    struct flatpkg_work *w = ctx;
    if (type != RECORD_SIGNATURE || w->judged)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker that judges said too much");
    struct signature *s = arena_alloc(w->arena, sizeof *s);
    return record_get_signature(f, s, e) && judged(w, s, e);
}

static bool take_record(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    struct flatpkg_work *w = ctx;
    struct record_archive archive;
    struct record_count count;
    if (w->unpacking && type != RECORD_PROGRESS && type != RECORD_COUNT)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker that unpacks said too much");
    if (type == RECORD_CLAIM)
        return take_claim(w, f, e);
    if (!w->judged && !judged_unsigned(w, e))
        return false;
    switch (type) {
    case RECORD_ARCHIVE:
        if (w->archive_seen || !record_get_archive(f, &archive, e))
            return w->archive_seen ? err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker began twice")
                                   : false;
        w->archive_seen = true;
        w->announced = archive.components;
        w->parts = arena_array(w->arena, (size_t)archive.components + 1, sizeof *w->parts);
        w->restart = archive.restart;
        w->sum.has_signature = archive.has_signature;
        w->sum.needs_rosetta = archive.needs_rosetta;
        w->sum.may_need_rosetta = archive.may_need_rosetta;
        return true;
    case RECORD_COMPONENT:
        return take_component(w, f, e);
    case RECORD_SCRIPT:
        return take_script(w, f, e);
    case RECORD_BUNDLE:
        return take_bundle(w, f, e);
    case RECORD_ENTRY:
        return take_entry(w, f, e);
    case RECORD_PROGRESS:
        return take_progress(w, f, e);
    case RECORD_COUNT:
        if (!record_get_count(f, &count, e))
            return false;
        w->counted++;
        w->sum.files += count.members;
        w->sum.bytes += count.bytes;
        w->sum.setid_dropped += count.setid_dropped;
        w->sum.apple_double_dropped += count.apple_double_dropped;
        w->sum.apple_double_kept += count.apple_double_kept;
        return true;
    default:
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker said something unknown");
    }
}

static void worker_started(void *ctx, pid_t pid)
{
    log_debug("unpacking in process %ld", (long)pid);
    (void)ctx;
}

/* A nameless file in directory, for the plan. */
static int make_plan(int directory, struct err *e)
{
    int fd = openat(directory, PLAN, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && unlinkat(directory, PLAN, 0) == 0)
        return fd;
    err_sys(e, "cannot make a file for the plan");
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool ask(struct flatpkg_work *w, struct loop *l, const char *task, const struct record_request *r,
                const int *fds, size_t fd_count, struct err *e)
{
    struct buf request;
    buf_init(&request, WORKER_REQUEST_MAX);
    struct worker_job job = {.task = task,
                             .request = &request,
                             .fds = fds,
                             .fd_count = fd_count,
                             .timeout_ms = w->options->timeout_ms > 0 ? w->options->timeout_ms : UNPACK_MS,
                             .record = take_record,
                             .started = worker_started,
                             .ctx = w};
    bool ok = record_put_request(&request, r, e) && worker_run(l, &job, e);
    buf_release(&request);
    return ok;
}

/* *plan: what it leaves for the one that unpacks, where the task has one; the one before it is closed. */
static bool inspect(struct flatpkg_work *w, struct loop *l, int package, int directory,
                    const struct record_request *r, int *plan, struct err *e)
{
    if (*plan >= 0)
        close(*plan);
    *plan = -1;
    if ((r->task == RECORD_LAYOUT || r->task == RECORD_EXPAND) && (*plan = make_plan(directory, e)) < 0)
        return false;
    return ask(w, l, "inspect", r, (const int[]){package, *plan}, *plan >= 0 ? 2 : 1, e);
}

/* The claims against the package's own bytes. */
static bool judge(struct flatpkg_work *w, struct loop *l, int package, struct err *e)
{
    const struct flatpkg_options *o = w->options;
    struct buf request;
    buf_init(&request, WORKER_REQUEST_MAX);
    const struct worker_job job = {.task = "judge",
                                   .request = &request,
                                   .fds = &package,
                                   .fd_count = 1,
                                   .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : UNPACK_MS,
                                   .record = take_verdict,
                                   .ctx = w};
    bool ok = judge_put_request(&request, o->roots, o->roots != NULL ? o->roots_len : 0, &w->claims, e) &&
              worker_run(l, &job, e);
    buf_release(&request);
    return ok &&
           (w->judged || err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker did not judge the signature"));
}

/* All that is to be read of the package, in order; a worker that has read signatures is not heard again. */
static bool read_it(struct flatpkg_work *w, struct loop *l, int package, int directory,
                    struct record_request *r, int *plan, struct err *e)
{
    r->judged = w->judged = r->task == RECORD_LIST || r->task == RECORD_EXPAND;
    if (!inspect(w, l, package, directory, r, plan, e))
        return false;
    if (!w->judged && w->claims.len == 0)
        return judged_unsigned(w, e);
    if (w->judged)
        return true;
    if (!judge(w, l, package, e))
        return false;
    r->judged = true;
    return r->task == RECORD_CLAIMS || inspect(w, l, package, directory, r, plan, e);
}

bool flatpkg_work_run(struct flatpkg_work *w, struct loop *l, int package, int directory,
                      struct record_request *r, struct err *e)
{
    const struct flatpkg_options *o = w->options;
    struct buf choices;
    int plan = -1;
    buf_init(&choices, WORKER_REQUEST_MAX);
    bool ok = o->choices == NULL || props_encode(o->choices, &choices, e);
    r->proved = o->proved;
    r->sealed = o->need.is_signed || o->need.team_id != NULL;
    r->arch = o->arch;
    r->os_version = o->os_version;
    r->choices = choices.data;
    r->choices_len = choices.len;
    r->keep_setid = w->keep_setid;
    r->keep_setid_count = w->keep_setid_count;
    ok = ok && read_it(w, l, package, directory, r, &plan, e);
    if (ok && r->task != RECORD_CLAIMS &&
        (!w->archive_seen || w->count != (r->task == RECORD_EXPAND ? 0 : w->announced)))
        ok = err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found fewer components than it said");
    if (ok && plan >= 0) {
        w->unpacking = true;
        ok = ask(w, l, "unpack", r, (const int[]){package, directory, plan}, 3, e);
        if (ok && w->counted != (r->task == RECORD_EXPAND ? 1 : w->count))
            ok = err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker unpacked less than it was told to");
    }
    if (plan >= 0)
        close(plan);
    buf_release(&choices);
    if (!ok && e->kind == ERR_INTERNAL)
        log_debug("%s: %s", o->name, e->text);
    return ok;
}

void flatpkg_work_open(struct flatpkg_work *w, const struct flatpkg_options *o)
{
    memset(w, 0, sizeof *w);
    w->arena = arena_open();
    buf_init(&w->claims, JUDGE_CLAIMS_MAX);
    w->options = o;
    w->staging = -1;
    w->owners = geteuid() == 0;
    size_t n = value_count(o->allow_setid);
    const char **paths = arena_array(w->arena, n + 1, sizeof *paths);
    for (size_t i = 0; i < n; i++) {
        const char *s = value_str(value_at(o->allow_setid, i));
        if (s != NULL && s[0] == '/')
            paths[w->keep_setid_count++] = s;
    }
    w->keep_setid = paths;
}

void flatpkg_work_free(struct flatpkg_work *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->parts[i].folder >= 0)
            close(w->parts[i].folder);
    if (w->staging >= 0)
        close(w->staging);
    buf_release(&w->claims);
    arena_free(w->arena);
}

/* Are the scripts that PackageInfo names files? Better known now than when the payload is in place. */
static bool scripts_there(const struct flatpkg_part *c, struct err *e)
{
    for (const struct flatpkg_script *s = c->scripts; s != NULL; s = s->next) {
        char path[LIMIT_PATH + 16];
        struct stat st;
        snprintf(path, sizeof path, "scripts/%s", s->is.file);
        if (!files_stat(c->folder, path, &st, e) || !S_ISREG(st.st_mode))
            return err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "%s: its %s script is missing, or no file",
                           c->is.identifier, s->is.kind);
    }
    return true;
}

/* Unpack into w->staging and open what came of it. */
bool flatpkg_work_stage(struct flatpkg_work *w, struct loop *l, int package, bool scripts, bool skip_checks,
                        struct err *e)
{
    unsigned long long room;
    if (!files_free(w->staging, &room, e))
        return false;
    struct record_request r = {.task = RECORD_LAYOUT,
                               .owners = w->owners,
                               .scripts = scripts,
                               .skip_checks = skip_checks,
                               .max_bytes = room};
    if (!flatpkg_work_run(w, l, package, w->staging, &r, e))
        return false;
    for (size_t i = 0; i < w->count; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        w->parts[i].folder = files_dir(w->staging, name, false, 0, e);
        if (w->parts[i].folder < 0 || (scripts && !scripts_there(&w->parts[i], e)))
            return false;
    }
    return true;
}

static struct place place_of(const struct flatpkg_work *w, const struct flatpkg_part *c, int root)
{
    return (struct place){.root = root,
                          .staged = c->folder,
                          .name = "root",
                          .location = c->is.location,
                          .overwrite_permissions = c->is.overwrite_permissions,
                          .owners = w->owners,
                          .keep_setid = w->keep_setid,
                          .keep_setid_count = w->keep_setid_count,
                          .replace = w->replace,
                          .replace_count = w->replace_count,
                          .undo = w->undo};
}

/* Everything to its place below root, after a look at all of it. */
bool flatpkg_work_place(const struct flatpkg_work *w, int root, struct err *e)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < w->count; i++) {
            const struct place p = place_of(w, &w->parts[i], root);
            if (!w->parts[i].is.has_payload)
                continue;
            if (pass == 1 && w->count > 1)
                flatpkg_work_progress(w, 90 + (int)(3 * i / w->count),
                                      arena_printf(w->arena, "Writing files: %s", w->parts[i].is.identifier));
            if (pass == 0 ? !place_check(&p, e) : !place_move(&p, e))
                return err_wrap(e, "%s", w->parts[i].is.identifier);
        }
    }
    return true;
}
