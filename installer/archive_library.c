#include "installer/archive_library.h"
#include "core/library.h"

#define CALLS(X)                                                                                             \
    X(read_new)                                                                                              \
    X(read_free)                                                                                             \
    X(read_support_format_tar)                                                                               \
    X(read_support_format_zip)                                                                               \
    X(read_open)                                                                                             \
    X(read_open_fd)                                                                                          \
    X(read_next_header)                                                                                      \
    X(read_data)                                                                                             \
    X(error_string)                                                                                          \
    X(set_error)                                                                                             \
    X(entry_pathname)                                                                                        \
    X(entry_pathname_utf8)                                                                                   \
    X(entry_hardlink)                                                                                        \
    X(entry_hardlink_utf8)                                                                                   \
    X(entry_symlink)                                                                                         \
    X(entry_symlink_utf8)                                                                                    \
    X(entry_filetype)                                                                                        \
    X(entry_perm)                                                                                            \
    X(entry_size)                                                                                            \
    X(entry_size_is_set)                                                                                     \
    X(entry_mtime)

#ifdef LIBARCHIVE
const struct archive_library *archive_library(void)
{
#define NAMED(name) {"archive_" #name, offsetof(struct archive_library, name)},
    static const struct library_call calls[] = {CALLS(NAMED)};
    static struct archive_library library;
    if (library.read_new == NULL)
        library_open(LIBARCHIVE, calls, sizeof calls / sizeof *calls, &library);
    return &library;
}
#else
const struct archive_library *archive_library(void)
{
#define LINKED(name) .name = archive_##name,
    static const struct archive_library library = {CALLS(LINKED)};
    return &library;
}
#endif
