/* libplist 2.2 on macOS */
#define HAVE_GMTIME_R 1
#define HAVE_LOCALTIME_R 1
#define HAVE_TIMEGM 1
#define HAVE_TM_TM_GMTOFF 1
#define HAVE_TM_TM_ZONE 1
#define HAVE_STRDUP 1
#define HAVE_STRNDUP 1
#define HAVE_STPNCPY 1
#define HAVE_STRERROR 1
#define HAVE_FVISIBILITY 1
#define PACKAGE_VERSION "2.2.0"
