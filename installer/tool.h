/* tool: the table of Apple's tools, and of what stands in for one elsewhere. Absolute paths only. */
#ifndef INSTALLER_TOOL_H
#define INSTALLER_TOOL_H
#include "core/arena.h"

enum tool {
    TOOL_INSTALLER,
    TOOL_HDIUTIL,
    TOOL_PKGUTIL,
    TOOL_PROFILES,
    TOOL_DITTO,
    TOOL_SEVENZIP,
    TOOL_SCUTIL,
    TOOL_LAUNCHCTL,
    TOOL_SUDO,
    TOOL_CAFFEINATE,
    TOOL_PMSET,
    TOOL_SYSCTL,
    TOOL_OSASCRIPT,
    TOOL_SHUTDOWN,
    TOOL_SOFTWAREUPDATE,
    TOOL_OPEN
};

/* The path of t, in a: below dir (--tools) when it is there, else its fixed place. NULL, ERR_NOT_FOUND with a
 * sentence, when this machine has none. dir may be NULL. */
const char *tool_path(struct arena *a, const char *dir, enum tool t, struct err *e);

/* The same for tools that speak of, or act on, the machine itself: the fixed place counts only when the
 * target is this Mac's own / (live); elsewhere only a stand-in does. */
const char *tool_path_here(struct arena *a, const char *dir, bool live, enum tool t, struct err *e);

/* Does dir hold a t of its own? Then it is used for other targets than / too. */
bool tool_given(const char *dir, enum tool t);

/* The property list in what a tool printed: from its XML header to its end, whatever stands around it. NULL:
 * there is none (ERR_FORMAT) or it does not decode. */
struct value;
const struct value *tool_plist(struct arena *a, const char *text, size_t len, struct err *e);
#endif
