/* script: a script that stands as text in a pkginfo, run as a program on this machine.
 *
 * The text is written to a fresh folder that only its owner can enter, on the target volume, as a file named
 * after its key, and executed directly: no shell, no arguments, a fixed environment, DAYBREAK_ROOT when the
 * target is not this Mac's own /. For a user it is started in his session by Apple's launchctl and sudo, and
 * he may read it and its folder, but not write. Line endings of other systems are made \n first. Lines of
 * output go to the log as they come. */
#ifndef INSTALLER_SCRIPT_H
#define INSTALLER_SCRIPT_H
#include "core/child.h"
#include "installer/install.h"

struct script_place {
    struct loop *loop;
    int root;
    const char *root_path;
    bool live;
    uint64_t timeout_ms;                                     /* 0: SCRIPT_TIMEOUT_MS */
    const char *tools;                                       /* --tools DIR, or NULL: Apple's */
    const char *user;                                        /* whose session it is for; NULL: nobody's */
    uid_t uid;                                               /* of user */
    const char *item;                                        /* put before the lines of output, or NULL */
    void (*started)(void *ctx, pid_t pid, const char *what); /* may be NULL; what is the key */
    void *ctx;
};

/* The place as an install has it: env's loop, root and journal; timeout_ms as above. */
void script_place_from(struct script_place *where, const struct install_env *env, uint64_t timeout_ms);

#define SCRIPT_TIMEOUT_MS ((uint64_t)3600 * 1000)
#define SCRIPT_PREFIX     "script-" /* of the private folders, in INSTALL_STATE */

/* Run text. True: it ran and exited, *code is its status. False, cause script (or disk): it proves nothing:
 * no "#!" line (ERR_FORMAT), longer than LIMIT_SCRIPT_TEXT (ERR_LIMIT), could not be started (ERR_CHILD,
 * -1000), killed by a signal (ERR_CHILD, minus the signal), timed out, stopped. out, when not NULL, gets what
 * it printed to standard output, up to out's maximum. */
CHECKED bool script_run(const struct script_place *where, const char *key, const char *text, struct buf *out,
                        int *code, struct err *e);

/* The same, not waiting: the loop goes on with it. what where points to, and key, must outlive the script. */
struct script;
struct script *script_start(const struct script_place *where, const char *key, const char *text,
                            struct err *e);
bool script_done(const struct script *s);
/* How it ended, as script_run says it; frees. One that is not done goes on without us, and that is
 * ERR_STOPPED. */
CHECKED bool script_end(struct script *s, int *code, struct err *e);

/* Run an executable of the target volume by its path there ("/usr/local/bin/x"), in the same way. */
CHECKED bool script_run_file(const struct script_place *where, const char *path, int *code, struct err *e);
#endif
