/* cmd_config: preferences and adopted authorities as `daybreak config --json` shows them, for others too. */
#ifndef AGENT_CMD_CONFIG_H
#define AGENT_CMD_CONFIG_H
#include "agent/keychain.h"
#include "agent/prefs.h"
#include <jansson.h>

/* The caller's reference; secrets are not in it. */
json_t *cmd_config_json(const struct prefs *prefs, const struct keychain *k);
/* Print how the preferences get here: managed keys, and the profiles that set them. env: whom to ask. */
struct install_env;
void cmd_config_explain(const struct install_env *env, const struct prefs *prefs, bool json);
#endif
