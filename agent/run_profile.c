/* run_profile: items that wait for a configuration profile. Since macOS 11 only MDM brings one silently, so
 * an item whose profile is not there is put aside, and the others go on; it is looked at again after each of
 * them, and at the end, where an automatic run waits WAIT_MS for all of them together. Then it is deferred,
 * or fails where it is critical. Whatever stands on it waits with it.
 *
 * Of an item that is itself a profile two things can be done meanwhile, both once a run: MDM is asked for it
 * by way of the administrator's server (ProfileForwardURL), and the person at the desktop is shown it for
 * approval (daybreak.user_approval). Neither says when, or whether, it will be there. */
#include "agent/network.h"
#include "agent/run_internal.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "installer/profile.h"
#include "installer/tool.h"
#include <jansson.h>

#define SHOWN "profiles" /* below the state folder: copies that a user may read */
enum { WAIT_MS = 600000, LOOK_MS = 5000, OPEN_MS = 30000, CONNECT_MS = 5000, ANSWER_MS = 10000 };

/* --- asking for it -------------------------------------------------------------------------------------- */

static bool post(struct run *r, const char *text, struct err *e)
{
    struct session *s = r->s;
    struct fetch_policy policy;
    static const char *const none[] = {NULL}, *const headers[] = {"Content-Type: application/json", NULL};
    network_policy(repo_network(decide_repo(r->decide)), &policy);
    policy.headers = none;
    policy.connect_ms = CONNECT_MS;
    policy.first_byte_ms = policy.stall_ms = ANSWER_MS;
    policy.attempts = 1;
    struct fetch *f = fetch_open(s->loop, &policy, e);
    bool ok = f != NULL && fetch_post(f, s->prefs.profile_forward_url, headers, text, strlen(text), e);
    fetch_free(f);
    return ok || (f != NULL && e->code == 409); /* it has been asked before */
}

static bool forward(struct run *r, const struct run_row *row)
{
    const struct facts *f = &r->s->facts;
    struct err e;
    json_t *o = json_object();
    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "identifier", json_string(row->awaits));
    json_object_set_new(o, "uuid", json_string(row->awaits_uuid));
    json_object_set_new(o, "serial_number", json_string(f->serial));
    json_object_set_new(o, "hardware_uuid", json_string(f->hardware_id));
    char *text = json_dumps(o, JSON_COMPACT);
    bool ok = text != NULL && post(r, text, &e);
    if (ok)
        log_info("profile %s: the server was asked to have MDM install it", row->awaits);
    else
        log_warn("profile %s: the server could not be asked for it: %s", row->awaits,
                 text != NULL ? e.text : "it has no name that can be said");
    free(text);
    json_decref(o);
    return ok;
}

/* A copy that everybody may read, because Cache is root's alone. NULL: *e. */
static const char *shown_copy(struct run *r, const struct run_row *row, int file, struct err *e)
{
    struct session *s = r->s;
    const char *name =
        arena_printf(s->arena, "%s.mobileconfig", progress_now(s->progress)->items[row->index].id);
    struct buf b;
    buf_init(&b, LIMIT_PROFILE);
    int dir = files_dir(s->target.state, SHOWN, true, 0755, e);
    bool ok = dir >= 0 && (lseek(file, 0, SEEK_SET) == 0 || err_sys(e, "seek")) &&
              files_read_fd(file, &b, e) && files_replace(dir, name, b.data, b.len, 0644, FILES_LAZY, e);
    if (dir >= 0)
        close(dir);
    buf_release(&b);
    return ok ? target_path(s->arena, &s->target,
                            arena_printf(s->arena, "/" TARGET_STATE "/" SHOWN "/%s", name))
              : NULL;
}

