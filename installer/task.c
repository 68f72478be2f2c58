/* Parsers get memory for the largest input that their limits let through, unpackers for the largest
 * dictionary of xz; both get time to be slow in, since what hangs is also ended by the parent's clock. */
#include "installer/task.h"
#include "core/crypto.h"
#include "core/limits.h"
#include "installer/archive.h"
#include "installer/archive_worker.h"
#include "installer/bom_worker.h"
#include "installer/image_listing.h"
#include "installer/inspect.h"
#include "installer/judge.h"
#include "installer/profile.h"
#include "installer/stage.h"

#define GB (1024 * (uint64_t)LIMIT_MB)

static const struct worker_task tasks[] = {
    {"inspect", false, 2 * GB, 1800, LIMIT_PLAN, inspect_prepare, inspect_work},
    {"judge", false, GB / 2, 300, 1, judge_prepare, judge_work},
    {"bom", false, 2 * GB, 300, 1, NULL, bom_work},
    {"profile", false, GB / 2, 60, 1, crypto_load_roots, profile_work},
    {"image", false, GB / 2, 60, 1, NULL, image_listing_work},
    {"archive", true, GB / 2, 7200, LIMIT_PAYLOAD_FILE, archive_prepare, archive_work},
    {"unpack", true, GB / 2, 7200, LIMIT_PAYLOAD_FILE, inspect_prepare, stage_work},
};

const struct worker_task *task_find(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i].name, name) == 0)
            return &tasks[i];
    return NULL;
}
