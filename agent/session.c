/* session: see the header. The order matters: nothing is written before the lock is ours, nothing is logged
 * to the file before the log folder is known, and watchers are told of a run only when there is one. */
#include "agent/session.h"
#include "agent/depnotify.h"
#include "agent/events.h"
#include "agent/marker.h"
#include "agent/pace.h"
#include "agent/request.h"
#include "agent/restart.h"
#include "agent/splashbuddy.h"
#include "agent/status.h"
#include "agent/swiftdialog.h"
#include "agent/terminal.h"
#include "core/files.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include <poll.h>

enum { LOOK_MS = 2000 };

static bool is_splashbuddy(void *ctx, pid_t pid, const char *path)
{
    bool *seen = ctx;
    (void)pid;
    *seen = text_ends(path, SPLASHBUDDY_READER);
    return !*seen;
}

static void add(struct session *s, bool ok, struct progress_writer *w, const struct err *e)
{
    if (ok) {
        progress_add(s->progress, *w);
    } else {
        log_warn("%s: left out for this run", e->text);
    }
}

/* Who watches starts when the desktop is there, dies and is started again: it is told what holds then. */
static void look_for_readers(void *ctx)
{
    struct session *s = ctx;
    progress_look(s->progress, s->target.live ? "/" : s->target.root_path);
    loop_after(s->loop, LOOK_MS, look_for_readers, s);
}

static void open_writers(struct session *s)
{
    const struct options *o = s->options;
    const struct prefs *p = &s->prefs;
    struct progress_writer w;
    struct err e;
    if (o->json) {
        events_stream(STDOUT_FILENO, &w);
    } else {
        terminal_open(s->loop, STDOUT_FILENO, o->quiet, &w);
    }
    progress_add(s->progress, w);
    status_open(s->loop, s->target.state, &w);
    progress_add(s->progress, w);
    add(s, events_open(s->logs, &w, &e), &w, &e);
    marker_open(s->target.state, &w);
    progress_add(s->progress, w);
    if (p->splashbuddy_log != NULL) {
        bool reading = false;
        if (s->target.live) {
            os_processes(is_splashbuddy, &reading);
        }
        add(s, splashbuddy_open(s->target.root, p->splashbuddy_log, reading, &w, &e), &w, &e);
    }
    if (p->depnotify_file != NULL) {
        add(s, depnotify_open(s->target.root, p->depnotify_file, &w, &e), &w, &e);
    }
    if (p->dialog_command_file != NULL) {
        add(s,
            swiftdialog_open(s->target.root, p->dialog_command_file,
                             p->dialog_inspect ? SWIFTDIALOG_INSPECT_ITEMS : SWIFTDIALOG_LIST, &w, &e),
            &w, &e);
    }
    if (p->dialog_trigger_file != NULL) {
        add(s, swiftdialog_open(s->target.root, p->dialog_trigger_file, SWIFTDIALOG_INSPECT_TRIGGER, &w, &e),
            &w, &e);
    }
    bool watched = p->splashbuddy_log != NULL || p->depnotify_file != NULL ||
                   p->dialog_command_file != NULL || p->dialog_trigger_file != NULL;
    if (watched && (s->target.live || o->tools != NULL)) {
        look_for_readers(s);
    }
}

static void child_started(void *ctx, pid_t pid, const char *what)
{
    struct session *s = ctx;
    struct err e;
    if (!journal_child(s->journal, pid, os_process_start(pid), what, &e)) {
        log_warn("%s", e.text);
    }
}

static void fill_env(struct session *s)
{
    struct install_env *env = &s->env;
    *env = (struct install_env){.loop = s->loop,
                                .root = s->target.root,
                                .root_path = s->target.root_path,
                                .live = s->target.live,
                                .run_scripts = s->options->run_scripts,
                                .as_root = geteuid() == 0,
                                .state = s->target.state,
                                .cache = s->target.cache,
                                .tools = s->options->tools,
                                .allow_missing_hash = s->prefs.allow_missing_hash,
                                .install_rosetta = s->prefs.install_rosetta,
                                .item_timeout_ms = (uint64_t)s->prefs.item_timeout_s * 1000,
                                .child_started = child_started,
                                .ctx = s};
    env->cache_path =
        target_path(s->arena, &s->target, arena_printf(s->arena, "%s/Cache", s->target.data_path));
}

