/* package: which package, and which engine.
 *
 * An image holds one package that counts: the one package_path names, else the first at its root, by name;
 * an image at the root of an image is looked into. Packages that are folders (bundle-style) can only come
 * inside images, and only Apple's installer knows them. */
#include "installer/package.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/flatpkg.h"
#include "installer/image.h"
#include "installer/rosetta.h"
#include "installer/system.h"
#include "installer/tool.h"
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGES_DEEP     3
#define ENVIRONMENT_MAX 64

static bool is_package(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && (strcasecmp(dot, ".pkg") == 0 || strcasecmp(dot, ".mpkg") == 0);
}

static bool uses_system(const struct install_env *env)
{
    return env->live || tool_given(env->tools, TOOL_INSTALLER);
}

/* What the signature must be: as asked; or good, where nothing else vouches for the bytes. */
static struct signature_need need_of(const struct package_job *job)
{
    return (struct signature_need){
        .is_signed = job->require_signature || (!job->proved && !job->allow_untrusted),
        .team_id = job->team_id,
    };
}

/* Put before a refusal why a signature was needed at all. */
static bool refused(const struct package_job *job, struct err *e)
{
    if (e && e->kind == ERR_TRUST && !job->proved && !job->allow_untrusted)
        err_wrap(e,
                 "it has no hash in the catalog, so only its signature can prove it (or allow_untrusted in "
                 "the pkginfo)");
    return false;
}

/* Apple's installer judges signatures by rules of its own; ours are held first. file: -1 for a folder. */
static bool with_system(const struct install_env *env, const struct package_job *job, int file,
                        const char *path, struct install_outcome *out, struct err *e)
{
    struct flatpkg_options judged = {.name = text_basename(path), .need = need_of(job)};
    if (file < 0 && (judged.need.is_signed || judged.need.team_id)) {
        err_set(e, ERR_TRUST, CAUSE_SIGNATURE,
                "%s is a folder: a bundle-style package has no signature over all of it",
                text_basename(path));
        return refused(job, e);
    }
    if (file >= 0 && !flatpkg_judge(env->loop, file, &judged, &out->signature, e))
        return refused(job, e);
    struct system_options o = {
        .choices = job->choices,
        .environment = job->environment,
        .allow_untrusted = (job->allow_untrusted || job->proved) && !out->signature.is_signed,
        .timeout_ms = job->timeout_ms,
    };
    char *real = realpath(path, NULL); /* the tool does not follow a link to a package */
    if (!real)
        return err_sys(e, "%s", path);
    bool ok = system_install(env, real, &o, out, e);
    free(real);
    return ok;
}

static bool with_flatpkg(const struct install_env *env, const struct package_job *job, int file,
                         const char *name, struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    const char **environment = NULL;
    size_t n = 0;

    if (job->environment) {
        environment = arena_array(a, ENVIRONMENT_MAX + 1, sizeof *environment);
        for (size_t i = 0; i < value_count(job->environment) && n < ENVIRONMENT_MAX; i++) {
            const char *key = value_key(job->environment, i), *v = value_str(value_at(job->environment, i));
            if (key && *key && v && !strchr(key, '='))
                environment[n++] = arena_printf(a, "%s=%s", key, v);
        }
    }
    struct flatpkg_options o = {
        .name = name,
        .proved = job->proved,
        .arch = props_str(env->facts, "arch"),
        .os_version = props_str(env->facts, "os_vers"),
        .choices = job->choices,
        .allow_setid = job->allow_setid,
        .environment = environment,
        .timeout_ms = job->timeout_ms,
        .need = need_of(job),
    };
    bool ok = flatpkg_install(env, file, &o, out, e);
    arena_free(a);
    return ok || refused(job, e);
}

/* file: -1 when it is a folder, which only Apple's installer knows. */
static bool by_engine(const struct install_env *env, const struct package_job *job, int file,
                      const char *path, const char *name, struct install_outcome *out, struct err *e)
{
    const struct signature_need need = need_of(job);
    if (!rosetta_ready(env, file, name, &need, e))
        return false;
    return uses_system(env) ? with_system(env, job, file, path, out, e)
                            : with_flatpkg(env, job, file, name, out, e);
}

