/* cmd_stop: end the run under way after the installer step in hand. The holder of the lock is asked of the
 * kernel, so no other process can be meant. */
#include "agent/cmd.h"
#include "agent/lock.h"
#include "agent/target.h"
#include "agent/tojson.h"
#include "core/files.h"
#include "core/log.h"
#include <fcntl.h>
#include <signal.h>

int cmd_stop(struct options *o)
{
    struct err e;
    struct lock_holder h = {0};
    int code = 0;
    int root = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int state = root < 0 ? -1 : files_dir(root, TARGET_STATE, false, 0, &e);
    if (state >= 0 && !lock_who(state, &h, &e)) {
        log_error("%s", e.text);
        code = 1;
    } else if (h.pid == 0) {
        fprintf(stderr, "daybreak: no run is under way\n");
        code = 1;
    } else if (kill(h.pid, SIGTERM) != 0) {
        err_sys(&e, "process %ld", (long)h.pid);
        fprintf(stderr, "daybreak: %s\n", e.text);
        code = EXIT_NOT_ROOT;
    } else {
        if (o->json) {
            code = tojson_print(json_pack("{s:i, s:I}", "schema", 1, "stopping", (json_int_t)h.pid)) ? 0 : 1;
        } else {
            printf("Run of process %ld: it ends after the step in hand.\n", (long)h.pid);
        }
    }
    if (state >= 0) {
        close(state);
    }
    if (root >= 0) {
        close(root);
    }
    return code;
}
