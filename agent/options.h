/* options: the command line, decoded once. Strict: what is not known is an error that names the nearest
 * known. Global options may stand anywhere; what follows "--" is an operand.
 *
 * Strings are borrowed from argv or live in the arena given to options_parse (process lifetime). */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H
#include "core/arena.h"
#include "manifests/props.h"

struct options {
    const char *command; /* canonical name: "run", "check", … ; NULL: none was named */
    bool help, version;  /* --help, --version; then nothing else was judged */

    /* the target and where its configuration comes from */
    const char *root;      /* absolute, without trailing slash but for "/" itself; default "/" */
    bool root_given;       /* --root was there */
    bool live;             /* root is "/" and this is macOS: Apple's tools may be asked about the machine */
    const char *facts;     /* --facts FILE, or NULL */
    const char *prefs;     /* --prefs FILE, or NULL */
    const char *repo;      /* --repo URL, or NULL */
    const char *id;        /* --id ID, or NULL; never empty */
    const char *bootstrap; /* --bootstrap URL, or NULL; never with repo */
    const char *tools;     /* --tools DIR, absolute, or NULL; only with another root than "/" */
    const char *clock;     /* --clock SOCKET, absolute, or NULL; only with another root than "/" */
    bool run_scripts;      /* --scripts run|skip; default: run for "/", skip elsewhere */
    bool scripts_given;    /* --scripts was there */

    /* what is said, and where */
    bool json;
    int verbosity; /* number of -v, 0 to 3 */
    bool quiet;
    bool tty;           /* standard output is a terminal */
    bool color;         /* tty, TERM is not dumb and NO_COLOR is not set */
    const char *output; /* check --output FILE, "-" for standard output, or NULL */

    /* run */
    bool automatic; /* --auto */
    bool checkonly, installonly, only_failed, dry_run, no_attach;
    const char **force; /* --force ITEM, several; NULL at the end */
    size_t force_count;

    /* status */
    bool follow, line, ea, check;

    /* logs, config */
    const char *bundle;
    bool explain_profile;

    const char **operands; /* what is no option, after the command; NULL at the end */
    size_t operand_count;
};

/* Which options a command takes besides --help, --version, -v, -q and --json: a set of these. */
enum {
    OPTIONS_TARGET = 1 << 0, /* --root --facts --prefs --repo --id --bootstrap --scripts --tools --clock */
    OPTIONS_CHECK = 1 << 1,  /* --output */
    OPTIONS_RUN = 1 << 2,    /* --auto --checkonly … */
    OPTIONS_STATUS = 1 << 3,
    OPTIONS_LOGS = 1 << 4,
    OPTIONS_CONFIG = 1 << 6,
    OPTIONS_STATE = 1 << 7, /* of the target's options --root alone matters to it: its help names no other */
    OPTIONS_MUNKI = 1 << 8, /* taken by no command */
    OPTIONS_RAW = 1 << 5    /* parses its own arguments: options_parse stops behind the command's name */
};

struct options_command {
    const char *name;
    unsigned takes;                    /* OPTIONS_* */
    size_t operands_min, operands_max; /* how many operands */
    const char *usage;                 /* "daybreak why ITEM [options]" */
    const char *summary;               /* one line for the list of commands */
    const char *help;                  /* what --help prints below the usage; lines, ends in a newline */
    int (*fn)(struct options *o);      /* returns the exit code */
    int (*raw)(int argc, char **argv); /* instead of fn with OPTIONS_RAW: argv[0] is the command's name */
};

/* Parse argv[1..argc-1] against a table that ends with a NULL name. *command is the entry, or NULL when no
 * command was named (then only help, version, or a bare "daybreak" are meant). *rest: with OPTIONS_RAW the
 * index of the command's name in argv, else argc. managedsoftwareupdate's flags without a command
 * (--checkonly, --installonly, --auto, --munkipkgsonly, --show-config) name run or config. Fails with
 * ERR_USAGE (exit 200): one sentence with the option and the nearest known. */
CHECKED bool options_parse(struct arena *a, int argc, char **argv, const struct options_command *table,
                           struct options *o, const struct options_command **command, int *rest,
                           struct err *e);

/* One screen: the program, its commands, global options. */
void options_print_help(const struct options_command *table);
void options_print_command_help(const struct options_command *c);

/* Read the dictionary in the file that an option names (a path of this machine, links followed). Fails with
 * ERR_USAGE, the text beginning "--facts FILE: ". */
const struct value *options_plist(struct arena *a, const char *option, const char *path, struct err *e);

/* Of the NULL-ended names the one nearest to word (edits, case ignored), or NULL when none is near. Also
 * used for unknown items and preference names. */
const char *options_nearest(const char *word, const char *const *names);
/* How many edits apart, case ignored; for lists of nearest names. */
unsigned options_distance(const char *a, const char *b);
#endif
