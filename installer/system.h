/* system: Apple's own installer, the engine for packages on this Mac's /. */
#ifndef INSTALLER_SYSTEM_H
#define INSTALLER_SYSTEM_H
#include "installer/install.h"

/* What one line of `installer -verboseR` says. */
enum system_said {
    SYSTEM_NOTHING, /* empty status, a repeated line */
    SYSTEM_PHASE,   /* text */
    SYSTEM_PERCENT, /* percent */
    SYSTEM_ERROR,   /* text */
    SYSTEM_TEXT     /* text, for the log */
};

struct system_progress {
    int percent; /* 0..100, never falling; -1 before the first */
    char phase[256];
    char text[512];  /* of the last line */
    char error[512]; /* the first error, "" while there is none */
    char last[1024]; /* the last line, to tell repetitions */
};

void system_progress_init(struct system_progress *sp);
/* Take one line, without its newline. Pure. */
enum system_said system_progress_line(struct system_progress *sp, const char *line);

struct system_options {
    const struct value *choices;     /* installer_choices_xml, or NULL */
    const struct value *environment; /* installer_environment, or NULL */
    bool allow_untrusted;            /* we decided so: its bytes are proved, or the admin allows it */
    uint64_t timeout_ms;
};

/* Install the package (file or folder) at path. On success out->restart is what the package asks for. */
CHECKED bool system_install(const struct install_env *env, const char *path, const struct system_options *o,
                            struct install_outcome *out, struct err *e);
#endif
