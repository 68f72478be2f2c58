/* curl asks for the proxies once, for a side effect that lets getaddrinfo make IPv6 addresses of IPv4 literals on
 * networks without IPv4. Daybreak names its hosts, and links no framework: nothing is asked. */
#define SCDynamicStoreCopyProxies(store) ((void *)(store))
#define CFRelease(thing) ((void)(thing))
typedef void *CFDictionaryRef;
