/* The lines for SplashBuddy, DEPNotify and swiftDialog, to the byte, and against their readers' patterns. */
#include "agent/depnotify.h"
#include "agent/events.h"
#include "agent/marker.h"
#include "agent/splashbuddy.h"
#include "agent/status.h"
#include "agent/swiftdialog.h"
#include "agent/watchfile.h"
#include "core/files.h"
#include <fcntl.h>
#include <jansson.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char base[64];
static int root = -1;
static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    struct err e;
    snprintf(base, sizeof base, "/tmp/daybreak-test-XXXXXX");
    assert_non_null(mkdtemp(base));
    root = files_root(base, false, &e);
    assert_true(root >= 0);
    loop = loop_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct err e;
    loop_free(loop);
    close(root);
    int tmp = files_root("/tmp", false, &e);
    assert_true(files_remove(tmp, base + 5, &e));
    close(tmp);
    return 0;
}

static char *content(const char *path)
{
    static char text[65536];
    struct buf b;
    struct err e;
    buf_init(&b, sizeof text - 1);
    assert_true(files_read(root, path, &b, &e));
    memcpy(text, buf_str(&b), b.len + 1);
    buf_release(&b);
    return text;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static struct progress *three(struct progress_writer w)
{
    struct progress *p = progress_open(loop, "manual");
    struct progress_item items[] = {
        {.name = "Firefox", .display_name = "Firefox", .version = "131.0"},
        {.name = "Code", .display_name = "Visual Studio Code – Insiders", .version = "1.95.0-insider+2"},
        {.name = "7-Zip", .display_name = "7-Zip", .version = "", .state = STATE_SKIPPED},
    };
    progress_add(p, w);
    progress_begin(p);
    progress_plan(p, items, 3);
    return p;
}

static void play(struct progress *p)
{
    struct err e;
    progress_item(p, 0, STATE_DOWNLOADING, NULL);
    progress_bytes(p, 0, 50, 100);
    progress_item(p, 0, STATE_VERIFYING, NULL);
    progress_item(p, 0, STATE_INSTALLING, NULL);
    progress_success(p, 0, true, NULL);
    progress_item(p, 1, STATE_INSTALLING, NULL);
    err_set(&e, ERR_CHILD, CAUSE_SCRIPT, "postinstall exited with 3, really: yes");
    progress_fail(p, 1, STATE_FAILED, "postinstall", &e);
    progress_end(p, "partial", 2);
}

static void splashbuddy_lines(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    static const char *const ok[] = {
        "Installing ([A-Za-z0-9._ ]*)-([A-Za-z0-9._]*).pkg...$",
        ("Installation failed. The installer reported: installer: Package name is "
         "([A-Za-z0-9._ ]*)-([A-Za-z0-9._]*)$"),
        "Successfully installed ([A-Za-z0-9._ ]*)-([A-Za-z0-9._]*).pkg"};
    static const char *const tails[] = {
        ": Successfully installed 7_Zip-0.pkg.", ": Installing Firefox-131.0.pkg...",
        ": Successfully installed Firefox-131.0.pkg.",
        ": Installing Visual Studio Code _ Insiders-1.95.0_insider_2.pkg...",
        (": Installation failed. The installer reported: installer: Package name is Visual Studio Code _ "
         "Insiders-1.95.0_insider_2")};
    assert_true(
        splashbuddy_open(root, "/Library/Application Support/SplashBuddy/daybreak.log", false, &w, &e));
    struct progress *p = three(w);
    play(p);
    progress_free(p);
    char *text = content("Library/Application Support/SplashBuddy/daybreak.log");
    int n = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, n++) {
        *end = '\0';
        assert_true(n < 5);
        assert_true(matches("^(Sun|Mon|Tue|Wed|Thu|Fri|Sat) [A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8} "
                            "[A-Za-z0-9-]+ daybreak\\[[0-9]+\\]: ",
                            line));
        assert_int_equal((int)matches(ok[0], line) + (int)matches(ok[1], line) + (int)matches(ok[2], line),
                         1);
        assert_string_equal(line + strlen(line) - strlen(tails[n]), tails[n]);
    }
    assert_int_equal(n, 5);
}

