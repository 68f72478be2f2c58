/* Looking into a package, and laying it out in a folder of one's own. */
#include "core/files.h"
#include "core/log.h"
#include "installer/flatpkg_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define GONE ".daybreak-gone"

bool flatpkg_judge(struct loop *l, int package, const struct flatpkg_options *o, struct install_signature *s,
                   struct err *e)
{
    struct flatpkg_work w;
    flatpkg_work_open(&w, o);
    struct record_request r = {.task = RECORD_CLAIMS};
    bool ok = flatpkg_work_run(&w, l, package, -1, &r, e);
    *s = w.signature;
    flatpkg_work_free(&w);
    return ok || err_wrap(e, "%s", o->name);
}

/* --- extract and list --------------------------------------------------------------------------------- */

static bool not_empty(void *ctx, const char *name, const struct stat *st)
{
    (void)name;
    (void)st;
    *(bool *)ctx = true;
    return false;
}

/* files_remove reads var, etc and tmp as names below private: whatever it is goes by another name. */
static bool remove_one(void *ctx, const char *name, const struct stat *st)
{
    int fd = *(const int *)ctx;
    struct err e;
    (void)st;
    return renameat(fd, name, fd, GONE) == 0 && files_remove(fd, GONE, &e);
}

/* Open the directory path, made when it is not there (*made), refused when it holds something. */
static int open_empty(const char *path, bool *made, struct err *e)
{
    bool full = false;
    *made = mkdir(path, 0755) == 0;
    if (!*made && errno != EEXIST) {
        err_sys(e, "cannot make the folder %s", path);
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        err_sys(e, "cannot open the folder %s", path);
        return -1;
    }
    if (files_list(fd, ".", not_empty, &full, e) && !full)
        return fd;
    if (full)
        err_set(e, ERR_REFUSED, CAUSE_NONE, "%s is not empty", path);
    close(fd);
    return -1;
}

static bool extract_layout(struct flatpkg_work *w, struct loop *l, int package, int dir, struct err *e)
{
    char name[256];
    w->staging = files_temp_dir(dir, ".", ".daybreak-", name, sizeof name, e);
    if (w->staging < 0)
        return false;
    bool ok = flatpkg_work_stage(w, l, package, false, true, e) && flatpkg_work_place(w, dir, e);
    return ok && files_remove(dir, name, e);
}

bool flatpkg_extract(struct loop *l, int package, const struct flatpkg_options *o, const char *dir,
                     bool do_expand, struct flatpkg_summary *sum, struct err *e)
{
    struct flatpkg_work w;
    bool made, ok;
    int fd = open_empty(dir, &made, e);
    if (fd < 0)
        return false;
    flatpkg_work_open(&w, o);
    if (do_expand) {
        struct record_request r = {.task = RECORD_EXPAND};
        ok = flatpkg_work_run(&w, l, package, fd, &r, e);
    } else {
        ok = extract_layout(&w, l, package, fd, e);
    }
    *sum = w.sum;
    flatpkg_work_free(&w);
    if (!ok) {
        struct err left;
        if (!files_list(fd, ".", remove_one, &fd, &left) || (made && rmdir(dir) != 0))
            log_warn("%s: what was extracted could not be removed", dir);
    }
    close(fd);
    return ok || err_wrap(e, "%s", o->name);
}

bool flatpkg_list(struct loop *l, int package, const struct flatpkg_options *o, bool all,
                  const struct flatpkg_visitor *v, struct flatpkg_summary *sum, struct err *e)
{
    struct flatpkg_work w;
    flatpkg_work_open(&w, o);
    w.visitor = v;
    struct record_request r = {.task = RECORD_LIST,
                               .skip_checks = true,
                               .all = all,
                               .entries = v->entry != NULL,
                               .max_bytes = UINT64_MAX};
    bool ok = flatpkg_work_run(&w, l, package, -1, &r, e);
    *sum = w.sum;
    flatpkg_work_free(&w);
    return ok || err_wrap(e, "%s", o->name);
}
