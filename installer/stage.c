/* Everything here runs in the unpack cage: it may be led astray as far as the package, or the plan, is
 * hostile. Paths in the staging directory are made by us; a member's path in the container is used for a file
 * name only by expand, component by component. */
#include "installer/stage.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/claims.h"
#include "installer/plan.h"
#include "installer/record.h"
#include "installer/unpack.h"
#include "installer/worker.h"
#include "installer/xar.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PACKAGE     WORKER_FIRST
#define DIRECTORY   (WORKER_FIRST + 1)
#define PLAN        (WORKER_FIRST + 2)
#define OPENDIR     (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define SCRIPTS_MAX (1024 * (uint64_t)1024 * 1024)

struct stage {
    struct record_request request;
    struct xar xar; /* of which only the descriptor is known here */
    struct plan_reader plan;
    struct claims *claims;        /* what the payloads lay where; NULL where there is but one */
    const char *location;         /* of the component in hand */
    uint64_t before, total, told; /* stored bytes: of finished members, of all, at the last record */
    struct xar_reader *reader;    /* the member in hand */
};

/* --- what is said ------------------------------------------------------------------------------------- */

/* A sign of life, and progress by the hundredth. */
static void tick(void *ctx)
{
    struct stage *s = ctx;
    struct err e;
    struct buf b;
    uint64_t now = s->before + (s->reader != NULL ? xar_reader_stored(s->reader) : 0);
    if (now <= s->total && now - s->told > s->total / 100) {
        s->told = now;
        buf_init(&b, WORKER_RECORD_MAX);
        if (record_put_progress(&b, &(struct record_progress){.at = now, .of = s->total}, &e))
            worker_send(RECORD_PROGRESS, &b);
        buf_release(&b);
    }
    worker_alive();
}

/* --- unpacking ---------------------------------------------------------------------------------------- */

static bool read_stored(void *ctx, void *p, size_t max, size_t *got, struct err *e)
{
    struct stage *s = ctx;
    return xar_reader_read(s->reader, p, max, got, e);
}

static void close_member(struct stage *s, const struct xar_member *m)
{
    xar_reader_free(s->reader);
    s->reader = NULL;
    s->before += m->length;
}

/* Put the member's path before what went wrong inside it. */
static bool in_member(const struct xar_member *m, struct err *e)
{
    return text_starts(e->text, m->path) ? false : err_wrap(e, "%s", m->path);
}

/* The archived checksum of m holds, or *e says that it does not. */
static bool prove_stored(struct stage *s, const struct xar_member *m, struct err *e)
{
    char piece[64 * LIMIT_KB];
    size_t n = 0;
    struct xar_reader *r = xar_reader_open(&s->xar, m, false, e);
    bool ok = r != NULL;
    do {
        ok = ok && xar_reader_read(r, piece, sizeof piece, &n, e);
        tick(s);
    } while (ok && n > 0);
    xar_reader_free(r);
    return ok;
}

/* Where the signature is what speaks for the package, no decoder is shown what it does not prove. */
static struct xar_reader *open_member(struct stage *s, const struct xar_member *m, struct err *e)
{
    return !s->request.sealed || prove_stored(s, m, e) ? xar_reader_open(&s->xar, m, true, e) : NULL;
}

/* kbytes: what PackageInfo claims. */
static struct payload *open_payload(struct stage *s, const struct xar_member *m, uint64_t kbytes,
                                    uint64_t max, struct err *e)
{
    uint64_t claimed = kbytes < UINT64_MAX / 1024 ? kbytes * 1024 : UINT64_MAX;
    s->reader = open_member(s, m, e);
    struct payload *p = s->reader != NULL ? payload_open(read_stored, s, claimed, max, e) : NULL;
    if (p == NULL)
        in_member(m, e);
    return p;
}

static int make_directory(int dir, const char *name, struct err *e)
{
    int fd = -1;
    if (mkdirat(dir, name, 0700) != 0 || (fd = openat(dir, name, OPENDIR)) < 0)
        err_sys(e, "cannot make %s in the staging folder", name);
    return fd;
}

