/* fetch_roots: OpenSSL reads any number of certificates from one text and skips what stands between them, so
 * that adding roots is adding bytes. */
#include "core/fetch_roots.h"
#include "core/files.h"
#include "core/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAC_BUNDLE "/etc/ssl/cert.pem"
#define PEM_BEGIN  "-----BEGIN "
#define FILES_MAX  4096 /* in a directory */

const char *fetch_roots_system(const char *library_default)
{
    return access(MAC_BUNDLE, R_OK) == 0 ? MAC_BUNDLE : library_default;
}

/* Append one file. *found: it holds a certificate; if not, nothing is appended. */
static bool add(struct buf *out, int dir, const char *path, bool *found, struct err *e)
{
    struct buf one;
    struct stat st;
    bool ok = false;
    *found = false;
    int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, "certificates %s", path);
    buf_init(&one, LIMIT_ROOTS);
    if (fstat(fd, &st) != 0) {
        err_sys(e, "certificates %s", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        ok = true;
        goto out;
    }
    if (!files_read_fd(fd, &one, e)) {
        err_wrap(e, "certificates %s", path);
        goto out;
    }
    ok = true;
    *found = strstr(buf_str(&one), PEM_BEGIN "CERTIFICATE-----") != NULL ||
             strstr(buf_str(&one), PEM_BEGIN "TRUSTED CERTIFICATE-----") != NULL;
    if (*found)
        ok = buf_append(out, one.data, one.len, e) && buf_append(out, "\n", 1, e);
out:
    buf_release(&one);
    close(fd);
    return ok;
}

static bool add_dir(struct buf *out, const char *path, struct err *e)
{
    bool any = false, found = false;
    unsigned seen = 0;
    DIR *d = opendir(path);
    if (d == NULL)
        return err_sys(e, "certificates %s", path);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        struct err ignored;
        if (++seen > FILES_MAX) {
            closedir(d);
            return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "certificates %s: more than %d files", path, FILES_MAX);
        }
        if (entry->d_name[0] == '.')
            continue;
        /* one unreadable file among many is no reason to distrust the others */
        if (add(out, dirfd(d), entry->d_name, &found, &ignored))
            any |= found;
        else if (ignored.kind == ERR_LIMIT) {
            closedir(d);
            *e = ignored;
            return false;
        }
    }
    closedir(d);
    if (!any)
        return err_set(e, ERR_USAGE, CAUSE_TLS, "certificates %s: no PEM certificate in there", path);
    return true;
}

bool fetch_roots_load(struct buf *out, const char *bundle, const char *pem, const char *file, const char *dir,
                      struct err *e)
{
    bool found = false;
    struct err ignored; /* without the system's bundle the given roots still count */
    if (bundle != NULL && !add(out, AT_FDCWD, bundle, &found, &ignored))
        found = false;
    if (pem != NULL && !buf_append(out, pem, strlen(pem), e))
        return false;
    if (file != NULL) {
        if (!add(out, AT_FDCWD, file, &found, e))
            return false;
        if (!found)
            return err_set(e, ERR_USAGE, CAUSE_TLS, "certificates %s: no PEM certificate in there", file);
    }
    return dir == NULL || add_dir(out, dir, e);
}
