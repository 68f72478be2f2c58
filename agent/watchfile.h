/* watchfile: a text file that some other program reads line by line while we append to it.
 *
 * One write(2) per line, because no reader keeps half a line; opened O_APPEND and O_NOFOLLOW, refused when it
 * has a second name; never truncated or replaced while open. Before each line the path is looked at again: a
 * reader that deletes and makes its file anew (swiftDialog) is followed. */
#ifndef AGENT_WATCHFILE_H
#define AGENT_WATCHFILE_H
#include "core/err.h"

struct watchfile;

enum watchfile_start {
    WATCHFILE_APPEND, /* whatever stands there stays */
    WATCHFILE_FRESH,  /* a regular file of that name is removed first */
    WATCHFILE_ROTATE  /* it is renamed to NAME.1 first */
};

/* path is absolute, as seen on the target; root: descriptor of the target volume (borrowed). */
struct watchfile *watchfile_open(int root, const char *path, enum watchfile_start start, struct err *e);
void watchfile_free(struct watchfile *w);

/* Append one line (newline added; cut to 1024 bytes in all on a character boundary; control bytes become
 * spaces). A write that was cut short is ended with a newline and the whole line written again once.
 * *reopened, when not NULL, says that another file stands there since the last line, or that this one was cut
 * short: tell it everything. */
bool watchfile_line(struct watchfile *w, const char *line, bool *reopened);
#endif
