/* watchers: see the header. SplashBuddy's packageName must equal, byte for byte, what splashbuddy_name makes
 * of an item's name for display. Mach-O: a fat header (big-endian, a processor every 20 bytes) or a thin one;
 * Apple's <mach-o/fat.h>. */
#include "agent/watchers.h"
#include "agent/splashbuddy.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "manifests/props.h"
#include "manifests/version.h"

#define ROSETTA "Library/Apple/usr/libexec/oah"

static const struct value *plist(struct arena *a, int root, const char *path)
{
    struct err e;
    struct buf b;
    const struct value *v = NULL;
    buf_init(&b, LIMIT_PLIST);
    if (files_read(root, path, &b, &e)) {
        v = props_decode(a, buf_str(&b), b.len, &e);
    }
    buf_release(&b);
    return v != NULL && value_type(v) == VALUE_DICT ? v : NULL;
}

static uint32_t word(const unsigned char *p, bool big)
{
    return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static const char *processor(uint32_t cpu)
{
    return cpu == 0x0100000c   ? "arm64"
           : cpu == 0x01000007 ? "x86_64"
           : cpu == 7          ? "i386"
           : cpu == 18         ? "ppc"
                               : "others";
}

/* The processors that the program is made for, as text, or an empty one when it is no Mach-O file or not
 * there. */
static void processors(char *out, size_t size, int root, const char *path)
{
    unsigned char head[4096];
    struct err e;
    int fd = files_open(root, path, &e);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : -1;
    out[0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    if (n < 8) {
        return;
    }
    if (word(head, true) == 0xcafebabe) {
        for (uint32_t i = 0; i < word(head + 4, true) && i < 8 && 12 + 20 * (size_t)i <= (size_t)n; i++) {
            size_t used = strlen(out);
            snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "",
                     processor(word(head + 8 + 20 * i, true)));
        }
    } else if (word(head, false) == 0xfeedfacf || word(head, false) == 0xfeedface) {
        snprintf(out, size, "%s", processor(word(head + 4, false)));
    }
}

static void program(struct arena *a, int root, const struct facts *f, const char *app, const char *name)
{
    char made[128];
    struct stat st;
    const char *path = arena_printf(a, "%s/%s.app/Contents/Info.plist", app, name);
    const struct value *info = plist(a, root, path);
    const char *least = info != NULL ? props_str(info, "LSMinimumSystemVersion") : NULL;
    if (least != NULL && f->os_version != NULL && version_compare(least, f->os_version) > 0) {
        log_warn("%s cannot run on this Mac and will show nothing: it needs macOS %s, this is %s", name,
                 least, f->os_version);
        return;
    }
    processors(made, sizeof made, root, arena_printf(a, "%s/%s.app/Contents/MacOS/%s", app, name, name));
    if (made[0] == '\0' || f->arch == NULL || strstr(made, f->arch) != NULL) {
        return;
    }
    bool translated = strcmp(f->arch, "arm64") == 0 && strstr(made, "x86_64") != NULL;
    if (!translated || fstatat(root, ROSETTA, &st, 0) != 0) {
        log_warn("%s cannot run on this Mac and will show nothing: it is made for %s, this is %s%s", name,
                 made, f->arch, translated ? " without Rosetta" : "");
    }
}

static void add(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s\"%s\"", used > 0 ? ", " : "", name);
}

static bool shown_as(const struct progress_item *it, const char *name)
{
    char row[65];
    splashbuddy_name(row, it->display_name);
    return !it->removal && strcmp(row, name) == 0;
}

static void rows(struct arena *a, int root, const struct progress_run *r)
{
    char dead[600] = "", absent[600] = "", twice[600] = "", row[65];
    const struct value *d = plist(a, root, "Library/Managed Preferences/io.fti.SplashBuddy.plist");
    if (d == NULL || props_array(d, "applicationsArray") == NULL) {
        d = plist(a, root, "Library/Preferences/io.fti.SplashBuddy.plist");
    }
    const struct value *list = d != NULL ? props_array(d, "applicationsArray") : NULL;
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *one = value_at(list, i);
        const char *name = value_type(one) == VALUE_DICT ? props_str(one, "packageName") : NULL;
        bool known = name == NULL;
        for (int k = 0; k < r->count && !known; k++) {
            known = shown_as(&r->items[k], name);
        }
        if (!known) {
            add(dead, sizeof dead, name);
        }
    }
    for (int k = 0; k < r->count && list != NULL; k++) {
        bool known = r->items[k].removal, before = false;
        splashbuddy_name(row, r->items[k].display_name);
        for (size_t i = 0; i < value_count(list) && !known; i++) {
            const struct value *one = value_at(list, i);
            const char *name = value_type(one) == VALUE_DICT ? props_str(one, "packageName") : NULL;
            known = name != NULL && strcmp(name, row) == 0;
        }
        for (int j = 0; j < k && !r->items[k].removal && !before; j++) {
            before = shown_as(&r->items[j], row);
        }
        if (!known) {
            add(absent, sizeof absent, row);
        }
        if (before) {
            add(twice, sizeof twice, row);
        }
    }
    if (dead[0] != '\0') {
        log_warn("SplashBuddy: no item of the plan is ever called %s: such a row of applicationsArray stays "
                 "as it is",
                 dead);
    }
    if (absent[0] != '\0') {
        log_warn("SplashBuddy: applicationsArray has no packageName %s: what becomes of it is not shown",
                 absent);
    }
    if (twice[0] != '\0') {
        log_warn("SplashBuddy: two items are both called %s there: their row shows whichever came last",
                 twice);
    }
}

void watchers_check(int root, const struct prefs *p, const struct facts *f, const struct progress_run *r)
{
    struct arena *a = arena_open();
    if (p->splashbuddy_log != NULL) {
        program(a, root, f, "Library/Application Support/SplashBuddy", "SplashBuddy");
        rows(a, root, r);
    }
    if (p->depnotify_file != NULL) {
        program(a, root, f, "Applications/Utilities", "DEPNotify");
    }
    if (p->dialog_command_file != NULL || p->dialog_trigger_file != NULL) {
        program(a, root, f, "Library/Application Support/Dialog", "Dialog");
    }
    arena_free(a);
}