static void splashbuddy_names(void **state)
{
    (void)state;
    char out[65];
    splashbuddy_name(out, "Visual Studio Code – Insiders");
    assert_string_equal(out, "Visual Studio Code _ Insiders");
    splashbuddy_name(out, "7-Zip");
    assert_string_equal(out, "7_Zip");
    splashbuddy_name(out, "  two   spaces  ");
    assert_string_equal(out, "two spaces");
    splashbuddy_version(out, "1.95.0-insider+2");
    assert_string_equal(out, "1.95.0_insider_2");
    splashbuddy_version(out, "1.0-2+b");
    assert_string_equal(out, "1.0_2_b");
    splashbuddy_version(out, "");
    assert_string_equal(out, "0");
}

static void splashbuddy_removal_is_silent(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(splashbuddy_open(root, "/private/var/log/sb.log", false, &w, &e));
    struct progress *p = progress_open(loop, "auto");
    struct progress_item item = {.name = "Old", .version = "1", .removal = true};
    progress_add(p, w);
    progress_begin(p);
    progress_plan(p, &item, 1);
    progress_item(p, 0, STATE_INSTALLING, NULL);
    progress_success(p, 0, true, NULL);
    progress_end(p, "ok", 0);
    progress_free(p);
    assert_string_equal(content("private/var/log/sb.log"), "");
}

static void depnotify_lines(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(depnotify_open(root, "/var/tmp/depnotify.log", &w, &e));
    struct progress *p = three(w);
    play(p);
    progress_free(p);
    assert_string_equal(content("private/var/tmp/depnotify.log"),
                        "Command: DeterminateManual: 3\n"
                        "Command: DeterminateManualStep: 1\n"
                        "Status: Downloading Firefox\n"
                        "Status: Verifying Firefox\n"
                        "Status: Installing Firefox\n"
                        "Status: Installed Firefox\n"
                        "Command: DeterminateManualStep: 1\n"
                        "Status: Installing Visual Studio Code – Insiders\n"
                        "Status: Visual Studio Code – Insiders failed\n"
                        "Command: DeterminateManualStep: 1\n"
                        "Command: DeterminateOffReset:\n"
                        "Status: Finished with errors\n"
                        "Command: ContinueButton: Continue\n");
}

static void depnotify_words_are_taken_out(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(depnotify_open(root, "/var/tmp/dep2.log", &w, &e));
    struct progress *p = progress_open(loop, "auto");
    struct progress_item item = {.name = "x", .display_name = "Command: Status: Quit\nnow", .version = "1"};
    progress_add(p, w);
    progress_begin(p);
    progress_plan(p, &item, 1);
    progress_item(p, 0, STATE_INSTALLING, NULL);
    progress_free(p);
    assert_string_equal(content("private/var/tmp/dep2.log"),
                        "Command: DeterminateManual: 1\nStatus: Installing Quit\\nnow\n");
}

static void swiftdialog_lines(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(swiftdialog_open(root, "/var/tmp/dialog.log", SWIFTDIALOG_LIST, &w, &e));
    struct progress *p = three(w);
    play(p);
    progress_free(p);
    assert_string_equal(content("private/var/tmp/dialog.log"),
                        "listitem: index: 0, status: pending, statustext: Waiting\n"
                        "listitem: index: 1, status: pending, statustext: Waiting\n"
                        "listitem: index: 2, status: success, statustext: Already installed\n"
                        "progress: 1\n"
                        "listitem: index: 0, status: wait, statustext: Downloading\n"
                        "listitem: index: 0, progress: 50, statustext: Downloading\n"
                        "listitem: index: 0, status: wait, statustext: Verifying\n"
                        "listitem: index: 0, status: wait, statustext: Installing\n"
                        "progresstext: Installing Firefox (1 of 3)\n"
                        "listitem: index: 0, status: success, statustext: Installed\n"
                        "progress: 2\n"
                        "listitem: index: 1, status: wait, statustext: Installing\n"
                        "progresstext: Installing Visual Studio Code – Insiders (2 of 3)\n"
                        "listitem: index: 1, status: fail, statustext: Failed\n"
                        "progress: 3\n"
                        "progresstext: Finished with errors\n"
                        "button1: enable\n");
}

static void swiftdialog_remade_file_is_told_everything(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(swiftdialog_open(root, "/var/tmp/remade.log", SWIFTDIALOG_LIST, &w, &e));
    struct progress *p = three(w);
    assert_true(files_remove(root, "private/var/tmp/remade.log", &e)); /* as swiftDialog does at its launch */
    progress_item(p, 0, STATE_INSTALLING, NULL);
    progress_free(p);
    assert_non_null(strstr(content("private/var/tmp/remade.log"),
                           "listitem: index: 2, status: success, statustext: Already installed\n"));
}

