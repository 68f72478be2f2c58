/* log: one log for technicians. A line: "2026-11-24T04:44:09.123+01:00 WARN  [firefox] sentence".
 *
 * Control bytes are escaped, registered secrets are redacted, lines are cut at LIMIT_LOG_LINE. Each line is
 * one write(2). The file is rotated by size between runs (log_open), five generations. Before log_open, and
 * where the file cannot be written, lines go to standard error alone. Warnings and errors also go to
 * standard error unless quiet; info needs -v, debug -vv, trace -vvv there. Process-wide by nature. */
#ifndef CORE_LOG_H
#define CORE_LOG_H
#include "core/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_TRACE };

/* The file dir/name (made 0644, rotated if over LIMIT_LOG_FILE). dir is borrowed until log_close. */
CHECKED bool log_open(int dir, const char *name, struct err *e);
void log_close(void);

/* file: what reaches the file (default INFO). terminal: what reaches standard error (default WARN). */
void log_levels(enum log_level file, enum log_level terminal);

/* Lines for the terminal go to fn instead of standard error (the live view redraws around them). */
void log_terminal(void (*fn)(void *ctx, enum log_level level, const char *line), void *ctx);

/* What the file gets, by its level, goes to fn too, without the time: "WARN  [firefox] sentence". NULL: no.
 */
void log_copy(void (*fn)(enum log_level level, const char *line));
/* For log_copy: to the system's log by syslog(3), as daybreak of facility daemon. What it fails to take is
 * lost without a word: the file has it. */
void log_syslog(enum log_level level, const char *line);

/* The item that lines from now on speak of; NULL for none. Copied. */
void log_item(const char *item);

/* From now on s (at least 4 bytes) is written as "•••" wherever it stands in a line. Copied. */
void log_secret(const char *s);
/* Redact registered secrets, and the user:password@ of URLs, in place. */
void log_redact(char *s);

void log_write(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);
#endif
