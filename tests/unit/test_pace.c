/* pace: pauses that grow, the most a day, and a file that lies. */
#include "agent/pace.h"
#include "tests/unit/ground.h"

#define NOW ((time_t)1795485600)

static void pauses_grow_to_four_hours(void **state)
{
    (void)state;
    static const int64_t wanted[] = {0, 0, 0, 900, 1800, 3600, 7200, 14400, 14400};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_int_equal(pace_pause(i), wanted[i]);
    assert_int_equal(pace_pause(100000), 14400);
}

static void runs_are_counted_for_a_day(void **state)
{
    (void)state;
    const struct pace_rule rule = {.max_a_day = 4}, hourly = {.max_a_day = 4, .interval = 3600};
    assert_int_equal(pace_wait(ground, &rule, NOW), 0);
    assert_false(pace_ran(ground, NOW));
    for (int i = 0; i < 3; i++)
        assert_true(pace_note(ground, NOW + i, &e));
    assert_true(pace_ran(ground, NOW + 3));
    assert_int_equal(pace_wait(ground, &rule, NOW + 2), 900);
    assert_int_equal(pace_wait(ground, &rule, NOW + 902), 0);
    assert_int_equal(pace_wait(ground, &hourly, NOW + 902), 2700);
    assert_true(pace_note(ground, NOW + 902, &e));
    assert_int_equal(pace_wait(ground, &rule, NOW + 10000), 86400 - 10000); /* four a day */
    assert_int_equal(pace_wait(ground, &rule, NOW + 86400), 0);
    assert_int_equal(pace_wait(ground, &rule, NOW - 500), 0); /* the clock went back: all lie in the future */
}

static void a_damaged_file_counts_as_empty(void **state)
{
    (void)state;
    const struct pace_rule rule = {.max_a_day = 1};
    ground_put("runs", "nonsense\n-4\n1795485600");
    assert_int_equal(pace_wait(ground, &rule, NOW), 0);
    assert_true(pace_note(ground, NOW, &e));
    assert_int_equal(pace_wait(ground, &rule, NOW), 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pauses_grow_to_four_hours, ground_up, ground_down),
        cmocka_unit_test_setup_teardown(runs_are_counted_for_a_day, ground_up, ground_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_counts_as_empty, ground_up, ground_down),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
