/* Reading never follows a link and writing never leaves half a file: both by core/files. */
#include "agent/plistfile.h"

#include "core/files.h"
#include "core/limits.h"

const struct value *plistfile_read(struct arena *a, int dir, const char *path, size_t max, struct err *e)
{
    const struct value *v = NULL;
    struct buf bytes;
    struct err why;
    buf_init(&bytes, max);
    if (dir < 0)
        err_set(&why, ERR_NOT_FOUND, CAUSE_NONE, "%s: not there", path);
    else if (files_read(dir, path, &bytes, &why) &&
             (v = props_decode(a, buf_str(&bytes), bytes.len, &why)) == NULL)
        err_wrap(&why, "%s", path);
    if (v == NULL && e != NULL)
        *e = why;
    buf_release(&bytes);
    return v;
}

const struct value *plistfile_dict(struct arena *a, int dir, const char *path, size_t max, struct err *e)
{
    const struct value *v = plistfile_read(a, dir, path, max, e);
    if (v == NULL || value_type(v) == VALUE_DICT)
        return v;
    err_set(e, ERR_FORMAT, CAUSE_FORMAT, "%s: a dictionary is needed, found %s", path, value_type_name(v));
    return NULL;
}

bool plistfile_write(int dir, const char *path, const struct value *v, struct err *e)
{
    struct buf bytes;
    buf_init(&bytes, LIMIT_CATALOG);
    bool ok = props_encode(v, &bytes, e) &&
              files_replace(dir, path, buf_str(&bytes), bytes.len, 0644, FILES_DURABLE, e);
    buf_release(&bytes);
    return ok || err_wrap(e, "%s", path);
}
