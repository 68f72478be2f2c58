/* One table of options. What an option does to struct options is a small switch beside it, so that a new
 * option is one line here, one field in the header, and one case.
 *
 * Values may be given as "--root DIR" or "--root=DIR"; "-vv" counts twice; short options do not take values.
 */
#include "agent/options.h"

#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"

#include <ctype.h>
#include <fcntl.h>

enum option_id {
    OPT_HELP,
    OPT_VERSION,
    OPT_VERBOSE,
    OPT_QUIET,
    OPT_JSON,
    OPT_ROOT,
    OPT_FACTS,
    OPT_PREFS,
    OPT_REPO,
    OPT_ID,
    OPT_BOOTSTRAP,
    OPT_SCRIPTS,
    OPT_TOOLS,
    OPT_CLOCK,
    OPT_OUTPUT,
    OPT_AUTO,
    OPT_CHECKONLY,
    OPT_INSTALLONLY,
    OPT_ONLY_FAILED,
    OPT_FORCE,
    OPT_DRY_RUN,
    OPT_NO_ATTACH,
    OPT_FOLLOW,
    OPT_LINE,
    OPT_EA,
    OPT_CHECK,
    OPT_BUNDLE,
    OPT_EXPLAIN_PROFILE,
    OPT_MUNKI_ONLY,
    OPT_SHOW_CONFIG,
    OPT_NOT_OURS
};

struct option {
    const char *name;  /* without dashes */
    char letter;       /* or 0 */
    const char *value; /* what it takes, for messages; NULL: nothing */
    unsigned group;    /* OPTIONS_*, or 0: every command */
    enum option_id id;
};

static const struct option all_options[] = {
    {"help", 'h', NULL, 0, OPT_HELP},
    {"version", 'V', NULL, 0, OPT_VERSION},
    {"verbose", 'v', NULL, 0, OPT_VERBOSE},
    {"quiet", 'q', NULL, 0, OPT_QUIET},
    {"json", 0, NULL, 0, OPT_JSON},
    {"root", 0, "DIR", OPTIONS_TARGET, OPT_ROOT},
    {"facts", 0, "FILE", OPTIONS_TARGET, OPT_FACTS},
    {"prefs", 0, "FILE", OPTIONS_TARGET, OPT_PREFS},
    {"repo", 0, "URL", OPTIONS_TARGET, OPT_REPO},
    {"id", 0, "ID", OPTIONS_TARGET, OPT_ID},
    {"bootstrap", 0, "URL", OPTIONS_TARGET, OPT_BOOTSTRAP},
    {"scripts", 0, "run|skip", OPTIONS_TARGET, OPT_SCRIPTS},
    {"tools", 0, "DIR", OPTIONS_TARGET, OPT_TOOLS},
    {"clock", 0, "SOCKET", OPTIONS_TARGET, OPT_CLOCK},
    {"output", 0, "FILE", OPTIONS_CHECK, OPT_OUTPUT},
    {"auto", 'a', NULL, OPTIONS_RUN, OPT_AUTO},
    {"checkonly", 0, NULL, OPTIONS_RUN, OPT_CHECKONLY},
    {"installonly", 0, NULL, OPTIONS_RUN, OPT_INSTALLONLY},
    {"only-failed", 0, NULL, OPTIONS_RUN, OPT_ONLY_FAILED},
    {"force", 0, "ITEM", OPTIONS_RUN, OPT_FORCE},
    {"dry-run", 0, NULL, OPTIONS_RUN, OPT_DRY_RUN},
    {"no-attach", 0, NULL, OPTIONS_RUN, OPT_NO_ATTACH},
    {"munkipkgsonly", 0, NULL, OPTIONS_RUN, OPT_MUNKI_ONLY},
    /* what Managed Software Center passes */
    {"manualcheck", 0, NULL, OPTIONS_RUN, OPT_CHECKONLY},
    {"installwithnologout", 0, NULL, OPTIONS_RUN, OPT_INSTALLONLY},
    {"munkistatusoutput", 'm', NULL, OPTIONS_RUN, OPT_MUNKI_ONLY},
    {"follow", 0, NULL, OPTIONS_STATUS, OPT_FOLLOW},
    {"line", 0, NULL, OPTIONS_STATUS, OPT_LINE},
    {"ea", 0, NULL, OPTIONS_STATUS, OPT_EA},
    {"check", 0, NULL, OPTIONS_STATUS, OPT_CHECK},
    {"bundle", 0, "FILE", OPTIONS_LOGS, OPT_BUNDLE},
    {"explain-profile", 0, NULL, OPTIONS_CONFIG, OPT_EXPLAIN_PROFILE},
    {"show-config", 0, NULL, 0, OPT_SHOW_CONFIG},
    /* of managedsoftwareupdate's, those that would be a lie to accept: refused with a reason (not_ours) */
    {"applesuspkgsonly", 0, NULL, OPTIONS_MUNKI, OPT_NOT_OURS},
    {"logoutinstall", 'l', NULL, OPTIONS_MUNKI, OPT_NOT_OURS},
    {"launchosinstaller", 0, NULL, OPTIONS_MUNKI, OPT_NOT_OURS},
    {"set-bootstrap-mode", 0, NULL, OPTIONS_MUNKI, OPT_NOT_OURS},
    {"clear-bootstrap-mode", 0, NULL, OPTIONS_MUNKI, OPT_NOT_OURS},
    {"show-config-plist", 0, NULL, OPTIONS_MUNKI, OPT_NOT_OURS},
};
#define OPTION_COUNT (sizeof all_options / sizeof all_options[0])

