/* cmd_run: bring this Mac to what its manifest says; with --dry-run only say what that would be. */
#include "agent/cmd.h"
#include "agent/run.h"
#include <sys/stat.h>

int cmd_run(struct options *o)
{
    umask(022); /* launchd's; the mask of a technician's shell is not to decide what scripts leave behind */
    if (o->dry_run) {
        o->output = NULL;
        return cmd_check(o);
    }
    return run_all(o);
}
