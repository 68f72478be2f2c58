/* arena: zeroed, aligned, apart from each other; out of memory ends the process with 71. */
#include "core/arena.h"
#include "core/child.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char *self;

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    enum { COUNT = 2000 };
    unsigned char *p[COUNT];
    size_t size[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size[i] = i % 37 == 0 ? i * 50 : i % 19; /* small, none at all, and larger than a block */
        p[i] = arena_alloc(a, size[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(p[i][k], 0);
        memset(p[i], (int)(i % 251) + 1, size[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(p[i][k], i % 251 + 1);
    arena_free(a);
    arena_free(NULL);
}

/* From small blocks to large pages, and blocks of their own on both sides of either. */
static void large_ones_are_no_different(void **state)
{
    static const size_t sizes[] = {100, 4096, 65536, 262143, 262144, 262145, 2097151, 2097152, 5000000};
    enum { COUNT = 9 * 12 };
    struct arena *a = arena_open();
    unsigned char *p[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        size_t n = sizes[i * 5 % 9];
        p[i] = arena_alloc(a, n);
        assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        assert_int_equal(p[i][0] | p[i][n / 2] | p[i][n - 1], 0);
        assert_true(n < 4096 || memcmp(p[i], p[i] + n / 2, n / 2) == 0); /* zero all over */
        memset(p[i], (int)i + 1, n);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(p[i][0] & p[i][sizes[i * 5 % 9] - 1], i + 1);
    arena_free(a);
}

static void strings(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    assert_string_equal(arena_strdup(a, ""), "");
    assert_string_equal(arena_strdup(a, "firefox"), "firefox");
    char *p = arena_strndup(a, "a\0bcd", 3);
    assert_memory_equal(p, "a\0b\0", 4);
    assert_string_equal(arena_strndup(a, NULL, 0), "");
    assert_string_equal(arena_printf(a, "%s-%d", "x", 42), "x-42");
    char big[20000];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_string_equal(arena_printf(a, "%s", big), big);
    arena_free(a);
}

static void used_grows_by_what_was_asked(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    assert_int_equal(arena_used(a), 0);
    arena_alloc(a, 1);
    assert_in_range(arena_used(a), 1, 16);
    arena_array(a, 1000, 100);
    assert_in_range(arena_used(a), 100001, 100032);
    arena_free(a);
}

/* Run this program again with a word; its answer. */
static int again(const char *word, char *out, size_t size)
{
    const char *argv[] = {self, word, NULL};
    const char *env[] = {"ASAN_OPTIONS=allocator_may_return_null=1",
                         NULL}; /* the sanitizer's own way is to abort */
    struct buf b;
    struct child_end end;
    struct err e;
    struct loop *l = loop_open();
    buf_init(&b, 4096);
    assert_true(child_run(
        l, &(struct child_spec){.argv = argv, .env = env, .dir = -1, .timeout_ms = 60000, .out = &b}, &end,
        &e));
    snprintf(out, size, "%s", buf_str(&b));
    buf_release(&b);
    loop_free(l);
    return end.exit_code;
}

static void out_of_memory_is_exit_71(void **state)
{
    (void)state;
    char out[100];
    assert_int_equal(again("alloc", out, sizeof out), EXIT_MEMORY);
    assert_string_equal(out, "record\n");
    assert_int_equal(again("array", out, sizeof out), EXIT_MEMORY);
    assert_string_equal(out, "record\n");
    assert_int_equal(again("heap", out, sizeof out), EXIT_MEMORY);
}

static void record(void *ctx)
{
    ssize_t n = write(1, ctx, strlen(ctx));
    (void)n;
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        static char text[] = "record\n";
        volatile size_t much = SIZE_MAX - 4096;
        arena_on_exhausted(record, text);
        if (strcmp(argv[1], "alloc") == 0)
            arena_alloc(arena_open(), much);
        if (strcmp(argv[1], "array") == 0)
            arena_array(arena_open(), much / 2, 3);
        if (strcmp(argv[1], "heap") == 0)
            arena_heap(NULL, much);
        return 0;
    }
    self = realpath(argv[0], NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(large_ones_are_no_different),
        cmocka_unit_test(strings),
        cmocka_unit_test(used_grows_by_what_was_asked),
        cmocka_unit_test(out_of_memory_is_exit_71),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
