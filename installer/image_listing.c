/* The request is a letter and the text: '7' 7-Zip's lines, 'h' hdiutil's property list, which warnings may
 * surround. */
#include "installer/image_listing.h"
#include "core/text.h"
#include "installer/tool.h"
#include "manifests/props.h"

#define LINKS_MAX  10000
#define TIMEOUT_MS 60000

enum { LINK = WORKER_TYPES, COMPLAINT, HFS, MOUNT };

/* --- the worker's side -------------------------------------------------------------------------------- */

static bool send(unsigned type, const char *one, const char *two, struct err *e)
{
    struct buf b;
    buf_init(&b, WORKER_RECORD_MAX);
    bool ok = (!one || worker_put_text(&b, one, e)) && (!two || worker_put_text(&b, two, e));
    if (ok)
        worker_send(type, &b);
    buf_release(&b);
    return ok;
}

/* "ERROR: Dangerous link path was ignored : X.app/Contents/up : ../../Y": is it one? */
static bool left_out(struct arena *a, const char *line, size_t *count, struct err *e)
{
    static const char said[] = " was ignored : ", between[] = " : ";
    const char *path = text_starts(line, "ERROR: Dangerous") ? strstr(line, said) : NULL;
    const char *target = NULL;

    if (!path || *count >= LINKS_MAX)
        return false;
    path += sizeof said - 1;
    for (const char *p = path; (p = strstr(p, between)) != NULL; p++)
        target = p;
    if (!target)
        return false;
    ++*count;
    return send(LINK, arena_strndup(a, path, (size_t)(target - path)), target + sizeof between - 1, e);
}

static bool seven(struct arena *a, char *text, struct err *e)
{
    size_t links = 0;
    bool complained = false;
    e->kind = ERR_NONE;
    while (*text != '\0') {
        char *end = strchr(text, '\n');
        if (end)
            *end = '\0';
        const char *line = text + (*text != '\0');
        bool is_stderr = *text == 'E';
        if (text_starts(line, "Type = HFS") && !send(HFS, NULL, NULL, e))
            return false;
        if (!left_out(a, line, &links, e) && (is_stderr || text_starts(line, "ERROR")) && *line &&
            !complained) {
            complained = true;
            if (!send(COMPLAINT, arena_strndup(a, line, strlen(line) < 250 ? strlen(line) : 0), NULL, e))
                return false;
        }
        if (e->kind != ERR_NONE)
            return false;
        text = end ? end + 1 : text + strlen(text);
    }
    return true;
}

static bool attached(struct arena *a, const char *text, size_t n, struct err *e)
{
    const struct value *v = tool_plist(a, text, n, e);
    if (!v)
        return err_wrap(e, "hdiutil");
    const struct value *entities = props_dicts(v, "system-entities");
    for (size_t i = 0; i < value_count(entities); i++) {
        const char *mount = props_str(value_at(entities, i), "mount-point");
        if (mount && strlen(mount) <= LIMIT_PATH)
            return send(MOUNT, mount, NULL, e);
    }
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "it holds no volume that can be mounted");
}

bool image_listing_work(const struct buf *request, struct err *e)
{
    struct arena *a = arena_open();
    char *text = arena_strndup(a, buf_str(request), request->len);
    bool ok = *text == '7'   ? seven(a, text + 1, e)
              : *text == 'h' ? attached(a, text + 1, request->len - 1, e)
                             : err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "no listing");
    arena_free(a);
    return ok;
}

/* --- the parent's side -------------------------------------------------------------------------------- */

struct reading {
    struct arena *a;
    struct image_listing *out;
    const char *mount;
};

static bool take(void *ctx, unsigned type, struct worker_fields *f, struct err *e)
{
    struct reading *r = ctx;
    struct image_listing_link *l;
    bool ok = true;
    switch (type) {
    case LINK:
        l = arena_alloc(r->a, sizeof *l);
        l->path = arena_strdup(r->a, worker_text(f, LIMIT_PATH));
        l->target = arena_strdup(r->a, worker_text(f, LIMIT_PATH));
        ok = r->out && *l->path && *l->target && r->out->link_count++ < LINKS_MAX;
        if (ok) {
            l->next = r->out->links;
            r->out->links = l;
        }
        break;
    case COMPLAINT:
        ok = r->out && !*r->out->error;
        if (ok)
            snprintf(r->out->error, sizeof r->out->error, "%s", worker_text(f, sizeof r->out->error - 1));
        break;
    case HFS:
        ok = r->out != NULL;
        if (ok)
            r->out->hfs = true;
        break;
    case MOUNT:
        ok = !r->out && !r->mount;
        r->mount = arena_strdup(r->a, worker_text(f, LIMIT_PATH));
        ok = ok && r->mount[0] == '/';
        break;
    default:
        ok = false;
    }
    return (ok && worker_end(f)) ||
           err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker sent a listing that makes no sense");
}

static bool ask(struct loop *l, char kind, const struct buf *text, struct reading *r, struct err *e)
{
    struct buf request;
    buf_init(&request, IMAGE_LISTING_MAX + 1);
    const struct worker_job job = {
        .task = "image", .request = &request, .timeout_ms = TIMEOUT_MS, .record = take, .ctx = r};
    bool ok = buf_append(&request, &kind, 1, e) &&
              (text->len == 0 || buf_append(&request, text->data, text->len, e)) && worker_run(l, &job, e);
    buf_release(&request);
    return ok;
}

bool image_listing_seven(struct loop *l, struct arena *a, const struct buf *lines, struct image_listing *out,
                         struct err *e)
{
    struct reading r = {.a = a, .out = out};
    memset(out, 0, sizeof *out);
    return ask(l, '7', lines, &r, e);
}

const char *image_listing_mount(struct loop *l, struct arena *a, const struct buf *text, struct err *e)
{
    struct reading r = {.a = a};
    if (!ask(l, 'h', text, &r, e))
        return NULL;
    if (!r.mount)
        err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "the worker found no mount point and did not say so");
    return r.mount;
}
