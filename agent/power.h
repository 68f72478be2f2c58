/* power: the Mac stays awake while it is worked on, and a battery is said. Asked of Apple's tools on /, of
 * stand-ins elsewhere; a tool that fails costs nothing but a line in the log. */
#ifndef AGENT_POWER_H
#define AGENT_POWER_H
#include "core/arena.h"
#include "core/loop.h"

/* Keep the Mac from sleeping until power_release, or our end, however it comes (`caffeinate -w`). NULL: it is
 * not kept awake. */
struct child *power_hold(struct loop *l, const char *tools, bool live);
void power_release(struct child *held); /* NULL is fine */

/* Of what `pmset -g batt` printed: "85%" when the Mac runs on its battery, "" when it does and the charge is
 * not said, NULL when it does not. In a. Pure. */
const char *power_battery_parse(struct arena *a, const char *text);
const char *power_battery(struct arena *a, struct loop *l, const char *tools, bool live); /* ask */
#endif
