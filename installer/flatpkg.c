/* Invariants: whatever happens, the staging folder is gone at the end, but after a forced stop, when a script
 * may still be running in it; then the next run's flatpkg_recover removes it. Nothing is moved before every
 * component passed place_check after the last preinstall script. Receipts are written when all that they
 * speak of is on the medium.
 *
 * Staging lies in env->state, on the target's volume, so that moving is renaming. Each folder holds the file
 * "lock" (locked by the worker while it lives), "tmp" for the scripts, and the folders of stage.h. */
#include "installer/flatpkg.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/flatpkg_folder.h"
#include "installer/pkgscript.h"
#include "installer/place.h"
#include "installer/receipt.h"
#include "installer/record.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PLAN             ".daybreak-plan"
#define UNPACK_MS        ((uint64_t)3600 * 1000)
#define UNPACKED_PERCENT 85 /* of the whole: what follows is moving and scripts */

struct component {
    struct record_component is;
    int folder; /* its N in the staging folder, or -1 */
};

struct work {
    struct arena *arena;
    const struct install_env *env; /* NULL but for an install */
    const struct flatpkg_options *options;
    const struct flatpkg_visitor *visitor;
    struct component *components;
    size_t count;
    uint64_t announced; /* components the worker spoke of beforehand */
    bool restart, archive_seen;
    struct install_signature signature;
    bool unpacking;   /* the second worker is at work: it has less to say */
    uint64_t counted; /* components it is done with */
    bool owners;      /* we are root: owners are set */
    struct flatpkg_summary sum;
    int staging;
    const char *staging_path; /* absolute */
    const char *const *keep_setid;
    size_t keep_setid_count;
};

/* --- what the worker says ----------------------------------------------------------------------------- */

static void progress(const struct work *w, int percent, const char *phase)
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
    k.preinstall = arena_strdup(a, c->preinstall);
    k.postinstall = arena_strdup(a, c->postinstall);
    return k;
}

static bool take_component(struct work *w, struct worker_fields *f, struct err *e)
{
    struct record_component c;
    if (!record_get_component(f, &c, e))
        return false;
    if (!w->archive_seen || w->count >= w->announced)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found more components than it said");
    w->components[w->count].folder = -1;
    w->components[w->count++].is = keep(w->arena, &c);
    w->restart = w->restart || c.restart;
    w->sum.components++;
    if (w->visitor != NULL && w->visitor->component != NULL) {
        const struct flatpkg_component shown = {.identifier = c.identifier,
                                                .version = c.version,
                                                .location = c.location,
                                                .folder = c.folder,
                                                .has_payload = c.has_payload,
                                                .has_bom = c.has_bom,
                                                .preinstall = *c.preinstall != '\0',
                                                .postinstall = *c.postinstall != '\0',
                                                .restart = c.restart};
        w->visitor->component(w->visitor->ctx, &shown);
    }
    return true;
}

static bool take_entry(struct work *w, struct worker_fields *f, struct err *e)
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
                                        .apple_double = m.apple_double};
    w->visitor->entry(w->visitor->ctx, &shown);
    return true;
}

static bool take_progress(const struct work *w, struct worker_fields *f, struct err *e)
{
    struct record_progress p;
    if (!record_get_progress(f, &p, e))
        return false;
    if (p.of > 0)
        progress(w, (int)((double)p.at / (double)p.of * UNPACKED_PERCENT), "Unpacking");
    return true;
}

/* The worker has judged; what it is to be is looked at here too, before it may go on. */
static bool take_signature(struct work *w, struct worker_fields *f, struct err *e)
{
    struct install_signature *to = &w->signature;
    if (to->status[0] != '\0' || w->archive_seen)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker judged twice");
    struct signature *s = arena_alloc(w->arena, sizeof *s);
    if (!record_get_signature(f, s, e))
        return false;
    snprintf(to->status, sizeof to->status, "%s", signature_status_name(s->status));
    snprintf(to->team_id, sizeof to->team_id, "%s", s->team_id);
    snprintf(to->why, sizeof to->why, "%s", s->why);
    to->is_signed = s->status == SIGNATURE_SIGNED;
    return signature_meets(s, &w->options->need, e);
}

