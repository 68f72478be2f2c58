/* What the Bom says of a payload, held against what came out of it. */
#include "core/limits.h"
#include "core/text.h"
#include "installer/pathset.h"
#include "installer/unpack.h"

static bool refuse(struct err *e, const char *path, const char *why)
{
    char shown[256];
    text_printable_into(shown, sizeof shown, path, strlen(path));
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "\"%s\" %s", shown, why);
}

bool unpack_expect(const struct unpack *u, const char *path, enum bom_type type, uint32_t size, uint32_t sum,
                   struct err *e)
{
    static const enum bom_type types[] = {
        [PATHSET_FILE] = BOM_FILE, [PATHSET_DIRECTORY] = BOM_DIRECTORY, [PATHSET_LINK] = BOM_LINK};
    const struct pathset_entry *s = pathset_find(unpack_paths(u), path, strlen(path));
    if (s == NULL)
        return refuse(e, path, "is in the Bom, but not in the payload");
    if (type != types[s->type])
        return refuse(e, path, "is of another type in the Bom");
    if (!s->checked)
        return true;
    if (type == BOM_FILE && size != (uint32_t)s->size)
        return refuse(e, path, "has another size than the Bom says");
    return sum == s->sum || refuse(e, path,
                                   type == BOM_LINK ? "leads elsewhere than the Bom says"
                                                    : "has another checksum than the Bom says");
}

bool unpack_named(const struct unpack *u, size_t named, struct err *e)
{
    const struct pathset *paths = unpack_paths(u);
    size_t there = paths->used - (pathset_find(paths, "", 0) != NULL);
    return named == there || err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                                     "of its %zu files and folders the Bom names %zu", there, named);
}
