/* stage: the worker that unpacks does what a good plan says and proves it; a plan in disorder, or one that
 * lies about the package, ends it, and nothing comes to be outside its folder. */
#include "staged.h"
#include <signal.h>
#include <sys/wait.h>

static const struct archive_member tree[] = {{.name = ".", .mode = 040755},
                                             {.name = "./bin", .mode = 040755},
                                             {.name = "./bin/tool", .mode = 0104755, .data = "tool"},
                                             {.name = NULL}};
static const struct archive_member script[] = {
    {.name = "./postinstall", .mode = 0100755, .data = "#!/bin/sh\n"}, {.name = NULL}};

/* A package, and the plan that inspect makes for it. */
static void planned(int fd)
{
    if (package >= 0)
        close(package);
    package = fd;
    if (!uncaged_inspect(package, plan, &asked))
        fail_msg("%s", e.text);
}

/* --- a good plan ---------------------------------------------------------------------------------------- */

static void it_lays_out_and_counts(void **state)
{
    (void)state;
    static char much[300000];
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)(i * i >> 7);
    const struct archive_member big[] = {
        {.name = "./d/big", .mode = 0100600, .data = much, .size = sizeof much},
        {.name = "./d/._big", .mode = 0100644, .data = "\0\5\x16\7", .size = 4},
        {.name = NULL}};
    const struct part parts[] = {{.folder = "a.pkg",
                                  .identifier = "com.example.a",
                                  .payload = tree,
                                  .bom = true,
                                  .scripts = script,
                                  .more = "<postinstall file=\"./postinstall\"/>"},
                                 {.folder = "b.pkg", .identifier = "com.example.b", .payload = big}};
    static const char product[] =
        "<installer-gui-script><choices-outline><line choice=\"c\"/></choices-outline><choice id=\"c\">"
        "<pkg-ref id=\"a\"/><pkg-ref id=\"b\"/></choice><pkg-ref id=\"a\">#a.pkg</pkg-ref>"
        "<pkg-ref id=\"b\">#b.pkg</pkg-ref></installer-gui-script>";
    fresh(RECORD_LAYOUT);
    planned(make_package(parts, 2, product));
    put("in/lock", "");
    if (!stages())
        fail_msg("%s", e.text);
    assert_string_equal(text_of("in/0/root/bin/tool"), "tool");
    assert_int_equal(mode_of("in/0/root/bin/tool"), 0755);
    assert_string_equal(text_of("in/0/scripts/postinstall"), "#!/bin/sh\n");
    assert_int_equal(mode_of("in/0/scripts/postinstall"), 0700);
    assert_true(text_starts(text_of("in/0/bom"), "BOMStore"));
    struct buf b;
    buf_init(&b, LIMIT_MB);
    assert_true(files_read(volume, "in/1/root/d/big", &b, &e) && b.len == sizeof much);
    assert_memory_equal(b.data, much, sizeof much);
    buf_release(&b);
    assert_false(there("in/1/scripts") || there("in/1/bom") || there("in/1/root/d/._big"));

    struct worker_fields f;
    struct record_count c[2];
    struct record_progress p, last = {0};
    size_t n = 0, ticks = 0;
    for (unsigned type; (type = uncaged_next(&f)) != 0;) {
        if (type == RECORD_COUNT) {
            assert_true(n < 2 && record_get_count(&f, &c[n++], &e));
            continue;
        }
        assert_int_equal(type, RECORD_PROGRESS);
        assert_true(record_get_progress(&f, &p, &e) && p.at > last.at && p.at <= p.of);
        last = p;
        ticks++;
    }
    assert_int_equal(n, 2);
    assert_true(ticks > 0 && c[0].members == 2 && c[0].setid_dropped == 1 && c[0].bytes == 4);
    assert_true(c[1].members == 1 && c[1].bytes == sizeof much && c[1].apple_double_dropped == 1);
    /* while it lives it holds the lock: a process can see that of another */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = openat(directory, "lock", O_RDWR);
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_lock_that_another_holds(void **state)
{
    (void)state;
    const struct part p = {.folder = "", .identifier = "com.example.one", .payload = tree};
    int ready[2];
    char byte;
    fresh(RECORD_LAYOUT);
    planned(make_package(&p, 1, NULL));
    put("in/lock", "");
    assert_true(os_pipe(ready, &e));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = openat(directory, "lock", O_RDWR);
        if (fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    refused(ERR_SYS, "cannot lock the staging folder");
    assert_false(there("in/0"));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* what is no file cannot be the lock */
    fresh(RECORD_LAYOUT);
    planned(make_package(&p, 1, NULL));
    link_to("../outside", "in/lock");
    refused(ERR_SYS, "cannot open the lock of the staging folder");
}

/* --- a package that is not what its plan says ----------------------------------------------------------- */

static void what_is_damaged_is_named(void **state)
{
    (void)state;
    const struct part p = {.folder = "",
                           .identifier = "com.example.one",
                           .payload = tree,
                           .bom = true,
                           .scripts = script,
                           .more = "<postinstall file=\"./postinstall\"/>"};
    static const char *const members[] = {"Payload", "Bom", "Scripts"};
    for (size_t k = 0; k < 8; k++) {
        size_t i = k % 4;
        bool sealed = k >= 4; /* then nothing is decoded before it is proved */
        bool unread = i == 3; /* scripts that nobody wants are proved all the same */
        const char *name = members[unread ? 2 : i];
        fresh(RECORD_LAYOUT);
        asked.sealed = asked.judged = sealed;
        asked.scripts = !unread;
        planned(make_package(&p, 1, NULL));
        struct arena *a = arena_open();
        const struct xar *x = xar_open(a, package, &e);
        const struct xar_member *m = xar_find(x, name);
        assert_int_equal(pwrite(package, "????", 4, (off_t)(m->offset + m->length - 6)), 4);
        arena_free(a);
        if (stages())
            fail_msg("%s: not refused", name);
        if (!text_starts(e.text, name))
            fail_msg("%s is not what is named: %s", name, e.text);
        if (sealed && strstr(e.text, "the archived checksum does not match") == NULL)
            fail_msg("%s was decoded before it was proved: %s", name, e.text);
        if (i == 0 && sealed)
            assert_false(there("in/0/root/bin"));
        struct worker_fields f;
        for (unsigned type; (type = uncaged_next(&f)) != 0;)
            assert_int_equal(type, RECORD_PROGRESS); /* nothing is counted */
        assert_int_equal(there("in/0/scripts"), i == 2);
    }
}

static void more_than_there_is_room_for(void **state)
{
    (void)state;
    static char zeros[5000];
    const struct archive_member big[] = {
        {.name = "./big", .mode = 0100600, .data = zeros, .size = sizeof zeros}, {.name = NULL}};
    struct part p = {.folder = "", .identifier = "com.example.one", .payload = big};
    fresh(RECORD_LAYOUT);
    planned(make_package(&p, 1, NULL));
    asked.max_bytes = 4000;
    refused(ERR_SPACE, "Payload");
    assert_int_equal(e.cause, CAUSE_DISK);
    /* scripts have a limit of their own */
    p = (struct part){.folder = "",
                      .identifier = "com.example.one",
                      .scripts = big,
                      .more = "<postinstall file=\"./big\"/>"};
    fresh(RECORD_LAYOUT);
    planned(make_package(&p, 1, NULL));
    asked.max_bytes = 4000;
    if (!stages())
        fail_msg("%s", e.text);
    assert_true(there("in/0/scripts/big"));
}

/* --- plans by hand: the worker that made one may have been led astray ----------------------------------- */

static void a_bom_that_is_of_another_payload(void **state)
{
    (void)state;
    static const struct {
        struct plan_sum sum;
        const char *why;
    } rows[] = {
        {{.path = "bin", .type = BOM_DIRECTORY}, NULL},
        {{.path = "bin/tool", .type = BOM_FILE, .size = 4, .sum = 1}, "\"bin/tool\" has another checksum"},
        {{.path = "bin/tool", .type = BOM_FILE, .size = 5}, "\"bin/tool\" has another size"},
        {{.path = "bin/tool", .type = BOM_DIRECTORY}, "\"bin/tool\" is of another type"},
        {{.path = "bin/gone", .type = BOM_FILE}, "\"bin/gone\" is in the Bom, but not in the payload"},
    };
    struct buf plain, packed;
    archive_make(&plain, tree);
    buf_init(&packed, LIMIT_MB);
    archive_gzip(plain.data, plain.len, &packed);
    assert_true(buf_append(&packed, "bom", 3, &e));
    holds(packed.data, packed.len);
    struct plan_component c = {.location = "/", .kbytes = UINT64_MAX, .has_payload = true, .has_bom = true};
    c.payload = at("Payload", packed.data, packed.len - 3);
    c.bom = at("Bom", "bom", 3);
    c.bom.offset = packed.len - 3;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(RECORD_LAYOUT, 1);
        assert_true(plan_put_component(&w, &c, &e) && plan_put_sum(&w, &rows[i].sum, &e));
        end(true);
        /* the first row is true, and not all there is */
        refused(ERR_FORMAT, rows[i].why != NULL ? rows[i].why : "of its 2 files and folders the Bom names 1");
        assert_true(text_starts(e.text, "Payload: "));
    }
    begin(RECORD_LAYOUT, 1);
    c.has_payload = false;
    assert_true(plan_put_component(&w, &c, &e) && plan_put_sum(&w, &rows[0].sum, &e));
    end(true);
    refused(ERR_FORMAT, "its Bom names files, and it has no payload");
    /* a place beyond the package's end, and what is no archive */
    begin(RECORD_LAYOUT, 1);
    c = (struct plan_component){.location = "/", .has_payload = true, .payload = at("Payload", "", 0)};
    c.payload.offset = (uint64_t)1 << 40;
    c.payload.length = c.payload.size = 99;
    assert_true(plan_put_component(&w, &c, &e));
    end(true);
    assert_false(stages());
    assert_true(text_starts(e.text, "Payload"));
    begin(RECORD_LAYOUT, 1);
    c.payload = at("Payload", packed.data + packed.len - 3, 3);
    c.payload.offset = packed.len - 3;
    assert_true(plan_put_component(&w, &c, &e));
    end(true);
    refused(ERR_FORMAT, "Payload: ");
    buf_release(&plain);
    buf_release(&packed);
}

