/* Any bytes: a profile with an identifier and a UUID, or a refusal with a sentence. */
#include "installer/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0};
    const struct profile *pr = profile_decode(a, data, size, &e);
    if (pr ? !pr->identifier[0] || !pr->uuid[0] : e.kind == ERR_NONE || !e.text[0])
        abort();
    arena_free(a);
    return 0;
}
