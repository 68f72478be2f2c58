/* sysproxy: the proxies of this Mac's network settings, as `scutil --proxy` prints them. */
#ifndef AGENT_SYSPROXY_H
#define AGENT_SYSPROXY_H
#include "core/arena.h"

struct sysproxy {
    const char *https, *http; /* "http://host:port" for URLs of that scheme, or NULL */
    const char *exceptions; /* hosts, suffixes and networks that are reached directly, as libcurl takes them:
                               "host,.suffix,10.0.0.0/8"; or NULL */
    const char *pac;        /* a script decides, which nobody here can execute; its URL, or NULL */
};

/* Decode what scutil printed. Keys it does not know are passed over; what is no dictionary gives nothing. */
void sysproxy_parse(struct arena *a, const char *text, struct sysproxy *p);
#endif
