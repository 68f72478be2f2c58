/* install: one item, start to finish: scripts and payload by kind. The table of kinds is in install.c. */
#ifndef INSTALLER_INSTALL_H
#define INSTALLER_INSTALL_H
#include "core/loop.h"
#include "manifests/plan.h"

/* state below, relative to the target volume */
#define INSTALL_STATE "Library/Daybreak"

struct install_env {
    struct loop *loop;
    int root;              /* target volume */
    const char *root_path; /* its absolute path */
    bool live;             /* target is this Mac's /: Apple's installer is the engine for packages */
    bool run_scripts;
    bool as_root; /* effective uid 0: owners are applied */
    int state;    /* ROOT/Library/Daybreak, on the target volume: staging and bookkeeping live here */
    int cache;    /* the Cache directory */
    const char *cache_path; /* its absolute path, for tools that need a path */
    const char *tools;      /* --tools DIR, or NULL: Apple's */
    const struct value *facts;
    bool allow_missing_hash;
    bool install_rosetta;     /* where a package needs it (rosetta.h) */
    uint64_t item_timeout_ms; /* of one install step where the pkginfo names none; 0: an hour */
    /* a foreign child is about to work: journal it. May be NULL. */
    void (*child_started)(void *ctx, pid_t pid, const char *what);
    /* 0..100, -1 unknown; phase: "Writing files" … May be NULL. */
    void (*progress)(void *ctx, int percent, const char *phase);
    void *ctx;
};

enum install_end {
    INSTALL_OK,
    INSTALL_SKIPPED_SCRIPTS, /* nothing but script, and scripts are not run: state skipped */
    INSTALL_WAITING          /* a profile's gate is not open (reason says what is waited for) */
};

struct install_signature { /* of the package that was installed, or refused */
    char status[16];       /* signed untrusted expired invalid unsigned; "": none was judged */
    char team_id[16];      /* what the signer's certificate claims; "" none */
    char why[384];         /* a sentence */
    bool is_signed;
};

struct install_awaited { /* a profile that only MDM can install, "" when none is waited for */
    char identifier[256], uuid[64];
    char mdm_only[128]; /* a payload type of it that no user can install; "" */
};

struct install_outcome {
    enum install_end end;
    bool scripts_skipped; /* payload installed, its scripts not executed */
    bool restart;         /* the package or RestartAction asks for a restart */
    int code;             /* exit status for Install.log when failed */
    char reason[512];     /* waiting for what; what was dropped (set-id bits, …); "" */
    struct install_signature signature;
    struct install_awaited awaits;
    char step[32]; /* where it failed: preinstall, install, postinstall, remove, … */
};

/* Do p. package: descriptor of the proved file in Cache (-1 for nopkg), package_name its name there; the very
 * descriptor is read from, its path only handed to tools that cannot take one. On failure *e has the
 * sentence. */
CHECKED bool install_item(const struct install_env *env, const struct pkginfo *p, int package,
                          const char *package_name, struct install_outcome *out, struct err *e);

/* Carry out a removal of InstallInfo (10.4). entry: its dictionary; uninstaller as package above, or -1. */
CHECKED bool install_remove(const struct install_env *env, const struct pkginfo *p, const struct value *entry,
                            int uninstaller, const char *uninstaller_name, struct install_outcome *out,
                            struct err *e);

/* Leftovers of a killed run: staging folders, mounted images. Called under the lock at the start of a run. */
void install_recover(const struct install_env *env);

/* Does an application of p block it now? name: the first that does (in a static buffer). */
bool install_blocked(const struct install_env *env, const struct pkginfo *p, const char **name);

/* The program as worker: argv of main after "--worker KIND". Returns the exit status. See worker.h. */
int install_worker(const char *kind);
#endif