/* The options of managedsoftwareupdate that stand for a command when none is named. */
static const char *implied_command(enum option_id id)
{
    switch (id) {
    case OPT_AUTO:
    case OPT_CHECKONLY:
    case OPT_INSTALLONLY:
    case OPT_MUNKI_ONLY:
        return "run";
    case OPT_SHOW_CONFIG:
        return "config";
    default:
        return NULL;
    }
}

unsigned options_distance(const char *a, const char *b)
{
    enum { MAX = 63 }; /* longer words are compared by their beginning */
    unsigned row[MAX + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > MAX)
        na = MAX;
    if (nb > MAX)
        nb = MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            unsigned best = diagonal + (same ? 0 : 1);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

const char *options_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    unsigned least = (unsigned)(strlen(word) / 3 + 2); /* further away it would only confuse */
    for (; *names != NULL; names++) {
        unsigned d = options_distance(word, *names);
        if (d < least) {
            least = d;
            best = *names;
        }
    }
    return best;
}

static const struct options_command *find_command(const struct options_command *table, const char *name)
{
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static const struct option *find_long(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(all_options[i].name) == len && strncmp(all_options[i].name, name, len) == 0)
            return &all_options[i];
    return NULL;
}

static const struct option *find_short(char letter)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (all_options[i].letter == letter)
            return &all_options[i];
    return NULL;
}

/* What whoever calls us with a word of Munki's meant, and what there is for it here. Taken without effect
 * such a word would turn "Apple's updates alone" into an install of everything. */
static bool not_ours(const char *name, struct err *e)
{
    static const struct {
        const char *name, *why;
    } reasons[] = {
        {"applesuspkgsonly", "Apple's updates are not installed here, so nothing would be left to do"},
        {"logoutinstall", "the login window's runs are launchd's here: daybreak run --auto"},
        {"launchosinstaller", "macOS is not upgraded here: leave startosinstall items to Munki or to MDM"},
        {"set-bootstrap-mode",
         "every start is one until the plan is done; HandOff munki-bootstrap sets Munki's"},
        {"clear-bootstrap-mode", "Munki's flag is Munki's own: managedsoftwareupdate --clear-bootstrap-mode"},
        {"show-config-plist", "there is JSON instead: daybreak config --json"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i].name, name) == 0)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--%s is for managedsoftwareupdate: %s", name,
                           reasons[i].why);
    return true;
}

static bool unknown_option(const char *arg, const struct options_command *c, struct err *e)
{
    const char *names[OPTION_COUNT + 1];
    size_t n = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (all_options[i].id != OPT_NOT_OURS &&
            (c == NULL || all_options[i].group == 0 || (all_options[i].group & c->takes) != 0))
            names[n++] = all_options[i].name;
    names[n] = NULL;
    const char *word = arg + strspn(arg, "-");
    const char *near = options_nearest(word, names);
    if (near != NULL)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "unknown option %s: did you mean --%s?", arg, near);
    return err_set(e, ERR_USAGE, CAUSE_NONE, "unknown option %s: see daybreak%s%s --help", arg,
                   c != NULL ? " " : "", c != NULL ? c->name : "");
}

