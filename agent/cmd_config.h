/* cmd_config: preferences as `daybreak config --json` shows them, for others too. */
#ifndef AGENT_CMD_CONFIG_H
#define AGENT_CMD_CONFIG_H
#include "agent/prefs.h"
#include <jansson.h>

json_t *cmd_config_json(const struct prefs *prefs); /* the caller's reference; secrets are not in it */
#endif
