/* table: rows of a recorded table, $DAYBREAK_SHARED/cases/NAME or ../shared/cases/NAME: tab-separated, "#"
 * begins a comment line. Where there is none, table_open says so and the test skips. */
#ifndef TESTS_UNIT_TABLE_H
#define TESTS_UNIT_TABLE_H
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
    FILE *file;
    char line[4096];
    char *fields[8];
};

static inline const char *table_path(const char *name)
{
    static char path[1024];
    const char *shared = getenv("DAYBREAK_SHARED");
    (void)snprintf(path, sizeof path, "%s/cases/%s", shared ? shared : "../shared", name);
    return path;
}

static inline bool table_open(struct table *t, const char *name)
{
    t->file = fopen(table_path(name), "r");
    if (!t->file)
        printf("skipped: no %s\n", table_path(name));
    return t->file != NULL;
}

static inline bool table_next(struct table *t)
{
    do {
        if (!fgets(t->line, sizeof t->line, t->file))
            return false;
        t->line[strcspn(t->line, "\r\n")] = '\0';
    } while (t->line[0] == '#' || !t->line[0]);
    char *p = t->line;
    for (size_t i = 0; i < sizeof t->fields / sizeof *t->fields; i++) {
        t->fields[i] = p;
        p += strcspn(p, "\t");
        if (*p)
            *p++ = '\0';
    }
    return true;
}

static inline const char *table_field(const struct table *t, size_t i)
{
    return t->fields[i];
}

static inline void table_close(struct table *t)
{
    (void)fclose(t->file);
}
#endif
