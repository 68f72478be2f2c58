/* os_time: the time of day, which is POSIX on both systems; here alone so that a test can take it over whole.
 */
#include "core/os.h"

static int64_t fixed = -1;

void os_realtime(time_t *seconds, int *ms)
{
    struct timespec t;
    if (fixed >= 0) {
        *seconds = (time_t)(fixed / 1000);
        *ms = (int)(fixed % 1000);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &t);
    *seconds = t.tv_sec;
    *ms = (int)(t.tv_nsec / 1000000);
}

void os_realtime_fix(int64_t unix_ms)
{
    fixed = unix_ms;
}
