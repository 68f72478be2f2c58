/* flatpkg: the native engine for Apple flat packages: install, extract, list.
 *
 * This process never parses a byte of the package. A worker without rights (worker.h: the program started
 * again, confined) proves the table of contents and reads the XML and the Bom; a second one, which may write
 * beneath a private staging folder alone, unpacks there. What they say is checked again here, what was staged
 * is inspected and then moved into place. Order, as Apple's installer has it: all payloads are
 * staged, all preinstall scripts run, all files move into place, all postinstall scripts run, what the
 * version before owned and nobody owns now goes, receipts are written. Until the last file has moved, a
 * failure or a kill leaves everything as it was (undo.h); a postinstall that fails leaves the files and no
 * receipt. Killed at any instant, the same install run again gives the same tree.
 *
 * Bundles: one that PackageInfo has version-checked and that is there in a newer version stays; where nothing
 * else would be installed, the package is refused. upgrade-bundle replaces whole, others are merged;
 * strict-identifier refuses to touch a bundle of another identifier. Nothing is ever relocated.
 *
 * Refused with a sentence: what only JavaScript can decide, unknown codecs, devices, names that would leave
 * the target. Dropped and counted: set-id bits that are not allowed, AppleDouble members where there are no
 * extended attributes. A package whose signature does not match is refused before anything of it is unpacked,
 * and so is one that is not signed as asked. */
#ifndef INSTALLER_FLATPKG_H
#define INSTALLER_FLATPKG_H
#include "installer/install.h"
#include "installer/signature.h"

struct flatpkg_options {
    const char *name; /* the package's file name: in messages, receipts, and for scripts its path */
    bool proved;      /* the whole file was proved by a trusted hash: a weak or absent xar checksum will do */
    const char *arch, *os_version;   /* what a Distribution is held against; NULL: not judged */
    const struct value *choices;     /* installer_choices_xml: array of dictionaries, or NULL */
    const struct value *allow_setid; /* target paths that keep their set-id bits, array of strings, or NULL */
    const char *const *environment; /* NAME=value added for the package's scripts; NULL at the end, or NULL */
    uint64_t timeout_ms;            /* for unpacking; 0: one hour */
    struct signature_need need;     /* what is asked of its signature */
    const void *roots;              /* PEM, instead of Apple's roots; NULL: Apple's */
    size_t roots_len;
};

/* Who signed it? Nothing else of it is read. Fails as need wants it to, ERR_TRUST; s is filled in then too
 * when the package got so far. */
CHECKED bool flatpkg_judge(struct loop *l, int package, const struct flatpkg_options *o,
                           struct install_signature *s, struct err *e);

/* Install into env->root. On success out has restart, scripts_skipped and in reason what was dropped; on
 * failure out->step and code say where. package is read with pread only. */
CHECKED bool flatpkg_install(const struct install_env *env, int package, const struct flatpkg_options *o,
                             struct install_outcome *out, struct err *e);

#define FLATPKG_STAGING "Staging" /* the folder below env->state in which packages are staged */
#define FLATPKG_UNDO    "undo-"   /* how the folders in it begin that tell of a move under way */

/* Take back a move that a kill cut, and remove what a killed install left under env->state, waiting at most a
 * few seconds for its worker to end. */
void flatpkg_recover(const struct install_env *env);

/* What was in a package. Strings are printable, paths relative without "./", and live during the call. */
struct flatpkg_component {
    const char *identifier, *version, *location; /* location: "/" or "/Applications"; never "" */
    const char *folder; /* member folder of a product ("x.pkg"), "" for a component */
    bool has_payload, has_bom;
    bool restart; /* restart or shutdown asked for */
};

struct flatpkg_entry {
    char type; /* '-', 'd', 'l' */
    unsigned mode, uid, gid;
    int64_t mtime;
    uint64_t size;
    const char *path, *link; /* link: target of a symbolic link, or of a hard link (type '-'), else "" */
    const char *refused;     /* why an install would refuse the package here (the name clashes), or "" */
    bool apple_double;       /* holds attributes of a sibling; never installed as a file */
};

struct flatpkg_summary {
    uint64_t components, files, bytes; /* files: members, directories included, but no root "." */
    uint64_t setid_dropped, apple_double_dropped, apple_double_kept;
    bool has_signature;                   /* the archive carries a signature, good or bad */
    bool needs_rosetta, may_need_rosetta; /* as distribution.h has it, for the options' arch */
};

/* Lay the payloads out under dir as an install into an empty root would; expand: the members of the archive
 * instead, decoded. Makes dir (any path; its parent is there); one that exists must be empty. On failure
 * nothing is left, dir as it was. */
CHECKED bool flatpkg_extract(struct loop *l, int package, const struct flatpkg_options *o, const char *dir,
                             bool expand, struct flatpkg_summary *sum, struct err *e);

/* Look without writing: component is called for each that would be installed (every one of the archive when
 * all is set), then entry for each member of its payload. With all set, a container that is no package has no
 * component, and entry is called for its members (with type, size and path alone). Either may be NULL;
 * without entry payloads are not read. A component whose payload proves bad, or would be refused, fails the
 * call after what there is has been shown. */
struct flatpkg_visitor {
    void (*component)(void *ctx, const struct flatpkg_component *c);
    void (*entry)(void *ctx, const struct flatpkg_entry *m);
    void *ctx;
};
CHECKED bool flatpkg_list(struct loop *l, int package, const struct flatpkg_options *o, bool all,
                          const struct flatpkg_visitor *v, struct flatpkg_summary *sum, struct err *e);
#endif
