/* build: makes flat packages, on any system, from the same input always the same bytes.
 *
 * A component is a payload tree (or none) with scripts; a product is a Distribution over components. Memory
 * is proportional to the number of files, not to their size. Nothing bears the output's name before it is
 * whole. */
#ifndef INSTALLER_BUILD_H
#define INSTALLER_BUILD_H
#include "installer/signature.h"
#include <stdint.h>
#include <time.h>

struct build_component {
    int payload; /* directory whose contents are installed, or -1: a package without payload */
    int scripts; /* directory with preinstall and/or postinstall and what they need, or -1 */
    const char *identifier, *version;
    const char *install_location;          /* NULL: "/" */
    bool preserve_owner;                   /* owners of the tree; else all belong to root:wheel (0:0) */
    time_t time;                           /* of everything that has a time; -1: the files' own, and now */
    const struct signature_signer *signer; /* NULL: unsigned */
};

struct build_product {
    const char *const *components; /* paths of component packages, in order of installation */
    size_t component_count;
    const char *title;                /* NULL: the first component's identifier */
    const char *identifier, *version; /* of the product, or both NULL */
    const char *min_os;               /* allowed-os-versions: at least this macOS; NULL: any */
    time_t time;                      /* as above */
    const struct signature_signer *signer;
};

struct build_result {
    uint64_t files; /* entries of the payloads */
    uint64_t bytes; /* of their contents */
    uint64_t size;  /* of the package made */
};

/* Make the package out (replaced atomically, 0644). ERR_USAGE: identifier, version or location are
 * impossible; ERR_REFUSED: the tree holds what a package cannot (a socket, a name with a newline, …; named);
 * ERR_LIMIT, ERR_SYS, ERR_SPACE. */
CHECKED bool build_component(const struct build_component *c, const char *out, struct build_result *result,
                             struct err *e);
CHECKED bool build_product(const struct build_product *p, const char *out, struct build_result *result,
                           struct err *e);
#endif
