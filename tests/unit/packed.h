/* packed: zip and tar archives made by libarchive, for the tests of what reads them. */
#ifndef TESTS_UNIT_PACKED_H
#define TESTS_UNIT_PACKED_H
#include "package.h"
#include "volume.h"
#include <archive.h>
#include <archive_entry.h>

struct member {
    const char *name, *data; /* data: bytes, or where a link leads */
    unsigned type;           /* AE_IFREG …; 0: a hard link */
    unsigned mode;
};

enum form { ZIP, TAR, TAR_GZ, TAR_BZ2, TAR_XZ };
static const char *const files[] = {"x.zip", "x.tar", "x.tgz", "x.tar.bz2", "x.TAR.XZ"};

/* The archive in Cache; its descriptor. */
static inline int made(enum form form, const struct member *m)
{
    static unsigned char bytes[4 * 1024 * 1024];
    size_t used = 0;
    struct archive *w = archive_write_new();
    if (form == ZIP)
        assert_int_equal(archive_write_set_format_zip(w), ARCHIVE_OK);
    else
        assert_int_equal(archive_write_set_format_pax_restricted(w), ARCHIVE_OK);
    if (form == TAR_GZ)
        archive_write_add_filter_gzip(w);
    if (form == TAR_BZ2)
        archive_write_add_filter_bzip2(w);
    if (form == TAR_XZ)
        archive_write_add_filter_xz(w);
    assert_int_equal(archive_write_open_memory(w, bytes, sizeof bytes, &used), ARCHIVE_OK);
    for (; m->name; m++) {
        struct archive_entry *x = archive_entry_new();
        size_t n = m->type == AE_IFREG && m->data ? strlen(m->data) : 0;
        archive_entry_set_pathname(x, m->name);
        archive_entry_set_filetype(x, m->type ? m->type : AE_IFREG);
        archive_entry_set_perm(x, (mode_t)m->mode);
        archive_entry_set_mtime(x, 1700000000, 0);
        archive_entry_set_size(x, (la_int64_t)n);
        if (m->type == AE_IFLNK)
            archive_entry_set_symlink(x, m->data);
        if (m->type == 0)
            archive_entry_set_hardlink(x, m->data);
        if (archive_write_header(w, x) < ARCHIVE_WARN)
            fail_msg("%s: %s", m->name, archive_error_string(w));
        assert_true(n == 0 || archive_write_data(w, m->data, n) == (la_ssize_t)n);
        archive_entry_free(x);
    }
    assert_int_equal(archive_write_close(w), ARCHIVE_OK);
    archive_write_free(w);
    assert_true(files_replace(env.cache, files[form], bytes, used, 0600, FILES_LAZY, &e));
    return files_open(env.cache, files[form], &e);
}
#endif
