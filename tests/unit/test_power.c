/* power: what pmset prints, and that the Mac is held awake as long as it should. */
#include "agent/power.h"
#include "core/child.h"
#include "tests/unit/ground.h"

static void batteries(void **state)
{
    (void)state;
    static const struct {
        const char *text, *charge;
    } rows[] = {
        {"Now drawing from 'AC Power'\n", NULL},
        {"Now drawing from 'AC Power'\n -InternalBattery-0 (id=4653155)\t80%; charging; 0:40 remaining "
         "present: "
         "true\n",
         NULL},
        {"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=4653155)\t7%; discharging; (no estimate) "
         "present: true\n",
         "7%"},
        {"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=4653155)\t100%; discharging\n", "100%"},
        {"Now drawing from 'Battery Power'\n", ""},
        {"Now drawing from 'Battery Power'\n%\n", ""},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *charge = power_battery_parse(memory, rows[i].text);
        assert_true(rows[i].charge == NULL ? charge == NULL
                                           : charge != NULL && strcmp(charge, rows[i].charge) == 0);
    }
    assert_null(power_battery(memory, loop, NULL, false));
}

/* A caffeinate that stays, as the real one does, ends when it is let go. */
static void held_until_released(void **state)
{
    (void)state;
    assert_null(power_hold(loop, ground_path, false));
    power_release(NULL);
    ground_put("caffeinate", "#!/bin/sh\nmkfifo \"$0.never\"\nexec <\"$0.never\"\n");
    assert_int_equal(fchmodat(ground, "caffeinate", 0755, 0), 0);
    struct child *held = power_hold(loop, ground_path, false);
    assert_non_null(held);
    while (!ground_has("caffeinate.never"))
        loop_turn(loop, 10);
    assert_false(child_done(held));
    power_release(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batteries, ground_up, ground_down),
        cmocka_unit_test_setup_teardown(held_until_released, ground_up, ground_down),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