/* Archive member m into dir/name; what was unpacked to *made, which the caller frees, or NULL. */
static bool unpack_member(struct stage *s, const struct xar_member *m, int dir, const char *name,
                          const struct unpack_rules *rules, uint64_t kbytes, struct unpack **made,
                          struct err *e)
{
    uint64_t max = rules->private_files ? SCRIPTS_MAX : s->request.max_bytes;
    int fd = make_directory(dir, name, e);
    struct payload *p = fd >= 0 ? open_payload(s, m, kbytes, max, e) : NULL;
    bool ok = p != NULL;
    *made = NULL;
    if (ok) {
        struct cpio *c = cpio_open(p);
        *made = unpack_open(fd, rules);
        const struct unpack_source members = unpack_source_cpio(c);
        ok = unpack_all(*made, &members, e) || in_member(m, e);
        cpio_free(c);
    }
    if (!ok && p != NULL && payload_over(p) && !rules->private_files) {
        e->kind = ERR_SPACE; /* max was what is free on the volume */
        e->cause = CAUSE_DISK;
    }
    payload_free(p);
    close_member(s, m);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The decoded bytes of m into fd. */
static bool copy_member(struct stage *s, const struct xar_member *m, int fd, struct err *e)
{
    unsigned char piece[64 * 1024];
    size_t n = 0;
    s->reader = open_member(s, m, e);
    bool ok = s->reader != NULL;
    do {
        ok = ok && xar_reader_read(s->reader, piece, sizeof piece, &n, e) && files_write(fd, piece, n, e);
        if (ok)
            tick(s);
    } while (ok && n > 0);
    close_member(s, m);
    return ok;
}

static bool copy_to(struct stage *s, const struct xar_member *m, int dir, const char *name, struct err *e)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool ok = fd >= 0 ? copy_member(s, m, fd, e) : err_sys(e, "cannot make %s", m->path);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The paths that the Bom speaks of, up to the record that is another's: that one stays in *r. u may be NULL:
 * there was no payload. */
static bool compare(struct stage *s, const struct unpack *u, bool has_bom, struct plan_record *r,
                    struct err *e)
{
    size_t named = 0;
    while (plan_next(&s->plan, r, e)) {
        if (r->type != PLAN_SUM)
            return !has_bom || u == NULL || unpack_named(u, named, e) || err_wrap(e, "Payload");
        named++;
        if (u == NULL)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "its Bom names files, and it has no payload");
        if (!unpack_expect(u, r->sum.path, r->sum.type, r->sum.size, r->sum.sum, e))
            return err_wrap(e, "Payload");
    }
    return false;
}

static bool claim(void *ctx, const struct cpio_member *m, struct err *e)
{
    struct stage *s = ctx;
    return s->claims == NULL || claims_note(s->claims, s->location, m->path, m->type == CPIO_DIRECTORY, e);
}

/* Component n, which is in *r; afterwards the record behind it is. */
static bool stage_component(struct stage *s, size_t n, struct plan_record *r, struct err *e)
{
    struct arena *a = arena_open();
    struct plan_component c = r->component;
    const struct unpack_rules rules = {.owners = s->request.owners,
                                       .attributes = os_is_darwin(),
                                       .location = arena_strdup(a, c.location),
                                       .keep_setid = s->request.keep_setid,
                                       .keep_setid_count = s->request.keep_setid_count,
                                       .claim = claim,
                                       .tick = tick,
                                       .ctx = s};
    const struct unpack_rules private = {.private_files = true, .location = "/", .tick = tick, .ctx = s};
    struct unpack *payload = NULL, *scripts = NULL;
    struct unpack_count count = {0};
    char name[24];
    c.payload.path = c.has_payload ? arena_strdup(a, c.payload.path) : NULL;
    c.scripts.path = c.has_scripts ? arena_strdup(a, c.scripts.path) : NULL;
    c.scripts.encoding_name = c.has_scripts ? arena_strdup(a, c.scripts.encoding_name) : NULL;
    snprintf(name, sizeof name, "%zu", n);
    s->location = rules.location;
    int dir = make_directory(DIRECTORY, name, e);
    bool ok = dir >= 0 && (!c.has_bom || copy_to(s, &c.bom, dir, "bom", e)) &&
              (!c.has_payload || unpack_member(s, &c.payload, dir, "root", &rules, c.kbytes, &payload, e));
    if (payload != NULL)
        count = *unpack_counted(payload);
    ok = ok && compare(s, payload, c.has_bom, r, e);
    unpack_free(payload);
    if (ok && c.has_scripts && s->request.scripts)
        ok = unpack_member(s, &c.scripts, dir, "scripts", &private, 0, &scripts, e);
    unpack_free(scripts);
    if (ok && c.has_scripts && !s->request.scripts) {
        ok = prove_stored(s, &c.scripts, e);
        s->before += c.scripts.length;
    }
    if (dir >= 0)
        close(dir);
    arena_free(a);
    return ok && record_send_count(&(struct record_count){.members = count.members,
                                                          .bytes = count.bytes,
                                                          .setid_dropped = count.setid_dropped,
                                                          .apple_double_dropped = count.apple_double_dropped,
                                                          .apple_double_kept = count.apple_double_kept},
                                   e);
}

