/* distribution: the Distribution member of a product archive, decoded, and the choice it makes.
 *
 * A Distribution may contain JavaScript. Here nothing is executed: what is literal is decided, and what only
 * JavaScript could decide is refused by name. Format: Apple's Distribution Definition. Everything lives in
 * the arena given. */
#ifndef INSTALLER_DISTRIBUTION_H
#define INSTALLER_DISTRIBUTION_H
#include "core/arena.h"
#include "installer/packageinfo.h"
#include "manifests/props.h"

/* A package of the product: everything that the pkg-ref elements of one id say together. */
struct distribution_ref {
    const char *id;
    const char *version; /* or NULL */
    /* the directory of the container that holds the component ("a.pkg", unescaped, one component, no "..");
     * NULL when no element says: such a ref installs nothing */
    const char *component;
    enum packageinfo_action on_conclusion;
    uint64_t install_kbytes;
    const char *active; /* literal or expression, or NULL */
    struct packageinfo_names must_close;
};

struct distribution_choice {
    const char *id, *title;                                        /* title "" when not given */
    const char *selected, *start_selected;                         /* literal or expression, or NULL */
    const char *enabled, *start_enabled, *visible, *start_visible; /* the same */
    const char *custom_location;                                   /* or NULL */
    const struct distribution_ref *const *refs;
    size_t ref_count;
};

struct distribution_line { /* of choices-outline, depth first */
    const struct distribution_choice *choice;
    unsigned depth; /* 0: top */
};

struct distribution_os {
    const char *min, *before; /* or NULL */
};

struct distribution {
    const char *title;                        /* "" when not given; may be a key of Localizable.strings */
    const char *product_id, *product_version; /* or NULL */
    const char *customize;                    /* never, allow, always; NULL when not given */
    struct packageinfo_names architectures;   /* hostArchitectures; empty: not given */
    bool root_volume_only;
    int64_t ram_gb;                   /* needed at least; 0: no matter */
    bool home_only;                   /* domains allow a user's home alone */
    const struct distribution_os *os; /* allowed-os-versions: one must hold; empty: any */
    size_t os_count;
    const struct distribution_ref *refs; /* in order of first mention */
    size_t ref_count;
    const struct distribution_choice *choices;
    size_t choice_count;
    const struct distribution_line *lines;
    size_t line_count;
    /* the first check that is not for us to make, one phrase naming it ("installation-check calls
     * installCheck()", "required-graphics"), or NULL. It says whether, not what: see skip_checks */
    const char *scripted_check;
};

/* Decode the bytes of a Distribution. NULL: ERR_FORMAT ("Distribution: …", also for a reference that leaves
 * the container, a line that names no choice, an identifier with two meanings) or ERR_LIMIT. */
const struct distribution *distribution_decode(struct arena *a, const void *p, size_t n, struct err *e);

struct distribution_machine {
    const char *arch;       /* "arm64" or "x86_64"; NULL: not judged */
    const char *os_version; /* "15.1"; NULL: not judged */
    int64_t ram_gb;         /* 0: not judged */
    bool root_volume;       /* the target is, or stands for, the volume the system was started from */
    /* true: lay out what would be installed, whatever machine this is: checks of architecture, system and
     * volume, scripted or not, are passed over (extract, list) */
    bool skip_checks;
    bool skip_scripted; /* no foreign script is executed: neither are the checks that are one */
    /* is package id installed at exactly this version? NULL: nothing is. For the one expression known by
     * heart: my.choice.packageUpgradeAction != "installed" */
    bool (*installed)(void *ctx, const char *id, const char *version);
    void *ctx;
};

struct distribution_plan {
    const struct distribution_ref *const *refs; /* to install, in this order, each once */
    size_t count;
    enum packageinfo_action on_conclusion; /* the strongest of them */
    bool needs_rosetta;                    /* for x86_64 alone, and the machine is arm64 */
    bool may_need_rosetta; /* it does not say for which processors, and the machine is arm64 */
};

/* What gets installed on this machine, in which order: the refs of the selected choices along the outline.
 * choices_xml: the pkginfo's installer_choices_xml (an array of dictionaries choiceIdentifier,
 * choiceAttribute, attributeSetting), or NULL. ERR_REFUSED: not for this machine, or only JavaScript could
 * say (named), or a custom location, or an entry of choices_xml that fits nothing. *plan in a. */
CHECKED bool distribution_decide(struct arena *a, const struct distribution *d,
                                 const struct distribution_machine *m, const struct value *choices_xml,
                                 struct distribution_plan *plan, struct err *e);
#endif
