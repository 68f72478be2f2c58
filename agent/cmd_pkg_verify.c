/* cmd_pkg_verify: is the package whole? The table of contents against its checksum, every member against
 * both of its own. Whether a signature is good is not judged here, and therefore never claimed: a package
 * that carries one ends with 1. */
#include "agent/cmd_pkg.h"
#include "agent/tojson.h"
#include "core/text.h"
#include <fcntl.h>
#include <unistd.h>

struct proof {
    const struct xar *x;
    bool intact;
    size_t checked;
    struct err why; /* when not intact */
    unsigned char sha256[DIGEST_MAX];
};

static bool prove(struct arena *a, int fd, struct proof *p)
{
    p->x = xar_open(a, fd, &p->why);
    if (!p->x)
        return false;
    for (size_t i = 0; i < p->x->member_count; i++, p->checked++)
        if (!xar_check(p->x, &p->x->members[i], &p->why))
            return false;
    if (p->x->unproven)
        return err_set(&p->why, ERR_TRUST, CAUSE_HASH, "%s", p->x->unproven);
    return digest_fd(DIGEST_SHA256, fd, 0, p->x->file_size, p->sha256, NULL, NULL, &p->why);
}

static const char *kind_name(enum digest_kind kind)
{
    static const char *const names[] = {"none", "md5", "sha1", "sha256", "sha512"};
    return names[kind];
}

static const char *signature_sentence(const struct proof *p)
{
    return p->x->signature_count > 0 ? "signature present, not verified by this version" : "unsigned";
}

static bool print_json(const struct proof *p)
{
    char hex[2 * DIGEST_MAX + 1];
    json_t *j = json_object(), *digests = json_object();
    bool has_signature = p->x && p->x->signature_count > 0;
    json_object_set_new(j, "schema", json_integer(1));
    json_object_set_new(j, "intact", json_boolean(p->intact));
    json_object_set_new(j, "status",
                        !p->intact      ? json_string("invalid")
                        : has_signature ? json_null()
                                        : json_string("unsigned"));
    json_object_set_new(j, "message", json_string(p->intact ? signature_sentence(p) : p->why.text));
    json_object_set_new(j, "has_signature", json_boolean(has_signature));
    json_object_set_new(j, "team_id", json_null());
    json_object_set_new(j, "chain", json_array());
    json_object_set_new(j, "timestamp", json_null());
    json_object_set_new(j, "notarized", json_null());
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

int cmd_pkg_verify(const struct cmd_pkg_options *o)
{
    struct proof p = {.x = NULL};
    const char *name = o->operands[0];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err_sys(&p.why, "open");
    else if (cmd_pkg_confine(&p.why))
        p.intact = prove(o->arena, fd, &p);
    bool wants_signature = o->require_signature || o->team_id;
    bool good = p.intact && p.x->signature_count == 0 && !wants_signature;
    if (o->json) {
        if (!print_json(&p))
            good = false;
    } else if (!p.intact) {
        cmd_pkg_fail(name, &p.why, EXIT_PREFLIGHT);
    } else {
        char hex[2 * DIGEST_MAX + 1];
        text_hex(hex, p.sha256, 32);
        printf("%s: intact (%zu members), %s\n", name, p.checked, signature_sentence(&p));
        printf("sha256 %s\n", hex);
        if (wants_signature && p.x->signature_count == 0)
            fprintf(stderr, "daybreak: %s: a signature was asked for\n", name);
    }
    if (fd >= 0)
        close(fd);
    return good ? EXIT_DONE : EXIT_PREFLIGHT;
}
