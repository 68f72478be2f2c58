/* console: who sits at this Mac. Setup Assistant's own user, the login window and root are nobody.
 *
 * Source: what `scutil` prints for "show State:/Users/ConsoleUser", the system configuration's word on the
 * session in front; on other targets than / only a stand-in of that tool is asked. */
#ifndef INSTALLER_CONSOLE_H
#define INSTALLER_CONSOLE_H
#include "core/loop.h"
#include "installer/tool.h"
#include <stdint.h>

enum console_state {
    CONSOLE_UNKNOWN, /* not asked (another target), or no answer */
    CONSOLE_NOBODY,  /* nobody has logged in: the login window, or earlier */
    CONSOLE_SETUP,   /* Setup Assistant */
    CONSOLE_USER     /* a person */
};

struct console {
    enum console_state state;
    const char *name, *home; /* of a CONSOLE_USER, else NULL */
    int64_t uid;             /* of a CONSOLE_USER, else 0 */
};

/* What scutil printed, decided. home stays NULL. Pure; name in a. */
void console_parse(struct arena *a, const char *text, struct console *c);

/* Ask now; the answer holds for this moment only. tools: --tools DIR or NULL; live: the target is /. */
void console_ask(struct arena *a, struct loop *l, const char *tools, bool live, struct console *c);

/* argv to be run as the person c in that person's session (launchctl asuser, sudo). In a. NULL: nobody is
 * there (ERR_REFUSED), or a tool is not (ERR_NOT_FOUND). */
const char *const *console_command(struct arena *a, const char *tools, bool live, const struct console *c,
                                   const char *const *argv, struct err *e);
#endif
