/* Whatever fails later, the folder is as it was: that is why it must be empty at first. */
#include "installer/flatpkg_folder.h"
#include "core/files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define GONE ".daybreak-gone"

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

int flatpkg_folder_open(const char *path, bool *made, struct err *e)
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

bool flatpkg_folder_clear(int fd)
{
    struct err e;
    return files_list(fd, ".", remove_one, &fd, &e);
}
