/* Everything here runs in the worker: it may be led astray as far as the package is hostile, and whoever
 * started it believes nothing that it says without looking. Paths in the staging directory are
 * made by us; a member's path in the container is used for a file name only by expand, component by
 * component. */
#include "installer/stage.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/distribution.h"
#include "installer/record.h"
#include "installer/unpack.h"
#include "installer/worker.h"
#include "installer/xar.h"
#include "manifests/props.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define OPENDIR     (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define SCRIPTS_MAX (1024 * (uint64_t)1024 * 1024)

struct component {
    const struct packageinfo *info;
    const char *folder; /* "" or "a.pkg" */
    const struct xar_member *payload, *scripts, *bom;
};

struct stage {
    struct arena *arena;
    struct record_request request;
    struct xar *xar;
    struct component components[LIMIT_COMPONENTS];
    size_t count;
    bool restart;
    uint64_t before, total, told; /* stored bytes: of finished members, of all, at the last record */
    struct xar_reader *reader;    /* the member in hand */
};

/* --- what is said ----------------------------------------------------------------------------------------
 */

static bool send_component(const struct component *c, struct err *e)
{
    const struct packageinfo *i = c->info;
    const struct packageinfo_script *pre = packageinfo_own_script(i, false);
    const struct packageinfo_script *post = packageinfo_own_script(i, true);
    const struct record_component r = {.identifier = i->identifier,
                                       .version = i->version,
                                       .location = i->install_location,
                                       .folder = c->folder,
                                       .has_payload = c->payload != NULL,
                                       .has_bom = c->bom != NULL,
                                       .overwrite_permissions = i->overwrite_permissions,
                                       .restart = i->postinstall_action >= PACKAGEINFO_RESTART,
                                       .preinstall = pre != NULL ? pre->file : "",
                                       .preinstall_s = pre != NULL ? pre->timeout_s : 0,
                                       .postinstall = post != NULL ? post->file : "",
                                       .postinstall_s = post != NULL ? post->timeout_s : 0};
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = record_put_component(&b, &r, e);
    if (ok)
        worker_send(RECORD_COMPONENT, &b);
    buf_release(&b);
    return ok;
}

static bool send_entry(struct buf *b, const struct cpio_member *m, struct err *e)
{
    static const char types[] = {[CPIO_FILE] = '-', [CPIO_DIRECTORY] = 'd', [CPIO_LINK] = 'l'};
    char link[RECORD_LINK_MAX + 1];
    text_printable_into(link, sizeof link, m->link, strlen(m->link));
    const struct record_entry r = {.type = (uint64_t)types[m->type],
                                   .mode = m->mode,
                                   .uid = m->uid,
                                   .gid = m->gid,
                                   .mtime = (uint64_t)m->mtime,
                                   .size = m->size,
                                   .path = m->path,
                                   .link = link,
                                   .apple_double = m->apple_double};
    buf_clear(b);
    if (!record_put_entry(b, &r, e))
        return false;
    worker_send(RECORD_ENTRY, b);
    return true;
}

static bool send_archive(const struct stage *s, struct err *e)
{
    const struct record_archive r = {
        .has_signature = s->xar->signature_count > 0, .restart = s->restart, .components = s->count};
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = record_put_archive(&b, &r, e);
    if (ok)
        worker_send(RECORD_ARCHIVE, &b);
    buf_release(&b);
    return ok;
}

static bool send_count(const struct record_count *c, struct err *e)
{
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = record_put_count(&b, c, e);
    if (ok)
        worker_send(RECORD_COUNT, &b);
    buf_release(&b);
    return ok;
}

/* A sign of life, and progress by the hundredth. */
static void tick(void *ctx)
{
    struct stage *s = ctx;
    struct err e;
    struct buf b;
    uint64_t now = s->before + (s->reader != NULL ? xar_reader_stored(s->reader) : 0);
    if (now - s->told > s->total / 100) {
        s->told = now;
        buf_init(&b, WORKER_RECORD_MAX);
        if (record_put_progress(&b, &(struct record_progress){.at = now, .of = s->total}, &e))
            worker_send(RECORD_PROGRESS, &b);
        buf_release(&b);
    }
    worker_alive();
}

/* --- what the package holds --------------------------------------------------------------------------- */

static const struct xar_member *find(struct stage *s, const char *folder, const char *name)
{
    const struct xar_member *m =
        xar_find(s->xar, *folder == '\0' ? name : arena_printf(s->arena, "%s/%s", folder, name));
    return m != NULL && !m->directory ? m : NULL;
}

static bool load(struct stage *s, const struct xar_member *m, size_t max, struct buf *out, struct err *e)
{
    (void)s;
    buf_init(out, max);
    if (xar_load(s->xar, m, out, e))
        return true;
    buf_release(out);
    return false;
}

