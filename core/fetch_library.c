#include "core/fetch_library.h"
#include "core/library.h"

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
const struct fetch_library *fetch_library(void)
{
#define NAMED(name) {"curl_" #name, offsetof(struct fetch_library, name)},
    static const struct library_call calls[] = {CALLS(NAMED) NAMED(url_get)};
    static struct fetch_library library;
    if (library.free == NULL)
        library_open(LIBCURL, calls, sizeof calls / sizeof *calls, &library);
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
