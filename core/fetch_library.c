/* ISO C knows no way from the pointer that dlsym gives to one to a function; POSIX says that their bytes are
 * the same. */
#include "core/fetch_library.h"
#include "core/err.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* all but url_get, whose first argument has become const in libcurl 8 */
#define CALLS(X)                                                                                             \
    X(global_init)                                                                                           \
    X(global_cleanup)                                                                                        \
    X(version_info)                                                                                          \
    X(free)                                                                                                  \
    X(url)                                                                                                   \
    X(url_cleanup)                                                                                           \
    X(url_set)                                                                                               \
    X(url_strerror)                                                                                          \
    X(slist_append)                                                                                          \
    X(slist_free_all)                                                                                        \
    X(easy_init)                                                                                             \
    X(easy_cleanup)                                                                                          \
    X(easy_setopt)                                                                                           \
    X(easy_getinfo)                                                                                          \
    X(easy_strerror)                                                                                         \
    X(multi_init)                                                                                            \
    X(multi_cleanup)                                                                                         \
    X(multi_setopt)                                                                                          \
    X(multi_add_handle)                                                                                      \
    X(multi_remove_handle)                                                                                   \
    X(multi_socket_action)                                                                                   \
    X(multi_info_read)                                                                                       \
    X(share_init)                                                                                            \
    X(share_cleanup)                                                                                         \
    X(share_setopt)

#ifdef LIBCURL
#include <dlfcn.h>

static NORETURN void missing(void)
{
    fprintf(stderr, "daybreak: %s\n", dlerror());
    exit(127);
}

const struct fetch_library *fetch_library(void)
{
#define NAMED(name) {"curl_" #name, offsetof(struct fetch_library, name)},
    static const struct {
        const char *symbol;
        size_t at;
    } calls[] = {CALLS(NAMED) NAMED(url_get)};
    static struct fetch_library library;

    if (library.free != NULL)
        return &library;
    void *handle = dlopen(LIBCURL, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        missing();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        void *symbol = dlsym(handle, calls[i].symbol);
        if (symbol == NULL)
            missing();
        memcpy((char *)&library + calls[i].at, &symbol, sizeof symbol);
    }
    return &library;
}
#else
static CURLUcode url_get(CURLU *u, CURLUPart what, char **part, unsigned flags)
{
    return curl_url_get(u, what, part, flags);
}

const struct fetch_library *fetch_library(void)
{
#define LINKED(name) .name = curl_##name,
    static const struct fetch_library library = {CALLS(LINKED).url_get = url_get};
    return &library;
}
#endif
