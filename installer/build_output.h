/* build_output: the package being made, beside its name until it is whole. A part of build. */
#ifndef INSTALLER_BUILD_OUTPUT_H
#define INSTALLER_BUILD_OUTPUT_H
#include "core/arena.h"
#include "installer/build.h"
#include "installer/xar_writer.h"

struct build_output {
    int dir; /* the one it lies in; temporaries go there too */
    const char *name;
    char temporary[64];
    int fd;
};

/* Find the directory of path. Call build_output_close in any case. */
CHECKED bool build_output_open(struct arena *a, const char *path, struct build_output *o, struct err *e);

/* Write w's container, make it durable, give it its name; result->size is set. */
CHECKED bool build_output_publish(struct build_output *o, struct xar_writer *w, struct build_result *result,
                                  struct err *e);
void build_output_close(struct build_output *o);
#endif
