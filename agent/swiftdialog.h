/* swiftdialog: swiftDialog's command file ("listitem: index: 0, status: wait, statustext: Installing") and
 * the two dialects of its Inspect mode.
 *
 * Rows are addressed by index and every value is absolute, so that a reader may replay the file. swiftDialog
 * deletes and makes its file anew when it starts: then everything is said again. */
#ifndef AGENT_SWIFTDIALOG_H
#define AGENT_SWIFTDIALOG_H
#include "agent/progress.h"

enum swiftdialog_dialect {
    SWIFTDIALOG_LIST,           /* the command file of an ordinary list window */
    SWIFTDIALOG_INSPECT_ITEMS,  /* Inspect presets 1 to 3: item:ID:STATUS[:MESSAGE] in the command file */
    SWIFTDIALOG_INSPECT_TRIGGER /* Inspect presets 4 to 6: success:ID:…, progress:ID:P in the trigger file */
};

CHECKED bool swiftdialog_open(int root, const char *path, enum swiftdialog_dialect dialect,
                              struct progress_writer *w, struct err *e);

/* A value that cannot end a segment early: "," becomes ";", ": " becomes " - ", braces parentheses. */
void swiftdialog_value(char *out, size_t size, const char *s);
#endif
