/* cmd_pkg: flat packages, on any system: info, list, verify, extract, build, mdm-manifest. Its own options,
 * each known to the verbs that use it. */
#include "agent/cmd_pkg.h"
#include "agent/cmd.h"
#include "core/limits.h"
#include "core/os.h"
#include <unistd.h>

enum { INFO = 1, LIST = 2, VERIFY = 4, EXTRACT = 8, BUILD = 16, MDM = 32, JSON = 31, ANY = 63 };

/* clang-format off */
static const struct verb {
    const char *name;
    unsigned bit;
    size_t operands;
    int (*fn)(const struct cmd_pkg_options *o);
    const char *usage, *summary, *help;
} verbs[] = {
    {"info", INFO, 1, cmd_pkg_info, "daybreak pkg info PKG [--json]",
     "what it is, and what it installs where", ""},
    {"list", LIST, 1, cmd_pkg_list, "daybreak pkg list PKG [--json]",
     "every file it holds", ""},
    {"verify", VERIFY, 1, cmd_pkg_verify,
     "daybreak pkg verify PKG [--require-signature] [--team-id ID] [--ca FILE]\n"
     "                           [--at DATE] [--json]",
     "is it whole, and who signed it?",
     "  --require-signature  fail when there is no good signature\n"
     "  --team-id ID         fail unless ID has signed it\n"
     "  --ca FILE            root certificates (PEM) instead of Apple's\n"
     "  --at DATE            judge what has no timestamp as of DATE (2026-11-24)\n"},
    {"extract", EXTRACT, 2, cmd_pkg_extract, "daybreak pkg extract PKG DIR [--expand] [--json]",
     "lay its payloads out under DIR, as an install would",
     "  --expand             the raw members instead\n"
     "DIR is made; one that exists must be empty. Set-id bits are dropped.\n"},
    {"build", BUILD, 1, cmd_pkg_build,
     "daybreak pkg build --payload DIR --identifier ID --version V [options]\n"
     "                          OUT.pkg\n"
     "       daybreak pkg build --component A.pkg [--component B.pkg ...] [options]\n"
     "                          OUT.pkg",
     "make a component of a folder, or a product of components",
     "  --payload DIR        what is installed\n"
     "  --scripts DIR        preinstall and/or postinstall, and what they need\n"
     "  --identifier ID      such as org.example.tool (of the product: optional)\n"
     "  --version V\n"
     "  --install-location D where the payload goes; default /\n"
     "  --ownership WHOSE    recommended: all of it root's (default)\n"
     "                       preserve: as it is in DIR\n"
     "  --component PKG      in the order of installation\n"
     "  --title TEXT         of the product\n"
     "  --min-os VERSION     the product asks for at least this macOS\n"
     "  --sign KEY.pem       sign it with this RSA key, which is not encrypted\n"
     "  --chain CHAIN.pem    the key's certificate first, then those above it\n"
     "The same input gives the same bytes. SOURCE_DATE_EPOCH (seconds since 1970)\n"
     "stands for every time.\n"},
    {"mdm-manifest", MDM, 1, cmd_pkg_mdm_manifest, "daybreak pkg mdm-manifest PKG --url URL [--ca FILE] [--unsigned]",
     "the manifest for MDM's InstallEnterpriseApplication",
     "  --url URL            https; where Macs will load it from\n"
     "  --ca FILE            root certificates (PEM) instead of Apple's\n"
     "  --unsigned           a preview, of a package that is yet to be signed\n"},
};
/* clang-format on */

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static void print_help(void)
{
    puts("usage: daybreak pkg VERB ...\n\nLook into, prove, unpack, build flat packages, on macOS and "
         "Linux.\n");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        printf("  %-14s%s\n", verbs[i].name, verbs[i].summary);
    puts("\nMore: daybreak pkg VERB --help");
}

static const char *nearest_verb(const char *word)
{
    const char *names[sizeof verbs / sizeof verbs[0] + 1] = {0};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        names[i] = verbs[i].name;
    return options_nearest(word, names);
}

/* The option's place in o: a flag, a value, or the list of components. */
struct option {
    const char *name;
    unsigned verbs;
    bool *flag;
    const char **value;
};

static bool set_ownership(struct cmd_pkg_options *o, const char *v, struct err *e)
{
    o->preserve_owner = strcmp(v, "preserve") == 0;
    return o->preserve_owner || strcmp(v, "recommended") == 0 ||
           err_set(e, ERR_USAGE, CAUSE_NONE, "--ownership is recommended or preserve, not \"%s\"", v);
}

