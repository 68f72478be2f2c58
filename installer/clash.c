/* In the set an entry's size is a hash of the path as it is spelled: two spellings of one directory are what
 * a file system that tells them apart would make two directories of. */
#include "installer/clash.h"
#include <string.h>

static uint64_t spelling(const char *path, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)path[i]) * 0x100000001b3u;
    return h;
}

/* The directories above, made where they are not there. */
static const char *parents(struct pathset *seen, const char *path)
{
    bool fresh;
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - path);
        struct pathset_entry *s = pathset_note(seen, path, n, &fresh);
        if (fresh) {
            s->type = PATHSET_DIRECTORY;
            s->implied = true;
            s->size = spelling(path, n);
        } else if (s->type != PATHSET_DIRECTORY) {
            return "lies beneath a file or link of the same archive";
        } else if (s->size != spelling(path, n)) {
            return "lies in a directory whose name differs from another's only in case or form";
        }
    }
    return NULL;
}

const char *clash_of(struct pathset *seen, const struct cpio_member *m)
{
    static const enum pathset_type types[] = {
        [CPIO_FILE] = PATHSET_FILE, [CPIO_DIRECTORY] = PATHSET_DIRECTORY, [CPIO_LINK] = PATHSET_LINK};
    bool fresh;
    size_t n = strlen(m->path);
    if (m->apple_double)
        return NULL;
    const char *why = parents(seen, m->path);
    if (why != NULL)
        return why;
    struct pathset_entry *s = pathset_note(seen, m->path, n, &fresh);
    if (!fresh && !(m->type == CPIO_DIRECTORY && s->implied && s->size == spelling(m->path, n)))
        return "is in the archive twice, or differs from another name only in case or form";
    s->type = (uint8_t)types[m->type];
    s->implied = false;
    s->size = spelling(m->path, n);
    return n > 0 || m->type == CPIO_DIRECTORY ? NULL : "is no directory";
}
