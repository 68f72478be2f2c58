/* cmd_pkg_verify: is the package whole, and who signed it? The table of contents against its checksum, every
 * member against both of its own, the signatures against the table of contents, the signer against Apple's
 * root. What `pkgutil --check-signature` says of a package is said here of the same one, offline.
 *
 * The sum of the whole file is made beside the members' own, so that all of it takes hardly longer than
 * hashing the file once. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/text.h"
#include "installer/signature.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct proof {
    const struct xar *x;
    bool intact;
    size_t checked;
    struct err why; /* when not intact */
    struct signature signature;
    struct err refused; /* why it is not what was asked for; kind NONE: it is */
    unsigned char sha256[DIGEST_MAX];
};

static bool check(struct arena *a, int fd, const struct signature_policy *policy, struct proof *p)
{
    bool ok = true;
    p->x = xar_open(a, fd, &p->why);
    if (!p->x || !signature_judge(p->x, policy, &p->signature, &p->why))
        return false;
    for (size_t i = 0; ok && i < p->x->member_count; i++) {
        ok = xar_check(p->x, &p->x->members[i], &p->why);
        p->checked += ok;
    }
    if (ok && p->x->unproven)
        ok = err_set(&p->why, ERR_TRUST, CAUSE_HASH, "%s", p->x->unproven);
    return ok;
}

