/* nghttp2 1.52 on macOS */
#define HAVE_ARPA_INET_H 1
#define HAVE_NETINET_IN_H 1
#define HAVE_CLOCK_GETTIME 1
#define HAVE_TIME_H 1
#define HAVE_DECL_CLOCK_MONOTONIC 1
