/* build: random trees become packages that other readers (libarchive's xar and cpio) take apart into the same
 * trees; the same input gives the same bytes; what a package cannot hold is refused. */
#include "core/text.h"
#include "installer/bom.h"
#include "installer/build.h"
#include "installer/distribution.h"
#include "installer/packageinfo.h"
#include "installer/xar.h"
#include "package.h"
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

static struct err e;
static struct arena *a;
static char base[] = "/tmp/test_build.XXXXXX";
static int dir;

static const char *at(const char *name)
{
    return arena_printf(a, "%s/%s", base, name);
}

static int make_dir(int below, const char *name)
{
    assert_int_equal(mkdirat(below, name, 0755), 0);
    int fd = openat(below, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void make_file(int below, const char *name, const void *p, size_t n, mode_t mode)
{
    int fd = openat(below, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(files_write(fd, p, n, &e));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* A tree from a seed: files of all sizes, directories, links, hard links, odd names. */
static void make_tree(int below, uint64_t *seed, unsigned depth)
{
    static const char *const odd[] = {"a b", "\xc3\xa9", "x&<y>\"", ".hidden", "long-long-long-name", "z"};
    static unsigned char bytes[200000];
    size_t n = 1 + (size_t)(package_chance(seed) % 6);
    char name[64], last[64] = "";
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s%zu", odd[package_chance(seed) % 6], i);
        switch (package_chance(seed) % 6) {
        case 0:
            assert_int_equal(symlinkat("../target of link", below, name), 0);
            break;
        case 1:
            if (*last) {
                assert_int_equal(linkat(below, last, below, name, 0), 0);
                break;
            }
            /* fall through */
        case 2:
        case 3: {
            size_t size = (size_t)(package_chance(seed) % (package_chance(seed) % 5 ? 300 : sizeof bytes));
            for (size_t k = 0; k < size; k++)
                bytes[k] = (unsigned char)(package_chance(seed) % 8);
            make_file(below, name, bytes, size, package_chance(seed) % 2 ? 0644 : 0755);
            snprintf(last, sizeof last, "%s", name);
            break;
        }
        default: {
            int child = make_dir(below, name);
            if (depth < 4)
                make_tree(child, seed, depth + 1);
            close(child);
        }
        }
    }
}

static void read_whole(const char *path, struct buf *b)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    buf_init(b, 64 * LIMIT_MB);
    assert_true(files_read_fd(fd, b, &e));
    close(fd);
}

static void same_file(const char *one, const char *two)
{
    struct buf x, y;
    read_whole(one, &x);
    read_whole(two, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(buf_str(&x), buf_str(&y), x.len);
    buf_release(&x);
    buf_release(&y);
}

/* The member's bytes as libarchive's xar reader gives them, checksums and all. */
static void other_reader(const char *package, const char *member, struct buf *b)
{
    struct archive *r = archive_read_new();
    struct archive_entry *entry;
    const void *p;
    size_t n;
    la_int64_t offset;
    int rc;
    buf_init(b, 64 * LIMIT_MB);
    archive_read_support_format_xar(r);
    assert_int_equal(archive_read_open_filename(r, package, 65536), ARCHIVE_OK);
    while ((rc = archive_read_next_header(r, &entry)) == ARCHIVE_OK)
        if (strcmp(archive_entry_pathname(entry), member) == 0)
            break;
    assert_int_equal(rc, ARCHIVE_OK);
    while ((rc = archive_read_data_block(r, &p, &n, &offset)) == ARCHIVE_OK)
        assert_true(buf_append(b, p, n, &e));
    if (rc != ARCHIVE_EOF)
        fail_msg("%s: %s", member, archive_error_string(r));
    archive_read_free(r);
}

/* Every member of the payload, read by libarchive, is in the tree, equal, and in the Bom. Returns how many.
 */
static size_t compare(const char *package, int tree, const struct bom *bom)
{
    struct buf payload;
    struct archive *r = archive_read_new();
    struct archive_entry *entry;
    size_t count = 0;
    other_reader(package, "Payload", &payload);
    archive_read_support_format_cpio(r);
    archive_read_support_filter_gzip(r);
    assert_int_equal(archive_read_open_memory(r, payload.data, payload.len), ARCHIVE_OK);
    while (archive_read_next_header(r, &entry) == ARCHIVE_OK) {
        const char *path = archive_entry_pathname(entry);
        struct stat st;
        char link[1024] = "";
        if (count == 0)
            assert_string_equal(path, ".");
        else
            assert_true(text_starts(path, "./"));
        assert_int_equal(fstatat(tree, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(archive_entry_uid(entry), 0);
        if (count > 0 && !S_ISLNK(st.st_mode))
            assert_int_equal(archive_entry_mode(entry), st.st_mode);
        assert_int_equal(archive_entry_mtime(entry), st.st_mtime);
        const struct bom_entry *found = NULL;
        for (size_t i = 0; i < bom->count && !found; i++) {
            char in_bom[LIMIT_PATH + 1];
            bom_path(&bom->entries[i], in_bom);
            if (strcmp(in_bom, count ? path + 2 : "") == 0)
                found = &bom->entries[i];
        }
        assert_non_null(found);
        assert_int_equal(found->mtime, st.st_mtime);
        if (S_ISLNK(st.st_mode)) {
            assert_true(readlinkat(tree, path, link, sizeof link - 1) > 0);
            assert_string_equal(archive_entry_symlink(entry), link);
            assert_string_equal(found->link, link);
        } else if (S_ISREG(st.st_mode)) {
            struct buf is, should;
            int fd = openat(tree, path, O_RDONLY | O_CLOEXEC);
            const void *p;
            size_t n;
            la_int64_t offset;
            buf_init(&is, 64 * LIMIT_MB);
            buf_init(&should, 64 * LIMIT_MB);
            assert_true(files_read_fd(fd, &should, &e));
            close(fd);
            while (archive_read_data_block(r, &p, &n, &offset) == ARCHIVE_OK)
                assert_true(buf_append(&is, p, n, &e));
            assert_int_equal(is.len, should.len);
            assert_memory_equal(buf_str(&is), buf_str(&should), is.len);
            assert_int_equal(found->size, should.len);
            assert_int_equal(found->sum, bom_sum_end(bom_sum(0, buf_str(&should), should.len), should.len));
            buf_release(&is);
            buf_release(&should);
        }
        count++;
    }
    archive_read_free(r);
    buf_release(&payload);
    return count;
}

static const struct xar *open_package(const char *path, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct xar *x = xar_open(a, *fd, &e);
    if (!x)
        fail_msg("%s: %s", path, e.text);
    for (size_t i = 0; i < x->member_count; i++)
        assert_true(xar_check(x, &x->members[i], &e));
    assert_null(x->unproven);
    assert_int_equal(x->trailing, 0);
    return x;
}

static const void *load(const struct xar *x, const char *member, size_t *n)
{
    struct buf b;
    buf_init(&b, 64 * LIMIT_MB);
    assert_true(xar_load(x, xar_find(x, member), &b, &e));
    char *p = arena_strndup(a, buf_str(&b), b.len);
    *n = b.len;
    buf_release(&b);
    return p;
}

static void random_trees(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 12; s++) {
        uint64_t seed = s * 7919;
        const char *tree = arena_printf(a, "tree%llu", (unsigned long long)s);
        int fd, payload = make_dir(dir, tree);
        size_t n;
        make_tree(payload, &seed, 0);
        const struct build_component c = {
            .payload = payload, .scripts = -1, .identifier = "org.example.tree", .version = "1", .time = -1};
        struct build_result r;
        const char *out = at(arena_printf(a, "%s.pkg", tree)),
                   *again = at(arena_printf(a, "%s-again.pkg", tree));
        if (!build_component(&c, out, &r, &e) || !build_component(&c, again, &r, &e))
            fail_msg("%s: %s", tree, e.text);
        same_file(out, again);
        const struct xar *x = open_package(out, &fd);
        const void *p = load(x, "Bom", &n);
        const struct bom *bom = bom_decode(a, p, n, &e);
        assert_non_null(bom);
        assert_int_equal(compare(out, payload, bom), bom->count);
        assert_int_equal(r.files, bom->count);
        assert_int_equal(r.size, x->file_size);
        p = load(x, "PackageInfo", &n);
        const struct packageinfo *info = packageinfo_decode(a, p, n, &e);
        assert_non_null(info);
        assert_int_equal(info->number_of_files, bom->count);
        close(fd);
        close(payload);
    }
}

static void with_scripts_and_bundle(void **state)
{
    static const char plist[] =
        "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>CFBundleIdentifier</key>"
        "<string>org.example.App</string><key>CFBundleVersion</key><string>12&amp;3</string>"
        "</dict></plist>";
    (void)state;
    int fd, payload = make_dir(dir, "app"), scripts = make_dir(dir, "scripts");
    int app = make_dir(payload, "X.app"), contents = make_dir(app, "Contents");
    size_t n;
    make_file(contents, "Info.plist", plist, sizeof plist - 1, 0644);
    make_file(scripts, "postinstall", "#!/bin/sh\n", 10, 0600);
    close(app);
    close(contents);
    const struct build_component c = {.payload = payload,
                                      .scripts = scripts,
                                      .identifier = "org.example.app",
                                      .version = "1.0",
                                      .install_location = "/Applications",
                                      .time = 1700000000};
    struct build_result r;
    if (!build_component(&c, at("app.pkg"), &r, &e))
        fail_msg("%s", e.text);
    const struct xar *x = open_package(at("app.pkg"), &fd);
    assert_string_equal(x->created, "2023-11-14T22:13:20");
    const void *p = load(x, "PackageInfo", &n);
    const struct packageinfo *info = packageinfo_decode(a, p, n, &e);
    assert_string_equal(info->install_location, "/Applications");
    assert_int_equal(info->bundle_count, 1);
    assert_string_equal(info->bundles[0].path, "X.app");
    assert_string_equal(info->bundles[0].id, "org.example.App");
    assert_string_equal(info->bundles[0].version, "12&3");
    assert_null(packageinfo_own_script(info, "preinstall"));
    assert_string_equal(packageinfo_own_script(info, "postinstall")->file, "postinstall");
    close(fd);

    struct buf b;
    struct archive *reader = archive_read_new();
    struct archive_entry *entry;
    int modes = 0;
    other_reader(at("app.pkg"), "Scripts", &b);
    archive_read_support_format_cpio(reader);
    archive_read_support_filter_gzip(reader);
    assert_int_equal(archive_read_open_memory(reader, b.data, b.len), ARCHIVE_OK);
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        assert_int_equal(archive_entry_perm(entry), 0755);
        assert_int_equal(archive_entry_mtime(entry), 1700000000);
        modes++;
    }
    assert_int_equal(modes, 2);
    archive_read_free(reader);
    buf_release(&b);

    const char *const parts[] = {at("app.pkg"), at("tree1.pkg")};
    const struct build_product product = {.components = parts,
                                          .component_count = 2,
                                          .title = "T & t",
                                          .identifier = "org.example.product",
                                          .version = "2",
                                          .time = -1};
    if (!build_product(&product, at("product.pkg"), &r, &e) ||
        !build_product(&product, at("again.pkg"), &r, &e))
        fail_msg("%s", e.text);
    same_file(at("product.pkg"), at("again.pkg"));
    x = open_package(at("product.pkg"), &fd);
    p = load(x, "Distribution", &n);
    const struct distribution *d = distribution_decode(a, p, n, &e);
    if (!d)
        fail_msg("%s", e.text);
    assert_string_equal(d->title, "T & t");
    assert_string_equal(d->product_version, "2");
    struct distribution_plan plan;
    const struct distribution_machine m = {.arch = "arm64", .os_version = "15"};
    assert_true(distribution_decide(a, d, &m, NULL, &plan, &e));
    assert_int_equal(plan.count, 2);
    assert_false(plan.needs_rosetta);
    assert_string_equal(plan.refs[0]->component, "app.pkg");
    assert_string_equal(plan.refs[1]->component, "tree1.pkg");
    assert_non_null(xar_find(x, "tree1.pkg/Payload"));
    close(fd);
    other_reader(at("product.pkg"), "app.pkg/Payload", &b);
    buf_release(&b);
    const char *const twice[] = {at("app.pkg"), at("app.pkg")}, *const wrong[] = {at("product.pkg")};
    struct build_product bad = {.components = twice, .component_count = 2, .time = -1};
    assert_false(build_product(&bad, at("bad.pkg"), &r, &e));
    assert_non_null(strstr(e.text, "second component"));
    bad.components = wrong;
    bad.component_count = 1;
    assert_false(build_product(&bad, at("bad.pkg"), &r, &e));
    assert_non_null(strstr(e.text, "not a component"));
    assert_int_equal(access(at("bad.pkg"), F_OK), -1);
    close(payload);
    close(scripts);
}

static void is_refused(const struct build_component *c, const char *part)
{
    struct build_result r;
    assert_false(build_component(c, at("refused.pkg"), &r, &e));
    if (!strstr(e.text, part))
        fail_msg("\"%s\" does not say \"%s\"", e.text, part);
    assert_int_equal(access(at("refused.pkg"), F_OK), -1);
}

static void refused(void **state)
{
    (void)state;
    int payload = make_dir(dir, "bad"), empty = make_dir(dir, "empty");
    struct build_component c = {
        .payload = payload, .scripts = -1, .identifier = "org.example.bad", .version = "1", .time = -1};
    assert_int_equal(mkfifoat(payload, "pipe", 0644), 0);
    is_refused(&c, "pipe: a package holds files");
    unlinkat(payload, "pipe", 0);
    make_file(payload, "a\nb", "", 0, 0644);
    is_refused(&c, "control");
    unlinkat(payload, "a\nb", 0);
    make_file(payload, "\xff", "", 0, 0644);
    is_refused(&c, "UTF-8");
    unlinkat(payload, "\xff", 0);
    make_file(payload, "big", "", 0, 0644);
    int big = openat(payload, "big", O_WRONLY | O_CLOEXEC);
    if (ftruncate(big, (off_t)1 << 33) == 0) /* with nothing in it */
        is_refused(&c, "big: files of 8 GB and more do not fit a package's archive");
    close(big);
    unlinkat(payload, "big", 0);
    make_file(payload, "Name", "", 0, 0644);
    make_file(payload, "name", "", 0, 0644);
    is_refused(&c, "same name");
    unlinkat(payload, "name", 0);
    make_file(payload, "e\xcc\x81", "", 0, 0644);
    make_file(payload, "\xc3\xa9", "", 0, 0644);
    is_refused(&c, "same name");
    c.payload = empty;
    c.identifier = "../x";
    is_refused(&c, "identifier");
    c.identifier = "x";
    c.version = "";
    is_refused(&c, "version");
    c.version = "1";
    c.install_location = "relative";
    is_refused(&c, "install location");
    c.install_location = "/a/../b";
    is_refused(&c, "install-location");
    c.install_location = NULL;
    c.scripts = empty;
    is_refused(&c, "preinstall");
    c.scripts = c.payload = -1;
    is_refused(&c, "nothing to make");
    close(payload);
    close(empty);
}

static bool leftover(void *ctx, const char *name, const struct stat *st)
{
    (void)ctx;
    (void)st;
    if (name[0] == '.')
        fail_msg("left behind: %s", name);
    return true;
}

static void nothing_is_left(void **state)
{
    (void)state;
    assert_true(files_list(dir, "", leftover, NULL, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_trees),
                                       cmocka_unit_test(with_scripts_and_bundle), cmocka_unit_test(refused),
                                       cmocka_unit_test(nothing_is_left)};
    if (!mkdtemp(base) || (dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return 1;
    a = arena_open();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    close(dir);
    dir = files_root("/tmp", false, &e);
    if (!files_remove(dir, text_basename(base), &e))
        rc = 1;
    close(dir);
    arena_free(a);
    return rc;
}
