/* record: what the workers for packages are asked, and what they answer, field by field. One request goes to
 * the one that reads tables (inspect.h) and then, as it is, to the one that unpacks (stage.h).
 *
 * The reading functions run in the process that asked, and believe nothing. */
#ifndef INSTALLER_RECORD_H
#define INSTALLER_RECORD_H
#include "core/arena.h"
#include "core/limits.h"
#include "installer/signature.h"
#include "installer/worker.h"

enum record_task {
    RECORD_LAYOUT, /* payloads, scripts and boms of the components: see stage.h */
    RECORD_EXPAND, /* the members of the container, decoded, under their own names */
    RECORD_LIST,   /* nothing written, and nothing left for another worker to do */
    RECORD_CLAIMS  /* nothing read but what judge.h needs to know; nothing left to do either */
};

struct record_request {
    enum record_task task;
    bool proved;  /* the package was proved by a hash from outside: xar checksums need not prove it */
    bool judged;  /* LAYOUT: its signatures were; else one that has any is only asked for its claims */
    bool sealed;  /* its signature is what it is trusted for: no decoder sees a byte before all are proved */
    bool owners;  /* payload owners are set */
    bool scripts; /* LAYOUT: scripts are unpacked, and what cannot be run is refused */
    bool skip_checks;              /* a Distribution's demands on the machine are passed over */
    bool all;                      /* LIST: every component, chosen or not */
    bool entries;                  /* LIST: payload members too */
    const char *arch, *os_version; /* "" unknown */
    uint64_t max_bytes;            /* of one payload */
    const void *choices;           /* installer_choices_xml as a property list; len 0: none */
    size_t choices_len;
    const char *const *keep_setid;
    size_t keep_setid_count;
};

enum record_type {
    RECORD_ARCHIVE = WORKER_TYPES, /* once: struct record_archive */
    RECORD_COMPONENT,              /* struct record_component; before anything is unpacked, in order */
    RECORD_ENTRY,                  /* LIST: struct record_entry, after its component */
    RECORD_PROGRESS,               /* struct record_progress */
    RECORD_COUNT,                  /* struct record_count, of one component */
    RECORD_SCRIPT,                 /* LAYOUT: struct record_script, after its component, in order */
    RECORD_BUNDLE,                 /* LAYOUT: struct record_bundle, after its component */
    RECORD_CLAIM,                  /* LAYOUT, CLAIMS: before all else: a part of what judge.h puts together */
    RECORD_SIGNATURE               /* by judge alone: struct signature, in part */
};

struct record_archive {
    bool has_signature, restart; /* restart: the product asks for one, or for a shutdown */
    bool needs_rosetta, may_need_rosetta;
    uint64_t components;
};

struct record_component {
    const char *identifier, *version, *location, *folder;
    bool has_payload, has_bom, overwrite_permissions, restart;
};

struct record_script {
    const char *kind;   /* one of packageinfo_kinds */
    const char *file;   /* path inside N/scripts */
    const char *bundle; /* identifier of the bundle it belongs to; "": the package's own */
    uint64_t timeout_s; /* 0: not given */
};

struct record_bundle { /* one with rules */
    const char *path;  /* below the location; "": it is the location */
    const char *id, *short_version, *version;
    bool checked, strict, replace, relocate; /* see struct packageinfo */
};

#define RECORD_LINK_MAX (4 * (size_t)LIMIT_PATH) /* a target may hold what is shown as \xNN */

struct record_entry {
    uint64_t type; /* '-', 'd', 'l' */
    uint64_t mode, uid, gid, mtime, size;
    const char *path, *link;
    const char *refused; /* why an install would refuse the package at this member; "": it would not */
    bool apple_double;
};

struct record_count {
    uint64_t members, bytes, setid_dropped, apple_double_dropped, apple_double_kept;
};

struct record_progress { /* stored bytes of the package read, of how many */
    uint64_t at, of;
};

/* Are path's components all names (none empty, "." or "..")? absolute: behind a '/', or "/" itself. */
bool record_path_ok(const char *path, bool absolute);

/* The getters fail when what came makes no sense: besides lengths they check identifiers, locations and paths
 * of scripts by the rules of the formats. Strings are borrowed from what is read. */
CHECKED bool record_put_request(struct buf *b, const struct record_request *r, struct err *e);
CHECKED bool record_get_request(struct arena *a, const struct buf *b, struct record_request *r,
                                struct err *e); /* the array keep_setid is in a */
CHECKED bool record_put_archive(struct buf *b, const struct record_archive *a, struct err *e);
CHECKED bool record_get_archive(struct worker_fields *f, struct record_archive *a, struct err *e);
CHECKED bool record_put_signature(struct buf *b, const struct signature *s, struct err *e);
/* status, why, team_id and the name of the first certificate; the rest is zero */
CHECKED bool record_get_signature(struct worker_fields *f, struct signature *s, struct err *e);
CHECKED bool record_put_component(struct buf *b, const struct record_component *c, struct err *e);
CHECKED bool record_get_component(struct worker_fields *f, struct record_component *c, struct err *e);
CHECKED bool record_put_script(struct buf *b, const struct record_script *s, struct err *e);
CHECKED bool record_get_script(struct worker_fields *f, struct record_script *s, struct err *e);
CHECKED bool record_put_bundle(struct buf *b, const struct record_bundle *u, struct err *e);
CHECKED bool record_get_bundle(struct worker_fields *f, struct record_bundle *u, struct err *e);
CHECKED bool record_put_entry(struct buf *b, const struct record_entry *m, struct err *e);
CHECKED bool record_get_entry(struct worker_fields *f, struct record_entry *m, struct err *e);
CHECKED bool record_send_count(const struct record_count *c, struct err *e); /* by a worker */
CHECKED bool record_get_count(struct worker_fields *f, struct record_count *c, struct err *e);
CHECKED bool record_put_progress(struct buf *b, const struct record_progress *p, struct err *e);
CHECKED bool record_get_progress(struct worker_fields *f, struct record_progress *p, struct err *e);
#endif
