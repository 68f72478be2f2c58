/* Munki's scripts find Munki's directory by its preference and write there; ours may write to our own.
 * Nothing is ever written or removed below Munki's: its file is believed when it changed while the scripts
 * ran, because what an earlier run left says nothing of today. */
#include "agent/conditions.h"

#include "agent/hook.h"
#include "agent/plistfile.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"

#define FILE_NAME "ConditionalItems.plist"

/* --- the scripts --------------------------------------------------------------------------------------- */

struct scripts {
    struct arena *a;
    const char **names;
    size_t count, room;
};

static bool add_script(void *ctx, const char *name, const struct stat *st)
{
    struct scripts *s = ctx;
    if (name[0] == '.' || !S_ISREG(st->st_mode))
        return true;
    if (s->count == s->room) {
        const char **more = arena_array(s->a, s->room * 2 + 16, sizeof *more);
        if (s->count > 0)
            memcpy(more, s->names, s->count * sizeof *more);
        s->names = more;
        s->room = s->room * 2 + 16;
    }
    s->names[s->count++] = arena_strdup(s->a, name);
    return true;
}

static void condition_line(void *ctx, bool is_stderr, const char *line)
{
    (void)is_stderr;
    log_info("condition %s: %s", (const char *)ctx, line);
}

static void run_all(struct arena *a, const struct conditions_place *p)
{
    const struct target *t = p->target;
    static const char *const places[] = {"usr/local/daybreak/conditions", "usr/local/munki/conditions"};
    struct scripts s = {.a = a};
    struct err e;
    int dir = -1;
    const char *place = NULL;
    for (size_t i = 0; dir < 0 && i < sizeof places / sizeof places[0]; i++) {
        place = places[i];
        dir = files_dir(t->root, place, false, 0, &e);
        if (dir < 0 && e.kind != ERR_NOT_FOUND)
            log_warn("conditions: /%s: %s", place, e.text);
    }
    if (dir < 0)
        return;
    if (!files_list(dir, "", add_script, &s, &e))
        log_warn("conditions: /%s: %s", place, e.text);
    for (size_t i = 0; i < s.count; i++) {
        char root[LIMIT_PATH + 32];
        struct child_end end;
        if (!hook_allowed(dir, s.names[i], &e)) {
            log_warn("condition %s is not executed: %s", s.names[i], e.text);
            continue;
        }
        snprintf(root, sizeof root, "DAYBREAK_ROOT=%s", t->root_path);
        const char *argv[] = {target_path(a, t, arena_printf(a, "%s/%s", place, s.names[i])), NULL};
        const char *env[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=en_US.UTF-8", root, NULL};
        union {
            const char *name;
            void *ctx;
        } line = {s.names[i]};
        struct child_spec spec = {.argv = argv,
                                  .env = env,
                                  .dir = -1,
                                  .timeout_ms = p->timeout_ms,
                                  .line = condition_line,
                                  .ctx = line.ctx};
        if (!child_run(p->loop, &spec, &end, &e))
            log_warn("condition %s: %s", s.names[i], e.text);
    }
    close(dir);
}

/* --- what they left ------------------------------------------------------------------------------------ */

struct mark { /* a file before the scripts ran */
    bool there;
    struct stat st;
    struct buf bytes;
};

static void look(const struct target *t, const char *path, struct mark *m)
{
    struct err e;
    buf_init(&m->bytes, LIMIT_PLIST);
    m->there = files_stat(t->root, path, &m->st, &e) && S_ISREG(m->st.st_mode) &&
               files_read(t->root, path, &m->bytes, &e);
}

static bool changed(const struct mark *before, const struct mark *after)
{
    return after->there &&
           (!before->there || before->st.st_ino != after->st.st_ino ||
            before->st.st_dev != after->st.st_dev || before->st.st_mtime != after->st.st_mtime ||
            before->bytes.len != after->bytes.len ||
            memcmp(buf_str(&before->bytes), buf_str(&after->bytes), after->bytes.len) != 0);
}

/* Munki's directory as a path below the root, or NULL when our own is the same. */
static const char *munki_file(struct arena *a, const struct conditions_place *p)
{
    struct stat theirs, ours;
    struct err e;
    if (p->munki_dir == NULL || p->munki_dir[0] != '/')
        return NULL;
    if (files_stat(p->target->root, p->munki_dir + 1, &theirs, &e) && fstat(p->target->data, &ours) == 0 &&
        theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
        return NULL;
    return arena_printf(a, "%s/" FILE_NAME, p->munki_dir + 1);
}

static void overlay(struct arena *a, struct value *all, const struct value *over)
{
    for (size_t i = 0; i < value_count(over); i++)
        value_set(a, all, value_key(over, i), value_at(over, i));
}

/* A dictionary, or nothing after a warning. */
static bool take(struct arena *a, int dir, const char *path, struct value *all)
{
    struct err e;
    const struct value *v = plistfile_dict(a, dir, path, LIMIT_PLIST, &e);
    if (v != NULL)
        overlay(a, all, v);
    else if (e.kind != ERR_NOT_FOUND)
        log_warn("conditions: %s", e.text);
    return v != NULL;
}

bool conditions_run(struct arena *a, const struct conditions_place *p, const struct value **said,
                    struct err *e)
{
    struct value *all = value_new_dict(a);
    const char *theirs = munki_file(a, p);
    struct mark before = {.there = false}, after = {.there = false};
    struct err why;
    *said = all;
    if (!files_remove(p->target->data, FILE_NAME, e))
        return false;
    if (theirs != NULL)
        look(p->target, theirs, &before);
    run_all(a, p);
    if (theirs != NULL) {
        look(p->target, theirs, &after);
        if (changed(&before, &after) && take(a, p->target->root, theirs, all))
            log_info("conditions: taken from /%s, which stays as Munki's scripts wrote it", theirs);
        buf_release(&before.bytes);
        buf_release(&after.bytes);
    }
    if (take(a, p->target->data, FILE_NAME, all) && !files_remove(p->target->data, FILE_NAME, &why))
        log_warn("conditions: %s", why.text);
    return true;
}
