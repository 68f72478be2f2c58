/* journal: see the header. Every record is one write followed by a flush, so a torn record can only be the
 * last one; its check does not hold and it is cut off. */
#include "agent/journal.h"
#include "core/buf.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/os.h"
#include "core/text.h"
#include <fcntl.h>

#define COMPACT_AT   (64 * 1024)
#define FIELDS_MAX   8
#define CHECK_DIGITS 8
#define ORPHANS_MAX  64

struct orphan {
    pid_t pid;
    uint64_t start;
    const char *what;
};

struct journal {
    struct arena *arena;
    int state, fd;
    const char *hardware_id;
    struct journal_item *items;
    size_t count, cap;
    struct orphan orphans[ORPHANS_MAX];
    size_t orphan_count;
    bool completed;
    size_t size; /* bytes in the file */
};

/* FNV-1a: it is to tell a torn record, not a forged one (whoever writes here is root). A digest would wake
 * OpenSSL, which takes a third of a start that finds nothing due. */
static void checksum(char out[CHECK_DIGITS + 1], const char *p, size_t n)
{
    uint32_t sum = 2166136261U;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)p[i]) * 16777619U;
    snprintf(out, CHECK_DIGITS + 1, "%08x", (unsigned)sum);
}

static struct journal_item *find(const struct journal *j, const char *name)
{
    for (size_t i = 0; i < j->count; i++) {
        if (strcmp(j->items[i].name, name) == 0) {
            return &j->items[i];
        }
    }
    return NULL;
}

static struct journal_item *obtain(struct journal *j, const char *name)
{
    struct journal_item *it = find(j, name);
    if (it != NULL) {
        return it;
    }
    if (j->count == j->cap) {
        size_t cap = j->cap == 0 ? 64 : j->cap * 2;
        struct journal_item *grown = arena_array(j->arena, cap, sizeof *grown);
        if (j->count > 0) {
            memcpy(grown, j->items, j->count * sizeof *grown);
        }
        j->items = grown;
        j->cap = cap;
    }
    it = &j->items[j->count++];
    *it = (struct journal_item){.name = arena_strdup(j->arena, name), .version = ""};
    return it;
}

static enum journal_outcome outcome_of(const char *word)
{
    static const char *const words[] = {"none", "cut", "ok", "failed", "blocked", "deferred"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (enum journal_outcome)i;
        }
    }
    return JOURNAL_NONE;
}

static const char *word_of(enum journal_outcome o)
{
    static const char *const words[] = {"none", "cut", "ok", "failed", "blocked", "deferred"};
    return words[o];
}

static void set_version(struct journal *j, struct journal_item *it, const char *version, bool removal)
{
    if (strcmp(it->version, version) != 0 || it->removal != removal) {
        it->version = arena_strdup(j->arena, version);
        it->removal = removal;
        it->attempts = 0;
        it->message = NULL;
    }
}

/* The meaning of one record. Unknown kinds are passed over: a newer version wrote them. */
static void apply(struct journal *j, char **f, size_t n)
{
    int64_t number = 0;
    if (strcmp(f[0], "intent") == 0 && n >= 4) {
        struct journal_item *it = obtain(j, f[1]);
        set_version(j, it, f[2], strcmp(f[3], "remove") == 0);
        it->attempts++;
        it->outcome = JOURNAL_CUT;
        it->message = NULL;
    } else if (strcmp(f[0], "result") == 0 && n >= 6) {
        struct journal_item *it = obtain(j, f[1]);
        set_version(j, it, f[2], strcmp(f[3], "remove") == 0);
        it->outcome = outcome_of(f[4]);
        it->message = f[5][0] != '\0' ? arena_strdup(j->arena, f[5]) : NULL;
        if (it->outcome == JOURNAL_OK) {
            it->attempts = 0;
        }
    } else if (strcmp(f[0], "item") == 0 &&
               n >= 7) { /* compacted: name version action outcome attempts message */
        struct journal_item *it = obtain(j, f[1]);
        set_version(j, it, f[2], strcmp(f[3], "remove") == 0);
        it->outcome = outcome_of(f[4]);
        if (text_int(f[5], 0, 1000000, &number)) {
            it->attempts = (int)number;
        }
        it->message = f[6][0] != '\0' ? arena_strdup(j->arena, f[6]) : NULL;
    } else if (strcmp(f[0], "reset") == 0 && n >= 2) {
        for (size_t i = 0; i < j->count; i++) {
            if (f[1][0] == '\0' || strcmp(j->items[i].name, f[1]) == 0) {
                j->items[i].attempts = 0;
                j->items[i].outcome = JOURNAL_NONE;
                j->items[i].message = NULL;
            }
        }
    } else if (strcmp(f[0], "child") == 0 && n >= 4) {
        int64_t start;
        if (text_int(f[1], 1, INT32_MAX, &number) && text_int(f[2], 0, INT64_MAX, &start) &&
            j->orphan_count < ORPHANS_MAX) {
            j->orphans[j->orphan_count++] =
                (struct orphan){(pid_t)number, (uint64_t)start, arena_strdup(j->arena, f[3])};
        }
    } else if (strcmp(f[0], "gone") == 0) {
        j->orphan_count = 0;
    } else if (strcmp(f[0], "complete") == 0) {
        j->completed = true;
    }
}

