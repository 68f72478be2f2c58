/* middleware: one child for each request. Its word is a secret (a signed URL, a token): neither is logged,
 * and messages show URLs without their queries, as everywhere. */
#include "agent/middleware.h"
#include "agent/hook.h"
#include "core/child.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"
#include <jansson.h>

enum { HEADERS_MAX = 64 };

struct middleware {
    struct loop *loop;
    struct fetch_rewriter rewriter;
    int folder;       /* where it stands */
    const char *name; /* in there */
    const char *path; /* of this machine */
};

struct job {
    struct middleware *m;
    struct arena *a;
    struct child *child; /* NULL: it could not be started, why says it */
    struct err why;
    uint64_t timer;
    struct buf out;
    const char *url;
    const char *const *headers;
    void (*done)(void *done_ctx, const char *url, const char *const *headers, const struct err *e);
    void *done_ctx;
};

bool middleware_decode(struct arena *a, const char *text, size_t n, const char **url,
                       const char *const **headers, struct err *e)
{
    json_error_t wrong;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &wrong), *value;
    json_t *u = json_object_get(root, "url"), *h = json_object_get(root, "headers");
    const char *name, **list, *s = json_string_value(u);
    size_t count = 0;
    bool ok = false;
    *url = NULL;
    *headers = NULL;
    if (!json_is_object(root)) {
        err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "a JSON object is needed%s%s", root == NULL ? ": " : "",
                root == NULL ? wrong.text : "");
        goto out;
    }
    if (u != NULL && (s == NULL || strpbrk(s, "\r\n") != NULL)) {
        err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "url: a string is needed");
        goto out;
    }
    if (h != NULL && (!json_is_object(h) || json_object_size(h) > HEADERS_MAX)) {
        err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "headers: an object of at most %d strings is needed",
                HEADERS_MAX);
        goto out;
    }
    list = arena_array(a, json_object_size(h) + 1, sizeof *list);
    json_object_foreach(h, name, value)
    {
        const char *v = json_string_value(value);
        if (v == NULL || name[0] == '\0' || strpbrk(name, ":\r\n ") != NULL || strpbrk(v, "\r\n") != NULL) {
            err_set(e, ERR_FORMAT, CAUSE_SCRIPT, "headers: %s: a name and one line of text are needed", name);
            goto out;
        }
        list[count++] = arena_printf(a, "%s: %s", name, v);
    }
    *url = s != NULL ? arena_strdup(a, s) : NULL;
    *headers = h != NULL ? list : NULL;
    ok = true;
out:
    json_decref(root);
    return ok;
}

static char *question(const char *url, const char *const *headers)
{
    json_t *root = json_object(), *all = json_object();
    for (; *headers != NULL; headers++) {
        const char *colon = strchr(*headers, ':');
        if (colon != NULL)
            json_object_setn_new(all, *headers, (size_t)(colon - *headers),
                                 json_string(colon + 1 + strspn(colon + 1, " ")));
    }
    json_object_set_new(root, "url", json_string(url));
    json_object_set_new(root, "headers", all);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

static void release(struct job *j)
{
    if (j->child != NULL)
        child_free(j->child, NULL);
    loop_cancel(j->m->loop, j->timer);
    buf_release(&j->out);
    arena_free(j->a);
}

static bool understand(struct job *j, const struct child_end *end, struct err *e)
{
    const char *url, *const *headers;
    char text[64];
    if (end->timed_out)
        return err_set(e, ERR_TIMEOUT, CAUSE_TIMEOUT, "no answer after %llu s",
                       (unsigned long long)(MIDDLEWARE_MS / 1000));
    if (end->exit_code != 0)
        return err_set(e, ERR_REFUSED, CAUSE_SCRIPT, "%s", child_end_text(end, text, sizeof text));
    if (!middleware_decode(j->a, buf_str(&j->out), j->out.len, &url, &headers, e))
        return false;
    j->url = url != NULL ? url : j->url;
    j->headers = headers != NULL ? headers : j->headers;
    return true;
}

static void ended(void *ctx)
{
    struct job *j = ctx;
    struct child_end end;
    bool ok = false;
    j->timer = 0;
    if (j->child != NULL) {
        child_free(j->child, &end);
        j->child = NULL;
        ok = understand(j, &end, &j->why);
    }
    if (!ok) {
        err_wrap(&j->why, "Middleware %s", j->m->path);
        if (j->why.kind != ERR_TIMEOUT)
            j->why.kind = ERR_REFUSED;
    }
    j->done(j->done_ctx, j->url, j->headers, ok ? NULL : &j->why);
    release(j);
}

static void line(void *ctx, bool is_stderr, const char *text)
{
    (void)ctx;
    if (is_stderr)
        log_info("middleware: %s", text);
}

static void *begin(void *ctx, const char *url, const char *const *headers,
                   void (*done)(void *done_ctx, const char *url, const char *const *headers,
                                const struct err *e),
                   void *done_ctx)
{
    struct middleware *m = ctx;
    struct arena *a = arena_open();
    struct job *j = arena_alloc(a, sizeof *j);
    const char *argv[] = {m->path, NULL};
    char *text = question(url, headers);
    size_t n = 0;
    *j = (struct job){.m = m, .a = a, .done = done, .done_ctx = done_ctx};
    buf_init(&j->out, LIMIT_HTTP_HEADER);
    j->url = arena_strdup(a, url);
    while (headers[n] != NULL)
        n++;
    const char **copy = arena_array(a, n + 1, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, headers[i]);
    j->headers = copy;
    struct child_spec spec = {.argv = argv,
                              .dir = -1,
                              .input = text,
                              .input_len = text != NULL ? strlen(text) : 0,
                              .timeout_ms = MIDDLEWARE_MS,
                              .line = line,
                              .ended = ended,
                              .ctx = j,
                              .out = &j->out};
    if (text == NULL)
        err_set(&j->why, ERR_FORMAT, CAUSE_FORMAT, "the URL is not UTF-8");
    else if (hook_allowed(m->folder, m->name, &j->why))
        j->child = child_start(m->loop, &spec, &j->why);
    if (j->child == NULL)
        j->timer = loop_after(m->loop, 0, ended, j);
    free(text);
    return j;
}

static void cancel(void *job)
{
    release(job);
}

struct middleware *middleware_open(struct arena *a, struct loop *l, const struct target *t, const char *path,
                                   struct err *e)
{
    struct middleware *m = arena_alloc(a, sizeof *m);
    struct stat st;
    struct err why;
    bool below = strcmp(t->root_path, "/") == 0 || files_stat(t->root, path, &st, &why);
    int root = below ? -1 : files_root("/", false, &why);
    *m = (struct middleware){.loop = l, .folder = -1};
    m->path = below ? target_path(a, t, path) : path;
    m->rewriter = (struct fetch_rewriter){.begin = begin, .cancel = cancel, .ctx = m};
    if (below || root >= 0)
        m->folder = files_parent(below ? t->root : root, path, false, &m->name, &why);
    if (root >= 0)
        close(root);
    if (m->folder >= 0 && hook_allowed(m->folder, m->name, &why))
        return m;
    err_set(e, ERR_USAGE, CAUSE_SCRIPT, "Middleware %s: %s", path, why.text);
    middleware_close(m);
    return NULL;
}

void middleware_close(struct middleware *m)
{
    if (m != NULL && m->folder >= 0)
        close(m->folder);
}

const struct fetch_rewriter *middleware_rewriter(struct middleware *m)
{
    return m != NULL ? &m->rewriter : NULL;
}