/* One argument that begins with '-'; *i moves over its value. */
static bool parse_option(const struct verb *verb, int argc, char **argv, int *i, struct cmd_pkg_options *o,
                         struct err *e)
{
    const char *component = NULL, *ownership = NULL;
    const struct option table[] = {
        {"--json", JSON, &o->json, NULL},
        {"-q", ANY, &o->quiet, NULL},
        {"--quiet", ANY, &o->quiet, NULL},
        {"-h", ANY, &o->help, NULL},
        {"--help", ANY, &o->help, NULL},
        {"--expand", EXTRACT, &o->expand, NULL},
        {"--unsigned", MDM, &o->unsigned_too, NULL},
        {"--require-signature", VERIFY, &o->require_signature, NULL},
        {"--team-id", VERIFY, NULL, &o->team_id},
        {"--ca", VERIFY | MDM, NULL, &o->ca},
        {"--url", MDM, NULL, &o->url},
        {"--at", VERIFY, NULL, &o->at},
        {"--payload", BUILD, NULL, &o->payload},
        {"--scripts", BUILD, NULL, &o->scripts},
        {"--identifier", BUILD, NULL, &o->identifier},
        {"--version", BUILD, NULL, &o->version},
        {"--install-location", BUILD, NULL, &o->install_location},
        {"--title", BUILD, NULL, &o->title},
        {"--min-os", BUILD, NULL, &o->min_os},
        {"--sign", BUILD, NULL, &o->sign},
        {"--chain", BUILD, NULL, &o->chain},
        {"--component", BUILD, NULL, &component},
        {"--ownership", BUILD, NULL, &ownership},
    };
    enum { COUNT = sizeof table / sizeof table[0] };
    const char *names[COUNT + 1] = {0}, *arg = argv[*i], *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg), known = 0;
    for (size_t k = 0; k < COUNT; k++) {
        const struct option *t = &table[k];
        if (!(t->verbs & verb->bit))
            continue;
        names[known++] = t->name;
        if (strlen(t->name) != len || strncmp(t->name, arg, len) != 0)
            continue;
        if (t->flag) {
            *t->flag = true;
            return !equals || err_set(e, ERR_USAGE, CAUSE_NONE, "%s takes no value", t->name);
        }
        const char *v = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
        if (!v || !*v)
            return err_set(e, ERR_USAGE, CAUSE_NONE, "%s needs a value", t->name);
        *t->value = v;
        if (component)
            o->components[o->component_count++] = component;
        return !ownership || set_ownership(o, ownership, e);
    }
    const char *near = options_nearest(arg, names);
    return err_set(e, ERR_USAGE, CAUSE_NONE, "pkg %s has no option %s%s%s%s", verb->name, arg,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool parse(const struct verb *verb, int argc, char **argv, struct cmd_pkg_options *o, struct err *e)
{
    bool options = true;
    o->components = arena_array(o->arena, (size_t)argc + 1, sizeof *o->components);
    o->operands = arena_array(o->arena, (size_t)argc + 1, sizeof *o->operands);
    for (int i = 2; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
            o->operands[o->operand_count++] = argv[i];
        else if (!parse_option(verb, argc, argv, &i, o, e))
            return false;
    }
    return true;
}

int cmd_pkg_fail(const char *name, const struct err *e, int code)
{
    fprintf(stderr, "daybreak: %s%s%s\n", name ? name : "", name ? ": " : "", e->text);
    return code;
}

const char *cmd_pkg_size(char out[32], uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t unit = 0;
    for (; v >= 1000 && unit < 4; unit++)
        v /= 1000;
    snprintf(out, 32, unit == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return out;
}

static bool confined;

bool cmd_pkg_confine(struct err *e)
{
    const struct os_cage cage = {.memory = 2048 * (uint64_t)LIMIT_MB};
    unsigned char sum[DIGEST_MAX];
    char missing[OS_CAGE_MISSING];
    digest_of(DIGEST_SHA256, "", 0, sum); /* reads the library's configuration */
    confined = true;
    return os_cage_enter(&cage, missing, e);
}

int cmd_pkg(int argc, char **argv)
{
    struct err e;
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help();
        return word ? EXIT_DONE : EXIT_USAGE;
    }
    const struct verb *verb = find_verb(word);
    if (!verb) {
        const char *near = nearest_verb(word);
        fprintf(stderr, "daybreak: pkg has no verb \"%s\"%s%s%s\n", word, near ? "; did you mean " : "",
                near ? near : "", near ? "?" : "");
        return EXIT_USAGE;
    }
    struct cmd_pkg_options o = {.arena = arena_open()};
    int code;
    if (!parse(verb, argc, argv, &o, &e)) {
        fprintf(stderr, "daybreak: %s\n", e.text);
        code = EXIT_USAGE;
    } else if (!o.help && o.operand_count != verb->operands) {
        fprintf(stderr, "usage: %s\n", verb->usage);
        code = EXIT_USAGE;
    } else if (o.help) {
        printf("usage: %s\n\n%s%s", verb->usage, verb->help,
               *verb->help ? "" : "  --json   one object, for programs\n");
        code = EXIT_DONE;
    } else {
        code = verb->fn(&o);
    }
    arena_free(o.arena);
    if (confined) { /* what libraries do at the end is not allowed in a cage */
        if (fflush(stdout) != 0 && code == EXIT_DONE)
            code = EXIT_PREFLIGHT;
        _exit(code);
    }
    return code;
}