static bool add_component(struct stage *s, const char *folder, struct err *e)
{
    const struct xar_member *m = find(s, folder, "PackageInfo");
    struct buf b;
    if (s->count == LIMIT_COMPONENTS)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "it holds more than %d components", LIMIT_COMPONENTS);
    if (m == NULL)
        return *folder == '\0'
                   ? err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                             "it holds neither PackageInfo nor Distribution: no package")
                   : err_set(e, ERR_FORMAT, CAUSE_FORMAT, "its component %s has no PackageInfo", folder);
    if (!load(s, m, LIMIT_PACKAGE_XML, &b, e))
        return false;
    struct component *c = &s->components[s->count];
    c->info = packageinfo_decode(s->arena, b.data, b.len, e);
    buf_release(&b);
    if (c->info == NULL)
        return *folder == '\0' ? false : err_wrap(e, "%s", folder);
    c->folder = folder;
    c->payload = find(s, folder, "Payload");
    c->scripts = find(s, folder, "Scripts");
    c->bom = find(s, folder, "Bom");
    s->count++;
    return true;
}

/* Can this version install it as it wants to be installed? */
static bool check_component(const struct component *c, struct err *e)
{
    const struct packageinfo *i = c->info;
    if (c->payload == NULL && i->number_of_files > 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: its payload is missing", i->identifier);
    if (i->legacy_scripts.count > 0)
        return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "%s: %s scripts are not supported", i->identifier,
                       i->legacy_scripts.names[0]);
    for (size_t k = 0; k < i->script_count; k++) {
        const struct packageinfo_script *script = &i->scripts[k];
        if (script->component_id != NULL)
            return err_set(e, ERR_REFUSED, CAUSE_INSTALLER, "%s: scripts of single bundles are not supported",
                           i->identifier);
        if (c->scripts == NULL)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: its %s script is missing", i->identifier,
                           script->post ? "postinstall" : "preinstall");
    }
    return true;
}

static bool choose(struct stage *s, const struct xar_member *m, struct err *e)
{
    struct distribution_plan plan;
    struct distribution_machine machine = {.arch = *s->request.arch != '\0' ? s->request.arch : "arm64",
                                           .os_version =
                                               *s->request.os_version != '\0' ? s->request.os_version : "99",
                                           .root_volume = true,
                                           .skip_checks = s->request.skip_checks,
                                           .skip_scripted = !s->request.scripts};
    const struct value *choices = NULL;
    struct buf b;
    if (s->request.choices_len > 0) {
        choices = props_decode(s->arena, s->request.choices, s->request.choices_len, e);
        if (choices == NULL)
            return err_wrap(e, "installer_choices_xml");
    }
    if (!load(s, m, LIMIT_PACKAGE_XML, &b, e))
        return false;
    const struct distribution *d = distribution_decode(s->arena, b.data, b.len, e);
    buf_release(&b);
    if (d == NULL || !distribution_decide(s->arena, d, &machine, choices, &plan, e))
        return false;
    s->restart = plan.on_conclusion >= PACKAGEINFO_RESTART;
    for (size_t i = 0; i < plan.count; i++)
        if (plan.refs[i]->component != NULL && !add_component(s, plan.refs[i]->component, e))
            return false;
    return true;
}

/* Who signed it, said aloud, and held against what is asked. */
static bool judge(struct stage *s, struct err *e)
{
    const struct signature_policy policy = {.roots = s->request.roots_len > 0 ? s->request.roots : NULL,
                                            .roots_len = s->request.roots_len,
                                            .at = -1};
    struct signature *signature = arena_alloc(s->arena, sizeof *signature);
    struct buf b;
    if (!signature_judge(s->xar, &policy, signature, e))
        return false;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = record_put_signature(&b, signature, e);
    if (ok)
        worker_send(RECORD_SIGNATURE, &b);
    buf_release(&b);
    return ok && signature_meets(signature, &s->request.need, e);
}

