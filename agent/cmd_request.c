/* cmd_request: ask the daemon for a run; needs no root. */
#include "agent/cmd.h"
#include "agent/request.h"
#include "agent/tojson.h"
#include "core/text.h"

int cmd_request(struct options *o)
{
    char answer[256];
    struct err e;
    if (!request_ask(o->root, answer, &e)) {
        fprintf(stderr, "daybreak: %s\n", e.text);
        return 1;
    }
    bool granted = text_starts(answer, "granted") || text_starts(answer, "a run is under way");
    if (o->json) {
        (void)tojson_print(json_pack("{s:i, s:b, s:s}", "schema", 1, "granted", granted, "answer", answer));
    } else if (!o->quiet) {
        printf("%s\n", answer);
    }
    return granted ? 0 : 1;
}
