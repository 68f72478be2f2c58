/* Any Bom: refused with a sentence, or paths that can be spelled and written again. */
#include "core/limits.h"
#include "installer/bom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0};
    char path[LIMIT_PATH + 1];
    const struct bom *bom = bom_decode(a, data, size, &e);
    if (!bom && !e.text[0])
        abort();
    struct bom_item *items = arena_array(a, bom ? bom->count : 0, sizeof *items);
    for (size_t i = 0; bom && i < bom->count; i++) {
        const struct bom_entry *b = &bom->entries[i];
        bom_path(b, path);
        items[i] = (struct bom_item){
            .path = arena_strdup(a, path), .link = b->link, .type = b->type, .size = b->size};
    }
    struct buf out;
    buf_init(&out, LIMIT_BOM);
    /* two entries of one name are an answer too: the reader does not ask for that */
    if (bom && bom_encode(items, bom->count, &out, &e)) {
        const struct bom *again = bom_decode(a, out.data, out.len, &e);
        if (!again || again->count != (bom->count ? bom->count : 1))
            abort();
    }
    buf_release(&out);
    arena_free(a);
    return 0;
}
