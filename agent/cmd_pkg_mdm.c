/* cmd_pkg_mdm: the manifest that MDM's InstallEnterpriseApplication wants, from the finished package.
 *
 * One wrong sum and a Mac gives up without a word, so the package is proved first, and what a Mac would
 * refuse is refused here: no product (Distribution), no signature, a broken or expired one. A signer that is
 * not Apple's may be one whose root MDM brings: that is said, not refused. Format: Apple's MDM protocol
 * reference; pieces of 10 MiB, one where the package is smaller. */
#include "agent/cmd_pkg.h"
#include "core/limits.h"
#include "core/text.h"
#include "manifests/props.h"
#include <fcntl.h>
#include <unistd.h>

#define PIECE (10 * (uint64_t)LIMIT_MB)

struct making {
    struct arena *arena;
    int fd;
    const struct xar *x;
    const char *url, *title;
    struct value *components; /* dictionaries of identifier and version */
};

static struct value *named(struct arena *a, const char *identifier, const char *version)
{
    struct value *d = value_new_dict(a);
    value_set(a, d, "bundle-identifier", value_new_str(a, identifier));
    value_set(a, d, "bundle-version", value_new_str(a, version));
    return d;
}

/* Only what a Mac would take from MDM. */
static bool acceptable(const struct cmd_pkg_options *o, struct making *m, const struct buf *roots,
                       struct err *e)
{
    struct signature s;
    const struct signature_policy policy = {
        .roots = o->ca ? buf_str(roots) : NULL, .roots_len = roots->len, .at = -1};
    const struct signature_need none = {.is_signed = false};
    bool ok = signature_judge(m->x, &policy, &s, e) && signature_meets(&s, &none, e);
    if (ok && !xar_find(m->x, "Distribution"))
        ok = err_set(e, ERR_REFUSED, CAUSE_FORMAT,
                     "a component package: MDM installs products alone (pkg build --component makes one)");
    bool preview = o->unsigned_too && s.status == SIGNATURE_UNSIGNED;
    if (ok && !preview && (s.status == SIGNATURE_UNSIGNED || s.status == SIGNATURE_EXPIRED))
        ok = err_set(e, ERR_TRUST, CAUSE_SIGNATURE, "MDM installs signed packages alone, and it is %s%s%s",
                     signature_status_name(s.status), *s.why != '\0' ? ": " : "", s.why);
    for (size_t i = 0; ok && i < m->x->member_count; i++)
        ok = xar_check(m->x, &m->x->members[i], e);
    if (ok && m->x->unproven)
        ok = err_set(e, ERR_TRUST, CAUSE_HASH, "%s", m->x->unproven);
    if (ok && preview && !o->quiet)
        fprintf(stderr,
                "daybreak: %s: unsigned, so no Mac takes it: signing changes every hash in this manifest\n",
                o->operands[0]);
    if (ok && s.status == SIGNATURE_UNTRUSTED && !o->quiet)
        fprintf(stderr, "daybreak: %s: a Mac takes it only if MDM has brought the signer's root: %s\n",
                o->operands[0], s.why);
    return ok;
}

static bool read_product(struct making *m, struct err *e)
{
    struct buf b;
    struct arena *a = m->arena;
    const struct xar_member *member = xar_find(m->x, "Distribution");
    buf_init(&b, LIMIT_PACKAGE_XML);
    bool ok = xar_load(m->x, member, &b, e);
    const struct distribution *d = ok ? distribution_decode(a, buf_str(&b), b.len, e) : NULL;
    m->components = value_new_array(a);
    if (d && d->product_id)
        value_append(a, m->components,
                     named(a, d->product_id, d->product_version ? d->product_version : "0"));
    for (size_t i = 0; d && ok && i < d->ref_count; i++) {
        const char *folder = d->refs[i].component;
        member = folder ? xar_find(m->x, arena_printf(a, "%s/PackageInfo", folder)) : NULL;
        buf_clear(&b);
        if (!member)
            continue;
        const struct packageinfo *info =
            xar_load(m->x, member, &b, e) ? packageinfo_decode(a, buf_str(&b), b.len, e) : NULL;
        ok = info != NULL || err_wrap(e, "%s", folder);
        if (ok)
            value_append(a, m->components, named(a, info->identifier, info->version));
    }
    m->title = d && *d->title ? d->title : text_basename(m->url);
    buf_release(&b);
    if (d && ok && value_count(m->components) == 0)
        ok = err_set(e, ERR_FORMAT, CAUSE_FORMAT, "a product without a component");
    return d && ok;
}

