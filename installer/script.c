/* script: pkginfo scripts as programs.
 *
 * The file is executed by its path, since an interpreter opens its script by name again; the folder is 0700
 * and ours, and all above it belong to root, so that nobody can put another file there in between. */
#include "installer/script.h"
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include <fcntl.h>
#include <unistd.h>

#define STATE_PARENT "Library"

struct running {
    const struct script_place *where;
    const char *key;
};

void script_place_from(struct script_place *where, const struct install_env *env, uint64_t timeout_ms)
{
    *where = (struct script_place){
        .loop = env->loop,
        .root = env->root,
        .root_path = env->root_path,
        .live = env->live,
        .timeout_ms = timeout_ms,
        .started = env->child_started,
        .ctx = env->ctx,
    };
}

static void output_line(void *ctx, bool is_stderr, const char *line)
{
    const struct running *r = ctx;
    (void)is_stderr;
    if (r->where->item)
        log_info("%s: %s: %s", r->where->item, r->key, line);
    else
        log_info("%s: %s", r->key, line);
}

static void script_started(void *ctx, pid_t pid)
{
    const struct running *r = ctx;
    if (r->where->started)
        r->where->started(r->where->ctx, pid, r->key);
}

/* "\r\n" and a lone "\r" become "\n". Returns the new length. */
static size_t unix_lines(char *out, const char *text, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            continue;
        out[k++] = text[i] == '\r' ? '\n' : text[i];
    }
    return k;
}

static bool run_path(const struct script_place *where, const char *key, const char *path, struct buf *out,
                     int *code, struct err *e)
{
    struct running r = {where, key};
    struct arena *a = arena_open();
    const char *argv[] = {path, NULL};
    const char *env[6] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=en_US.UTF-8"};
    struct child_end end;
    char why[64];
    bool ok = false;

    if (!where->live) {
        const char *home = getenv("HOME"), *user = getenv("USER");
        env[2] = arena_printf(a, "HOME=%s", home ? home : "/");
        env[3] = arena_printf(a, "USER=%s", user ? user : "root");
        env[4] = arena_printf(a, "DAYBREAK_ROOT=%s", where->root_path);
    }
    struct child_spec spec = {
        .argv = argv,
        .env = where->live ? NULL : env,
        .dir = -1,
        .timeout_ms = where->timeout_ms ? where->timeout_ms : SCRIPT_TIMEOUT_MS,
        .line = output_line,
        .started = script_started,
        .ctx = &r,
        .out = out,
    };
    *code = -1;
    if (!child_run(where->loop, &spec, &end, e)) {
        if (e && e->kind != ERR_STOPPED)
            e->cause = CAUSE_SCRIPT;
        err_wrap(e, "%s", key);
    } else if (end.signal) {
        err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s: %s", key, child_end_text(&end, why, sizeof why));
        if (e)
            e->code = -end.signal;
    } else {
        *code = end.exit_code;
        ok = true;
    }
    arena_free(a);
    return ok;
}

/* The interpreter that "#!" names must be there: the system's own message names the script instead. */
static bool check_interpreter(const char *key, const char *text, size_t len, struct err *e)
{
    char line[LIMIT_PATH + 1];
    size_t from = 2, n = 0;

    if (len < 3 || text[0] != '#' || text[1] != '!')
        return err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "%s does not begin with \"#!\" and an interpreter", key);
    while (from < len && (text[from] == ' ' || text[from] == '\t'))
        from++;
    while (from + n < len && n < LIMIT_PATH && !strchr(" \t\n", text[from + n])) {
        line[n] = text[from + n];
        n++;
    }
    line[n] = '\0';
    if (line[0] != '/')
        return err_set(e, ERR_FORMAT, CAUSE_SCRIPT,
                       "%s: its \"#!\" line names no interpreter by absolute path", key);
    if (access(line, X_OK) != 0) {
        err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s: its interpreter %s is not there or not executable", key,
                line);
        if (e)
            e->code = -1000;
        return false;
    }
    return true;
}

bool script_run(const struct script_place *where, const char *key, const char *text, struct buf *out,
                int *code, struct err *e)
{
    size_t len = strlen(text);
    char folder[256] = "";
    struct arena *a = NULL;
    struct err ignored;
    struct stat st;
    int dir = -1, fd = -1;
    bool ok = false, made = false, made_parent = false;

    *code = -1;
    if (len > LIMIT_SCRIPT_TEXT)
        return err_set(e, ERR_LIMIT, CAUSE_SCRIPT, "%s is longer than %zu bytes", key,
                       (size_t)LIMIT_SCRIPT_TEXT);
    a = arena_open();
    char *body = arena_alloc(a, len + 1);
    len = unix_lines(body, text, len);
    if (!check_interpreter(key, body, len, e))
        goto out;

    made = !files_stat(where->root, INSTALL_STATE, &st, &ignored);
    made_parent = !files_stat(where->root, STATE_PARENT, &st, &ignored);
    dir = files_temp_dir(where->root, INSTALL_STATE, SCRIPT_PREFIX, folder, sizeof folder, e);
    if (dir < 0) {
        err_wrap(e, "%s", key);
        goto out;
    }
    fd = files_create(dir, key, 0700, e);
    if (fd < 0 || !files_write(fd, body, len, e)) {
        err_wrap(e, "%s", key);
        goto out;
    }
    close(fd); /* an open writer would make execution fail (ETXTBSY) */
    fd = -1;
    ok = run_path(where, key, arena_printf(a, "%s/%s/%s", where->root_path, folder, key), out, code, e);
out:
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    if (*folder && !files_remove(where->root, folder, &ignored))
        log_warn("%s could not be removed: %s", folder, ignored.text);
    if (made) { /* a look at a volume leaves nothing on it */
        int parent = files_dir(where->root, STATE_PARENT, false, 0755, &ignored);
        if (parent >= 0) {
            unlinkat(parent, text_basename(INSTALL_STATE), AT_REMOVEDIR);
            close(parent);
            if (made_parent)
                unlinkat(where->root, STATE_PARENT, AT_REMOVEDIR);
        }
    }
    arena_free(a);
    return ok;
}

bool script_run_file(const struct script_place *where, const char *path, int *code, struct err *e)
{
    char resolved[LIMIT_PATH + 1];
    struct arena *a;
    struct stat st;

    *code = -1;
    if (!files_evidence_stat(where->root, path, &st, resolved, e))
        return err_wrap(e, "%s", path);
    if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s is not an executable file", path);
    a = arena_open();
    bool ok = run_path(where, path, arena_printf(a, "%s/%s", where->root_path, resolved), NULL, code, e);
    arena_free(a);
    return ok;
}
