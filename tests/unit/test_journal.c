/* The journal: counting, torn tails, another machine, compaction; and the lock. */
#include "agent/journal.h"
#include "agent/lock.h"
#include "core/files.h"
#include "core/os.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

static char base[64];
static int dir = -1;

static int setup(void **state)
{
    (void)state;
    struct err e;
    snprintf(base, sizeof base, "/tmp/daybreak-test-XXXXXX");
    assert_non_null(mkdtemp(base));
    dir = files_root(base, false, &e);
    return dir < 0;
}

static int teardown(void **state)
{
    (void)state;
    struct err e;
    close(dir);
    int tmp = files_root("/tmp", false, &e);
    assert_true(files_remove(tmp, base + 5, &e));
    close(tmp);
    return 0;
}

static struct journal *open_one(const char *id)
{
    struct err e;
    struct journal *j = journal_open(dir, id, &e);
    if (j == NULL) {
        fail_msg("%s", e.text);
    }
    return j;
}

static void an_intent_counts_before_its_end(void **state)
{
    (void)state;
    struct err e;
    struct journal *j = open_one("M1");
    assert_int_equal(journal_item(j, "Firefox").outcome, JOURNAL_NONE);
    assert_true(journal_intent(j, "Firefox", "1", false, &e));
    journal_free(j); /* as if killed here */
    j = open_one("M1");
    assert_int_equal(journal_item(j, "Firefox").attempts, 1);
    assert_int_equal(journal_item(j, "Firefox").outcome, JOURNAL_CUT);
    assert_true(journal_intent(j, "Firefox", "1", false, &e));
    assert_true(journal_result(j, "Firefox", "1", false, JOURNAL_FAILED, "tab\there %41 and\nline", &e));
    journal_free(j);
    j = open_one("M1");
    assert_int_equal(journal_item(j, "Firefox").attempts, 2);
    assert_int_equal(journal_item(j, "Firefox").outcome, JOURNAL_FAILED);
    assert_string_equal(journal_item(j, "Firefox").message, "tab\there %41 and\nline");
    assert_true(journal_intent(j, "Firefox", "2", false, &e)); /* another version begins at 1 */
    assert_int_equal(journal_item(j, "Firefox").attempts, 1);
    assert_true(journal_result(j, "Firefox", "2", false, JOURNAL_OK, NULL, &e));
    assert_int_equal(journal_item(j, "Firefox").attempts, 0);
    journal_free(j);
}

static void reset_forgets(void **state)
{
    (void)state;
    struct err e;
    struct journal *j = open_one("M1");
    assert_true(journal_intent(j, "A", "1", false, &e));
    assert_true(journal_intent(j, "B", "1", true, &e));
    assert_true(journal_reset(j, "A", &e));
    assert_int_equal(journal_item(j, "A").attempts, 0);
    assert_int_equal(journal_item(j, "B").attempts, 1);
    journal_free(j);
    j = open_one("M1");
    assert_int_equal(journal_item(j, "A").outcome, JOURNAL_NONE);
    assert_true(journal_item(j, "B").removal);
    assert_true(journal_reset(j, NULL, &e));
    assert_int_equal(journal_item(j, "B").outcome, JOURNAL_NONE);
    journal_free(j);
}

/* Cut at every byte: what is whole before the cut is known, nothing else, and the journal goes on. */
static void a_torn_tail_is_cut_off(void **state)
{
    (void)state;
    struct err e;
    struct buf whole;
    assert_true(files_remove(dir, "journal", &e));
    struct journal *j = open_one("M1");
    assert_true(journal_intent(j, "A", "1", false, &e));
    assert_true(journal_result(j, "A", "1", false, JOURNAL_FAILED, "x", &e));
    assert_true(journal_intent(j, "A", "1", false, &e));
    journal_free(j);
    buf_init(&whole, 65536);
    assert_true(files_read(dir, "journal", &whole, &e));
    int last = 0;
    for (size_t cut = 0; cut <= whole.len; cut++) {
        assert_true(files_replace(dir, "journal", whole.data, cut, 0600, FILES_LAZY, &e));
        j = open_one("M1");
        int now = journal_item(j, "A").attempts;
        assert_true(now == last || now == last + 1);
        last = now;
        if (cut % 16 == 0) {
            assert_true(journal_intent(j, "B", "1", false, &e));
            assert_int_equal(journal_item(j, "B").attempts, 1);
        }
        journal_free(j);
    }
    assert_int_equal(last, 2);
    for (size_t flip = 0; flip < whole.len;
         flip += 7) { /* a damaged byte drops its record and what follows */
        whole.data[flip] = (char)(whole.data[flip] ^ 1);
        assert_true(files_replace(dir, "journal", whole.data, whole.len, 0600, FILES_LAZY, &e));
        whole.data[flip] = (char)(whole.data[flip] ^ 1);
        j = open_one("M1");
        assert_true(journal_item(j, "A").attempts <= 2);
        journal_free(j);
    }
    buf_release(&whole);
}

