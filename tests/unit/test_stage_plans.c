/* stage: a plan in disorder, or with fields that no writer makes, ends the worker that unpacks before
 * anything comes of it. */
#include "staged.h"

static void plans_in_disorder(void **state)
{
    (void)state;
    static const char *const disorder = "the plan for unpacking is in disorder",
                             *const nonsense = "the plan for unpacking makes no sense";
    const struct plan_component bare = {.location = "/"};
    const struct xar_member m = at("d", "", 0);
    holds("", 0);

    fresh(RECORD_LAYOUT); /* nothing at all */
    refused(ERR_INTERNAL, nonsense);
    assert_true(files_write(plan, "\377\377\377\377\377\377\377\377", 8, &e)); /* a record of 4 GB */
    refused(ERR_INTERNAL, nonsense);
    begin(RECORD_LAYOUT, 1);
    end(false); /* it ends before its end */
    refused(ERR_INTERNAL, nonsense);
    fresh(RECORD_LAYOUT);
    plan_begin(&w, plan);
    assert_true(plan_put_component(&w, &bare, &e)); /* without its total */
    end(true);
    refused(ERR_INTERNAL, disorder);
    begin(RECORD_LAYOUT, 1);
    assert_true(plan_put_member(&w, &m, &e)); /* of the other task */
    end(true);
    refused(ERR_INTERNAL, disorder);
    begin(RECORD_EXPAND, 1);
    assert_true(plan_put_component(&w, &bare, &e));
    end(true);
    refused(ERR_INTERNAL, disorder);
    begin(RECORD_EXPAND, 0);
    end(false);
    refused(ERR_INTERNAL, nonsense);
    begin(RECORD_LIST, 0); /* for which nothing is unpacked */
    end(true);
    refused(ERR_INTERNAL, disorder);
    begin(RECORD_LAYOUT, 1);
    assert_true(plan_put_component(&w, &bare, &e));
    end(false); /* cut behind a component */
    refused(ERR_INTERNAL, nonsense);
    begin(RECORD_LAYOUT, LIMIT_COMPONENTS + 1);
    for (size_t i = 0; i <= LIMIT_COMPONENTS; i++)
        assert_true(plan_put_component(&w, &bare, &e));
    end(true);
    refused(ERR_INTERNAL, disorder);
    assert_false(there(arena_printf(memory, "in/%d", LIMIT_COMPONENTS)));
    begin(RECORD_LAYOUT, 0); /* no component is a good plan */
    end(true);
    assert_true(stages());
    /* as no request may ask for more than is known */
    asked.task = (enum record_task)(RECORD_CLAIMS + 1);
    refused(ERR_INTERNAL, "asked for something it does not know");
}

/* Records with fields that no writer makes, behind a total: 'i' a number, 't' a text. */
static void odd_fields(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        const char *fields;
        uint64_t numbers[9];
        const char *texts[4];
    } rows[] = {
        {PLAN_END + 1, "", {0}, {0}},
        {PLAN_END, "i", {0}, {0}}, /* more than it has */
        {PLAN_TOTAL, "i", {1}, {0}},
        {PLAN_COMPONENT, "tiiii", {0, 2, 0, 0}, {"/"}}, /* neither with payload nor without */
        {PLAN_COMPONENT, "tiiii", {0, 0, 0, 0}, {"opt"}},
        {PLAN_COMPONENT, "tiiii", {0, 0, 0, 0}, {"/opt/../.."}},
        /* of a member: path, directory, offset, length, size, encoding, its name, two sums */
        {PLAN_MEMBER, "tiiiiititit", {0, 0, 5, 5, 0, DIGEST_SHA512 + 1, DIGEST_NONE}, {"f", "x", "", ""}},
        {PLAN_MEMBER, "tiiiiititit", {0, 0, 5, 5, 0, DIGEST_SHA1, DIGEST_NONE}, {"f", "x", "short", ""}},
        {PLAN_MEMBER, "tiiiiitiiii", {0, 0, 5, 5, XAR_OTHER + 1, 0, 0, 0}, {"f", "x"}},
        {PLAN_MEMBER, "tiiiiitiiii", {0, UINT64_MAX, 5, 5, 0, 0, 0, 0}, {"f", "x"}},
        {PLAN_MEMBER, "tiiiiitiiii", {0, 5, INT64_MAX, 5, 0, 0, 0, 0}, {"f", "x"}},
        {PLAN_SUM, "tiii", {BOM_DEVICE + 1, 0, 0}, {"f"}},
        {PLAN_SUM, "tiii", {0, 0, 0}, {"f"}},
        {PLAN_SUM, "tiii", {BOM_FILE, (uint64_t)1 << 32, 0}, {"f"}},
        {PLAN_SUM, "tiii", {BOM_FILE, 0, (uint64_t)1 << 32}, {"f"}},
        {PLAN_SUM, "iiii", {0, BOM_FILE, 0, 0}, {0}}, /* a path of no bytes, not even the last */
        /* and one with nothing odd, which is done: what is refused above is not refused for its form */
        {PLAN_MEMBER, "tiiiiitiiii", {0, 0, 5, 5, 0, 0, 0, 0, 0}, {"f", "x"}},
    };
    holds("hello", 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        size_t number = 0, text = 0;
        buf_init(&b, LIMIT_KB);
        for (const char *f = rows[i].fields; *f != '\0'; f++)
            assert_true(*f == 'i' ? worker_put_int(&b, rows[i].numbers[number++], &e)
                                  : worker_put_text(&b, rows[i].texts[text++], &e));
        const uint32_t head[] = {rows[i].type, (uint32_t)b.len};
        for (int expand = 0; expand < 2; expand++) {
            begin(expand ? RECORD_EXPAND : RECORD_LAYOUT, 1);
            end(false);
            const uint32_t last[] = {PLAN_END, 0};
            assert_true(files_write(plan, head, sizeof head, &e) &&
                        files_write(plan, buf_str(&b), b.len, &e) &&
                        files_write(plan, last, sizeof last, &e));
            bool ok = stages(), good = expand && i + 1 == sizeof rows / sizeof *rows;
            if (ok != good || (!ok && e.kind != ERR_INTERNAL))
                fail_msg("row %zu: %s", i, e.text);
            if (!ok && i + 1 < sizeof rows / sizeof *rows && strstr(e.text, "makes no sense") == NULL)
                fail_msg("row %zu was read as something: %s", i, e.text);
            assert_int_equal(there("in/f"), good);
        }
        buf_release(&b);
    }
}

/* More than is read at once. */
static void a_long_plan(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    holds("", 0);
    begin(RECORD_EXPAND, 0);
    for (int i = 0; i < MANY; i++) {
        struct xar_member d = at(arena_printf(memory, "folder%d", i), "", 0);
        d.directory = true;
        assert_true(plan_put_member(&w, &d, &e));
    }
    end(true);
    assert_true(lseek(plan, 0, SEEK_END) > (off_t)(128 * LIMIT_KB));
    if (!stages())
        fail_msg("%s", e.text);
    for (int i = 0; i < MANY; i++)
        assert_true(there(arena_printf(memory, "in/folder%d", i)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_in_disorder),
        cmocka_unit_test(odd_fields),
        cmocka_unit_test(a_long_plan),
    };
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
