/* Any bytes as a whole package, through the engine's own unpacking, in this process: whatever it holds,
 * nothing outside the folder that it was given is touched, and what is inside can be moved into place or is
 * refused.
 *
 * Bytes that chance has changed fail at the first checksum. So packages are mutated by their parts: the
 * members are taken out, one is changed (a payload by its entries), and the archive is made anew around them,
 * with lengths, offsets and checksums that hold. One time in four the table of contents is changed instead,
 * and only its own checksum put right. */
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "installer/inspect.h"
#include "installer/place.h"
#include "installer/record.h"
#include "installer/stage.h"
#include "installer/xar.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

#define PLAIN_MAX ((size_t)64 * 1024) /* of a member, and of the table of contents */
#define PARTS_MAX 24

/* the descriptors of the two workers, which are one process here */
#define PACKAGE WORKER_FIRST
#define SECOND  (WORKER_FIRST + 1) /* inspect: the plan; stage: the directory */
#define PLAN    (WORKER_FIRST + 2)

/* --- the world ---------------------------------------------------------------------------------------- */

static char top[] = "/tmp/fuzz_package.XXXXXX";
static int world = -1;
static struct stat before[4];
static const char *const canaries[4] = {".", "evil", "dir", "dir/evil"};

static void tidy(void)
{
    struct err e;
    if (world >= 0 && files_remove(world, "dir", &e) && files_remove(world, "stage", &e) &&
        files_remove(world, "root", &e) && files_remove(world, "evil", &e))
        (void)rmdir(top);
}

static bool count_one(void *ctx, const char *name, const struct stat *st)
{
    (void)name;
    (void)st;
    ++*(unsigned *)ctx;
    return true;
}

/* Has anything around the two folders changed? Those are made before and removed after each look. */
static bool same_world(bool first)
{
    unsigned count = 0;
    struct err e;
    if (!files_list(world, ".", count_one, &count, &e) || count != 4 || access("/tmp/evil", F_OK) == 0)
        return false;
    for (size_t i = 0; i < 4; i++) {
        struct stat now;
        if (fstatat(world, canaries[i], &now, AT_SYMLINK_NOFOLLOW) != 0)
            return false;
        if (first)
            before[i] = now;
        if (now.st_mode != before[i].st_mode || now.st_nlink != before[i].st_nlink ||
            now.st_ino != before[i].st_ino || now.st_uid != before[i].st_uid ||
            (i > 0 && (now.st_ctim.tv_sec != before[i].st_ctim.tv_sec ||
                       now.st_ctim.tv_nsec != before[i].st_ctim.tv_nsec)))
            return false;
    }
    return true;
}

static void must(bool ok, const struct err *e)
{
    if (!ok) {
        fprintf(stderr, "%s\n", e->text);
        abort();
    }
}

static void set_up(void)
{
    struct err e = {.kind = ERR_NONE};
    if (world >= 0)
        return;
    /* the workers' descriptors are taken first, so that nothing else gets their numbers */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = WORKER_CONTROL; fd <= PLAN; fd++)
        if (null < 0 || (null != fd && dup2(null, fd) < 0))
            abort();
    if (mkdtemp(top) == NULL)
        abort();
    world = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(files_replace(world, "evil", "x", 1, 0600, FILES_LAZY, &e), &e);
    must(files_replace(world, "dir/evil", "x", 1, 0600, FILES_LAZY, &e), &e);
    (void)atexit(tidy);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    set_up();
    return 0;
}

/* Nothing but files, directories and links, without set-id bits. */
static bool harmless(void *ctx, const char *name, const struct stat *st)
{
    int dir = *(int *)ctx;
    struct err e;
    if ((!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode)) ||
        (!S_ISLNK(st->st_mode) && (st->st_mode & 06000) != 0))
        abort();
    if (S_ISDIR(st->st_mode)) {
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            must(files_list(fd, ".", harmless, &fd, &e), &e);
        if (fd >= 0)
            close(fd);
    }
    return true;
}

