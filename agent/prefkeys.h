/* prefkeys: every preference there is: type, default, what it may do and where it may stand. The table is the
 * format: docs/daybreak.plist.5 says the same in words. */
#ifndef AGENT_PREFKEYS_H
#define AGENT_PREFKEYS_H
#include "agent/prefs.h"

enum prefkey_type {
    PREFKEY_ANY,
    PREFKEY_STRING,
    PREFKEY_PATH, /* absolute, on the target */
    PREFKEY_URL,
    PREFKEY_BOOL,
    PREFKEY_INT,
    PREFKEY_STRINGS,
    PREFKEY_HANDOFF /* string or dictionary */
};

enum {
    PREFKEY_TRUSTED = 1 << 0,  /* counts only from managed preferences or root-only files */
    PREFKEY_SECRET = 1 << 1,   /* redacted; may stand in SecretsFile */
    PREFKEY_SILENT = 1 << 2,   /* Munki's, without effect here: said once */
    PREFKEY_OWN = 1 << 3,      /* each program has its own: never inherited from ManagedInstalls */
    PREFKEY_MAY_MOVE = 1 << 4, /* may stand in SecretsFile though it is no secret itself */
    PREFKEY_NOTES = 1 << 5,    /* Munki's bookkeeping: ignored without a word */
    PREFKEY_LATER = 1 << 6     /* ours, checked, without effect in this version: said once */
};

struct prefkey {
    const char *name;
    enum prefkey_type type;
    unsigned flags;
    size_t field;         /* offset in struct prefs, or PREFKEY_NO_FIELD */
    const char *fallback; /* default as text, or NULL */
    const char *munki;    /* what Munki writes as its default, or NULL */
    int64_t min, max;     /* of an integer */
};
#define PREFKEY_NO_FIELD SIZE_MAX

extern const struct prefkey prefkeys_table[];
extern const size_t prefkeys_count;

const struct prefkey *prefkeys_find(const char *name); /* NULL: no such preference */
const char *prefkeys_nearest(const char *name);        /* for messages, or NULL */
const char *prefkeys_needed(enum prefkey_type type);   /* "an absolute path" */
/* The built-in default, or NULL. */
const struct value *prefkeys_default(struct arena *a, const struct prefkey *k);
#endif
