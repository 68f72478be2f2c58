/* plan: what the worker that reads a package's tables leaves for the one that unpacks it.
 *
 * A nameless file in the staging folder: the first worker may only write it, the second only read it, and the
 * process that started both does neither. It holds records as the control pipe does (worker.h): PLAN_TOTAL
 * first, PLAN_END last. LAYOUT: for each component in order of installation a PLAN_COMPONENT and, after it, a
 * PLAN_SUM for each file in its Bom. EXPAND: a PLAN_MEMBER for each member, directories before what is in
 * them. The reader believes no more of it than of the package. */
#ifndef INSTALLER_PLAN_H
#define INSTALLER_PLAN_H
#include "installer/worker.h"
#include "installer/xar.h"

enum plan_type { PLAN_TOTAL = WORKER_TYPES, PLAN_COMPONENT, PLAN_SUM, PLAN_MEMBER, PLAN_END };

struct plan_component {
    const char *location;
    uint64_t kbytes; /* what PackageInfo says the payload takes; 0 unknown */
    bool has_payload, has_scripts, has_bom;
    struct xar_member payload, scripts, bom; /* where the flags say so */
};

struct plan_sum { /* of a file in the Bom */
    const char *path;
    uint32_t size, sum; /* size: low 32 bits */
};

struct plan_writer {
    int fd;
    struct buf out, record;
};

/* All fail with ERR_SYS, or ERR_LIMIT. Nothing is there to be read before plan_end. */
void plan_begin(struct plan_writer *w, int fd);
CHECKED bool plan_put_total(struct plan_writer *w, uint64_t stored, struct err *e); /* bytes to be read */
CHECKED bool plan_put_component(struct plan_writer *w, const struct plan_component *c, struct err *e);
CHECKED bool plan_put_sum(struct plan_writer *w, const struct plan_sum *s, struct err *e);
CHECKED bool plan_put_member(struct plan_writer *w, const struct xar_member *m, struct err *e);
CHECKED bool plan_end(struct plan_writer *w, struct err *e);
void plan_writer_release(struct plan_writer *w);

struct plan_reader {
    int fd;
    uint64_t offset;
    struct buf in;
    size_t at;
};

/* One record of any type; strings in it live until the next call. */
struct plan_record {
    enum plan_type type;
    uint64_t total;
    struct plan_component component;
    struct plan_sum sum;
    struct xar_member member;
};

void plan_open(struct plan_reader *r, int fd);
/* ERR_INTERNAL when it makes no sense or ends before PLAN_END. */
CHECKED bool plan_next(struct plan_reader *r, struct plan_record *out, struct err *e);
void plan_reader_release(struct plan_reader *r);
#endif
