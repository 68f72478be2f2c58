/* judge: is this package signed, and by whom? Answered by a worker of its own that has read nothing of the
 * package but its header, its signatures and, as mere bytes to be summed, its table of contents.
 *
 * That table is compressed XML of whoever made the file: inspect.h reads it, and whom it has led astray may
 * say anything. So inspect's word on where the signatures lie, and on the certificates that stand beside
 * them, comes here as a claim. What is verified is the sum made here; a claim that lies can only make the
 * answer worse. Descriptor: WORKER_FIRST, the package. */
#ifndef INSTALLER_JUDGE_H
#define INSTALLER_JUDGE_H
#include "core/buf.h"
#include "installer/xar.h"

#define JUDGE_CLAIMS_MAX (4 * (size_t)1024 * 1024)

/* The claims about x, appended to b. ERR_LIMIT: more than JUDGE_CLAIMS_MAX. */
CHECKED bool judge_put_claims(struct buf *b, const struct xar *x, struct err *e);

/* Ask for an answer: roots in PEM instead of Apple's (len 0: Apple's), and the claims. */
CHECKED bool judge_put_request(struct buf *b, const void *roots, size_t roots_len, const struct buf *claims,
                               struct err *e);

/* The work itself, in the worker only. Sends one RECORD_SIGNATURE (record.h). ERR_USAGE: the roots cannot be
 * read; otherwise whatever the package holds is an answer. */
CHECKED bool judge_work(const struct buf *request, struct err *e);
void judge_prepare(void); /* what the libraries need before the cage closes */
#endif
