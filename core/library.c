/* ISO C knows no way from the pointer that dlsym gives to one to a function; POSIX says that their bytes are
 * the same. */
#include "core/library.h"
#include "core/err.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void missing(void)
{
    fprintf(stderr, "daybreak: %s\n", dlerror());
    exit(127);
}

void library_open(const char *name, const struct library_call *calls, size_t count, void *table)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        missing();
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(handle, calls[i].symbol);
        if (symbol == NULL)
            missing();
        memcpy((char *)table + calls[i].at, &symbol, sizeof symbol);
    }
}
