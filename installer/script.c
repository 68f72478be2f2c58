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
#include "installer/console.h"
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
        .tools = env->tools,
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

/* How path is started, for whom. NULL: *e. */
static const char *const *command(const struct script_place *where, struct arena *a, const char *path,
                                  struct err *e)
{
    const char **argv = arena_array(a, 2, sizeof *argv);
    const struct console who = {.state = CONSOLE_USER, .name = where->user, .uid = where->uid};
    argv[0] = path;
    return where->user ? console_command(a, where->tools, where->live, &who, argv, e) : argv;
}

static bool fill_spec(struct child_spec *spec, struct running *r, struct arena *a, const char *path,
                      struct buf *out, struct err *e)
{
    const struct script_place *where = r->where;
    const char **env = arena_array(a, 6, sizeof *env);
    env[0] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
    env[1] = "LANG=en_US.UTF-8";
    if (!where->live) {
        const char *home = getenv("HOME"), *user = getenv("USER");
        env[2] = arena_printf(a, "HOME=%s", home ? home : "/");
        env[3] = arena_printf(a, "USER=%s", user ? user : "root");
        env[4] = arena_printf(a, "DAYBREAK_ROOT=%s", where->root_path);
    }
    *spec = (struct child_spec){
        .argv = command(where, a, path, e),
        .env = where->live ? NULL : env,
        .dir = -1,
        .timeout_ms = where->timeout_ms ? where->timeout_ms : SCRIPT_TIMEOUT_MS,
        .line = output_line,
        .started = script_started,
        .ctx = r,
        .out = out,
    };
    return spec->argv != NULL;
}

/* What a child's end says of its script. ok: it came to an end by itself; else *e is set already. */
static bool judge(const char *key, bool ok, const struct child_end *end, int *code, struct err *e)
{
    char why[64];
    *code = -1;
    if (!ok) {
        if (e && e->kind != ERR_STOPPED)
            e->cause = CAUSE_SCRIPT;
        return err_wrap(e, "%s", key);
    }
    if (end->signal) {
        err_set(e, ERR_CHILD, CAUSE_SCRIPT, "%s: %s", key, child_end_text(end, why, sizeof why));
        if (e)
            e->code = -end->signal;
        return false;
    }
    *code = end->exit_code;
    return true;
}

static bool run_path(const struct script_place *where, const char *key, const char *path, struct buf *out,
                     int *code, struct err *e)
{
    struct running r = {where, key};
    struct arena *a = arena_open();
    struct child_spec spec;
    struct child_end end = {.exit_code = -1};
    bool ok = fill_spec(&spec, &r, a, path, out, e) && child_run(where->loop, &spec, &end, e);
    ok = judge(key, ok, &end, code, e);
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

/* A script in its private folder. */
struct laid {
    char folder[256];
    bool made, made_parent; /* the folders above it */
    const char *path;
};

static void take_away(const struct script_place *where, struct laid *l)
{
    struct err ignored;
    if (l->folder[0] && !files_remove(where->root, l->folder, &ignored))
        log_warn("%s could not be removed: %s", l->folder, ignored.text);
    if (l->made) { /* a look at a volume leaves nothing on it */
        int parent = files_dir(where->root, STATE_PARENT, false, 0755, &ignored);
        if (parent >= 0) {
            unlinkat(parent, text_basename(INSTALL_STATE), AT_REMOVEDIR);
            close(parent);
            if (l->made_parent)
                unlinkat(where->root, STATE_PARENT, AT_REMOVEDIR);
        }
    }
}

static bool lay_down(const struct script_place *where, struct arena *a, const char *key, const char *text,
                     struct laid *l, struct err *e)
{
    size_t len = strlen(text);
    struct err ignored;
    struct stat st;
    int dir = -1, fd = -1;
    bool ok = false;

    *l = (struct laid){.path = NULL};
    if (len > LIMIT_SCRIPT_TEXT)
        return err_set(e, ERR_LIMIT, CAUSE_SCRIPT, "%s is longer than %zu bytes", key,
                       (size_t)LIMIT_SCRIPT_TEXT);
    char *body = arena_alloc(a, len + 1);
    len = unix_lines(body, text, len);
    if (!check_interpreter(key, body, len, e))
        return false;
    l->made = !files_stat(where->root, INSTALL_STATE, &st, &ignored);
    l->made_parent = !files_stat(where->root, STATE_PARENT, &st, &ignored);
    dir = files_temp_dir(where->root, INSTALL_STATE, SCRIPT_PREFIX, l->folder, sizeof l->folder, e);
    if (dir < 0) {
        err_wrap(e, "%s", key);
        goto out;
    }
    fd = files_create(dir, key, where->user ? 0755 : 0700, e);
    if (fd < 0 || !files_write(fd, body, len, e)) {
        err_wrap(e, "%s", key);
        goto out;
    }
    if (where->user && fchmod(dir, 0711) != 0) {
        err_sys(e, "%s", l->folder);
        goto out;
    }
    l->path = arena_printf(a, "%s/%s/%s", where->root_path, l->folder, key);
    ok = true;
out:
    if (fd >= 0)
        close(fd); /* an open writer would make execution fail (ETXTBSY) */
    if (dir >= 0)
        close(dir);
    if (!ok)
        take_away(where, l);
    return ok;
}

bool script_run(const struct script_place *where, const char *key, const char *text, struct buf *out,
                int *code, struct err *e)
{
    struct arena *a = arena_open();
    struct laid l;
    bool ok;

    *code = -1;
    ok = lay_down(where, a, key, text, &l, e);
    if (ok) {
        ok = run_path(where, key, l.path, out, code, e);
        take_away(where, &l);
    }
    arena_free(a);
    return ok;
}

/* --- a script that is not waited for ----------------------------------------------------------------------
 */

struct script {
    struct script_place where;
    struct running running;
    struct arena *a;
    struct laid laid;
    struct child *child;
    uint64_t timeout_ms;
};

static void drop(struct script *s)
{
    take_away(&s->where, &s->laid);
    arena_free(s->a);
}

struct script *script_start(const struct script_place *where, const char *key, const char *text,
                            struct err *e)
{
    struct arena *a = arena_open();
    struct script *s = arena_alloc(a, sizeof *s);
    struct child_spec spec;

    s->a = a;
    s->where = *where;
    s->running = (struct running){&s->where, key};
    if (!lay_down(where, a, key, text, &s->laid, e)) {
        arena_free(a);
        return NULL;
    }
    if (fill_spec(&spec, &s->running, a, s->laid.path, NULL, e)) {
        s->timeout_ms = spec.timeout_ms;
        s->child = child_start(where->loop, &spec, e);
    }
    if (!s->child) {
        if (e)
            e->cause = CAUSE_SCRIPT;
        err_wrap(e, "%s", key);
        drop(s);
        return NULL;
    }
    return s;
}

bool script_done(const struct script *s)
{
    return child_done(s->child);
}

bool script_end(struct script *s, int *code, struct err *e)
{
    struct child_end end = {.exit_code = -1};
    bool ok = true;

    if (!script_done(s)) { /* its folder stays for it; the next run waits for it and clears up */
        *code = -1;
        err_set(e, ERR_STOPPED, CAUSE_STOPPED, "%s was left running", s->running.key);
        child_leave(s->child);
        arena_free(s->a);
        return false;
    }
    child_free(s->child, &end);
    if (end.timed_out)
        ok =
            err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "no end after %llu ms", (unsigned long long)s->timeout_ms);
    ok = judge(s->running.key, ok, &end, code, e);
    drop(s);
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