static void unescape(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        unsigned char byte;
        char hex[3] = {s[0], s[0] != '\0' ? s[1] : '\0', '\0'};
        if (s[0] == '%') {
            hex[0] = s[1];
            hex[1] = s[1] != '\0' ? s[2] : '\0';
            if (text_unhex(&byte, 1, hex) && byte != 0) {
                *to++ = (char)byte;
                s += 2;
                continue;
            }
        }
        *to++ = *s;
    }
    *to = '\0';
}

/* Read line (of n bytes, no newline): does its check hold? Then apply it. line is changed. */
static bool take(struct journal *j, char *line, size_t n, bool *machine)
{
    char sum[CHECK_DIGITS + 1], *fields[FIELDS_MAX];
    size_t count = 0;
    if (n <= CHECK_DIGITS + 1 || line[CHECK_DIGITS] != '\t' || memchr(line, '\0', n) != NULL) {
        return false;
    }
    checksum(sum, line + CHECK_DIGITS + 1, n - CHECK_DIGITS - 1);
    if (memcmp(sum, line, CHECK_DIGITS) != 0) {
        return false;
    }
    line[n] = '\0';
    for (char *p = line + CHECK_DIGITS + 1; p != NULL && count < FIELDS_MAX;) {
        char *tab = strchr(p, '\t');
        if (tab != NULL) {
            *tab++ = '\0';
        }
        unescape(p);
        fields[count++] = p;
        p = tab;
    }
    if (strcmp(fields[0], "machine") == 0 && count >= 2) {
        *machine = strcmp(fields[1], j->hardware_id) == 0;
    } else {
        apply(j, fields, count);
    }
    return true;
}

static bool put(struct journal *j, struct buf *b, struct err *e, const char *kind, ...)
{
    struct buf line;
    va_list va;
    bool ok;
    char sum[CHECK_DIGITS + 1];
    (void)j;
    buf_init(&line, 16 * LIMIT_KB);
    ok = buf_append(&line, kind, strlen(kind), e);
    va_start(va, kind);
    for (const char *f; ok && (f = va_arg(va, const char *)) != NULL;) {
        ok = buf_append(&line, "\t", 1, e);
        for (; ok && *f != '\0'; f++) {
            char hex[4];
            if ((unsigned char)*f < 0x20 || *f == 0x7f || *f == '%') {
                snprintf(hex, sizeof hex, "%%%02x", (unsigned)(unsigned char)*f);
                ok = buf_append(&line, hex, 3, e);
            } else {
                ok = buf_append(&line, f, 1, e);
            }
        }
    }
    va_end(va);
    if (ok) {
        checksum(sum, line.data, line.len);
        ok = buf_append(b, sum, CHECK_DIGITS, e) && buf_append(b, "\t", 1, e) &&
             buf_append(b, line.data, line.len, e) && buf_append(b, "\n", 1, e);
    }
    buf_release(&line);
    return ok;
}