static void swiftdialog_values(void **state)
{
    (void)state;
    char out[64];
    swiftdialog_value(out, sizeof out, "Retry 2, status");
    assert_string_equal(out, "Retry 2; status");
    swiftdialog_value(out, sizeof out, "v: {1.2}<br>x");
    assert_string_equal(out, "v - (1.2)x");
    swiftdialog_value(out, sizeof out, "");
    assert_string_equal(out, "-");
}

static void inspect_lines(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(swiftdialog_open(root, "/var/tmp/inspect.log", SWIFTDIALOG_INSPECT_ITEMS, &w, &e));
    struct progress *p = three(w);
    play(p);
    progress_free(p);
    char *text = content("private/var/tmp/inspect.log");
    assert_non_null(strstr(text, "item:firefox:success:Installed\n"));
    assert_non_null(strstr(text, "item:code:failed:postinstall exited with 3, really: yes\n"));
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        assert_true(matches("^item:[a-z0-9-]+:(pending|downloading|installing|success|failed)(:.*)?$", line));
    }
    assert_true(swiftdialog_open(root, "/var/tmp/trigger", SWIFTDIALOG_INSPECT_TRIGGER, &w, &e));
    p = three(w);
    play(p);
    progress_free(p);
    text = content("private/var/tmp/trigger");
    assert_non_null(strstr(text, "success:firefox:Installed\n"));
    assert_non_null(strstr(text, "progress:firefox:50\n"));
    assert_non_null(strstr(text, "failure:code:postinstall exited"));
}

static void watchfile_refuses_links_and_cuts_lines(void **state)
{
    (void)state;
    struct err e;
    char line[3000];
    assert_int_equal(symlinkat("elsewhere", root, "link"), 0);
    assert_null(watchfile_open(root, "/link", WATCHFILE_APPEND, &e));
    assert_true(faccessat(root, "elsewhere", F_OK, 0) != 0);
    assert_true(files_replace(root, "sudoers", "root\n", 5, 0600, FILES_LAZY, &e));
    assert_int_equal(linkat(root, "sudoers", root, "planted", 0), 0);
    assert_null(watchfile_open(root, "/planted", WATCHFILE_APPEND, &e));
    assert_string_equal(content("sudoers"), "root\n");
    struct watchfile *w = watchfile_open(root, "/long", WATCHFILE_FRESH, &e);
    assert_non_null(w);
    for (size_t i = 0; i + 2 < sizeof line; i += 2) {
        memcpy(line + i, "é", 2);
    }
    line[sizeof line - 2] = '\0';
    assert_true(watchfile_line(w, line, NULL));
    assert_true(watchfile_line(w, "a\tb\rc", NULL));
    watchfile_free(w);
    char *text = content("long");
    char *end = strchr(text, '\n');
    assert_true(end - text <= 1023 && (end - text) % 2 == 0); /* no half character */
    assert_string_equal(end + 1, "a b c\n");
}

static void status_is_schema_1(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    int dir = files_dir(root, "Library/Daybreak", true, 0755, &e);
    status_open(loop, dir, &w);
    struct progress *p = three(w);
    play(p);
    progress_free(p);
    json_t *o = status_read(dir, &e);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "state")), "finished");
    assert_string_equal(json_string_value(json_object_get(o, "result")), "partial");
    assert_int_equal(json_integer_value(json_object_get(o, "exit_code")), 2);
    assert_int_equal(json_integer_value(json_object_get(o, "percent")), 100);
    json_t *counts = json_object_get(o, "counts");
    assert_int_equal(json_integer_value(json_object_get(counts, "total")), 3);
    assert_int_equal(json_integer_value(json_object_get(counts, "success")), 1);
    assert_int_equal(json_integer_value(json_object_get(counts, "failed")), 1);
    json_t *bad = json_array_get(json_object_get(o, "items"), 1);
    json_t *f = json_object_get(bad, "failure");
    assert_string_equal(json_string_value(json_object_get(f, "cause")), "script");
    assert_string_equal(json_string_value(json_object_get(f, "step")), "postinstall");
    assert_true(strlen(json_string_value(json_object_get(f, "suggestion"))) > 0);
    json_decref(o);
    assert_true(files_replace(dir, "status.json", "{", 1, 0644, FILES_LAZY, &e));
    assert_null(status_read(dir, &e));
    assert_int_equal(e.kind, ERR_FORMAT);
    assert_true(files_remove(dir, "status.json", &e));
    assert_null(status_read(dir, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    close(dir);
}

static void events_have_no_gap(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    assert_true(events_open(root, &w, &e));
    struct progress *p = three(w);
    play(p);
    progress_free(p);
    int64_t seq = 0;
    char *text = content("events.jsonl");
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        json_error_t why;
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, &why);
        assert_non_null(o);
        assert_int_equal(json_integer_value(json_object_get(o, "seq")), ++seq);
        if (seq == 1) {
            assert_string_equal(json_string_value(json_object_get(o, "type")), "run.begin");
            assert_string_equal(json_string_value(json_object_get(o, "trigger")), "manual");
        }
        if (seq == 2) {
            assert_int_equal(json_array_size(json_object_get(o, "items")), 3);
        }
        json_decref(o);
    }
    assert_true(seq >= 9);
}