/* --- the container's members -----------------------------------------------------------------------------
 */

static bool expands(const struct xar_member *m, size_t n)
{
    begin(RECORD_EXPAND, 0);
    for (size_t i = 0; i < n; i++)
        assert_true(plan_put_member(&w, &m[i], &e));
    end(true);
    return stages();
}

static void members_come_out_under_their_names(void **state)
{
    (void)state;
    char longer[LIMIT_NAME + 10];
    struct xar_member d = at("a.pkg", "", 0), deep = at("a.pkg/d", "", 0), f = at("a.pkg/d/f", "hello", 5);
    d.directory = deep.directory = true;
    holds("hello", 5);
    const struct xar_member good[] = {d, deep, f};
    if (!expands(good, 3))
        fail_msg("%s", e.text);
    assert_string_equal(text_of("in/a.pkg/d/f"), "hello");
    struct worker_fields w_;
    struct record_count c;
    unsigned type;
    while ((type = uncaged_next(&w_)) == RECORD_PROGRESS)
        ;
    assert_int_equal(type, RECORD_COUNT);
    assert_true(record_get_count(&w_, &c, &e) && c.members == 3 && c.bytes == 5);

    const struct xar_member twice[] = {d, deep, f, f}, again[] = {d, d}, orphan[] = {f};
    assert_false(expands(twice, 4));
    assert_true(e.kind == ERR_SYS && strstr(e.text, "cannot make a.pkg/d/f") != NULL);
    assert_false(expands(again, 2));
    assert_true(e.kind == ERR_SYS && strstr(e.text, "cannot make a.pkg") != NULL);
    assert_false(expands(orphan, 1));
    assert_true(e.kind == ERR_NOT_FOUND && strstr(e.text, "cannot open the folder of a.pkg/d/f") != NULL);
    /* through a file, and through a link that was not there when it began */
    const struct xar_member file = at("x", "hello", 5), beneath[] = {file, at("x/f", "hello", 5)};
    assert_false(expands(beneath, 2));
    assert_true(there("in/x"));
    begin(RECORD_EXPAND, 0);
    link_to("..", "in/l");
    const struct xar_member away = at("l/outside2", "hello", 5);
    assert_true(plan_put_member(&w, &away, &e));
    end(true);
    refused(ERR_NOT_FOUND, "cannot open the folder of l/outside2");
    assert_false(there("outside2"));
    /* names that no table of contents may hold are none of a plan either */
    static const char *const names[] = {"../evil", "/evil", "a/../../evil", "a//b", "."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct xar_member evil = at(names[i], "hello", 5);
        if (expands(&evil, 1) || e.kind != ERR_INTERNAL)
            fail_msg("%s: %s", names[i], e.text);
        assert_false(there("evil"));
    }
    memset(longer, 'n', sizeof longer);
    memcpy(longer + sizeof longer - 3, "/f", 3);
    const struct xar_member unnamed = at(longer, "hello", 5);
    assert_false(expands(&unnamed, 1));
    assert_int_equal(e.kind, ERR_LIMIT);
    /* bytes that are not what the plan wants */
    struct xar_member other = file;
    other.extracted.sum[3] ^= 1;
    assert_false(expands(&other, 1));
    assert_true(e.kind == ERR_TRUST && text_starts(e.text, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lays_out_and_counts),
        cmocka_unit_test(a_lock_that_another_holds),
        cmocka_unit_test(what_is_damaged_is_named),
        cmocka_unit_test(more_than_there_is_room_for),
        cmocka_unit_test(a_bom_that_is_of_another_payload),
        cmocka_unit_test(members_come_out_under_their_names),
    };
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