static bool absolute(struct arena *a, const char *option, const char *path, const char **out, struct err *e)
{
    if (path[0] == '\0')
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--%s needs a path, not an empty word", option);
    if (path[0] != '/') {
        char cwd[4096];
        if (getcwd(cwd, sizeof cwd) == NULL)
            return err_sys(e, "--%s %s: the current directory", option, path);
        path = arena_printf(a, "%s%s%s", cwd, strcmp(cwd, "/") == 0 ? "" : "/", path);
    }
    char *copy = arena_strdup(a, path);
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    *out = copy;
    return true;
}

static bool apply(struct arena *a, struct options *o, const struct option *opt, const char *value,
                  size_t force_max, struct err *e)
{
    switch (opt->id) {
    case OPT_HELP:
        o->help = true;
        break;
    case OPT_VERSION:
        o->version = true;
        break;
    case OPT_VERBOSE:
        if (o->verbosity < 3)
            o->verbosity++;
        break;
    case OPT_QUIET:
        o->quiet = true;
        break;
    case OPT_JSON:
        o->json = true;
        break;
    case OPT_ROOT:
        o->root_given = true;
        return absolute(a, opt->name, value, &o->root, e);
    case OPT_FACTS:
        return absolute(a, opt->name, value, &o->facts, e);
    case OPT_PREFS:
        return absolute(a, opt->name, value, &o->prefs, e);
    case OPT_TOOLS:
        return absolute(a, opt->name, value, &o->tools, e);
    case OPT_CLOCK:
        return absolute(a, opt->name, value, &o->clock, e);
    case OPT_REPO:
    case OPT_BOOTSTRAP:
        if (!text_starts(value, "https://") && !text_starts(value, "http://") &&
            !text_starts(value, "file://"))
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--%s %s: a URL with https, http or file is needed",
                           opt->name, value);
        *(opt->id == OPT_REPO ? &o->repo : &o->bootstrap) = value;
        break;
    case OPT_ID:
        if (value[0] == '\0')
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--id needs a name, not an empty word");
        o->id = value;
        break;
    case OPT_SCRIPTS:
        if (strcmp(value, "run") != 0 && strcmp(value, "skip") != 0)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--scripts %s: run or skip is needed", value);
        o->run_scripts = strcmp(value, "run") == 0;
        o->scripts_given = true;
        break;
    case OPT_OUTPUT:
        if (strcmp(value, "-") == 0) {
            o->output = value;
            break;
        }
        return absolute(a, opt->name, value, &o->output, e);
    case OPT_AUTO:
        o->automatic = true;
        break;
    case OPT_CHECKONLY:
        o->checkonly = true;
        break;
    case OPT_INSTALLONLY:
        o->installonly = true;
        break;
    case OPT_ONLY_FAILED:
        o->only_failed = true;
        break;
    case OPT_FORCE:
        if (o->force_count < force_max)
            o->force[o->force_count++] = value;
        break;
    case OPT_DRY_RUN:
        o->dry_run = true;
        break;
    case OPT_NO_ATTACH:
        o->no_attach = true;
        break;
    case OPT_FOLLOW:
        o->follow = true;
        break;
    case OPT_LINE:
        o->line = true;
        break;
    case OPT_EA:
        o->ea = true;
        break;
    case OPT_CHECK:
        o->check = true;
        break;
    case OPT_EXPLAIN_PROFILE:
        o->explain_profile = true;
        break;
    case OPT_BUNDLE:
        return absolute(a, opt->name, value, &o->bundle, e);
    case OPT_NOT_OURS:
        return not_ours(opt->name, e);
    case OPT_MUNKI_ONLY: /* Apple's updates are not ours: always so */
    case OPT_SHOW_CONFIG:
        break;
    }
    return true;
}

/* Does the option belong to the command? */
static bool admit(const struct options_command *c, const struct option *opt, const char *arg, struct err *e)
{
    if (opt->id == OPT_SHOW_CONFIG && (c == NULL || strcmp(c->name, "config") != 0))
        return unknown_option(arg, c, e);
    if (opt->group == 0)
        return true;
    if (c == NULL)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "%s needs a command: see daybreak --help", arg);
    if ((opt->group & c->takes) == 0)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "daybreak %s does not take %s: see daybreak %s --help",
                       c->name, arg, c->name);
    return true;
}

