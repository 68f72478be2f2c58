/* Both directions of a record stand side by side and name the same fields in the same order. */
#include "installer/record.h"
#include "core/limits.h"
#include "installer/packageinfo.h"

#include <stdio.h>
#include <string.h>

#define SCRIPT_LIMIT_S 86400

static bool nonsense(struct err *e, const char *what)
{
    return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker sent %s that makes no sense", what);
}

static bool put_numbers(struct buf *b, const uint64_t *numbers, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!worker_put_int(b, numbers[i], e))
            return false;
    return true;
}

bool record_put_request(struct buf *b, const struct record_request *r, struct err *e)
{
    const uint64_t flags[] = {r->task,    r->proved,      r->judged, r->sealed, r->owners,
                              r->scripts, r->skip_checks, r->all,    r->entries};
    bool ok = put_numbers(b, flags, sizeof flags / sizeof *flags, e) && worker_put_text(b, r->arch, e) &&
              worker_put_text(b, r->os_version, e) && worker_put_int(b, r->max_bytes, e) &&
              worker_put_bytes(b, r->choices, r->choices_len, e) && worker_put_int(b, r->keep_setid_count, e);
    for (size_t i = 0; ok && i < r->keep_setid_count; i++)
        ok = worker_put_text(b, r->keep_setid[i], e);
    return ok;
}

bool record_get_request(struct arena *a, const struct buf *b, struct record_request *r, struct err *e)
{
    const unsigned char *p = (const unsigned char *)buf_str(b);
    struct worker_fields f = {.p = p, .end = p + b->len};
    uint64_t task = worker_int(&f);
    r->task = (enum record_task)task;
    r->proved = worker_flag(&f);
    r->judged = worker_flag(&f);
    r->sealed = worker_flag(&f);
    r->owners = worker_flag(&f);
    r->scripts = worker_flag(&f);
    r->skip_checks = worker_flag(&f);
    r->all = worker_flag(&f);
    r->entries = worker_flag(&f);
    r->arch = worker_text(&f, LIMIT_NAME);
    r->os_version = worker_text(&f, LIMIT_NAME);
    r->max_bytes = worker_int(&f);
    r->choices = worker_bytes(&f, &r->choices_len);
    uint64_t n = worker_int(&f);
    f.bad = f.bad || n > b->len; /* each takes more than a byte */
    r->keep_setid_count = f.bad ? 0 : (size_t)n;
    const char **paths = arena_array(a, r->keep_setid_count + 1, sizeof *paths);
    for (size_t i = 0; i < r->keep_setid_count; i++)
        paths[i] = worker_text(&f, LIMIT_PATH);
    r->keep_setid = paths;
    return (worker_end(&f) && task <= RECORD_CLAIMS) ||
           err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker was asked for something it does not know");
}

bool record_put_archive(struct buf *b, const struct record_archive *a, struct err *e)
{
    return put_numbers(b,
                       (const uint64_t[]){a->has_signature, a->restart, a->needs_rosetta, a->may_need_rosetta,
                                          a->components},
                       5, e);
}

bool record_get_archive(struct worker_fields *f, struct record_archive *a, struct err *e)
{
    a->has_signature = worker_flag(f);
    a->restart = worker_flag(f);
    a->needs_rosetta = worker_flag(f);
    a->may_need_rosetta = worker_flag(f);
    a->components = worker_int(f);
    return (worker_end(f) && a->components <= LIMIT_COMPONENTS) || nonsense(e, "a summary");
}

bool record_put_signature(struct buf *b, const struct signature *s, struct err *e)
{
    return worker_put_int(b, s->status, e) && worker_put_text(b, s->why, e) &&
           worker_put_text(b, s->team_id, e) && worker_put_text(b, s->chain[0].name, e);
}

bool record_get_signature(struct worker_fields *f, struct signature *s, struct err *e)
{
    memset(s, 0, sizeof *s);
    uint64_t status = worker_int(f);
    snprintf(s->why, sizeof s->why, "%s", worker_text(f, sizeof s->why - 1));
    snprintf(s->team_id, sizeof s->team_id, "%s", worker_text(f, sizeof s->team_id - 1));
    snprintf(s->chain[0].name, sizeof s->chain[0].name, "%s", worker_text(f, sizeof s->chain[0].name - 1));
    s->status = status <= SIGNATURE_INVALID ? (enum signature_status)status : SIGNATURE_INVALID;
    return (worker_end(f) && status <= SIGNATURE_INVALID) || nonsense(e, "a signature");
}

bool record_put_component(struct buf *b, const struct record_component *c, struct err *e)
{
    const uint64_t numbers[] = {c->has_payload, c->has_bom, c->overwrite_permissions, c->restart};
    return worker_put_text(b, c->identifier, e) && worker_put_text(b, c->version, e) &&
           worker_put_text(b, c->location, e) && worker_put_text(b, c->folder, e) &&
           put_numbers(b, numbers, sizeof numbers / sizeof *numbers, e);
}

