/* doctor_here: what lies on the target volume. Everything is looked at without following links, as a run
 * does, so that a link where a folder should be shows here first. */
#include "agent/doctor.h"
#include "agent/journal.h"
#include "agent/lock.h"
#include "agent/repo.h"
#include "agent/status.h"
#include "agent/webhook.h"
#include "core/files.h"
#include "core/os.h"

#define ROOM_BYTES ((unsigned long long)2 * 1024 * 1024 * 1024)

/* --- preferences ---------------------------------------------------------------------------------------- */

void doctor_preferences(struct doctor *d)
{
    bool fine = true;
    for (size_t i = 0; i < d->prefs.entry_count; i++) {
        const struct prefs_entry *p = &d->prefs.entries[i];
        bool set = p->value != NULL && p->source != PREFS_DEFAULT;
        if (set && p->readable) {
            fine = false;
            doctor_say(d, DOCTOR_PROBLEM, "secrets",
                       "put it into a file that only root can read, and name that file in SecretsFile",
                       "%s: %s stands where every local user can read it", p->path, p->key);
        }
        if (set && !p->effective)
            doctor_say(d, DOCTOR_NOTE, "preferences", "", "%s: %s has no effect in this version", p->path,
                       p->key);
        if (p->other != NULL && strcmp(p->domain, p->other_domain) != 0 && p->source != PREFS_OPTION &&
            p->source != PREFS_SECRETS)
            doctor_say(d, DOCTOR_NOTE, "preferences", "let one of the two places say it",
                       "%s: %s and %s disagree; the first counts", p->key, p->path, p->other_path);
    }
    if (d->prefs.repo_url == NULL && d->prefs.manifest_url == NULL &&
        repo_bootstrap_url(d->options, &d->prefs) == NULL) {
        fine = false;
        doctor_say(d, DOCTOR_PROBLEM, "preferences",
                   "set SoftwareRepoURL in a profile for " DAYBREAK_DOMAIN
                   ", or check that the profile has arrived",
                   "no repository is configured: SoftwareRepoURL is set in no preference domain");
    }
    if (!d->prefs.managed_seen && d->options->prefs == NULL)
        doctor_say(d, DOCTOR_NOTE, "preferences", "if a profile should be here: sudo profiles show",
                   "no profile for " DAYBREAK_DOMAIN " or ManagedInstalls is on this Mac");
    if (fine)
        doctor_say(d, DOCTOR_OK, "preferences", "", "can be read and name a repository");
}

/* --- folders -------------------------------------------------------------------------------------------- */

