/* rosetta: surprising facts. Rosetta is there when its runtime is; there is no receipt that stays.
 * softwareupdate asks for the licence on a terminal that we do not have, so agreeing is an argument. It fails
 * where the network does not let Apple's servers through: then only what needs it fails. */
#include "installer/rosetta.h"
#include "core/child.h"
#include "core/files.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/flatpkg.h"
#include "installer/tool.h"

#define RUNTIME "Library/Apple/usr/libexec/oah/libRosettaRuntime"
enum { TIMEOUT_MS = 1800 * 1000 };

static void output_line(void *ctx, bool is_stderr, const char *line)
{
    (void)ctx;
    (void)is_stderr;
    log_info("softwareupdate: %s", line);
}

static void started(void *ctx, pid_t pid)
{
    const struct install_env *env = ctx;
    if (env->child_started)
        env->child_started(env->ctx, pid, "softwareupdate");
}

static bool fetch(const struct install_env *env, const char *tool, struct err *e)
{
    const char *const argv[] = {tool, "--install-rosetta", "--agree-to-license", NULL};
    struct child_end end;
    char text[64];
    const struct child_spec spec = {.argv = argv,
                                    .dir = -1,
                                    .timeout_ms = TIMEOUT_MS,
                                    .line = output_line,
                                    .started = started,
                                    .ctx = (void *)(uintptr_t)env};
    if (!child_run(env->loop, &spec, &end, e)) {
        e->cause = e->kind == ERR_STOPPED ? e->cause : CAUSE_INSTALLER;
        return false;
    }
    return end.exit_code == 0 || err_set(e, ERR_CHILD, CAUSE_INSTALLER, "softwareupdate %s",
                                         child_end_text(&end, text, sizeof text));
}

bool rosetta_ready(const struct install_env *env, int file, const char *name,
                   const struct signature_need *need, struct err *e)
{
    const char *arch = props_str(env->facts, "arch");
    struct arena *a = arena_open();
    struct flatpkg_options o = {
        .name = name, .arch = arch, .os_version = props_str(env->facts, "os_vers"), .need = *need};
    struct install_signature signer;
    const struct flatpkg_visitor nothing = {0};
    struct flatpkg_summary sum = {0};
    struct stat st;
    struct err ignored;
    const char *tool = tool_path_here(a, env->tools, env->live, TOOL_SOFTWAREUPDATE, &ignored);
    bool ok = true;

    if (file < 0 || !arch || strcmp(arch, "arm64") != 0 || !tool ||
        files_evidence_stat(env->root, RUNTIME, &st, NULL, NULL) ||
        !flatpkg_judge(env->loop, file, &o, &signer, &ignored) ||
        !flatpkg_list(env->loop, file, &o, false, &nothing, &sum, &ignored))
        goto out;
    if (env->install_rosetta && (sum.needs_rosetta || sum.may_need_rosetta)) {
        log_info("%s %s made for Intel: Rosetta is installed first", name,
                 sum.needs_rosetta ? "is" : "may be");
        ok = fetch(env, tool, e) || err_wrap(e, "Rosetta, which %s needs, could not be installed", name);
    } else if (sum.needs_rosetta) {
        ok = err_set(e, ERR_REFUSED, CAUSE_INSTALLER,
                     "%s is made for Intel alone, and Rosetta is not on this Mac: set InstallRosetta", name);
    }
out:
    arena_free(a);
    return ok;
}
