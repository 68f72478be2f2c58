/* profile: configuration profiles (.mobileconfig): read, installed where the system still lets us, waited for
 * where only MDM may.
 *
 * Format: a property list with PayloadType Configuration, plain or as the content of a CMS SignedData. Which
 * profiles are present is asked of `profiles -C -o stdout-xml` on this Mac's own /, and read from
 * STATE/profiles.plist, in the same layout, on any other target. */
#ifndef INSTALLER_PROFILE_H
#define INSTALLER_PROFILE_H
#include "installer/install.h"

struct profile_payload {
    const char *type, *identifier, *uuid, *display_name; /* NULL when absent, but type */
    int64_t version;
};

struct profile {
    const char *identifier, *uuid;
    const char *display_name, *organization, *description; /* NULL when absent */
    bool removal_disallowed;
    int64_t version;
    const struct profile_payload *payloads;
    size_t payload_count; /* in PayloadContent; 0 when it is encrypted */
    bool encrypted;
    bool is_signed;
    const char *signer; /* common name of the signing certificate; "" */
    bool trusted;       /* the signer's chain ends in a root of the system: reported, never required */
};

/* Decode n bytes. NULL: ERR_LIMIT (over LIMIT_PROFILE), ERR_FORMAT naming the key, ERR_TRUST with cause
 * signature when it is signed and the signature does not match. In a. */
struct profile *profile_decode(struct arena *a, const void *p, size_t n, struct err *e);

/* The same of the file, decoded by a worker without rights (profile_worker.c). */
struct profile *profile_read(struct loop *l, struct arena *a, int file, struct err *e);
CHECKED bool profile_work(const struct buf *request, struct err *e); /* the worker's side */

/* Those of the whole machine, an array of dictionaries as `profiles` prints them; in a. NULL: *e. */
const struct value *profile_list(const struct install_env *env, struct arena *a, struct err *e);

/* Is a profile with this identifier there, for the whole machine? */
CHECKED bool profile_present(const struct install_env *env, const char *identifier, bool *present,
                             struct err *e);

/* May we install a profile ourselves: is the target's macOS 10.15 or older (facts)? */
bool profile_installable(const struct install_env *env);

/* Make the profile in file (proved descriptor; path for the tool) be there. Who signed it is told in
 * out->signature; need_trusted: refuse it (ERR_TRUST) unless that is somebody the system's roots know. Ends
 * INSTALL_OK, or on macOS 11 and later INSTALL_WAITING with a reason while MDM has not brought it. */
CHECKED bool profile_install(const struct install_env *env, int file, const char *path, bool need_trusted,
                             struct install_outcome *out, struct err *e);

/* Remove it; one that is not there is fine. */
CHECKED bool profile_remove(const struct install_env *env, const char *identifier, struct err *e);
#endif
