/* library: a shared library opened when it is needed, not at the start of the program: what libcurl and
 * libarchive bring with them takes longer to load than a decision takes. Only where they are shared (Linux:
 * the Makefile defines their names); elsewhere they are linked in and nobody calls this. */
#ifndef CORE_LIBRARY_H
#define CORE_LIBRARY_H
#include <stddef.h>

struct library_call {
    const char *symbol;
    size_t at; /* offset in the table: where the pointer to the function goes */
};

/* Opens the library of that name and fills table. Ends the process, as the dynamic linker would have done at
 * its start, when there is no such library or it has no such call. */
void library_open(const char *name, const struct library_call *calls, size_t count, void *table);
#endif
