/* detect_internal: what detect.c and detect_explain.c share. */
#ifndef INSTALLER_DETECT_INTERNAL_H
#define INSTALLER_DETECT_INTERNAL_H
#include "installer/detect.h"
#include "installer/evidence.h"

/* Does a check script answer, by itself or by the facts? *code: its exit, negative when it could not run. */
bool detect_check_code(struct detect *d, const struct pkginfo *p, const char *key, const char *short_key,
                       const char *text, int *code);
bool detect_version_script(struct detect *d, const struct pkginfo *p, enum evidence_held *held);
/* The sign of the running macOS against the item's version, both cut short (8.1 step 4). */
int detect_compare_os(struct detect *d, const struct pkginfo *p);
struct evidence *detect_entries(struct detect *d);
#endif