static int nameless(void)
{
    int fd = openat(world, "stage/file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || unlinkat(world, "stage/file", 0) != 0)
        abort();
    return fd;
}

/* Both workers' work, one after the other. */
static bool unpack(int stage, int plan, struct err *e)
{
    struct buf request;
    const struct record_request r = {.task = RECORD_LAYOUT,
                                     .proved = true,
                                     .judged = true,
                                     .owners = geteuid() == 0,
                                     .scripts = true,
                                     .skip_checks = true,
                                     .arch = "",
                                     .os_version = "",
                                     .max_bytes = 8 * LIMIT_MB};
    buf_init(&request, WORKER_REQUEST_MAX);
    must(record_put_request(&request, &r, e), e);
    bool ok = inspect_work(&request, e);
    if (dup2(stage, SECOND) < 0 || dup2(plan, PLAN) < 0)
        abort();
    ok = ok && stage_work(&request, e);
    buf_release(&request);
    return ok;
}

/* What was staged into an empty root, at an odd place of it. */
static void put_into_place(int stage, int root)
{
    for (unsigned n = 0;; n++) {
        char folder[16];
        struct err e = {.kind = ERR_NONE};
        struct stat st;
        snprintf(folder, sizeof folder, "%u", n);
        int staged = openat(stage, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (staged < 0)
            return;
        const struct place p = {.root = root,
                                .staged = staged,
                                .name = "root",
                                .location = n % 2 == 0 ? "/" : "/usr/local",
                                .overwrite_permissions = n % 3 == 0,
                                .owners = geteuid() == 0};
        if (fstatat(staged, "root", &st, AT_SYMLINK_NOFOLLOW) == 0 && place_check(&p, &e) &&
            !place_move(&p, &e) && e.kind == ERR_NONE)
            abort();
        close(staged);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {.kind = ERR_NONE};
    set_up();
    int root = files_dir(world, "root", true, 0755, &e), stage = files_dir(world, "stage", true, 0700, &e);
    must(root >= 0 && stage >= 0, &e);
    int file = nameless(), plan = nameless();
    must(files_write(file, data, size, &e), &e);
    if (dup2(file, PACKAGE) < 0 || dup2(plan, SECOND) < 0 || !same_world(true))
        abort();
    close(file);
    bool ok = unpack(stage, plan, &e);
    /* whatever is wrong is the package's fault: neither the system's nor ours */
    if (!ok && (e.kind == ERR_NONE || e.kind == ERR_INTERNAL || e.kind == ERR_SYS || e.text[0] == '\0')) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    must(files_list(stage, ".", harmless, &stage, &e), &e);
    if (ok)
        put_into_place(stage, root);
    if (!same_world(false))
        abort();
    close(root);
    close(stage);
    close(plan);
    must(files_remove(world, "stage", &e) && files_remove(world, "root", &e), &e);
    return 0;
}

/* --- packages made anew ------------------------------------------------------------------------------- */

struct part {
    const char *path, *name;
    bool directory;
    unsigned char *p;
    size_t n;
};

static uint64_t state;

static size_t chance(size_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % below;
}

/* Decoded, and out of its gzip when it is in one. */
static bool take_part(const struct xar *x, const struct xar_member *m, struct part *to)
{
    struct buf b;
    struct err e;
    *to = (struct part){.path = m->path, .name = m->name, .directory = m->directory};
    to->p = calloc(1, PLAIN_MAX);
    if (m->directory)
        return true;
    buf_init(&b, PLAIN_MAX);
    bool ok = xar_load(x, m, &b, &e);
    z_stream z = {
        .next_in = (Bytef *)b.data, .avail_in = (uInt)b.len, .next_out = to->p, .avail_out = PLAIN_MAX};
    if (ok && b.len > 2 && memcmp(b.data, "\x1f\x8b", 2) == 0 && inflateInit2(&z, 15 + 16) == Z_OK) {
        ok = inflate(&z, Z_FINISH) == Z_STREAM_END;
        to->n = z.total_out;
        inflateEnd(&z);
    } else if (ok && b.len > 0) {
        memcpy(to->p, b.data, b.len);
        to->n = b.len;
    }
    buf_release(&b);
    return ok;
}

/* header, TOC, its sum and heap into out. 0: more than max. */
static size_t assemble(const unsigned char *toc, size_t toc_len, const unsigned char *heap, size_t heap_len,
                       uint8_t *out, size_t max)
{
    static unsigned char packed[2 * PLAIN_MAX];
    uLongf n = sizeof packed;
    unsigned char head[28] = "xar!", sum[DIGEST_MAX];
    if (compress2(packed, &n, toc, (uLong)toc_len, 1) != Z_OK || 28 + n + 20 + heap_len > max)
        return 0;
    digest_of(DIGEST_SHA1, packed, n, sum);
    head[5] = 28;
    head[7] = 1;
    head[27] = 1;
    for (unsigned i = 0; i < 4; i++) {
        head[15 - i] = (unsigned char)(n >> 8 * i);
        head[23 - i] = (unsigned char)(toc_len >> 8 * i);
    }
    memcpy(out, head, 28);
    memcpy(out + 28, packed, n);
    memcpy(out + 28 + n, sum, 20);
    memcpy(out + 28 + n + 20, heap, heap_len);
    return 28 + n + 20 + heap_len;
}

static void describe(struct buf *toc, const struct part *p, size_t offset)
{
    struct err e;
    unsigned char sum[DIGEST_MAX];
    char hex[41], text[600];
    digest_of(DIGEST_SHA1, p->p, p->n, sum);
    for (unsigned i = 0; i < 20; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    snprintf(text, sizeof text, "<name>%s</name><type>%s</type>%s", p->name,
             p->directory ? "directory" : "file", p->directory ? "" : "<data>");
    must(buf_append(toc, text, strlen(text), &e), &e);
    if (p->directory)
        return;
    snprintf(text, sizeof text,
             "<length>%zu</length><offset>%zu</offset><size>%zu</size>"
             "<encoding style=\"application/octet-stream\"/><archived-checksum style=\"sha1\">%s"
             "</archived-checksum><extracted-checksum style=\"sha1\">%s</extracted-checksum></data>",
             p->n, offset, p->n, hex, hex);
    must(buf_append(toc, text, strlen(text), &e), &e);
}

/* A package of these parts, as they are: those below a directory follow it. */
static size_t rebuild(const struct part *parts, size_t count, uint8_t *out, size_t max)
{
    struct buf toc, heap;
    struct err e;
    static const char head[] =
        "<xar><toc><checksum style=\"sha1\"><offset>0</offset><size>20</size></checksum>";
    unsigned open = 0;
    buf_init(&toc, PLAIN_MAX);
    buf_init(&heap, PARTS_MAX * PLAIN_MAX);
    must(buf_append(&toc, head, sizeof head - 1, &e), &e);
    for (size_t i = 0; i < count; i++) {
        unsigned depth = 0;
        for (const char *s = parts[i].path; *s; s++)
            depth += *s == '/';
        for (; open > depth; open--)
            must(buf_append(&toc, "</file>", 7, &e), &e);
        must(buf_append(&toc, "<file>", 6, &e), &e);
        describe(&toc, &parts[i], 20 + heap.len);
        if (!parts[i].directory && parts[i].n > 0)
            must(buf_append(&heap, parts[i].p, parts[i].n, &e), &e);
        if (parts[i].directory)
            open++;
        else
            must(buf_append(&toc, "</file>", 7, &e), &e);
    }
    for (; open > 0; open--)
        must(buf_append(&toc, "</file>", 7, &e), &e);
    must(buf_append(&toc, "</toc></xar>", 12, &e), &e);
    size_t n = assemble((unsigned char *)toc.data, toc.len, (unsigned char *)heap.data, heap.len, out, max);
    buf_release(&toc);
    buf_release(&heap);
    return n;
}

/* --- a payload by its entries --------------------------------------------------------------------------- */

#define ENTRIES_MAX 64
struct entry {
    unsigned char *at;
    size_t n, name; /* whole; with NUL */
};

static size_t octal(const unsigned char *p, size_t n)
{
    size_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 3 | (p[i] & 7u);
    return v;
}

static size_t entries_of(struct part *p, struct entry *list)
{
    size_t count = 0, at = 0;
    while (count < ENTRIES_MAX && p->n - at >= 76 && memcmp(p->p + at, "070707", 6) == 0) {
        size_t name = octal(p->p + at + 59, 6), data = octal(p->p + at + 65, 11);
        if (name > 1100 || data > PLAIN_MAX || 76 + name + data > p->n - at)
            break;
        list[count++] = (struct entry){p->p + at, 76 + name + data, name};
        at += 76 + name + data;
    }
    return count;
}

static void put_octal(unsigned char *p, unsigned n, size_t v)
{
    while (n-- > 0) {
        p[n] = (unsigned char)('0' + (v & 7));
        v >>= 3;
    }
}

/* Another name for an entry: one that leaves, one beneath another entry, or another's own in capitals. */
static size_t new_name(const struct entry *list, size_t count, char *out, size_t max)
{
    static const char *const names[] = {"../../evil",     "./../dir/evil", "/tmp/evil", "./a//b",
                                        "./evil",         "TRAILER!!!",    ".",         "./caf\xc3\xa9",
                                        "./cafe\xcc\x81", "./._a"};
    const struct entry *other = &list[chance(count)];
    const char *name = (const char *)other->at + 76;
    size_t kind = chance(4);
    if (kind == 0)
        return (size_t)snprintf(out, max, "%s", names[chance(sizeof names / sizeof *names)]) + 1;
    int n = snprintf(out, max, "%.*s%s", (int)other->name, name, kind == 1 ? "/evil" : "");
    for (char *s = out; kind == 2 && *s; s++)
        *s = (char)(*s >= 'a' && *s <= 'z' ? *s - 32 : *s);
    return (size_t)n + 1;
}

static size_t change_entry(const struct entry *list, size_t count, const struct entry *it, unsigned char *out,
                           size_t max)
{
    static const unsigned modes[] = {0100644, 0104755, 0040755, 0120777, 0020644, 0060644, 0010644, 0140644};
    char name[1200];
    size_t name_len = it->name, data = it->n - 76 - it->name, kind = chance(5);
    if (it->n + sizeof name > max || it->name > sizeof name)
        return 0;
    memcpy(out, it->at, 76);
    memcpy(name, it->at + 76, it->name);
    memcpy(out + 76 + name_len, it->at + 76 + it->name, data);
    if (kind == 0)
        name_len = new_name(list, count, name, sizeof name);
    else if (kind == 1)
        put_octal(out + 18, 6, modes[chance(sizeof modes / sizeof *modes)]);
    else if (kind == 2)
        memcpy(out + 6, list[chance(count)].at + 6, 12), put_octal(out + 36, 6, 2 + chance(2));
    else if (kind == 3)
        (void)LLVMFuzzerMutate(out + 6, 53, 53);
    memmove(out + 76 + name_len, it->at + 76 + it->name, data);
    memcpy(out + 76, name, name_len);
    if (kind == 4)
        data = LLVMFuzzerMutate(out + 76 + name_len, data,
                                max - 76 - name_len < 2000 ? max - 76 - name_len : 2000);
    put_octal(out + 59, 6, name_len);
    put_octal(out + 65, 11, data);
    return 76 + name_len + data;
}

/* One entry changed, doubled, left out or moved; what follows the last one stays. */
static void change_entries(struct part *p)
{
    static unsigned char out[PLAIN_MAX];
    struct entry list[ENTRIES_MAX];
    size_t count = entries_of(p, list), n = 0, rest = 0;
    if (count == 0 || chance(8) == 0) {
        p->n = LLVMFuzzerMutate(p->p, p->n, PLAIN_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++)
        rest += list[i].n;
    size_t victim = chance(count), kind = chance(6);
    for (size_t i = 0; i < count; i++) {
        size_t k = kind == 0 && i == victim ? chance(count) : i; /* another in its place */
        if (n + 2 * list[k].n + 4000 > sizeof out)
            return;
        if (kind == 1 && i == victim)
            continue;
        memcpy(out + n, list[k].at, list[k].n);
        size_t changed =
            kind > 2 && i == victim ? change_entry(list, count, &list[k], out + n, sizeof out - n) : 0;
        n += changed > 0 ? changed : list[k].n;
        if (kind == 2 && i == victim) { /* once more, changed */
            n += change_entry(list, count, &list[k], out + n, sizeof out - n);
        }
    }
    if (n + (p->n - rest) > sizeof out)
        return;
    memcpy(out + n, p->p + rest, p->n - rest);
    n += p->n - rest;
    memcpy(p->p, out, n);
    p->n = n;
}

static void change_part(struct part *p)
{
    if (strcmp(p->name, "Payload") == 0 || strcmp(p->name, "Scripts") == 0)
        change_entries(p);
    else
        p->n = LLVMFuzzerMutate(p->p, p->n, PLAIN_MAX);
}

/* The table of contents changed as text, its sum put right. */
static size_t change_toc(const struct xar *x, uint8_t *data, size_t size, size_t max)
{
    static unsigned char toc[PLAIN_MAX];
    static uint8_t whole[2 * LIMIT_MB];
    uLongf n = sizeof toc;
    if (uncompress(toc, &n, data + x->header_size, (uLong)(x->heap - x->header_size)) != Z_OK ||
        x->heap + 20 > size)
        return 0;
    n = (uLongf)LLVMFuzzerMutate(toc, n, sizeof toc);
    size_t made = assemble(toc, n, data + x->heap + 20, size - x->heap - 20, whole,
                           max < sizeof whole ? max : sizeof whole);
    if (made > 0)
        memcpy(data, whole, made);
    return made;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    static uint8_t whole[2 * LIMIT_MB];
    struct part parts[PARTS_MAX];
    struct arena *a = arena_open();
    struct err e;
    char name[] = "/tmp/fuzz_package_in.XXXXXX";
    size_t count = 0, made = 0, files[PARTS_MAX], file_count = 0;
    state = seed;
    int fd = mkstemp(name);
    if (fd < 0)
        abort();
    unlink(name);
    must(files_write(fd, data, size, &e), &e);
    const struct xar *x = size > 28 ? xar_open(a, fd, &e) : NULL;
    bool ok = x != NULL && x->member_count > 0 && x->member_count <= PARTS_MAX;
    if (ok && chance(4) == 0) {
        made = change_toc(x, data, size, max);
    } else if (ok) {
        for (; ok && count < x->member_count; count++) {
            ok = take_part(x, &x->members[count], &parts[count]);
            if (!parts[count].directory)
                files[file_count++] = count;
        }
        for (size_t turns = 1 + chance(3); ok && file_count > 0 && turns > 0; turns--)
            change_part(&parts[files[chance(file_count)]]);
        made = ok ? rebuild(parts, count, whole, max < sizeof whole ? max : sizeof whole) : 0;
        if (made > 0)
            memcpy(data, whole, made);
    }
    for (size_t i = 0; i < count; i++)
        free(parts[i].p);
    close(fd);
    arena_free(a);
    return made > 0 ? made : LLVMFuzzerMutate(data, size, max);
}
