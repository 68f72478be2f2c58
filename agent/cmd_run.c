/* cmd_run: bring this Mac to what its manifest says; with --dry-run only say what that would be. */
#include "agent/cmd.h"
#include "agent/run.h"

int cmd_run(struct options *o)
{
    if (o->dry_run) {
        o->output = NULL;
        return cmd_check(o);
    }
    return run_all(o);
}