static bool show(struct run *r, const struct run_row *row, int file)
{
    struct session *s = r->s;
    const struct console *who = run_console(r);
    struct child_end end;
    struct err e;
    char why[64];
    if (who->state != CONSOLE_USER)
        return false;
    const char *path = shown_copy(r, row, file, &e);
    const char *open[] = {tool_path_here(s->arena, s->options->tools, s->target.live, TOOL_OPEN, &e), "-b",
                          "com.apple.systempreferences", path, NULL};
    const char *const *argv = path != NULL && open[0] != NULL ? console_command(s->arena, s->options->tools,
                                                                                s->target.live, who, open, &e)
                                                              : NULL;
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = OPEN_MS};
    bool ok = argv != NULL && child_run(s->loop, &spec, &end, &e);
    if (ok && end.exit_code != 0)
        ok = err_set(&e, ERR_CHILD, CAUSE_PROFILE, "open %s", child_end_text(&end, why, sizeof why));
    if (ok)
        log_info("profile %s is shown to %s, who can approve it in System Settings", row->awaits, who->name);
    else
        log_warn("profile %s could not be shown to %s: %s", row->awaits, who->name, e.text);
    return ok;
}

/* --- waiting -------------------------------------------------------------------------------------------- */

static const struct run_row *first_waiting(const struct run *r)
{
    for (int i = 0; i < r->count; i++)
        if (!r->rows[i].over && r->rows[i].awaits != NULL)
            return &r->rows[i];
    return NULL;
}

bool run_await(struct run *r, struct run_row *row, const char *identifier, const char *reason)
{
    if (r->profiles_until == 0)
        r->profiles_until = loop_now(r->s->loop) + (r->s->options->automatic ? WAIT_MS : 0);
    if (r->profiles_given_up)
        return false;
    row->awaits = arena_strdup(r->s->arena, identifier);
    row->awaits_why = arena_strdup(r->s->arena, reason);
    log_info("waits for %s", reason);
    progress_item(r->s->progress, row->index, STATE_WAITING, row->awaits_why);
    return true;
}

const char *run_await_mdm(struct run *r, struct run_row *row, const struct install_outcome *out, int file)
{
    const struct prefs *p = &r->s->prefs;
    row->awaits = arena_strdup(r->s->arena, out->awaits.identifier);
    row->awaits_uuid = arena_strdup(r->s->arena, out->awaits.uuid);
    if (p->profile_forward_url != NULL && !row->forwarded)
        row->forwarded = forward(r, row);
    if (row->pkg->user_approval && out->awaits.mdm_only[0] != '\0')
        log_warn("profile %s is not shown for approval: only MDM may install its payload %s", row->awaits,
                 out->awaits.mdm_only);
    else if (row->pkg->user_approval && !row->shown)
        row->shown = show(r, row, file);
    const char *also = row->forwarded && row->shown ? "; MDM was asked for it, and the user may approve it"
                       : row->forwarded             ? "; MDM was asked for it through ProfileForwardURL"
                       : row->shown                 ? "; it was shown to the user for approval"
                                                    : "";
    return arena_printf(r->s->arena, "%s%s", out->reason, also);
}

/* Those whose profile has come, and what stood on them; at the end of the wait all. */
static void look(struct run *r)
{
    for (int i = 0; i < r->count && !run_stopped(r); i++) {
        struct run_row *row = &r->rows[i];
        if (row->over || !(row->awaits != NULL || row->held))
            continue;
        if (row->awaits != NULL && !r->profiles_given_up && !run_has_profile(r, row->awaits))
            continue;
        row->awaits = NULL;
        row->held = false;
        run_row_work(r, row);
    }
}

static bool nobody_there(struct run *r)
{
    enum console_state now = run_console(r)->state;
    return now == CONSOLE_NOBODY || now == CONSOLE_SETUP;
}

void run_profiles(struct run *r, bool wait, bool for_a_person)
{
    struct session *s = r->s;
    const struct run_row *row;
    look(r);
    while (wait && (row = first_waiting(r)) != NULL && !run_stopped(r)) {
        uint64_t next = loop_now(s->loop) + LOOK_MS;
        bool over = loop_now(s->loop) >= r->profiles_until;
        if (for_a_person && (over || !nobody_there(r)))
            break;
        r->profiles_given_up = over;
        progress_wait(s->progress,
                      over ? NULL : arena_printf(s->arena, "configuration profile %s", row->awaits));
        while (!over && loop_now(s->loop) < next && !run_stopped(r))
            loop_turn(s->loop, next - loop_now(s->loop));
        look(r);
    }
    progress_wait(s->progress, NULL);
}
