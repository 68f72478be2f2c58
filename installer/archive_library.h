/* archive_library: libarchive's calls, by their names without archive_. Where libarchive is a shared library
 * (the Makefile defines LIBARCHIVE) it is opened at the first of them (core/library.h): nothing but an
 * archive of zip or tar needs it. Elsewhere it is linked in. Part of archive. */
#ifndef INSTALLER_ARCHIVE_LIBRARY_H
#define INSTALLER_ARCHIVE_LIBRARY_H
#include <archive.h>
#include <archive_entry.h>

struct archive_library {
    struct archive *(*read_new)(void);
    int (*read_free)(struct archive *la);
    int (*read_support_format_tar)(struct archive *la);
    int (*read_support_format_zip)(struct archive *la);
    int (*read_open)(struct archive *la, void *ctx, archive_open_callback *opened,
                     archive_read_callback *read, archive_close_callback *closed);
    int (*read_open_fd)(struct archive *la, int fd, size_t block);
    int (*read_next_header)(struct archive *la, struct archive_entry **entry);
    la_ssize_t (*read_data)(struct archive *la, void *p, size_t n);
    const char *(*error_string)(struct archive *la);
    void (*set_error)(struct archive *la, int number, const char *format, ...);

    const char *(*entry_pathname)(struct archive_entry *x);
    const char *(*entry_pathname_utf8)(struct archive_entry *x);
    const char *(*entry_hardlink)(struct archive_entry *x);
    const char *(*entry_hardlink_utf8)(struct archive_entry *x);
    const char *(*entry_symlink)(struct archive_entry *x);
    const char *(*entry_symlink_utf8)(struct archive_entry *x);
    mode_t (*entry_filetype)(struct archive_entry *x);
    mode_t (*entry_perm)(struct archive_entry *x);
    la_int64_t (*entry_size)(struct archive_entry *x);
    int (*entry_size_is_set)(struct archive_entry *x);
    time_t (*entry_mtime)(struct archive_entry *x);
};

const struct archive_library *archive_library(void);
#endif
