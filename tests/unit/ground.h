/* ground: a scratch folder with a root, a repository and plists in it, for the tests of agent/. */
#ifndef TESTS_UNIT_GROUND_H
#define TESTS_UNIT_GROUND_H
#include "agent/facts.h"
#include "agent/prefs.h"
#include "agent/target.h"
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/text.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PLIST(body)                                                                                          \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                           \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "                                                \
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"                                                  \
    "<plist version=\"1.0\">" body "</plist>\n"
#define DICT(body)  PLIST("<dict>" body "</dict>")
#define KEY(k, v)   "<key>" k "</key>" v
#define STR(s)      "<string>" s "</string>"
#define ARRAY(body) "<array>" body "</array>"

static char ground_path[64];
static int ground; /* the scratch folder */
static struct arena *memory;
static struct loop *loop;
static struct err e;
static struct options o;
static struct target target;
static struct prefs prefs;
static struct facts facts;

static inline const char *ground_at(const char *path)
{
    return arena_printf(memory, "%s/%s", ground_path, path);
}

static inline void ground_put(const char *path, const char *text)
{
    if (!files_replace(ground, path, text, strlen(text), 0644, FILES_LAZY, &e))
        fail_msg("%s", e.text);
}

static inline bool ground_has(const char *path)
{
    struct stat st;
    return files_stat(ground, path, &st, &e);
}

static inline int ground_up(void **state)
{
    (void)state;
    log_levels(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR);
    snprintf(ground_path, sizeof ground_path, "/tmp/test_ground.XXXXXX");
    memory = arena_open();
    loop = loop_open();
    if (mkdtemp(ground_path) == NULL)
        return -1;
    ground = files_root(ground_path, false, &e);
    memset(&o, 0, sizeof o);
    o.command = "check";
    o.root = ground_at("root");
    o.root_given = true;
    o.force = arena_array(memory, 1, sizeof *o.force);
    memset(&target, 0, sizeof target);
    return ground < 0;
}

static inline int ground_down(void **state)
{
    (void)state;
    target_close(&target);
    close(ground);
    loop_free(loop);
    arena_free(memory);
    int up = files_root("/tmp", false, &e);
    bool gone = files_remove(up, text_basename(ground_path), &e);
    close(up);
    return !gone;
}

/* The target, its preferences and its directories, as a command opens them. */
static inline void ground_open(void)
{
    if (!target_open(memory, &o, &target, &e) || !prefs_load(memory, &o, target.root, loop, &prefs, &e) ||
        !target_dirs(memory, &o, &prefs, TARGET_RUN, &target, &e) ||
        !facts_load(memory, &o, &target, loop, &facts, &e))
        fail_msg("%s", e.text);
}
#endif
