/* volume: a target volume in a temporary folder, and what the tests of installer/ need around it. */
#ifndef TESTS_UNIT_VOLUME_H
#define TESTS_UNIT_VOLUME_H
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/install.h"
#include "installer/worker.h"
#include "manifests/pkginfo.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

static char volume_path[] = "/tmp/test_volume.XXXXXX";
static int volume; /* its root */
static struct loop *volume_loop;
static struct arena *memory;
static struct err e;
static struct install_env env;
static char volume_cache[64];

static inline int volume_up(void **state)
{
    (void)state;
    log_levels(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR);
    memory = arena_open();
    volume_loop = loop_open();
    if (!mkdtemp(volume_path))
        return -1;
    volume = files_root(volume_path, false, &e);
    snprintf(volume_cache, sizeof volume_cache, "%s/%s/Cache", volume_path, INSTALL_STATE);
    env = (struct install_env){
        .loop = volume_loop,
        .root = volume,
        .root_path = volume_path,
        .run_scripts = true,
        .as_root = geteuid() == 0,
        .state = files_dir(volume, INSTALL_STATE, true, 0755, &e),
        .cache = files_dir(volume, INSTALL_STATE "/Cache", true, 0700, &e),
        .cache_path = volume_cache,
    };
    return volume < 0 || env.state < 0 || env.cache < 0;
}

static inline int volume_down(void **state)
{
    (void)state;
    close(env.cache);
    close(env.state);
    close(volume);
    loop_free(volume_loop);
    arena_free(memory);
    int top = files_root("/tmp", false, &e); /* below "/" the path would mean /private/tmp */
    bool ok = files_remove(top, text_basename(volume_path), &e);
    close(top);
    return !ok;
}

static inline void put_mode(const char *path, const char *text, mode_t mode)
{
    if (!files_replace(volume, path, text, strlen(text), mode, FILES_LAZY, &e))
        fail_msg("%s", e.text);
}

static inline void put(const char *path, const char *text)
{
    put_mode(path, text, 0644);
}

static inline bool there(const char *path)
{
    struct stat st;
    return files_stat(volume, path, &st, &e);
}

static inline mode_t mode_of(const char *path)
{
    struct stat st;
    if (!files_stat(volume, path, &st, &e))
        fail_msg("%s", e.text);
    return st.st_mode & 07777;
}

static inline const char *text_of(const char *path)
{
    struct buf b;
    buf_init(&b, LIMIT_MB);
    const char *text = files_read(volume, path, &b, &e) ? arena_strdup(memory, buf_str(&b)) : "(none)";
    buf_release(&b);
    return text;
}

static inline void link_to(const char *target, const char *path)
{
    const char *name;
    int dir = files_parent(volume, path, true, &name, &e);
    assert_true(dir >= 0);
    assert_int_equal(symlinkat(target, dir, name), 0);
    close(dir);
}

/* The inside of a dictionary, as a property list. */
static inline const char *plist(const char *inside)
{
    return arena_printf(
        memory,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>%s</dict></plist>\n",
        inside);
}

static inline const struct value *dict(const char *inside)
{
    const char *text = plist(inside);
    const struct value *v = props_decode(memory, text, strlen(text), &e);
    if (!v)
        fail_msg("%s", e.text);
    return v;
}

/* A pkginfo "thing" 2.0 with these keys besides. */
static inline struct pkginfo *item(const char *inside)
{
    const char *warning = NULL;
    const struct value *v = dict(arena_printf(
        memory, "<key>name</key><string>thing</string><key>version</key><string>2.0</string>%s", inside));
    struct pkginfo *p = pkginfo_decode(memory, v, "test", 0, &warning, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

/* A sample of the shared folder, or NULL (the test then skips, saying so). */
static inline const char *shared(const char *path)
{
    const char *base = getenv("DAYBREAK_SHARED");
    const char *full = arena_printf(memory, "%s/%s", base ? base : "../shared", path);
    if (access(full, R_OK) == 0)
        return full;
    printf("skipped: no %s\n", full);
    return NULL;
}

/* Copy a file from outside into Cache; its descriptor. */
static inline int cached(const char *from, const char *name)
{
    struct buf b;
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    buf_init(&b, 64 * LIMIT_MB);
    if (fd < 0 || !files_read_fd(fd, &b, &e) ||
        !files_replace(env.cache, name, b.data, b.len, 0600, FILES_LAZY, &e))
        fail_msg("%s: %s", from, e.text);
    close(fd);
    buf_release(&b);
    return files_open(env.cache, name, &e);
}
#endif
