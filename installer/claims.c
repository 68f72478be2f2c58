/* Every path of every component is noted with all directories above it, under the name it has on the target:
 * var, etc and tmp are below private. Invariant: last is the directory (with its length) whose own line of
 * parents was noted already; members come sorted by directory as a rule. */
#include "installer/claims.h"
#include "core/arena.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/pathset.h"

struct claims {
    struct pathset paths;
    char last[2 * LIMIT_PATH + 16];
    size_t last_len;
};

struct claims *claims_open(void)
{
    struct claims *c = arena_heap(NULL, sizeof *c);
    memset(c, 0, sizeof *c);
    return c;
}

void claims_free(struct claims *c)
{
    if (c == NULL)
        return;
    pathset_release(&c->paths);
    free(c);
}

static bool note(struct claims *c, const char *path, size_t n, bool directory, struct err *e)
{
    bool fresh;
    struct pathset_entry *s = pathset_note(&c->paths, path, n, &fresh);
    uint8_t type = directory ? PATHSET_DIRECTORY : PATHSET_FILE;
    if (fresh)
        s->type = type;
    if (s->type == type)
        return true;
    char shown[256];
    text_printable_into(shown, sizeof shown, path, n);
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                   "\"/%s\" is a directory in one component and a file or link in another", shown);
}

/* The first component of s is one that a Mac links to private. */
static bool is_linked(const char *s)
{
    static const char *const linked[] = {"var", "etc", "tmp"};
    size_t n = strcspn(s, "/");
    for (size_t i = 0; i < sizeof linked / sizeof *linked; i++)
        if (n == 3 && memcmp(s, linked[i], 3) == 0)
            return true;
    return false;
}

bool claims_note(struct claims *c, const char *location, const char *path, bool directory, struct err *e)
{
    char full[2 * LIMIT_PATH + 16];
    const char *home = location + 1;
    int n = snprintf(full, sizeof full, "%s%s%s", home, *home != '\0' && *path != '\0' ? "/" : "", path);
    if (n >= 0 && n < (int)sizeof full && is_linked(full) && (directory || strchr(full, '/') != NULL))
        n = snprintf(full, sizeof full, "private/%s%s%s", home, *home != '\0' && *path != '\0' ? "/" : "",
                     path);
    if (n < 0 || n >= (int)sizeof full)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "a path of the package is too long");
    const char *slash = strrchr(full, '/');
    size_t above = slash != NULL ? (size_t)(slash - full) : 0;
    if (above != c->last_len || memcmp(full, c->last, above) != 0) {
        for (size_t i = 1; i <= above; i++)
            if (full[i] == '/' && !note(c, full, i, true, e))
                return false;
        memcpy(c->last, full, above);
        c->last_len = above;
    }
    return note(c, full, (size_t)n, directory, e);
}
