/* Any bytes: refused with a sentence, or a tree that survives being written in both forms and read again. */
#include "core/limits.h"
#include "manifests/props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(struct arena *a, const struct value *v, bool binary)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, LIMIT_PLIST);
    bool ok = binary ? props_encode_binary(v, &out, &e) : props_encode(v, &out, &e);
    const struct value *again = ok ? props_decode(a, out.data, out.len, &e) : NULL;
    if (again ? !value_equal(v, again) : e.kind != ERR_LIMIT)
        abort();
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0};
    const struct value *v = props_decode(a, data, size, &e);
    if (!v && (e.kind == ERR_NONE || !e.text[0]))
        abort();
    if (v) {
        same_again(a, v, false);
        same_again(a, v, true);
    }
    arena_free(a);
    return 0;
}
