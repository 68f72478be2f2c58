/* worker: the conversation with a process that is slow, wrong, hostile, killed or left alone. This program is
 * its own worker: how one behaves is the first letters of the package. */
#include "installer/worker.h"
#include "package.h"
#include "volume.h"
#include <signal.h>
#include <sys/wait.h>

static int records;
static pid_t worker_pid;
static bool refuse_record, kill_at_start;

static bool take(void *ctx, unsigned type, struct worker_fields *f, struct err *why)
{
    (void)ctx;
    records++;
    assert_int_equal(type, WORKER_TYPES);
    assert_int_equal(worker_int(f), 42);
    if (refuse_record)
        return err_set(why, ERR_FORMAT, CAUSE_FORMAT, "not this one");
    return true;
}

static worker_record_fn *taker = take;

static void started(void *ctx, pid_t pid)
{
    (void)ctx;
    worker_pid = pid;
    if (kill_at_start)
        kill(pid, SIGKILL);
}

static bool run(const char *behaviour, uint64_t timeout_ms)
{
    struct buf request;
    buf_init(&request, 100);
    assert_true(buf_append(&request, "please", 6, &e));
    int package = package_file(behaviour, strlen(behaviour));
    const int fds[] = {package, volume};
    const struct worker_job job = {.task = "test",
                                   .request = &request,
                                   .fds = fds,
                                   .fd_count = 2,
                                   .timeout_ms = timeout_ms,
                                   .record = taker,
                                   .started = started};
    records = 0;
    e.kind = ERR_NONE;
    bool ok = worker_run(volume_loop, &job, &e);
    close(package);
    buf_release(&request);
    return ok;
}

static void say(unsigned type, uint32_t len, const void *p, size_t n)
{
    uint32_t head[2] = {type, len};
    struct err ignored;
    (void)!files_write(WORKER_CONTROL, head, sizeof head, &ignored);
    (void)!files_write(WORKER_CONTROL, p, n, &ignored);
}

