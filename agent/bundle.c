/* bundle: a property list that is binary is written as XML, so that one redaction of text serves all. What is
 * no text and no property list is left out, and said to be. */
#include "agent/bundle.h"
#include "agent/cmd_config.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include "installer/tar_writer.h"
#include <strings.h>

#define FILE_MAX (32 * LIMIT_MB) /* of one member */
#define MARK     "•••"
enum { FILES_MAX = 2000 };

struct bundle {
    struct doctor *d;
    struct tar_writer *tar;
    struct buf missing, list;
    size_t count;
    const char *folder, *as; /* the one that is walked; its name in the archive */
    bool contents;           /* of its files; false: only their names */
    struct err e;
    bool failed;
};

/* --- redaction ------------------------------------------------------------------------------------------ */

/* Length of the query that begins at p in a URL: up to what cannot stand in one. */
static size_t url_part(const char *p)
{
    return strcspn(p, " \t\r\n\"'<>\\");
}

bool bundle_redact(const char *text, struct buf *out, struct err *e)
{
    static const char authorization[] = "authorization";
    struct buf plain;
    bool ok;
    buf_init(&plain, 2 * FILE_MAX);
    ok = buf_append(&plain, text, strlen(text) + 1, e);
    if (!ok)
        goto done;
    log_redact(plain.data);
    for (const char *p = plain.data; ok && *p != '\0';) {
        size_t n = strlen(authorization);
        if (strncmp(p, "://", 3) == 0) {
            size_t all = url_part(p), before = 3 + strcspn(p + 3, "?");
            if (before < all) {
                ok = buf_append(out, p, before + 1, e) && buf_append(out, MARK, strlen(MARK), e);
                p += all;
                continue;
            }
            ok = buf_append(out, p, 3, e);
            p += 3;
        } else if (strncasecmp(p, authorization, n) == 0 && p[n + strspn(p + n, "\" ")] == ':') {
            n += strspn(p + n, "\" ") + 1;
            n += strspn(p + n, "\" ");
            ok = buf_append(out, p, n, e) && buf_append(out, MARK, strlen(MARK), e);
            p += n + strcspn(p + n, "\r\n\"<\\");
        } else {
            ok = buf_append(out, p, 1, e);
            p++;
        }
    }
done:
    buf_release(&plain);
    return ok;
}

/* --- members -------------------------------------------------------------------------------------------- */

static void lost(struct bundle *b, const char *name, const char *why)
{
    (void)!buf_printf(&b->missing, "%s: %s\n", name, why);
}

static void add(struct bundle *b, const char *name, const char *text, time_t mtime)
{
    struct buf out;
    struct err e;
    if (b->failed)
        return;
    buf_init(&out, 2 * FILE_MAX);
    if (!bundle_redact(text, &out, &e))
        lost(b, name, e.text);
    else
        b->failed = !tar_writer_add(b->tar, name, buf_str(&out), out.len, mtime, &b->e);
    buf_release(&out);
}

static void add_json(struct bundle *b, const char *name, json_t *o)
{
    time_t now;
    int ms;
    char *text = json_dumps(o, JSON_INDENT(2));
    os_realtime(&now, &ms);
    if (text != NULL)
        add(b, name, text, now);
    free(text);
    json_decref(o);
}

/* A file as text: as it is, or a property list made XML. */
static bool as_text(struct bundle *b, struct buf *bytes, struct err *e)
{
    if (bytes->len == 0 || memchr(bytes->data, '\0', bytes->len) == NULL)
        return true;
    const struct value *v = props_decode(b->d->a, bytes->data, bytes->len, e);
    buf_clear(bytes);
    return v != NULL && props_encode(v, bytes, e);
}

static void add_file(struct bundle *b, int dir, const char *path, const char *name)
{
    struct buf bytes;
    struct err e;
    struct stat st;
    if (!files_stat(dir, path, &st, &e)) {
        if (e.kind != ERR_NOT_FOUND)
            lost(b, name, e.text);
        return;
    }
    buf_init(&bytes, FILE_MAX);
    if (!files_read(dir, path, &bytes, &e) || !as_text(b, &bytes, &e))
        lost(b, name, e.text);
    else
        add(b, name, buf_str(&bytes), st.st_mtime);
    buf_release(&bytes);
}

static bool entry(void *ctx, const char *name, const struct stat *st)
{
    struct bundle *b = ctx;
    char when[32];
    const char *path = arena_printf(b->d->a, "%s/%s", b->folder, name);
    const char *as = arena_printf(b->d->a, "%s/%s", b->as, name);
    if (++b->count > FILES_MAX)
        return false;
    text_utc(when, st->st_mtime, -1);
    (void)!buf_printf(&b->list, "%06o %5ld %12lld %s /%s\n", (unsigned)st->st_mode, (long)st->st_uid,
                      (long long)st->st_size, when, path);
    if (S_ISDIR(st->st_mode)) {
        struct err e;
        const char *folder = b->folder, *was = b->as;
        b->folder = path;
        b->as = as;
        if (!files_list(b->d->target.root, path, entry, b, &e))
            lost(b, as, e.text);
        b->folder = folder;
        b->as = was;
    } else if (b->contents && S_ISREG(st->st_mode)) {
        add_file(b, b->d->target.root, path, as);
    }
    return !b->failed;
}

static void walk(struct bundle *b, const char *folder, const char *as, bool contents)
{
    struct err e;
    b->folder = folder + strspn(folder, "/");
    b->as = as;
    b->contents = contents;
    if (!files_list(b->d->target.root, b->folder, entry, b, &e) && e.kind != ERR_NOT_FOUND)
        lost(b, as, e.text);
}

static void everything(struct bundle *b)
{
    static const char *const ours[] = {"status.json", "journal", "holder", "profiles.plist", NULL};
    static const char *const decided[] = {"InstallInfo.plist", "ManagedInstallReport.plist", NULL};
    struct doctor *d = b->d;
    const char *data = d->has_prefs ? d->prefs.managed_install_dir : "/" TARGET_STATE;
    walk(b, TARGET_LOGS, "log", true);
    add_file(b, d->target.root, "private/var/log/daybreak.launchd.log", "log/daybreak.launchd.log");
    for (size_t i = 0; ours[i] != NULL; i++)
        add_file(b, d->target.root, arena_printf(d->a, TARGET_STATE "/%s", ours[i]), ours[i]);
    for (size_t i = 0; decided[i] != NULL; i++)
        add_file(b, d->target.root, arena_printf(d->a, "%s/%s", data, decided[i]), decided[i]);
    walk(b, arena_printf(d->a, "%s/manifests", data), "manifests", true);
    walk(b, data, "", false);
    walk(b, "usr/local/daybreak", "", false);
    if (d->has_prefs)
        add_json(b, "config.json", cmd_config_json(&d->prefs, &d->keychain));
    add_json(b, "doctor.json", doctor_json(d));
}

bool bundle_write(int fd, struct doctor *d, struct err *e)
{
    struct bundle b = {.d = d, .tar = tar_writer_open(fd, e)};
    if (b.tar == NULL)
        return false;
    buf_init(&b.missing, LIMIT_MB);
    buf_init(&b.list, LIMIT_MB);
    everything(&b);
    add(&b, "files.txt", buf_str(&b.list), 0);
    add(&b, "missing.txt", buf_str(&b.missing), 0);
    if (b.failed)
        *e = b.e;
    bool ok = !b.failed && tar_writer_end(b.tar, e);
    tar_writer_free(b.tar);
    buf_release(&b.missing);
    buf_release(&b.list);
    return ok;
}