static void set_levels(const struct options *o, const struct prefs *p)
{
    enum log_level file = LOG_LEVEL_INFO, terminal = LOG_LEVEL_WARN;
    if (p->logging_level >= 2) {
        file = p->logging_level == 2 ? LOG_LEVEL_DEBUG : LOG_LEVEL_TRACE;
    }
    if (o->quiet) {
        terminal = LOG_LEVEL_ERROR;
    } else if (o->verbosity > 0) {
        terminal = (enum log_level)(LOG_LEVEL_WARN + (o->verbosity > 3 ? 3 : o->verbosity));
    }
    log_levels(file > terminal ? file : terminal, terminal);
    log_copy(p->log_to_syslog ? log_syslog : NULL);
}

static void requested(void *ctx, int fd, short revents)
{
    struct session *s = ctx;
    time_t now;
    int ms;
    (void)revents;
    os_realtime(&now, &ms);
    request_answer(s->target.state, fd, now, true);
}

static bool restart_happened(struct session *s)
{
    struct restart x;
    restart_look(s, &x);
    return x.state == RESTART_HAPPENED;
}

/* Until the plan was once completed everything is; afterwards what AfterSuccess says, and requests. */
static bool is_due(struct session *s)
{
    struct err e;
    int granted = 0, ms;
    time_t now;
    bool done = journal_completed(s->journal);
    bool open = !done || s->prefs.after_success == PREFS_AFTER_SCHEDULE;
    const struct pace_rule rule = {s->prefs.max_runs_per_day, done ? s->prefs.run_interval_s : 0};
    s->listener_count = s->target.live ? os_activated_sockets(REQUEST_NAME, s->listeners, 4) : 0;
    os_realtime(&now, &ms);
    int64_t wait = open && !s->options->checkonly ? pace_wait(s->target.state, &rule, now) : 0;
    if (wait > 0 && restart_happened(s)) {
        wait = 0; /* the run was waiting for exactly this */
    }
    if (wait > 0) {
        log_info("the next automatic run is due in %lld s", (long long)wait);
        open = false;
    }
    for (size_t i = 0; i < s->listener_count; i++) {
        granted += request_answer(s->target.state, s->listeners[i], now, open);
        loop_watch(s->loop, s->listeners[i], POLLIN, requested, s);
    }
    if ((open || granted > 0) && !s->options->checkonly && !pace_note(s->target.state, now, &e)) {
        log_warn("%s", e.text);
    }
    return open || granted > 0;
}

/* Has launchd started us, or a test that plays it? */
static bool by_launchd(const struct options *o)
{
    return o->automatic && (strcmp(o->root, "/") == 0 || o->tools != NULL);
}

void session_hold(struct session *s)
{
    uint64_t until = loop_now(s->loop) + SESSION_HOLD_MS;
    while (by_launchd(s->options) && loop_stops(s->loop, NULL) == 0 && loop_now(s->loop) < until) {
        loop_turn(s->loop, until - loop_now(s->loop));
    }
}

/* Somebody's run ends some time: what launchd started goes on then. */
static bool take_lock(struct session *s, struct err *e)
{
    uint64_t until = loop_now(s->loop) + SESSION_HOLD_MS;
    for (;;) {
        s->lock = lock_take(s->target.state, &s->holder, e);
        if (s->lock >= 0 || s->holder.pid == 0 || !by_launchd(s->options) || loop_now(s->loop) >= until ||
            loop_stops(s->loop, NULL) > 0) {
            return s->lock >= 0;
        }
        uint64_t next = loop_now(s->loop) + LOOK_MS;
        while (loop_now(s->loop) < next && loop_stops(s->loop, NULL) == 0) {
            loop_turn(s->loop, next - loop_now(s->loop));
        }
    }
}

/* The preferences; where they make no sense an automatic run goes on to say so, with the defaults. */
static bool load_preferences(struct session *s, struct err *e)
{
    const struct options *o = s->options;
    if (prefs_load(s->arena, o, s->target.root, s->loop, &s->prefs, e)) {
        return true;
    }
    s->refusal = *e;
    return o->automatic && o->prefs == NULL && prefs_defaults(s->arena, o, s->target.root, &s->prefs, e);
}

