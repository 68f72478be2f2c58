/* err: what went wrong, in one sentence, carried upwards by value.
 *
 * Every function that can fail returns bool (or a descriptor, or a pointer) and takes a struct err * last.
 * The error is written once, where it happened; callers wrap it with what they were doing and the top
 * prints it once: "manifest site_default: GET https://…: TLS: certificate expired".
 * A struct err owns nothing: copy it, put it on the stack, never free it. On success it is untouched. */
#ifndef CORE_ERR_H
#define CORE_ERR_H
#include <stdbool.h>
#include <stddef.h>

#if defined(__GNUC__)
#define CHECKED         __attribute__((warn_unused_result))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define NORETURN        __attribute__((noreturn))
#else
#define CHECKED
#define PRINTF(fmt, va)
#define NORETURN
#endif

/* What a caller may branch on. Few on purpose. */
enum err_kind {
    ERR_NONE,
    ERR_NOT_FOUND, /* the thing named is not there (ENOENT, 404, 410): may be an answer, not a fault */
    ERR_NET,       /* the network or the server failed: worth another run */
    ERR_REFUSED,   /* the server or our own policy says no: another try will say no again */
    ERR_TRUST,     /* proof failed: hash, signature, team, index, plain http */
    ERR_FORMAT,    /* bytes from outside are not what they should be */
    ERR_LIMIT,     /* bytes from outside exceed a named maximum (core/limits.h) */
    ERR_SPACE,     /* the volume is full or will be */
    ERR_SYS,       /* the operating system refused: errno is in code */
    ERR_CHILD,     /* a child exited non-zero (code), died by a signal (-signal) or could not start (-1000) */
    ERR_TIMEOUT,   /* a bound on waiting passed */
    ERR_STOPPED,   /* the user or launchd asked us to stop */
    ERR_USAGE,     /* options or preferences are wrong */
    ERR_INTERNAL   /* an invariant of ours broke */
};

/* The class of cause that status.json, reports and technicians see. Names: err_cause_name(). */
enum cause {
    CAUSE_NONE,
    CAUSE_DNS,
    CAUSE_TCP,
    CAUSE_TLS,
    CAUSE_TLS_UNTRUSTED,
    CAUSE_CLOCK,
    CAUSE_CAPTIVE,
    CAUSE_PROXY_AUTH,
    CAUSE_HTTP_4XX,
    CAUSE_HTTP_5XX,
    CAUSE_STALL,
    CAUSE_HASH,
    CAUSE_SIZE,
    CAUSE_SIGNATURE,
    CAUSE_TEAM_ID,
    CAUSE_DISK,
    CAUSE_FORMAT,
    CAUSE_LIMIT,
    CAUSE_SCRIPT,
    CAUSE_INSTALLER,
    CAUSE_POSTCONDITION,
    CAUSE_LOOP,
    CAUSE_PROFILE,
    CAUSE_PRIVACY,
    CAUSE_TIMEOUT,
    CAUSE_DEPENDENCY,
    CAUSE_STOPPED,
    CAUSE_INTERNAL,
    CAUSE_COUNT
};

/* Exit codes of the program: an interface (docs/daybreak.8). */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_PREFLIGHT = 1, /* also: what was asked of status, why, pkg, … fails */
    EXIT_ITEMS = 2,
    EXIT_CRITICAL = 3,
    EXIT_PENDING = 4,
    EXIT_LOCKED = 5,
    EXIT_DEADLINE = 6,
    EXIT_TRUST = 7,
    EXIT_NO_DECISION = 8,
    EXIT_MEMORY = 71,
    EXIT_DIRECTORIES = 101,
    EXIT_SIGINT = 130,
    EXIT_SIGTERM = 143,
    EXIT_UNAVAILABLE = 150,
    EXIT_USAGE = 200,
    EXIT_NOT_ROOT = 201
};

#define ERR_TEXT_MAX 1024

struct err {
    enum err_kind kind;
    enum cause cause;
    int code;                /* errno, HTTP status or exit status, by kind; 0 if there is none */
    char text[ERR_TEXT_MAX]; /* UTF-8, no trailing newline or full stop; control bytes already escaped */
};

/* Set *e (which may be NULL) and return false, so that "return err_set(e, …)" reads well. */
bool err_set(struct err *e, enum err_kind kind, enum cause cause, const char *fmt, ...) PRINTF(4, 5);

/* The same from errno: kind NOT_FOUND for ENOENT and ENOTDIR, SPACE for ENOSPC and EDQUOT, else SYS; the
 * cause is disk for space and input/output errors, else internal; ": strerror" is appended. */
bool err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Put "fmt: " before the text of a set error; kind, cause and code stay. Returns false. */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* "tls_untrusted"; never NULL. */
const char *err_cause_name(enum cause cause);

/* One suggestion for a technician, e.g. "check the clock: sudo sntp -sS time.apple.com"; "" for NONE. */
const char *err_suggestion(enum cause cause);

/* "2 some items failed, were refused or blocked": the meaning of an exit code, without the number. */
const char *err_exit_meaning(int code);
#endif
