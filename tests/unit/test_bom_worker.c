/* bom_worker: the paths of a Bom come out of a worker, and nothing that could not be one. */
#include "installer/bom_worker.h"
#include "liar.h"
#include "uncaged.h"

enum { PATH = WORKER_TYPES };

static char seen[512];

static bool see(void *ctx, const char *path, struct err *why)
{
    size_t n = strlen(seen);
    snprintf(seen + n, sizeof seen - n, "[%s]", path);
    return ctx == NULL || err_set(why, ERR_REFUSED, CAUSE_INSTALLER, "enough");
}

/* --- the worker's side -----------------------------------------------------------------------------------
 */

static const struct bom_item items[] = {
    {.path = "a", .type = BOM_DIRECTORY, .mode = 040755},
    {.path = "a/caf\xe9", .type = BOM_FILE, .mode = 0100644, .size = 1}, /* names are any bytes */
};

static void a_bom_is_told_path_by_path(void **state)
{
    (void)state;
    struct worker_fields f;
    struct buf b, none;
    size_t n;
    buf_init(&b, LIMIT_MB);
    buf_init(&none, 0);
    assert_true(bom_encode(items, 2, &b, &e));
    int fd = package_file(b.data, b.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (!uncaged_work(bom_work, &none, &fd, 1))
        fail_msg("%s", e.text);
    static const char *const want[] = {"", "a", "a/caf\xe9"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(uncaged_next(&f), PATH);
        const char *path = worker_bytes(&f, &n);
        assert_int_equal(n, strlen(want[i]) + 1);
        assert_string_equal(path, want[i]);
        assert_true(worker_end(&f));
    }
    assert_int_equal(uncaged_next(&f), 0);
    /* the same through the cage */
    seen[0] = '\0';
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (!bom_paths(volume_loop, fd, see, NULL, &e))
        fail_msg("%s", e.text);
    assert_string_equal(seen, "[][a][a/caf\xe9]");
    close(fd);
    /* cut anywhere it is none, and nothing of it is told */
    for (size_t cut = 0; cut < b.len; cut += b.len / 7 + 1) {
        fd = package_file(b.data, cut);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_false(uncaged_work(bom_work, &none, &fd, 1));
        assert_int_equal(e.kind, ERR_FORMAT);
        assert_int_equal(uncaged_next(&f), 0);
        close(fd);
    }
    buf_release(&b);
}

/* --- the side that asks ----------------------------------------------------------------------------------
 */

static void outside(void)
{
    liar_say(PATH, "t", "a/../../etc");
}

static void absolute(void)
{
    liar_say(PATH, "t", "/etc");
}

static void dot(void)
{
    liar_say(PATH, "t", "a/.");
}

static void no_end(void)
{
    liar_say(PATH, "r", "abc");
}

static void long_name(void)
{
    char name[LIMIT_NAME + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    liar_say(PATH, "t", name);
}

static void long_path(void)
{
    char path[LIMIT_PATH + 3];
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = i % 2 ? '/' : 'p';
    path[sizeof path - 1] = '\0';
    liar_say(PATH, "t", path);
}

static void two_texts(void)
{
    liar_say(PATH, "tt", "a", "b");
}

static void nothing(void)
{
    liar_say(PATH, "");
}

static void other_type(void)
{
    liar_say(PATH + 1, "t", "a");
}

static void truth_is_told(void)
{
    liar_say(PATH, "t", "");
    liar_say(PATH, "t", "a/...");
}

static void (*const lies[])(void) = {outside,   absolute,  dot,     no_end,    long_name,
                                     long_path, two_texts, nothing, other_type};

static void odd_paths_end_it(void **state)
{
    (void)state;
    char text[8];
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        int fd = package_file(text, (size_t)snprintf(text, sizeof text, "%zu", i));
        seen[0] = '\0';
        if (bom_paths(volume_loop, fd, see, NULL, &e) || *seen != '\0')
            fail_msg("row %zu was believed: %s", i, seen);
        assert_int_equal(e.kind, ERR_INTERNAL);
        assert_string_equal(e.text, "the worker sent a path that makes no sense");
        close(fd);
    }
    /* one that says nothing odd is believed */
    int truth = package_file("99", 2);
    seen[0] = '\0';
    assert_true(bom_paths(volume_loop, truth, see, NULL, &e));
    assert_string_equal(seen, "[][a/...]");
    close(truth);
    /* the one that asks may have had enough, too */
    struct buf b;
    buf_init(&b, LIMIT_MB);
    assert_true(bom_encode(items, 2, &b, &e));
    int fd = package_file(b.data, b.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    seen[0] = '\0';
    assert_false(bom_paths(volume_loop, fd, see, &e, &e));
    assert_string_equal(e.text, "enough");
    assert_string_equal(seen, "[]");
    close(fd);
    buf_release(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bom_is_told_path_by_path),
        cmocka_unit_test(odd_paths_end_it),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0) {
        char magic = 0;
        (void)!pread(WORKER_FIRST, &magic, 1, 0);
        if (magic == 'B')
            return worker_main(argv[2]);
        size_t n = liar_row();
        (n < sizeof lies / sizeof *lies ? lies[n] : truth_is_told)();
        return liar_done();
    }
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
