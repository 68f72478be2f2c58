/* limits: every maximum on what comes from outside, in one place. Bytes unless the name says otherwise. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H
#include <stddef.h>
#include <stdint.h>

#define LIMIT_KB ((size_t)1024)
#define LIMIT_MB ((size_t)1024 * 1024)

/* property lists */
#define LIMIT_PLIST          (16 * LIMIT_MB) /* any plist given to the library whole */
#define LIMIT_MANIFEST       (1 * LIMIT_MB)
#define LIMIT_CATALOG        (256 * LIMIT_MB)
#define LIMIT_CATALOG_ITEM   (1 * LIMIT_MB)
#define LIMIT_ITEM_NODES     20000
#define LIMIT_PLIST_NODES    2000000 /* of one file */
#define LIMIT_PLIST_DEPTH    64
#define LIMIT_PLIST_EXPANDED (64 * LIMIT_MB) /* texts of a binary plist, each as often as it is used */
#define LIMIT_MANIFESTS      1000            /* in one run */
#define LIMIT_INCLUDE_DEPTH  64
#define LIMIT_SECTIONS       20000  /* manifests and true conditions passed in one run */
#define LIMIT_MENTIONS       500000 /* entries of all lists of these */
#define LIMIT_CATALOGS       1000   /* in one run */
#define LIMIT_REQUIRE_DEPTH  256
#define LIMIT_SCRIPT_TEXT    (1 * LIMIT_MB)
#define LIMIT_PREDICATE      (64 * LIMIT_KB)

/* bootstrap.json */
#define LIMIT_BOOTSTRAP       LIMIT_MB
#define LIMIT_BOOTSTRAP_ITEMS 1000

/* flat packages */
#define LIMIT_TOC_STORED    (8 * LIMIT_MB)
#define LIMIT_TOC           (32 * LIMIT_MB)
#define LIMIT_TOC_DEPTH     32
#define LIMIT_TOC_FILES     20000
#define LIMIT_PACKAGE_XML   (4 * LIMIT_MB) /* PackageInfo, Distribution */
#define LIMIT_BOM           (256 * LIMIT_MB)
#define LIMIT_COMPONENTS    256
#define LIMIT_PAYLOAD_FILES 1000000
#define LIMIT_PAYLOAD_DEPTH 64
#define LIMIT_PAYLOAD_FILE  ((uint64_t)4 * 1024 * 1024 * LIMIT_MB) /* one file of a payload */
#define LIMIT_PLAN          (1024 * (uint64_t)LIMIT_MB) /* what one worker leaves for the next: plan.h */
#define LIMIT_NAME          255
#define LIMIT_PATH          1023
#define LIMIT_INFLATE_RATIO 1100 /* decoded : stored, beyond the first 64 MB */

/* signatures; what nests in ASN.1 OpenSSL bounds itself, at 30 */
#define LIMIT_SIGNATURE    (64 * LIMIT_KB) /* one element of a table of contents */
#define LIMIT_CERTIFICATE  (16 * LIMIT_KB)
#define LIMIT_CERTIFICATES 16             /* beside one signature */
#define LIMIT_TICKET       (4 * LIMIT_MB) /* 21 bytes for each piece of code in the package */

/* network */
#define LIMIT_HTTP_HEADER   (64 * LIMIT_KB)
#define LIMIT_PACKAGE_FILE  (64 * 1024 * LIMIT_MB) /* an installer item, where the catalog gives no size */
#define LIMIT_REDIRECTS     5
#define LIMIT_RETRY_AFTER_S 900
#define LIMIT_ROOTS         (8 * LIMIT_MB) /* PEM certificates of certification authorities */

#define LIMIT_KEYCHAIN_CERTIFICATES 256 /* looked at in a Mac's System keychain */

/* children and text */
#define LIMIT_CHILD_OUTPUT (1 * LIMIT_MB) /* kept; what is beyond is counted and dropped */
#define LIMIT_CHILD_LINE   (4 * LIMIT_KB)
#define LIMIT_CHILD_FDS    16 /* passed to one child */
#define LIMIT_LOG_LINE     (4 * LIMIT_KB)
#define LIMIT_LOG_FILE     (5 * LIMIT_MB)
#define LIMIT_JOURNAL      (4 * LIMIT_MB)
#define LIMIT_STATUS       (4 * LIMIT_MB)
#define LIMIT_PROFILE      (4 * LIMIT_MB)
#define LIMIT_SECRETS      64 /* registered strings */

/* what is found on the target volume */
#define LIMIT_APPS         20000
#define LIMIT_SCAN_ENTRIES 4000000 /* files passed by the search for applications */
#define LIMIT_SCAN_DEPTH   32
#endif
