/* machine: what the computer itself says it is, by Apple's tools and their plist output. */
#ifndef AGENT_MACHINE_H
#define AGENT_MACHINE_H
#include "core/loop.h"
#include "manifests/props.h"

/* Names and meanings are those of the facts in predicates; NULL: unknown. */
struct machine {
    const char *hostname, *arch, *darwin_version;                           /* uname */
    const char *os_version, *os_build;                                      /* ROOT's SystemVersion.plist */
    const char *machine_model;                                              /* sysctl hw.model */
    const char *serial, *hardware_id, *board_id, *device_id, *product_name; /* ioreg */
    const char *ibridge;                                                    /* system_profiler */
    const struct value *ipv4, *ipv6;                                        /* arrays of strings, or NULL */
    bool laptop;                                                            /* has an internal battery */
    bool battery_known;
};

/* uname alone: hostname, arch (the machine's, also under Rosetta), darwin_version. */
void machine_uname(struct arena *a, struct machine *m);

/* os_version and os_build of the system on the volume root; false when it has none that can be read. The
 * patch level 0 is left out, as everywhere: "15.0". */
bool machine_system(struct arena *a, int root, struct machine *m);

/* serial and hardware_id alone, by one quick question. */
void machine_identity(struct arena *a, struct loop *l, const char *tools, struct machine *m);

/* Ask the tools; what does not answer stays NULL and is said in the log. tools: a directory that has them
 * instead of Apple's places, or NULL. */
void machine_ask(struct arena *a, struct loop *l, const char *tools, struct machine *m);
#endif
