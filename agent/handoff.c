/* handoff: Munki is asked by its own program in each case: that knows how its login-window mode is set (a
 * flag file and a preference of the login window), and it is Munki's to change that. */
#include "agent/handoff.h"
#include "core/log.h"
#include "core/text.h"

#define MUNKI         "/usr/local/munki/managedsoftwareupdate"
#define TIMEOUT_MAX_S ((int64_t)86400)

static const char *const munki_auto[] = {MUNKI, "--auto", NULL};
static const char *const munki_bootstrap[] = {MUNKI, "--set-bootstrap-mode", NULL};

static bool decode_command(struct arena *a, const struct value *v, struct handoff *h, struct err *e)
{
    const struct value *command = props_array(v, "command");
    size_t n = value_count(command);
    if (n == 0)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "command: an array of strings is needed");
    const char **argv = arena_array(a, n + 1, sizeof *argv);
    for (size_t i = 0; i < n; i++) {
        argv[i] = value_str(value_at(command, i));
        if (argv[i] == NULL)
            return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "command[%zu]: a string is needed, found %s", i,
                           value_type_name(value_at(command, i)));
    }
    if (argv[0][0] != '/')
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "command: %s is no absolute path", argv[0]);
    const struct value *timeout = value_get(v, "timeout");
    if (timeout != NULL && (!value_int(timeout, &h->timeout_s) || value_type(timeout) == VALUE_BOOL ||
                            h->timeout_s < 1 || h->timeout_s > TIMEOUT_MAX_S))
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "timeout: an integer from 1 to %lld is needed",
                       (long long)TIMEOUT_MAX_S);
    h->kind = HANDOFF_COMMAND;
    h->argv = argv;
    return true;
}

bool handoff_decode(struct arena *a, const struct value *v, struct handoff *h, struct err *e)
{
    const char *word = v != NULL ? value_str(v) : NULL;
    *h = (struct handoff){.kind = HANDOFF_NONE};
    if (v != NULL && value_type(v) == VALUE_DICT)
        return decode_command(a, v, h, e);
    if (v == NULL || (word != NULL && strcmp(word, "none") == 0))
        return true;
    if (word == NULL)
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a string or a dictionary is needed, found %s",
                       value_type_name(v));
    if (strcmp(word, "munki") == 0)
        *h = (struct handoff){.kind = HANDOFF_MUNKI, .argv = munki_auto};
    else if (strcmp(word, "munki-bootstrap") == 0)
        *h = (struct handoff){.kind = HANDOFF_BOOTSTRAP, .argv = munki_bootstrap};
    else
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT,
                       "%s is none of munki, munki-bootstrap, none, nor a dictionary with a command", word);
    return true;
}

const char *handoff_name(const struct handoff *h)
{
    static const char *const names[] = {"none", "munki", "munki-bootstrap"};
    return h->kind == HANDOFF_COMMAND ? h->argv[0] : names[h->kind];
}

bool handoff_do(const struct handoff *h, const struct hook_env *env, bool *skipped, struct err *e)
{
    struct hook_env bounded = *env;
    int code = 0;
    *skipped = false;
    if (h->kind == HANDOFF_NONE)
        return true;
    if (!env->run_scripts) {
        log_info("the hand-off to %s is not executed: scripts are skipped", handoff_name(h));
        *skipped = true;
        return true;
    }
    if (h->timeout_s > 0)
        bounded.timeout_ms = (uint64_t)h->timeout_s * 1000;
    log_info("hand-off to %s", handoff_name(h));
    if (!hook_exec(&bounded, h->argv, "hand-off", &code, e)) {
        if (e->kind == ERR_NOT_FOUND && h->kind != HANDOFF_COMMAND)
            err_set(e, ERR_NOT_FOUND, CAUSE_NONE, "hand-off to %s: Munki is not installed: %s is not there",
                    handoff_name(h), MUNKI);
        return false;
    }
    if (code == 0)
        return true;
    err_set(e, ERR_CHILD, CAUSE_SCRIPT, "hand-off: %s exited with %d", h->argv[0], code);
    e->code = code;
    return false;
}