static bool nonsense(struct err *e)
{
    return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the plan for unpacking is in disorder");
}

static bool layout(struct stage *s, struct err *e)
{
    struct plan_record r;
    size_t n = 0;
    if (!plan_next(&s->plan, &r, e))
        return false;
    while (r.type == PLAN_COMPONENT)
        if (n == LIMIT_COMPONENTS || !stage_component(s, n++, &r, e))
            return n < LIMIT_COMPONENTS ? false : nonsense(e);
    return r.type == PLAN_END || nonsense(e);
}

/* --- the container's members as they are --------------------------------------------------------------- */

/* The open directory that path's last component lies in; *name that. Each one above was made before. */
static int expanded_parent(const char *path, const char **name, struct err *e)
{
    int fd = openat(DIRECTORY, ".", OPENDIR);
    const char *slash, *whole = path;
    while (fd >= 0 && (slash = strchr(path, '/')) != NULL) {
        char part[LIMIT_NAME + 1];
        size_t n = (size_t)(slash - path);
        if (n > LIMIT_NAME) {
            close(fd);
            err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a name is too long");
            return -1;
        }
        memcpy(part, path, n);
        part[n] = '\0';
        int next = openat(fd, part, OPENDIR);
        close(fd);
        fd = next;
        path = slash + 1;
    }
    *name = path;
    if (fd < 0)
        err_sys(e, "cannot open the folder of %s", whole);
    return fd;
}

static bool expand_one(struct stage *s, const struct xar_member *m, struct err *e)
{
    const char *name;
    int parent = expanded_parent(m->path, &name, e);
    if (parent < 0)
        return false;
    bool ok = m->directory ? mkdirat(parent, name, 0755) == 0 || err_sys(e, "cannot make %s", m->path)
                           : copy_to(s, m, parent, name, e);
    close(parent);
    return ok;
}

static bool expand(struct stage *s, struct err *e)
{
    struct record_count count = {0};
    struct plan_record r;
    while (plan_next(&s->plan, &r, e)) {
        if (r.type == PLAN_END)
            return record_send_count(&count, e);
        if (r.type != PLAN_MEMBER)
            return nonsense(e);
        if (!expand_one(s, &r.member, e))
            return false;
        count.members++;
        count.bytes += r.member.size;
    }
    return false;
}

/* --- the work ----------------------------------------------------------------------------------------- */

/* Hold the lock that tells a later run we still live. A directory without one is nobody's to recover. */
static bool hold_lock(struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(DIRECTORY, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ||
               err_sys(e, "cannot open the lock of the staging folder");
    if (fcntl(fd, F_SETLK, &lock) != 0)
        return err_sys(e, "cannot lock the staging folder");
    worker_alive(); /* whoever cleans up may have been faster */
    return true;
}

static bool work(struct stage *s, struct err *e)
{
    struct plan_record r;
    if (s->request.task == RECORD_LAYOUT && !hold_lock(e))
        return false;
    if (!plan_next(&s->plan, &r, e))
        return false;
    if (r.type != PLAN_TOTAL || s->request.task >= RECORD_LIST)
        return nonsense(e);
    s->total = r.total;
    if (r.components > 1)
        s->claims = claims_open();
    return s->request.task == RECORD_EXPAND ? expand(s, e) : layout(s, e);
}

bool stage_work(const struct buf *request, struct err *e)
{
    struct arena *a = arena_open();
    struct stage s;
    memset(&s, 0, sizeof s);
    s.xar.fd = PACKAGE;
    plan_open(&s.plan, PLAN);
    bool ok = record_get_request(a, request, &s.request, e) && work(&s, e);
    plan_reader_release(&s.plan);
    claims_free(s.claims);
    arena_free(a);
    return ok;
}
