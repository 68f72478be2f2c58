/* repo_bootstrap: it is asked for whole each time: it is small, and what it says must be today's. */
#include "agent/repo_bootstrap.h"
#include "agent/repo.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"

const char *repo_bootstrap_url(const struct options *o, const struct prefs *p)
{
    const char *url = o->bootstrap != NULL ? o->bootstrap : o->repo != NULL ? NULL : p->bootstrap_url;
    return url != NULL && url[0] != '\0' ? url : NULL;
}

static bool fetch_it(const struct repo_bootstrap_place *p, struct buf *body, struct err *e)
{
    enum fetch_answer answer;
    struct sink *to = sink_memory(body);
    return fetch_get(p->session, p->url, to, &answer, NULL, false, e) && sink_commit(to, NULL, e);
}

static bool read_kept(const struct repo_bootstrap_place *p, struct buf *body, struct err *e)
{
    if (p->data >= 0 && files_read(p->data, BOOTSTRAP_NAME, body, e))
        return true;
    return p->data >= 0 && e->kind != ERR_NOT_FOUND
               ? false
               : err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "it was never fetched on this Mac");
}

const struct bootstrap *repo_bootstrap_load(const struct repo_bootstrap_place *p, struct err *e)
{
    const struct bootstrap *b = NULL;
    struct buf body;
    struct err why;
    buf_init(&body, LIMIT_BOOTSTRAP);
    if (p->session != NULL ? fetch_it(p, &body, e) : read_kept(p, &body, e))
        b = bootstrap_decode(p->a, buf_str(&body), body.len, e);
    if (b == NULL)
        err_wrap(e, BOOTSTRAP_NAME " (%s)", p->shown);
    else if (p->session != NULL && p->keep && p->data >= 0 &&
             !files_replace(p->data, BOOTSTRAP_NAME, buf_str(&body), body.len, 0644, FILES_LAZY, &why))
        log_warn(BOOTSTRAP_NAME " is not kept: %s", why.text);
    buf_release(&body);
    return b;
}
