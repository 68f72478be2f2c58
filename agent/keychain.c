/* keychain: one question for the list, one for each candidate, each to a child of its own.
 *
 * Invariants: all or nothing: when a tool cannot be asked, nothing is adopted, because what it would have
 * refused is not known. The tool gets a file that we wrote, in a folder that only we can enter, and never
 * what stands in the keychain as a path or an option.
 *
 * Surprises: `find-certificate` exits with 44 when a keychain holds none. `verify-cert` calls a chain bad
 * when its end is not an authority unless it is told so (-l); -L and -R offline keep it from asking the
 * network, which may be what is missing. */
#include "agent/keychain.h"
#include "core/buf.h"
#include "core/child.h"
#include "core/crypto.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include <unistd.h>

#define SECURITY "/usr/bin/security"
#define SYSTEM   "/Library/Keychains/System.keychain"
#define FOLDER   ".keychain-" /* then the process that made it, "-" and what is free */
#define FILE_IN  "certificate.pem"
enum { ASK_MS = 10000, NONE_THERE = 44 };

struct question {
    struct arena *a;
    struct loop *loop;
    const char *tool;
    const char *folder; /* absolute path of dir */
    int dir;
    struct keychain_authority found[LIMIT_KEYCHAIN_CERTIFICATES];
    size_t seen, count;
    struct buf pem;
    bool failed;
    struct err why;
};

/* Exit status, or -1: it did not start, was killed or took too long. */
static int ask(struct question *q, const char *const *argv, struct buf *out)
{
    struct child_end end;
    char how[64];
    const struct child_spec spec = {.argv = argv, .dir = -1, .timeout_ms = ASK_MS, .out = out};
    if (!child_run(q->loop, &spec, &end, &q->why))
        return -1;
    if (end.exit_code < 0)
        err_set(&q->why, ERR_CHILD, CAUSE_NONE, "%s %s", argv[1], child_end_text(&end, how, sizeof how));
    return end.exit_code;
}

/* --- the private folder --------------------------------------------------------------------------------- */

/* What a process left that was killed. */
static bool stale(void *ctx, const char *name, const struct stat *st)
{
    const int *dir = ctx;
    struct err e;
    int64_t pid = 0;
    if (!text_starts(name, FOLDER) || !S_ISDIR(st->st_mode))
        return true;
    const char *digits = name + strlen(FOLDER);
    char number[24];
    snprintf(number, sizeof number, "%.*s", (int)strcspn(digits, "-"), digits);
    if (text_int(number, 1, INT32_MAX, &pid) && os_process_start((pid_t)pid) == 0 &&
        !files_remove(*dir, name, &e))
        log_debug("%s", e.text);
    return true;
}

static bool folder_in(struct question *q, int dir, const char *path, char *name, size_t size)
{
    char prefix[48];
    if (dir < 0)
        return false;
    struct err e;
    if (!files_list(dir, "", stale, &dir, &e))
        log_debug("%s", e.text);
    snprintf(prefix, sizeof prefix, FOLDER "%ld-", (long)getpid());
    q->dir = files_temp_dir(dir, "", prefix, name, size, &q->why);
    q->folder = arena_printf(q->a, "%s/%s", path, name);
    return q->dir >= 0;
}

/* --- certificates --------------------------------------------------------------------------------------- */

/* Does the system trust it for TLS servers? */
static bool accepted(struct question *q, const struct crypto_certificate *c)
{
    const char *const argv[] = {
        q->tool,   "verify-cert", "-l",  "-L", "-R",
        "offline", "-p",          "ssl", "-c", arena_printf(q->a, "%s/" FILE_IN, q->folder),
        NULL};
    int code = -1;
    int fd = files_create(q->dir, FILE_IN, 0600, &q->why);
    if (fd >= 0 && files_write(fd, c->pem, c->pem_len, &q->why))
        code = ask(q, argv, NULL);
    if (fd >= 0)
        close(fd);
    struct err e;
    if (fd >= 0 && !files_remove(q->dir, FILE_IN, &e) && code >= 0) {
        q->why = e;
        code = -1;
    }
    q->failed = code < 0;
    return code == 0;
}

static bool known(const struct keychain_authority *all, size_t count, const char *sha256)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].sha256, sha256) == 0)
            return true;
    return false;
}

