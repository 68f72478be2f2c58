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

bool unpack_compare(const struct unpack *u, const struct bom *bom, struct err *e)
{
    static const enum bom_type types[] = {
        [PATHSET_FILE] = BOM_FILE, [PATHSET_DIRECTORY] = BOM_DIRECTORY, [PATHSET_LINK] = BOM_LINK};
    char path[LIMIT_PATH + 1];
    const struct pathset *paths = unpack_paths(u);
    size_t named = 0;
    for (size_t i = 0; i < bom->count; i++) {
        const struct bom_entry *b = &bom->entries[i];
        if (b->twin)
            continue;
        bom_path(b, path);
        if (*path == '\0')
            continue;
        const struct pathset_entry *s = pathset_find(paths, path, strlen(path));
        if (s == NULL)
            return refuse(e, path, "is in the Bom, but not in the payload");
        named++;
        if (b->type != types[s->type])
            return refuse(e, path, "is of another type in the Bom");
        if (!s->checked)
            continue;
        if (b->type == BOM_FILE && (uint32_t)b->size != (uint32_t)s->size)
            return refuse(e, path, "has another size than the Bom says");
        if (b->sum != s->sum)
            return refuse(e, path,
                          b->type == BOM_LINK ? "leads elsewhere than the Bom says"
                                              : "has another checksum than the Bom says");
    }
    size_t there = paths->used - (pathset_find(paths, "", 0) != NULL);
    return named == there || err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                                     "of its %zu files and folders the Bom names %zu", there, named);
}