/* No empty, "." or ".." component; relative or absolute as asked. "/" is good, absolute. */
bool record_path_ok(const char *s, bool absolute)
{
    if (absolute && strcmp(s, "/") == 0)
        return true;
    if (absolute && *s++ != '/')
        return false;
    for (;;) {
        size_t n = strcspn(s, "/");
        if (n == 0 || (n <= 2 && memcmp(s, "..", n) == 0))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

static bool clean_or_empty(const char *s)
{
    return *s == '\0' || record_path_ok(s, false);
}

bool record_get_component(struct worker_fields *f, struct record_component *c, struct err *e)
{
    c->identifier = worker_text(f, LIMIT_NAME);
    c->version = worker_text(f, LIMIT_NAME);
    c->location = worker_text(f, LIMIT_PATH);
    c->folder = worker_text(f, LIMIT_PATH);
    c->has_payload = worker_flag(f);
    c->has_bom = worker_flag(f);
    c->overwrite_permissions = worker_flag(f);
    c->restart = worker_flag(f);
    return (worker_end(f) && packageinfo_identifier_ok(c->identifier) && record_path_ok(c->location, true) &&
            clean_or_empty(c->folder)) ||
           nonsense(e, "a component");
}

bool record_put_script(struct buf *b, const struct record_script *s, struct err *e)
{
    return worker_put_text(b, s->kind, e) && worker_put_text(b, s->file, e) &&
           worker_put_text(b, s->bundle, e) && worker_put_int(b, s->timeout_s, e);
}

bool record_get_script(struct worker_fields *f, struct record_script *s, struct err *e)
{
    const char *kind = worker_text(f, LIMIT_NAME);
    s->file = worker_text(f, LIMIT_PATH);
    s->bundle = worker_text(f, LIMIT_PATH);
    s->timeout_s = worker_int(f);
    s->kind = NULL;
    for (size_t i = 0; packageinfo_kinds[i] != NULL; i++)
        if (strcmp(kind, packageinfo_kinds[i]) == 0)
            s->kind = packageinfo_kinds[i];
    return (worker_end(f) && s->kind != NULL && record_path_ok(s->file, false) &&
            s->timeout_s <= SCRIPT_LIMIT_S) ||
           nonsense(e, "a script");
}

bool record_put_bundle(struct buf *b, const struct record_bundle *u, struct err *e)
{
    return worker_put_text(b, u->path, e) && worker_put_text(b, u->id, e) &&
           worker_put_text(b, u->short_version, e) && worker_put_text(b, u->version, e) &&
           put_numbers(b, (const uint64_t[]){u->checked, u->strict, u->replace, u->relocate}, 4, e);
}

bool record_get_bundle(struct worker_fields *f, struct record_bundle *u, struct err *e)
{
    u->path = worker_text(f, LIMIT_PATH);
    u->id = worker_text(f, LIMIT_PATH);
    u->short_version = worker_text(f, LIMIT_PATH);
    u->version = worker_text(f, LIMIT_PATH);
    u->checked = worker_flag(f);
    u->strict = worker_flag(f);
    u->replace = worker_flag(f);
    u->relocate = worker_flag(f);
    return (worker_end(f) && clean_or_empty(u->path)) || nonsense(e, "a bundle");
}

bool record_put_entry(struct buf *b, const struct record_entry *m, struct err *e)
{
    const uint64_t numbers[] = {m->type, m->mode, m->uid, m->gid, m->mtime, m->size, m->apple_double};
    return put_numbers(b, numbers, sizeof numbers / sizeof *numbers, e) && worker_put_text(b, m->path, e) &&
           worker_put_text(b, m->link, e) && worker_put_text(b, m->refused, e);
}

bool record_get_entry(struct worker_fields *f, struct record_entry *m, struct err *e)
{
    m->type = worker_int(f);
    m->mode = worker_int(f);
    m->uid = worker_int(f);
    m->gid = worker_int(f);
    m->mtime = worker_int(f);
    m->size = worker_int(f);
    m->apple_double = worker_flag(f);
    m->path = worker_text(f, LIMIT_PATH);
    m->link = worker_text(f, RECORD_LINK_MAX);
    m->refused = worker_text(f, LIMIT_PATH);
    return (worker_end(f) && (m->type == '-' || m->type == 'd' || m->type == 'l') && m->mode <= 07777 &&
            m->uid <= UINT32_MAX && m->gid <= UINT32_MAX && m->mtime <= INT64_MAX) ||
           nonsense(e, "a listing");
}

bool record_send_count(const struct record_count *c, struct err *e)
{
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = put_numbers(&b,
                          (const uint64_t[]){c->members, c->bytes, c->setid_dropped, c->apple_double_dropped,
                                             c->apple_double_kept},
                          5, e);
    if (ok)
        worker_send(RECORD_COUNT, &b);
    buf_release(&b);
    return ok;
}

bool record_get_count(struct worker_fields *f, struct record_count *c, struct err *e)
{
    c->members = worker_int(f);
    c->bytes = worker_int(f);
    c->setid_dropped = worker_int(f);
    c->apple_double_dropped = worker_int(f);
    c->apple_double_kept = worker_int(f);
    return worker_end(f) || nonsense(e, "a count");
}

bool record_put_progress(struct buf *b, const struct record_progress *p, struct err *e)
{
    return put_numbers(b, (const uint64_t[]){p->at, p->of}, 2, e);
}

bool record_get_progress(struct worker_fields *f, struct record_progress *p, struct err *e)
{
    p->at = worker_int(f);
    p->of = worker_int(f);
    return (worker_end(f) && p->at <= p->of) || nonsense(e, "progress");
}
