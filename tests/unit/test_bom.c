/* bom: what is written is read again, whatever the size; real ones are read; broken ones are refused. */
#include "core/text.h"
#include "installer/bom.h"
#include "installer/xar.h"
#include "package.h"

static struct err e;

static void sums(void **state)
{
    (void)state;
    /* printf '' | cksum; printf '123456789' | cksum */
    assert_int_equal(bom_sum_end(0, 0), 4294967295u);
    assert_int_equal(bom_sum_end(bom_sum(0, "123456789", 9), 9), 930766865u);
    uint64_t seed = 3;
    unsigned char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)package_chance(&seed);
    for (size_t cut = 0; cut < 100; cut++) {
        uint32_t whole = bom_sum(0, bytes, sizeof bytes);
        uint32_t parts = bom_sum(bom_sum(0, bytes, cut), bytes + cut, sizeof bytes - cut);
        assert_int_equal(whole, parts);
    }
    /* the fast way, where there is one, is the slow one */
    static unsigned char more[5000];
    for (size_t k = 0; k < sizeof more; k++)
        more[k] = (unsigned char)(k * 2654435761u >> 11);
    for (size_t n = 0; n < sizeof more - 8; n += n < 300 ? 1 : 97)
        assert_int_equal(bom_sum((uint32_t)n * 77777, more + n % 8, n),
                         bom_sum_tables((uint32_t)n * 77777, more + n % 8, n));
}

static const struct bom_entry *find(const struct bom *b, const char *path)
{
    char at[LIMIT_PATH + 1];
    for (size_t i = 0; i < b->count; i++) {
        bom_path(&b->entries[i], at);
        if (strcmp(at, path) == 0)
            return &b->entries[i];
    }
    return NULL;
}

static void small(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    const struct bom_item items[] = {
        {.path = "b/link", .link = "../a", .type = BOM_LINK, .mode = 0120755, .size = 4, .sum = 9},
        {.path = "b", .type = BOM_DIRECTORY, .mode = 040700, .uid = 1, .gid = 2, .mtime = 3},
        {.path = "a",
         .type = BOM_FILE,
         .mode = 0100644,
         .uid = 501,
         .gid = 20,
         .mtime = 77,
         .size = 5,
         .sum = 6},
    };
    struct buf b, again;
    buf_init(&b, LIMIT_BOM);
    buf_init(&again, LIMIT_BOM);
    assert_true(bom_encode(items, 3, &b, &e));
    const struct bom *bom = bom_decode(a, b.data, b.len, &e);
    assert_non_null(bom);
    assert_int_equal(bom->count, 4);
    assert_null(bom->entries[0].parent);
    assert_int_equal(bom->entries[0].mode, 040755);
    const struct bom_entry *f = find(bom, "a"), *l = find(bom, "b/link"), *d = find(bom, "b");
    assert_true(f && l && d);
    assert_int_equal(f->type, BOM_FILE);
    assert_int_equal(f->mode, 0100644);
    assert_int_equal(f->uid, 501);
    assert_int_equal(f->gid, 20);
    assert_int_equal(f->mtime, 77);
    assert_int_equal(f->size, 5);
    assert_int_equal(f->sum, 6);
    assert_false(f->twin);
    assert_string_equal(l->link, "../a");
    assert_ptr_equal(l->parent, d);
    const struct bom_item other[] = {items[2], items[0], items[1]};
    assert_true(bom_encode(other, 3, &again, &e));
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
    assert_false(bom_encode(items, 1, &again, &e)); /* without its parent */
    const struct bom_item twice[] = {items[2], items[2]};
    assert_false(bom_encode(twice, 2, &again, &e));
    buf_release(&b);
    buf_release(&again);
    arena_free(a);
}