/* A folder of ours as it should be; one that is not there is made by the next run. */
static bool folder(struct doctor *d, const char *check, const char *path, mode_t forbidden)
{
    struct err e;
    struct stat st;
    int fd = files_dir(d->target.root, path, false, 0, &e);
    bool ok = true;
    if (fd < 0) {
        struct err gone;
        if (e.kind == ERR_NOT_FOUND && !files_stat(d->target.root, path, &st, &gone))
            return true;
        doctor_say(d, DOCTOR_PROBLEM, check, "move what is there away; the next run makes the folder",
                   "/%s is not a folder that can be opened: %s", path, e.text);
        return false;
    }
    if (fstat(fd, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid()) {
        doctor_say(d, DOCTOR_PROBLEM, check, arena_printf(d->a, "sudo chown root:wheel /%s", path),
                   "/%s belongs to user %ld", path, (long)st.st_uid);
        ok = false;
    } else if ((st.st_mode & forbidden) != 0) {
        doctor_say(d, DOCTOR_PROBLEM, check,
                   arena_printf(d->a, "sudo chmod %s /%s", forbidden == 077 ? "700" : "755", path),
                   "/%s has mode %04o: others than root can %s it", path, (unsigned)(st.st_mode & 07777),
                   forbidden == 077 ? "look into" : "write into");
        ok = false;
    }
    close(fd);
    return ok;
}

static bool log_file(struct doctor *d)
{
    static const char path[] = TARGET_LOGS "/daybreak.log";
    struct stat st;
    struct err e;
    if (!files_stat(d->target.root, path, &st, &e))
        return true;
    if (S_ISREG(st.st_mode) && (st.st_mode & S_IWUSR) != 0 && (st.st_mode & 022) == 0)
        return true;
    doctor_say(d, DOCTOR_PROBLEM, "log",
               arena_printf(d->a, "move /%s away; the next run begins a new one", path),
               S_ISREG(st.st_mode) ? "/%s has mode %04o: only root may write it, and must be able to"
                                   : "/%s is no regular file (mode %04o)",
               path, (unsigned)(st.st_mode & 07777));
    return false;
}

static void room(struct doctor *d)
{
    struct err e;
    unsigned long long free_bytes = 0;
    if (d->facts.disk_kb >= 0)
        free_bytes = (unsigned long long)d->facts.disk_kb * 1024;
    else if (!files_free(d->target.root, &free_bytes, &e)) {
        doctor_say(d, DOCTOR_PROBLEM, "disk", "check the volume: diskutil verifyVolume /", "%s", e.text);
        return;
    }
    bool low = free_bytes < ROOM_BYTES;
    doctor_say(d, low ? DOCTOR_PROBLEM : DOCTOR_OK, "disk",
               low ? "make room on the volume: packages need their own size and that of what they install"
                   : "",
               "%llu MB are free on %s", free_bytes / (1024 * 1024), d->target.root_path);
}

void doctor_folders(struct doctor *d)
{
    struct err e;
    const char *data = d->prefs.managed_install_dir;
    bool ok = true;
    if (!target_dirs(d->a, d->options, &d->prefs, TARGET_READ, &d->target, &e) && e.kind == ERR_REFUSED) {
        doctor_say(d, DOCTOR_PROBLEM, "folders",
                   "give Daybreak a ManagedInstallDir of its own, or leave it at /Library/Daybreak", "%s",
                   e.text);
        ok = false;
    }
    ok = ok && folder(d, "folders", data + strspn(data, "/"), 022);
    ok = ok && folder(d, "folders", arena_printf(d->a, "%s/Cache", data + strspn(data, "/")), 077) && ok;
    if (strcmp(data, "/" TARGET_STATE) != 0)
        ok = folder(d, "folders", TARGET_STATE, 022) && ok;
    if (ok)
        doctor_say(d, DOCTOR_OK, "folders", "", "%s is ours alone", data);
    ok = folder(d, "log", TARGET_LOGS, 022);
    ok = ok && log_file(d);
    if (ok)
        doctor_say(d, DOCTOR_OK, "log", "", "/" TARGET_LOGS " can be written by root alone");
    if (d->has_facts)
        room(d);
}

/* --- state ---------------------------------------------------------------------------------------------- */

static bool lock(struct doctor *d, bool *held)
{
    struct lock_holder h;
    struct err e;
    struct stat st;
    time_t now;
    int ms;
    *held = false;
    if (files_stat(d->target.state, "lock", &st, &e) && (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)) {
        doctor_say(d, DOCTOR_PROBLEM, "lock", "sudo rm /" TARGET_STATE "/lock; the next run makes a new one",
                   "/" TARGET_STATE "/lock has mode %04o: anybody could hold it and no run would begin",
                   (unsigned)(st.st_mode & 07777));
        return false;
    }
    if (!lock_who(d->target.state, &h, &e)) {
        doctor_say(d, DOCTOR_PROBLEM, "lock", "sudo rm /" TARGET_STATE "/lock", "%s", e.text);
        return false;
    }
    *held = h.pid != 0;
    os_realtime(&now, &ms);
    if (h.pid != 0 && h.since != 0 && now - h.since > d->prefs.run_deadline_s) {
        doctor_say(d, DOCTOR_PROBLEM, "lock",
                   "sudo /usr/local/daybreak/daybreak stop; if that does not end it, end the process",
                   "process %ld has held the lock for %lld minutes, longer than RunDeadline", (long)h.pid,
                   (long long)(now - h.since) / 60);
        return false;
    }
    if (h.pid != 0)
        doctor_say(d, DOCTOR_NOTE, "lock", "", "a run is under way: process %ld", (long)h.pid);
    return true;
}

static bool last_run(struct doctor *d, bool held)
{
    struct err e;
    json_t *o = status_read(d->target.state, &e);
    bool ok = true;
    if (o == NULL) {
        if (e.kind == ERR_NOT_FOUND)
            return true;
        doctor_say(d, DOCTOR_PROBLEM, "last run", "run again; it writes a new one", "%s", e.text);
        return false;
    }
    const char *state = json_string_value(json_object_get(o, "state"));
    int code = (int)json_integer_value(json_object_get(o, "exit_code"));
    if (state != NULL && strcmp(state, "finished") != 0 && !held) {
        doctor_say(d, DOCTOR_PROBLEM, "last run",
                   "run again: it goes on from there: sudo /usr/local/daybreak/daybreak run",
                   "the last run was cut off: it says %s, and nobody holds the lock", state);
        ok = false;
    } else if (state != NULL && strcmp(state, "finished") == 0 && code != 0 && code != EXIT_PENDING) {
        doctor_say(d, DOCTOR_NOTE, "last run", "daybreak status says what failed, daybreak why ITEM says why",
                   "the last run ended with %d: %s", code, err_exit_meaning(code));
    }
    json_decref(o);
    return ok;
}

static bool attempts(struct doctor *d)
{
    struct err e;
    struct stat st;
    bool ok = true;
    if (!files_stat(d->target.state, "journal", &st, &e))
        return true;
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        doctor_say(d, DOCTOR_PROBLEM, "journal", "sudo chown root:wheel, chmod 600 it",
                   "/" TARGET_STATE "/journal has mode %04o: it is root's alone",
                   (unsigned)(st.st_mode & 07777));
        ok = false;
    }
    json_t *o = status_read(d->target.state, &e), *item;
    size_t i;
    json_array_foreach(json_object_get(o, "items"), i, item)
    {
        json_t *failure = json_object_get(item, "failure");
        const char *cause = json_string_value(json_object_get(failure, "cause"));
        const char *name = json_string_value(json_object_get(item, "name"));
        if (cause == NULL || name == NULL || strcmp(cause, "loop") != 0)
            continue;
        doctor_say(
            d, DOCTOR_PROBLEM, "attempts",
            arena_printf(d->a, "repair the item, then: sudo /usr/local/daybreak/daybreak reset %s", name),
            "%s is not tried any more: all its attempts are used up", name);
        ok = false;
    }
    json_decref(o);
    return ok;
}

static bool count_one(void *ctx, const char *name, const struct stat *st)
{
    (void)name;
    (void)st;
    ++*(int *)ctx;
    return true;
}

void doctor_state(struct doctor *d)
{
    struct err e;
    bool held = false;
    int waiting = 0;
    if (d->target.state < 0) {
        doctor_say(d, DOCTOR_NOTE, "state", "", "nothing ran on this Mac yet");
        return;
    }
    bool ok = lock(d, &held);
    ok = last_run(d, held) && ok;
    ok = attempts(d) && ok;
    if (files_list(d->target.state, WEBHOOK_REPORTS, count_one, &waiting, &e) && waiting > 0) {
        doctor_say(d, DOCTOR_PROBLEM, "reports",
                   "check ReportURL and ReportHeaders; the log says what the server answered",
                   "%d reports wait for the server of ReportURL", waiting);
        ok = false;
    }
    if (ok)
        doctor_say(d, DOCTOR_OK, "state", "", "lock, journal and last run are in order");
}