/* The worker's half of this program. */
static int behave(void)
{
    char how[16] = "", asked[16] = "";
    uint64_t number = 42;
    (void)!pread(WORKER_FIRST, how, sizeof how - 1, 0);
    (void)!read(STDIN_FILENO, asked, sizeof asked - 1);
    if (strcmp(asked, "please") != 0)
        return 9;
    if (strcmp(how, "good") == 0 || strcmp(how, "twice") == 0)
        for (int i = 0; i < 1000; i++)
            say(WORKER_TYPES, sizeof number, &number, sizeof number);
    if (strcmp(how, "die") == 0)
        raise(SIGKILL);
    if (strcmp(how, "exit") == 0)
        return 3;
    if (strcmp(how, "mute") == 0)
        return 0;
    if (strcmp(how, "long") == 0)
        say(WORKER_TYPES, UINT32_MAX, "", 0);
    if (strcmp(how, "more") == 0)
        say(WORKER_TYPES, 9, "\52\0\0\0\0\0\0\0x", 9);
    if (strcmp(how, "type") == 0)
        say(7, 0, "", 0);
    if (strcmp(how, "fail") == 0)
        say(2, 5, "wrong", 5);
    if (strcmp(how, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(how, "half") == 0) /* the head of a record whose fields never come */
        say(WORKER_TYPES, 8, "\1\2\3", 3);
    if (strcmp(how, "closed") == 0 || strcmp(how, "half") == 0) { /* says nothing more, and lives on */
        close(WORKER_CONTROL);
        for (;;)
            pause();
    }
    if (strcmp(how, "after") == 0) { /* a record behind the end */
        say(1, 0, "", 0);
        say(WORKER_TYPES, sizeof number, &number, sizeof number);
    }
    if (strcmp(how, "liar") == 0) { /* done, says it, and is not */
        say(1, 0, "", 0);
        return 5;
    }
    if (strcmp(how, "lacks") == 0)
        say(3, 9, "\1\0\0\0\0\0\0\0\7", 9);
    if (strncmp(how, "noise", 5) == 0) { /* bytes from a seed, as if they were records */
        uint32_t seed = (uint32_t)how[5] * 2654435761u;
        for (int i = 0; i < 4096; i++) {
            unsigned char byte = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
            struct err ignored;
            if (!files_write(WORKER_CONTROL, &byte, 1, &ignored))
                break;
        }
    }
    if (strcmp(how, "flood") == 0) { /* more than anybody asked for, as fast as it can */
        static const unsigned char zeros[1 << 16];
        struct err ignored;
        while (files_write(WORKER_CONTROL, zeros, sizeof zeros, &ignored))
            continue;
    }
    say(1, 0, "", 0);
    if (strcmp(how, "twice") == 0)
        say(1, 0, "", 0);
    return 0;
}

static void good_ones_are_heard(void **state)
{
    (void)state;
    if (!run("good", 60000))
        fail_msg("%s", e.text);
    assert_int_equal(records, 1000);
    assert_int_equal(waitpid(worker_pid, NULL, WNOHANG), -1); /* reaped */
}

static void others_are_not_believed(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        enum err_kind kind;
        int code;
    } rows[] = {{"die", ERR_CHILD, -9},    {"exit", ERR_CHILD, 3},     {"mute", ERR_CHILD, 0},
                {"long", ERR_INTERNAL, 0}, {"more", ERR_INTERNAL, 0},  {"type", ERR_INTERNAL, 0},
                {"fail", ERR_INTERNAL, 0}, {"twice", ERR_INTERNAL, 0}, {"after", ERR_INTERNAL, 0},
                {"liar", ERR_CHILD, 5},    {"lacks", ERR_INTERNAL, 0}, {"flood", ERR_INTERNAL, 0},
                {"hang", ERR_TIMEOUT, 0},  {"closed", ERR_TIMEOUT, 0}, {"half", ERR_TIMEOUT, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (run(rows[i].how, rows[i].kind == ERR_TIMEOUT ? 100 : 60000))
            fail_msg("%s was believed", rows[i].how);
        if (e.kind != rows[i].kind || e.code != rows[i].code)
            fail_msg("%s: kind %d, code %d: %s", rows[i].how, (int)e.kind, e.code, e.text);
        assert_int_equal(os_process_start(worker_pid), 0);
    }
}

/* Whatever comes, it is no success, and what was taken for a record is what take() looks for. */
static bool take_anything(void *ctx, unsigned type, struct worker_fields *f, struct err *why)
{
    size_t n;
    (void)ctx;
    (void)type;
    (void)why;
    worker_bytes(f, &n);
    worker_text(f, 100);
    return true;
}

static void noise_is_no_answer(void **state)
{
    (void)state;
    taker = take_anything;
    for (char c = 'a'; c <= 'z'; c++) {
        const char how[] = {'n', 'o', 'i', 's', 'e', c, '\0'};
        if (run(how, 60000))
            fail_msg("%s was believed", how);
        assert_true(e.kind == ERR_INTERNAL || e.kind == ERR_CHILD);
        assert_int_equal(os_process_start(worker_pid), 0);
    }
    taker = take;
}

static void a_refused_record_ends_it(void **state)
{
    (void)state;
    refuse_record = true;
    assert_false(run("good", 60000));
    assert_string_equal(e.text, "not this one");
    assert_int_equal(records, 1);
    refuse_record = false;
}

static void killed_at_any_time(void **state)
{
    (void)state;
    kill_at_start = true;
    assert_false(run("hang", 60000));
    assert_int_equal(e.kind, ERR_CHILD);
    assert_int_equal(e.code, -SIGKILL);
    kill_at_start = false;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_heard), cmocka_unit_test(others_are_not_believed),
        cmocka_unit_test(noise_is_no_answer),  cmocka_unit_test(a_refused_record_ends_it),
        cmocka_unit_test(killed_at_any_time),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return behave();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