static bool open_end(struct journal *j, struct err *e)
{
    if (j->fd >= 0) {
        close(j->fd);
    }
    j->fd = openat(j->state, "journal", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return j->fd >= 0 || err_sys(e, "journal");
}

static bool compact(struct journal *j, struct err *e)
{
    struct buf b;
    char attempts[16], pid[24], start[24];
    buf_init(&b, LIMIT_JOURNAL);
    bool ok = put(j, &b, e, "machine", j->hardware_id, NULL);
    for (size_t i = 0; ok && i < j->count; i++) {
        const struct journal_item *it = &j->items[i];
        if (it->outcome != JOURNAL_NONE) {
            snprintf(attempts, sizeof attempts, "%d", it->attempts);
            ok = put(j, &b, e, "item", it->name, it->version, it->removal ? "remove" : "install",
                     word_of(it->outcome), attempts, it->message != NULL ? it->message : "", NULL);
        }
    }
    for (size_t i = 0; ok && i < j->orphan_count; i++) {
        snprintf(pid, sizeof pid, "%ld", (long)j->orphans[i].pid);
        snprintf(start, sizeof start, "%llu", (unsigned long long)j->orphans[i].start);
        ok = put(j, &b, e, "child", pid, start, j->orphans[i].what, NULL);
    }
    if (ok && j->completed) {
        ok = put(j, &b, e, "complete", NULL);
    }
    ok = ok && files_replace(j->state, "journal", b.data, b.len, 0600, FILES_DURABLE, e) && open_end(j, e);
    j->size = b.len;
    buf_release(&b);
    return ok;
}

/* The records in b, as far as they are whole: how many bytes that is. */
static size_t replay(struct journal *j, struct buf *b, bool *machine)
{
    size_t at = 0;
    while (at < b->len) {
        char *end = memchr(b->data + at, '\n', b->len - at);
        if (end == NULL || !take(j, b->data + at, (size_t)(end - b->data) - at, machine)) {
            break;
        }
        at = (size_t)(end - b->data) + 1;
    }
    return at;
}

static bool load(struct journal *j, struct err *e)
{
    struct buf b;
    bool ok, machine = true;
    buf_init(&b, LIMIT_JOURNAL);
    ok = files_read(j->state, "journal", &b, e);
    if (!ok && e->kind == ERR_NOT_FOUND) {
        buf_release(&b);
        return compact(j, e);
    }
    if (!ok && e->kind == ERR_LIMIT) {
        log_warn("journal: %s; begun anew, the old one is kept as journal.old", e->text);
        ok = files_rename(j->state, "journal", "journal.old", e);
        buf_release(&b);
        return ok && compact(j, e);
    }
    size_t whole = ok ? replay(j, &b, &machine) : 0;
    if (ok && whole < b.len) {
        log_warn("journal: the last %zu bytes were cut off by a crash and are dropped", b.len - whole);
    }
    size_t length = b.len;
    buf_release(&b);
    if (ok && !machine) {
        log_warn("the state in Library/Daybreak came from another machine; it is kept as journal.other and "
                 "this Mac starts fresh");
        j->items = NULL;
        j->count = j->cap = j->orphan_count = 0;
        j->completed = false;
        struct err ignored;
        ok = files_rename(j->state, "journal", "journal.other", e);
        if (!files_remove(j->state, "complete", &ignored) || !files_remove(j->state, "done", &ignored) ||
            !files_remove(j->state, "status.json", &ignored)) {
            log_warn("%s", ignored.text);
        }
    }
    if (ok && machine && whole > 0 && whole == length && length <= COMPACT_AT) {
        j->size = length;
        return open_end(j, e); /* a start that finds nothing due writes nothing */
    }
    return ok && compact(j, e); /* it also cuts the torn tail off */
}

struct journal *journal_open(int state, const char *hardware_id, struct err *e)
{
    struct arena *a = arena_open();
    struct journal *j = arena_alloc(a, sizeof *j);
    j->arena = a;
    j->state = state;
    j->fd = -1;
    j->hardware_id = arena_strdup(a, hardware_id);
    if (!load(j, e)) {
        journal_free(j);
        return NULL;
    }
    return j;
}

struct journal *journal_peek(int state, const char *hardware_id)
{
    struct arena *a = arena_open();
    struct journal *j = arena_alloc(a, sizeof *j);
    struct buf b;
    struct err e;
    bool machine = true;
    j->arena = a;
    j->state = state;
    j->fd = -1;
    j->hardware_id = arena_strdup(a, hardware_id);
    buf_init(&b, LIMIT_JOURNAL);
    if (state >= 0 && files_read(state, "journal", &b, &e)) {
        (void)replay(j, &b, &machine);
    }
    buf_release(&b);
    if (!machine) {
        j->count = 0;
        j->completed = false;
    }
    return j;
}

void journal_free(struct journal *j)
{
    if (j != NULL) {
        if (j->fd >= 0) {
            close(j->fd);
        }
        arena_free(j->arena);
    }
}

/* Append the one record in b, durably, and compact when the file has grown. */
static bool append(struct journal *j, struct buf *b, bool ok, struct err *e)
{
    ok = ok && files_write(j->fd, b->data, b->len, e) && os_sync(j->fd, OS_SYNC_MEDIUM, e);
    j->size += b->len;
    buf_release(b);
    if (!ok) {
        return err_wrap(e, "journal");
    }
    return j->size < COMPACT_AT || compact(j, e);
}

struct journal_item journal_item(const struct journal *j, const char *name)
{
    const struct journal_item *it = find(j, name);
    return it != NULL ? *it : (struct journal_item){.name = name, .version = ""};
}

size_t journal_count(const struct journal *j)
{
    return j->count;
}

struct journal_item journal_at(const struct journal *j, size_t i)
{
    return j->items[i];
}

bool journal_intent(struct journal *j, const char *name, const char *version, bool removal, struct err *e)
{
    struct buf b;
    const char *action = removal ? "remove" : "install";
    buf_init(&b, 64 * LIMIT_KB);
    bool ok = put(j, &b, e, "intent", name, version, action, NULL);
    if (ok) {
        struct journal_item *it = obtain(j, name);
        set_version(j, it, version, removal);
        it->attempts++;
        it->outcome = JOURNAL_CUT;
        it->message = NULL;
    }
    return append(j, &b, ok, e);
}

bool journal_result(struct journal *j, const char *name, const char *version, bool removal,
                    enum journal_outcome outcome, const char *message, struct err *e)
{
    struct buf b;
    const char *action = removal ? "remove" : "install";
    buf_init(&b, 64 * LIMIT_KB);
    bool ok = put(j, &b, e, "result", name, version, action, word_of(outcome), message != NULL ? message : "",
                  NULL);
    if (ok) {
        struct journal_item *it = obtain(j, name);
        set_version(j, it, version, removal);
        it->outcome = outcome;
        it->message = message != NULL ? arena_strdup(j->arena, message) : NULL;
        if (outcome == JOURNAL_OK) {
            it->attempts = 0;
        }
    }
    return append(j, &b, ok, e);
}

bool journal_reset(struct journal *j, const char *name, struct err *e)
{
    struct buf b;
    char kind[] = "reset", *fields[2] = {kind, NULL};
    buf_init(&b, 64 * LIMIT_KB);
    fields[1] = arena_strdup(j->arena, name != NULL ? name : "");
    bool ok = put(j, &b, e, "reset", fields[1], NULL);
    if (ok) {
        apply(j, fields, 2);
    }
    return append(j, &b, ok, e);
}

bool journal_child(struct journal *j, pid_t pid, uint64_t start, const char *what, struct err *e)
{
    struct buf b;
    char number[24], when[24];
    buf_init(&b, 64 * LIMIT_KB);
    snprintf(number, sizeof number, "%ld", (long)pid);
    snprintf(when, sizeof when, "%llu", (unsigned long long)start);
    bool ok = put(j, &b, e, "child", number, when, what, NULL);
    if (ok && j->orphan_count < ORPHANS_MAX) {
        j->orphans[j->orphan_count++] = (struct orphan){pid, start, arena_strdup(j->arena, what)};
    }
    return append(j, &b, ok, e);
}

bool journal_children_gone(struct journal *j, struct err *e)
{
    struct buf b;
    if (j->orphan_count == 0) {
        return true;
    }
    buf_init(&b, 64 * LIMIT_KB);
    bool ok = put(j, &b, e, "gone", NULL);
    j->orphan_count = 0;
    return append(j, &b, ok, e);
}

void journal_orphans(struct journal *j, void (*fn)(void *ctx, pid_t pid, uint64_t start, const char *what),
                     void *ctx)
{
    for (size_t i = 0; i < j->orphan_count; i++) {
        const struct orphan *o = &j->orphans[i];
        if (o->start != 0 && os_process_start(o->pid) == o->start) {
            fn(ctx, o->pid, o->start, o->what);
        }
    }
    j->orphan_count = 0;
}

bool journal_completed(const struct journal *j)
{
    return j->completed;
}

bool journal_complete(struct journal *j, struct err *e)
{
    struct buf b;
    if (j->completed) {
        return true;
    }
    buf_init(&b, 64 * LIMIT_KB);
    bool ok = put(j, &b, e, "complete", NULL);
    j->completed = ok;
    return append(j, &b, ok, e);
}

bool journal_run(struct journal *j, const char *run, const char *plan_digest, struct err *e)
{
    struct buf b;
    buf_init(&b, 64 * LIMIT_KB);
    bool ok = put(j, &b, e, "run", run, plan_digest, NULL);
    return append(j, &b, ok, e);
}

bool journal_end(struct journal *j, int exit_code, struct err *e)
{
    struct buf b;
    char code[16];
    buf_init(&b, 64 * LIMIT_KB);
    snprintf(code, sizeof code, "%d", exit_code);
    bool ok = put(j, &b, e, "end", code, NULL);
    return append(j, &b, ok, e);
}
