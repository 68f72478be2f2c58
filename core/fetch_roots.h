/* fetch_roots: the certificates that a TLS server's chain may end in, as one PEM text. Part of fetch. */
#ifndef CORE_FETCH_ROOTS_H
#define CORE_FETCH_ROOTS_H
#include "core/arena.h"
#include "core/buf.h"

/* The system's bundle: /etc/ssl/cert.pem where there is one (a Mac has it, kept by the system), else the
 * TLS library's own default, which may be NULL. */
const char *fetch_roots_system(const char *library_default);

/* Append to out the bundle (when not NULL and there), pem, file, and every regular file of dir that holds a
 * PEM certificate; pem, file and dir may be NULL. Links are followed: the paths are the administrator's. A
 * file or dir that cannot be read, or gives no certificate, is an error. */
CHECKED bool fetch_roots_load(struct buf *out, const char *bundle, const char *pem, const char *file,
                              const char *dir, struct err *e);
#endif
