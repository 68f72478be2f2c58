/* os: all that differs between operating systems. os_linux.c and os_darwin.c implement it, nobody else
 * looks. Nothing here decides anything. */
#ifndef CORE_OS_H
#define CORE_OS_H
#include "core/arena.h"
#include <spawn.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

enum os_sync_level {
    OS_SYNC_ORDER, /* before anything later (F_BARRIERFSYNC, fdatasync) */
    OS_SYNC_MEDIUM /* on the medium (F_FULLFSYNC, fsync) */
};
CHECKED bool os_sync(int fd, enum os_sync_level level, struct err *e);
CHECKED bool os_sync_volume(int fd, struct err *e); /* all of fd's volume: one barrier per package */

bool os_is_darwin(void);
const char *os_self(struct arena *a); /* absolute path of the running program */

/* When did process pid start (any unit that is stable for its lifetime)? 0: there is no such process.
 * With the pid it names one process, also after pids are used again. */
uint64_t os_process_start(pid_t pid);

/* Call fn with the executable path of every process we may see; for an interpreter that runs a script by its
 * absolute path, fn is called for that path too. fn returns false to stop. */
void os_processes(bool (*fn)(void *ctx, pid_t pid, const char *path), void *ctx);

/* A pipe, reading end first, both ends close-on-exec. */
CHECKED bool os_pipe(int ends[2], struct err *e);

/* Who is at the other end of a connected Unix socket. */
CHECKED bool os_peer_uid(int fd, uid_t *uid, struct err *e);
/* The listening sockets that launchd made for us under that name in the job's Sockets, set not to block;
 * returns how many (0 when launchd did not start us, and on other systems). They belong to the caller. */
size_t os_activated_sockets(const char *name, int *fds, size_t max);

/* Let a spawned child inherit no descriptor from first on, as far as the platform can. Called when all other
 * actions are there; the result is to be added to the flags of posix_spawnattr_setflags. */
short os_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

/* What the system says about the preferences of each domain (CFPreferences), given to out once as an XML
 * property list: an array with a dictionary for each domain: "domain", "managed" (those of keys that a
 * profile forces), "local" (/Library/Preferences) and, asked by root, "byhost" and "root". Loads
 * CoreFoundation and frees nothing: for a process that does nothing else. ERR_NOT_FOUND where a system has
 * no such preferences. */
CHECKED bool os_preferences(const char *const *domains, size_t domain_count, const char *const *keys,
                            size_t key_count, bool (*out)(void *ctx, const void *p, size_t n), void *ctx,
                            struct err *e);

uint64_t os_monotonic_ms(void);
void os_realtime(time_t *seconds, int *ms);
/* From now on it is this time, until the next call; negative: the machine's own again. For loop_clock. */
void os_realtime_fix(int64_t unix_ms);
void os_random(void *p, size_t n); /* cannot fail: ends the process if the system has none */

/* Extended attributes on a descriptor. Where there are none get fails with ERR_NOT_FOUND and set with
 * ERR_SYS. */
CHECKED bool os_xattr_get(int fd, const char *name, void *p, size_t *len, struct err *e);
CHECKED bool os_xattr_set(int fd, const char *name, const void *p, size_t len, struct err *e);

/* n bytes of memory that will all be used, all zero, most of them in pages of OS_LARGE_PAGE bytes where the
 * machine has such; NULL when there is none left. The kernel clears and enters a large page several times
 * faster than the small ones in its place. */
#define OS_LARGE_PAGE ((size_t)2 << 20)
void *os_pages(size_t n);
void os_pages_free(void *p, size_t n); /* n as it was asked for */

/* The bytes from address at on will all be used (written to when write) right away. A hint: their pages may
 * then come in one go and not by a fault each, which is a tenth of the time that a decision takes. */
void os_populate(uintptr_t at, size_t n, bool write);

/* When st's file was last written, to the nanosecond (POSIX names the member, Apple another). */
struct timespec os_mtime(const struct stat *st);
struct timespec os_ctime(const struct stat *st); /* the same of its inode, which nobody can set back */

#define OS_BOOT_MAX 64
/* What this boot of the machine is called; "" where that cannot be known. */
void os_boot(char out[OS_BOOT_MAX]);

/* BSD file flags (uchg …): clear what would stop a removal. Without such flags: does nothing. */
void os_clear_flags(int dir, const char *name);

/* nodename, machine, kernel release and version as uname gives them (on a Mac under Rosetta, the truth). */
struct os_uname {
    char node[256], machine[64], release[128], version[512];
};
void os_uname_get(struct os_uname *u);

/* A cage: what a process keeps of its rights when it is to handle foreign bytes. Descriptors that are open
 * stay usable; nothing can be started, connected, traced or signalled any more, and no rights come back.
 * Limits of 0 are none. */
struct os_cage {
    bool unpacks;    /* false: no file can be opened either, and root becomes nobody. true: files can be made
                      * and opened beneath directory alone, and root keeps what setting owners needs */
    int directory;   /* open; used when unpacks */
    uint64_t memory; /* address space, bytes (not under a sanitizer, which needs more) */
    uint64_t cpu_s;  /* seconds of processor time, then it is killed */
    uint64_t file_size; /* bytes of the largest file it may write */
};
#define OS_CAGE_MISSING 128

/* Enter it, for good. What the platform lacks of it is named in missing ("" when nothing; "landlock, chroot")
 * and is not an error. Fails when root could not give up its rights: then nothing foreign may be touched. */
CHECKED bool os_cage_enter(const struct os_cage *cage, char missing[OS_CAGE_MISSING], struct err *e);
#endif
