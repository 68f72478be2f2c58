/* Invariants: whatever happens, the staging folder is gone at the end, but after a forced stop, when a script
 * may still be running in it; then the next run's flatpkg_recover removes it. Nothing is moved before every
 * component passed place_check after the last preinstall script. What moves is on the medium
 * before it moves, and receipts are written, and flushed, after the last move.
 *
 * Staging lies in env->state, on the target's volume, so that moving is renaming. Each folder holds the file
 * "lock" (locked by the worker while it lives), "tmp" for the scripts, and the folders of stage.h. While
 * files move a folder "undo-…" stands beside it, where no worker can write: until the last file is in its
 * place the move is taken back, by this run when something fails and by the next one after a kill. */
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/flatpkg_internal.h"
#include "installer/pkgscript.h"
#include "installer/place.h"
#include "installer/receipt.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define UNPACKED_PERCENT 85 /* of the whole: what follows is moving and scripts */

static bool make_staging(struct flatpkg_work *w, const char **name, struct err *e)
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

static bool run_script(const struct flatpkg_work *w, size_t n, const struct record_script *is,
                       struct install_outcome *out, struct err *e)
{
    const struct flatpkg_part *c = &w->parts[n];
    int folder = files_dir(c->folder, "scripts", false, 0, e);
    if (folder < 0)
        return false;
    const char *base = arena_printf(w->arena, "%s/%zu", w->staging_path, n);
    const struct pkgscript s = {.env = w->env,
                                .kind = is->kind,
                                .file = is->file,
                                .folder = folder,
                                .folder_path = arena_printf(w->arena, "%s/scripts", base),
                                .temp_path = arena_printf(w->arena, "%s/tmp", w->staging_path),
                                .payload_path = arena_printf(w->arena, "%s/root", base),
                                .identifier = c->is.identifier,
                                .location = c->is.location,
                                .package = w->options->name,
                                .environment = w->options->environment,
                                .timeout_s = is->timeout_s};
    bool ok = pkgscript_run(&s, &out->code, e);
    close(folder);
    return ok;
}

static bool has_own(const struct flatpkg_part *c, const char *kind)
{
    for (const struct flatpkg_script *s = c->scripts; s != NULL; s = s->next)
        if (*s->is.bundle == '\0' && strcmp(s->is.kind, kind) == 0)
            return true;
    return false;
}

/* The scripts of one kind, the package's own first, then those of bundles that are installed. An upgrade
 * script stands in for the install script where a receipt is there, and runs nowhere else. */
static bool run_kind(const struct flatpkg_work *w, size_t n, const char *kind, struct install_outcome *out,
                     struct err *e)
{
    const struct flatpkg_part *c = &w->parts[n];
    for (int bundles = 0; bundles < 2; bundles++)
        for (const struct flatpkg_script *s = c->scripts; s != NULL; s = s->next) {
            if (strcmp(s->is.kind, kind) != 0 || (*s->is.bundle != '\0') != (bundles == 1) ||
                (bundles == 1 && flatpkg_upgrade_kept(w, c, s->is.bundle)))
                continue;
            if (!run_script(w, n, &s->is, out, e))
                return false;
        }
    return true;
}

static bool run_scripts(const struct flatpkg_work *w, bool post, struct install_outcome *out, struct err *e)
{
    for (size_t i = 0; i < w->count && w->env->run_scripts; i++) {
        const struct flatpkg_part *c = &w->parts[i];
        const char *upgrade = post ? "postupgrade" : "preupgrade";
        const char *middle = c->installed && has_own(c, upgrade) ? upgrade
                             : post                              ? "postinstall"
                                                                 : "preinstall";
        if ((!post && !run_kind(w, i, "preflight", out, e)) || !run_kind(w, i, middle, out, e) ||
            (post && !run_kind(w, i, "postflight", out, e)))
            return false;
    }
    return true;
}