/* --- inside an image --------------------------------------------------------------------------------------
 */

struct first {
    char name[LIMIT_NAME + 1];
};

static bool first_entry(void *ctx, const char *name, const struct stat *st)
{
    struct first *f = ctx;
    bool file = S_ISREG(st->st_mode);

    if (name[0] == '.') /* "._x.pkg": attributes of another file */
        return true;
    if (!is_package(name) && !(file && image_is_disk(name)))
        return true;
    snprintf(f->name, sizeof f->name, "%s", name);
    return false;
}

static bool from_image(const struct install_env *env, const struct package_job *job, int file,
                       const char *path, const char *inside, unsigned depth, struct install_outcome *out,
                       struct err *e);

static bool from_volume(const struct install_env *env, const struct package_job *job, const struct image *im,
                        const char *inside, unsigned depth, struct install_outcome *out, struct err *e)
{
    struct arena *a = arena_open();
    struct first f = {""};
    struct stat st;
    bool ok = false;
    int fd = -1;

    if (!inside && !files_list(im->dir, "", first_entry, &f, e))
        goto out;
    if (!inside && !*f.name) {
        err_set(e, ERR_FORMAT, CAUSE_INSTALLER, "%s holds no package at its root", job->name);
        goto out;
    }
    const char *name = inside ? inside : f.name;
    const char *path = arena_printf(a, "%s/%s", im->path, name);
    if (!files_evidence_stat(im->dir, name, &st, NULL, e)) {
        out->code = -99;
        (void)image_lacks(arena_printf(a, "package_path in %s", job->name), e);
        goto out;
    }
    if (S_ISDIR(st.st_mode) && !uses_system(env)) {
        out->code = -99;
        err_set(e, ERR_FORMAT, CAUSE_INSTALLER,
                "%s in %s is a folder: bundle-style packages are installed by Apple's installer alone",
                text_basename(name), job->name);
        goto out;
    }
    fd = S_ISDIR(st.st_mode) ? -1 : files_evidence_open(im->dir, name, e);
    if (fd < 0 && !S_ISDIR(st.st_mode))
        goto out;
    if (image_is_disk(name))
        ok = from_image(env, job, fd, path, NULL, depth + 1, out, e);
    else
        ok = by_engine(env, job, fd, path, text_basename(name), out, e);
out:
    if (fd >= 0)
        close(fd);
    arena_free(a);
    return ok;
}

static bool from_image(const struct install_env *env, const struct package_job *job, int file,
                       const char *path, const char *inside, unsigned depth, struct install_outcome *out,
                       struct err *e)
{
    struct image im;

    if (depth > IMAGES_DEEP)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s: images inside images, more than %d deep", job->name,
                       IMAGES_DEEP);
    bool ok = image_open(env, file, path, &im, e) && from_volume(env, job, &im, inside, depth, out, e);
    image_close(env, &im);
    return ok;
}

bool package_judge(const struct install_env *env, const struct package_job *job, struct install_outcome *out,
                   struct err *e)
{
    const struct flatpkg_options judged = {.name = job->name, .need = need_of(job)};
    return !is_package(job->name) || flatpkg_judge(env->loop, job->file, &judged, &out->signature, e) ||
           refused(job, e);
}

bool package_install(const struct install_env *env, const struct package_job *job,
                     struct install_outcome *out, struct err *e)
{
    struct arena *a;
    bool ok;

    snprintf(out->step, sizeof out->step, "install");
    a = arena_open();
    const char *path = arena_printf(a, "%s/%s", env->cache_path, job->name);
    const char *inside = job->inside && is_package(job->inside) ? job->inside : NULL;
    if (image_is(job->name)) {
        ok = from_image(env, job, job->file, path, inside, 1, out, e);
    } else if (!is_package(job->name)) {
        out->code = -99;
        ok = err_set(e, ERR_FORMAT, CAUSE_INSTALLER,
                     "%s is neither a package nor a disk image nor an archive", job->name);
    } else {
        ok = by_engine(env, job, job->file, path, job->name, out, e);
    }
    arena_free(a);
    return ok;
}