static struct value *sums(const struct making *m, uint64_t piece, struct err *e)
{
    struct value *v = value_new_array(m->arena);
    unsigned char sum[DIGEST_MAX];
    char hex[2 * DIGEST_MAX + 1];
    for (uint64_t at = 0; at < m->x->file_size; at += piece) {
        uint64_t left = m->x->file_size - at;
        if (!digest_fd(DIGEST_SHA256, m->fd, at, left < piece ? left : piece, sum, NULL, NULL, e))
            return NULL;
        text_hex(hex, sum, 32);
        value_append(m->arena, v, value_new_str(m->arena, hex));
    }
    return v;
}

static struct value *in_array(struct arena *a, const struct value *one)
{
    struct value *v = value_new_array(a);
    value_append(a, v, one);
    return v;
}

static bool print_manifest(const struct making *m, struct err *e)
{
    struct arena *a = m->arena;
    uint64_t piece = m->x->file_size < PIECE ? m->x->file_size : PIECE;
    struct value *all = value_new_dict(a), *item = value_new_dict(a), *asset = value_new_dict(a);
    const struct value *first = value_at(m->components, 0);
    struct value *metadata =
        named(a, props_str(first, "bundle-identifier"), props_str(first, "bundle-version"));
    const struct value *hashes = sums(m, piece, e);
    if (!hashes)
        return false;
    value_set(a, asset, "kind", value_new_str(a, "software-package"));
    value_set(a, asset, "sha256-size", value_new_int(a, (int64_t)piece));
    value_set(a, asset, "sha256s", hashes);
    value_set(a, asset, "url", value_new_str(a, m->url));
    value_set(a, metadata, "kind", value_new_str(a, "software"));
    value_set(a, metadata, "title", value_new_str(a, m->title));
    value_set(a, metadata, "sizeInBytes", value_new_int(a, (int64_t)m->x->file_size));
    if (value_count(m->components) > 1)
        value_set(a, metadata, "items", m->components);
    value_set(a, item, "assets", in_array(a, asset));
    value_set(a, item, "metadata", metadata);
    value_set(a, all, "items", in_array(a, item));
    struct buf b;
    buf_init(&b, LIMIT_PLIST);
    bool ok = props_encode(all, &b, e);
    if (ok)
        fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    return ok;
}

int cmd_pkg_mdm_manifest(const struct cmd_pkg_options *o)
{
    struct err e;
    struct making m = {.arena = o->arena, .url = o->url};
    if (!o->url || !text_starts(o->url, "https://") || strpbrk(o->url, " \t\r\n")) {
        err_set(&e, ERR_USAGE, CAUSE_NONE,
                "--url needs the https address that Macs will load the package from");
        return cmd_pkg_fail(NULL, &e, EXIT_USAGE);
    }
    struct buf roots;
    buf_init(&roots, LIMIT_ROOTS);
    m.fd = open(o->operands[0], O_RDONLY | O_CLOEXEC);
    if (m.fd < 0)
        err_sys(&e, "open");
    else if ((!o->ca || cmd_pkg_read("--ca", o->ca, &roots, &e)) && cmd_pkg_confine(&e))
        m.x = xar_open(o->arena, m.fd, &e);
    bool ok = m.x && acceptable(o, &m, &roots, &e) && read_product(&m, &e) && print_manifest(&m, &e);
    if (m.fd >= 0)
        close(m.fd);
    buf_release(&roots);
    return ok ? EXIT_DONE
              : cmd_pkg_fail(o->operands[0], &e, e.kind == ERR_USAGE ? EXIT_USAGE : EXIT_PREFLIGHT);
}