static bool write_receipts(const struct flatpkg_work *w, struct err *e)
{
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    for (size_t i = 0; i < w->count; i++) {
        const struct flatpkg_part *c = &w->parts[i];
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

static void tell(const struct flatpkg_work *w, bool has_scripts, struct install_outcome *out)
{
    out->restart = w->restart;
    out->scripts_skipped = has_scripts && !w->env->run_scripts;
    if (out->scripts_skipped)
        flatpkg_upgrade_say(out, "scripts skipped");
    if (w->sum.setid_dropped > 0)
        flatpkg_upgrade_say(out, "set-id bits dropped: %llu", (unsigned long long)w->sum.setid_dropped);
    if (w->sum.apple_double_dropped > 0)
        flatpkg_upgrade_say(out, "AppleDouble files left out: %llu",
                            (unsigned long long)w->sum.apple_double_dropped);
}

static void look_for_receipts(struct flatpkg_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct receipt r;
        struct err none;
        w->parts[i].installed = receipt_read(w->arena, w->env->root, w->parts[i].is.identifier, &r, &none);
        if (w->parts[i].installed)
            log_info("%s: version %s takes the place of %s", w->parts[i].is.identifier,
                     w->parts[i].is.version, r.version);
    }
}

/* Move everything, or nothing. */
static bool move(struct flatpkg_work *w, struct err *e)
{
    char name[256];
    bool any = false, ok = false;
    struct err back = {.kind = ERR_NONE}, left;
    int folder = files_temp_dir(w->env->state, FLATPKG_STAGING, FLATPKG_UNDO, name, sizeof name, e);
    if (folder < 0)
        return false;
    w->undo = undo_open(folder, e);
    ok = w->undo != NULL && flatpkg_work_place(w, w->env->root, e) && undo_done(w->undo, e);
    bool undone = ok || undo_roll_back(w->env->root, folder, &any, &back);
    if (!undone)
        log_error("%s: %s; the next run tries again", w->options->name, back.text);
    undo_free(w->undo);
    w->undo = NULL;
    close(folder);
    /* what was replaced is kept until the end of the move, not of the install: a postinstall that fails
     * leaves the files, as Apple's installer does */
    if (undone && !files_remove(w->env->state, name, &left))
        log_warn("%s: %s", w->options->name, left.text);
    return ok;
}

static void remove_obsolete(const struct flatpkg_work *w, struct install_outcome *out)
{
    size_t left = 0;
    struct err why;
    if (!flatpkg_upgrade_obsolete(w, &left, &why))
        flatpkg_upgrade_say(out, "files of the version before stay: %s", why.text);
    else if (left > 0)
        flatpkg_upgrade_say(
            out, "%zu files or folders of the version before stay, because they are not empty", left);
}

/* With everything staged: the order of Apple's installer. */
static bool carry_out(struct flatpkg_work *w, struct install_outcome *out, struct err *e)
{
    bool has_scripts = false;
    for (size_t i = 0; i < w->count; i++)
        has_scripts = has_scripts || w->parts[i].scripts != NULL;
    tell(w, has_scripts, out);
    if (w->count == 0)
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "nothing in it is chosen for installation");
    if (out->scripts_skipped && w->sum.files == 0) { /* nothing but script */
        out->end = INSTALL_SKIPPED_SCRIPTS;
        return true;
    }
    for (size_t i = 0; i < w->count; i++) {
        struct err why;
        if (w->parts[i].is.has_payload && !w->parts[i].is.has_bom && !flatpkg_bom_make(&w->parts[i], &why))
            log_warn("%s; its receipt will not say what it owns", why.text); /* a file closed to ourselves */
    }
    look_for_receipts(w);
    if (!flatpkg_upgrade_judge(w, out, e))
        return false;
    step(out, "preinstall");
    flatpkg_work_progress(w, UNPACKED_PERCENT, "Running package scripts");
    if (!run_scripts(w, false, out, e))
        return false;
    step(out, "install");
    flatpkg_work_progress(w, 90, "Writing files");
    /* the one barrier: what takes an old version's place is whole after a power cut too. That renames reach
     * the medium before the receipts that come after them is the volume's own order of things */
    if (!os_sync_volume(w->staging, e) || !move(w, e) || !place_links(w->env->root, e))
        return false;
    step(out, "postinstall");
    flatpkg_work_progress(w, 93, "Running package scripts");
    if (!run_scripts(w, true, out, e))
        return false;
    step(out, "install");
    flatpkg_work_progress(w, 97, "Writing receipts");
    remove_obsolete(w, out);
    if (!write_receipts(w, e))
        return false;
    flatpkg_work_progress(w, 100, "Finished");
    out->end = INSTALL_OK;
    out->step[0] = '\0';
    return true;
}

bool flatpkg_install(const struct install_env *env, int package, const struct flatpkg_options *o,
                     struct install_outcome *out, struct err *e)
{
    struct flatpkg_work w;
    struct err why = {.kind = ERR_NONE};
    const char *name = NULL;
    memset(out, 0, sizeof *out);
    step(out, "install");
    flatpkg_work_open(&w, o);
    w.env = env;
    w.owners = env->as_root;
    flatpkg_work_progress(&w, 0, "Preparing");
    bool ok = make_staging(&w, &name, &why) &&
              flatpkg_work_stage(&w, env->loop, package, env->run_scripts, false, &why) &&
              carry_out(&w, out, &why);
    out->signature = w.signature;
    if (name != NULL && why.kind != ERR_STOPPED) {
        struct err left = {.kind = ERR_NONE};
        if (!files_remove(env->state, name, &left))
            log_warn("%s: cannot remove the staging folder: %s", o->name, left.text);
    }
    flatpkg_work_free(&w);
    if (ok)
        return true;
    *e = why;
    return err_wrap(e, "%s", o->name);
}