static void sizes(void **state)
{
    /* one leaf, exactly full, one more, a branch, two levels of branches */
    static const size_t counts[] = {0, 255, 256, 511, 5000, 70000};
    (void)state;
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        struct arena *a = arena_open();
        size_t n = counts[k];
        struct bom_item *items = calloc(n + 1, sizeof *items);
        for (size_t i = 0; i < n; i++)
            items[i] = (struct bom_item){.path = i % 100 == 0 ? arena_printf(a, "d%05zu", i / 100)
                                                              : arena_printf(a, "d%05zu/f%zu", i / 100, i),
                                         .type = i % 100 == 0 ? BOM_DIRECTORY : BOM_FILE,
                                         .size = (uint32_t)i};
        struct buf b;
        buf_init(&b, LIMIT_BOM);
        assert_true(bom_encode(items, n, &b, &e));
        const struct bom *bom = bom_decode(a, b.data, b.len, &e);
        if (!bom)
            fail_msg("%zu: %s", n, e.text);
        assert_int_equal(bom->count, n + 1);
        uint64_t sum = 0;
        for (size_t i = 0; i < bom->count; i++) {
            sum += bom->entries[i].size;
            assert_true(!bom->entries[i].parent || bom->entries[i].parent < &bom->entries[i]);
        }
        assert_int_equal(sum, n ? n * (n - 1) / 2 : 0);
        buf_release(&b);
        free(items);
        arena_free(a);
    }
}

static void damaged(void **state)
{
    (void)state;
    const struct bom_item items[] = {{.path = "b", .type = BOM_DIRECTORY, .mode = 040755},
                                     {.path = "b/c", .type = BOM_DIRECTORY, .mode = 040755},
                                     {.path = "b/c/link", .link = "x", .type = BOM_LINK, .mode = 0120755},
                                     {.path = "a", .type = BOM_FILE, .mode = 0100644}};
    struct buf b;
    buf_init(&b, LIMIT_BOM);
    assert_true(bom_encode(items, 4, &b, &e));
    for (size_t i = 0; i < b.len; i++) /* never more than an error */
        for (int bit = 0; bit < 8; bit += i < 1000 ? 1 : 5) {
            struct arena *a = arena_open();
            b.data[i] = (char)(b.data[i] ^ 1 << bit);
            bom_decode(a, b.data, b.len, &e);
            b.data[i] = (char)(b.data[i] ^ 1 << bit);
            arena_free(a);
        }
    for (size_t n = 0; n < b.len; n += 7) {
        struct arena *a = arena_open();
        char *cut = malloc(n + 1);
        memcpy(cut, b.data, n);
        assert_null(bom_decode(a, cut, n, &e));
        free(cut);
        arena_free(a);
    }
    buf_release(&b);
}

/* The Bom of a sample's component, decoded; NULL with *e set. */
static const struct bom *of_sample(struct arena *a, const char *name, const char *member)
{
    const char *samples = package_samples();
    char path[2048];
    struct buf b;
    if (!samples)
        skip();
    snprintf(path, sizeof path, "%s/%s", samples, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct xar *x = xar_open(a, fd, &e);
    assert_non_null(x);
    buf_init(&b, LIMIT_BOM);
    assert_true(xar_load(x, xar_find(x, member), &b, &e));
    const struct bom *bom = bom_decode(a, b.data, b.len, &e);
    buf_release(&b);
    close(fd);
    return bom;
}

static void real_ones(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    const struct bom *bom = of_sample(a, "pkgs/dareneiri__munki_repo__Minecraft-1.0.1.pkg", "Bom");
    assert_non_null(bom);
    assert_int_equal(bom->count, 3422);
    assert_non_null(find(bom, "Applications/Minecraft.app/Contents/Info.plist"));
    bom = of_sample(a, "pkgs/erikng__installapplicationsdemo__munkitools_core-4.0.0.3881.pkg", "Bom");
    assert_non_null(bom);
    assert_int_equal(bom->count, 112);
    assert_non_null(find(bom, "usr/local/munki/managedsoftwareupdate"));
    bom = of_sample(a, "synthetic/malformed/bom-cycle.pkg", "Bom");
    assert_null(bom);
    assert_non_null(strstr(e.text, "circle"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),    cmocka_unit_test(small),     cmocka_unit_test(sizes),
        cmocka_unit_test(damaged), cmocka_unit_test(real_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
