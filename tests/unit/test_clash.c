/* clash: what unpack refuses is told from the names alone, member by member; and what it takes is let pass.
 */
#include "archive.h"
#include "installer/clash.h"
#include "installer/unpack.h"

static struct err e;

/* Index of the first member that clashes, or -1. */
static int first_clash(const struct archive_member *m)
{
    struct pathset seen = {.table = NULL};
    int at = -1;
    for (int i = 0; m[i].name && at < 0; i++) {
        char path[LIMIT_PATH + 1];
        assert_true(cpio_name(path, m[i].name, strlen(m[i].name), &e));
        unsigned kind = m[i].mode & 0170000;
        const struct cpio_member c = {.path = path,
                                      .type = kind == 040000    ? CPIO_DIRECTORY
                                              : kind == 0120000 ? CPIO_LINK
                                                                : CPIO_FILE};
        if (clash_of(&seen, &c))
            at = i;
    }
    pathset_release(&seen);
    return at;
}

/* Does unpack refuse it, in a folder of its own? */
static bool unpack_refuses(const struct archive_member *m)
{
    char base[] = "/tmp/test_clash.XXXXXX";
    assert_non_null(mkdtemp(base));
    int dir = open(base, O_RDONLY | O_DIRECTORY), top = files_root("/tmp", false, &e);
    struct buf b;
    archive_make(&b, m);
    struct archive_source source = {.p = (const unsigned char *)b.data, .n = b.len, .step = 5000};
    struct payload *p = payload_open(archive_read, &source, 0, UINT64_MAX, &e);
    struct cpio *c = cpio_open(p);
    const struct unpack_rules rules = {.location = "/"};
    const struct unpack_source members = unpack_source_cpio(c);
    struct unpack *u = unpack_open(dir, &rules);
    bool ok = unpack_all(u, &members, &e);
    unpack_free(u);
    cpio_free(c);
    payload_free(p);
    buf_release(&b);
    close(dir);
    assert_true(files_remove(top, base + 5, &e));
    close(top);
    return !ok;
}

static void as_unpack_does(void **state)
{
    (void)state;
#define FILE_(n)                                                                                             \
    {                                                                                                        \
        .name = n, .mode = 0100644                                                                           \
    }
#define DIR_(n)                                                                                              \
    {                                                                                                        \
        .name = n, .mode = 040755                                                                            \
    }
#define LINK_(n)                                                                                             \
    {                                                                                                        \
        .name = n, .mode = 0120777, .data = "x"                                                              \
    }
    static const struct {
        struct archive_member m[4];
        int at;
    } rows[] = {
        {{DIR_("."), DIR_("./a"), FILE_("./a/x")}, -1},
        {{FILE_("a/x"), DIR_("a"), FILE_("a/y")}, -1},
        {{FILE_("x"), FILE_("x")}, 1},
        {{FILE_("x"), FILE_("X")}, 1},
        {{DIR_("d"), DIR_("d")}, 1},
        {{FILE_("A/x"), FILE_("a/y")}, 1},
        {{FILE_("A/x"), DIR_("a")}, 1},
        {{FILE_("caf\xc3\xa9"), FILE_("cafe\xcc\x81")}, 1},
        {{FILE_("f"), FILE_("f/x")}, 1},
        {{LINK_("l"), FILE_("l/x")}, 1},
        {{DIR_("d"), LINK_("d")}, 1},
        {{FILE_("d/x"), FILE_("d")}, 1},
        {{LINK_("l"), DIR_("l")}, 1},
        {{FILE_("a"), FILE_("b"), FILE_("ab")}, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (first_clash(rows[i].m) != rows[i].at)
            fail_msg("row %zu: %d", i, first_clash(rows[i].m));
        if (unpack_refuses(rows[i].m) != (rows[i].at >= 0))
            fail_msg("row %zu: unpack thinks otherwise: %s", i, e.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_unpack_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