static void another_machine_starts_fresh(void **state)
{
    (void)state;
    struct err e;
    struct stat st;
    struct journal *j = open_one("M1");
    assert_true(journal_intent(j, "A", "1", false, &e));
    assert_true(journal_complete(j, &e));
    journal_free(j);
    j = open_one("M2");
    assert_int_equal(journal_item(j, "A").outcome, JOURNAL_NONE);
    assert_false(journal_completed(j));
    assert_true(files_stat(dir, "journal.other", &st, &e));
    journal_free(j);
}

static void it_stays_small(void **state)
{
    (void)state;
    struct err e;
    struct stat st;
    struct journal *j = open_one("M2");
    for (int i = 0; i < 1500; i++) {
        assert_true(journal_intent(j, "Often", "1", false, &e));
        assert_true(journal_result(j, "Often", "1", false, JOURNAL_OK, NULL, &e));
    }
    assert_true(journal_complete(j, &e));
    journal_free(j);
    assert_true(files_stat(dir, "journal", &st, &e));
    assert_true(st.st_size < 80 * 1024);
    assert_int_equal(st.st_mode & 0777, 0600);
    j = open_one("M2");
    assert_true(journal_completed(j));
    journal_free(j);
}

static void count_orphan(void *ctx, pid_t pid, uint64_t start, const char *what)
{
    (void)start;
    assert_string_equal(what, "postinstall_script");
    *(pid_t *)ctx = pid;
}

static void living_children_are_told(void **state)
{
    (void)state;
    struct err e;
    pid_t seen = 0;
    struct journal *j = open_one("M2");
    assert_true(journal_child(j, getpid(), os_process_start(getpid()), "postinstall_script", &e));
    assert_true(
        journal_child(j, getpid(), os_process_start(getpid()) + 1, "another", &e)); /* pid used again */
    journal_free(j);
    j = open_one("M2");
    journal_orphans(j, count_orphan, &seen);
    assert_int_equal(seen, getpid());
    assert_true(journal_child(j, getpid(), os_process_start(getpid()), "postinstall_script", &e));
    assert_true(journal_children_gone(j, &e));
    journal_free(j);
    seen = 0;
    j = open_one("M2");
    journal_orphans(j, count_orphan, &seen);
    assert_int_equal(seen, 0);
    journal_free(j);
}

/* fcntl locks do not exclude the same process, so another one asks. */
static void the_lock_excludes_others(void **state)
{
    (void)state;
    struct err e;
    struct lock_holder h;
    int ready[2], status;
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = lock_take(dir, &h, &e);
        if (fd < 0 || !lock_tell(dir, &e) || write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(lock_take(dir, &h, &e), -1);
    assert_int_equal(h.pid, child);
    assert_true(h.since > 0);
    assert_true(lock_who(dir, &h, &e));
    assert_int_equal(h.pid, child);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    int fd = lock_take(dir, &h, &e);
    assert_true(fd >= 0);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

static void a_look_changes_nothing(void **state)
{
    (void)state;
    struct err e;
    struct buf before, after;
    struct journal *j = open_one("PEEK");
    assert_true(journal_intent(j, "seen", "2", false, &e));
    assert_true(journal_result(j, "seen", "2", false, JOURNAL_FAILED, "no luck", &e));
    journal_free(j);
    int fd = openat(dir, "journal", O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "torn", 4), 4);
    close(fd);
    buf_init(&before, 65536);
    buf_init(&after, 65536);
    assert_true(files_read(dir, "journal", &before, &e));
    j = journal_peek(dir, "PEEK");
    struct journal_item it = journal_item(j, "seen");
    assert_int_equal(it.attempts, 1);
    assert_int_equal(it.outcome, JOURNAL_FAILED);
    assert_string_equal(it.message, "no luck");
    journal_free(j);
    j = journal_peek(dir, "ANOTHER");
    assert_int_equal(journal_item(j, "seen").outcome, JOURNAL_NONE);
    journal_free(j);
    j = journal_peek(-1, "PEEK");
    assert_int_equal(journal_count(j), 0);
    journal_free(j);
    assert_true(files_read(dir, "journal", &after, &e));
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    buf_release(&before);
    buf_release(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_intent_counts_before_its_end),
        cmocka_unit_test(reset_forgets),
        cmocka_unit_test(a_torn_tail_is_cut_off),
        cmocka_unit_test(another_machine_starts_fresh),
        cmocka_unit_test(it_stays_small),
        cmocka_unit_test(living_children_are_told),
        cmocka_unit_test(a_look_changes_nothing),
        cmocka_unit_test(the_lock_excludes_others),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
