/* expat 2.5 on macOS */
#include <machine/endian.h>
#define BYTEORDER (BYTE_ORDER == LITTLE_ENDIAN ? 1234 : 4321)
#define HAVE_ARC4RANDOM_BUF 1
#define HAVE_FCNTL_H 1
#define HAVE_UNISTD_H 1
#define HAVE_STDINT_H 1
#define XML_CONTEXT_BYTES 1024
#define XML_DTD 1
#define XML_NS 1
