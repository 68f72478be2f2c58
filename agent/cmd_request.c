/* cmd_request: ask the daemon for a run; needs no root. */
#include "agent/cmd.h"
#include "agent/request.h"
#include "core/text.h"

int cmd_request(struct options *o)
{
    char answer[256];
    struct err e;
    if (!request_ask(o->root, answer, &e)) {
        fprintf(stderr, "daybreak: %s\n", e.text);
        return 1;
    }
    if (!o->quiet) {
        printf("%s\n", answer);
    }
    return text_starts(answer, "granted") || text_starts(answer, "a run is under way") ? 0 : 1;
}
