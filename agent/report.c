/* report: see the header. */
#include "agent/report.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include <fcntl.h>

#define NAME     "ManagedInstallReport"
#define ARCHIVES 100

struct report {
    struct arena *arena;
    int data, logs;
    struct value *dict, *errors, *warnings, *installs, *removals;
};

static time_t now(void)
{
    time_t t;
    int ms;
    os_realtime(&t, &ms);
    return t;
}

struct report *report_open(int data, int logs, const char *run_type)
{
    struct arena *a = arena_open();
    struct report *r = arena_alloc(a, sizeof *r);
    r->arena = a;
    r->data = data;
    r->logs = logs;
    r->dict = value_new_dict(a);
    r->errors = value_new_array(a);
    r->warnings = value_new_array(a);
    r->installs = value_new_array(a);
    r->removals = value_new_array(a);
    value_set(a, r->dict, "StartTime", value_new_date(a, now()));
    report_set_text(r, "RunType", run_type);
    report_set_text(r, "ManagedInstallVersion", DAYBREAK_VERSION);
    return r;
}

void report_free(struct report *r)
{
    if (r != NULL) {
        arena_free(r->arena);
    }
}

void report_set(struct report *r, const char *key, const struct value *v)
{
    value_set(r->arena, r->dict, key, v);
}

void report_set_text(struct report *r, const char *key, const char *text)
{
    value_set(r->arena, r->dict, key, value_new_str(r->arena, text));
}

void report_error(struct report *r, const char *text)
{
    value_append(r->arena, r->errors, value_new_str(r->arena, text));
}

void report_warning(struct report *r, const char *text)
{
    value_append(r->arena, r->warnings, value_new_str(r->arena, text));
}

void report_plan(struct report *r, const struct plan *p)
{
    report_set(r, "ManagedInstalls", p->managed_installs);
    report_set(r, "InstalledItems", p->installed_items);
    report_set(r, "ProblemInstalls", p->problem_items);
    report_set(r, "RemovedItems", p->removed_items);
    report_set(r, "managed_installs_list", p->processed_installs);
    report_set(r, "managed_uninstalls_list", p->processed_uninstalls);
    report_set(r, "managed_updates_list", p->managed_updates);
    report_set(r, "ItemsToInstall", value_get(p->install_info, "managed_installs"));
    report_set(r, "ItemsToRemove", value_get(p->install_info, "removals"));
}

static void log_line(struct report *r, const char *text)
{
    char stamp[40], line[1200];
    time_t t;
    int ms;
    struct err e;
    if (r->logs < 0) {
        return;
    }
    os_realtime(&t, &ms);
    text_local(stamp, t, ms);
    char *sep = strchr(stamp, 'T');
    if (sep != NULL) {
        *sep = ' ';
    }
    int n = snprintf(line, sizeof line, "%s %s\n", stamp, text);
    int fd = openat(r->logs, "Install.log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || n <= 0 ||
        !files_write(fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1, &e)) {
        log_warn("Install.log cannot be written");
    }
    if (fd >= 0) {
        close(fd);
    }
}

void report_result(struct report *r, const struct report_result *res)
{
    struct arena *a = r->arena;
    struct value *d = value_new_dict(a);
    const char *name = res->pkg->display_name != NULL ? res->pkg->display_name : res->pkg->name;
    const char *what = res->removal ? "Removal" : "Install";
    value_set(a, d, "display_name", value_new_str(a, name));
    value_set(a, d, "name", value_new_str(a, res->pkg->name));
    value_set(a, d, "status", value_new_int(a, res->status));
    value_set(a, d, "time", value_new_date(a, now()));
    value_set(a, d, "unattended", value_new_bool(a, res->unattended));
    if (!res->removal) {
        value_set(a, d, "version", value_new_str(a, res->pkg->version));
        value_set(a, d, "applesus", value_new_bool(a, false));
        value_set(a, d, "duration_seconds", value_new_int(a, res->seconds));
        value_set(a, d, "download_kbytes_per_sec", value_new_int(a, res->kb_per_second));
        if (res->signature != NULL && res->signature[0] != '\0') {
            value_set(a, d, "signature", value_new_str(a, res->signature));
        }
        if (res->team_id != NULL && res->team_id[0] != '\0') {
            value_set(a, d, "team_id", value_new_str(a, res->team_id));
        }
    }
    value_append(a, res->removal ? r->removals : r->installs, d);
    const char *dash = res->removal ? "" : "-", *version = res->removal ? "" : res->pkg->version;
    if (res->status == 0) {
        log_line(r, arena_printf(a, "%s of %s%s%s: SUCCESSFUL", what, name, dash, version));
    } else {
        log_line(r, arena_printf(a, "%s of %s%s%s: FAILED with return code: %d", what, name, dash, version,
                                 res->status));
    }
}

struct old { /* archives found, in the order of their names, which is the order of time */
    int data;
    size_t count, seen;
};

static bool archived(const char *name)
{
    return text_starts(name, NAME "-") && text_ends(name, ".plist");
}

static bool count_one(void *ctx, const char *name, const struct stat *st)
{
    struct old *o = ctx;
    (void)st;
    o->count += archived(name);
    return true;
}

static bool drop_one(void *ctx, const char *name, const struct stat *st)
{
    struct old *o = ctx;
    char path[300];
    struct err e;
    (void)st;
    if (archived(name)) {
        snprintf(path, sizeof path, "Archives/%s", name);
        if (o->seen++ + ARCHIVES < o->count && !files_remove(o->data, path, &e)) {
            log_debug("%s: %s", path, e.text);
        }
    }
    return true;
}

static bool archive_old(struct report *r, struct err *e)
{
    char to[100];
    struct stat st;
    struct tm tm;
    struct old o = {.data = r->data};
    if (!files_stat(r->data, NAME ".plist", &st, e)) {
        return e->kind == ERR_NOT_FOUND;
    }
    if (localtime_r(&st.st_mtime, &tm) == NULL) {
        return true;
    }
    snprintf(to, sizeof to, "Archives/" NAME "-%04d-%02d-%02d-%02d%02d%02d.plist", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return files_rename(r->data, NAME ".plist", to, e) && files_list(r->data, "Archives", count_one, &o, e) &&
           files_list(r->data, "Archives", drop_one, &o, e);
}

bool report_write(struct report *r, bool archive, struct err *e)
{
    struct arena *a = r->arena;
    struct buf b;
    value_set(a, r->dict, "EndTime", value_new_date(a, now()));
    value_set(a, r->dict, "Errors", r->errors);
    value_set(a, r->dict, "Warnings", r->warnings);
    value_set(a, r->dict, "InstallResults", r->installs);
    value_set(a, r->dict, "RemovalResults", r->removals);
    buf_init(&b, LIMIT_PLIST);
    bool ok = (!archive || archive_old(r, e)) && props_encode(r->dict, &b, e) &&
              files_replace(r->data, NAME ".plist", b.data, b.len, 0644, FILES_DURABLE, e);
    buf_release(&b);
    return ok || err_wrap(e, NAME ".plist");
}