static bool take_record(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    struct work *w = ctx;
    struct record_archive archive;
    struct record_count count;
    if (w->unpacking && type != RECORD_PROGRESS && type != RECORD_COUNT)
        return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker that unpacks said too much");
    switch (type) {
    case RECORD_ARCHIVE:
        if (w->archive_seen || !record_get_archive(f, &archive, e))
            return w->archive_seen ? err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker began twice")
                                   : false;
        w->archive_seen = true;
        w->announced = archive.components;
        w->components = arena_array(w->arena, (size_t)archive.components + 1, sizeof *w->components);
        w->restart = archive.restart;
        w->sum.has_signature = archive.has_signature;
        return true;
    case RECORD_COMPONENT:
        return take_component(w, f, e);
    case RECORD_ENTRY:
        return take_entry(w, f, e);
    case RECORD_PROGRESS:
        return take_progress(w, f, e);
    case RECORD_SIGNATURE:
        return take_signature(w, f, e);
    case RECORD_COUNT:
        if (!record_get_count(f, &count, e))
            return false;
        w->counted++;
        w->sum.files += count.members;
        w->sum.bytes += count.bytes;
        w->sum.setid_dropped += count.setid_dropped;
        w->sum.apple_double_dropped += count.apple_double_dropped;
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

/* First the worker without rights reads the package's tables, then, unless it is only to be listed, the one
 * that may write beneath directory unpacks. directory: -1 for LIST. */
static bool run_workers(struct work *w, struct loop *l, int package, int directory, struct record_request *r,
                        struct err *e)
{
    const struct flatpkg_options *o = w->options;
    struct buf request, choices;
    int plan = -1;
    buf_init(&request, WORKER_REQUEST_MAX);
    buf_init(&choices, WORKER_REQUEST_MAX);
    bool ok = o->choices == NULL || props_encode(o->choices, &choices, e);
    r->proved = o->proved;
    r->arch = o->arch;
    r->os_version = o->os_version;
    r->choices = choices.data;
    r->choices_len = choices.len;
    r->keep_setid = w->keep_setid;
    r->keep_setid_count = w->keep_setid_count;
    r->need = o->need;
    r->roots = o->roots;
    r->roots_len = o->roots != NULL ? o->roots_len : 0;
    ok = ok && record_put_request(&request, r, e);
    if (ok && (r->task == RECORD_LAYOUT || r->task == RECORD_EXPAND))
        ok = (plan = make_plan(directory, e)) >= 0;
    const int reads[] = {package, plan}, unpacks[] = {package, directory, plan};
    struct worker_job job = {.task = "inspect",
                             .request = &request,
                             .fds = reads,
                             .fd_count = plan >= 0 ? 2 : 1,
                             .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : UNPACK_MS,
                             .record = take_record,
                             .started = worker_started,
                             .ctx = w};
    ok = ok && worker_run(l, &job, e);
    if (ok && (r->task == RECORD_LAYOUT || r->task == RECORD_JUDGE) && w->signature.status[0] == '\0')
        ok = err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker did not judge the signature");
    if (ok && r->task != RECORD_JUDGE &&
        (!w->archive_seen || w->count != (r->task == RECORD_EXPAND ? 0 : w->announced)))
        ok = err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found fewer components than it said");
    if (ok && plan >= 0) {
        job.task = "unpack";
        job.fds = unpacks;
        job.fd_count = 3;
        w->unpacking = true;
        ok = worker_run(l, &job, e);
        if (ok && w->counted != (r->task == RECORD_EXPAND ? 1 : w->count))
            ok = err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker unpacked less than it was told to");
    }
    if (plan >= 0)
        close(plan);
    buf_release(&request);
    buf_release(&choices);
    if (!ok && e->kind == ERR_INTERNAL)
        log_debug("%s: %s", o->name, e->text);
    return ok;
}

static void work_open(struct work *w, const struct flatpkg_options *o)
{
    memset(w, 0, sizeof *w);
    w->arena = arena_open();
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

static void work_free(struct work *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->components[i].folder >= 0)
            close(w->components[i].folder);
    if (w->staging >= 0)
        close(w->staging);
    arena_free(w->arena);
}

/* --- staging and moving ------------------------------------------------------------------------------- */

/* Unpack into w->staging and open what came of it. */
static bool stage(struct work *w, struct loop *l, int package, bool scripts, bool skip_checks, struct err *e)
{
    unsigned long long room;
    if (!files_free(w->staging, &room, e))
        return false;
    struct record_request r = {.task = RECORD_LAYOUT,
                               .owners = w->owners,
                               .scripts = scripts,
                               .skip_checks = skip_checks,
                               .max_bytes = room};
    if (!run_workers(w, l, package, w->staging, &r, e))
        return false;
    for (size_t i = 0; i < w->count; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        w->components[i].folder = files_dir(w->staging, name, false, 0, e);
        if (w->components[i].folder < 0)
            return false;
    }
    return true;
}

static struct place place_of(const struct work *w, const struct component *c, int root)
{
    return (struct place){.root = root,
                          .staged = c->folder,
                          .name = "root",
                          .location = c->is.location,
                          .overwrite_permissions = c->is.overwrite_permissions,
                          .owners = w->owners,
                          .keep_setid = w->keep_setid,
                          .keep_setid_count = w->keep_setid_count};
}

/* Everything to its place below root, after a look at all of it. */
static bool place_all(const struct work *w, int root, struct err *e)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < w->count; i++) {
            const struct place p = place_of(w, &w->components[i], root);
            if (!w->components[i].is.has_payload)
                continue;
            if (pass == 0 ? !place_check(&p, e) : !place_move(&p, e))
                return err_wrap(e, "%s", w->components[i].is.identifier);
        }
    }
    return true;
}

