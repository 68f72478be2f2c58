/* liar: a worker that says what it likes. The test program is its own worker: it is given a number, and says
 * what that row of the test's table wants, uncaged. What it is asked, and its cage, it does not care about.
 */
#ifndef TESTS_UNIT_LIAR_H
#define TESTS_UNIT_LIAR_H
#include "installer/worker.h"
#include "package.h"
#include "volume.h"

#define LIAR_DONE 1 /* the record that ends a conversation well: worker.c */

/* A record: for each letter of fields 'i' an unsigned long long, 't' a text, 'r' a text without its NUL. */
static inline void liar_say(unsigned type, const char *fields, ...)
{
    struct buf b;
    struct err why;
    va_list args;
    bool ok = true;
    buf_init(&b, WORKER_RECORD_MAX);
    va_start(args, fields);
    for (; *fields != '\0'; fields++) {
        if (*fields == 'i') {
            ok = ok && worker_put_int(&b, va_arg(args, unsigned long long), &why);
        } else {
            const char *s = va_arg(args, const char *);
            ok = ok && worker_put_bytes(&b, s, strlen(s) + (*fields == 't'), &why);
        }
    }
    va_end(args);
    if (!ok)
        _exit(9);
    worker_send(type, &b);
    buf_release(&b);
}

/* As if all had gone well. */
static inline int liar_done(void)
{
    liar_say(LIAR_DONE, "");
    worker_alive();
    return 0;
}

/* The number that it was given: the file it gets begins with it. */
static inline size_t liar_row(void)
{
    char text[8] = "";
    (void)!pread(WORKER_FIRST, text, sizeof text - 1, 0);
    return (size_t)strtoul(text, NULL, 10);
}
#endif