int session_prepare(struct session *s, const struct options *o, struct err *e)
{
    *s = (struct session){.options = o, .lock = -1, .logs = -1};
    s->target.root = s->target.data = s->target.manifests = s->target.catalogs = s->target.cache =
        s->target.state = -1;
    s->arena = arena_open();
    s->loop = loop_open();
    if (strcmp(o->root, "/") == 0 && geteuid() != 0) {
        err_set(e, ERR_USAGE, CAUSE_NONE, "only root may change this Mac: use sudo");
        return EXIT_NOT_ROOT;
    }
    if (o->clock != NULL && !loop_clock(s->loop, o->clock, e)) {
        return EXIT_USAGE;
    }
    if (!target_open(s->arena, o, &s->target, e)) {
        return e->kind == ERR_USAGE ? EXIT_USAGE : EXIT_DIRECTORIES;
    }
    if (!load_preferences(s, e)) {
        return EXIT_USAGE;
    }
    set_levels(o, &s->prefs);
    if (!target_dirs(s->arena, o, &s->prefs, true, &s->target, e)) {
        return EXIT_DIRECTORIES;
    }
    if (!take_lock(s, e)) {
        return s->holder.pid != 0 ? EXIT_LOCKED : EXIT_DIRECTORIES;
    }
    if (!facts_identity(s->arena, o, &s->target, s->loop, &s->facts, e)) {
        return EXIT_USAGE;
    }
    s->journal = journal_open(s->target.state, s->facts.hardware_id, e);
    return s->journal != NULL ? 0 : EXIT_DIRECTORIES;
}

bool session_log(struct session *s, struct err *e)
{
    s->logs = files_dir(s->target.root, TARGET_LOGS, true, 0755, e);
    return s->logs >= 0 && log_open(s->logs, "daybreak.log", e);
}

int session_open(struct session *s, const struct options *o, struct err *e)
{
    int code = session_prepare(s, o, e);
    if (code != 0) {
        return code;
    }
    s->run_type = o->checkonly                    ? "manualcheck"
                  : !o->automatic                 ? "custom"
                  : journal_completed(s->journal) ? "auto"
                                                  : "checkandinstallatstartup";
    if (o->automatic && !is_due(s)) {
        s->nothing_due = true;
        return 0;
    }
    if (!lock_tell(s->target.state, e) || !session_log(s, e)) {
        return EXIT_DIRECTORIES;
    }
    log_info("daybreak " DAYBREAK_VERSION " run (%s), target %s", s->run_type, s->target.root_path);
    if (s->facts.machine_info == NULL && !facts_load(s->arena, o, &s->target, s->loop, &s->facts, e)) {
        return EXIT_USAGE;
    }
    fill_env(s);
    if (!s->env.as_root && !s->target.live && !o->checkonly) {
        log_warn("only root can give files to others: the owners that packages ask for are recorded in Bom "
                 "and receipt, and not applied");
    }
    s->report = report_open(s->target.data, s->logs, s->run_type);
    s->progress = progress_open(s->loop, o->automatic ? "auto" : "manual");
    open_writers(s);
    return 0;
}

bool session_reload(struct session *s, struct err *e)
{
    struct prefs fresh;
    if (!prefs_load(s->arena, s->options, s->target.root, s->loop, &fresh, e)) {
        return false;
    }
    if (strcmp(fresh.managed_install_dir, s->prefs.managed_install_dir) != 0) {
        log_warn("ManagedInstallDir was changed during the run: %s counts from the next run on",
                 fresh.managed_install_dir);
        fresh.managed_install_dir = s->prefs.managed_install_dir;
    }
    s->prefs = fresh;
    set_levels(s->options, &s->prefs);
    fill_env(s);
    return true;
}

void session_close(struct session *s)
{
    progress_free(s->progress);
    report_free(s->report);
    journal_free(s->journal);
    log_close();
    if (s->logs >= 0) {
        close(s->logs);
    }
    if (s->lock >= 0) {
        close(s->lock);
    }
    for (size_t i = 0; i < s->listener_count; i++) {
        close(s->listeners[i]);
    }
    target_close(&s->target);
    loop_free(s->loop);
    arena_free(s->arena);
}
