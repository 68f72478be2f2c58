/* facts: what this Mac is, as predicates, applicability tests and reports see it.
 *
 * Order for each key: --facts FILE; the machine itself (live: Apple's tools; another root: ROOT's
 * SystemVersion.plist, else the newest macOS this version knows, arm64, laptop, hostname and serial of the
 * machine we run on). Computed once a run: date is constant in a run. */
#ifndef AGENT_FACTS_H
#define AGENT_FACTS_H
#include "agent/options.h"
#include "agent/target.h"
#include "core/loop.h"
#include "installer/detect.h"
#include "manifests/props.h"

#define FACTS_MUNKI_VERSION "7.0.4" /* what minimum_munki_version is held against unless given */

struct facts {
    const char *hostname, *arch, *os_version, *os_build, *serial, *machine_type, *machine_model;
    const char *darwin_version, *munki_version, *product_name;
    const char *hardware_id; /* names the machine, for our state: hardware UUID, else its serial */
    bool x86_64_capable;
    time_t now;               /* true UTC: facts' date, else the clock at the start */
    long tz_offset_s;         /* east of UTC */
    int64_t disk_kb;          /* facts' available_disk_space_kb, or -1: ask the volume */
    const char *console_user; /* of another target: who is at its desktop, "" nobody; NULL: not known */
    const struct value *script_results; /* or NULL */
    const struct value *machine_info;   /* report: facts before conditions, without applications */
    const struct value *given;          /* the facts file, or NULL */
    const struct value *all;            /* for predicates; complete after facts_complete */
    const struct value *report;         /* `all` without applications, for the report's Conditions */
};

/* Read facts file and machine. Fails with ERR_USAGE (exit 200) when the file is not there, not a dictionary,
 * or a key has the wrong type. */
CHECKED bool facts_load(struct arena *a, const struct options *o, const struct target *t, struct loop *l,
                        struct facts *f, struct err *e);

/* hardware_id alone, before anything else is asked: on a Mac's own / one quick question, so that a start of
 * launchd's that finds nothing due is over at once; elsewhere as facts_load, which it is. */
CHECKED bool facts_identity(struct arena *a, const struct options *o, const struct target *t, struct loop *l,
                            struct facts *f, struct err *e);

/* Fill all and report: facts, over them the answers of condition scripts (executed when scripts run) and of
 * the facts file's conditions, then date, os_vers_*, os_build_last_component, machine_type and
 * applications, which always win. Needs target_dirs. Condition scripts get HookTimeout each; their
 * failures are logged. */
CHECKED bool facts_complete(struct arena *a, const struct options *o, const struct prefs *p,
                            const struct target *t, struct loop *l, struct detect *d, struct facts *f,
                            struct err *e);
#endif