static bool open_package(struct stage *s, struct err *e)
{
    bool judged = s->request.task == RECORD_LAYOUT || s->request.task == RECORD_JUDGE;
    s->xar = xar_open(s->arena, WORKER_PACKAGE, e);
    if (s->xar == NULL || (judged && !judge(s, e)))
        return false;
    if (s->xar->unproven != NULL && !s->request.proved && s->request.task == RECORD_LAYOUT)
        return err_set(e, ERR_TRUST, CAUSE_HASH, "%s, and no hash from outside proves the package",
                       s->xar->unproven);
    if (s->request.task == RECORD_EXPAND || s->request.task == RECORD_JUDGE)
        return true;
    const struct xar_member *m = find(s, "", "Distribution");
    if (s->request.all && m != NULL) {
        for (size_t i = 0; i < s->xar->member_count; i++) {
            m = &s->xar->members[i];
            size_t n = strlen(m->path) - strlen(m->name);
            if (!m->directory && n > 0 && strcmp(m->name, "PackageInfo") == 0 &&
                !add_component(s, arena_strndup(s->arena, m->path, n - 1), e))
                return false;
        }
        return true;
    }
    return m != NULL ? choose(s, m, e) : add_component(s, "", e);
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

/* kbytes: what PackageInfo claims. */
static struct payload *open_payload(struct stage *s, const struct xar_member *m, uint64_t kbytes,
                                    uint64_t max, struct err *e)
{
    uint64_t claimed = kbytes < UINT64_MAX / 1024 ? kbytes * 1024 : UINT64_MAX;
    s->reader = xar_reader_open(s->xar, m, true, e);
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

/* Archive member m into dir/name. bom may be NULL. */
static bool unpack_member(struct stage *s, const struct xar_member *m, int dir, const char *name,
                          const struct unpack_rules *rules, uint64_t kbytes, const struct bom *bom,
                          struct unpack_count *count, struct err *e)
{
    uint64_t max = rules->private_files ? SCRIPTS_MAX : s->request.max_bytes;
    int fd = make_directory(dir, name, e);
    struct payload *p = fd >= 0 ? open_payload(s, m, kbytes, max, e) : NULL;
    struct unpack *u = NULL;
    struct cpio *c = NULL;
    bool ok = p != NULL;
    if (ok) {
        u = unpack_open(fd, rules);
        c = cpio_open(p);
        ok = (unpack_all(u, c, e) && (bom == NULL || unpack_compare(u, bom, e))) || in_member(m, e);
        *count = *unpack_counted(u);
    }
    if (!ok && p != NULL && payload_over(p) && !rules->private_files) {
        e->kind = ERR_SPACE; /* max was what is free on the volume */
        e->cause = CAUSE_DISK;
    }
    unpack_free(u);
    cpio_free(c);
    payload_free(p);
    close_member(s, m);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The Bom: its bytes to dir/bom, its meaning to *bom, in a. */
static bool stage_bom(const struct component *c, struct stage *s, int dir, struct arena *a,
                      const struct bom **bom, struct err *e)
{
    struct buf b;
    if (!load(s, c->bom, LIMIT_BOM, &b, e))
        return false;
    *bom = bom_decode(a, b.data, b.len, e);
    bool ok = *bom != NULL;
    int fd = ok ? openat(dir, "bom", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644) : -1;
    if (ok && fd < 0)
        ok = err_sys(e, "cannot make bom in the staging folder");
    ok = ok && files_write(fd, b.data, b.len, e);
    if (fd >= 0)
        close(fd);
    buf_release(&b);
    s->before += c->bom->length;
    return ok;
}

static bool stage_component(struct stage *s, size_t n, struct err *e)
{
    const struct component *c = &s->components[n];
    struct unpack_count count = {0}, scripts = {0};
    struct unpack_rules rules = {.owners = s->request.owners,
                                 .location = c->info->install_location,
                                 .keep_setid = s->request.keep_setid,
                                 .keep_setid_count = s->request.keep_setid_count,
                                 .tick = tick,
                                 .ctx = s};
    struct unpack_rules private = {.private_files = true, .location = "/", .tick = tick, .ctx = s};
    struct arena *a = arena_open();
    const struct bom *bom = NULL;
    char name[24];
    snprintf(name, sizeof name, "%zu", n);
    int dir = make_directory(WORKER_DIRECTORY, name, e);
    bool ok = dir >= 0 && (c->bom == NULL || stage_bom(c, s, dir, a, &bom, e));
    if (ok && c->payload != NULL)
        ok = unpack_member(s, c->payload, dir, "root", &rules, c->info->install_kbytes, bom, &count, e);
    if (ok && c->scripts != NULL && s->request.scripts)
        ok = unpack_member(s, c->scripts, dir, "scripts", &private, 0, NULL, &scripts, e);
    if (ok && c->scripts != NULL && !s->request.scripts) {
        ok = xar_check(s->xar, c->scripts, e);
        s->before += c->scripts->length;
    }
    if (dir >= 0)
        close(dir);
    arena_free(a);
    return ok && send_count(&(struct record_count){.members = count.members,
                                                   .bytes = count.bytes,
                                                   .setid_dropped = count.setid_dropped,
                                                   .apple_double_dropped = count.apple_double_dropped},
                            e);
}

static bool list_component(struct stage *s, const struct component *c, struct err *e)
{
    struct cpio_member m;
    struct record_count count = {0};
    struct buf b;
    uint64_t seen = 0;
    bool end = false;
    if (c->payload == NULL || !s->request.entries)
        return true;
    struct payload *p = open_payload(s, c->payload, c->info->install_kbytes, s->request.max_bytes, e);
    struct cpio *cpio = p != NULL ? cpio_open(p) : NULL;
    bool ok = p != NULL;
    buf_init(&b, WORKER_RECORD_MAX);
    while (ok && !end) {
        ok = cpio_next(cpio, &m, &end, e) || in_member(c->payload, e);
        if (!ok || end)
            break;
        count.members += m.path[0] != '\0';
        count.bytes += m.size;
        ok = send_entry(&b, &m, e);
        if (++seen % 256 == 0)
            tick(s);
    }
    buf_release(&b);
    cpio_free(cpio);
    payload_free(p);
    close_member(s, c->payload);
    return ok && send_count(&count, e);
}

/* --- the container's members as they are --------------------------------------------------------------- */

/* The open directory that path's last component lies in; *name that. Each one above was made before. */
static int expanded_parent(const char *path, const char **name, struct err *e)
{
    int fd = openat(WORKER_DIRECTORY, ".", OPENDIR);
    const char *slash;
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
        err_sys(e, "cannot open the folder of %s", path);
    return fd;
}

static bool expand_file(struct stage *s, const struct xar_member *m, int fd, struct err *e)
{
    unsigned char piece[64 * 1024];
    size_t n = 0;
    s->reader = xar_reader_open(s->xar, m, true, e);
    bool ok = s->reader != NULL;
    do {
        ok = ok && xar_reader_read(s->reader, piece, sizeof piece, &n, e) && files_write(fd, piece, n, e);
        if (ok)
            tick(s);
    } while (ok && n > 0);
    close_member(s, m);
    return ok;
}

static bool expand(struct stage *s, struct err *e)
{
    struct record_count count = {0};
    for (size_t i = 0; i < s->xar->member_count; i++) {
        const struct xar_member *m = &s->xar->members[i];
        const char *name;
        int parent = expanded_parent(m->path, &name, e);
        if (parent < 0)
            return false;
        bool ok = true;
        if (m->directory) {
            ok = mkdirat(parent, name, 0755) == 0 || err_sys(e, "cannot make %s", m->path);
        } else {
            int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
            ok = fd >= 0 ? expand_file(s, m, fd, e) : err_sys(e, "cannot make %s", m->path);
            if (fd >= 0)
                close(fd);
        }
        close(parent);
        if (!ok)
            return false;
        count.members++;
        count.bytes += m->size;
    }
    return send_count(&count, e);
}

/* --- the work ----------------------------------------------------------------------------------------- */

/* Hold the lock that tells a later run we still live. A directory without one is nobody's to recover. */
static bool hold_lock(struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(WORKER_DIRECTORY, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ||
               err_sys(e, "cannot open the lock of the staging folder");
    if (fcntl(fd, F_SETLK, &lock) != 0)
        return err_sys(e, "cannot lock the staging folder");
    worker_alive(); /* whoever cleans up may have been faster */
    return true;
}

static uint64_t stored(const struct xar_member *m)
{
    return m != NULL ? m->length : 0;
}

static bool work(struct stage *s, struct err *e)
{
    const struct record_request *r = &s->request;
    if ((r->task == RECORD_LAYOUT && !hold_lock(e)) || !open_package(s, e))
        return false;
    if (r->task == RECORD_JUDGE)
        return true;
    if (!send_archive(s, e))
        return false;
    for (size_t i = 0; i < s->xar->member_count && r->task == RECORD_EXPAND; i++)
        s->total += s->xar->members[i].length;
    for (size_t i = 0; i < s->count; i++) {
        const struct component *c = &s->components[i];
        s->total += stored(c->payload) + (r->task == RECORD_LAYOUT ? stored(c->scripts) + stored(c->bom) : 0);
        if (r->task == RECORD_LAYOUT && !check_component(c, e))
            return false;
        if (r->task == RECORD_LAYOUT && !send_component(c, e))
            return false;
    }
    worker_alive();
    for (size_t i = 0; i < s->count; i++) {
        if (r->task == RECORD_LAYOUT && !stage_component(s, i, e))
            return false;
        if (r->task == RECORD_LIST &&
            (!send_component(&s->components[i], e) || !list_component(s, &s->components[i], e)))
            return false;
    }
    return r->task != RECORD_EXPAND || expand(s, e);
}

bool stage_work(const struct buf *request, struct err *e)
{
    struct arena *a = arena_open();
    struct stage *s = arena_alloc(a, sizeof *s);
    s->arena = a;
    bool ok = record_get_request(a, request, &s->request, e) && work(s, e);
    arena_free(a);
    return ok;
}
