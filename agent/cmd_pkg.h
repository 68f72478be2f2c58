/* cmd_pkg: what the verbs of "daybreak pkg" share. */
#ifndef AGENT_CMD_PKG_H
#define AGENT_CMD_PKG_H
#include "installer/distribution.h"
#include "installer/packageinfo.h"
#include "installer/signature.h"
#include "installer/xar.h"
#include <jansson.h>

struct cmd_pkg_options {
    struct arena *arena;
    bool json, quiet, help;
    bool expand;                   /* extract */
    const char *ca, *team_id, *at; /* verify; NULL: not given */
    bool require_signature;        /* verify */
    const char *payload, *scripts, *identifier, *version, *install_location, *title,
        *min_os;              /* build; NULL as above */
    const char *sign, *chain; /* build: key and certificates */
    const char *url;          /* mdm-manifest */
    bool unsigned_too;        /* mdm-manifest: of a package that is yet to be signed */
    bool preserve_owner;      /* build */
    const char **components;  /* build */
    size_t component_count;
    const char **operands;
    size_t operand_count;
};

/* The verbs. They print results on standard output, messages on standard error, and return the exit code. */
int cmd_pkg_info(const struct cmd_pkg_options *o);
int cmd_pkg_list(const struct cmd_pkg_options *o);
int cmd_pkg_extract(const struct cmd_pkg_options *o);
int cmd_pkg_build(const struct cmd_pkg_options *o);
int cmd_pkg_verify(const struct cmd_pkg_options *o);
int cmd_pkg_mdm_manifest(const struct cmd_pkg_options *o);

/* Called with everything open, before the first byte of a package is parsed here: this process enters the
 * parse cage (core/os.h), and cmd_pkg ends it when the verb returns. */
CHECKED bool cmd_pkg_confine(struct err *e);

/* Say "daybreak: NAME: sentence"; name NULL: the sentence has it. Returns code. */
int cmd_pkg_fail(const char *name, const struct err *e, int code);

/* The file at path, as the value of option. The text names both. */
CHECKED bool cmd_pkg_read(const char *option, const char *path, struct buf *out, struct err *e);

/* Put team_id, chain, timestamp, notarized, notarized_at and ticket into j; returns j. */
json_t *cmd_pkg_signature_json(const struct signature *s, json_t *j);

/* "3.4 MB", in a buffer of the caller's. */
const char *cmd_pkg_size(char out[32], uint64_t bytes);
#endif
