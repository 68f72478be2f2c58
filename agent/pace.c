/* pace: see the header. The times are the day's, not the process's: what counts lies between processes. */
#include "agent/pace.h"
#include "core/buf.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"

#define FILE_NAME "runs"
enum { DAY_S = 86400, RUNS_MAX = 1000, AT_ONCE = 2, FIRST_PAUSE_S = 900, LAST_PAUSE_S = 4 * 3600 };

struct runs {
    time_t at[RUNS_MAX]; /* in the order in which they began */
    size_t count;
};

static void load(int state, time_t now, struct runs *r)
{
    struct buf b;
    struct err e;
    r->count = 0;
    buf_init(&b, LIMIT_MB);
    if (files_read(state, FILE_NAME, &b, &e) && b.len > 0) {
        for (char *line = b.data, *end; *line != '\0' && (end = strchr(line, '\n')) != NULL; line = end + 1) {
            int64_t at;
            *end = '\0';
            if (text_int(line, 0, INT64_MAX, &at) && at <= now && now - at < DAY_S && r->count < RUNS_MAX)
                r->at[r->count++] = (time_t)at;
        }
    }
    buf_release(&b);
}

int64_t pace_pause(size_t runs)
{
    int64_t pause = FIRST_PAUSE_S;
    if (runs <= AT_ONCE)
        return 0;
    for (size_t i = AT_ONCE + 1; i < runs && pause < LAST_PAUSE_S; i++)
        pause *= 2;
    return pause < LAST_PAUSE_S ? pause : LAST_PAUSE_S;
}

int64_t pace_wait(int state, const struct pace_rule *rule, time_t now)
{
    struct runs r;
    load(state, now, &r);
    if (r.count == 0)
        return 0;
    time_t last = r.at[r.count - 1];
    int64_t next = last + (rule->interval > 0 ? rule->interval : pace_pause(r.count));
    if ((int64_t)r.count >= rule->max_a_day) {
        int64_t free_again = r.at[r.count - (size_t)rule->max_a_day] + DAY_S;
        next = free_again > next ? free_again : next;
    }
    return next > now ? next - now : 0;
}

bool pace_ran(int state, time_t now)
{
    struct runs r;
    load(state, now, &r);
    return r.count > 0;
}

bool pace_note(int state, time_t now, struct err *e)
{
    struct runs r;
    struct buf b;
    bool ok = true;
    load(state, now, &r);
    buf_init(&b, LIMIT_MB);
    for (size_t i = r.count == RUNS_MAX ? 1 : 0; ok && i < r.count; i++)
        ok = buf_printf(&b, "%lld\n", (long long)r.at[i]);
    ok = ok && buf_printf(&b, "%lld\n", (long long)now);
    ok = ok && files_replace(state, FILE_NAME, buf_str(&b), b.len, 0644, FILES_LAZY, e);
    buf_release(&b);
    return ok;
}