static bool make_staging(struct work *w, const char **name, struct err *e)
{
    char made[256];
    int folder = files_dir(w->env->state, FLATPKG_STAGING, true, 0700, e);
    if (folder < 0)
        return false;
    close(folder);
    w->staging = files_temp_dir(w->env->state, FLATPKG_STAGING, "pkg-", made, sizeof made, e);
    if (w->staging < 0)
        return false;
    const char *root = strcmp(w->env->root_path, "/") == 0 ? "" : w->env->root_path;
    *name = arena_strdup(w->arena, made);
    w->staging_path = arena_printf(w->arena, "%s/" INSTALL_STATE "/%s", root, made);
    int lock = openat(w->staging, "lock", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0 || mkdirat(w->staging, "tmp", 0700) != 0)
        err_sys(e, "cannot prepare the staging folder");
    if (lock >= 0)
        close(lock);
    return lock >= 0 && e->kind == ERR_NONE;
}

/* --- scripts and receipts ----------------------------------------------------------------------------- */

static bool run_script(const struct work *w, size_t n, bool post, struct install_outcome *out, struct err *e)
{
    const struct component *c = &w->components[n];
    const char *file = post ? c->is.postinstall : c->is.preinstall;
    if (*file == '\0')
        return true;
    int folder = files_dir(c->folder, "scripts", false, 0, e);
    if (folder < 0)
        return false;
    const char *base = arena_printf(w->arena, "%s/%zu", w->staging_path, n);
    const struct pkgscript s = {.env = w->env,
                                .kind = post ? "postinstall" : "preinstall",
                                .file = file,
                                .folder = folder,
                                .folder_path = arena_printf(w->arena, "%s/scripts", base),
                                .temp_path = arena_printf(w->arena, "%s/tmp", w->staging_path),
                                .payload_path = arena_printf(w->arena, "%s/root", base),
                                .identifier = c->is.identifier,
                                .location = c->is.location,
                                .package = w->options->name,
                                .environment = w->options->environment,
                                .timeout_s = post ? c->is.postinstall_s : c->is.preinstall_s};
    bool ok = pkgscript_run(&s, &out->code, e);
    close(folder);
    return ok;
}

static bool run_scripts(const struct work *w, bool post, struct install_outcome *out, struct err *e)
{
    for (size_t i = 0; i < w->count && w->env->run_scripts; i++)
        if (!run_script(w, i, post, out, e))
            return false;
    return true;
}

static bool write_receipts(const struct work *w, struct err *e)
{
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    for (size_t i = 0; i < w->count; i++) {
        const struct component *c = &w->components[i];
        const struct receipt r = {.identifier = c->is.identifier,
                                  .version = c->is.version,
                                  .prefix = c->is.location,
                                  .package = w->options->name,
                                  .process = "daybreak",
                                  .installed = now};
        if (!receipt_write(w->env->root, &r, c->folder, c->is.has_bom ? "bom" : NULL, e))
            return false;
    }
    return true;
}

/* --- install ------------------------------------------------------------------------------------------ */

static void step(struct install_outcome *out, const char *name)
{
    snprintf(out->step, sizeof out->step, "%s", name);
}

static void tell(const struct work *w, bool has_scripts, struct install_outcome *out)
{
    size_t n = 0;
    const char *comma = "";
    out->restart = w->restart;
    out->scripts_skipped = has_scripts && !w->env->run_scripts;
    if (out->scripts_skipped) {
        n += (size_t)snprintf(out->reason, sizeof out->reason, "scripts skipped");
        comma = ", ";
    }
    if (w->sum.setid_dropped > 0) {
        n += (size_t)snprintf(out->reason + n, sizeof out->reason - n, "%sset-id bits dropped: %llu", comma,
                              (unsigned long long)w->sum.setid_dropped);
        comma = ", ";
    }
    if (w->sum.apple_double_dropped > 0)
        snprintf(out->reason + n, sizeof out->reason - n, "%sAppleDouble files left out: %llu", comma,
                 (unsigned long long)w->sum.apple_double_dropped);
}