static bool unknown_command(const struct options_command *table, const char *word, struct err *e)
{
    const char *names[32];
    size_t n = 0;
    for (; table->name != NULL && n + 1 < sizeof names / sizeof names[0]; table++)
        names[n++] = table->name;
    names[n] = NULL;
    const char *near = options_nearest(word, names);
    if (near != NULL)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "unknown command %s: did you mean %s?", word, near);
    return err_set(e, ERR_USAGE, CAUSE_NONE, "unknown command %s: see daybreak --help", word);
}

/* One word that begins with a dash. *i is moved on when the next word is its value. */
struct parse {
    struct arena *a;
    int argc;
    char **argv;
    const struct option **seen; /* in the order given, to be admitted when the command is known */
    const char **seen_as;
    size_t seen_count;
    struct options *o;
};

static bool take_option(struct parse *p, int *i, const struct option *opt, const char *arg,
                        const char *inline_value, struct err *e)
{
    const char *value = inline_value;
    if (opt->value == NULL && inline_value != NULL)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--%s takes no value", opt->name);
    if (opt->value != NULL && value == NULL) {
        if (*i + 1 >= p->argc)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "--%s needs a value: %s", opt->name, opt->value);
        value = p->argv[++*i];
    }
    p->seen[p->seen_count] = opt;
    p->seen_as[p->seen_count++] = arg;
    return apply(p->a, p->o, opt, value, (size_t)p->argc, e);
}

static bool take_word(struct parse *p, int *i, const struct options_command *c, struct err *e)
{
    const char *arg = p->argv[*i];
    if (arg[1] == '-') {
        const char *name = arg + 2;
        const char *equals = strchr(name, '=');
        size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
        const struct option *opt = find_long(name, len);
        const char *shown = arena_strndup(p->a, arg, len + 2);
        if (opt == NULL)
            return unknown_option(shown, c, e);
        return take_option(p, i, opt, shown, equals != NULL ? equals + 1 : NULL, e);
    }
    for (const char *l = arg + 1; *l != '\0'; l++) {
        const struct option *opt = find_short(*l);
        const char *shown = arena_printf(p->a, "-%c", *l);
        if (opt == NULL)
            return unknown_option(*l >= ' ' && *l < 127 ? shown : arg, c, e);
        if (!take_option(p, i, opt, shown, NULL, e))
            return false;
    }
    return true;
}

static bool judge(struct options *o, const struct options_command *c, struct err *e)
{
    bool elsewhere = strcmp(o->root, "/") != 0;
    if (o->tools != NULL && !elsewhere)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--tools is for targets other than /: give --root DIR");
    if (o->clock != NULL && !elsewhere)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--clock is for targets other than /: give --root DIR");
    if (o->checkonly && o->installonly)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--checkonly and --installonly exclude each other");
    if (o->repo != NULL && o->bootstrap != NULL)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--repo and --bootstrap exclude each other");
    if (o->dry_run && (o->checkonly || o->installonly))
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--dry-run excludes --checkonly and --installonly");
    if (o->quiet && o->verbosity > 0)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "-q and -v exclude each other");
    if (!o->scripts_given)
        o->run_scripts = !elsewhere;
    o->live = !elsewhere && os_is_darwin();
    if (c == NULL || o->help || o->version)
        return true;
    if (o->operand_count < c->operands_min)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "something is missing: %s", c->usage);
    if (o->operand_count > c->operands_max)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "\"%s\" is one word too many: %s",
                       o->operands[c->operands_max], c->usage);
    return true;
}

