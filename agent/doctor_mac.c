/* doctor_mac: the programs that a run executes, and what macOS thinks of ours. Apple's tools are asked only
 * on this Mac's own / or where stand-ins are given: under another root they would speak of this machine. */
#include "agent/doctor.h"
#include "agent/handoff.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include <errno.h>

#define JOB         DAYBREAK_DOMAIN ".run"
#define CLOCK_FLOOR ((time_t)1735689600) /* 2025: this program is younger */
#define TCC         "Library/Application Support/com.apple.TCC/TCC.db"

/* --- hooks ---------------------------------------------------------------------------------------------- */

struct scripts {
    struct doctor *d;
    int dir;
    const char *folder;
    int good, bad;
};

static bool one_script(struct scripts *s, const char *name)
{
    struct err e;
    if (hook_allowed(s->dir, name, &e)) {
        s->good++;
        return true;
    }
    if (e.kind == ERR_NOT_FOUND)
        return true;
    s->bad++;
    doctor_say(s->d, DOCTOR_PROBLEM, "hooks",
               arena_printf(s->d->a, "sudo chown root:wheel /%s/%s; sudo chmod 755 it and its folder",
                            s->folder, name),
               "/%s/%s is not executed: %s", s->folder, name, e.text);
    return true;
}

static bool each_script(void *ctx, const char *name, const struct stat *st)
{
    (void)st;
    return name[0] == '.' || one_script(ctx, name);
}

static void program_of(struct doctor *d, const char *key, const char *path, int *bad)
{
    const char *name;
    struct err e;
    int dir = files_parent(d->target.root, path, false, &name, &e);
    if (dir < 0 || !hook_allowed(dir, name, &e)) {
        ++*bad;
        doctor_say(d, DOCTOR_PROBLEM, "hooks", "put it there, owned by root: chmod 755 it and its folder",
                   "%s: %s cannot be executed: %s", key, path, e.text);
    }
    if (dir >= 0)
        close(dir);
}

void doctor_hooks(struct doctor *d)
{
    static const char *const conditions[] = {"usr/local/daybreak/conditions", "usr/local/munki/conditions"};
    struct scripts s = {.d = d, .dir = -1};
    struct handoff h;
    struct err e;
    s.folder = hook_folder(d->a, &d->target);
    s.folder += strspn(s.folder, "/");
    s.dir = files_dir(d->target.root, s.folder, false, 0, &e);
    if (s.dir >= 0) {
        one_script(&s, "preflight");
        one_script(&s, "postflight");
        close(s.dir);
    }
    for (size_t i = 0; i < 2; i++) {
        s.folder = conditions[i];
        s.dir = files_dir(d->target.root, s.folder, false, 0, &e);
        if (s.dir < 0)
            continue;
        if (!files_list(s.dir, "", each_script, &s, &e))
            doctor_say(d, DOCTOR_PROBLEM, "hooks", "", "/%s: %s", s.folder, e.text);
        close(s.dir);
        break;
    }
    if (d->has_prefs && !handoff_decode(d->a, d->prefs.handoff, &h, &e)) {
        s.bad++;
        doctor_say(d, DOCTOR_PROBLEM, "hooks", "correct HandOff: man daybreak.plist", "HandOff: %s", e.text);
    } else if (d->has_prefs && h.kind != HANDOFF_NONE) {
        program_of(d, "HandOff", h.argv[0], &s.bad);
    }
    if (s.bad == 0)
        doctor_say(d, DOCTOR_OK, "hooks", "",
                   "hooks and conditions (%d) and whatever else is called may be executed", s.good);
}

/* --- the program and its job ---------------------------------------------------------------------------- */

static bool job_file(struct doctor *d)
{
    static const char path[] = "Library/LaunchDaemons/" JOB ".plist";
    struct stat st;
    struct err e;
    if (!files_stat(d->target.root, path, &st, &e)) {
        doctor_say(d, DOCTOR_PROBLEM, "job", "install the package again",
                   "/%s is not there: nothing starts Daybreak by itself", path);
        return false;
    }
    if (S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & 022) == 0)
        return true;
    doctor_say(d, DOCTOR_PROBLEM, "job",
               arena_printf(d->a, "sudo chown root:wheel /%s; sudo chmod 644 it", path),
               "/%s: launchd does not load it: mode %04o, owner %ld", path, (unsigned)(st.st_mode & 07777),
               (long)st.st_uid);
    return false;
}

static void job(struct doctor *d)
{
    static const char *const ask[] = {"/bin/launchctl", "print", "system/" JOB, NULL};
    struct err e;
    if (!job_file(d))
        return;
    int code = doctor_ask(d, ask, NULL, &e);
    if (code == 0)
        doctor_say(d, DOCTOR_OK, "job", "", JOB " is loaded");
    else
        doctor_say(d, DOCTOR_PROBLEM, "job",
                   "sudo launchctl bootstrap system /Library/LaunchDaemons/" JOB
                   ".plist; if it says disabled: sudo launchctl enable system/" JOB,
                   JOB " is not loaded: launchctl %s",
                   code < 0 ? e.text : arena_printf(d->a, "exited with %d", code));
}

static void signer(struct doctor *d)
{
    const char *self =
        d->target.live ? os_self(d->a) : target_path(d->a, &d->target, "usr/local/daybreak/daybreak");
    const char *const ask[] = {"/usr/bin/codesign", "--verify", "--strict", self, NULL};
    struct err e;
    int code = doctor_ask(d, ask, NULL, &e);
    if (code == 0)
        doctor_say(d, DOCTOR_OK, "signer", "", "the signature of %s holds", self);
    else
        doctor_say(
            d, DOCTOR_PROBLEM, "signer",
            "install the signed package again; profiles that name our signer do not reach this program",
            "the signature of %s does not hold: codesign %s", self,
            code < 0 ? e.text : arena_printf(d->a, "exited with %d", code));
}

/* Who may read the privacy database has Full Disk Access; nothing else tells so plainly. */
static void full_disk_access(struct doctor *d)
{
    struct err e;
    int fd = files_open(d->target.root, TCC, &e);
    if (fd < 0 && e.kind != ERR_NOT_FOUND)
        doctor_say(d, DOCTOR_PROBLEM, "privacy",
                   "send a privacy profile (PPPC) that grants SystemPolicyAllFiles to Daybreak; from a "
                   "terminal, the terminal needs it too",
                   "no Full Disk Access: /%s cannot be read: %s", TCC, e.text);
    else
        doctor_say(d, DOCTOR_OK, "privacy", "", "Full Disk Access is granted");
    if (fd >= 0)
        close(fd);
}

void doctor_program(struct doctor *d)
{
    if (!doctor_has_tools(d)) {
        doctor_say(d, DOCTOR_NOTE, "program", "",
                   "job, signature and Full Disk Access are looked at only on /");
        return;
    }
    job(d);
    signer(d);
    full_disk_access(d);
}

/* --- the clock ------------------------------------------------------------------------------------------ */

void doctor_clock(struct doctor *d)
{
    char text[32];
    time_t now;
    int ms;
    os_realtime(&now, &ms);
    text_utc(text, now, -1);
    bool wrong = now < CLOCK_FLOOR;
    doctor_say(d, wrong ? DOCTOR_PROBLEM : DOCTOR_OK, "clock", wrong ? err_suggestion(CAUSE_CLOCK) : "",
               wrong ? "this Mac believes that it is %s: no certificate is valid then" : "it is %s", text);
}
