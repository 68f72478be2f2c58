/* main: the table of commands. Nothing is initialised here that --help does not need. */
#include "agent/cmd.h"
#include "agent/sysprefs.h"
#include "core/log.h"
#include "core/os.h"
#include "installer/install.h"
#include <signal.h>

/* clang-format off */
static const struct options_command commands[] = {
    {"run", OPTIONS_TARGET | OPTIONS_RUN, 0, 0, "daybreak run [options]",
     "bring this Mac to what its manifest says",
     "  --auto              what launchd passes: waits, defers, 0 if it could report\n"
     "  --checkonly         check and download, install nothing\n"
     "  --installonly       install what the last check found, from the cache\n"
     "  --only-failed       only what failed, was blocked or deferred last time\n"
     "  --force ITEM        as if ITEM were absent and had never been tried\n"
     "  --dry-run           print what would be done; write and execute nothing\n"
     "  --no-attach         do not join a run that is under way", cmd_run, NULL},
    {"check", OPTIONS_TARGET | OPTIONS_CHECK, 0, 0, "daybreak check [--output FILE|-] [options]",
     "decide only: write InstallInfo.plist, install nothing",
     "  --output FILE       write it only there; - is standard output", cmd_check, NULL},
    {"status", OPTIONS_TARGET | OPTIONS_STATE | OPTIONS_STATUS, 0, 0, "daybreak status [--follow] [--json|--line|--ea|--check] [options]",
     "the run under way, or the last one",
     "  --follow            a line for each change until it ends\n"
     "  --line              one stable line\n"
     "  --ea                that line in <result>\n"
     "  --check             only the exit code: 0 when the last run ended 0 or 4", cmd_status, NULL},
    {"stop", OPTIONS_TARGET | OPTIONS_STATE, 0, 0, "daybreak stop [options]",
     "end the run under way after the step in hand",
     "", cmd_stop, NULL},
    {"request", OPTIONS_TARGET | OPTIONS_STATE, 0, 0, "daybreak request [options]",
     "(no root) ask the daemon for a run",
     "", cmd_request, NULL},
    {"why", OPTIONS_TARGET, 1, 1, "daybreak why ITEM [options]",
     "which manifest, catalog and evidence decided about ITEM",
     "Decides again from the cached manifests and catalogs; --repo fetches them.", cmd_why, NULL},
    {"config", OPTIONS_TARGET | OPTIONS_CONFIG, 0, 0, "daybreak config [--explain-profile] [options]",
     "every effective preference and where it comes from",
     "  --explain-profile   which profiles bring preferences, and which of these count", cmd_config, NULL},
    {"doctor", OPTIONS_TARGET, 0, 0, "daybreak doctor [options]",
     "what could keep a run from doing its job, and what to do about it",
     "Changes nothing. Exit 1 when something is wrong.", cmd_doctor, NULL},
    {"logs", OPTIONS_TARGET | OPTIONS_LOGS, 0, 0, "daybreak logs [--bundle FILE] [options]",
     "the log, or one redacted archive for a colleague",
     "  --bundle FILE       a new archive: logs, state, decision, doctor's findings", cmd_logs, NULL},
    {"reset", OPTIONS_TARGET, 0, 1, "daybreak reset [ITEM] [options]",
     "forget failures and attempts (never installed software)",
     "", cmd_reset, NULL},
    {"pkg", OPTIONS_RAW, 0, 0, "daybreak pkg VERB …",
     "look into, prove, unpack, build a flat package",
     "", NULL, cmd_pkg},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
/* clang-format on */

static enum log_level terminal_level(const struct options *o)
{
    if (o->quiet)
        return LOG_LEVEL_ERROR;
    return o->verbosity >= 3   ? LOG_LEVEL_TRACE
           : o->verbosity == 2 ? LOG_LEVEL_DEBUG
           : o->verbosity == 1 ? LOG_LEVEL_INFO
                               : LOG_LEVEL_WARN;
}

/* On a Mac's own / only root can work, and elsewhere there is no such /. */
static int refuse(const struct options *o, const struct options_command *c)
{
    static const char *const need_root[] = {"run", "check", "reset", "stop"};
    if ((c->takes & OPTIONS_TARGET) == 0 || strcmp(o->root, "/") != 0)
        return 0;
    if (!os_is_darwin()) {
        fputs("daybreak: on this system a target is needed: give --root DIR\n", stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof need_root / sizeof need_root[0]; i++)
        if (strcmp(c->name, need_root[i]) == 0 && geteuid() != 0) {
            fprintf(stderr, "daybreak: %s works on /: run it as root, with sudo\n", c->name);
            return EXIT_NOT_ROOT;
        }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    const struct options_command *c;
    struct err e;
    int rest;
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return install_worker(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--preferences") == 0)
        return sysprefs_print();
    signal(SIGXFSZ,
           SIG_IGN); /* whoever starts us may limit the size of files: that is an error like others */
    struct arena *a = arena_open();
    if (!options_parse(a, argc, argv, commands, &o, &c, &rest, &e)) {
        fprintf(stderr, "daybreak: %s\n", e.text);
        arena_free(a);
        return EXIT_USAGE;
    }
    int code = EXIT_DONE;
    log_levels(LOG_LEVEL_INFO, terminal_level(&o));
    if (o.version) {
        printf("daybreak %s\n", DAYBREAK_VERSION);
    } else if (c != NULL && c->raw != NULL) {
        code = c->raw(argc - rest, argv + rest);
    } else if (o.help && c != NULL) {
        options_print_command_help(c);
    } else if (c == NULL) {
        options_print_help(commands);
        code = o.help ? EXIT_DONE : EXIT_USAGE;
    } else {
        code = refuse(&o, c);
        if (code == 0)
            code = c->fn(&o);
    }
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        code = EXIT_PREFLIGHT;
    arena_free(a);
    return code;
}