bool options_parse(struct arena *a, int argc, char **argv, const struct options_command *table,
                   struct options *o, const struct options_command **command, int *rest, struct err *e)
{
    memset(o, 0, sizeof *o);
    o->root = "/";
    o->tty = isatty(STDOUT_FILENO) == 1;
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    o->color =
        o->tty && (no_color == NULL || no_color[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
    o->force = arena_array(a, (size_t)argc + 1, sizeof *o->force);
    o->operands = arena_array(a, (size_t)argc + 1, sizeof *o->operands);
    *command = NULL;
    *rest = argc;

    size_t letters = 1; /* a word like -vvv is several options */
    for (int i = 1; i < argc; i++)
        letters += strlen(argv[i]) + 1;
    struct parse p = {.a = a, .argc = argc, .argv = argv, .o = o};
    p.seen = arena_array(a, letters, sizeof *p.seen);
    p.seen_as = arena_array(a, letters, sizeof *p.seen_as);

    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!options_end && strcmp(arg, "--") == 0) {
            options_end = true;
        } else if (!options_end && arg[0] == '-' && arg[1] != '\0') {
            if (!take_word(&p, &i, *command, e))
                return false;
        } else if (*command == NULL) {
            *command = find_command(table, arg);
            if (*command == NULL)
                return unknown_command(table, arg, e);
            if (((*command)->takes & OPTIONS_RAW) != 0) {
                *rest = i;
                break;
            }
        } else {
            o->operands[o->operand_count++] = arg;
        }
    }
    for (size_t i = 0; i < p.seen_count && *command == NULL; i++)
        if (implied_command(p.seen[i]->id) != NULL)
            *command = find_command(table, implied_command(p.seen[i]->id));
    bool bare = *command == NULL && (o->help || o->version);
    for (size_t i = 0; i < p.seen_count && !bare; i++)
        if (!admit(*command, p.seen[i], p.seen_as[i], e))
            return false;
    if (*command != NULL)
        o->command = (*command)->name;
    return judge(o, *command, e);
}

const struct value *options_plist(struct arena *a, const char *option, const char *path, struct err *e)
{
    const struct value *v = NULL;
    struct buf bytes;
    struct stat st;
    buf_init(&bytes, LIMIT_PLIST);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_sys(e, "cannot be opened");
        goto out;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(e, ERR_USAGE, CAUSE_NONE, "not a regular file");
        goto out;
    }
    if (!files_read_fd(fd, &bytes, e))
        goto out;
    v = props_decode(a, buf_str(&bytes), bytes.len, e);
    if (v != NULL && value_type(v) != VALUE_DICT) {
        err_set(e, ERR_USAGE, CAUSE_NONE, "a dictionary is needed, found %s", value_type_name(v));
        v = NULL;
    }
out:
    if (fd >= 0)
        close(fd);
    buf_release(&bytes);
    if (v == NULL) {
        err_wrap(e, "--%s %s", option, path);
        if (e != NULL)
            e->kind = ERR_USAGE;
    }
    return v;
}

void options_print_help(const struct options_command *table)
{
    printf("daybreak %s: sets a Mac up from its Munki repository.\n\n", DAYBREAK_VERSION);
    puts("usage: daybreak COMMAND [options]\n");
    for (; table->name != NULL; table++)
        printf("  %-8s %s\n", table->name, table->summary);
    puts("\nEverywhere: -v -vv -vvv (say more), -q (say less), --json, --help, --version.\n"
         "`daybreak COMMAND --help` shows the options of a command.\n"
         "Exit codes: 0 done, 2 some items failed, 3 a critical item failed, 4 something\n"
         "is pending, 5 locked, 7 trust refused, 8 no decision, 150 repository\n"
         "unavailable, 200 usage (all: man daybreak).");
}

void options_print_command_help(const struct options_command *c)
{
    printf("usage: %s\n\n%s%s", c->usage, c->help, c->help[0] != '\0' ? "\n" : "");
    if ((c->takes & OPTIONS_TARGET) != 0)
        puts("  --root DIR          the target volume (default /); all state lives under it");
    if ((c->takes & OPTIONS_TARGET) != 0 && (c->takes & OPTIONS_STATE) == 0)
        puts("  --facts FILE        a plist that describes the Mac, key by key\n"
             "  --prefs FILE        a plist instead of all preference domains\n"
             "  --repo URL          instead of SoftwareRepoURL: https, http, file\n"
             "  --id ID             the manifest's name, instead of ClientIdentifier\n"
             "  --bootstrap URL     a bootstrap.json instead of a manifest\n"
             "  --scripts run|skip  execute scripts (default: run for /, skip elsewhere)");
    puts("  -v -vv -vvv, -q     say more, say less\n"
         "  --json              results as JSON");
}