static void markers_follow_the_state(void **state)
{
    (void)state;
    struct progress_writer w;
    struct err e;
    struct stat st;
    int dir = files_dir(root, "state", true, 0755, &e);
    assert_true(files_replace(dir, "done/stranger", "", 0, 0644, FILES_LAZY, &e));
    assert_true(files_replace(dir, "done/firefox", "", 0, 0644, FILES_LAZY, &e));
    assert_true(files_replace(dir, "complete", "", 0, 0644, FILES_LAZY, &e));
    marker_open(dir, &w);
    struct progress *p = three(w);
    assert_false(files_stat(dir, "done/stranger", &st, &e));
    assert_false(files_stat(dir, "done/firefox", &st, &e)); /* it will be worked on again */
    assert_false(files_stat(dir, "complete", &st, &e));
    assert_true(files_stat(dir, "done/7-zip", &st, &e));
    play(p);
    assert_true(files_stat(dir, "done/firefox", &st, &e));
    assert_int_equal(st.st_size, 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_false(files_stat(dir, "done/code", &st, &e));
    assert_false(files_stat(dir, "complete", &st, &e));
    progress_free(p);
    marker_open(dir, &w);
    p = three(w);
    progress_success(p, 0, true, NULL);
    progress_success(p, 1, true, NULL);
    progress_end(p, "ok", 0);
    progress_free(p);
    assert_true(files_stat(dir, "complete", &st, &e));
    close(dir);
}

static void ids_are_unique_and_plain(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct progress_item items[] = {{.name = "Firefox ESR"}, {.name = "firefox--esr"}, {.name = "Café"},
                                    {.name = longer},        {.name = longer},         {.name = ""}};
    progress_make_ids(a, items, 6);
    assert_string_equal(items[0].id, "firefox-esr");
    assert_string_equal(items[1].id, "firefox-esr-2");
    assert_string_equal(items[2].id, "caf-");
    assert_int_equal(strlen(items[3].id), 64);
    assert_int_equal(strlen(items[4].id), 64);
    assert_string_equal(items[4].id + 62, "-2");
    assert_string_equal(items[5].id, "-");
    arena_free(a);
}

static bool broken(void *self, const struct progress_run *r, const struct progress_event *ev)
{
    (void)r;
    (void)ev;
    ++*(int *)self;
    return false;
}

static void a_broken_writer_is_left_out(void **state)
{
    (void)state;
    int calls = 0;
    struct progress *p =
        three((struct progress_writer){.name = "a broken one", .self = &calls, .emit = broken});
    for (int i = 0; i < 20; i++) {
        progress_note(p, -1, "x");
    }
    assert_int_equal(calls, 5);
    progress_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splashbuddy_lines),
        cmocka_unit_test(splashbuddy_names),
        cmocka_unit_test(splashbuddy_removal_is_silent),
        cmocka_unit_test(depnotify_lines),
        cmocka_unit_test(depnotify_words_are_taken_out),
        cmocka_unit_test(swiftdialog_lines),
        cmocka_unit_test(swiftdialog_remade_file_is_told_everything),
        cmocka_unit_test(swiftdialog_values),
        cmocka_unit_test(inspect_lines),
        cmocka_unit_test(watchfile_refuses_links_and_cuts_lines),
        cmocka_unit_test(status_is_schema_1),
        cmocka_unit_test(events_have_no_gap),
        cmocka_unit_test(markers_follow_the_state),
        cmocka_unit_test(ids_are_unique_and_plain),
        cmocka_unit_test(a_broken_writer_is_left_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
