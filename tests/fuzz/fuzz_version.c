/* Three version strings, a NUL between them: the order is antisymmetric and transitive, trimming is final. */
#include "manifests/version.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_open();
    const char *text = arena_strndup(arena, size ? (const char *)data : "", size), *v[3];
    const char *end = text + size;
    for (size_t i = 0; i < 3; i++) {
        v[i] = text;
        text += text < end ? strlen(text) : 0;
        text += text < end;
    }
    int ab = version_compare(v[0], v[1]), bc = version_compare(v[1], v[2]), ac = version_compare(v[0], v[2]);
    if (ab != -version_compare(v[1], v[0]) || version_compare(v[0], v[0]) != 0)
        abort();
    if ((ab <= 0 && bc <= 0 && ac > 0) || (ab >= 0 && bc >= 0 && ac < 0))
        abort();
    const char *trimmed = version_trim(arena, v[0]);
    if (strcmp(trimmed, version_trim(arena, trimmed)) != 0 || version_compare(trimmed, v[0]) != 0)
        abort();
    arena_free(arena);
    return 0;
}