/* The thread that hashes is started before we confine ourselves, since none can be afterwards. */
static bool prove(struct arena *a, int fd, const struct signature_policy *policy, struct proof *p)
{
    struct err unhashed;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(&p->why, "fstat");
    struct digest_beside *whole =
        digest_beside_start(DIGEST_SHA256, fd, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    bool ok = cmd_pkg_confine(&p->why) && check(a, fd, policy, p);
    if (!digest_beside_end(whole, p->sha256, &unhashed) && ok) {
        p->why = unhashed;
        ok = false;
    }
    return ok;
}

static const char *kind_name(enum digest_kind kind)
{
    static const char *const names[] = {"none", "md5", "sha1", "sha256", "sha512"};
    return names[kind];
}

/* An altered member makes the signature one of something else. */
static const char *status_name(const struct proof *p)
{
    return p->intact ? signature_status_name(p->signature.status) : "invalid";
}

static const char *sentence(const struct proof *p)
{
    return p->intact ? p->signature.why : p->why.text;
}

/* --- for programs --- */

static json_t *time_json(int64_t t)
{
    char text[32];
    if (t == 0)
        return json_null();
    text_utc(text, (time_t)t, -1);
    return json_string(text);
}

json_t *cmd_pkg_signature_json(const struct signature *s, json_t *j)
{
    json_t *chain = json_array();
    for (size_t i = 0; i < s->chain_count; i++) {
        json_t *c = json_object();
        json_object_set_new(c, "name", json_string(s->chain[i].name));
        json_object_set_new(c, "sha256", json_string(s->chain[i].sha256));
        json_object_set_new(c, "not_before", time_json(s->chain[i].not_before));
        json_object_set_new(c, "not_after", time_json(s->chain[i].not_after));
        json_array_append_new(chain, c);
    }
    json_object_set_new(j, "team_id", *s->team_id ? json_string(s->team_id) : json_null());
    json_object_set_new(j, "chain", chain);
    json_object_set_new(j, "timestamp", time_json(s->timestamp));
    json_object_set_new(j, "notarized", json_boolean(s->notarized));
    json_object_set_new(j, "notarized_at", time_json(s->notarized_at));
    json_object_set_new(j, "ticket", *s->ticket ? json_string(s->ticket) : json_null());
    return j;
}

static bool print_json(const struct proof *p)
{
    char hex[2 * DIGEST_MAX + 1];
    json_t *j = json_object(), *digests = json_object();
    json_object_set_new(j, "schema", json_integer(1));
    json_object_set_new(j, "intact", json_boolean(p->intact));
    json_object_set_new(j, "status", json_string(status_name(p)));
    json_object_set_new(j, "message", json_string(sentence(p)));
    json_object_set_new(j, "refused",
                        p->refused.kind == ERR_NONE ? json_null() : json_string(p->refused.text));
    json_object_set_new(j, "has_signature", json_boolean(p->x && p->x->signature_count > 0));
    cmd_pkg_signature_json(&p->signature, j);
    if (p->intact) {
        text_hex(hex, p->sha256, 32);
        json_object_set_new(digests, "sha256", json_string(hex));
        text_hex(hex, p->x->toc.sum, digest_size(p->x->toc.kind));
        json_object_set_new(digests, "toc", json_string(hex));
        json_object_set_new(digests, "toc_kind", json_string(kind_name(p->x->toc.kind)));
    }
    json_object_set_new(j, "digests", digests);
    return tojson_print(j);
}

/* --- for people --- */

static void print_time(const char *label, int64_t t)
{
    char text[32];
    text_utc(text, (time_t)t, -1);
    printf("  %-14s %s\n", label, text);
}

static void print_proof(const char *name, const struct proof *p)
{
    char hex[2 * DIGEST_MAX + 1];
    const struct signature *s = &p->signature;
    text_hex(hex, p->sha256, 32);
    printf("%s: intact (%zu members), %s\n", name, p->checked, status_name(p));
    if (s->status != SIGNATURE_UNSIGNED) {
        printf("  %-14s %s\n", "Signature", s->why);
        printf("  %-14s %s\n", "Team ID", *s->team_id ? s->team_id : "none");
        if (s->timestamp > 0)
            print_time("Timestamp", s->timestamp);
        else
            printf("  %-14s none that is trusted\n", "Timestamp");
        if (s->notarized)
            print_time("Notarized", s->notarized_at);
        else
            printf("  %-14s %s\n", "Notarized", *s->ticket ? s->ticket : "no ticket is stapled to it");
        for (size_t i = 0; i < s->chain_count; i++) {
            char until[32];
            text_utc(until, (time_t)s->chain[i].not_after, -1);
            printf("  %-14s %zu. %s (until %.10s)\n  %-14s    sha256 %s\n", i ? "" : "Chain", i + 1,
                   s->chain[i].name, until, "", s->chain[i].sha256);
        }
    }
    printf("sha256 %s\n", hex);
}

/* --- options --- */

/* "2026-11-24" or "2026-11-24T00:00:00Z". */
static bool parse_at(const char *s, int64_t *at, struct err *e)
{
    char day[32];
    time_t t;
    *at = -1;
    if (!s)
        return true;
    snprintf(day, sizeof day, "%.20s%s", s, strlen(s) == 10 ? "T00:00:00Z" : "");
    if (strlen(s) > 20 || !text_parse_utc(day, &t) || t < 0)
        return err_set(e, ERR_USAGE, CAUSE_NONE, "--at needs a date such as 2026-11-24T00:00:00Z, not \"%s\"",
                       s);
    *at = (int64_t)t;
    return true;
}

bool cmd_pkg_read(const char *option, const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 ? files_read_fd(fd, out, e) : err_sys(e, "open");
    if (fd >= 0)
        close(fd);
    return ok || err_wrap(e, "%s %s", option, path);
}

/* What the signature is held against: also without a package, to complain before it is read. */
static bool make_policy(const struct cmd_pkg_options *o, struct signature_policy *policy, struct buf *roots,
                        struct err *e)
{
    if (!parse_at(o->at, &policy->at, e))
        return false;
    if (!o->ca)
        return true;
    if (!cmd_pkg_read("--ca", o->ca, roots, e))
        return false;
    policy->roots = buf_str(roots);
    policy->roots_len = roots->len;
    return true;
}

/* Good enough? */
static void hold(const struct cmd_pkg_options *o, struct proof *p)
{
    const struct signature_need need = {.is_signed = o->require_signature, .team_id = o->team_id};
    const struct signature *s = &p->signature;
    if (!p->intact)
        p->refused = p->why;
    else if (signature_meets(s, &need, &p->refused) && s->status != SIGNATURE_SIGNED &&
             s->status != SIGNATURE_UNSIGNED)
        err_set(&p->refused, ERR_TRUST, CAUSE_SIGNATURE, "its signature is %s: %s", status_name(p), s->why);
}

int cmd_pkg_verify(const struct cmd_pkg_options *o)
{
    struct proof p = {.x = NULL};
    struct signature_policy policy = {.roots = NULL};
    struct buf roots;
    struct err e;
    const char *name = o->operands[0];
    buf_init(&roots, LIMIT_ROOTS);
    if (!make_policy(o, &policy, &roots, &e)) {
        buf_release(&roots);
        return cmd_pkg_fail(NULL, &e, EXIT_USAGE);
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err_sys(&p.why, "open");
    else
        p.intact = prove(o->arena, fd, &policy, &p);
    hold(o, &p);
    bool good = p.refused.kind == ERR_NONE, usage = p.why.kind == ERR_USAGE; /* --ca is no certificate */
    if (usage) {
        fprintf(stderr, "daybreak: --ca %s: %s\n", o->ca, p.why.text);
    } else if (o->json) {
        if (!print_json(&p))
            good = false;
    } else if (p.intact) {
        print_proof(name, &p);
    }
    if (p.refused.kind != ERR_NONE && !o->json && !usage)
        cmd_pkg_fail(name, &p.refused, EXIT_PREFLIGHT);
    if (fd >= 0)
        close(fd);
    buf_release(&roots);
    return usage ? EXIT_USAGE : good ? EXIT_DONE : EXIT_PREFLIGHT;
}
