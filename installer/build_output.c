/* Invariant: a name is given only to what is whole and on the medium; the sibling exists only while the
 * container is written, and close removes it whenever publish did not succeed. */
#include "installer/build_output.h"
#include "core/os.h"
#include "core/text.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool build_output_open(struct arena *a, const char *path, struct build_output *o, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? (slash == path ? "/" : arena_strndup(a, path, (size_t)(slash - path))) : ".";
    o->fd = -1;
    o->name = slash ? slash + 1 : path;
    o->temporary[0] = '\0';
    if (!*o->name) {
        o->dir = -1;
        return err_set(e, ERR_USAGE, CAUSE_INTERNAL, "%s names a directory", path);
    }
    o->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->dir < 0)
        return err_sys(e, "%s", dir);
    struct stat st;
    return fstatat(o->dir, o->name, &st, 0) != 0 || S_ISREG(st.st_mode) ||
           err_set(e, ERR_USAGE, CAUSE_INTERNAL, "something that is no file is there");
}

bool build_output_publish(struct build_output *o, struct xar_writer *w, struct build_result *result,
                          struct err *e)
{
    unsigned char random[8];
    char hex[17];
    os_random(random, sizeof random);
    text_hex(hex, random, sizeof random);
    snprintf(o->temporary, sizeof o->temporary, ".%s.pkg", hex);
    o->fd = openat(o->dir, o->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (o->fd < 0) {
        o->temporary[0] = '\0';
        return err_sys(e, "create a file beside %s", o->name);
    }
    struct stat st;
    if (!xar_writer_commit(w, o->fd, e) || !os_sync(o->fd, OS_SYNC_MEDIUM, e))
        return err_wrap(e, "%s", o->name);
    if (fchmod(o->fd, 0644) != 0 || fstat(o->fd, &st) != 0 ||
        renameat(o->dir, o->temporary, o->dir, o->name) != 0)
        return err_sys(e, "%s", o->name);
    o->temporary[0] = '\0';
    result->size = (uint64_t)st.st_size;
    return true;
}

void build_output_close(struct build_output *o)
{
    if (o->temporary[0])
        unlinkat(o->dir, o->temporary, 0);
    if (o->fd >= 0)
        close(o->fd);
    if (o->dir >= 0)
        close(o->dir);
}
