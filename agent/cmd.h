/* cmd: the commands, one function each, in the file of its name. They return the exit code. */
#ifndef AGENT_CMD_H
#define AGENT_CMD_H
#include "agent/options.h"

int cmd_run(struct options *o);
int cmd_stop(struct options *o);
int cmd_request(struct options *o);
int cmd_reset(struct options *o);
int cmd_check(struct options *o);
int cmd_status(struct options *o);
int cmd_why(struct options *o);
int cmd_config(struct options *o);
int cmd_doctor(struct options *o);
int cmd_logs(struct options *o);
int cmd_pkg(int argc, char **argv);
#endif
