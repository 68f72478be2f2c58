/* Some writers leave the Bom out. What a receipt claims is then told from what was staged: modes and owners
 * as they will be, sums by reading every file once more. */
#include "core/files.h"
#include "core/limits.h"
#include "installer/bom.h"
#include "installer/build_tree.h"
#include "installer/flatpkg_internal.h"
#include <errno.h>
#include <unistd.h>

#define PIECE (256 * LIMIT_KB)

static bool sum_of(int root, const struct build_item *it, unsigned char *piece, uint32_t *sum, struct err *e)
{
    ssize_t n;
    int fd = build_tree_open(root, it, e);
    if (fd < 0)
        return false;
    *sum = 0;
    while ((n = read(fd, piece, PIECE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        *sum = bom_sum(*sum, piece, (size_t)n);
    }
    *sum = bom_sum_end(*sum, (uint64_t)it->st.st_size);
    close(fd);
    return n == 0 || err_sys(e, "%s", it->path);
}

static bool describe(struct arena *a, int root, struct buf *out, struct err *e)
{
    struct build_tree tree;
    if (!build_tree_read(a, root, &tree, e))
        return false;
    struct bom_item *items = arena_array(a, tree.count, sizeof *items);
    unsigned char *piece = arena_alloc(a, PIECE);
    for (size_t i = 0; i < tree.count; i++) {
        const struct build_item *it = &tree.items[i];
        items[i] = (struct bom_item){.path = it->path,
                                     .link = it->link,
                                     .type = it->link                  ? BOM_LINK
                                             : S_ISDIR(it->st.st_mode) ? BOM_DIRECTORY
                                                                       : BOM_FILE,
                                     .mode = (uint16_t)it->st.st_mode,
                                     .uid = (uint32_t)it->st.st_uid,
                                     .gid = (uint32_t)it->st.st_gid,
                                     .mtime = it->st.st_mtime > 0 ? (uint32_t)it->st.st_mtime : 0,
                                     .size = S_ISDIR(it->st.st_mode) ? 0 : (uint64_t)it->st.st_size};
        if (it->link)
            items[i].sum = bom_sum_end(bom_sum(0, it->link, strlen(it->link)), strlen(it->link));
        else if (S_ISREG(it->st.st_mode) && !sum_of(root, it, piece, &items[i].sum, e))
            return false;
    }
    return bom_encode(items, tree.count, out, e);
}

bool flatpkg_bom_make(struct flatpkg_part *p, struct err *e)
{
    struct arena *a = arena_open();
    struct buf b;
    buf_init(&b, LIMIT_BOM);
    int root = files_dir(p->folder, "root", false, 0, e);
    bool ok = root >= 0 && describe(a, root, &b, e) &&
              files_replace(p->folder, "bom", b.data, b.len, 0644, FILES_LAZY, e);
    if (root >= 0)
        close(root);
    buf_release(&b);
    arena_free(a);
    p->is.has_bom = p->is.has_bom || ok;
    return ok || err_wrap(e, "%s: a Bom of what it holds", p->is.identifier);
}