static bool candidate(void *ctx, const struct crypto_certificate *c)
{
    struct question *q = ctx;
    if (q->seen++ == LIMIT_KEYCHAIN_CERTIFICATES) {
        log_warn("System keychain: more than %d certificates; the rest is not looked at",
                 LIMIT_KEYCHAIN_CERTIFICATES);
        return false;
    }
    if (!c->authority || known(q->found, q->count, c->sha256))
        return true;
    if (!c->in_date || !accepted(q, c)) {
        if (!q->failed)
            log_debug("System keychain: not adopted (%s): %s, SHA-256 %s",
                      c->in_date ? "the system does not trust it" : "not in date", c->subject, c->sha256);
        return !q->failed;
    }
    q->failed = !buf_append(&q->pem, c->pem, c->pem_len, &q->why);
    q->found[q->count++] =
        (struct keychain_authority){arena_strdup(q->a, c->subject), arena_strdup(q->a, c->sha256)};
    return !q->failed;
}

static bool list(struct question *q, struct buf *out)
{
    const char *const argv[] = {q->tool, "find-certificate", "-a", "-p", SYSTEM, NULL};
    int code = ask(q, argv, out);
    if (code > 0 && code != NONE_THERE)
        err_set(&q->why, ERR_CHILD, CAUSE_NONE, "find-certificate exited with %d", code);
    else if (code >= 0 && out->len == out->max)
        err_set(&q->why, ERR_LIMIT, CAUSE_LIMIT, "more than %zu bytes of certificates", out->max);
    else
        return code >= 0;
    return false;
}

/* In our folder where we may write there; else where everybody may, as before the first run. */
static bool make_folder(struct question *q, const struct target *t, char *name, size_t size, int *above)
{
    const char *shared = access("/private/tmp", X_OK) == 0 ? "/private/tmp" : "/tmp";
    *above = t->state;
    if (folder_in(q, t->state, target_path(q->a, t, TARGET_STATE), name, size))
        return true;
    *above = t->data;
    if (t->data_path != NULL && folder_in(q, t->data, target_path(q->a, t, t->data_path), name, size))
        return true;
    *above = files_root(shared, false, &q->why);
    return folder_in(q, *above, shared, name, size);
}

static bool adopt(struct question *q, const struct target *t)
{
    struct buf out;
    struct err e;
    char name[LIMIT_NAME + 1];
    int above = -1;
    buf_init(&out, LIMIT_ROOTS);
    bool ok = list(q, &out) && (out.len == 0 || make_folder(q, t, name, sizeof name, &above));
    if (ok && out.len > 0)
        crypto_certificates(out.data, out.len, candidate, q);
    if (q->dir >= 0) {
        close(q->dir);
        if (!files_remove(above, name, &e))
            log_warn("%s", e.text);
    }
    if (above >= 0 && above != t->state && above != t->data)
        close(above);
    buf_release(&out);
    return ok && !q->failed;
}

/* --- the interface -------------------------------------------------------------------------------------- */

static void tell(const struct keychain *before, const struct keychain *now)
{
    if (now->failure != NULL && (before->failure == NULL || strcmp(before->failure, now->failure) != 0))
        log_warn("System keychain: its certification authorities are not adopted: %s", now->failure);
    for (size_t i = 0; i < now->count; i++)
        if (!known(before->authorities, before->count, now->authorities[i].sha256))
            log_info("System keychain: adopted %s, SHA-256 %s", now->authorities[i].subject,
                     now->authorities[i].sha256);
}

void keychain_ask(struct keychain *k, struct arena *a, struct loop *l, const struct options *o,
                  const struct target *t)
{
    const struct keychain before = *k;
    if (o->tools == NULL && !os_is_darwin())
        return;
    struct question *q = arena_alloc(a, sizeof *q);
    q->a = a;
    q->loop = l;
    q->dir = -1;
    q->tool = o->tools != NULL ? arena_printf(a, "%s/security", o->tools) : SECURITY;
    buf_init(&q->pem, LIMIT_ROOTS);
    bool ok = adopt(q, t);
    *k = (struct keychain){.asked = true};
    if (!ok)
        k->failure = arena_strdup(a, q->why.text);
    if (ok && q->count > 0) {
        k->authorities = q->found;
        k->count = q->count;
        k->pem = arena_strdup(a, buf_str(&q->pem));
    }
    buf_release(&q->pem);
    tell(&before, k);
}
