/* cmd_reset: forget failures and attempt counts, of one item or of all. Installed software is not touched. */
#include "agent/cmd.h"
#include "agent/session.h"
#include "agent/tojson.h"
#include "core/log.h"

int cmd_reset(struct options *o)
{
    struct session s;
    struct err e = {.kind = ERR_NONE};
    const char *item = o->operand_count > 0 ? o->operands[0] : NULL;
    int code = session_prepare(&s, o, &e);
    if (code == 0 && item != NULL && journal_item(s.journal, item).outcome == JOURNAL_NONE) {
        const char **names = arena_array(s.arena, journal_count(s.journal) + 1, sizeof *names);
        for (size_t i = 0; i < journal_count(s.journal); i++) {
            names[i] = journal_at(s.journal, i).name;
        }
        const char *near = options_nearest(item, names);
        fprintf(stderr, "daybreak: nothing is remembered of %s%s%s\n", item,
                near != NULL ? "; did you mean " : "", near != NULL ? near : "");
        code = 1;
    } else if (code == 0 && !journal_reset(s.journal, item, &e)) {
        code = EXIT_DIRECTORIES;
    } else if (code == 0) {
        if (o->json) {
            json_t *done = json_pack("{s:i, s:s?}", "schema", 1, "forgotten", item);
            code = tojson_print(done) ? 0 : 1;
        } else {
            printf("Forgotten: failures and attempts of %s.\n", item != NULL ? item : "every item");
        }
    }
    if (code != 0 && e.kind != ERR_NONE) {
        fprintf(stderr, "daybreak: %s\n", e.text);
    }
    session_close(&s);
    return code;
}