/* With everything staged: the order of Apple's installer. */
static bool carry_out(struct work *w, struct install_outcome *out, struct err *e)
{
    bool has_scripts = false;
    for (size_t i = 0; i < w->count; i++) {
        const struct record_component *c = &w->components[i].is;
        has_scripts = has_scripts || *c->preinstall != '\0' || *c->postinstall != '\0';
    }
    tell(w, has_scripts, out);
    if (w->count == 0)
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "nothing in it is chosen for installation");
    if (out->scripts_skipped && w->sum.files == 0) { /* nothing but script */
        out->end = INSTALL_SKIPPED_SCRIPTS;
        return true;
    }
    if (!os_sync_volume(w->staging, e))
        return false;
    step(out, "preinstall");
    progress(w, UNPACKED_PERCENT, "Running package scripts");
    if (!run_scripts(w, false, out, e))
        return false;
    step(out, "install");
    progress(w, 90, "Writing files");
    if (!place_all(w, w->env->root, e) || !place_links(w->env->root, e))
        return false;
    step(out, "postinstall");
    progress(w, 93, "Running package scripts");
    if (!run_scripts(w, true, out, e))
        return false;
    step(out, "install");
    progress(w, 97, "Writing receipts");
    if (!os_sync_volume(w->staging, e) || !write_receipts(w, e))
        return false;
    progress(w, 100, "Finished");
    out->end = INSTALL_OK;
    out->step[0] = '\0';
    return true;
}

bool flatpkg_install(const struct install_env *env, int package, const struct flatpkg_options *o,
                     struct install_outcome *out, struct err *e)
{
    struct work w;
    struct err why = {.kind = ERR_NONE};
    const char *name = NULL;
    memset(out, 0, sizeof *out);
    step(out, "install");
    work_open(&w, o);
    w.env = env;
    w.owners = env->as_root;
    progress(&w, 0, "Preparing");
    bool ok = make_staging(&w, &name, &why) && stage(&w, env->loop, package, env->run_scripts, false, &why) &&
              carry_out(&w, out, &why);
    out->signature = w.signature;
    if (name != NULL && why.kind != ERR_STOPPED) {
        struct err left = {.kind = ERR_NONE};
        if (!files_remove(env->state, name, &left))
            log_warn("%s: cannot remove the staging folder: %s", o->name, left.text);
    }
    work_free(&w);
    if (ok)
        return true;
    *e = why;
    return err_wrap(e, "%s", o->name);
}

bool flatpkg_judge(struct loop *l, int package, const struct flatpkg_options *o, struct install_signature *s,
                   struct err *e)
{
    struct work w;
    work_open(&w, o);
    struct record_request r = {.task = RECORD_JUDGE};
    bool ok = run_workers(&w, l, package, -1, &r, e);
    *s = w.signature;
    work_free(&w);
    return ok || err_wrap(e, "%s", o->name);
}

/* --- extract and list --------------------------------------------------------------------------------- */

static bool extract_layout(struct work *w, struct loop *l, int package, int dir, struct err *e)
{
    char name[256];
    w->staging = files_temp_dir(dir, ".", ".daybreak-", name, sizeof name, e);
    if (w->staging < 0)
        return false;
    bool ok = stage(w, l, package, false, true, e) && place_all(w, dir, e);
    return ok && files_remove(dir, name, e);
}

bool flatpkg_extract(struct loop *l, int package, const struct flatpkg_options *o, const char *dir,
                     bool do_expand, struct flatpkg_summary *sum, struct err *e)
{
    struct work w;
    bool made, ok;
    int fd = flatpkg_folder_open(dir, &made, e);
    if (fd < 0)
        return false;
    work_open(&w, o);
    if (do_expand) {
        struct record_request r = {.task = RECORD_EXPAND};
        ok = run_workers(&w, l, package, fd, &r, e);
    } else {
        ok = extract_layout(&w, l, package, fd, e);
    }
    *sum = w.sum;
    work_free(&w);
    if (!ok) {
        if (!flatpkg_folder_clear(fd) || (made && rmdir(dir) != 0))
            log_warn("%s: what was extracted could not be removed", dir);
    }
    close(fd);
    return ok || err_wrap(e, "%s", o->name);
}

bool flatpkg_list(struct loop *l, int package, const struct flatpkg_options *o, bool all,
                  const struct flatpkg_visitor *v, struct flatpkg_summary *sum, struct err *e)
{
    struct work w;
    work_open(&w, o);
    w.visitor = v;
    struct record_request r = {.task = RECORD_LIST,
                               .skip_checks = true,
                               .all = all,
                               .entries = v->entry != NULL,
                               .max_bytes = UINT64_MAX};
    bool ok = run_workers(&w, l, package, -1, &r, e);
    *sum = w.sum;
    work_free(&w);
    return ok || err_wrap(e, "%s", o->name);
}
